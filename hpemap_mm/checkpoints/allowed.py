"""What a config that came in a stranger's file may name: a class at its place, and no more.

MMEngine imports and calls whatever a ``type`` names, imports the package that a ``_scope_`` names,
and some of MMPose's classes read further files, Python among them, when they are built.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hpemap_mm.errors import Problem

ESTIMATORS = ('hpemap_mm.MultiHeadPoseEstimator', 'hpemap_mm.JointSpacePoseEstimator')
BACKBONES = ('hpemap_mm.ViTPoseBackbone', 'hpemap_mm.ViTPoseMoEBackbone')
#: Keys that name a further file.
READS_FILES = ('init_cfg', 'pretrained', 'pretrained_file')
_MODEL_KEYS = (
    *('type', 'data_preprocessor', 'backbone', 'neck', 'skeletons', 'joint_space'),
    *('head', 'heads', 'loss_weights', 'consistency', 'teacher'),
    *('train_cfg', 'test_cfg', 'init_cfg'),
)
_TYPES = {
    ('type',): ESTIMATORS,
    ('backbone', 'type'): BACKBONES,
    ('data_preprocessor', 'type'): ('PoseDataPreprocessor',),
    # The other kind reads translators from files.
    ('consistency', 'type'): ('ontology',),
}
_TYPES_OF_HEADS = {
    ('type',): (
        'hpemap_mm.ClassicHeatmapHead',
        'hpemap_mm.SimpleHeatmapHead',
        'hpemap_mm.SoftmaxHeatmapHead',
        'hpemap_mm.ViTPoseHead',
        'hpemap_mm.JointSpaceHead',
        'HeatmapHead',
        'SimCCHead',
        'RTMCCHead',
    ),
    ('loss', 'type'): (
        'KeypointMSELoss',
        'KeypointOHKMMSELoss',
        'AdaptiveWingLoss',
        'FocalHeatmapLoss',
        'KLDiscretLoss',
        'hpemap_mm.HeatmapCrossEntropyLoss',
    ),
    ('decoder', 'type'): (
        'UDPHeatmap',
        'BatchUDPHeatmap',
        'MSRAHeatmap',
        'MegviiHeatmap',
        'SimCCLabel',
    ),
}
#: What is not looked at before it is computed with.
_NUMBERS = ('sigma', 'input_size', 'heatmap_size')
#: ViTPose-H has 32.
_MOST_BLOCKS = 1000
#: A model's config has about a hundred; one that refers to itself has no end.
_MOST_ENTRIES = 10_000
_FIX = 'do not use this file without a config of your own (--config)'


def config_problems(config: Mapping[str, Any], *, where: object) -> list[Problem]:
    """What in a model's config, of a file that anybody may have made, must not be built."""
    problems: list[Problem] = []

    def refuse(what: str) -> None:
        problems.append(Problem(str(where), what, _FIX))

    backbone = config.get('backbone')
    if 'type' not in config:
        refuse(f'model.type is None, none of {", ".join(ESTIMATORS)}')
    if not isinstance(backbone, Mapping) or 'type' not in backbone:
        refuse(f'model.backbone.type is None, none of {", ".join(BACKBONES)}')
    for key in config:
        if key not in _MODEL_KEYS:
            refuse(f'model.{key} is nothing that a model of ours takes')
    for number, (path, value) in enumerate(_walk(config, ())):
        if number == _MOST_ENTRIES:
            refuse(f'model has more than {_MOST_ENTRIES} entries')
            break
        key, name = path[-1], '.'.join(map(str, ('model', *path)))
        if key == 'type':
            choices = _choices(path)
            if not (isinstance(value, str) and value in choices):
                refuse(f'{name} is {_short(value)}, none of {", ".join(choices) or "no class"}')
        elif key in _NUMBERS and isinstance(value, str):
            refuse(f'{name} is {_short(value)}, no number')
        elif key == 'depth' and isinstance(value, int) and value > _MOST_BLOCKS:
            refuse(f'{name} is {value}, more than {_MOST_BLOCKS} blocks')
        elif key in READS_FILES and value is not None:
            refuse(f'{name} names a further file ({_short(value)})')
        elif key == 'neck' and value is not None:
            refuse(f'{name} is {_short(value)}: no model of ViTPose has a neck')
        elif isinstance(key, str) and key.startswith('_') and key != '_delete_':
            refuse(f'{name} is {_short(value)}: it would have a package imported')
    return problems


def _choices(path: tuple[Any, ...]) -> tuple[str, ...]:
    """The types that may stand at a place; none where no class is built."""
    place = tuple(key for key in path if not isinstance(key, int))
    if place[:2] == ('head', 'head') or (place[:1] == ('heads',) and len(place) > 2):
        return _TYPES_OF_HEADS.get(place[2:], ())
    if place[:1] == ('head',):
        return _TYPES_OF_HEADS.get(place[1:], ())
    return _TYPES.get(place, ())


def _walk(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every entry of nested dicts and lists, the outer ones first: its place, its value."""
    waiting = [(path, value)]
    while waiting:
        path, value = waiting.pop(0)
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield (*path, key), item
            if isinstance(item, Mapping | list | tuple):
                waiting.append(((*path, key), item))


def _short(value: Any) -> str:
    """A value for a message. One that holds itself, or much, is not written out."""
    if isinstance(value, str | int | float | bool | type(None)):
        text = repr(value)
        return text if len(text) <= 200 else f'{text[:200]}...'
    if isinstance(value, Mapping) and isinstance(value.get('type'), str):
        return f'a {value["type"][:200]}'
    return f'a {type(value).__name__}'
