"""Which skeleton is each head of a file of? The joints are not in the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpemap_mm.checkpoints.recognise import RawHead, Recognised
from hpemap_mm.checkpoints.stated import stated_experts, stated_skeletons
from hpemap_mm.checkpoints.weights import HeadWeights, PoseWeights
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.models.estimators.answers import ALL, OWN
from hpemap_mm.skeletons import JointSpace, get_skeleton, list_skeletons
from hpemap_mm.skeletons.layout import PRESETS

#: Heads, and experts, in the order of the published checkpoints.
VITPOSE_THREE = ('coco', 'aic', 'mpii')
VITPOSE_PLUS = ('coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody')
#: What a single head of so many joints is, where several skeletons have as many.
USUAL = ('coco', 'mpii', 'coco_wholebody', 'halpe')
#: Joint spaces of a predecessor of this project.
USUAL_SPACES = ('seed-21', 'seed-23', 'seed-33')

_RENAME = "give one as 'name=skeleton'"
_ASK = 'pass --skeletons NAME..., one for each head in the order of the file'


def pose_weights(
    found: Recognised,
    *,
    skeletons: Sequence[str] | None = None,
    space: str | Mapping[str, Any] | JointSpace | None = None,
    experts: Sequence[str] | None = None,
) -> tuple[PoseWeights, list[str]]:
    """The weights of a file, with the skeletons of its heads.

    Args:
        found: What :func:`~hpemap_mm.checkpoints.recognise` tells of the file.
        skeletons: One for each head, in the order of the file; ``'name=skeleton'`` gives the head
            another name than its skeleton's. By default the heads' names where they have some;
            what the file says, in its ``meta`` or by the names of joints in its config; COCO,
            AIC, MPII for three heads; ViTPose++'s for six; by its number of joints for one.
        space: The joint space of the one head: a preset's name, a config, or the space.
        experts: Names of the experts, in the order of the file. By default what the file says, or
            those of the heads.

    Returns:
        The weights, and notes: what was assumed, and which heads were padded.

    Raises:
        DataError: It cannot be told which skeletons the heads are of, or they have fewer channels
            than joints.
    """
    where = str(found.file.path)
    notes: list[str] = []
    if space is not None and skeletons is not None:
        what = 'a joint space says the skeletons of its head already'
        raise _error(where, what, 'pass one of --space and --skeletons')
    if space is not None:
        heads = _space_head(found, space, notes)
    else:
        heads = _heads(found, skeletons, notes)
    names = _experts(found, heads, experts, notes)
    try:
        weights = PoseWeights(
            arch=found.arch, grid=found.grid, backbone=found.backbone, heads=heads, experts=names
        )
    except ValueError as error:
        fix = 'name other skeletons or, in the order of the file, the experts (--experts)'
        raise _error(where, str(error), fix) from error
    return weights, notes


def _heads(
    found: Recognised, skeletons: Sequence[str] | None, notes: list[str]
) -> dict[str, HeadWeights]:
    where, raw = str(found.file.path), found.heads
    if skeletons is not None and len(skeletons) != len(raw):
        what = f'it has {len(raw)} heads, and --skeletons names {len(skeletons)}'
        raise _error(where, what, _ASK)
    if not raw:
        return {}
    if skeletons is None and all(head.name is None for head in raw):
        skeletons = stated_skeletons(found.file, [head.channels for head in raw], notes)
    if skeletons is None and len(raw) == 1 and raw[0].name is None:
        name, is_space = _of_one(found, raw[0], notes)
        if is_space:
            return _space_head(found, name, notes)
        skeletons = (name,)
    if skeletons is not None:
        wanted = _names(where, skeletons, 'head')
    else:
        wanted = _default_names(found, notes)
    heads = {}
    for (name, skeleton), head in zip(wanted, raw, strict=True):
        heads[name] = _cut(where, head, len(get_skeleton(skeleton)), notes, skeleton=skeleton)
    return heads


def _names(where: str, words: Sequence[str], whose: str) -> list[tuple[str, str]]:
    """Head (or expert) and skeleton of each of the user's words."""
    found: list[tuple[str, str]] = []
    for word in words:
        name, _, skeleton = word.rpartition('=')
        if name in (OWN, ALL) or '.' in name:
            what = f'no {whose} can be called {name!r}, as {word!r} says'
            raise _error(where, what, f'choose another name; {OWN}, {ALL} and dots are taken')
        try:
            known = get_skeleton(skeleton).name
        except KeyError as error:
            raise _error(where, str(error.args[0]), 'name one of them') from error
        found.append((name or known, known))
    if len(dict(found)) < len(found):
        names = ', '.join(name for name, _ in found)
        raise _error(where, f'two {whose}s have one name: {names}', _RENAME)
    return found


def _default_names(found: Recognised, notes: list[str]) -> list[tuple[str, str]]:
    where, raw = str(found.file.path), found.heads
    if all(head.name is not None for head in raw):
        unknown = [head.name for head in raw if head.name not in list_skeletons()]
        if unknown:
            what = f'its heads {unknown} are named for no skeleton'
            fix = "pass --skeletons 'name=skeleton'..., one for each head, or --config"
            raise _error(where, f'{what} (heads: {[head.name for head in raw]})', fix)
        return [(str(head.name), str(head.name)) for head in raw]
    for names in (VITPOSE_THREE, VITPOSE_PLUS):
        if len(names) == len(raw):
            sizes = [len(get_skeleton(name)) for name in names]
            if all(head.channels >= size for head, size in zip(raw, sizes, strict=True)):
                notes.append(f'{len(raw)} heads are taken as {", ".join(names)}')
                return [(name, name) for name in names]
    what = f'it has {len(raw)} heads of {[head.channels for head in raw]} channels'
    raise _error(where, f'{what}, and does not say of which skeletons', _ASK)


def _of_one(found: Recognised, head: RawHead, notes: list[str]) -> tuple[str, bool]:
    """The skeleton of a single head, or the preset of its space and True."""
    where, channels = str(found.file.path), head.channels
    if found.experts == len(VITPOSE_PLUS) or found.split_first:
        # Hugging Face's ViTPose++ and the first file of model_split.py have COCO's decoder.
        notes.append(f"the head is taken as {VITPOSE_PLUS[0]}'s, the first of ViTPose++")
        return VITPOSE_PLUS[0], False
    known = {name: len(get_skeleton(name)) for name in list_skeletons()}
    fits = [name for name in known if known[name] == channels]
    if found.split_of == len(VITPOSE_PLUS):
        fits = [name for name in VITPOSE_PLUS[1:] if known[name] == channels]
    else:
        usual = [name for name in USUAL if name in fits]
        presets = [name for name in USUAL_SPACES if len(JointSpace.preset(name)) == channels]
        others = [name for name in fits if name not in usual]
        if usual:
            also = f' (as many have {", ".join(others)}: --skeletons)' if others else ''
            notes.append(f'{channels} joints are taken as {usual[0]}{also}')
            return usual[0], False
        if presets:
            others = [name for name in PRESETS if len(JointSpace.preset(name)) == channels][1:]
            also = f' (as many has {", ".join(others)}: --space)' if others else ''
            notes.append(f'{channels} joints are taken as the joint space {presets[0]}{also}')
            return presets[0], True
    if len(fits) == 1:
        notes.append(f'{channels} joints are taken as {fits[0]}')
        return fits[0], False
    among = f'; as many have {", ".join(fits)}' if fits else ', which no known skeleton has'
    raise _error(
        where,
        f'its head has {channels} channels, and does not say of which skeleton{among}',
        'pass --skeletons NAME (padded channels are then cut off), or --space NAME',
    )


def _space_head(
    found: Recognised, space: str | Mapping[str, Any] | JointSpace, notes: list[str]
) -> dict[str, HeadWeights]:
    where = str(found.file.path)
    if len(found.heads) != 1:
        raise _error(where, f'it has {len(found.heads)} heads, a joint space one', _ASK)
    try:
        preset = {'kind': 'preset', 'name': space}
        built = JointSpace.from_config(preset if isinstance(space, str) else space)
    except (KeyError, ValueError, TypeError) as error:
        fix = 'name a preset, or different skeletons for a union or a concat'
        raise _error(where, str(error.args[0]), fix) from error
    head = _cut(where, found.heads[0], len(built), notes, space=built)
    return {built.name: head}


def _cut(where: str, head: RawHead, joints: int, notes: list[str], **owner: Any) -> HeadWeights:
    """A head without the channels that it is padded by."""
    name = owner.get('skeleton') or owner['space'].name
    if head.channels < joints:
        what = f'{head.source} has {head.channels} channels, {name} has {joints} joints'
        raise _error(where, what, 'name the skeleton that it is of')
    tensors = dict(head.tensors)
    if head.channels > joints:
        notes.append(
            f'{head.source} is padded: of its {head.channels} channels the first {joints} are '
            f"{name}'s, the other {head.channels - joints} are cut off"
        )
        for part in ('weight', 'bias'):
            tensors[f'final_layer.{part}'] = tensors[f'final_layer.{part}'][:joints]
    return HeadWeights(layout=head.layout, tensors=tensors, **owner)


def _experts(
    found: Recognised,
    heads: Mapping[str, HeadWeights],
    names: Sequence[str] | None,
    notes: list[str],
) -> tuple[str, ...]:
    """Names of the experts, in the order of the file."""
    count = found.experts
    if not count:
        return ()
    if names is not None:
        if len(names) != count:
            what = f'it has {count} experts, and --experts names {len(names)}'
            raise _error(str(found.file.path), what, 'name them all, in the order of the file')
        return tuple(name for name, _ in _names(str(found.file.path), names, 'expert'))
    stated = stated_experts(found.file, count) or ()
    if stated and all({name, *head.skeletons} & {*stated} for name, head in heads.items()):
        return stated
    if len(heads) == count:
        return tuple(heads)
    # ViTPose++'s own layout has head i with expert i.
    usual = found.kind != 'vitpose++' or tuple(heads) == VITPOSE_PLUS[: len(heads)]
    if count == len(VITPOSE_PLUS) and usual:
        notes.append(f'{count} experts are taken as {", ".join(VITPOSE_PLUS)}')
        return VITPOSE_PLUS
    what = f'it has {count} experts and {len(heads)} heads, and does not say whose they are'
    raise _error(str(found.file.path), what, 'pass --experts NAME..., in the order of the file')


def _error(where: str, what: str, fix: str) -> DataError:
    return DataError([Problem(where, what, fix)])
