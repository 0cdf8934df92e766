"""Losses on keypoints, over annotated joints only.

Dimensions: N persons (the last axis), D joints.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Least scale of an error, in the person's size. Labels that two datasets share are equal to the
#: pixel, and without it their likelihood would have no bound.
FLOOR = 0.01


def floored(log_scales: Tensor) -> Tensor:
    """Squares of scales, none below the least."""
    return torch.exp(2 * log_scales) + FLOOR**2


def mean_squared(found_2DN: Tensor, wanted_2DN: Tensor) -> Tensor:
    """Mean squared distance along an axis; NaN in ``wanted`` is not annotated."""
    known = torch.isfinite(wanted_2DN).all(0)
    errors = torch.where(known, found_2DN - wanted_2DN, 0.0)
    return errors.square().sum() / (2 * known.sum()).clamp_min(1)


def student(
    found_2DN: Tensor, wanted_2DN: Tensor, log_scales_DN: Tensor, log_freedom_D: Tensor
) -> Tensor:
    """Negative log-likelihood of a Student law in two dimensions, up to a constant.

    Its tails are heavy: an annotation that is off by a limb pulls no more than a bounded force
    (Lange, Little and Taylor, JASA 1989).

    Args:
        found_2DN: Centres of the laws.
        wanted_2DN: Annotations; NaN where there are none.
        log_scales_DN: Logarithms of their scales, same unit.
        log_freedom_D: Logarithms of their degrees of freedom.
    """
    known = torch.isfinite(wanted_2DN).all(0)
    errors = torch.where(known, found_2DN - wanted_2DN, 0.0)
    freedom = log_freedom_D.exp()[:, None]
    # Scales of joints that nobody annotated are free to run away, and infinity x 0 is not 0.
    variance = floored(torch.where(known, log_scales_DN, 0.0))
    ratio = errors.square().sum(0) / (variance * freedom)
    likelihood = variance.log() + (freedom + 2) / 2 * torch.log1p(ratio)
    return (likelihood * known).sum() / known.sum().clamp_min(1)
