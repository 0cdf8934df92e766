"""Arrays out of ``.npz`` files, without trusting them.

Damaged files make numpy and zipfile raise nearly anything (``zlib.error``, ``KeyError``,
``struct.error``, ``MemoryError``, ``TypeError``, ...). Here, and only here, any exception of
theirs becomes a problem of the file.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt
from numpy.lib import format as npy

from hpemap_mm.errors import DataError, ProblemList

Arrays = dict[str, npt.NDArray[Any]]


def read_npz(path: str, data: bytes, wanted: Collection[str]) -> tuple[Arrays, list[str]]:
    """The wanted arrays of an ``.npz``, and the names of all that it holds.

    Checksums and sizes are checked; pickled objects are never loaded.

    Raises:
        DataError: The archive or an array is damaged, pickled, or occurs twice.
    """
    problems = ProblemList()
    with foreign(path, 'is a damaged npz file (a zip archive)'):
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = [info.filename for info in archive.infolist()]
    names = [member.removesuffix('.npy') for member in members]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add(path, f'holds {name!r} {names.count(name)} times', 'write each array once')
    if not names:
        problems.add(path, 'is an npz file without arrays', 'write it again')
    problems.raise_if_any()
    arrays: Arrays = {}
    for member, name in zip(members, names, strict=True):
        if name not in wanted or not member.endswith('.npy'):
            continue
        try:
            with foreign(f'{path}: array {name!r}', 'is damaged'):
                arrays[name] = _read_npy(path, name, archive.read(member))
        except DataError as error:
            problems.extend(error)
    problems.raise_if_any()
    return arrays, names


def _read_npy(path: str, name: str, data: bytes) -> npt.NDArray[Any]:
    where = f'{path}: array {name!r}'
    stream = io.BytesIO(data)
    version = npy.read_magic(stream)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in read_header:
        raise _error(where, f'has npy version {version}', 'save plain numbers with np.savez')
    shape, _, dtype = read_header[version](stream)
    if dtype.hasobject:
        what = f'holds pickled Python objects (dtype {dtype})'
        raise _error(where, what, 'save plain numbers: rows of one length, no None')
    if min(shape, default=0) < 0 or not all(type(size) is int for size in shape):
        raise _error(where, f'has shape {shape}', 'write the file again')
    expected = math.prod(shape) * dtype.itemsize
    found = len(data) - stream.tell()
    if found != expected:
        what = f'has {found} bytes of data; shape {shape} of {dtype} needs {expected}'
        raise _error(where, what, 'the file is incomplete: write it again')
    stream.seek(0)
    return npy.read_array(stream, allow_pickle=False)


@contextmanager
def foreign(where: str, what: str) -> Iterator[None]:
    """Turn whatever a library raises on damaged bytes into a problem of the file."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        text = ' '.join(str(error).split())[:200]
        detail = f'{type(error).__name__}: {text}' if text else type(error).__name__
        raise _error(where, f'{what} ({detail})', 'copy or write it again') from error


def _error(where: str, what: str, fix: str) -> DataError:
    problems = ProblemList()
    problems.add(where, what, fix)
    return DataError(list(problems))
