"""What is in a file: kind, size, heads, experts, and what of it is not used."""

# C embedding width, T patches, p expert width

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import mode
from typing import Any

import torch
from torch import Tensor

from hpemap_mm.checkpoints import names
from hpemap_mm.checkpoints.hf_config import HFConfig
from hpemap_mm.checkpoints.kinds import key_map, kind_of, left_over_experts
from hpemap_mm.checkpoints.positions import Grid, grid_of, with_first_place
from hpemap_mm.checkpoints.read import CheckpointFile
from hpemap_mm.checkpoints.shapes import (
    Shapes,
    backbone_shapes,
    differences,
    head_shapes,
    split_qkv_shapes,
)
from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.models.backbones.vitpose import VITPOSE_ARCHS, ViTPoseArch

_EXPERT_BIAS = r'blocks\.\d+\.mlp\.experts\.\d+\.bias'


@dataclass(frozen=True, kw_only=True, eq=False)
class RawHead:
    """A decoder as the file has it.

    Attributes:
        source: How its tensors' names begin there.
        name: Its name there, None where it has none.
        layout: 'classic' or 'simple'.
        channels: Of its output; more than it has joints where it is padded.
        tensors: By the names of MMPose's HeatmapHead.
    """

    source: str
    name: str | None
    layout: str
    channels: int
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Recognised:
    """What is in a file, before anybody says which skeletons its heads are of.

    Attributes:
        file: The file.
        kind: One of :data:`~hpemap_mm.checkpoints.KINDS`.
        arch: Widths and depths.
        grid: Patches (w, h) of the input.
        backbone: Its tensors by ViTPose's names.
        heads: The decoders, in order.
        experts: Number of experts; 0 in a dense model.
        expert_width: p; 0 in a dense model.
        split_of: Number of experts of the ViTPose++ that this dense model was split off from by
            ViTPose's model_split.py; 0 where it was not.
        split_first: Whether it is that tool's first file, which keeps all heads.
        used: How many tensors of the file are used.
        dropped: The others, each with its reason.
        notes: What a reader must know.
    """

    file: CheckpointFile
    kind: str
    arch: ViTPoseArch
    grid: Grid
    backbone: Mapping[str, Tensor]
    heads: tuple[RawHead, ...]
    experts: int
    expert_width: int
    split_of: int
    split_first: bool
    used: int
    dropped: Mapping[str, str]
    notes: tuple[str, ...]


def recognise(
    file: CheckpointFile,
    *,
    kind: str = 'auto',
    num_heads: int | None = None,
    source_grid: Grid | None = None,
) -> Recognised:
    """Tell what is in a file.

    Every tensor of it is used or in ``dropped``.

    Args:
        file: As :func:`~hpemap_mm.checkpoints.read_tensors` gives it.
        kind: One of :data:`~hpemap_mm.checkpoints.KINDS`, or ``'auto'``.
        num_heads: Attention heads, which the weights do not show. By default Hugging Face's
            config says it, or the width does (:data:`VITPOSE_ARCHS`).
        source_grid: Patches (w, h) of the input, where the number of patches is ambiguous.

    Raises:
        DataError: The file is of another architecture or kind, or tensors are missing or of
            shapes that do not fit together.
    """
    kind = kind_of(file, kind)
    where = str(file.path)
    notes: list[str] = []
    table = key_map(kind, file.tensors)
    found, dropped = _renamed(file, table)
    split_of = 0
    split_first = any(head not in ('main',) for head in _head_ids(found))
    if left_over_experts(file.tensors):
        split_of = 1 + max(int(m) for m in _numbers(r'.*\.experts\.(\d+)\..*', found))
        _drop_left_over(found, table, dropped)
    backbone = _below('backbone.', found)
    config = HFConfig(file)
    for need in ('pos_embed', 'patch_embed.proj.weight', 'blocks.0.mlp.fc1.weight'):
        if need not in backbone:
            theirs = table.theirs(f'backbone.{need}')
            raise _error(where, f'{theirs} is missing', 'the file is incomplete; copy it again')
    experts = 1 + max(map(int, _numbers(r'.*\.experts\.(\d+)\..*', backbone)), default=-1)
    blocks = 1 + max(map(int, _numbers(r'blocks\.(\d+)\..*', backbone)))
    if max(experts, blocks) > len(backbone):
        what = f'{blocks} blocks and {experts} experts in {len(backbone)} tensors'
        raise _error(where, what, 'the file is incomplete; copy it again')
    # Of one expert that is damaged, it alone is named.
    biases = [t.numel() for key, t in backbone.items() if re.fullmatch(_EXPERT_BIAS, key)]
    width = mode(biases) if biases else 0
    told = num_heads if num_heads is not None else config.num_heads()
    arch = _arch(backbone, where, kind, told, notes)
    told_grid = source_grid if source_grid is not None else config.grid()
    backbone['pos_embed'], grid = _positions(backbone['pos_embed'], where, told_grid, notes)
    if 'last_norm.weight' not in backbone:
        notes.append('it has no norm after the last block')
    shapes = backbone_shapes(
        arch,
        tokens=grid[0] * grid[1],
        experts=experts,
        expert_width=width,
        final_norm='last_norm.weight' in backbone,
    )
    if kind == 'hf':
        shapes = split_qkv_shapes(shapes)
    heads = {name: _head(where, table, name, found, notes) for name in _head_ids(found)}
    problems = ProblemList()
    for what in _differences(table, 'backbone.', backbone, shapes):
        problems.add(where, what, f'{len(shapes)} tensors make such a backbone; copy it again')
    for name, head in heads.items():
        wanted = head_shapes(head.layout, dim=arch.embed_dim, joints=head.channels)
        for what in _differences(table, f'heads.{name}.', head.tensors, wanted):
            problems.add(where, what, "only ViTPose's classic and simple decoders are known")
    problems.raise_if_any()
    if file.config is not None:
        layouts = [head.layout for head in heads.values()]
        notes += config.check_function(arch, layouts, experts)
    return Recognised(
        file=file,
        kind=kind,
        arch=arch,
        grid=grid,
        backbone=names.join_qkv(backbone),
        heads=tuple(heads.values()),
        experts=experts,
        expert_width=width,
        split_of=split_of,
        split_first=bool(split_of) and split_first,
        used=len(file.tensors) - len(dropped),
        dropped=dropped,
        notes=tuple(notes),
    )


def _renamed(file: CheckpointFile, table: names.KeyMap) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by our names, and those that are not used with the reason."""
    found: dict[str, Tensor] = {}
    dropped: dict[str, str] = {}
    problems = ProblemList()
    for key, tensor in file.tensors.items():
        ours, reason = table.ours(key), table.reason(key)
        if ours is not None:
            found[ours] = tensor
        elif reason is not None:
            dropped[key] = reason
        else:
            problems.add(
                file.path,
                f'{key} {tuple(tensor.shape)} has no place in a ViTPose',
                'it may change what the network computes; remove it from the file if it does not',
            )
    problems.raise_if_any()
    return found, dropped


def _drop_left_over(found: dict[str, Tensor], table: names.KeyMap, dropped: dict[str, str]) -> None:
    """Take out what ViTPose's model_split.py leaves behind."""
    for key in list(found):
        if '.experts.' in key:
            why = 'left over: fc2 is whole, one expert is part of it already'
        elif key.startswith('heads.') and not key.startswith('heads.main.'):
            why = 'left over: a head of another expert than the one in fc2'
        else:
            continue
        del found[key]
        dropped[str(table.theirs(key))] = why


def _arch(
    backbone: Mapping[str, Tensor],
    where: str,
    kind: str,
    told: int | None,
    notes: list[str],
) -> ViTPoseArch:
    projection = backbone['patch_embed.proj.weight']
    shape = tuple(projection.shape)
    hidden = backbone['blocks.0.mlp.fc1.weight']
    if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or not all(shape):
        what = f'patches are embedded by a tensor of shape {shape}'
        raise _error(where, what, 'square patches of 3 channels are known')
    dim = projection.shape[0]
    by_width = next((a for a in VITPOSE_ARCHS.values() if a.embed_dim == dim), None)
    if told is None and by_width is None:
        raise _error(
            where,
            f'the weights do not say how many attention heads a width of {dim} has',
            'pass --num-heads N',
        )
    heads = int(told if told is not None else by_width.num_heads)  # type: ignore[union-attr]
    if heads < 1 or dim % heads:
        raise _error(where, f'{heads} attention heads do not divide the width {dim}', 'correct it')
    if kind in ('timm', 'mae') and dim == VITPOSE_ARCHS['S'].embed_dim and told is None:
        notes.append(
            f'ViTPose-S has {heads} attention heads, but the small transformers of DeiT, MAE and '
            'timm have 6: as ViTPose-S these weights are a start for training only; '
            '--num-heads 6 keeps their function'
        )
    arch = ViTPoseArch(
        embed_dim=dim,
        depth=1 + max(map(int, _numbers(r'blocks\.(\d+)\..*', backbone))),
        num_heads=heads,
        patch_size=projection.shape[2],
        mlp_ratio=(hidden.shape[0] if hidden.ndim else 0) / dim,
    )
    for known in VITPOSE_ARCHS.values():
        if replace(arch, drop_path_rate=known.drop_path_rate) == known:
            return known
    return arch


def _positions(
    pos_embed: Tensor, where: str, told: Grid | None, notes: list[str]
) -> tuple[Tensor, Grid]:
    """The embedding with a first place, and its grid (w, h)."""
    if pos_embed.ndim != 3 or pos_embed.shape[0] != 1 or pos_embed.shape[1] < 2:
        what = f'the position embedding has shape {tuple(pos_embed.shape)}'
        raise _error(where, what, 'expected (1, T, C) of two or more places T; copy it again')
    places = pos_embed.shape[1]
    if told is not None and min(told) < 1:
        raise _error(where, f'a grid of {told[0]} x {told[1]} patches', 'pass --source-grid W H')
    grid = told or grid_of(places - 1) or grid_of(places)
    if grid is None:
        what = f'{places} places for positions are no square and no 3:4 grid'
        raise _error(where, what, 'pass --source-grid W H, in patches')
    tokens = grid[0] * grid[1]
    if places == tokens:
        return with_first_place(pos_embed), grid
    if places != 1 + tokens:
        what = f'{places} places for positions do not fit a grid of {grid[0]} x {grid[1]}'
        raise _error(where, what, 'pass --source-grid W H, in patches')
    if told is None:
        notes.append(f'{tokens} patches are taken as {grid[0]} x {grid[1]} (w x h)')
    return pos_embed, grid


def _head_ids(found: Mapping[str, Tensor]) -> list[str]:
    """Heads in order: the main one, the numbered ones, those with names."""
    ids = dict.fromkeys(key.split('.')[1] for key in found if key.startswith('heads.'))
    numbers = sorted((n for n in ids if n.isdigit()), key=int)
    rest = [n for n in ids if n != 'main' and not n.isdigit()]
    return [*(['main'] if 'main' in ids else []), *numbers, *rest]


def _head(
    where: str, table: names.KeyMap, name: str, found: Mapping[str, Tensor], notes: list[str]
) -> RawHead:
    tensors = _below(f'heads.{name}.', found)
    source = str(table.theirs(f'heads.{name}.final_layer.weight')).rpartition('final_layer')[0]
    source = source or str(table.theirs(f'heads.{name}.final_layer.weight')).rpartition('conv')[0]
    final = tensors.get('final_layer.weight')
    if final is None or final.ndim != 4:
        raise _error(where, f'{source} has no final layer', 'the file is incomplete')
    layout = 'classic' if any(key.startswith('deconv_layers.') for key in tensors) else 'simple'
    for norm in (1, 4):
        counter = f'deconv_layers.{norm}.num_batches_tracked'
        if layout == 'classic' and counter not in tensors:
            tensors[counter] = torch.tensor(0)
            theirs = table.theirs(f'heads.{name}.{counter}')
            notes.append(f'{theirs} is not in the file; it is set to 0')
    own = table in (names.MULTI_HEAD,)
    return RawHead(
        source=source,
        name=name if own else None,
        layout=layout,
        channels=final.shape[0],
        tensors=tensors,
    )


def _differences(
    table: names.KeyMap, prefix: str, tensors: Mapping[str, Tensor], shapes: Shapes
) -> Iterator[str]:
    """What is missing or of another shape, by the names of the file."""

    def theirs(name: str) -> str:
        return table.theirs(prefix + name) or prefix + name

    own = {theirs(name): tensor for name, tensor in tensors.items()}
    yield from differences(own, {theirs(name): shape for name, shape in shapes.items()})


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}


def _numbers(pattern: str, keys: Mapping[str, Any]) -> list[str]:
    return [m[1] for m in (re.fullmatch(pattern, key) for key in keys) if m]


def _error(where: str, what: str, fix: str) -> DataError:
    return DataError([Problem(where, what, fix)])
