"""Points out of heatmaps, and heatmaps out of points."""

# N samples, K joints, H W heatmap

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmpose.codecs import UDPHeatmap
from mmpose.models.heads import HeatmapHead
from torch import Tensor, nn

from hpemap_mm.models.heads.decode import blur_matrix, log_neighbourhoods, maxima, refined_peaks
from hpemap_mm.models.heads.heatmap import SoftmaxHeatmapHead

#: Beyond so many standard deviations a codec's heatmap is 0.
RADIUS = 3.0
#: Pixels of the blur before a peak is refined, as in MMPose's codec.
KERNEL = 11


def checked_sigma(head: nn.Module, name: str) -> float:
    """Standard deviation of a head's target heatmaps, in heatmap pixels.

    Raises:
        ValueError: If the head has no UDP heatmaps, one for each joint.
    """
    codec: Any = getattr(head, 'decoder', None)
    gaussian = isinstance(codec, UDPHeatmap) and codec.heatmap_type == 'gaussian'
    if not isinstance(head, HeatmapHead) or not gaussian:
        raise ValueError(
            f'Head {name!r} ({type(head).__name__}) has no UDP heatmaps of type gaussian, in which '
            'consistency and a teacher are told'
        )
    return float(codec.sigma)


def raw_output(head: Any, feats: Sequence[Any]) -> Tensor:
    """What a heatmap head's loss is computed of: logits, or heatmaps; (N, K, H, W)."""
    return head.logits(feats) if isinstance(head, SoftmaxHeatmapHead) else head.forward(feats)


def as_heatmaps(head: Any, raw: Tensor) -> Tensor:
    """Heatmaps of :func:`raw_output`, whose peaks are about 1 where the head is sure."""
    return head._heatmaps(raw) if isinstance(head, SoftmaxHeatmapHead) else raw


@torch.no_grad()
def peaks(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Where a head's heatmaps say that joints are, as UDP decodes them, and how high they are.

    Args:
        heatmaps: (N, K, H, W).

    Returns:
        (N, K, 2) heatmap pixels, and (N, K) maxima; float32.
    """
    maps = heatmaps.detach().float()
    height, width = maps.shape[-2:]
    rows, columns = (blur_matrix(size, KERNEL).to(maps) for size in (height, width))
    # A hundredth of a pixel is beyond the types that autocast multiplies in.
    with torch.autocast(maps.device.type, enabled=False):
        indices, values = maxima(maps)
        logs = log_neighbourhoods(maps, indices, rows, columns)
        points = refined_peaks(indices, values, logs, width=width, symmetric=True)
    return points, values


@torch.no_grad()
def centres(targets: Tensor, sigma: float) -> Tensor:
    """The centres of a codec's target heatmaps, to the rounding of float32.

    Of a Gaussian two neighbouring pixels say where its centre is, also where the image's border
    cuts it off.

    Args:
        targets: (N, K, H, W).
        sigma: Of the Gaussians, in pixels.

    Returns:
        (N, K, 2) heatmap pixels; of an empty heatmap without meaning.
    """
    width = targets.shape[-1]
    flat = targets.flatten(2).float()
    indices = flat.argmax(-1)
    axes = []
    for pixel, step, size in (
        (indices % width, 1, width),
        (indices // width, width, targets.shape[-2]),
    ):
        # The neighbour to the right (below), at the border the one on the other side.
        side = torch.where(pixel + 1 < size, 1, -1)
        here, there = (
            flat.gather(2, places[..., None])[..., 0] for places in (indices, indices + side * step)
        )
        slope = (there / here).log() * side
        exact = pixel + side / 2 + sigma**2 * slope
        axes.append(torch.where((there > 0) & (here > 0), exact, pixel.float()))
    return torch.stack(axes, -1)


@torch.no_grad()
def gaussians(points: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Target heatmaps of points, as UDP's codec draws them.

    Args:
        points: (N, K, 2) heatmap pixels.
        size: (W, H).
        sigma: In pixels.

    Returns:
        (N, K, H, W) with peaks of 1, and 0 beyond :data:`RADIUS` standard deviations (in x or y)
        of the centre.
    """
    lines = []
    for axis, length in enumerate(size):
        offsets = torch.arange(length, device=points.device) - points[..., axis, None]
        line = torch.exp(-offsets.square() / (2 * sigma**2))
        # The codec's window is around the nearest pixel.
        lines.append(line.masked_fill(offsets.abs() > RADIUS * sigma + 0.5, 0))
    across, down = lines
    return down[..., :, None] * across[..., None, :]


def within(points: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, K) which points are in a heatmap of ``size`` (W, H)."""
    limit = torch.tensor(size, device=points.device) - 1
    return ((points >= 0) & (points <= limit)).all(-1)
