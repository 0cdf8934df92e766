"""From a path to weights: read, tell what it is, name the heads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from hpemap_mm.checkpoints.kinds import kind_of
from hpemap_mm.checkpoints.naming import pose_weights
from hpemap_mm.checkpoints.ours import build_carried, model_config_of, pose_weights_of
from hpemap_mm.checkpoints.positions import Grid
from hpemap_mm.checkpoints.read import read_tensors
from hpemap_mm.checkpoints.recognise import Recognised, recognise
from hpemap_mm.checkpoints.weights import PoseWeights
from hpemap_mm.errors import DataError, Problem


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """What a file is, and its weights.

    Attributes:
        found: What was recognised.
        weights: The weights; None where it could not be told which skeletons the heads are of.
        notes: What was assumed, changed or padded.
        question: Why there are no weights, and what to say; None where there are.
    """

    found: Recognised
    weights: PoseWeights | None
    notes: tuple[str, ...]
    question: DataError | None = None

    def known(self) -> PoseWeights:
        """The weights.

        Raises:
            DataError: It could not be told which skeletons the heads are of.
        """
        if self.weights is None:
            assert self.question is not None
            raise self.question
        return self.weights


def load_pose_weights(
    path: str | os.PathLike[str],
    *,
    kind: str = 'auto',
    num_heads: int | None = None,
    source_grid: Grid | None = None,
    skeletons: Sequence[str] | None = None,
    space: str | Mapping[str, Any] | None = None,
    experts: Sequence[str] | None = None,
    model: nn.Module | None = None,
) -> Loaded:
    """Read a file of anybody's; nothing in it is executed.

    Args:
        path: ``.pth``, ``.bin``, ``.safetensors``, or a folder of Hugging Face's.
        kind: One of :data:`~hpemap_mm.checkpoints.KINDS`, or ``'auto'``.
        num_heads: Attention heads, where neither the file nor its width says so.
        source_grid: Patches (w, h) of the input, where their number is ambiguous.
        skeletons: One for each head, in the order of the file; ``'name=skeleton'`` names a head.
        space: The joint space of the one head: a preset's name, or a config.
        experts: Names of the experts, in the order of the file.
        model: Of weights of ours: the model that they are of, may be on the meta device. By
            default what the file says in ``meta['model']``.

    Raises:
        DataError: The file cannot be read, is no ViTPose, or is damaged.
    """
    file = read_tensors(path)
    told = skeletons is not None or space is not None
    if kind_of(file, kind) == 'hpemap' and not told:
        config = None if model is not None else model_config_of(file.meta, where=path)
        if config is not None:
            model = build_carried(config, where=path)
    elif model is not None:
        what = 'a config describes the source where it is of hpemap_mm, and this one is not'
        fix = 'leave --config out, or convert --to hpemap'
        raise DataError([Problem(str(path), what, fix)])
    if model is not None:
        weights = pose_weights_of(model, file.tensors, where=path)
        heads, grid = weights.arch.num_heads, weights.grid
        found = recognise(file, kind=kind, num_heads=heads, source_grid=grid)
        return Loaded(found=found, weights=weights, notes=found.notes)
    found = recognise(file, kind=kind, num_heads=num_heads, source_grid=source_grid)
    try:
        weights, notes = pose_weights(found, skeletons=skeletons, space=space, experts=experts)
    except DataError as error:
        return Loaded(found=found, weights=None, notes=found.notes, question=error)
    return Loaded(found=found, weights=weights, notes=(*found.notes, *notes))
