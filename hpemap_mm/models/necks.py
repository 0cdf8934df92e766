"""Necks that bring a pyramid of features to one resolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

from hpemap_mm.registry import MODELS


@MODELS.register_module()
class TopDownFusion(BaseModule):
    """Adds coarse features to fine ones, from the top down, and returns the finest.

    The top-down path of feature pyramid networks (Lin et al., CVPR 2017), with a depthwise
    separable convolution in place of the 3x3 one, as small backbones are used with it.

    Args:
        in_channels: Of the backbone's maps, fine to coarse; each half the size of the one
            before it.
        out_channels: Of the result.
        init_cfg: See MMEngine's BaseModule.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: int = 96,
        init_cfg: dict[str, object] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.laterals = nn.ModuleList(
            nn.Conv2d(channels, out_channels, 1) for channels in in_channels
        )
        self.smooth = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(
                    out_channels, out_channels, 5, padding=2, groups=out_channels, bias=False
                ),
                nn.BatchNorm2d(out_channels),
                nn.Conv2d(out_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(inplace=True),
            )
            for _ in in_channels[1:]
        )

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor]:
        """Fuse.

        Args:
            feats: Maps of shape (N, C_i, H / 2**i, W / 2**i), fine to coarse.

        Returns:
            One map of shape (N, out_channels, H, W), in a tuple as MMPose's heads take it.

        Raises:
            ValueError: There are more or fewer maps than ``in_channels``.
        """
        if len(feats) != len(self.laterals):
            raise ValueError(
                f'TopDownFusion has {len(self.laterals)} in_channels, got {len(feats)} maps'
            )
        x: torch.Tensor | None = None
        for level in reversed(range(len(feats))):
            lateral = self.laterals[level](feats[level])
            if x is None:
                x = lateral
                continue
            upsampled = functional.interpolate(x, size=lateral.shape[-2:], mode='nearest')
            x = self.smooth[level](lateral + upsampled)
        assert x is not None
        return (x,)
