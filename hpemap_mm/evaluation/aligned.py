"""Predicted persons laid beside the annotated ones: row for row, joint for joint.

Dimensions: N annotated persons, M predicted ones, K joints of the truth's skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hpemap_mm.evaluation.by_image import by_image
from hpemap_mm.evaluation.similarity import keypoint_similarity
from hpemap_mm.persons.arrays import Predictions, Truth

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

#: Pairs of a prediction and a person whose similarity is computed at a time (memory).
_PAIRS_AT_A_TIME = 200_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Aligned:
    """A dataset's persons with what was predicted for each.

    Attributes:
        truth: The annotated persons.
        keypoints: (N, K, 2) float64 in the order of the truth's skeleton, 0-based pixels; NaN
            where the person was not predicted or the joint cannot be answered.
        keypoint_scores: (N, K) confidences; NaN where there are none.
        scores: (N,) confidence of the predicted person; NaN where not predicted.
        predicted: (N,) bool.
        compared: (K,) bool: joints that the representation of the predictions can answer at all;
            the others have nothing to say about the model.
        how: What paired them.
        sources: (N,) row of the person's prediction among the predictions, -1 for none.
        left_over: Number of predictions that belong to no annotated person.
    """

    truth: Truth
    keypoints: Array
    keypoint_scores: Array
    scores: Array
    predicted: BoolArray
    compared: BoolArray
    how: Literal['by id', 'by OKS']
    sources: IntArray
    left_over: int = 0

    def __len__(self) -> int:
        return len(self.keypoints)

    def take(self, rows: npt.ArrayLike) -> Aligned:
        """Some persons (indices or a mask); ``left_over`` stays as it is."""
        rows = np.asarray(rows)
        return Aligned(
            truth=self.truth.take(rows),
            keypoints=self.keypoints[rows],
            keypoint_scores=self.keypoint_scores[rows],
            scores=self.scores[rows],
            predicted=self.predicted[rows],
            compared=self.compared,
            how=self.how,
            sources=self.sources[rows],
            left_over=self.left_over,
        )


def pair(
    truth: Truth, predictions: Predictions, *, compared: npt.ArrayLike | None = None
) -> Aligned:
    """Pair by person: the predictions say by their ``ids`` whom they are of.

    Persons without a prediction keep NaN keypoints; a metric counts them as wrong.

    Args:
        truth: The annotated persons.
        predictions: In the truth's skeleton, with ``ids``.
        compared: (K,) joints that the predictions can answer; all where None. The keypoints of
            the others are not read.

    Raises:
        ValueError: The predictions are in another representation, carry no ids, name persons that
            the truth lacks, or put a person in another image than the truth does.
    """
    compared = _compared(truth, predictions, compared)
    if predictions.ids is None:
        raise ValueError(f'{predictions.name}: detections carry no person ids; use match()')
    order = np.argsort(truth.ids, kind='stable')
    at = np.searchsorted(truth.ids, predictions.ids, sorter=order)
    rows = order[np.minimum(at, len(order) - 1)] if len(order) else np.zeros(len(at), np.int64)
    found = truth.ids[rows] == predictions.ids if len(order) else np.zeros(len(at), bool)
    if not found.all():
        raise ValueError(
            f'{predictions.name}: {_some(predictions.ids[~found])} are not among the '
            f'{len(truth)} person ids of {truth.name}'
        )
    elsewhere = truth.image_ids[rows] != predictions.image_ids
    if elsewhere.any():
        raise ValueError(
            f'{predictions.name}: persons {_some(predictions.ids[elsewhere])} are in other images '
            f'than in {truth.name}'
        )
    return _aligned(truth, predictions, rows, np.arange(len(rows)), compared, 'by id')


def match(
    truth: Truth,
    predictions: Predictions,
    sigmas: npt.ArrayLike,
    *,
    threshold: float = 0.1,
    compared: npt.ArrayLike | None = None,
) -> Aligned:
    """Pair detections with persons as COCO's evaluation does, image by image.

    In order of their scores (equal scores: in the order of the file) each detection takes the
    person with the highest object keypoint similarity that is still free, if that is at least
    ``threshold``; of equal ones the later, as in pycocotools. Crowd regions and persons without
    a compared joint are never taken; with COCO's own threshold for AP (0.5 and up) use
    :func:`hpemap_mm.evaluation.oks.evaluate_oks`.

    Args:
        truth: The annotated persons, with areas.
        predictions: Detections in the truth's skeleton; their ``ids``, if any, are not read.
        sigmas: (K,) COCO's per-joint constants.
        threshold: Least similarity of a pair. 0.1 is the bound of Ronchi and Perona, "Benchmarking
            and Error Diagnosis in Multi-Instance Pose Estimation", ICCV 2017.
        compared: (K,) joints that the predictions can answer; all where None.

    Raises:
        ValueError: The predictions are in another representation, the sigmas do not fit, a
            person that could be taken has no area, or an image is not among ``truth.images``.
    """
    compared = _compared(truth, predictions, compared)
    sigmas = np.asarray(sigmas, float)
    if sigmas.shape != compared.shape or not (np.isfinite(sigmas) & (sigmas > 0)).all():
        raise ValueError(f'sigmas must be {len(compared)} positive numbers, got {sigmas}')
    usable = ~truth.crowd & (truth.valid & compared).any(1)
    without = usable & ~(truth.areas > 0)
    if without.any():
        raise ValueError(
            f'{truth.name}: OKS needs areas; persons {_some(truth.ids[without])} have none'
        )
    in_order = by_image(
        predictions.image_ids, truth.images, name=predictions.name, falling=predictions.scores
    )
    detections, persons = in_order.pairs(
        by_image(truth.image_ids, truth.images, name=truth.name, rows=np.flatnonzero(usable))
    )
    similarity = _similarities(truth, predictions, detections, persons, sigmas, compared)
    kept = similarity >= threshold
    chosen = _greedy(
        detections[kept], persons[kept], similarity[kept], len(predictions), len(truth)
    )
    taken = np.flatnonzero(chosen >= 0)
    return _aligned(truth, predictions, chosen[taken], taken, compared, 'by OKS')


def _compared(truth: Truth, predictions: Predictions, compared: npt.ArrayLike | None) -> BoolArray:
    found = predictions.representation.joints
    if found != truth.skeleton.joints:
        raise ValueError(
            f'{predictions.name} is in {predictions.representation.name!r} ({len(found)} joints), '
            f'{truth.name} in {truth.skeleton.name!r} ({len(truth.skeleton)}); bring it there first'
        )
    if compared is None:
        return np.ones(len(truth.skeleton), bool)
    mask = np.asarray(compared, bool)
    if mask.shape != (len(truth.skeleton),):
        raise ValueError(f'compared must be ({len(truth.skeleton)},), got {mask.shape}')
    return mask


def _aligned(
    truth: Truth,
    predictions: Predictions,
    rows: IntArray,
    sources: IntArray,
    compared: BoolArray,
    how: Literal['by id', 'by OKS'],
) -> Aligned:
    """Put prediction ``sources[i]`` into the person's row ``rows[i]``."""
    count, joints = truth.valid.shape
    keypoints = np.full((count, joints, 2), np.nan)
    keypoint_scores = np.full((count, joints), np.nan)
    scores = np.full(count, np.nan)
    keypoints[rows] = np.where(compared[:, None], predictions.keypoints[sources], np.nan)
    keypoint_scores[rows] = np.where(compared, predictions.keypoint_scores[sources], np.nan)
    scores[rows] = predictions.scores[sources]
    source_of = np.full(count, -1, np.int64)
    source_of[rows] = sources
    return Aligned(
        truth=truth,
        keypoints=keypoints,
        keypoint_scores=keypoint_scores,
        scores=scores,
        predicted=source_of >= 0,
        compared=compared,
        how=how,
        sources=source_of,
        left_over=len(predictions) - len(sources),
    )


def _similarities(
    truth: Truth,
    predictions: Predictions,
    detections: IntArray,
    persons: IntArray,
    sigmas: Array,
    compared: BoolArray,
) -> Array:
    """Object keypoint similarity of each pair over the annotated, compared joints."""
    valid = truth.valid & compared
    points = np.where(valid[..., None], truth.keypoints, 0.0)
    similarity = np.empty(len(detections))
    for start in range(0, len(detections), _PAIRS_AT_A_TIME):
        part = slice(start, start + _PAIRS_AT_A_TIME)
        person = persons[part]
        near = keypoint_similarity(
            predictions.keypoints[detections[part]], points[person], truth.areas[person], sigmas
        )
        similarity[part] = np.where(valid[person], near, 0.0).sum(1) / valid[person].sum(1)
    return similarity


def _greedy(
    detections: IntArray, persons: IntArray, similarity: Array, predicted: int, annotated: int
) -> IntArray:
    """For each detection the person that it takes, -1 for none.

    The pairs come by image and falling score. Images do not compete, so in each round the first
    detection that is left in every image chooses at once.
    """
    chosen = np.full(predicted, -1)
    taken = np.zeros(annotated, bool)
    while len(detections):
        # The first detection of each connected run: all pairs of an image share its persons, so
        # a detection may choose now when no earlier pair left holds any person it wants.
        earliest = np.full(annotated, len(detections))
        starts = np.flatnonzero(np.r_[True, detections[1:] != detections[:-1]])
        lengths = np.diff(np.r_[starts, len(detections)])
        turn = np.repeat(np.arange(len(starts)), lengths)
        np.minimum.at(earliest, persons, turn)
        free = np.logical_and.reduceat(earliest[persons] == turn, starts)
        now = np.repeat(free, lengths)
        rows = np.flatnonzero(now)
        # lexsort is stable: the last row of a detection is its best; of equal ones the later.
        best = rows[np.lexsort((similarity[rows], turn[rows]))]
        last = np.r_[turn[best][1:] != turn[best][:-1], True]
        best = best[last]
        chosen[detections[best]] = persons[best]
        taken[persons[best]] = True
        left = ~now & ~taken[persons]
        detections, persons, similarity = detections[left], persons[left], similarity[left]
    return chosen


def _some(ids: IntArray, shown: int = 5) -> str:
    listed = ', '.join(str(i) for i in ids[:shown])
    return f'{listed} and {len(ids) - shown} more' if len(ids) > shown else listed
