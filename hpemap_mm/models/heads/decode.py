"""UDP decoding of a whole batch of heatmaps, on the device where they are.

The steps are functions of tensors, which an exported graph uses too.
"""

# B samples, K joints, H W heatmap

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmpose.codecs import UDPHeatmap
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor, nn


class PeakQuadratic(NamedTuple):
    """Derivatives of the logarithm of the blurred heatmap at its maximum, in heatmap pixels.

    Attributes:
        gx: Along x, (B, K).
        gy: Along y.
        dxx: Twice along x.
        dyy: Twice along y.
        dxy: The mixed one.
    """

    gx: Tensor
    gy: Tensor
    dxx: Tensor
    dyy: Tensor
    dxy: Tensor


def blur_matrix(size: int, kernel_size: int) -> Tensor:
    """(size, size) float32 matrix that blurs a line as cv2.GaussianBlur does; zeros outside."""
    kernel = cv2.getGaussianKernel(kernel_size, 0, cv2.CV_32F)[:, 0]
    reach = kernel_size // 2
    matrix = np.zeros((size, size), dtype=np.float32)
    for offset, weight in zip(range(-reach, reach + 1), kernel, strict=True):
        matrix += weight * np.eye(size, k=offset, dtype=np.float32)
    return torch.from_numpy(matrix)


@lru_cache(maxsize=16)
def _blur_matrix_at(
    size: int, kernel_size: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    return blur_matrix(size, kernel_size).to(device, dtype)


def maxima(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the maximum in the flattened map, and its value: both (B, K)."""
    values, indices = heatmaps.flatten(2).max(-1)
    return indices, values


def log_neighbourhoods(heatmaps: Tensor, indices: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Logarithm of the blurred maps in the 3 x 3 pixels around ``indices``: (B, K, 3, 3).

    Args:
        heatmaps: (B, K, H, W).
        indices: Of the maxima, (B, K).
        rows: :func:`blur_matrix` of H.
        columns: :func:`blur_matrix` of W.
    """
    height, width = heatmaps.shape[-2:]
    blurred = rows @ heatmaps @ columns.T
    # As in mmpose.codecs.utils.gaussian_blur: the blur keeps the maximum.
    peak, blurred_peak = heatmaps.amax((-2, -1), True), blurred.amax((-2, -1), True)
    steps = torch.arange(-1, 2, device=heatmaps.device)
    x = (indices % width)[..., None, None] + steps
    y = (indices // width)[..., None, None] + steps[:, None]
    # Beyond the border, the border's value.
    around = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    near = blurred.flatten(2).gather(2, around.flatten(2)).unflatten(2, (3, 3))
    return (near * (peak / blurred_peak)).clamp(1e-3, 50.0).log()


def peak_quadratic(logs: Tensor, *, symmetric: bool) -> PeakQuadratic:
    """The quadratic through the 3 x 3 pixels around a maximum.

    Args:
        logs: :func:`log_neighbourhoods`, (B, K, 3, 3).
        symmetric: See :class:`BatchUDPHeatmap`.
    """
    centre = logs[..., 1, 1]
    left, right = logs[..., 1, 0], logs[..., 1, 2]
    up, down = logs[..., 0, 1], logs[..., 2, 1]
    dxx = right - 2 * centre + left
    dyy = down - 2 * centre + up
    dxy = (logs[..., 2, 2] - right - down + 2 * centre - left - up + logs[..., 0, 0]) / 2
    if symmetric:
        anti = (logs[..., 2, 0] - left - down + 2 * centre - right - up + logs[..., 0, 2]) / 2
        dxy = (dxy - anti) / 2
    # As UDP's code: eps on the diagonal.
    eps = float(np.finfo(np.float32).eps)
    return PeakQuadratic((right - left) / 2, (down - up) / 2, dxx + eps, dyy + eps, dxy)


def newton_step(quadratic: PeakQuadratic) -> Tensor:
    """Step (dx, dy) from the pixel to the extremum of its quadratic: (B, K, 2), pixels.

    The 2 x 2 system is solved in closed form, so that a flat neighbourhood gives no step instead
    of an error.
    """
    gx, gy, dxx, dyy, dxy = quadratic
    determinant = dxx * dyy - dxy * dxy
    step = torch.stack([dyy * gx - dxy * gy, dxx * gy - dxy * gx], -1)
    solvable = (determinant != 0)[..., None]
    divisor = torch.where(solvable, determinant[..., None], 1.0)
    return -torch.where(solvable, step / divisor, 0.0)


def refined_peaks(
    indices: Tensor, values: Tensor, logs: Tensor, *, width: int, symmetric: bool
) -> Tensor:
    """Keypoints (B, K, 2) in heatmap pixels: maxima moved by :func:`newton_step`.

    They are computed in the type of ``logs``. A joint without a positive value is at (-1, -1).

    Args:
        indices: Of the maxima in the flattened map, (B, K), integers.
        values: The maxima, (B, K).
        logs: :func:`log_neighbourhoods`, (B, K, 3, 3).
        width: W.
        symmetric: See :class:`BatchUDPHeatmap`.
    """
    pixels = torch.stack([indices % width, indices // width], -1).to(logs.dtype)
    refined = pixels + newton_step(peak_quadratic(logs, symmetric=symmetric))
    return torch.where((values > 0)[..., None], refined, -1.0)


def in_input_pixels(
    keypoints: Tensor, *, heatmap_size: tuple[int, int], input_size: tuple[int, int]
) -> Tensor:
    """Heatmap pixels (..., 2) to pixels of the network's input, as UDP decodes; sizes (w, h)."""
    x, y = keypoints[..., 0], keypoints[..., 1]
    (w, h), (width, height) = heatmap_size, input_size
    return torch.stack([x / (w - 1) * width, y / (h - 1) * height], -1)


@KEYPOINT_CODECS.register_module()
class BatchUDPHeatmap(UDPHeatmap):
    """MMPose's ``UDPHeatmap`` that decodes a batch at once, with PyTorch.

    MMPose blurs and refines joint by joint in numpy, which for several heads takes longer than
    the heads themselves. Encoding is MMPose's; decoded keypoints agree with MMPose's to the
    rounding of float32. A joint whose heatmap has no positive value is at (-1, -1) of the
    heatmap, not refined.

    Args:
        *args: UDPHeatmap's.
        symmetric: Use the mixed derivative that treats both diagonals alike. MMPose's, from UDP's
            code, takes one of them, so that the decoding of a mirrored heatmap is not exactly the
            mirrored decoding.
        **kwargs: UDPHeatmap's; ``heatmap_type`` must be 'gaussian'.

    Raises:
        ValueError: If ``heatmap_type`` is not 'gaussian'.
    """

    support_batch_decoding = True

    def __init__(self, *args: Any, symmetric: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.heatmap_type != 'gaussian':
            raise ValueError(f"BatchUDPHeatmap decodes 'gaussian', not {self.heatmap_type!r}")
        self.symmetric = symmetric

    @classmethod
    def like(cls, codec: UDPHeatmap, *, symmetric: bool = False) -> BatchUDPHeatmap:
        """The batch decoder of the same encoding."""
        return cls(
            input_size=codec.input_size,
            heatmap_size=codec.heatmap_size,
            heatmap_type=codec.heatmap_type,
            sigma=codec.sigma,
            radius_factor=codec.radius_factor,
            blur_kernel_size=codec.blur_kernel_size,
            symmetric=symmetric,
        )

    @torch.no_grad()
    def batch_decode(self, batch_encoded: Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Keypoints of a batch.

        Args:
            batch_encoded: Heatmaps (B, K, H, W).

        Returns:
            Per sample, keypoints (1, K, 2) in pixels of the network's input and the heatmaps'
            maxima (1, K).
        """
        heatmaps = batch_encoded.detach()
        if heatmaps.dtype != torch.float64:
            heatmaps = heatmaps.float()
        height, width = heatmaps.shape[-2:]
        rows, columns = (
            _blur_matrix_at(size, self.blur_kernel_size, heatmaps.device, heatmaps.dtype)
            for size in (height, width)
        )
        indices, values = maxima(heatmaps)
        logs = log_neighbourhoods(heatmaps, indices, rows, columns)
        # One transfer from the device; the rest is a few numbers per joint, in float64.
        packed = torch.cat([indices[..., None].to(logs), values[..., None], logs.flatten(2)], -1)
        table = packed.cpu().double()
        peaks = refined_peaks(
            table[..., 0].long(),
            table[..., 1],
            table[..., 2:].unflatten(-1, (3, 3)),
            width=width,
            symmetric=self.symmetric,
        )
        keypoints = in_input_pixels(
            # MMPose rounds to float32 before it scales.
            peaks.float().double(),
            heatmap_size=(width, height),
            input_size=tuple(self.input_size),
        )
        scores = table[..., 1].float()
        return list(keypoints.numpy()[:, None]), list(scores.numpy()[:, None])


def install_batch_decoding(head: nn.Module, *, symmetric: bool = False) -> None:
    """Let a head decode its UDP heatmaps in batches; other codecs stay as they are."""
    codec: Any = getattr(head, 'decoder', None)
    if type(codec) is UDPHeatmap and codec.heatmap_type == 'gaussian':
        head.decoder = BatchUDPHeatmap.like(codec, symmetric=symmetric)
