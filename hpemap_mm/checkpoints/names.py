"""How tensors are called in whose checkpoints: one table of names for each layout.

Left is their name, right the one that everything here uses: ViTPose's, as ``backbone.<tensor>``
and ``heads.<head>.<tensor>``, the tensors of a head as MMPose's HeatmapHead calls them. ``{i}`` is
a block, ``{e}`` an expert, ``{n}`` a further head, ``{w}`` weight or bias, ``{b}`` a part of a
batch norm. ``main`` is the head of a model that has one, or a first one without a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hpemap_mm.checkpoints.shapes import BATCH_NORM

_FIELDS = {
    'i': r'\d+',
    'e': r'\d+',
    'n': r'\d+',
    'w': 'weight|bias',
    'b': '|'.join(BATCH_NORM),
    'name': r'[^.]+',
    'any': '.+',
}
Table = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class KeyMap:
    """A layout's names.

    Attributes:
        names: Their name, our name.
        dropped: Names that are not used, and why.
        owned: How the names of backbones and heads begin. One that begins so and is not in the
            table is part of another function than ViTPose's.
    """

    names: Table
    dropped: Table = ()
    owned: tuple[str, ...]

    def ours(self, key: str) -> str | None:
        """Our name of a tensor of theirs; None where the table has none."""
        return _first(self._rules, key)

    def theirs(self, key: str) -> str | None:
        """Their name of a tensor of ours; None where they have no place for it."""
        return _first(self._back, key)

    def reason(self, key: str) -> str | None:
        """Why a tensor of theirs is not used; None where that is not known."""
        for pattern, why in self._dropped:
            if pattern.fullmatch(key):
                return why
        return None if key.startswith(self.owned) else 'it is part of no backbone and no head'

    @cached_property
    def _rules(self) -> list[tuple[re.Pattern[str], str]]:
        return [(_pattern(theirs), ours) for theirs, ours in self.names]

    @cached_property
    def _back(self) -> list[tuple[re.Pattern[str], str]]:
        return [(_pattern(ours), theirs) for theirs, ours in self.names]

    @cached_property
    def _dropped(self) -> list[tuple[re.Pattern[str], str]]:
        return [(_pattern(theirs), why) for theirs, why in self.dropped]


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r'\{(\w+)\}', template)
    return re.compile(
        ''.join(
            f'(?P<{part}>{_FIELDS[part]})' if place % 2 else re.escape(part)
            for place, part in enumerate(parts)
        )
    )


def _first(rules: list[tuple[re.Pattern[str], str]], key: str) -> str | None:
    for pattern, template in rules:
        match = pattern.fullmatch(key)
        if match:
            return template.format(**match.groupdict())
    return None


def _below(theirs: str, ours: str, tensors: tuple[str, ...]) -> Table:
    return tuple((theirs + tensor, ours + tensor) for tensor in tensors)


_BLOCK = (
    'blocks.{i}.norm1.{w}',
    'blocks.{i}.attn.qkv.{w}',
    'blocks.{i}.attn.proj.{w}',
    'blocks.{i}.norm2.{w}',
    'blocks.{i}.mlp.fc1.{w}',
    'blocks.{i}.mlp.fc2.{w}',
)
_VIT = ('pos_embed', 'patch_embed.proj.{w}', *_BLOCK)
_BACKBONE = (*_VIT, 'blocks.{i}.mlp.experts.{e}.{w}', 'last_norm.{w}')
_HEAD = (
    'deconv_layers.0.weight',
    'deconv_layers.1.{b}',
    'deconv_layers.3.weight',
    'deconv_layers.4.{b}',
    'final_layer.{w}',
)
_CLASS_TOKEN = 'ViTPose has no class token'

VITPOSE = KeyMap(
    names=(
        *_below('backbone.', 'backbone.', _BACKBONE),
        *_below('keypoint_head.', 'heads.main.', _HEAD),
        *_below('associate_keypoint_heads.{n}.', 'heads.{n}.', _HEAD),
    ),
    dropped=(('backbone.cls_token', _CLASS_TOKEN),),
    owned=('backbone.', 'keypoint_head.', 'associate_keypoint_heads.'),
)
MMPOSE = KeyMap(
    names=(
        ('backbone.pos_embed', 'backbone.pos_embed'),
        ('backbone.patch_embed.projection.{w}', 'backbone.patch_embed.proj.{w}'),
        ('backbone.layers.{i}.ln1.{w}', 'backbone.blocks.{i}.norm1.{w}'),
        ('backbone.layers.{i}.attn.qkv.{w}', 'backbone.blocks.{i}.attn.qkv.{w}'),
        ('backbone.layers.{i}.attn.proj.{w}', 'backbone.blocks.{i}.attn.proj.{w}'),
        ('backbone.layers.{i}.ln2.{w}', 'backbone.blocks.{i}.norm2.{w}'),
        ('backbone.layers.{i}.ffn.layers.0.0.{w}', 'backbone.blocks.{i}.mlp.fc1.{w}'),
        ('backbone.layers.{i}.ffn.layers.1.{w}', 'backbone.blocks.{i}.mlp.fc2.{w}'),
        ('backbone.ln1.{w}', 'backbone.last_norm.{w}'),
        *_below('head.', 'heads.main.', _HEAD),
    ),
    owned=('backbone.', 'head.'),
)
_HF_LAYER, _OUR_BLOCK = 'backbone.encoder.layer.{i}.', 'backbone.blocks.{i}.'
HUGGING_FACE = KeyMap(
    names=(
        ('backbone.embeddings.position_embeddings', 'backbone.pos_embed'),
        ('backbone.embeddings.patch_embeddings.projection.{w}', 'backbone.patch_embed.proj.{w}'),
        *(
            (_HF_LAYER + theirs, _OUR_BLOCK + ours)
            for theirs, ours in (
                ('layernorm_before.{w}', 'norm1.{w}'),
                # Three layers there, one here: see join_qkv().
                ('attention.attention.query.{w}', 'attn.q.{w}'),
                ('attention.attention.key.{w}', 'attn.k.{w}'),
                ('attention.attention.value.{w}', 'attn.v.{w}'),
                ('attention.output.dense.{w}', 'attn.proj.{w}'),
                ('layernorm_after.{w}', 'norm2.{w}'),
                ('mlp.fc1.{w}', 'mlp.fc1.{w}'),
                ('mlp.fc2.{w}', 'mlp.fc2.{w}'),
                ('mlp.experts.{e}.{w}', 'mlp.experts.{e}.{w}'),
            )
        ),
        ('backbone.layernorm.{w}', 'backbone.last_norm.{w}'),
        ('head.deconv1.weight', 'heads.main.deconv_layers.0.weight'),
        ('head.batchnorm1.{b}', 'heads.main.deconv_layers.1.{b}'),
        ('head.deconv2.weight', 'heads.main.deconv_layers.3.weight'),
        ('head.batchnorm2.{b}', 'heads.main.deconv_layers.4.{b}'),
        ('head.conv.{w}', 'heads.main.final_layer.{w}'),
    ),
    owned=('backbone.', 'head.'),
)
#: MAE's and timm's: a backbone alone, without a prefix.
PLAIN = KeyMap(
    names=(*_below('', 'backbone.', _VIT), ('norm.{w}', 'backbone.last_norm.{w}')),
    dropped=(
        ('cls_token', _CLASS_TOKEN),
        ('mask_token', "MAE's decoder is not used"),
        ('decoder_{any}', "MAE's decoder is not used"),
        ('head.{any}', 'a classifier is not used'),
        ('fc_norm.{any}', "the classifier's norm is not used"),
        ('pre_logits.{any}', 'a classifier is not used'),
    ),
    owned=('',),
)
#: A MultiHeadPoseEstimator of ours.
MULTI_HEAD = KeyMap(
    names=(
        *_below('backbone.', 'backbone.', _BACKBONE),
        *_below('heads.{name}.', 'heads.{name}.', _HEAD),
    ),
    owned=('backbone.', 'heads.', 'head_necks.', 'neck.'),
)
#: A JointSpacePoseEstimator of ours.
JOINT_SPACE = KeyMap(
    names=(
        *_below('backbone.', 'backbone.', _BACKBONE),
        *_below('head.head.', 'heads.main.', _HEAD),
    ),
    owned=('backbone.', 'head.', 'neck.'),
)
#: MMPose's TopdownPoseEstimator with a backbone of ours.
ONE_HEAD = KeyMap(
    names=(*_below('backbone.', 'backbone.', _BACKBONE), *_below('head.', 'heads.main.', _HEAD)),
    owned=('backbone.', 'head.', 'neck.'),
)


def join_qkv(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``attn.q``, ``attn.k`` and ``attn.v`` (C rows each) as one ``attn.qkv`` (3 C rows)."""
    joined: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r'(.*\.attn\.)q(\..*)', name)
        if match:
            parts = [tensors[f'{match[1]}{part}{match[2]}'] for part in 'qkv']
            joined[f'{match[1]}qkv{match[2]}'] = torch.cat(parts)
        elif not re.fullmatch(r'.*\.attn\.[kv]\..*', name):
            joined[name] = tensor
    return joined


def split_qkv(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of :func:`join_qkv`."""
    split: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r'(.*\.attn\.)qkv(\..*)', name)
        if not match:
            split[name] = tensor
            continue
        for part, rows in zip('qkv', tensor.chunk(3), strict=True):
            split[f'{match[1]}{part}{match[2]}'] = rows
    return split
