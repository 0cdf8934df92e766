"""Models of ours and their weights: into the common form, and a config that builds the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmpose.models.heads import HeatmapHead
from torch import Tensor, nn

from hpemap_mm.checkpoints.allowed import READS_FILES, config_problems
from hpemap_mm.checkpoints.shapes import head_shapes
from hpemap_mm.checkpoints.weights import HeadWeights, PoseWeights
from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.models import (
    JointSpacePoseEstimator,
    MultiHeadPoseEstimator,
    SoftmaxHeatmapHead,
    ViTPoseBackbone,
    ViTPoseMoEBackbone,
)
from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import JointSpace

#: ImageNet's, in the 0 to 255 of MMPose.
PREPROCESSOR: dict[str, Any] = {
    'type': 'PoseDataPreprocessor',
    'mean': [123.675, 116.28, 103.53],
    'std': [58.395, 57.12, 57.375],
    'bgr_to_rgb': True,
}
_HEADS = {'classic': 'hpemap_mm.ClassicHeatmapHead', 'simple': 'hpemap_mm.SimpleHeatmapHead'}
_FIX = 'use a MultiHead or JointSpace estimator with a ViTPose backbone and its decoders'


def pose_weights_of(
    model: nn.Module, tensors: Mapping[str, Tensor] | None = None, *, where: object = 'model'
) -> PoseWeights:
    """The weights of a model that was built from a config.

    Args:
        model: A MultiHeadPoseEstimator or JointSpacePoseEstimator with a ViTPose backbone, dense
            or of experts, and ViTPose's decoders.
        tensors: The weights to take, for example of a file; the model's own where None. The model
            may then be on the meta device.
        where: For messages.

    Raises:
        DataError: It is another model, or the tensors are not the model's.
    """
    heads = heads_of_model(model, where)
    backbone: Any = model.backbone
    state = model.state_dict()
    if tensors is not None:
        _check_same(tensors, state, where)
        state = dict(tensors)
    moe = isinstance(backbone, ViTPoseMoEBackbone)
    return PoseWeights(
        arch=backbone.arch,
        grid=backbone.grid,
        backbone=_below('backbone.', state),
        heads={
            name: HeadWeights(layout=layout, tensors=_below(prefix, state), **owner)
            for name, (layout, prefix, owner) in heads.items()
        },
        experts=tuple(backbone.experts) if moe else (),
        serves=dict(backbone.serves) if moe else {},
    )


def build_on_meta(config: Mapping[str, Any]) -> nn.Module:
    """A model without its memory; files that the config names are not read."""
    import hpemap_mm.models  # noqa: F401 - registers

    with DefaultScope.overwrite_default_scope('mmpose'), torch.device('meta'):
        return MODELS.build(without_files(config))


def build_carried(config: Mapping[str, Any], *, where: object) -> nn.Module:
    """:func:`build_on_meta` of a config that a file carries.

    Args:
        config: As :func:`model_config_of` gives it.
        where: The file, for the message.

    Raises:
        DataError: No model is built from it.
    """
    try:
        return build_on_meta(config)
    except Exception as error:  # a stranger's arguments: constructors raise anything
        text = str(error.args[0] if error.args else error).strip().split('\n')[0][:200]
        what = f'the model that it carries cannot be built: {text or type(error).__name__}'
        fix = 'it may be of another version: pass a config of your own (--config)'
        raise DataError([Problem(str(where), what, fix)]) from error


def initial_model(config: Mapping[str, Any], *, seed: int) -> nn.Module:
    """A model with the initial weights of a seed; files that the config names are not read."""
    with DefaultScope.overwrite_default_scope('mmpose'), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MODELS.build(without_files(config))
        with _quietly():
            model.init_weights()
    return model


@contextmanager
def _quietly() -> Iterator[None]:
    """Without MMEngine's lines about every parameter that it initialises."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    try:
        yield
    finally:
        logger.setLevel(level)


def model_config_of(meta: Mapping[str, Any], *, where: object) -> dict[str, Any] | None:
    """The model's config that a file of ours carries, None where it carries none.

    It may be built: every ``type`` is one that our models have at that place, and nothing names a
    further file or package; see :mod:`hpemap_mm.checkpoints.allowed`.

    Raises:
        DataError: It has a ``type`` or a key that is not allowed where it stands.
    """
    config = meta.get('model') if isinstance(meta, Mapping) else None
    if not isinstance(config, Mapping):
        return None
    problems = config_problems(config, where=where)
    if problems:
        raise DataError(problems)
    return dict(config)


def model_config(weights: PoseWeights) -> dict[str, Any]:
    """A config that builds the model, in plain lists and dicts.

    Raises:
        DataError: There are no heads, or the config of the joint space is not known.
    """
    if not weights.heads:
        raise DataError([Problem('weights', 'a backbone alone is no model', 'pass --config')])
    config: dict[str, Any] = {'data_preprocessor': dict(PREPROCESSOR), 'backbone': {}}
    arch = weights.arch
    fields = ('embed_dim', 'depth', 'num_heads', 'patch_size', 'padding', 'mlp_ratio')
    config['backbone'] = {
        'type': 'hpemap_mm.ViTPoseBackbone',
        'arch': weights.letter or {name: getattr(arch, name) for name in fields},
        'img_size': list(weights.input_size),
    }
    if not weights.final_norm:
        config['backbone']['final_norm'] = False
    if weights.experts:
        config['backbone'] |= {
            'type': 'hpemap_mm.ViTPoseMoEBackbone',
            'experts': list(weights.experts),
            'expert_width': weights.expert_width,
        }
        if weights.serves:
            config['backbone']['serves'] = dict(weights.serves)
    heads = list(weights.heads.values())
    config['head'] = {
        'type': _HEADS[heads[0].layout],
        'in_channels': arch.embed_dim,
        'loss': {'type': 'KeypointMSELoss', 'use_target_weight': True},
        'decoder': codec(weights),
    }
    config['test_cfg'] = {'flip_test': True, 'flip_mode': 'heatmap', 'shift_heatmap': False}
    if heads[0].space is not None:
        space = config_of_space(heads[0].space)
        return {'type': 'hpemap_mm.JointSpacePoseEstimator', 'joint_space': space, **config}
    others: dict[str, dict[str, Any]] = {}
    for name, head in weights.heads.items():
        override: dict[str, Any] = {}
        if name != head.skeleton:
            override['skeleton'] = head.skeleton
        if head.layout != heads[0].layout:
            override['type'] = _HEADS[head.layout]
        if override:
            others[name] = override
    named = [name for name, head in weights.heads.items() if name == head.skeleton]
    if others:
        config['heads'] = others
    return {'type': 'hpemap_mm.MultiHeadPoseEstimator', 'skeletons': named, **config}


def codec(weights: PoseWeights) -> dict[str, Any]:
    """ViTPose's heatmaps: UDP, a quarter of the input, sigma 2."""
    width, height = weights.input_size
    stride = weights.arch.patch_size // 4
    return {
        'type': 'UDPHeatmap',
        'input_size': [width, height],
        'heatmap_size': [width // stride, height // stride],
        'sigma': 2,
    }


def config_of_space(space: JointSpace) -> dict[str, Any]:
    """A config that builds a joint space.

    Raises:
        DataError: None was found that does.
    """
    skeletons = [skeleton.name for skeleton in space.skeletons]
    candidates: list[dict[str, Any]] = [{'kind': 'preset', 'name': space.name}]
    for merge in ('same', 'near'):
        union = {'kind': 'union', 'skeletons': skeletons, 'merge': merge}
        candidates += [union, {**union, 'order': list(space.joints), 'name': space.name}]
    concat = {'kind': 'concat', 'skeletons': skeletons}
    candidates += [concat, {**concat, 'order': list(space.joints), 'name': space.name}]
    for config in candidates:
        try:
            built = JointSpace.from_config(config)
        except (KeyError, ValueError):
            continue  # another kind of space
        if (built.joints, built.rows) == (space.joints, space.rows):
            return config
    what = f'no config is known that makes the joint space {space.name}'
    raise DataError([Problem('joint space', what, 'pass --config with the model')])


def heads_of_model(model: nn.Module, where: object) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Of each head its layout, the beginning of its names, and its skeleton or space."""
    if not isinstance(model, MultiHeadPoseEstimator | JointSpacePoseEstimator):
        raise _error(where, f'a {type(model).__name__} cannot be converted')
    if not isinstance(model.backbone, ViTPoseBackbone):
        raise _error(where, f'a {type(model.backbone).__name__} cannot be converted')
    if model.with_neck or len(getattr(model, 'head_necks', ())):
        raise _error(where, 'a model with a neck cannot be converted')
    modules: dict[str, nn.Module]
    owners: dict[str, dict[str, Any]]
    if isinstance(model, JointSpacePoseEstimator):
        space = model.space
        modules, owners = {space.name: model.head.head}, {space.name: {'space': space}}
    else:
        modules = dict(model.heads.items())
        owners = {name: {'skeleton': s.name} for name, s in model.skeletons.items()}
    found = {}
    for name, prefix in model.head_prefixes.items():
        head: Any = modules[name]
        if not isinstance(head, HeatmapHead) or isinstance(head, SoftmaxHeatmapHead):
            raise _error(where, f'head {name!r}, a {type(head).__name__}, cannot be converted')
        shapes = {key: tuple(t.shape) for key, t in head.state_dict().items()}
        for layout in _HEADS:
            # A plain HeatmapHead of the simple decoder's weights lacks its upsampling.
            plain = layout == 'simple' and not hasattr(head, 'layout')
            wanted = head_shapes(layout, dim=head.in_channels, joints=head.out_channels)
            if shapes == wanted and not plain:
                found[name] = (layout, prefix, owners[name])
        if name not in found:
            raise _error(where, f"head {name!r} is none of ViTPose's two decoders")
    return found


def _check_same(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor], where: object) -> None:
    problems = ProblemList()
    fix = 'use the config that the weights were trained with'
    for key in sorted(tensors.keys() ^ state.keys()):
        whose = 'the model lacks' if key in tensors else 'the file lacks'
        problems.add(where, f'{whose} {key}', fix)
    for key in sorted(tensors.keys() & state.keys()):
        got, wanted = tuple(tensors[key].shape), tuple(state[key].shape)
        if got != wanted:
            problems.add(where, f'{key} has shape {got}, the model needs {wanted}', fix)
    problems.raise_if_any()


def without_files(config: Any) -> Any:
    """A config without the files of weights that it names."""
    if isinstance(config, Mapping):
        return {k: without_files(v) for k, v in config.items() if k not in READS_FILES}
    if isinstance(config, list | tuple):
        return type(config)(without_files(item) for item in config)
    return config


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}


def _error(where: object, what: str) -> DataError:
    return DataError([Problem(str(where), what, f'{_FIX}')])
