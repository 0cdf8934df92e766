"""Weights for a model of a config: what fits, and what keeps its initial value."""

# J joints of a space

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from hpemap_mm.checkpoints.layouts import to_hpemap
from hpemap_mm.checkpoints.ours import heads_of_model
from hpemap_mm.checkpoints.weights import HeadWeights, PoseWeights
from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.models import ViTPoseBackbone, ViTPoseMoEBackbone
from hpemap_mm.skeletons import JointSpace


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """Weights for a model.

    Attributes:
        tensors: By the model's names; shapes are the model's.
        initial: Parameters and buffers of the model that the weights do not fill.
        unused: What of the weights the model has no place for, and why.
        notes: What was changed on the way.
    """

    tensors: Mapping[str, Tensor]
    initial: tuple[str, ...]
    unused: Mapping[str, str]
    notes: tuple[str, ...]


def fit(
    weights: PoseWeights, model: nn.Module, *, expert: str | None = None, where: object = 'weights'
) -> Fitted:
    """Bring weights into the form of a model.

    The position embedding is resized; experts are made from a dense model, chosen by name, or
    made part of a dense one; heads are found by their skeleton, also in a joint space.

    Args:
        weights: The weights.
        model: A model that :func:`~hpemap_mm.checkpoints.pose_weights_of` knows; may be on the
            meta device.
        expert: Of weights with experts: for a dense model, the one to take (by default that of
            the model's one skeleton); for a model with experts, the one from which those begin
            that the weights do not have.
        where: For messages.

    Raises:
        DataError: Widths or depths differ, or it must be said which expert is meant.
    """
    wanted = heads_of_model(model, where)
    backbone: Any = model.backbone
    notes: list[str] = []
    _check_arch(weights, backbone, where)
    if weights.grid != backbone.grid:
        old, new = weights.input_size, backbone.img_size
        notes.append(
            f'position embedding resized from {old[0]} x {old[1]} to {new[0]} x {new[1]} pixels'
        )
        weights = weights.resized(backbone.grid)
    heads, unused = dict(weights.heads), dict[str, str]()
    if isinstance(backbone, ViTPoseMoEBackbone):
        # Without its heads: the model's are others, and so may be their experts.
        bare, before = replace(weights, heads={}), weights.experts
        weights, kept = _with_experts(bare, backbone, expert, notes, where)
        unused = unused_experts(before, kept, 'the model has no expert for it')
    elif weights.experts:
        chosen = expert or _expert_of_target(weights, wanted, where)
        whole, weights = weights, _collapsed(weights, chosen, notes, where)
        unused = unused_heads(heads, weights.heads, 'it was trained with another expert')
        kept = [whole.expert_of(chosen)]
        unused |= unused_experts(whole.experts, kept, f'{chosen} is the expert that is kept')
        heads = dict(weights.heads)
    tensors = {
        name: tensor for name, tensor in to_hpemap(weights).items() if name.startswith('backbone.')
    }
    state = model.state_dict()
    if 'backbone.last_norm.weight' not in state:
        for name in [n for n in tensors if n.startswith('backbone.last_norm.')]:
            del tensors[name]
            unused[name] = 'the model has no norm after the last block'
    taken: dict[str, set[int]] = {}
    for name, (layout, prefix, owner) in wanted.items():
        source, rows = _head_for(heads, name, owner)
        if source is None:
            continue
        taken.setdefault(source, set()).update(rows)
        if heads[source].layout != layout:
            unused[f'head {source}'] = f'its decoder is not {layout}, as that of head {name} is'
            continue
        tensors |= {f'{prefix}{key}': tensor for key, tensor in heads[source].rows(rows).items()}
    unused |= unused_heads(heads, taken, 'the model has no head for it')
    for name, places in taken.items():
        if len(places) < heads[name].joints:
            part = f'{heads[name].joints - len(places)} joints of head {name}'
            unused[part] = 'the model has no head for them'
    _check_shapes(tensors, state, where)
    initial = tuple(name for name in state if name not in tensors)
    return Fitted(tensors=tensors, initial=initial, unused=unused, notes=tuple(notes))


def of_one_type(tensors: Mapping[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    """Weights of several floating types in the one that holds them all."""
    types = sorted({t.dtype for t in tensors.values() if t.is_floating_point()}, key=str)
    if len(types) < 2:
        return dict(tensors)
    common = reduce(torch.promote_types, types)
    words = ' and '.join(str(dtype).removeprefix('torch.') for dtype in types)
    notes.append(f'note       {words} are written as {str(common).removeprefix("torch.")}')
    return {
        name: tensor.to(common) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def unused_heads(before: Iterable[str], after: Container[str], why: str) -> dict[str, str]:
    """Of the heads there were, those that are no longer there, with the reason."""
    return {f'head {name}': why for name in before if name not in after}


def unused_experts(names: Sequence[str], kept: Container[int], why: str) -> dict[str, str]:
    """Of the experts there were, those that are not kept, with the reason."""
    return {f'expert {name}': why for index, name in enumerate(names) if index not in kept}


def _check_arch(weights: PoseWeights, backbone: ViTPoseBackbone, where: object) -> None:
    problems = ProblemList()
    for spec in fields(weights.arch):
        own, wanted = getattr(weights.arch, spec.name), getattr(backbone.arch, spec.name)
        if spec.name != 'drop_path_rate' and own != wanted:
            what = f'{spec.name} is {own:g}, the config has {wanted:g}'
            problems.add(where, what, 'use a config of the same size')
    problems.raise_if_any()


def _expert_of_target(
    weights: PoseWeights, wanted: Mapping[str, tuple[str, str, dict]], where: object
) -> str:
    """The expert of a dense model's one skeleton."""
    names = []
    for name, (_, _, owner) in wanted.items():
        skeleton = owner.get('skeleton')
        try:
            names.append(weights.experts[weights.expert_of(name, skeleton or name)])
        except KeyError:
            continue  # a head without an expert
    if len(names) != 1 or len(wanted) != 1:
        what = f'the config has no experts, and the file has {", ".join(weights.experts)}'
        raise _error(where, what, 'say by --expert which is to become part of the model')
    return names[0]


def _collapsed(weights: PoseWeights, expert: str, notes: list[str], where: object) -> PoseWeights:
    try:
        dense = weights.collapsed(expert)
    except KeyError as error:
        raise _error(where, str(error.args[0]), 'name one of them as --expert') from error
    notes.append(f'expert {expert} is now part of a dense model')
    return dense


def _with_experts(
    weights: PoseWeights,
    backbone: ViTPoseMoEBackbone,
    expert: str | None,
    notes: list[str],
    where: object,
) -> tuple[PoseWeights, list[int]]:
    """The experts of the model, by name; and which of the file's they are made of."""
    names, width = backbone.experts, backbone.expert_width
    if not weights.experts:
        notes.append(f'{len(names)} experts made from the last {width} rows of the MLPs')
        return weights.with_experts(names, width), []
    if weights.expert_width != width:
        what = f'experts of width {weights.expert_width}, the config has {width}'
        raise _error(where, what, 'use a config with the same expert_width')
    chosen, missing = [], []
    for name in names:
        try:
            chosen.append(weights.expert_of(name))
        except KeyError:
            missing.append(name)
            chosen.append(-1)
    if missing:
        if expert is None:
            known = ', '.join(weights.experts)
            what = f'the file has no experts {", ".join(missing)}, only {known}'
            raise _error(where, what, 'say by --expert from which they are to begin')
        try:
            start = weights.expert_of(expert)
        except KeyError as error:
            raise _error(where, str(error.args[0]), 'name one of them as --expert') from error
        notes.append(f'experts {", ".join(missing)} begin as {expert}')
        chosen = [start if index < 0 else index for index in chosen]
    return weights.with_these_experts(names, chosen), chosen


def _head_for(
    heads: Mapping[str, HeadWeights], name: str, owner: Mapping[str, object]
) -> tuple[str | None, list[int]]:
    """Which head has the weights of a model's, and where in it the joints are."""
    space = owner.get('space')
    if isinstance(space, JointSpace):
        for source, head in heads.items():
            rows = _rows(head, space)
            if rows is not None:
                return source, rows
        return None, []
    skeleton = str(owner['skeleton'])
    same = heads.get(name)
    if same is not None and same.skeleton == skeleton:
        return name, list(range(same.joints))
    for source, head in heads.items():
        if skeleton in head.skeletons:
            own = range(head.joints) if head.space is None else head.space.indices(skeleton)
            return source, [int(place) for place in own]
    return None, []


def _rows(head: HeadWeights, wanted: JointSpace) -> list[int] | None:
    """Where a head has each joint of a space; None where it lacks one or has it twice."""
    if head.space is None:
        return None
    rows = []
    for owners in wanted.owners:
        places = {
            int(head.space.indices(skeleton.name)[k]) if skeleton.name in head.skeletons else -1
            for skeleton, k in owners
        }
        if len(places) != 1 or -1 in places:
            return None
        rows.append(places.pop())
    return rows


def _check_shapes(
    tensors: Mapping[str, Tensor], state: Mapping[str, Tensor], where: object
) -> None:
    problems = ProblemList()
    for name, tensor in tensors.items():
        if name not in state:
            problems.add(where, f'{name} has no place in the model', 'use another config')
        elif tensor.shape != state[name].shape:
            got, needed = tuple(tensor.shape), tuple(state[name].shape)
            problems.add(where, f'{name}: shape {got}, the model has {needed}', 'another config')
    problems.raise_if_any()


def _error(where: object, what: str, fix: str) -> DataError:
    return DataError([Problem(str(where), what, fix)])
