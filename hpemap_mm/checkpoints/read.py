"""Reading anybody's weights without executing anything of the file."""

from __future__ import annotations

import json
import os
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hpemap_mm.checkpoints.first_bytes import container_of, executes, pickled_globals
from hpemap_mm.checkpoints.sound import check_tensors
from hpemap_mm.errors import DataError, Problem

#: Under which keys people keep the weights, the most specific first.
STATE_KEYS = ('state_dict', 'model_state_dict', 'model')
#: What else is in training checkpoints.
_LEFT_OUT = {
    'optimizer': "the optimizer's state serves to resume a training only",
    'param_schedulers': "the schedule's state serves to resume a training only",
    'lr_scheduler': "the schedule's state serves to resume a training only",
    'scaler': "mixed precision's state serves to resume a training only",
    'message_hub': 'the logs of the training',
    'epoch': 'a number, no weights',
    'iter': 'a number, no weights',
    'args': "the training's options",
}
_OF_TRAINING = 'pass a checkpoint of train.py'
_CONVERT = 'python tools/convert_checkpoint.py {} NEW.pth'
_WEIGHT_FILES = ('model.safetensors', 'pytorch_model.bin')
_INDEX_FILES = tuple(f'{name}.index.json' for name in _WEIGHT_FILES)


@dataclass(frozen=True, kw_only=True)
class CheckpointFile:
    """What is in a file of weights.

    Attributes:
        path: The file, or the folder.
        tensors: All weights by name, without the ``module.`` of a distributed run.
        meta: What the file says about itself (``meta`` of MMEngine and of hpemap_mm).
        config: ``config.json`` of a folder of Hugging Face's, None elsewhere.
        wrapper: Under which key the weights were, '' where the file is nothing else.
        left_out: What else the file has, and why it is not used.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] | None = None
    wrapper: str = ''
    left_out: Mapping[str, str] = field(default_factory=dict)


def read_tensors(path: str | os.PathLike[str]) -> CheckpointFile:
    """Read weights: ``.pth``, ``.bin``, ``.safetensors``, or a folder of Hugging Face's.

    ``weights_only=True`` and safetensors: nothing in the file is executed.

    Raises:
        DataError: The file is missing, empty or truncated, would have to be executed to be read,
            has no tensors, or has weights that are not finite or no floating-point numbers.
    """
    path = Path(path)
    config, files = _files(path)
    tensors: dict[str, Tensor] = {}
    meta: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    wrapper = ''
    for file in files:
        content = _content(file, 'cpu')
        state, wrapper = _state(content)
        for key in content:
            if key not in (wrapper, 'meta') and wrapper:
                left_out[str(key)] = _LEFT_OUT.get(str(key), 'it is beside the weights')
        if wrapper and isinstance(content.get('meta'), Mapping):
            meta.update(content['meta'])
        for key, value in state.items():
            name = str(key).removeprefix('module.')
            if not isinstance(value, Tensor):
                left_out[name] = f'a {type(value).__name__}, no tensor'
            elif name in tensors:
                raise _error(path, f'it has {name} twice', 'keep one of the two')
            else:
                tensors[name] = value
    if not tensors:
        keys = ', '.join([*left_out][:5]) or 'none'
        raise _error(path, f'it has no tensors (keys: {keys})', 'pass a file of weights')
    check_tensors(path, tensors)
    return CheckpointFile(
        path=path, tensors=tensors, meta=meta, config=config, wrapper=wrapper, left_out=left_out
    )


def read_file(
    path: str | os.PathLike[str], map_location: str | torch.device = 'cpu'
) -> dict[str, Any]:
    """Read a checkpoint of a training, or bare weights; nothing in the file is executed.

    Args:
        path: A file with a ``state_dict``, as MMEngine writes, a bare state dict, or safetensors.
        map_location: Device for the tensors.

    Returns:
        The checkpoint, with at least the key ``state_dict``.

    Raises:
        DataError: The file is missing, empty, truncated, holds no weights or weights that are not
            finite, or holds Python objects that would have to be executed to be read.
    """
    path = Path(path)
    if path.is_dir():
        fix = f'convert it first where it is of Hugging Face: {_CONVERT.format(path)}'
        raise _error(path, 'it is a folder', fix)
    content = _content(path, map_location)
    if 'state_dict' not in content:
        if not content or not all(isinstance(v, Tensor) for v in content.values()):
            keys = ', '.join(map(str, list(content)[:5])) or 'none'
            others = _state(content)[1]
            fix = f'convert it first: {_CONVERT.format(path)}' if others else _OF_TRAINING
            raise _error(path, f'it has no state_dict (keys: {keys})', fix)
        content = {'state_dict': content}
    state = content['state_dict']
    if not isinstance(state, Mapping):
        what = f'its state_dict is a {type(state).__name__}'
        raise _error(path, what, _OF_TRAINING)
    if strange := [key for key in state if not isinstance(key, str)]:
        raise _error(path, f'its state_dict has the key {strange[0]!r}', 'name tensors by strings')
    check_tensors(path, state)
    return content


def _files(path: Path) -> tuple[dict[str, Any] | None, list[Path]]:
    """Hugging Face's config, where there is one, and the files with the weights."""
    folder = path if path.is_dir() else path.parent
    beside = folder / 'config.json'
    of_hub = path.is_dir() or path.suffix in ('.safetensors', '.bin')
    config = _json(beside) if of_hub and beside.is_file() else None
    if not path.is_dir():
        # Beside a file of ours, a config.json may be anybody's.
        known = config is not None and config.get('model_type') == 'vitpose'
        return (config if known else None), [path]
    for name in _WEIGHT_FILES:
        if (folder / name).is_file():
            return config, [folder / name]
    for name in _INDEX_FILES:
        if (folder / name).is_file():
            return config, [folder / shard for shard in _shards(folder / name)]
    raise _error(
        path,
        f'the folder has none of {", ".join(_WEIGHT_FILES)}',
        'pass a folder that save_pretrained wrote, or a file',
    )


def _shards(index: Path) -> list[str]:
    """The files that an index names."""
    places = _json(index).get('weight_map')
    names = set(map(str, places.values())) if isinstance(places, Mapping) else set()
    # Beside the index, and nowhere else on the disk.
    wrong = [
        name
        for name in sorted(names)
        if not re.fullmatch(r'[\w.-]{1,200}', name) or not (index.parent / name).is_file()
    ]
    if not names or wrong:
        what = f'names no file of weights beside it: {wrong[0]!r}' if wrong else 'names no files'
        raise _error(index, what, 'copy the whole folder again')
    return sorted(names)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise _error(path, f'cannot be read as json ({error})', 'copy it again') from error
    if not isinstance(content, dict):
        raise _error(path, f'holds a {type(content).__name__}, not a dict', 'copy it again')
    return content


def _content(path: Path, map_location: str | torch.device) -> dict[str, Any]:
    """What is in a file, as a dict."""
    if not path.is_file():
        raise _error(path, 'no such checkpoint', 'check the path; train.py prints where it saves')
    if path.stat().st_size == 0:
        raise _error(path, 'the file is empty', 'use another checkpoint; this one was cut off')
    packed = container_of(path)
    again = 'copy it again, or use another checkpoint'
    try:
        if packed == 'safetensors':
            return _safetensors(path, map_location)
        with torch.serialization.safe_globals(_DATA_ONLY), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            content = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        # What torch says goes on to advise reading it without weights_only.
        if names := [*pickled_globals(path)]:
            raise _error(path, *executes(names)) from error
        what = 'the file is damaged, or holds Python objects that are no weights'
        raise _error(path, what, again) from error
    except (SafetensorError, OSError) as error:
        raise _error(path, f'the file is damaged ({error})', again) from error
    except Exception as error:  # a damaged pickle raises anything
        if isinstance(error, MemoryError) or 'allocate memory' in str(error):
            raise _error(path, 'it needs more memory than there is', again) from error
        raise _error(path, 'the file is damaged or cut off', again) from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise _error(path, f'it holds a {kind}, not weights', _OF_TRAINING)
    return content


def _safetensors(path: Path, map_location: str | torch.device) -> dict[str, Any]:
    """Tensors, and what hpemap_mm wrote beside them."""
    with safe_open(path, framework='pt', device=str(map_location)) as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no dict
        written = (file.metadata() or {}).get('hpemap_mm')
    return {'state_dict': tensors, 'meta': json.loads(written) if written else {}}


def _state(content: Mapping[Any, Any]) -> tuple[Mapping[Any, Any], str]:
    """The weights in a file's content, and the key they are under."""
    for key in STATE_KEYS:
        if isinstance(content.get(key), Mapping):
            return content[key], key
    return content, ''


def _array_types() -> list[Any]:
    """What numpy's arrays and numbers are pickled as: they are data, and run nothing of the file.

    MMPose's published checkpoints have their dataset's sigmas as such arrays. Object arrays are
    not among them.
    """
    multiarray = np._core.multiarray  # type: ignore[attr-defined]
    types: list[Any] = [(np.ndarray, 'numpy.ndarray'), (np.dtype, 'numpy.dtype')]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        types += [
            (multiarray._reconstruct, f'{module}._reconstruct'),
            (multiarray.scalar, f'{module}.scalar'),
        ]
    for code in '?bBhHiIlLqQefdSU':
        kind = type(np.dtype(code))
        types.append((kind, f'{kind.__module__}.{kind.__name__}'))
    return types


_DATA_ONLY = _array_types()


def _error(path: Path, what: str, fix: str) -> DataError:
    return DataError([Problem(str(path), what, fix)])
