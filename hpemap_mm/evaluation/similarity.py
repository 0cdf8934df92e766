"""Keypoint similarity: how near a predicted joint is, by COCO's measure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


def keypoint_similarity(predicted: Array, truth: Array, areas: Array, sigmas: Array) -> Array:
    """exp(-d^2 / (2 s^2 k^2)) of COCO: d the error, s^2 the person's area, k twice the sigma.

    Computed in pycocotools' order, so that equal similarities stay equal. Object keypoint
    similarity is its mean over a person's annotated joints.

    Args:
        predicted: (..., K, 2) pixels, finite.
        truth: (..., K, 2) pixels, same frame.
        areas: (...,) px^2.
        sigmas: (K,) COCO's per-joint constants.

    Returns:
        (..., K) in [0, 1]; NaN where the area is NaN.
    """
    with np.errstate(over='ignore', invalid='ignore'):
        square = ((predicted - truth) ** 2).sum(-1)
        variances = (np.asarray(sigmas) * 2) ** 2
        return np.exp(-(square / variances / (areas + np.spacing(1))[..., None] / 2))
