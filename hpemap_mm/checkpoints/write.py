"""Writing weights: whole files or none."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.files import atomic_path

SUFFIXES = ('.pth', '.pt', '.bin', '.safetensors')


def write_weights(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], meta: Mapping[str, Any]
) -> None:
    """Write weights, atomically, as ``{'state_dict', 'meta'}``; or as safetensors, by the suffix.

    Args:
        path: ``.pth``, ``.pt``, ``.bin`` or ``.safetensors``.
        tensors: The weights by name.
        meta: What the file says about itself: None, bool, int, float, str, list and dict only.

    Raises:
        DataError: The suffix is another, or the file cannot be written, to its end.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        what = f'unknown suffix {path.suffix!r} for weights'
        raise DataError([Problem(str(path), what, f'name it {" or ".join(SUFFIXES)}')])
    own = _own_memory(tensors)
    text = json.dumps(meta)
    try:
        with atomic_path(path) as partial:
            if path.suffix == '.safetensors':
                # 'format' is what transformers asks for.
                save_file(own, partial, metadata={'format': 'pt', 'hpemap_mm': text})
            else:
                torch.save({'state_dict': own, 'meta': json.loads(text)}, partial)
    except OSError as error:
        raise DataError([Problem(str(path), f'cannot be written ({error})', _FIX)]) from error
    except (RuntimeError, SafetensorError) as error:
        # Neither says of a full disk that it is full.
        megabytes = sum(tensor.nbytes for tensor in own.values()) / 1e6
        free = shutil.disk_usage(path.parent).free / 1e6
        what = f'cannot be written to its end: {megabytes:.1f} MB, and {free:.1f} MB are free'
        fix = 'make room, raise the limit on the size of files, or choose another folder'
        raise DataError([Problem(str(path), what, fix)]) from error


def check_target(target: Path, *, sources: list[Path]) -> None:
    """Before any work is done: may the result be written there?

    Raises:
        DataError: A source would be overwritten, the target is a folder, or its folder is none or
            may not be written to.
    """
    for source in sources:
        if target.exists() and source.exists() and target.samefile(source):
            what = 'the result would take the place of its source'
            raise DataError([Problem(str(target), what, 'choose another file')])
    if target.is_dir():
        raise DataError([Problem(str(target), 'is a folder', 'name a file')])
    folder = target.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        what = f'cannot be written: {folder} is no folder, or may not be written to'
        raise DataError([Problem(str(target), what, _FIX)])


_FIX = 'choose a folder that you may write to'


def _own_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that share nothing, so that a slice does not take the whole with it into the file."""
    own: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage()
        if storage.nbytes() != tensor.nbytes or storage.data_ptr() in seen:
            tensor = tensor.clone()
            storage = tensor.untyped_storage()
        if tensor.nbytes:
            seen.add(storage.data_ptr())
        own[name] = tensor
    return own
