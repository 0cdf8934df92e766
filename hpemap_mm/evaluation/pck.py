"""Percentage of correct keypoints, as pure functions on arrays.

Dimensions: N persons, K joints of one skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpemap_mm.skeletons import Skeleton

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

#: What an error is divided by: the longer side of the person's box, or the torso.
NORMALIZERS = ('bbox', 'torso')


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
        error = np.linalg.norm(predicted - np.where(scored[..., None], truth, 0.0), axis=-1)
        correct = scored & (error <= threshold * size[:, None])
    return PCKResult(correct.sum(0), scored.sum(0), int(scored.any(1).sum()))


def box_sizes(boxes: Array) -> Array:
    """Longer side of boxes (N, 4) in x1, y1, x2, y2; NaN where a box has no extent; (N,)."""
    boxes = np.asarray(boxes, float)
    longer = np.max(boxes[:, 2:4] - boxes[:, :2], axis=1)
    return np.where(longer > 0, longer, np.nan)


def torso_sizes(truth: Array, valid: BoolArray, skeleton: Skeleton) -> Array:
    """Distance from left shoulder to right hip, or the other way where those are missing.

    Args:
        truth: Annotated joints; (N, K, 2).
        valid: Whether a joint is annotated; (N, K).
        skeleton: The skeleton of both; it must have shoulders and hips.

    Returns:
        Sizes in pixels, (N,); NaN for persons with neither diagonal, or with one of length 0.
    """
    truth, valid = np.asarray(truth, float), np.asarray(valid, bool)
    sizes = np.full(len(truth), np.nan)
    for shoulder, hip in (('right_shoulder', 'left_hip'), ('left_shoulder', 'right_hip')):
        a, b = skeleton.index(shoulder), skeleton.index(hip)
        length = np.linalg.norm(truth[:, a] - truth[:, b], axis=-1)
        usable = valid[:, a] & valid[:, b] & (length > 0)
        sizes[usable] = length[usable]
    return sizes
