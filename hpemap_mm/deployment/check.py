"""Whether an exported graph gives what PyTorch gives, and in what time."""

# N images, K joints, H W input, h w heatmap

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hpemap_mm.deployment.graph import PoseGraph
from hpemap_mm.deployment.metadata import INPUT_NAME, InputInfo
from hpemap_mm.models import BatchUDPHeatmap
from hpemap_mm.models.heads.decode import (
    blur_matrix,
    log_neighbourhoods,
    maxima,
    newton_step,
    peak_quadratic,
)

#: Largest error that an export may have, relative to the largest value of its output.
TOLERANCE = 1e-4
BATCHES = (1, 8)


@dataclass(frozen=True)
class OutputError:
    """How far one output is from PyTorch's, over all images of the check.

    Attributes:
        maps: Largest difference of what the head gives over the largest value of it.
        keypoints: Largest difference of decoded coordinates over the input's size; see
            :func:`keypoint_error`. None where the graph does not decode.
        pixels: The same in pixels of the input, over joints whose peak is as sharp as the codec's
            Gaussian at least. None where the graph does not decode, or no joint is so sharp.
    """

    maps: float
    keypoints: float | None = None
    pixels: float | None = None

    @property
    def largest(self) -> float:
        """The larger of the relative errors; NaN where one is."""
        return _largest([self.maps, self.keypoints or 0.0])

    def joined(self, other: OutputError) -> OutputError:
        """The larger of both, one by one."""

        def larger(a: float | None, b: float | None) -> float | None:
            known = [value for value in (a, b) if value is not None]
            return _largest(known) if known else None

        return OutputError(
            maps=_largest([self.maps, other.maps]),
            keypoints=larger(self.keypoints, other.keypoints),
            pixels=larger(self.pixels, other.pixels),
        )


def session_of(path: str | Path, *, threads: int) -> Any:
    """An ONNX Runtime session on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=['CPUExecutionProvider']
    )


def run_session(session: Any, images: Tensor | np.ndarray) -> list[np.ndarray]:
    """All outputs of a session for images (N, 3, H, W)."""
    return session.run(None, {INPUT_NAME: np.asarray(images)})


def check_images(count: int, info: InputInfo, *, seed: int = 0) -> dict[str, Tensor]:
    """Images to compare on, (count, 3, H, W) float32: noise, and smooth ones as photographs are.

    Both are pixels 0..255, normalised where the graph wants them so.
    """
    generator = torch.Generator().manual_seed(seed)
    width, height = info.size
    noise = torch.rand(count, 3, height, width, generator=generator)
    smooth = torch.zeros(count, 3, height, width)
    for cells in (3, 7, 17):
        coarse = torch.rand(count, 3, cells, cells, generator=generator)
        smooth += F.interpolate(coarse, (height, width), mode='bicubic') / cells
    low, high = smooth.amin((1, 2, 3), True), smooth.amax((1, 2, 3), True)
    pixels = {'noise': noise, 'smooth': (smooth - low) / (high - low)}
    found = {name: (255 * image).round() for name, image in pixels.items()}
    if info.kind == 'raw':
        return found
    mean, std = (torch.tensor(value)[:, None, None] for value in (info.mean, info.std))
    return {name: (image - mean) / std for name, image in found.items()}


def compare(graph: PoseGraph, session: Any) -> dict[str, OutputError]:
    """Errors by output's name, over batches of :data:`BATCHES` images of both kinds.

    Args:
        graph: With ``with_heatmaps`` where it decodes.
        session: Of its file, with the same outputs.
    """
    assert graph.with_heatmaps == bool(len(graph.decoders)), 'heatmaps are what is compared'
    found: dict[str, OutputError] = {}
    for count in BATCHES:
        for images in check_images(count, graph.input_info).values():
            with torch.inference_mode():
                expected = dict(zip(graph.names, graph(images), strict=True))
            got = dict(zip(graph.names, run_session(session, images), strict=True))
            for name, output in graph.outputs.items():
                decodes = name in graph.decoders
                tensors = (f'{name}_heatmaps',) if decodes else output.tensors
                error = OutputError(
                    maps=_largest(relative_error(got[t], expected[t].numpy()) for t in tensors)
                )
                if decodes:
                    codec: Any = graph.decoders[name].codec
                    relative, pixels = keypoint_error(got[name], got[tensors[0]], codec)
                    error = OutputError(error.maps, relative, pixels)
                found[name] = found[name].joined(error) if name in found else error
    return found


def _largest(values: Iterable[float]) -> float:
    """The largest value; NaN where one is, unlike with Python's max."""
    return float(np.max(list(values)))


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over the largest expected value; NaN where a value is not finite."""
    if got.shape != expected.shape:
        raise ValueError(f'shapes differ: {got.shape}, expected {expected.shape}')
    scale = max(float(np.abs(expected).max()), float(np.finfo(np.float32).tiny))
    difference = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    return float(difference.max()) / scale


def keypoint_error(
    keypoints: np.ndarray, heatmaps: np.ndarray, codec: BatchUDPHeatmap
) -> tuple[float, float | None]:
    """How far decoded keypoints are from ``codec.batch_decode`` of the same heatmaps.

    Where a map has hardly a peak, the extremum of its quadratic moves by much when the map's last
    digits change, in PyTorch as in any runtime: by ``|H^-1| (1 + |step|)`` times the change of the
    logarithm, H being the quadratic's second derivative. A difference is divided by how many times
    more that is than of the codec's own Gaussian.

    Args:
        keypoints: (N, K, 3): x, y in pixels of the input, score.
        heatmaps: (N, K, h, w) that they were decoded from.
        codec: Of the heatmaps.

    Returns:
        The largest error over the input's size, or of the score over the largest; and the largest
        undivided error in pixels over joints whose peak is sharp, None where there is none.
    """
    decoded, maximum = codec.batch_decode(torch.from_numpy(heatmaps))
    expected, scores = np.concatenate(decoded), np.concatenate(maximum)
    pixels = np.abs(keypoints[..., :2] - expected).max(-1)
    size = np.array(codec.input_size, np.float64)
    relative = (np.abs(keypoints[..., :2] - expected) / size).max(-1)
    excess = _excess(torch.from_numpy(heatmaps).double(), codec)
    found = scores > 0
    excess = np.where(found, excess, 1.0)
    score_error = relative_error(keypoints[..., 2], scores)
    largest = _largest([float((relative / excess).max()), score_error])
    sharp = found & (excess <= 1)
    return largest, float(pixels[sharp].max()) if sharp.any() else None


def _excess(heatmaps: Tensor, codec: BatchUDPHeatmap) -> np.ndarray:
    """How many times more than of the codec's Gaussian a peak moves, at least 1: (N, K)."""
    width, height = codec.heatmap_size
    x, y = (torch.arange(side, dtype=torch.float64) - side // 2 for side in (width, height))
    gaussian = torch.exp(-(x**2 + y[:, None] ** 2) / (2 * float(codec.sigma) ** 2))
    # 2: a keypoint may be half a pixel off its maximum, and the map a little flatter.
    usual = 2 * _sensitivity(gaussian[None, None], codec)
    return (_sensitivity(heatmaps, codec) / usual).clamp(min=1).nan_to_num(nan=1.0).numpy()


def _sensitivity(heatmaps: Tensor, codec: BatchUDPHeatmap) -> Tensor:
    """``|H^-1| (1 + |step|)`` of each peak: (N, K)."""
    width, height = codec.heatmap_size
    rows, columns = (
        blur_matrix(side, codec.blur_kernel_size).to(heatmaps) for side in (height, width)
    )
    indices, _ = maxima(heatmaps)
    logs = log_neighbourhoods(heatmaps, indices, rows, columns)
    quadratic = peak_quadratic(logs, symmetric=codec.symmetric)
    _, _, dxx, dyy, dxy = quadratic
    norm = (dxx.square() + dyy.square() + 2 * dxy.square()).sqrt()
    return norm / (dxx * dyy - dxy * dxy).abs() * (1 + newton_step(quadratic).norm(dim=-1))


def times(
    graph: PoseGraph, session: Any, *, rounds: int, batches: Sequence[int] = BATCHES
) -> dict[int, dict[str, float]]:
    """Median seconds of 'pytorch' and 'onnxruntime' by batch size, both in turn."""
    found: dict[int, dict[str, float]] = {}
    for count in batches:
        images = check_images(count, graph.input_info)['smooth']
        cases: dict[str, Callable[[], object]] = {
            'pytorch': partial(graph, images),
            'onnxruntime': partial(run_session, session, images),
        }
        with torch.inference_mode():
            found[count] = _medians(cases, rounds=rounds)
    return found


def _medians(cases: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(1 + rounds):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            if number:  # the first is a warm-up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in seconds.items()}
