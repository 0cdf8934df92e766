"""Medians under a bootstrap over images.

Dimensions: n values, B replicates, I images.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hpemap_mm.evaluation.bootstrap import percentile_interval

Array = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]

#: Scale of the median absolute deviation that makes it a standard deviation, for a Gaussian.
MAD_TO_SIGMA = 1.482602218505602
#: Up to so many values the replicates' medians are exact; beyond, read from a histogram.
EXACT = 2000
#: Bins of the histogram, and its half width in (doubled) standard errors of the median.
BINS, REACH = 32, 5.0


def robust_sigma(values: Array, axis: int = 0) -> Array:
    """1.4826 x the median absolute deviation from the median; the sigma of a Gaussian."""
    centre = np.median(values, axis=axis, keepdims=True)
    return MAD_TO_SIGMA * np.median(np.abs(values - centre), axis=axis)


def median_replicates(values: Array, rows: IntArray, weights: Array) -> Array:
    """The median of the values in every resample of the images.

    A replicate's median is the point at which half of its weight is reached. For many values it
    is read from a histogram around the median, linear within a bin of 0.6 standard errors: that is
    off by a fifth of the standard error at most, which is below what the bootstrap can tell.

    Args:
        values: (n,) finite.
        rows: (n,) each value's image, a column of ``weights``.
        weights: (B, I) from :func:`hpemap_mm.evaluation.bootstrap.image_weights`.

    Returns:
        (B,); NaN for replicates that hold no value.

    Raises:
        ValueError: Lengths differ or a value is not finite.
    """
    values, rows = np.asarray(values, float), np.asarray(rows)
    if values.ndim != 1 or values.shape != rows.shape or not np.isfinite(values).all():
        raise ValueError(f'need finite values and rows of one length: {values.shape}, {rows.shape}')
    if not len(values):
        return np.full(len(weights), np.nan)
    spread = robust_sigma(values)
    if len(values) <= EXACT or not spread > 0:
        return _exact(values, rows, weights)
    # A median's standard error, doubled for values that come in clusters.
    step = 2 * 1.2533 * spread / np.sqrt(len(values)) * REACH / (BINS / 2)
    centre = np.median(values)
    edges = centre + step * np.arange(-BINS // 2, BINS // 2 + 1)
    return _binned(values, rows, weights, edges)


def _exact(values: Array, rows: IntArray, weights: Array) -> Array:
    order = np.argsort(values, kind='stable')
    ranked = values[order]
    mass = np.cumsum(weights[:, rows[order]], axis=1, dtype=np.float64)
    total = mass[:, -1:]
    # As numpy's median does for an even count: between the values on both sides of one half.
    below = np.argmax(mass >= total / 2, axis=1)
    above = np.argmax(mass > total / 2, axis=1)
    found = (ranked[below] + ranked[above]) / 2
    return np.where(total[:, 0] > 0, found, np.nan)


def _binned(values: Array, rows: IntArray, weights: Array, edges: Array) -> Array:
    """Medians by linear interpolation within bins; beyond the outer edges they are the edges."""
    images, compact = np.unique(rows, return_inverse=True)
    bins = len(edges)  # bin 0 lies below the first edge; what is above the last one is left out
    at = np.searchsorted(edges, values, side='left')
    inside = at < bins
    counts = np.zeros((len(images), bins), weights.dtype)
    np.add.at(counts, (compact[inside], at[inside]), 1)
    per_image = np.bincount(compact, minlength=len(images)).astype(weights.dtype)
    drawn = weights[:, images] if len(images) < weights.shape[1] else weights
    mass = np.cumsum((drawn @ counts).astype(float), axis=1)
    half = (drawn @ per_image).astype(float)[:, None] / 2
    reached = np.clip((mass < half).sum(1), 1, bins - 1)
    row = np.arange(len(mass))
    low, high = mass[row, reached - 1], mass[row, reached]
    with np.errstate(invalid='ignore', divide='ignore'):
        share = np.clip((half[:, 0] - low) / (high - low), 0, 1)
    found = edges[reached - 1] + np.nan_to_num(share) * (edges[reached] - edges[reached - 1])
    return np.where(half[:, 0] > 0, found, np.nan)


def median_interval(values: Array, rows: IntArray, weights: Array) -> tuple[float, float]:
    """95% interval of a median; NaN where fewer than two images hold values."""
    if len(np.unique(rows)) < 2:
        return float('nan'), float('nan')
    low, high = percentile_interval(median_replicates(values, rows, weights))
    return float(low), float(high)


def image_rows(image_ids: IntArray, images: IntArray) -> IntArray:
    """Each person's image as a column of the weights; (N,).

    Args:
        image_ids: (N,) ids of the persons' images.
        images: (I,) ids of all images.

    Raises:
        ValueError: A person's image is not among ``images``.
    """
    order = np.argsort(images, kind='stable')
    at = np.searchsorted(images, image_ids, sorter=order)
    rows = order[np.minimum(at, max(len(images) - 1, 0))] if len(images) else at
    if not np.array_equal(np.asarray(images)[rows], image_ids):
        raise ValueError("a person's image is not among the images")
    return rows
