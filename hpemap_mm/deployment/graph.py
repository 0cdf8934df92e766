"""What is exported: images in, one output per skeleton out."""

# N images (M with their mirror images), K joints, H W input, h w heatmap

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hpemap_mm.deployment.metadata import InputInfo, OutputInfo
from hpemap_mm.deployment.outputs import head_of_answer, joints_of_answer
from hpemap_mm.models import AnsweringPoseEstimator, JointSpacePoseEstimator, MultiHeadPoseEstimator
from hpemap_mm.models.estimators.joint_space import SPACE
from hpemap_mm.models.heads.decode import (
    BatchUDPHeatmap,
    blur_matrix,
    in_input_pixels,
    log_neighbourhoods,
    maxima,
    refined_peaks,
)


class UDPDecoder(nn.Module):
    """:meth:`BatchUDPHeatmap.batch_decode` as a module, in the heatmaps' own type.

    Args:
        codec: Of the heatmaps.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, codec: BatchUDPHeatmap) -> None:
        super().__init__()
        self.codec = codec
        width, height = codec.heatmap_size
        for name, size in (('rows', height), ('columns', width)):
            self.register_buffer(name, blur_matrix(size, codec.blur_kernel_size))

    def forward(self, heatmaps: Tensor) -> Tensor:
        """Heatmaps (N, K, h, w) to (N, K, 3): x, y in pixels of the input, the maximum."""
        indices, values = maxima(heatmaps)
        logs = log_neighbourhoods(heatmaps, indices, self.rows, self.columns)
        width, height = self.codec.heatmap_size
        peaks = refined_peaks(indices, values, logs, width=width, symmetric=self.codec.symmetric)
        keypoints = in_input_pixels(
            peaks, heatmap_size=(width, height), input_size=tuple(self.codec.input_size)
        )
        return torch.cat([keypoints, values[..., None]], -1)


def as_batch_codec(codec: Any) -> BatchUDPHeatmap:
    """A UDP codec that decodes batches."""
    return codec if isinstance(codec, BatchUDPHeatmap) else BatchUDPHeatmap.like(codec)


class PoseGraph(nn.Module):
    """A trained model from images to one output per skeleton.

    Args:
        model: A multi-head or joint-space estimator; it is not changed. Weights are shared with it,
            those of heads that are left out aside.
        outputs: What is wanted, by name, as ``choose_outputs`` gives it.
        input_info: How the images come.
        flip_test: Average the heatmaps with those of the mirrored images, as the model's
            ``test_cfg`` says to do it.

    Attributes:
        with_heatmaps: Also give the heatmaps that keypoints are decoded from, after all outputs.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: AnsweringPoseEstimator,
        *,
        outputs: Mapping[str, OutputInfo],
        input_info: InputInfo,
        flip_test: bool,
    ) -> None:
        super().__init__()
        self.model = _with_heads(model, outputs)
        self.outputs = dict(outputs)
        self.input_info = input_info
        self.flip_test = flip_test
        self.shift = bool(model.test_cfg.get('shift_heatmap', False))
        self.with_heatmaps = False
        self.decoders = nn.ModuleDict()
        for name, output in outputs.items():
            if output.kind == 'keypoints':
                codec = as_batch_codec(head_of_answer(model, name).decoder)
                self.decoders[name] = UDPDecoder(codec)
        for name in ('mean', 'std'):
            value = torch.tensor(getattr(input_info, name), dtype=torch.float32)
            self.register_buffer(name, value[:, None, None], persistent=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tensors that :meth:`forward` gives."""
        names = [tensor for output in self.outputs.values() for tensor in output.tensors]
        taps = [f'{name}_heatmaps' for name in self.decoders] if self.with_heatmaps else []
        return (*names, *taps)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (N, 3, H, W) to tensors in the order of :attr:`names`."""
        if self.input_info.kind == 'raw':
            images = self.normalised(images)
        found = self._flip_tested(images) if self.flip_test else self._by_name(images)
        tensors, heatmaps = [], []
        for name in self.outputs:
            value = found[name]
            if name in self.decoders:
                heatmaps.append(value)
                value = self.decoders[name](value)
            tensors += list(value) if isinstance(value, (tuple, list)) else [value]
        return (*tensors, *(heatmaps if self.with_heatmaps else ()))

    def normalised(self, images: Tensor) -> Tensor:
        """What MMPose's data preprocessor makes of BGR pixels (N, 3, H, W)."""
        if self.converts_color:
            images = images.flip(1)
        return (images - self.mean) / self.std

    @property
    def converts_color(self) -> bool:
        """Whether the network's channels are OpenCV's in reverse."""
        return bool(getattr(self.model.data_preprocessor, '_channel_conversion', False))

    def _by_name(self, images: Tensor) -> dict[str, Any]:
        """What the heads give, by output."""
        found = self.model(images, None, mode='tensor')
        if isinstance(self.model, JointSpacePoseEstimator) and not isinstance(found, dict):
            return {name: self._of_space(found, name) for name in self.outputs}
        return {name: found[name] for name in self.outputs}

    def _of_space(self, found: Any, name: str) -> Any:
        """A skeleton's joints out of a space's output: a tensor, or one for each axis."""
        if name == SPACE:
            return found
        if not isinstance(found, Tensor):
            return tuple(self._of_space(part, name) for part in found)
        return found[:, self.model.space.indices(name).tolist()]

    def _flip_tested(self, images: Tensor) -> dict[str, Tensor]:
        both = self._by_name(torch.cat([images, images.flip(-1)]))
        averaged = {}
        for name, heatmaps_MKhw in both.items():
            count = images.shape[0]
            straight, mirrored = heatmaps_MKhw[:count], heatmaps_MKhw[count:]
            flips = joints_of_answer(self.model, name).flip_indices.tolist()
            mirrored = mirrored.flip(-1)[:, flips]
            if self.shift:
                mirrored = torch.cat([mirrored[..., :1], mirrored[..., :-1]], -1)
            averaged[name] = (straight + mirrored) * 0.5
        return averaged


def _with_heads(model: AnsweringPoseEstimator, names: Mapping[str, Any]) -> Any:
    """The model with these heads only; the backbone is the same object."""
    if not isinstance(model, MultiHeadPoseEstimator) or set(model.heads) == set(names):
        return model
    kept = copy.deepcopy(model, {id(model.backbone): model.backbone})
    for name in model.heads:
        if name not in names:
            del kept.heads[name]
    return kept
