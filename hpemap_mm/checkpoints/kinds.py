"""Whose file is it? Told from the names of its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from hpemap_mm.checkpoints import names
from hpemap_mm.checkpoints.read import CheckpointFile
from hpemap_mm.errors import DataError, Problem

KINDS = ('vitpose', 'vitpose-multi', 'vitpose++', 'mmpose', 'hf', 'timm', 'mae', 'hpemap')
#: What other networks' names look like.
_OTHERS = (
    (r'(backbone\.)?(module\.)?stage\d\.\d+\.(branches|fuse_layers)\..*', 'HRNet'),
    (r'(backbone\.|encoder\.)?layer[1-4]\.\d+\.(conv|bn)\d\..*', 'ResNet'),
    (r'.*\.relative_position_bias_table', 'Swin'),
    (r'.*stages\.\d+\.blocks\.\d+\.gamma', 'ConvNeXt'),
    (r'(backbone\.)?stage\d\.\d+\.(main_conv|blocks|conv)\..*', 'CSPNeXt, RTMPose'),
    (r'(model\.)?model\.\d+\..*', 'YOLO'),
)
_FIRST = {
    'backbone.embeddings.patch_embeddings.projection.weight': 'hf',
    'backbone.patch_embed.projection.weight': 'mmpose',
    'patch_embed.proj.weight': 'timm',
}


def kind_of(file: CheckpointFile, wanted: str = 'auto') -> str:
    """One of :data:`KINDS`.

    Args:
        file: The file.
        wanted: What the user says it is, or ``'auto'``.

    Raises:
        DataError: The file is no ViTPose, or not what the user says.
    """
    found = _kind(file.tensors)
    if found is None:
        raise DataError([Problem(str(file.path), _strange(file.tensors), _FIX)])
    alike = {found, *({'timm', 'mae'} if found in ('timm', 'mae') else ())}
    if found == 'vitpose' and not any(key.startswith('keypoint_head.') for key in file.tensors):
        alike |= {'hpemap'}  # a backbone alone has the same names in both
    if wanted == 'auto':
        return found
    if wanted not in alike:
        raise DataError(
            [Problem(str(file.path), f'is no {wanted}: {_SIGNS[found]}', f'pass --from {found}')]
        )
    return wanted


_FIX = 'pass weights of a ViTPose or ViTPose++, or of a plain vision transformer (MAE, timm)'
_SIGNS = {
    'vitpose': 'it has ViTPose names and at most one head',
    'vitpose-multi': 'it has associate_keypoint_heads',
    'vitpose++': 'it has the experts of ViTPose++',
    'mmpose': "it has mmpretrain's names (backbone.layers.0.ln1)",
    'hf': "it has transformers' names (backbone.encoder.layer.0)",
    'timm': "it has timm's names (blocks.0.norm1, no backbone.)",
    'mae': "it has MAE's names (blocks.0.norm1, no backbone.)",
    'hpemap': 'it has the names of hpemap_mm (backbone.blocks.0, head. or heads.)',
}


def _kind(tensors: Mapping[str, Tensor]) -> str | None:
    for key, kind in _FIRST.items():
        if key in tensors:
            decoder = any(k.startswith(('decoder_', 'mask_token')) for k in tensors)
            return 'mae' if kind == 'timm' and decoder else kind
    if 'backbone.patch_embed.proj.weight' not in tensors:
        return None
    if any(key.startswith(('heads.', 'head.')) for key in tensors):
        return 'hpemap'
    if has_experts(tensors):
        return 'vitpose++'
    heads = any(key.startswith('associate_keypoint_heads.') for key in tensors)
    return 'vitpose-multi' if heads and not left_over_experts(tensors) else 'vitpose'


def has_experts(tensors: Mapping[str, Tensor]) -> bool:
    """Whether experts make a part of each block's output."""
    return _expert(tensors) is not None and not left_over_experts(tensors)


def left_over_experts(tensors: Mapping[str, Tensor]) -> bool:
    """Whether experts lie beside an ``fc2`` that is whole, as ViTPose's model_split.py leaves them.

    Such a file is dense: one expert has become part of ``fc2``.
    """
    expert, bias = _expert(tensors), tensors.get('backbone.blocks.0.mlp.fc2.bias')
    projection = tensors.get('backbone.patch_embed.proj.bias')
    return (
        expert is not None
        and bias is not None
        and projection is not None
        and bias.shape == projection.shape
    )


def _expert(tensors: Mapping[str, Tensor]) -> Tensor | None:
    pattern = re.compile(r'backbone\.blocks\.\d+\.mlp\.experts\.\d+\.bias')
    return next((tensor for key, tensor in tensors.items() if pattern.fullmatch(key)), None)


def key_map(kind: str, tensors: Mapping[str, Tensor]) -> names.KeyMap:
    """The table of names of a kind."""
    if kind in ('timm', 'mae'):
        return names.PLAIN
    if kind != 'hpemap':
        return {'mmpose': names.MMPOSE, 'hf': names.HUGGING_FACE}.get(kind, names.VITPOSE)
    if any(key.startswith('heads.') for key in tensors):
        return names.MULTI_HEAD
    joint_space = any(key.startswith('head.head.') for key in tensors)
    return names.JOINT_SPACE if joint_space else names.ONE_HEAD


def _strange(tensors: Mapping[str, Tensor]) -> str:
    """What a file is that is no ViTPose, with some of its names."""
    shown = ', '.join(list(tensors)[:3])
    for pattern, name in _OTHERS:
        if any(re.fullmatch(pattern, key) for key in tensors):
            return f'is no ViTPose; it looks like {name} ({len(tensors)} tensors, such as {shown})'
    return f'is no ViTPose ({len(tensors)} tensors, such as {shown})'
