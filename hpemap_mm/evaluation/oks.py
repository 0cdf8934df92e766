"""Object keypoint similarity: COCO's AP and AR, for any skeleton.

Follows pycocotools' ``COCOeval`` for keypoints (Lin et al., "Microsoft COCO: Common Objects in
Context", 2014, and cocodataset.org/#keypoints-eval). Similarities are computed here, on arrays;
matching and counting are faster-coco-eval's (:mod:`hpemap_mm.evaluation.coco_library`).

Dimensions: N persons, M detections, K joints, I images, A area classes, T thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hpemap_mm.evaluation.by_image import ByImage, by_image
from hpemap_mm.evaluation.coco_library import Matches, match_and_count
from hpemap_mm.evaluation.coco_lines import (
    AREA_RANGES,
    COCO_LINES,
    RECALLS,
    THRESHOLDS,
    Outcomes,
    summarize,
    weighted_lines,
)
from hpemap_mm.evaluation.similarity import keypoint_similarity
from hpemap_mm.persons.arrays import Array, BoolArray, IntArray, Predictions, Truth

#: Area of a person as a share of its box, where there are no areas (CrowdPose, xtcocotools).
AREA_PER_BOX = 0.53
#: What is said of non-maximum suppression: detections are scored as they come.
NMS = 'none applied here'

__all__ = ['COCO_LINES', 'NMS', 'OKSResult', 'evaluate_oks', 'weighted_ap']

#: Numbers of a block of similarities that are computed at a time (memory).
_AT_A_TIME = 4_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class OKSResult:
    """COCO's figures and what they rest on.

    Attributes:
        lines: The ten figures by name (:data:`COCO_LINES`), in [0, 1]; NaN where an area class has
            no person (pycocotools says -1).
        persons: Persons that count: no crowd regions, none without a compared joint.
        ignored: Persons that do not.
        images: Images, those without persons too.
        detections: Detections that were scored.
        left_out: Detections beyond the ``max_detections`` best of their image.
        max_detections: Most detections that count in an image.
        areas: Where the areas are from: ``'annotated'`` or ``'box'``.
        nms: What was done about detections of one person twice, in words.
        per_joint: (K,) mean keypoint similarity of each joint over the persons that were found
            (matched at OKS 0.5); NaN where there is none.
        per_joint_counts: (K,) joints that these are over.
        found: (N,) row of the detection that took the person at OKS 0.5; -1 for none.
        outcomes: For the bootstrap.
    """

    lines: Mapping[str, float]
    persons: int
    ignored: int
    images: int
    detections: int
    left_out: int
    max_detections: int
    areas: Literal['annotated', 'box']
    nms: str
    per_joint: Array
    per_joint_counts: IntArray
    found: IntArray
    outcomes: Outcomes


def evaluate_oks(
    truth: Truth,
    predictions: Predictions,
    *,
    sigmas: npt.ArrayLike | None = None,
    max_detections: int = 20,
    joints: npt.ArrayLike | None = None,
    areas: Literal['annotated', 'box'] = 'annotated',
) -> OKSResult:
    """COCO's ten figures for detections, or for persons whose boxes were given.

    Crowd regions and persons without a compared joint count neither as found nor as missed, and
    detections that fit them (by their joints, or by lying in twice their box) are ignored, not
    wrong. No non-maximum suppression is applied: the detections come as they are.

    Args:
        truth: The annotated persons.
        predictions: In the truth's skeleton. ``ids`` are not read: persons are matched by OKS.
        sigmas: (K,) COCO's per-joint constants; those of the truth's skeleton where None.
        max_detections: Most detections that count in an image, the best first.
        joints: (K,): only these count; all where None. The others may hold anything.
        areas: What OKS divides by and what the classes go by: the annotated areas, or 0.53 x the
            box's where a dataset has none.

    Raises:
        ValueError: The predictions are in another representation, the skeleton has no sigmas, a
            person that counts has no area, or a detection's or a person's image is unknown.
    """
    if max_detections < 1:
        raise ValueError(f'max_detections must be positive, got {max_detections}')
    compared, constants = checked_joints(truth, predictions, sigmas, joints)
    labelled: BoolArray = np.any(truth.valid[:, compared], axis=1)
    counting = labelled & ~truth.crowd
    size = _areas(truth, areas, counting)

    persons = by_image(truth.image_ids, truth.images, name=truth.name)
    rows = by_image(
        predictions.image_ids, truth.images, name=predictions.name, falling=predictions.scores
    ).first(max_detections)
    points = predictions.keypoints[:, compared]
    similarity = _Similarity(truth, points, compared, constants, size)
    with np.errstate(over='ignore', invalid='ignore'):
        extent = (points.max(1) - points.min(1)).prod(-1)
    matches = match_and_count(
        similarity=similarity.tables(rows, persons),
        detections_per_image=rows.counts,
        persons_per_image=persons.counts,
        scores=predictions.scores[rows.order],
        detection_areas=extent[rows.order],
        person_areas=size[persons.order],
        crowd=truth.crowd[persons.order],
        ignored=~labelled[persons.order],
        thresholds=THRESHOLDS,
        recalls=RECALLS,
        area_ranges=AREA_RANGES,
    )
    found = _found(matches, rows, persons, counting)
    per_joint, counts = similarity.per_joint(found)
    return OKSResult(
        lines=_lines(matches),
        persons=int(counting.sum()),
        ignored=int((~counting).sum()),
        images=len(truth.images),
        detections=len(rows.order),
        left_out=len(predictions) - len(rows.order),
        max_detections=max_detections,
        areas=areas,
        nms=NMS,
        per_joint=per_joint,
        per_joint_counts=counts,
        found=found,
        outcomes=_outcomes(matches, rows, truth.images, predictions.scores),
    )


def weighted_ap(result: OKSResult, image_weights: npt.ArrayLike) -> dict[str, Array]:
    """The ten figures of resampled datasets, by COCO's own rule, for intervals.

    Args:
        result: Of the dataset.
        image_weights: (B, I) how often each image of ``Truth.images`` occurs, e.g. from
            :func:`hpemap_mm.evaluation.bootstrap.image_weights`; 0 and 1 pick out a subset.

    Returns:
        By name (:data:`COCO_LINES`): (B,) in [0, 1]; NaN where no person counts.

    Raises:
        ValueError: The weights are not (B, I) whole numbers, 0 or more.
    """
    return weighted_lines(result.outcomes, image_weights)


def checked_joints(
    truth: Truth,
    predictions: Predictions,
    sigmas: npt.ArrayLike | None,
    joints: npt.ArrayLike | None,
) -> tuple[BoolArray, Array]:
    """The joints that count, (K,), and the constants of all, (K,); see :func:`evaluate_oks`."""
    count = len(truth.skeleton)
    if predictions.representation.joints != truth.skeleton.joints:
        raise ValueError(
            f'{predictions.name} is in {predictions.representation.name!r}, {truth.name} in '
            f'{truth.skeleton.name!r}; bring it there first'
        )
    constants = np.asarray(truth.skeleton.sigmas if sigmas is None else sigmas, float)
    if constants.shape != (count,) or not (np.isfinite(constants) & (constants > 0)).all():
        raise ValueError(f'sigmas must be {count} positive numbers, got {constants}')
    compared = np.ones(count, bool) if joints is None else np.asarray(joints, bool)
    if compared.shape != (count,) or not compared.any():
        raise ValueError(f'joints must be a mask of {count} with at least one, got {compared}')
    return compared, constants


def _areas(truth: Truth, areas: str, counting: BoolArray) -> Array:
    """(N,) px^2; NaN only where the person does not count."""
    if areas == 'annotated':
        size = truth.areas
    elif areas == 'box':
        sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
        size = AREA_PER_BOX * sides.prod(1)
    else:
        raise ValueError(f"areas must be 'annotated' or 'box', got {areas!r}")
    without = counting & ~((size >= 0) & (size < np.inf))
    if without.any():
        shown = ', '.join(str(i) for i in truth.ids[without][:5])
        raise ValueError(
            f'{truth.name}: {int(without.sum())} persons have no {areas} area (ids {shown}); '
            "OKS needs one: areas='box' takes 0.53 x the box's"
        )
    return size


class _Similarity:
    """Keypoint similarities of pairs of a detection and a person, as pycocotools computes them."""

    def __init__(
        self, truth: Truth, predicted: Array, compared: BoolArray, sigmas: Array, areas: Array
    ) -> None:
        self.compared = compared
        self.valid = truth.valid[:, compared]
        self.points = np.where(self.valid[..., None], truth.keypoints[:, compared], 0.0)
        self.predicted = predicted
        self.sigmas = sigmas[compared]
        self.areas = areas
        # Persons without a joint are fitted by what lies in twice their box.
        size = truth.boxes[:, 2:] - truth.boxes[:, :2]
        self.low, self.high = truth.boxes[:, :2] - size, truth.boxes[:, :2] + 2 * size

    def tables(self, detections: ByImage, persons: ByImage) -> list[list[list[float]]]:
        """For each image a table, detections x persons."""
        detection, person = detections.pairs(persons)
        similarity = np.empty(len(detection))
        step = max(1, _AT_A_TIME // self.valid.shape[1])
        for start in range(0, len(detection), step):
            part = slice(start, start + step)
            similarity[part] = self._of_pairs(detection[part], person[part])
        sizes = detections.counts * persons.counts
        return [
            similarity[end - size : end].reshape(-1, width).tolist() if size else []
            for end, size, width in zip(
                np.cumsum(sizes).tolist(), sizes.tolist(), persons.counts.tolist(), strict=True
            )
        ]

    def _of_pairs(self, detection: IntArray, person: IntArray) -> Array:
        valid = self.valid[person]
        counts = valid.sum(1)
        near = np.where(valid, self._near(detection, person), 0.0)
        similarity = near.sum(1) / np.maximum(counts, 1)
        bare = counts == 0
        similarity[bare] = self._in_box(detection[bare], person[bare])
        return similarity

    def _near(self, detection: IntArray, person: IntArray) -> Array:
        """Similarity of each compared joint; meaningless where it is not annotated."""
        return keypoint_similarity(
            self.predicted[detection], self.points[person], self.areas[person], self.sigmas
        )

    def _in_box(self, detection: IntArray, person: IntArray) -> Array:
        points = self.predicted[detection]
        low, high = self.low[person, None], self.high[person, None]
        with np.errstate(over='ignore', invalid='ignore'):
            outside = np.maximum(0, low - points) + np.maximum(0, points - high)
        near = keypoint_similarity(outside, np.zeros(2), self.areas[person], self.sigmas)
        return np.nan_to_num(near.mean(1), nan=0.0)  # no box: nothing is known to lie in it

    def per_joint(self, found: IntArray) -> tuple[Array, IntArray]:
        """(K,) mean similarity over the persons that were found, and how many have the joint."""
        persons = np.flatnonzero(found >= 0)
        valid = self.valid[persons]
        near = np.where(valid, self._near(found[persons], persons), 0.0)
        counts = np.zeros(len(self.compared), np.int64)
        counts[self.compared] = valid.sum(0)
        mean = np.full(len(self.compared), np.nan)
        with np.errstate(invalid='ignore'):
            mean[self.compared] = near.sum(0) / valid.sum(0)
        return mean, counts


def _lines(matches: Matches) -> dict[str, float]:
    """(T, R, A) and (T, A) curves, -1 for "no person", as the ten figures."""
    precision = np.where(matches.precision < 0, np.nan, matches.precision).mean(1)
    recall = np.where(matches.recall < 0, np.nan, matches.recall)
    return {name: float(value) for name, value in summarize(precision.T, recall.T).items()}


def _found(matches: Matches, rows: ByImage, persons: ByImage, counting: BoolArray) -> IntArray:
    """(N,) the detection that took each counting person at the lowest threshold."""
    taken = matches.person[0, 0]
    found = np.full(len(counting), -1)
    hit = taken >= 0
    found[persons.order[taken[hit]]] = rows.order[hit]
    return np.where(counting, found, -1)


def _outcomes(matches: Matches, rows: ByImage, images: IntArray, scores: Array) -> Outcomes:
    by_id = np.argsort(images, kind='stable')
    falling = np.argsort(-scores[rows.order], kind='stable')
    taken, ignored = matches.person[..., falling] >= 0, matches.ignored[..., falling]
    positives = np.empty_like(matches.counted)
    positives[:, by_id] = matches.counted
    return Outcomes(
        rows=rows.order[falling],
        image=by_id[rows.image[falling]],
        scores=scores[rows.order][falling],
        right=taken & ~ignored,
        wrong=~taken & ~ignored,
        positives=positives,
    )
