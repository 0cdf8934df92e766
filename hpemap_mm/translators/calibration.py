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

    Twice: for joints whose own source joints were there, and for those that were guessed from
    others because these were missing.

    Args:
        joints: Number D of joints.

    Attributes:
        gains: (D,) sigmas per scale; NaN before calibration and for joints without enough pairs.
        radii: (D, P) radii at :data:`LEVELS` in sigmas; NaN at levels for which pairs are too few.
        guessed_gains: (D,) of guessed joints.
        guessed_radii: (D, P) of guessed joints.
    """

    gains: Tensor
    radii: Tensor
    guessed_gains: Tensor
    guessed_radii: Tensor

    def __init__(self, joints: int) -> None:
        super().__init__()
        for prefix in ('', 'guessed_'):
            self.register_buffer(f'{prefix}gains', torch.full((joints,), torch.nan))
            self.register_buffer(f'{prefix}radii', torch.full((joints, len(LEVELS)), torch.nan))

    def sigmas(self, scales_DN: Tensor, guessed_DN: Tensor | None = None) -> Tensor:
        """(D, N) calibrated sigmas; NaN where nothing was calibrated."""
        gains = self.gains[:, None]
        if guessed_DN is not None:
            gains = torch.where(guessed_DN, self.guessed_gains[:, None], gains)
        return scales_DN * gains

    def table(self, *, guessed: bool = False) -> Array | None:
        """(D, P) radii in sigmas; None before calibration."""
        buffer = self.guessed_radii if guessed else self.radii
        table = buffer.numpy(force=True).astype(np.float64)
        return None if np.isnan(table).all() else table

    def fit(
        self,
        distances_ND: npt.ArrayLike,
        scales_ND: npt.ArrayLike,
        flip_indices_D: npt.ArrayLike,
        *,
        guessed: bool = False,
    ) -> None:
        """Take the quantiles; a joint and its mirror image share theirs.

        Args:
            distances_ND: From the answer to the truth, px; NaN where not known.
            scales_ND: Of the answers, px.
            flip_indices_D: Of the target's skeleton.
            guessed: Whether these are joints whose own source joints were missing.
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
            # A hair less, as 0.14 * 100 is more than 14 in floating point.
            shares = np.array([0.5, *LEVELS]) * (len(pooled) + 1) - 1e-9
            ranks = np.ceil(shares).astype(int) - 1
            quantiles = pooled[ranks.clip(0, len(pooled) - 1)]
            gains[joint] = max(quantiles[0], 1e-9) / MEDIAN_RADIUS
            # Few distances say nothing of the last per cent: n of them reach n / (n + 1).
            radii[joint] = np.where(ranks < len(pooled), quantiles / gains[joint], np.nan)[1:]
        (self.guessed_gains if guessed else self.gains).copy_(torch.from_numpy(gains))
        (self.guessed_radii if guessed else self.radii).copy_(torch.from_numpy(radii))
