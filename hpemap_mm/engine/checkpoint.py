"""Reading checkpoints without executing them, and finding the one to go on from."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MMLogger
from torch import nn

from hpemap_mm.checkpoints import read_file
from hpemap_mm.errors import DataError, ProblemList
from hpemap_mm.models import check_checkpoint_heads

_STEP = re.compile(r'^(?:epoch|iter)_(\d+)\.pth$')


def read_checkpoint(
    path: str | os.PathLike[str], map_location: str | torch.device = 'cpu'
) -> dict[str, Any]:
    """Read a checkpoint with ``weights_only=True``: nothing in the file is executed.

    Args:
        path: A file with a ``state_dict``, as MMEngine writes, a bare state dict, or safetensors.
        map_location: Device for the tensors.

    Returns:
        The checkpoint, with at least the key ``state_dict``.

    Raises:
        DataError: The file is missing, empty, truncated, holds no weights, or holds Python
            objects that would have to be executed to be read.
    """
    return read_file(path, map_location)


def load_weights(
    model: nn.Module, checkpoint: dict[str, Any], *, where: str | os.PathLike[str], whole: bool
) -> None:
    """Put a checkpoint's weights into a model.

    Args:
        model: The model, not wrapped.
        checkpoint: As :func:`read_checkpoint` gives it.
        where: The file, for the messages.
        whole: Whether every parameter of the model must be in the checkpoint, and no others.

    Raises:
        DataError: Heads do not fit, or, with ``whole``, parameters are missing or left over.
    """
    prefix = 'module.'
    weights = {key.removeprefix(prefix): value for key, value in checkpoint['state_dict'].items()}
    expected = model.state_dict()
    of_heads = [key for key in (*expected, *weights) if key.startswith(('head.', 'heads.'))]
    # Weights of a backbone alone are enough to start from; translators have no heads.
    if of_heads and (whole or not weights.keys().isdisjoint(of_heads)):
        check_checkpoint_heads(model, weights, where=str(where))
    problems = ProblemList()
    fix = 'use the config that the checkpoint was trained with'
    for key in sorted(expected.keys() & weights.keys()):
        got, wanted = tuple(weights[key].shape), tuple(expected[key].shape)
        if got != wanted:
            problems.add(where, f'{key} has shape {got}, the model needs {wanted}', fix)
    missing, extra = (
        sorted(expected.keys() - weights.keys()),
        sorted(weights.keys() - expected.keys()),
    )
    if whole:
        for what, keys in (('lacks', missing), ('has more than the model:', extra)):
            if keys:
                problems.add(where, f'the checkpoint {what} {_some(keys)}', fix)
    problems.raise_if_any()
    model.load_state_dict(weights, strict=False)
    if missing or extra:
        MMLogger.get_current_instance().info(
            f'{where}: {len(missing)} parameters keep their initial values ({_some(missing)}); '
            f'{len(extra)} of the file are not used ({_some(extra)})'
        )


def _some(keys: list[str], shown: int = 4) -> str:
    more = f' and {len(keys) - shown} more' if len(keys) > shown else ''
    return (', '.join(keys[:shown]) or 'none') + more


def find_resumable(work_dir: str | os.PathLike[str]) -> Path | None:
    """The newest readable ``epoch_*.pth`` or ``iter_*.pth`` of a work dir, or None.

    MMEngine's ``last_checkpoint`` file is not asked: a process that is killed while writing it
    leaves it empty, or naming a file that is gone.
    """
    steps = []
    for path in Path(work_dir).glob('*.pth'):
        match = _STEP.match(path.name)
        if match:
            steps.append((int(match.group(1)), path))
    for _, path in sorted(steps, reverse=True):
        try:
            read_checkpoint(path)
        except DataError:
            continue
        return path
    return None
