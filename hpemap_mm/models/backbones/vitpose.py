"""ViTPose's plain vision transformer, as blocks of timm."""

# N samples, T = h * w patches, C embedding width, H W input size, h w patch grid

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModule
from timm.layers import trunc_normal_
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hpemap_mm.registry import MODELS


@dataclass(frozen=True, kw_only=True)
class ViTPoseArch:
    """Widths and depths of one ViTPose.

    Attributes:
        embed_dim: C, the width of a token.
        depth: Number of blocks.
        num_heads: Attention heads per block.
        drop_path_rate: Stochastic depth of the last block; linear from 0 at the first.
        patch_size: Side and stride of a patch, in pixels.
        padding: Zero padding of the patch convolution, in pixels, on every side.
        mlp_ratio: Width of the MLP over ``embed_dim``.
    """

    embed_dim: int
    depth: int
    num_heads: int
    drop_path_rate: float = 0.0
    patch_size: int = 16
    padding: int = 2
    mlp_ratio: float = 4.0


#: ViTPose (arXiv 2204.12484) and ViTPose++; S has 12 heads, unlike DeiT-S.
VITPOSE_ARCHS: Mapping[str, ViTPoseArch] = {
    'S': ViTPoseArch(embed_dim=384, depth=12, num_heads=12, drop_path_rate=0.1),
    'B': ViTPoseArch(embed_dim=768, depth=12, num_heads=12, drop_path_rate=0.3),
    'L': ViTPoseArch(embed_dim=1024, depth=24, num_heads=16, drop_path_rate=0.5),
    'H': ViTPoseArch(embed_dim=1280, depth=32, num_heads=16, drop_path_rate=0.55),
}


def vitpose_arch(arch: str | Mapping[str, Any] | ViTPoseArch) -> ViTPoseArch:
    """Look an architecture up by its letter, or make one from a dict of its fields.

    Raises:
        KeyError: If the letter is unknown; lists the known ones.
        ValueError: If the width is not divisible by the number of heads.
    """
    if isinstance(arch, str):
        if arch not in VITPOSE_ARCHS:
            raise KeyError(f'Unknown ViTPose arch {arch!r}. Available: {sorted(VITPOSE_ARCHS)}')
        return VITPOSE_ARCHS[arch]
    found = arch if isinstance(arch, ViTPoseArch) else ViTPoseArch(**arch)
    if found.embed_dim % found.num_heads:
        raise ValueError(
            f'embed_dim {found.embed_dim} is not divisible by num_heads {found.num_heads}'
        )
    return found


class PaddedPatchEmbed(nn.Module):
    """Patches by a convolution with zero padding, as in ViTPose: (N, 3, H, W) to (N, T, C)."""

    def __init__(self, arch: ViTPoseArch) -> None:
        super().__init__()
        self.proj = nn.Conv2d(
            3,
            arch.embed_dim,
            kernel_size=arch.patch_size,
            stride=arch.patch_size,
            padding=arch.padding,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images of shape (N, 3, H, W) as tokens of shape (N, T, C)."""
        return self.proj(images).flatten(2).transpose(1, 2)


@MODELS.register_module()
class ViTPoseBackbone(BaseModule):
    """ViTPose's backbone: a ViT whose patches are padded by 2, without class token.

    Parameters are named as in ViTPose's checkpoints (``pos_embed``, ``patch_embed.proj``,
    ``blocks.i.attn.qkv``, ``last_norm``). ``pos_embed`` keeps the place of the class token of
    the MAE weights, shape (1, 1 + T, C), and is used as ``pos_embed[:, 1:] + pos_embed[:, :1]``.
    Attention is PyTorch's fused one, through timm. LayerNorm has eps 1e-6.

    Follows ``mmpose/models/backbones/vit.py`` of https://github.com/ViTAE-Transformer/ViTPose.

    Args:
        arch: 'S', 'B', 'L' or 'H', or the fields of a :class:`ViTPoseArch`.
        img_size: Input size (w, h) in pixels, both divisible by the patch size.
        drop_path_rate: Stochastic depth of the last block. None takes the architecture's.
        with_cp: Recompute the blocks' activations in the backward pass, to save memory. Losses
            and gradients are the same.
        final_norm: Whether ``last_norm`` follows the last block, as in ViTPose.
        init_cfg: MMEngine initialisation, for example ``dict(type='Pretrained', checkpoint=...)``.

    Attributes:
        out_channels: C.
        out_stride: Pixels of the input per cell of the output.
        num_layers: Number of blocks.

    Raises:
        KeyError: If the arch is unknown.
        ValueError: If ``img_size`` does not fit the patches.
    """

    def __init__(
        self,
        arch: str | Mapping[str, Any] | ViTPoseArch,
        *,
        img_size: tuple[int, int] = (192, 256),
        drop_path_rate: float | None = None,
        with_cp: bool = False,
        final_norm: bool = True,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.arch = vitpose_arch(arch)
        if drop_path_rate is not None:
            self.arch = replace(self.arch, drop_path_rate=drop_path_rate)
        self.img_size = (int(img_size[0]), int(img_size[1]))
        self.grid = self._grid()
        self.with_cp = with_cp
        self.out_channels = self.arch.embed_dim
        self.out_stride = self.arch.patch_size
        self.num_layers = self.arch.depth

        dim = self.arch.embed_dim
        norm: Any = partial(nn.LayerNorm, eps=1e-6)
        rates = np.linspace(0, self.arch.drop_path_rate, self.arch.depth).tolist()
        self.patch_embed = PaddedPatchEmbed(self.arch)
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], dim))
        self.blocks = nn.ModuleList(self._block(rate, norm) for rate in rates)
        self.last_norm = norm(dim) if final_norm else nn.Identity()
        self._reset()

    def _block(self, rate: float, norm: Any) -> nn.Module:
        """One transformer block with that stochastic depth."""
        return Block(
            self.arch.embed_dim,
            self.arch.num_heads,
            mlp_ratio=self.arch.mlp_ratio,
            qkv_bias=True,
            drop_path=rate,
            norm_layer=norm,
        )

    def _grid(self) -> tuple[int, int]:
        """Patch grid (w, h)."""
        patch, padding = self.arch.patch_size, self.arch.padding
        grid = tuple((side + 2 * padding - patch) // patch + 1 for side in self.img_size)
        if any(cells * patch != side for cells, side in zip(grid, self.img_size, strict=True)):
            raise ValueError(
                f'img_size {self.img_size} (w, h) with patches of {patch} and padding {padding} '
                f'gives a grid of {grid}, which is not img_size / {patch}: '
                f'use a multiple of {patch}, and a padding below half a patch'
            )
        return grid[0], grid[1]

    def _reset(self) -> None:
        trunc_normal_(self.pos_embed, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Feature map of normalised images.

        Args:
            images: (N, 3, H, W), with (W, H) = ``img_size``.

        Returns:
            One map of shape (N, C, H / patch_size, W / patch_size).

        Raises:
            ValueError: If the images are not of ``img_size``.
        """
        x_NTC = self.embed(images)
        recompute = self.with_cp and self.training and torch.is_grad_enabled()
        for block in self.blocks:
            x_NTC = checkpoint(block, x_NTC, use_reentrant=False) if recompute else block(x_NTC)
        return (self.as_maps(x_NTC),)

    def embed(self, images: Tensor) -> Tensor:
        """Tokens (N, T, C) of images (N, 3, H, W), with their positions.

        Raises:
            ValueError: If the images are not of ``img_size``.
        """
        width, height = self.img_size
        if images.shape[-2:] != (height, width):
            raise ValueError(
                f'{type(self).__name__} was built for images of {width} x {height} (w x h), '
                f'got {images.shape[-1]} x {images.shape[-2]}'
            )
        return self.patch_embed(images) + self.pos_embed[:, 1:] + self.pos_embed[:, :1]

    def as_maps(self, x_NTC: Tensor) -> Tensor:
        """Feature maps (N, C, h, w) of the last block's tokens."""
        grid_w, grid_h = self.grid
        x_NTC = self.last_norm(x_NTC)
        return x_NTC.transpose(1, 2).reshape(x_NTC.shape[0], -1, grid_h, grid_w).contiguous()

    def get_layer_id(self, name: str) -> int:
        """Layer of a parameter, for layer-wise learning-rate decay as in ViTPose.

        Args:
            name: Name of the parameter inside this module.

        Returns:
            0 for the embeddings, 1 + i for block i, ``num_layers + 1`` for the last norm.
        """
        if name == 'pos_embed' or name.startswith('patch_embed.'):
            return 0
        if name.startswith('blocks.'):
            return 1 + int(name.split('.')[1])
        return self.num_layers + 1
