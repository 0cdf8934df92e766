"""What is in a file, in a few lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from hpemap_mm.checkpoints.recognise import Recognised
from hpemap_mm.checkpoints.weights import HeadWeights, PoseWeights
from hpemap_mm.models.backbones.vitpose import ViTPoseArch

_NAMES = {
    'vitpose': 'ViTPose, one task',
    'vitpose-multi': 'ViTPose, several tasks',
    'vitpose++': 'ViTPose++',
    'mmpose': 'MMPose 1.x (mmpretrain names)',
    'hf': "Hugging Face transformers' VitPose",
    'timm': "timm's vision transformer",
    'mae': "MAE's vision transformer",
    'hpemap': 'hpemap_mm',
}


def describe(found: Recognised, weights: PoseWeights | None = None) -> Iterator[str]:
    """Lines about a file.

    Args:
        found: What was recognised.
        weights: The same with skeletons, where these could be told.
    """
    yield f'{_NAMES[found.kind]} (--from {found.kind})'
    letter = weights.letter if weights is not None else None
    yield f'size       {_size(found.arch, letter)}'
    width, height = (cells * found.arch.patch_size for cells in found.grid)
    yield f'input      {width} x {height} pixels (w x h), {found.grid[0]} x {found.grid[1]} patches'
    heads = list(weights.heads.items()) if weights is not None else []
    for place, raw in enumerate(found.heads):
        of = ''
        if place < len(heads):
            name, head = heads[place]
            of = f'{head.representation}, {head.joints} joints'
            of = of if name in head.representation else f'{name}: {of}'
            if raw.channels != head.joints:
                of += ' (padded)'
        of = of or raw.name or 'skeleton not known'
        label = 'heads' if not place else ''
        yield f'{label:10} {raw.source.rstrip(".")}: {raw.layout}, {raw.channels} channels: {of}'
    if not found.heads:
        yield 'heads      none: a backbone alone'
    if found.experts:
        known = f': {", ".join(weights.experts)}' if weights is not None else ''
        yield f'experts    {found.experts}, {found.expert_width} of {found.arch.embed_dim}{known}'
    yield f'weights    {counts(found.file.tensors)}'
    for reason, keys in by_reason({**found.dropped, **found.file.left_out}).items():
        yield f'not used   {some(keys)}: {reason}'


def counts(tensors: Mapping[str, Tensor]) -> str:
    """Number of tensors and of values, and their types."""
    total = sum(tensor.numel() for tensor in tensors.values())
    kinds = dict.fromkeys(
        str(t.dtype).removeprefix('torch.') for t in tensors.values() if t.is_floating_point()
    )
    return f'{len(tensors)} tensors, {total / 1e6:.2f} M values, {", ".join(kinds)}'


def heads_of(heads: Mapping[str, HeadWeights]) -> str:
    """The heads in one line."""
    return ', '.join(f'{name} ({head.joints})' for name, head in heads.items()) or 'none'


def by_reason(dropped: Mapping[str, str]) -> dict[str, list[str]]:
    """Names by the reason why they are not used."""
    groups: dict[str, list[str]] = {}
    for name, reason in dropped.items():
        groups.setdefault(reason, []).append(name)
    return groups


def some(names: list[str], shown: int = 3) -> str:
    """The first few names, and how many more."""
    more = f' and {len(names) - shown} more' if len(names) > shown else ''
    return ', '.join(names[:shown]) + more


def _size(arch: ViTPoseArch, letter: str | None) -> str:
    name = f'ViTPose-{letter}: ' if letter else ''
    return f'{name}width {arch.embed_dim}, depth {arch.depth}, {arch.num_heads} attention heads'
