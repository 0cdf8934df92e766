"""A detector's own shift: all joints displaced sideways in the picture by the same share of size.

A decoder that rounds to one side, or a flip test that forgets half a heatmap pixel, moves every
joint of every person in the same direction of the *picture*. No translator that treats left and
right alike can learn that, and none should: it belongs to the file it was seen in, not to the two
skeletons. So it is fitted apart, and taken off only where the same detector's keypoints come.
Only x is looked at: a difference of definitions has, over people facing both ways, no side of the
picture; but it may well have an up and down.

Dimensions: N persons (the last axis of tensors), S joints of the source, D joints of the target.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hpemap_mm.skeletons import Skeleton, correspondences
from hpemap_mm.skeletons.transfer import transfer_matrix
from hpemap_mm.translators.frame import frame, frame_of


class SourceShift(nn.Module):
    """Displacement in x as a share of the person's size.

    Attributes:
        share: () to the right, in sizes of :func:`frame_of`; 0 before it is fitted.
    """

    share: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('share', torch.zeros(()))

    def forward(self, points_2SN: Tensor, valid_SN: Tensor) -> Tensor:
        """The points without the shift; missing ones (zeros) stay as they are."""
        _, sizes = frame(points_2SN, valid_SN)
        return torch.stack([points_2SN[0] - self.share * sizes * valid_SN, points_2SN[1]])

    def corrected(self, points: np.ndarray) -> np.ndarray:
        """Arrays (N, S, 2) without the shift; NaN where missing."""
        given = torch.from_numpy(points).permute(2, 1, 0)
        valid = torch.isfinite(given).all(0)
        moved = self(torch.where(valid, given, 0.0), valid)
        return torch.where(valid, moved, torch.nan).permute(2, 1, 0).numpy()

    def fit(
        self, source: Skeleton, target: Skeleton, points: np.ndarray, truth: np.ndarray
    ) -> None:
        """The median over all joints that are the `same` in both.

        Args:
            source: Skeleton of the points.
            target: Skeleton of the truth.
            points: (N, S, 2) px; NaN where missing.
            truth: (N, D, 2) px; NaN where not annotated.

        Raises:
            ValueError: No joint is the same in both and known in both: no shift can be told.
        """
        records = correspondences(source, target, near=False, derived=False)
        matrix = transfer_matrix(records, len(source))
        same = matrix.any(1)
        place = matrix[same].argmax(1)
        valid = np.isfinite(points).all(-1)
        filled = torch.from_numpy(np.where(valid[..., None], points, 0.0))
        _, sizes = frame_of(filled, torch.from_numpy(valid))
        with np.errstate(invalid='ignore', divide='ignore'):
            shares = (points[:, place, 0] - truth[:, same, 0]) / sizes.numpy()[:, None]
        shares = shares[np.isfinite(shares)]
        if not len(shares):
            raise ValueError(
                f'{source.name} and {target.name} have no labelled joint in common: their shift '
                'cannot be told; leave correct_shift out'
            )
        self.share.fill_(float(np.median(shares)))
