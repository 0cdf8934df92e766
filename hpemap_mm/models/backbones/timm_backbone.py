"""Any model of timm as a backbone of feature maps."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from timm.models import group_parameters
from timm.models import load_state_dict as read_state_dict
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from hpemap_mm.models.backbones.foreign_keys import timm_names
from hpemap_mm.registry import MODELS


def resolve_pretrained_file(pretrained_file: str | Path) -> Path:
    """Find a local checkpoint.

    Args:
        pretrained_file: A path, or ``'package:path/in/package'`` for a file that an installed
            Python package carries (the package is located, not imported).

    Returns:
        The path of an existing file.

    Raises:
        FileNotFoundError: If the package or the file is not there.
    """
    package, colon, inner = str(pretrained_file).partition(':')
    if colon and package.isidentifier():
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(
                f'{pretrained_file!r}: the package {package!r} is not installed'
            )
        path = Path(spec.submodule_search_locations[0]) / inner
    else:
        path = Path(pretrained_file)
    if not path.is_file():
        raise FileNotFoundError(f'Pretrained weights not found: {path} (from {pretrained_file!r})')
    return path


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """Feature maps of a timm model.

    Convolutional networks give one map per stage; vision transformers one per block, as
    (N, C, h, w). Layers that no wanted map needs are dropped. Weights come from a local file
    only: timm's own download is never started.

    Args:
        model_name: A name of ``timm.list_models()``.
        out_indices: Which maps to give, as timm counts them; negative counts from the end.
            Default: the last. Not together with ``out_stride``.
        out_stride: Give the deepest map that has this many input pixels per cell.
        pretrained_file: Checkpoint of timm's naming (.pth by ``weights_only=True``, or
            .safetensors), or of efficientnet_pytorch's: a path, or ``'package:path/in/package'``.
        img_size: Input size (w, h), for the models that must know it (ViT, Swin).
        drop_path_rate: Stochastic depth, for the models that have it.
        frozen_layers: Do not train the first layers: those whose :meth:`get_layer_id` is smaller.
            1 freezes the stem. With pretrained weights and few steps these change little, and
            at full resolution their backward pass is the dearest.
        norm_eval: Keep batch-norm statistics fixed in training.
        with_cp: Recompute activations in the backward pass, to save memory.
        final_norm: Apply a transformer's final norm to its maps.
        channels_last: Keep images and weights in torch's channels-last layout. On a CPU
            depthwise convolutions are faster in it.
        timm_args: Further arguments of ``timm.create_model``.
        init_cfg: MMEngine initialisation.

    Attributes:
        out_channels: Channels of each map.
        out_strides: Input pixels per cell of each map.

    Raises:
        ValueError: If the name, the indices or the stride are unknown, or if the checkpoint
            leaves weights of the model unset.
        FileNotFoundError: If ``pretrained_file`` is not there.
    """

    def __init__(
        self,
        model_name: str,
        *,
        out_indices: Sequence[int] | None = None,
        out_stride: int | None = None,
        pretrained_file: str | Path | None = None,
        img_size: tuple[int, int] | None = None,
        drop_path_rate: float | None = None,
        frozen_layers: int = 0,
        norm_eval: bool = False,
        with_cp: bool = False,
        final_norm: bool = True,
        channels_last: bool = False,
        timm_args: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not timm.is_model(model_name):
            close = timm.list_models(f'*{model_name.split("_")[0]}*')[:10]
            raise ValueError(f'timm has no model {model_name!r}. Similar names: {close}')
        args: dict[str, Any] = dict(timm_args or {}, num_classes=0)
        if img_size is not None:
            args['img_size'] = (img_size[1], img_size[0])
        if drop_path_rate is not None:
            args['drop_path_rate'] = drop_path_rate
        self.model_name = model_name
        self.norm_eval = norm_eval
        self.final_norm = final_norm
        self.model: Any = _create(model_name, args, pretrained_file)
        if not hasattr(self.model, 'forward_intermediates'):
            raise ValueError(f'timm gives no intermediate feature maps for {model_name!r}')
        self._layer_ids = _layer_ids(self.model)

        levels = _select_levels(self.model, out_indices, out_stride)
        info = self.model.feature_info
        self.out_channels = tuple(int(info[i]['num_chs']) for i in levels)
        self.out_strides = tuple(int(info[i]['reduction']) for i in levels)
        self.levels = self.model.prune_intermediate_layers(
            list(levels), prune_norm=not final_norm, prune_head=True
        )
        if with_cp:
            self.model.set_grad_checkpointing(True)
        for name, parameter in self.model.named_parameters():
            if self._layer_ids[name] < frozen_layers:
                parameter.requires_grad_(False)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.model.to(memory_format=self.memory_format)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of normalised images (N, 3, H, W): one (N, C_i, h_i, w_i) per level."""
        return tuple(
            self.model.forward_intermediates(
                images.contiguous(memory_format=self.memory_format),
                indices=self.levels,
                norm=self.final_norm,
                output_fmt='NCHW',
                intermediates_only=True,
            )
        )

    def init_weights(self) -> None:
        """Apply ``init_cfg`` alone: timm initialised, or loaded, its model in the constructor."""
        if self.init_cfg:
            super().init_weights()

    def train(self, mode: bool = True) -> TimmBackbone:
        """Switch the mode; with ``norm_eval``, batch norms stay in evaluation."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    @property
    def num_layers(self) -> int:
        """Number of layers after the stem, as timm groups the parameters."""
        return max(self._layer_ids.values())

    def get_layer_id(self, name: str) -> int:
        """Layer of a parameter by timm's ``group_matcher``.

        Args:
            name: Name of the parameter inside this module (``model.…``).

        Returns:
            0 for the stem up to ``num_layers`` for the last block and a norm after it.
        """
        return self._layer_ids[name.removeprefix('model.')]


def _create(model_name: str, args: dict[str, Any], pretrained_file: str | Path | None) -> Any:
    """Build the model, with the file's weights where there is one."""
    if pretrained_file is None:
        return timm.create_model(model_name, pretrained=False, **args)
    path = resolve_pretrained_file(pretrained_file)
    weights = read_state_dict(str(path), device='cpu', weights_only=True)
    weights = timm_names(weights, _names(model_name, args))
    # timm loads leniently where the classifier is dropped. Two builds from different seeds show
    # what the file did not set: it differs between them.
    models = []
    for seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            models.append(
                timm.create_model(
                    model_name,
                    pretrained=True,
                    pretrained_cfg_overlay=dict(state_dict=dict(weights), custom_load=False),
                    **args,
                )
            )
    other = models[1].state_dict()
    unset = [key for key, value in models[0].state_dict().items() if not value.equal(other[key])]
    if unset:
        raise ValueError(
            f'{path} does not hold the weights of {model_name!r}: '
            f'{len(unset)} tensors stay unset, for example {unset[:5]}'
        )
    MMLogger.get_current_instance().info(f'{model_name}: weights of {path.name}')
    return models[0]


def _names(model_name: str, args: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a model, by timm's names, without their memory."""
    with torch.device('meta'):
        return timm.create_model(model_name, pretrained=False, **args).state_dict()


def _select_levels(
    model: Any, out_indices: Sequence[int] | None, out_stride: int | None
) -> tuple[int, ...]:
    """Non-negative indices into ``model.feature_info``."""
    strides = [int(level['reduction']) for level in model.feature_info]
    if out_stride is not None:
        if out_indices is not None:
            raise ValueError('Give out_indices or out_stride, not both')
        if out_stride not in strides:
            raise ValueError(f'No feature map of stride {out_stride}. Strides: {strides}')
        return (max(i for i, stride in enumerate(strides) if stride == out_stride),)
    count = len(strides)
    wanted = tuple(out_indices) if out_indices is not None else (count - 1,)
    wrong = [i for i in wanted if not -count <= i < count]
    if wrong or not wanted:
        raise ValueError(f'out_indices {wanted}: the model has levels 0 to {count - 1}')
    return tuple(i % count for i in wanted)


def _layer_ids(model: Any) -> dict[str, int]:
    """Layer of every parameter, before anything is pruned."""
    matcher = model.group_matcher(coarse=False)
    return dict(group_parameters(model, matcher, reverse=True))
