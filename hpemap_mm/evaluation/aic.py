"""AI Challenger's own protocol for keypoints.

Follows ``Evaluation/keypoint_eval/keypoint_eval.py`` of AIChallenger/AI_Challenger_2017. It shares
the form of COCO's similarity (its delta is twice the skeleton's sigma) and little else:

- a person's area is that of the whole box, and 1 px^2 more;
- only visible joints count, not the occluded ones;
- a person's score is the best similarity of any prediction in the image: nothing is matched, one
  prediction may serve several persons, and its confidence plays no part;
- at each of the thresholds 0.5 to 0.95 the persons above it (not on it) are counted and divided
  by the larger number, of persons or of predictions, summed over the images.

Papers that quote "AIC AP" (as ViTPose's) mean COCO's protocol on 0.53 x box areas instead:
``evaluate_oks(..., areas='box')``.

Dimensions: N persons, K joints, I images, T thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpemap_mm.evaluation.bootstrap import image_sums
from hpemap_mm.evaluation.by_image import by_image
from hpemap_mm.evaluation.coco_lines import THRESHOLDS
from hpemap_mm.evaluation.oks import checked_joints
from hpemap_mm.evaluation.similarity import keypoint_similarity
from hpemap_mm.persons.arrays import Array, IntArray, Predictions, Truth

#: Visibility of a joint that can be seen; AI Challenger's own files say 1 for it.
VISIBLE = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class AICResult:
    """AI Challenger's figures.

    Attributes:
        ap: Mean of ``by_threshold``: the challenge's score, in [0, 1]; NaN where there is neither
            a person nor a prediction.
        by_threshold: (T,) at similarities 0.5, 0.55, ..., 0.95.
        similarity: (N,) best similarity of each person; 0 without a visible joint or a
            prediction, NaN for crowd regions.
        earned: (I,) what each image adds to the score, before the division.
        possible: (I,) what it adds to the divisor. ``ratio_interval(earned, possible, weights)``
            of :mod:`hpemap_mm.evaluation.bootstrap` is the score's interval.
        per_joint: (K,) mean keypoint similarity to the best prediction; NaN where there is none.
        per_joint_counts: (K,) joints that these are over.
    """

    ap: float
    by_threshold: Array
    similarity: Array
    earned: Array
    possible: IntArray
    per_joint: Array
    per_joint_counts: IntArray


def evaluate_aic(
    truth: Truth,
    predictions: Predictions,
    *,
    sigmas: npt.ArrayLike | None = None,
    joints: npt.ArrayLike | None = None,
) -> AICResult:
    """AI Challenger's score.

    Args:
        truth: The annotated persons, with boxes. Crowd regions are left out (AIC has none).
        predictions: In the truth's skeleton; ``ids`` and scores are not read.
        sigmas: (K,) half of AI Challenger's deltas; those of the truth's skeleton where None.
        joints: (K,): only these count; all where None. The others may hold anything.

    Raises:
        ValueError: The predictions are in another representation, the skeleton has no sigmas, a
            person with a visible joint has no box, or an image is unknown.
    """
    compared, constants = checked_joints(truth, predictions, sigmas, joints)
    valid = (truth.visible == VISIBLE)[:, compared] & ~truth.crowd[:, None]
    sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
    areas = sides.prod(1) + 1
    without = valid.any(1) & ~((sides >= 0).all(1) & np.isfinite(areas))
    if without.any():
        raise ValueError(f'{truth.name}: persons {truth.ids[without][:5].tolist()} have no box')

    persons = by_image(
        truth.image_ids, truth.images, name=truth.name, rows=np.flatnonzero(~truth.crowd)
    )
    found = by_image(predictions.image_ids, truth.images, name=predictions.name)
    person, prediction = persons.pairs(found)
    near = keypoint_similarity(
        predictions.keypoints[prediction][:, compared],
        np.where(valid[..., None], truth.keypoints[:, compared], 0.0)[person],
        areas[person],
        constants[compared],
    )
    near = np.where(valid[person], near, 0.0)
    of_pair = near.sum(1) / np.maximum(valid[person].sum(1), 1)

    best = np.full(len(truth), -1)  # pair of each person's best prediction
    rising = np.lexsort((of_pair, person))
    best[person[rising]] = rising
    reached = best >= 0
    similarity = np.where(truth.crowd, np.nan, 0.0)
    similarity[reached] = of_pair[best[reached]]

    above = similarity[:, None] > THRESHOLDS
    possible = np.zeros(len(truth.images), np.int64)
    possible[np.argsort(truth.images, kind='stable')] = np.maximum(persons.counts, found.counts)
    total = possible.sum()
    by_threshold = above.sum(0) / total if total else np.full(len(THRESHOLDS), np.nan)

    counts = np.zeros(len(compared), np.int64)
    counts[compared] = valid[reached].sum(0)
    per_joint = np.full(len(compared), np.nan)
    with np.errstate(invalid='ignore'):
        per_joint[compared] = near[best[reached]].sum(0) / counts[compared]
    return AICResult(
        ap=float(by_threshold.mean()),
        by_threshold=by_threshold,
        similarity=similarity,
        earned=image_sums(above.mean(1), truth.image_ids, truth.images),
        possible=possible,
        per_joint=per_joint,
        per_joint_counts=counts,
    )
