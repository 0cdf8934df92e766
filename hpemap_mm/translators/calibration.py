"""Regions that hold what they promise: scales of errors, calibrated on persons kept apart.

A translator gives each joint a scale. On pairs that it did not learn from, the distances to the
truth, in these scales, have quantiles; these turn a scale into the radius of a region that holds
the joint with a wanted probability (split conformal prediction; Vovk et al. 2005).

Dimensions: N persons, D joints, P probabilities.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hpemap_mm.translators.translation import LEVELS, MEDIAN_RADIUS

Array = npt.NDArray[np.floating]

#: Pairs of a joint and its mirror image below which their common quantiles are not trusted.
LEAST = 50


class Calibration(nn.Module):
    """For each joint, the quantiles of the errors in scales.

    Args:
        joints: Number D of joints.

    Attributes:
        gains: (D,) sigmas per scale; NaN before calibration and for joints without enough pairs.
        radii: (D, P) radii at :data:`LEVELS` in sigmas.
    """

    gains: Tensor
    radii: Tensor

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.register_buffer('gains', torch.full((joints,), torch.nan))
        self.register_buffer('radii', torch.full((joints, len(LEVELS)), torch.nan))

    def table(self) -> Array | None:
        """(D, P) radii in sigmas; None before calibration."""
        table = self.radii.numpy(force=True).astype(np.float64)
        return None if np.isnan(table).all() else table

    def fit(
        self,
        distances_ND: npt.ArrayLike,
        scales_ND: npt.ArrayLike,
        flip_indices_D: npt.ArrayLike,
    ) -> None:
        """Take the quantiles; a joint and its mirror image share theirs.

        Args:
            distances_ND: From the answer to the truth, px; NaN where not known.
            scales_ND: Of the answers, px.
            flip_indices_D: Of the target's skeleton.
        """
        scales = np.asarray(scales_ND, np.float64)
        with np.errstate(invalid='ignore', divide='ignore'):
            ratios = np.asarray(distances_ND, np.float64) / scales
        gains, radii = np.full(len(self.gains), np.nan), np.full(self.radii.shape, np.nan)
        for joint, mirror in enumerate(np.asarray(flip_indices_D)):
            pooled = ratios[:, sorted({joint, int(mirror)})].ravel()
            pooled = np.sort(pooled[np.isfinite(pooled)])
            if len(pooled) < LEAST:
                continue
            # The conformal rank: of n + 1 exchangeable distances a share p is below it.
            ranks = np.ceil(np.array([0.5, *LEVELS]) * (len(pooled) + 1)).astype(int) - 1
            quantiles = pooled[ranks.clip(0, len(pooled) - 1)]
            gains[joint] = max(quantiles[0], 1e-9) / MEDIAN_RADIUS
            radii[joint] = quantiles[1:] / gains[joint]
        self.gains.copy_(torch.from_numpy(gains))
        self.radii.copy_(torch.from_numpy(radii))
