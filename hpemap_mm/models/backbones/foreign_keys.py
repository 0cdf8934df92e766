"""Names that other packages give to the weights of models that timm has."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_BLOCK = re.compile(r'^_blocks\.(\d+)\.(_\w+)\.(\w+)$')
_STEM_AND_TOP = {
    '_conv_stem': 'conv_stem',
    '_bn0': 'bn1',
    '_conv_head': 'conv_head',
    '_bn1': 'bn2',
    '_fc': 'classifier',
}


def timm_names(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename weights to timm's names, where they have other names that are known.

    Known are those of ``efficientnet_pytorch`` and the packages derived from it, which number
    EfficientNet's blocks through (``_blocks.5._depthwise_conv``) where timm counts them by stage
    (``blocks.2.1.conv_dw``). Other weights are given back as they are.

    Args:
        weights: A checkpoint's tensors.
        wanted: The tensors of timm's model.

    Raises:
        ValueError: The checkpoint has more blocks than the model.
    """
    if '_conv_stem.weight' not in weights:
        return dict(weights)
    places = sorted({(int(stage), int(block)) for stage, block in _numbers(wanted)})
    renamed = {}
    for name, tensor in weights.items():
        match = _BLOCK.match(name)
        if match is None:
            module, _, kind = name.rpartition('.')
            renamed[f'{_STEM_AND_TOP.get(module, module)}.{kind}'] = tensor
            continue
        number, module, kind = int(match.group(1)), match.group(2), match.group(3)
        if number >= len(places):
            raise ValueError(f'{name}: the model has only {len(places)} blocks')
        stage, block = places[number]
        prefix = f'blocks.{stage}.{block}'
        expands = f'_blocks.{number}._expand_conv.weight' in weights
        renamed[f'{prefix}.{_in_block(module, expands)}.{kind}'] = tensor
    return renamed


def _in_block(module: str, expands: bool) -> str:
    """Name in timm of a block's layer; a block that does not expand has no first convolution."""
    if expands:
        names = {
            '_expand_conv': 'conv_pw',
            '_bn0': 'bn1',
            '_depthwise_conv': 'conv_dw',
            '_bn1': 'bn2',
            '_project_conv': 'conv_pwl',
            '_bn2': 'bn3',
        }
    else:
        names = {
            '_depthwise_conv': 'conv_dw',
            '_bn1': 'bn1',
            '_project_conv': 'conv_pw',
            '_bn2': 'bn2',
        }
    return names.get(module, module)


def _numbers(wanted: Mapping[str, Tensor]) -> list[tuple[str, str]]:
    found = (re.match(r'^blocks\.(\d+)\.(\d+)\.', name) for name in wanted)
    return [(match.group(1), match.group(2)) for match in found if match]
