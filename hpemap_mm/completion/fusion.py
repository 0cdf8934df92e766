"""Several estimates of one joint into one, with its uncertainty.

Dimensions: S estimates, N persons, K joints.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

#: How errors of two estimates of one joint go together. They are not independent: a translator and
#: a model both lean to where such a joint mostly is (0.1 to 0.5 on mannequins, the most where the
#: weights matter: in the face). An estimate with more than twice another's standard deviation so
#: adds nothing to it.
CORRELATION = 0.5
#: Estimates that are further apart than this many of their standard deviations contradict each
#: other: one of them is wrong, and a mean of both would be, too.
CONTRADICTION = 3.0


def fuse(points_SNK2: Array, stds_SNK: Array) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """The best linear mean of estimates whose errors are correlated by :data:`CORRELATION`.

    Its weights minimise the variance among weights that are not negative. Where the most certain
    estimate and the weighted mean of the others contradict each other, the certain one is taken
    alone. In any case the standard deviation grows with the
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
    points = np.where(there[..., None], points_SNK2, 0.0)
    best = np.argmin(variances, axis=0)
    is_best = (np.arange(len(stds_SNK))[:, None, None] == best) & there
    mean, variance, weights = _mean(points, variances)
    rest, rest_variance, _ = _mean(points, np.where(is_best, np.inf, variances))
    own = np.take_along_axis(points, best[None, ..., None], 0)[0]
    own_variance = np.take_along_axis(variances, best[None], 0)[0]
    several = np.isfinite(rest_variance)
    with np.errstate(invalid='ignore', divide='ignore'):
        expected = own_variance + np.where(several, rest_variance, 0.0)
        apart = np.where(several, np.square(own - rest).sum(-1) / expected, 0.0)
    contradicts = apart > 2 * CONTRADICTION**2
    alone = contradicts | ((weights > 0).sum(0) <= 1)
    variance = np.where(alone, own_variance, variance)
    # Of two axes: the disagreement's expectation is 2.
    stds = np.sqrt(variance * np.maximum(apart / 2, 1.0))
    found = there.any(0)
    return (
        np.where(found[..., None], np.where(alone[..., None], own, mean), np.nan),
        np.where(found, stds, np.nan),
        np.where(alone, is_best, weights > 0),
    )


def _mean(points_SNK2: Array, variances_SNK: Array) -> tuple[Array, Array, Array]:
    """Mean (N, K, 2), its variance (N, K) and the weights (S, N, K); infinite variances are absent.

    With equal correlations r the weights are, but for their sum, t (t - r T / (1 + (m - 1) r)),
    where t is the inverse standard deviation, and T the sum of those of the m estimates that
    are used (by the formula of Sherman and Morrison). Estimates join in the order of their
    certainty, while their own weight is positive.
    """
    with np.errstate(divide='ignore'):
        sharp = 1 / np.sqrt(variances_SNK)
    order = np.argsort(-sharp, axis=0, kind='stable')
    sorted_sharp = np.take_along_axis(sharp, order, 0)
    count = np.arange(1, len(sharp) + 1)[:, None, None]
    common = CORRELATION * np.cumsum(sorted_sharp, 0) / (1 + (count - 1) * CORRELATION)
    joins = np.logical_and.accumulate(sorted_sharp > common, axis=0)
    last = np.maximum(joins.sum(0) - 1, 0)
    used = np.empty_like(joins)
    np.put_along_axis(used, order, joins, 0)
    offset = np.take_along_axis(common, last[None], 0)[0]
    weights = np.where(used, sharp * (sharp - offset), 0.0)
    total = weights.sum(0)
    with np.errstate(invalid='ignore', divide='ignore'):
        weights = np.where(total > 0, weights / total, 0.0)
        variance = (1 - CORRELATION) / total
    return (weights[..., None] * points_SNK2).sum(0), variance, weights
