"""UDP decoding of a whole batch of heatmaps, on the device where they are."""

# B samples, K joints, H W heatmap

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch
from mmpose.codecs import UDPHeatmap
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor, nn


@lru_cache(maxsize=16)
def _blur_matrix(size: int, kernel_size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(size, size) matrix that blurs a line as cv2.GaussianBlur does, with zeros outside."""
    kernel = cv2.getGaussianKernel(kernel_size, 0, cv2.CV_32F)[:, 0]
    reach = kernel_size // 2
    matrix = np.zeros((size, size), dtype=np.float32)
    for offset, weight in zip(range(-reach, reach + 1), kernel, strict=True):
        matrix += weight * np.eye(size, k=offset, dtype=np.float32)
    return torch.as_tensor(matrix, device=device, dtype=dtype)


def _maxima(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the maximum in the flattened map, and its value: both (B, K)."""
    values, indices = heatmaps.flatten(2).max(-1)
    return indices, values


def _log_neighbourhoods(heatmaps: Tensor, indices: Tensor, kernel_size: int) -> Tensor:
    """Logarithm of the blurred maps in the 3 x 3 pixels around ``indices``: (B, K, 3, 3)."""
    height, width = heatmaps.shape[-2:]
    rows = _blur_matrix(height, kernel_size, heatmaps.device, heatmaps.dtype)
    columns = _blur_matrix(width, kernel_size, heatmaps.device, heatmaps.dtype)
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


def _newton_offsets(logs: np.ndarray, symmetric: bool) -> np.ndarray:
    """Step (dx, dy) from the pixel to the extremum of its quadratic: (B, K, 2), pixels."""
    centre = logs[..., 1, 1]
    left, right = logs[..., 1, 0], logs[..., 1, 2]
    up, down = logs[..., 0, 1], logs[..., 2, 1]
    gradient = np.stack([right - left, down - up], -1) / 2
    dxx = right - 2 * centre + left
    dyy = down - 2 * centre + up
    dxy = (logs[..., 2, 2] - right - down + 2 * centre - left - up + logs[..., 0, 0]) / 2
    if symmetric:
        anti = (logs[..., 2, 0] - left - down + 2 * centre - right - up + logs[..., 0, 2]) / 2
        dxy = (dxy - anti) / 2
    # As UDP's code: eps on the diagonal. The 2 x 2 system is solved in closed form, so that a
    # flat neighbourhood gives no step instead of an error.
    eps = np.finfo(np.float32).eps
    dxx, dyy = dxx + eps, dyy + eps
    determinant = dxx * dyy - dxy * dxy
    gx, gy = gradient[..., 0], gradient[..., 1]
    step = np.stack([dyy * gx - dxy * gy, dxx * gy - dxy * gx], -1)
    solvable = np.broadcast_to((determinant != 0)[..., None], step.shape)
    return -np.divide(step, determinant[..., None], out=np.zeros_like(step), where=solvable)


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
        width, height = heatmaps.shape[-1], heatmaps.shape[-2]
        indices, values = _maxima(heatmaps)
        logs = _log_neighbourhoods(heatmaps, indices, self.blur_kernel_size)
        # One transfer from the device; the rest is a few numbers per joint.
        packed = torch.cat([indices[..., None].to(logs), values[..., None], logs.flatten(2)], -1)
        table = packed.cpu().numpy().astype(np.float64)
        where, scores = table[..., 0], table[..., 1].astype(np.float32)
        keypoints = np.stack([where % width, where // width], -1)
        found = table[..., 1] > 0
        logs_3x3 = table[..., 2:].reshape(*where.shape, 3, 3)
        refined = keypoints + _newton_offsets(logs_3x3, self.symmetric)
        keypoints = np.where(found[..., None], refined, -1.0).astype(np.float32)
        keypoints = keypoints / [width - 1, height - 1] * self.input_size
        return list(keypoints[:, None]), list(scores[:, None])


def install_batch_decoding(head: nn.Module, *, symmetric: bool = False) -> None:
    """Let a head decode its UDP heatmaps in batches; other codecs stay as they are."""
    codec: Any = getattr(head, 'decoder', None)
    if type(codec) is UDPHeatmap and codec.heatmap_type == 'gaussian':
        head.decoder = BatchUDPHeatmap.like(codec, symmetric=symmetric)
