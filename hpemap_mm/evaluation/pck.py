"""Percentage of correct keypoints, as pure functions on arrays.

Dimensions: N persons, K joints of one skeleton. One measure stands under all figures: the error
of each joint as a fraction of the person's size (:func:`scaled_errors`); PCK counts those below a
threshold, its area under the curve and its intervals take the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpemap_mm.skeletons import Skeleton

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

#: What an error is divided by: the longer side of the person's box, the torso, or the head.
NORMALIZERS = ('bbox', 'torso', 'head')

#: MPII's head size over the distance from upper neck to head top. 0.6 x the diagonal of MPII's
#: head boxes (the official size) is this share in 90% of its validation persons, to 5 digits.
HEAD_SHARE = 0.75

#: Shoulder and opposite hip, a torso's ends; where both pairs are annotated, the last one counts.
DIAGONALS = (('right_shoulder', 'left_hip'), ('left_shoulder', 'right_hip'))


@dataclass(frozen=True)
class PCKResult:
    """Correct and scored joints.

    Attributes:
        correct: Joints within the threshold, per joint; shape (K,).
        total: Joints that were scored, per joint; shape (K,).
        persons: Persons with at least one scored joint.
    """

    correct: npt.NDArray[np.int64]
    total: npt.NDArray[np.int64]
    persons: int

    @property
    def per_joint(self) -> Array:
        """PCK of each joint in [0, 1], NaN where a joint was never scored; shape (K,)."""
        with np.errstate(invalid='ignore', divide='ignore'):
            return self.correct / self.total

    @property
    def mean(self) -> float:
        """Correct over scored joints, all together; NaN where nothing was scored."""
        total = int(self.total.sum())
        return int(self.correct.sum()) / total if total else float('nan')


def scaled_errors(predicted: Array, truth: Array, valid: BoolArray, size: Array) -> Array:
    """Distance of each joint from its place, over the person's size.

    Args:
        predicted: Predicted joints, pixels; (N, K, 2).
        truth: Annotated joints, same frame; (N, K, 2). Not read where ``valid`` is False.
        valid: Whether a joint is annotated; (N, K). Other joints are not scored.
        size: What errors are divided by, pixels; (N,). Persons whose size is NaN are not scored.

    Returns:
        (N, K) float64: NaN where a joint is not scored; infinity where it is, and its prediction
        is not finite (missing), so that it is wrong at any threshold.

    Raises:
        ValueError: Shapes disagree, a size is not positive, or an annotated joint is not finite.
    """
    predicted, truth = np.asarray(predicted, float), np.asarray(truth, float)
    valid, size = np.asarray(valid, bool), np.asarray(size, float)
    if predicted.shape != truth.shape or truth.shape[:2] != valid.shape or truth.ndim != 3:
        raise ValueError(
            'predicted and truth must be (N, K, 2) and valid (N, K), got '
            f'{predicted.shape}, {truth.shape} and {valid.shape}'
        )
    if size.shape != truth.shape[:1]:
        raise ValueError(f'size must be ({len(truth)},), got {size.shape}')
    if np.any(size <= 0) or np.isinf(size).any():
        raise ValueError('sizes must be positive and finite (NaN: the person is not scored)')
    if not np.isfinite(truth[valid]).all():
        raise ValueError('an annotated joint has coordinates that are not finite')
    scored = valid & ~np.isnan(size)[:, None]
    with np.errstate(invalid='ignore', over='ignore'):
        offset = predicted - np.where(scored[..., None], truth, 0.0)
        error = np.linalg.norm(offset, axis=-1) / size[:, None]
    error[~np.isfinite(predicted).all(-1)] = np.inf
    return np.where(scored, error, np.nan)


def pck_counts(
    predicted: Array, truth: Array, valid: BoolArray, size: Array, threshold: float
) -> tuple[BoolArray, BoolArray]:
    """Which joints are correct, and which were scored at all.

    Their sums over persons give PCK (:func:`pck`), their sums over images its interval
    (:func:`hpemap_mm.evaluation.bootstrap.ratio_interval`). For several thresholds compare
    :func:`scaled_errors` with each.

    Args:
        predicted: See :func:`scaled_errors`, as the others.
        truth: See there.
        valid: See there.
        size: See there.
        threshold: Fraction of the size; the boundary counts as correct.

    Returns:
        correct: (N, K), never true where not scored.
        scored: (N, K).

    Raises:
        ValueError: See :func:`scaled_errors`.
    """
    error = scaled_errors(predicted, truth, valid, size)
    return error <= threshold, ~np.isnan(error)


def pck(
    predicted: Array, truth: Array, valid: BoolArray, size: Array, threshold: float
) -> PCKResult:
    """PCK: a joint is correct when its error is at most ``threshold`` x the person's size.

    Yang and Ramanan, "Articulated Human Detection with Flexible Mixtures of Parts", 2013; the
    boundary counts as correct, as in MPII's evaluation code. A prediction that is not finite is
    wrong, never right.

    Args:
        predicted: Predicted joints, pixels; (N, K, 2).
        truth: Annotated joints, same frame; (N, K, 2). Not read where ``valid`` is False.
        valid: Whether a joint is annotated; (N, K). Other joints are not scored.
        size: What errors are divided by, pixels; (N,). Persons whose size is NaN are not scored.
        threshold: Fraction of the size.

    Raises:
        ValueError: Shapes disagree, a size is not positive, or an annotated joint is not finite.
    """
    correct, scored = pck_counts(predicted, truth, valid, size, threshold)
    return PCKResult(correct.sum(0), scored.sum(0), int(scored.any(1).sum()))


def box_sizes(boxes: Array) -> Array:
    """Longer side of boxes (N, 4) in x1, y1, x2, y2; NaN where a box has no extent; (N,)."""
    boxes = np.asarray(boxes, float)
    longer = np.max(boxes[:, 2:4] - boxes[:, :2], axis=1)
    return np.where(longer > 0, longer, np.nan)


def has_torso(skeleton: Skeleton) -> bool:
    """Whether a skeleton has the shoulders and hips that :func:`torso_sizes` needs."""
    return {joint for pair in DIAGONALS for joint in pair} <= set(skeleton.joints)


def torso_sizes(truth: Array, valid: BoolArray, skeleton: Skeleton) -> Array:
    """Distance from left shoulder to right hip, or the other way where those are missing.

    Args:
        truth: Annotated joints; (N, K, 2).
        valid: Whether a joint is annotated; (N, K).
        skeleton: The skeleton of both; it must have shoulders and hips (:func:`has_torso`).

    Returns:
        Sizes in pixels, (N,); NaN for persons with neither diagonal, or with one of length 0.
    """
    truth, valid = np.asarray(truth, float), np.asarray(valid, bool)
    sizes = np.full(len(truth), np.nan)
    for shoulder, hip in DIAGONALS:
        a, b = skeleton.index(shoulder), skeleton.index(hip)
        length = np.linalg.norm(truth[:, a] - truth[:, b], axis=-1)
        usable = valid[:, a] & valid[:, b] & (length > 0)
        sizes[usable] = length[usable]
    return sizes


def head_sizes(truth: Array, valid: BoolArray, skeleton: Skeleton) -> Array:
    """Head sizes after MPII from the joints, for persons without a head box.

    0.75 x the distance from upper neck to head top, which is MPII's official size (0.6 x the
    diagonal of the head box) wherever that is annotated: see :data:`HEAD_SHARE`.

    Args:
        truth: Annotated joints; (N, K, 2).
        valid: Whether a joint is annotated; (N, K).
        skeleton: The skeleton of both, with MPII's ``upper_neck`` and ``head_top``.

    Returns:
        Sizes in pixels, (N,); NaN for persons without either joint, or with both in one place.

    Raises:
        KeyError: The skeleton lacks one of the joints.
    """
    truth, valid = np.asarray(truth, float), np.asarray(valid, bool)
    neck, top = skeleton.index('upper_neck'), skeleton.index('head_top')
    length = np.linalg.norm(truth[:, neck] - truth[:, top], axis=-1)
    usable = valid[:, neck] & valid[:, top] & (length > 0)
    return np.where(usable, HEAD_SHARE * length, np.nan)
