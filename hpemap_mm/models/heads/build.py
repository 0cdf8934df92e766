"""Building a head for a given number of joints from a template."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mmpose.registry import MODELS
from torch import nn

#: How MMPose's top-down heads call the number of joints.
JOINT_ARGUMENTS = ('out_channels', 'num_joints')


def merge_config(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``override`` on top, dict into dict, as MMEngine's configs inherit.

    A dict with ``_delete_=True`` replaces the base's instead of being merged into it.
    """
    override = dict(override)
    merged = {} if override.pop('_delete_', False) else dict(base)
    for key, value in override.items():
        if isinstance(value, Mapping):
            below = merged.get(key)
            value = merge_config(below if isinstance(below, Mapping) else {}, value)
        merged[key] = value
    return merged


def build_head(template: Mapping[str, Any], *, joints: int, owner: str) -> nn.Module:
    """Build any MMPose top-down head for a number of joints.

    Args:
        template: The head's config without its number of joints, which is computed.
        joints: The number of joints.
        owner: What the head is for, for error messages.

    Raises:
        ValueError: If the template states the number, has no type, or if the head's class does
            not take one.
    """
    if 'type' not in template:
        raise ValueError(f'The head of {owner} has no type: {dict(template)}')
    kind = template['type']
    cls = MODELS.get(kind) if isinstance(kind, str) else kind
    if cls is None:
        raise ValueError(f'The head of {owner} has the unknown type {kind!r}')
    argument = _joint_argument(cls)
    if argument is None:
        raise ValueError(
            f'{cls.__name__} (head of {owner}) takes none of {JOINT_ARGUMENTS}: it cannot be '
            'built from a skeleton'
        )
    stated = [name for name in JOINT_ARGUMENTS if name in template]
    if stated:
        raise ValueError(
            f'The head of {owner} states {stated[0]}={template[stated[0]]}: leave it out, it is '
            f'computed from the skeleton ({joints} joints)'
        )
    codec = template.get('decoder') or {}
    channels = 3 if codec.get('heatmap_type') == 'combined' else 1
    return MODELS.build({**template, argument: joints * channels})


def _joint_argument(cls: type) -> str | None:
    """Which of the names a head's constructor takes, its own or an ancestor's."""
    for ancestor in cls.__mro__:
        constructor = vars(ancestor).get('__init__')
        if constructor is not None:
            names = inspect.signature(constructor).parameters
            for argument in JOINT_ARGUMENTS:
                if argument in names:
                    return argument
            if not any(p.kind is p.VAR_KEYWORD for p in names.values()):
                return None
    return None
