"""The frame of a person, taken from the keypoints alone: a centre and a size.

Equivariant: it moves, turns, grows and is mirrored with the keypoints. Missing joints do not
count, and joints that lie far from the others count little.

Dimensions: N persons, K joints, 2 for x and y. The persons are the last axis here, so that
processors have long rows to work on.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Rounds of reweighting. The first is the plain mean.
ROUNDS = 3
#: Distance from the centre, in sizes, at which a joint counts half.
REACH = 1.8
#: Least size, in the unit of the keypoints; persons whose joints coincide have no size.
TINY = 1e-6


def frame(points_2KN: Tensor, valid_KN: Tensor, rounds: int = ROUNDS) -> tuple[Tensor, Tensor]:
    """Robust centre and size.

    The mean of the joints and their root mean square distance along one axis, both reweighted by
    w = 1 / (1 + (distance / (reach * size))^4).

    Args:
        points_2KN: Finite numbers, those of missing joints too.
        valid_KN: Which joints are there (bool).
        rounds: 1 for the plain mean and size.

    Returns:
        centres (2, 1, N) and sizes (N,). Where no joint is valid both are 0; sizes may be 0 where
        joints coincide.
    """
    weights = None if is_whole(valid_KN) else valid_KN.to(points_2KN.dtype)
    share = weights
    for number in range(rounds):
        if share is None:
            centre = points_2KN.mean(1, keepdim=True)
            x, y = points_2KN - centre
            squared = torch.addcmul(x * x, y, y)
            variance = squared.mean(0) / 2
        else:
            total = share.sum(0).clamp_min_(TINY)
            centre = (points_2KN * share).sum(1, keepdim=True) / total
            x, y = points_2KN - centre
            squared = torch.addcmul(x * x, y, y)
            variance = (squared * share).sum(0) / (2 * total)
        if number < rounds - 1:
            ratio = squared / (REACH**2 * 2 * variance).clamp_min(TINY**2)
            trust = torch.addcmul(torch.ones(()), ratio, ratio).reciprocal()
            share = trust if weights is None else weights * trust
    return centre, variance.sqrt()


def all_there(joints: int, persons: int) -> Tensor:
    """(K, N) of True, one value in memory."""
    return torch.ones(1, 1, dtype=torch.bool).expand(joints, persons)


def is_whole(valid_KN: Tensor) -> bool:
    """Whether no joint is missing; told at once of what :func:`all_there` made."""
    one_value = valid_KN.stride() == (0, 0)
    return bool(valid_KN[0, 0]) if one_value and valid_KN.numel() else bool(valid_KN.all())


def frame_of(points_NK2: Tensor, valid_NK: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`frame` with the persons first: centres (N, 2), sizes (N,)."""
    centre, sizes = frame(points_NK2.permute(2, 1, 0), valid_NK.T)
    return centre[:, 0].T, sizes
