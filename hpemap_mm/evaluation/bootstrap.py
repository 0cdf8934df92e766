"""Confidence intervals by resampling images.

Persons of one image share its photographer, its crowd and its annotator, so the image is what is
drawn with replacement, never the person (the cluster bootstrap; Davison and Hinkley, "Bootstrap
Methods and their Application", 1997, section 3.8). A figure that is a sum over a sum needs its
two sums per image and one matrix product for all replicates.

Dimensions: B replicates, I images, N persons, K joints.
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Weights = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

#: What an interval covers, in words.
METHOD = '95% percentile interval of a bootstrap over images'


def image_weights(images: int, replicates: int = 1000, seed: int = 0) -> Weights:
    """How often each image occurs in each replicate; (B, I) float32, every row sums to I.

    One matrix serves all figures of a dataset: figures from the same replicates can be compared.

    Args:
        images: Number I of images, those without a person too.
        replicates: Number B of resamples; 0 for none, whose intervals are all NaN.
        seed: The same seed gives the same matrix on every machine.

    Raises:
        ValueError: A number is negative.
    """
    if images < 0 or replicates < 0:
        raise ValueError(f'images and replicates must be 0 or more: {images}, {replicates}')
    rng = np.random.default_rng(seed)
    weights = np.empty((replicates, images), np.float32)
    if not images:
        return weights
    for row in weights:
        row[:] = np.bincount(rng.integers(images, size=images), minlength=images)
    return weights


def image_sums(values: npt.ArrayLike, image_ids: npt.ArrayLike, images: npt.ArrayLike) -> Array:
    """Sum what belongs to persons over each image.

    Args:
        values: (N, ...) per person.
        image_ids: (N,) the persons' images.
        images: (I,) ids of all images, in any order, without repetition.

    Returns:
        (I, ...) float64 in the order of ``images``; 0 for images without a person.

    Raises:
        ValueError: The lengths differ, or a person's image is not among ``images``.
    """
    values, ids = np.asarray(values), np.asarray(image_ids)
    listed = np.asarray(images)
    if len(values) != len(ids):
        raise ValueError(f'{len(values)} values for {len(ids)} persons')
    sums = np.zeros((len(listed), *values.shape[1:]))
    if not len(ids):
        return sums
    order = np.argsort(listed, kind='stable')
    at = np.minimum(np.searchsorted(listed, ids, sorter=order), len(listed) - 1)
    rows = order[at] if len(listed) else at
    if not len(listed) or not np.array_equal(listed[rows], ids):
        raise ValueError("a person's image is not among the images")
    np.add.at(sums, rows, values)
    return sums


def ratio_replicates(numerator: npt.ArrayLike, denominator: npt.ArrayLike, weights: Array) -> Array:
    """The ratio of two sums in every replicate; NaN where the denominator is 0.

    Args:
        numerator: (I,) or (I, K) sums per image.
        denominator: Likewise.
        weights: (B, I) from :func:`image_weights`.

    Returns:
        (B,) or (B, K) float64.

    Raises:
        ValueError: The shapes disagree.
    """
    above, below = np.asarray(numerator), np.asarray(denominator)
    if above.shape != below.shape or above.shape[:1] != weights.shape[1:]:
        raise ValueError(
            'numerator and denominator must be (I,) or (I, K) and weights (B, I), got '
            f'{above.shape}, {below.shape} and {weights.shape}'
        )
    # In the weights' type: counts are exact in float32 up to 2^24, and B x I is not copied.
    above = (weights @ above.astype(weights.dtype)).astype(float)
    below = (weights @ below.astype(weights.dtype)).astype(float)
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.where(below > 0, above / below, np.nan)


def percentile_interval(replicates: Array, *, level: float = 0.95) -> tuple[Array, Array]:
    """The middle share ``level`` of the replicates (B, ...): low and high, each (...).

    Replicates that are NaN (nothing was scored in them) are left out; NaN where all are, and
    where there are none.

    Raises:
        ValueError: The level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f'level must be between 0 and 1, got {level}')
    if not len(replicates):
        nothing = np.full(np.shape(replicates)[1:], np.nan)
        return nothing, nothing.copy()
    tails = [50 * (1 - level), 50 * (1 + level)]
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'All-NaN slice', RuntimeWarning)
        low, high = np.nanpercentile(replicates, tails, axis=0)
    return low, high


def ratio_interval(
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike,
    weights: Array,
    *,
    level: float = 0.95,
) -> tuple[Array, Array]:
    """Interval of a sum over a sum, e.g. of correct joints over scored joints.

    Args:
        numerator: (I,) or (I, K) sums per image.
        denominator: Likewise.
        weights: (B, I) from :func:`image_weights`.
        level: Share of the replicates that the interval holds.

    Returns:
        Low and high, each () or (K,). NaN where fewer than two images have anything to score:
        resampling one image says nothing about others.

    Raises:
        ValueError: The shapes disagree, or the level is not between 0 and 1.
    """
    low, high = percentile_interval(ratio_replicates(numerator, denominator, weights), level=level)
    enough = (np.asarray(denominator) > 0).sum(0) >= 2
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)
