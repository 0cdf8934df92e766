"""COCO's ten figures: what they are, and how they are counted from the detections' outcomes.

The figures of a dataset itself come from the library (:mod:`hpemap_mm.evaluation.coco_library`);
counting them again under weights, for thousands of resampled datasets at once, is done here by
the same rule: precision falls with recall, and is read at 101 recalls.

Dimensions: M detections, I images, A area classes, T thresholds, R recalls, B replicates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

#: The figures, in COCO's order.
COCO_LINES = ('AP', 'AP50', 'AP75', 'AP_M', 'AP_L', 'AR', 'AR50', 'AR75', 'AR_M', 'AR_L')
#: Similarities from which a detection is right.
THRESHOLDS = np.linspace(0.5, 0.95, 10)
#: Recalls at which precision is read.
RECALLS = np.linspace(0.0, 1.0, 101)
#: Area classes in px^2: all, medium, large. COCO's small persons have no annotated joints.
AREA_RANGES = ((0.0, 1e5**2), (32.0**2, 96.0**2), (96.0**2, 1e5**2))

#: Of each figure: precision or recall, which threshold (None: the mean of all), which area class.
_LINES: Mapping[str, tuple[str, int | None, int]] = {
    f'{kind}{suffix}': (kind, threshold, area)
    for kind in ('AP', 'AR')
    for suffix, threshold, area in (
        ('', None, 0),
        ('50', 0, 0),
        ('75', 5, 0),
        ('_M', None, 1),
        ('_L', None, 2),
    )
}
#: Replicates at a time: their rows stay in the processor's cache.
_AT_A_TIME = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """Each detection's outcome, by falling score: what AP and AR are counted from.

    Equal scores stand in the order of their images' ids, then in the file's, as in pycocotools.

    Attributes:
        rows: (M,) row of the detection in the predictions.
        image: (M,) index of its image in ``Truth.images``.
        scores: (M,) falling.
        right: (A, T, M): took a person that counts.
        wrong: (A, T, M): took nobody. Neither: ignored.
        positives: (A, I) persons that count, per image of ``Truth.images``.
    """

    rows: IntArray
    image: IntArray
    scores: Array
    right: BoolArray
    wrong: BoolArray
    positives: IntArray


def summarize(precision: Array, recall: Array) -> dict[str, Array]:
    """The ten figures of average precision and recall by threshold and class.

    Args:
        precision: (..., A, T) mean over the recalls; NaN for classes without a person.
        recall: (..., A, T) likewise.

    Returns:
        By name (:data:`COCO_LINES`): (...).
    """
    lines = {}
    for name, (kind, threshold, area) in _LINES.items():
        values = (precision if kind == 'AP' else recall)[..., area, :]
        lines[name] = values.mean(-1) if threshold is None else values[..., threshold]
    return lines


def weighted_lines(outcomes: Outcomes, weights: npt.ArrayLike) -> dict[str, Array]:
    """The ten figures of datasets in which each image occurs as often as its weight says.

    A weight of 1 everywhere gives the dataset's own figures, 0 leaves an image out. Copies of a
    detection stand together: among equal scores, where order decides, that is one order of many.

    Args:
        outcomes: Of the dataset.
        weights: (B, I) whole numbers, one row for each dataset.

    Returns:
        By name (:data:`COCO_LINES`): (B,) in [0, 1]; NaN where no person counts.

    Raises:
        ValueError: The weights are not (B, I), negative, or not whole numbers.
    """
    counts = np.asarray(weights, np.float32)
    images = outcomes.positives.shape[1]
    if counts.ndim != 2 or counts.shape[1] != images:
        raise ValueError(f'weights must be (B, {images}), got {counts.shape}')
    if (counts < 0).any() or (counts != np.floor(counts)).any():
        raise ValueError('weights must be whole numbers, 0 or more')
    classes, thresholds = outcomes.right.shape[:2]
    precision = np.full((len(counts), classes, thresholds), np.nan)
    recall = precision.copy()
    for area in range(classes):
        positives = counts.astype(float) @ outcomes.positives[area]
        for threshold in range(thresholds):
            right = outcomes.image[outcomes.right[area, threshold]]
            wrong = outcomes.image[outcomes.wrong[area, threshold]]
            # How many wrong ones stand before each right one.
            before = np.cumsum(outcomes.wrong[area, threshold])[outcomes.right[area, threshold]]
            for start in range(0, len(counts), _AT_A_TIME):
                part = slice(start, start + _AT_A_TIME)
                precision[part, area, threshold], recall[part, area, threshold] = _curves(
                    counts[part], positives[part], right, wrong, before
                )
    return summarize(precision, recall)


def _curves(
    weights: npt.NDArray[np.float32],
    positives: Array,
    right: IntArray,
    wrong: IntArray,
    before: IntArray,
) -> tuple[Array, Array]:
    """Average precision and recall of some replicates at one threshold; (b,) each.

    Only right detections matter: elsewhere precision is lower than at the right one before.
    """
    rows = len(weights)
    # Counts are exact in float32 up to 2^24. A column for "never reached" ends each row.
    hits = np.empty((rows, len(right) + 1), np.float32)
    np.cumsum(np.take(weights, right, axis=1), axis=1, out=hits[:, :-1])
    hits[:, -1] = np.inf
    misses = np.zeros((rows, len(wrong) + 1), np.float32)
    np.cumsum(np.take(weights, wrong, axis=1), axis=1, out=misses[:, 1:])
    precision = np.zeros_like(hits)
    with np.errstate(invalid='ignore', divide='ignore'):
        found = hits[:, :-1]
        np.divide(found, found + np.take(misses, before, axis=1), out=precision[:, :-1])
        final = found[:, -1] if len(right) else np.zeros(rows)
        recall = np.where(positives > 0, final / positives, np.nan)
    if len(right):
        # Detections in front of the first that occurs: 0 of 0.
        np.copyto(precision, 0, where=np.isnan(precision))
    needed = _needed(positives)
    starts = np.array([row.searchsorted(wanted) for row, wanted in zip(hits, needed, strict=True)])
    # The highest precision from each recall on: the maximum between two, then from behind.
    flat = (starts + np.arange(rows)[:, None] * hits.shape[1]).ravel()
    between = np.maximum.reduceat(precision.ravel(), flat).reshape(starts.shape)
    highest = np.maximum.accumulate(between[:, ::-1], axis=1)
    return np.where(positives > 0, highest.mean(1, dtype=float), np.nan), recall


def _needed(positives: Array) -> npt.NDArray[np.float32]:
    """(b, R): the least number of hits whose share of the positives reaches each recall."""
    total = positives[:, None]
    guess = np.floor(RECALLS * total) - 1
    with np.errstate(invalid='ignore', divide='ignore'):
        for _ in range(3):  # rounding, as in the library's comparison of two quotients
            guess += guess / total < RECALLS
    return np.maximum(guess, 0).astype(np.float32)
