"""Position embeddings: their grid, and resizing them."""

# T patches, C embedding width

from __future__ import annotations

import math

import torch
from timm.layers import resample_abs_pos_embed
from torch import Tensor

Grid = tuple[int, int]


def grid_of(tokens: int) -> Grid | None:
    """The grid (w, h) of T patches where it is square or 3:4, as people's inputs are."""
    side = math.isqrt(tokens)
    if side * side == tokens and tokens:
        return side, side
    unit = math.isqrt(tokens // 12)
    if 12 * unit * unit == tokens and tokens:
        return 3 * unit, 4 * unit
    return None


def resized(pos_embed: Tensor, old: Grid, new: Grid) -> Tensor:
    """Bicubic (without antialiasing, as ViTPose resizes MAE's); the same tensor on the same grid.

    Args:
        pos_embed: (1, 1 + T, C); the first place, of the class token, is kept.
        old: Its grid (w, h).
        new: The grid that is wanted.
    """
    if old == new:
        return pos_embed
    return resample_abs_pos_embed(
        pos_embed,
        new_size=[new[1], new[0]],
        old_size=[old[1], old[0]],
        num_prefix_tokens=1,
        antialias=False,
        align_corners=False,
    )


def with_first_place(pos_embed: Tensor) -> Tensor:
    """(1, T, C) to (1, 1 + T, C): a first place of zeros, which adds nothing."""
    return torch.cat([torch.zeros_like(pos_embed[:, :1]), pos_embed], 1)


def without_first_place(pos_embed: Tensor) -> Tensor:
    """(1, 1 + T, C) to (1, T, C): what is added to the patches."""
    return pos_embed[:, 1:] + pos_embed[:, :1]
