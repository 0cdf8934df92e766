"""Several estimates of one joint into one, with its uncertainty.

Dimensions: S estimates, N persons, K joints.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

#: Estimates that are further apart than this many of their standard deviations contradict each
#: other: one of them is wrong, and a mean of both would be, too.
CONTRADICTION = 3.0


def fuse(points_SNK2: Array, stds_SNK: Array) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """The mean of estimates, weighted by their inverse variances.

    Where the most certain estimate and the weighted mean of the others contradict each other,
    the certain one is taken alone. In any case the standard deviation grows with the
    disagreement beyond what it explains (the Birge ratio: R. T. Birge, Phys. Rev. 40, 1932).

    Args:
        points_SNK2: NaN where an estimate is missing.
        stds_SNK: Standard deviations along one axis, positive; NaN likewise.

    Returns:
        Points (N, K, 2) and standard deviations (N, K), NaN where all are missing; and which
        estimates were used (S, N, K).
    """
    there = np.isfinite(stds_SNK) & np.all(np.isfinite(points_SNK2), axis=-1)
    variances = np.where(there, np.square(stds_SNK), np.inf)
    weights = 1.0 / variances
    points = np.where(there[..., None], points_SNK2, 0.0)
    best = np.argmin(variances, axis=0)
    is_best = (np.arange(len(stds_SNK))[:, None, None] == best) & there
    mean, total = _mean(points, weights)
    rest, rest_total = _mean(points, np.where(is_best, 0.0, weights))
    own = np.take_along_axis(points, best[None, ..., None], 0)[0]
    own_variance = np.take_along_axis(variances, best[None], 0)[0]
    several = rest_total > 0
    with np.errstate(invalid='ignore', divide='ignore'):
        expected = own_variance + np.where(several, 1 / rest_total, 0.0)
        apart = np.where(several, np.square(own - rest).sum(-1) / expected, 0.0)
        contradicts = apart > 2 * CONTRADICTION**2
        variance = np.where(contradicts, own_variance, 1 / total)
    # Of two axes: the disagreement's expectation is 2.
    stds = np.sqrt(variance * np.maximum(apart / 2, 1.0))
    found = there.any(0)
    chosen = np.where((contradicts | ~several)[..., None], own, mean)
    used = np.where(contradicts, is_best, there)
    return (
        np.where(found[..., None], chosen, np.nan),
        np.where(found, stds, np.nan),
        used,
    )


def _mean(points: Array, weights: Array) -> tuple[Array, Array]:
    total = weights.sum(0)
    with np.errstate(invalid='ignore', divide='ignore'):
        mean = (weights[..., None] * points).sum(0) / total[..., None]
    return np.where(total[..., None] > 0, mean, 0.0), total
