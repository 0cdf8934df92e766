"""Numeric arrays out of MATLAB 5 files (``.mat``, save -v6 or -v7), without trusting them.

``scipy.io.loadmat`` looks a damaged type number up beyond the end of a table, which can end the
whole process (SciPy 1.17, ``_mio5_utils``). Plain numbers are a small part of the format, so they
are read here, every length checked. The format: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from hpemap_mm.errors import DataError, Problem, ProblemList

#: Bytes before the first variable: text, version, and the order of bytes.
HEADER = 128
#: Types of data elements that hold numbers, and those that hold variables.
NUMBERS = {
    **{1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 9: 'f8', 12: 'i8', 13: 'u8'},
}
INT8, INT32, UINT32, MATRIX, COMPRESSED, UTF8 = 1, 5, 6, 14, 15, 16
#: Classes of variables: of numbers, with what they are read as, and others.
NUMERIC_CLASSES = {
    **{6: 'f8', 7: 'f4', 8: 'i1', 9: 'u1', 10: 'i2', 11: 'u2', 12: 'i4', 13: 'u4'},
    **{14: 'i8', 15: 'u8'},
}
OTHER_CLASSES = {
    **{1: 'a cell array', 2: 'a struct', 3: 'an object', 4: 'text', 5: 'a sparse matrix'},
    **{16: 'a function', 17: 'an object'},
}
COMPLEX, LOGICAL = 0x0800, 0x0200
#: Bytes that hold a compressed variable's class, shape and name.
START = 4096


@dataclass(frozen=True)
class _Variable:
    name: str
    kind: int
    flags: int
    shape: tuple[int, ...]
    body: bytes
    numbers_at: int


def read_mat(
    path: str, data: bytes, wanted: Collection[str]
) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    """The wanted numeric variables of a MATLAB 5 file, and the names of all that it holds.

    Raises:
        DataError: The file is damaged, or a wanted variable is not plain numbers or occurs twice.
    """
    try:
        variables = list(_variables(data, wanted))
    except _Damaged as error:
        what = f'is a damaged MATLAB file: {error}'
        raise DataError([Problem(path, what, 'copy or write it again')]) from None
    names = [variable.name for variable in variables]
    problems = ProblemList()
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add(path, f'holds {name!r} {names.count(name)} times', 'write each variable once')
    arrays = {}
    for variable in variables:
        if variable.name not in wanted:
            continue
        where = f'{path}: variable {variable.name!r}'
        if variable.kind not in NUMERIC_CLASSES:
            what = f'is {OTHER_CLASSES[variable.kind]}'
            problems.add(where, what, 'save it as a numeric array')
            continue
        if variable.flags & COMPLEX:
            problems.add(where, 'holds complex numbers', 'save real numbers')
            continue
        try:
            arrays[variable.name] = _numbers(variable, _order(data))
        except _Damaged as error:
            problems.add(where, f'is damaged: {error}', 'copy or write it again')
    problems.raise_if_any()
    return arrays, names


class _Damaged(ValueError):
    """The bytes are not what the format says."""


def _order(data: bytes) -> str:
    """Numpy's sign for the order of bytes."""
    marks = {b'IM': '<', b'MI': '>'}
    mark = data[HEADER - 2 : HEADER]
    if mark not in marks:
        _damaged('its header is incomplete')
    return marks[mark]


def _variables(data: bytes, wanted: Collection[str]) -> Iterator[_Variable]:
    """The variables; of those that are compressed and not wanted, the beginning."""
    order, at = _order(data), HEADER
    while at < len(data):
        kind, start, size, after = _tag(data, at, order)
        if kind == MATRIX:
            yield _variable(data[start : start + size], order)
            at = after
        elif kind == COMPRESSED:
            packed = data[start : start + size]
            variable = _variable(_unpack(packed, order, START), order)
            yield _variable(_unpack(packed, order), order) if variable.name in wanted else variable
            at = start + size
        else:
            _damaged(f'a variable at byte {at} has type {kind}')


def _unpack(packed: bytes, order: str, most: int | None = None) -> bytes:
    """What a compressed variable holds, after its tag, or the beginning of that."""
    unpacker = zlib.decompressobj()
    try:
        tag = unpacker.decompress(packed, 8)
        kind, size = (int(n) for n in np.frombuffer(tag.ljust(8, b'\0'), f'{order}u4'))
        if kind != MATRIX:
            _damaged(f'a compressed variable has type {kind}')
        body = unpacker.decompress(unpacker.unconsumed_tail, most or size + 1)
        if most is None:
            body += unpacker.flush()
    except zlib.error as error:
        _damaged(str(error))
    if most is None and (len(body) != size or not unpacker.eof):
        _damaged(f'a compressed variable has {len(body)} bytes, not {size}')
    return body


def _variable(body: bytes, order: str) -> _Variable:
    kind, start, size, at = _tag(body, 0, order)
    if kind != UINT32 or size != 8:
        _damaged('a variable has no class')
    flags = int(np.frombuffer(body, f'{order}u4', 1, start)[0])
    if flags & 0xFF not in {**NUMERIC_CLASSES, **OTHER_CLASSES}:
        _damaged(f'a variable has class {flags & 0xFF}')
    if flags & 0xFF == 17:  # opaque objects have neither shape nor, here, a name
        return _Variable('', 17, flags, (), b'', 0)
    kind, start, size, at = _tag(body, at, order)
    if kind not in (INT32, UINT32) or size % 4 or size < 8:
        _damaged('a variable has no shape')
    shape = tuple(int(n) for n in np.frombuffer(body, f'{order}i4', size // 4, start))
    if min(shape) < 0:
        _damaged(f'a variable has shape {shape}')
    kind, start, size, at = _tag(body, at, order)
    if kind not in (INT8, UTF8):
        _damaged('a variable has no name')
    name = body[start : start + size].decode('latin-1')
    return _Variable(name, flags & 0xFF, flags, shape, body, at)


def _numbers(variable: _Variable, order: str) -> npt.NDArray[Any]:
    body = variable.body
    kind, start, size, _ = _tag(body, variable.numbers_at, order)
    if kind not in NUMBERS:
        _damaged(f'its numbers have type {kind}')
    dtype = np.dtype(f'{order}{NUMBERS[kind]}')
    expected = math.prod(variable.shape)
    if size != expected * dtype.itemsize:
        _damaged(f'shape {variable.shape} needs {expected * dtype.itemsize} bytes, it has {size}')
    # MATLAB stores small whole numbers in fewer bytes than their class has.
    wanted = '?' if variable.flags & LOGICAL else NUMERIC_CLASSES[variable.kind]
    numbers = np.frombuffer(body, dtype, expected, start)
    with np.errstate(invalid='ignore', over='ignore'):
        return numbers.astype(wanted).reshape(variable.shape, order='F')


def _tag(data: bytes, at: int, order: str) -> tuple[int, int, int, int]:
    """A data element's type, where its data start, their size, and where the next one is."""
    if at + 8 > len(data):
        _damaged(f'it ends at byte {len(data)}, in the middle of a tag')
    kind, size = (int(n) for n in np.frombuffer(data, f'{order}u4', 2, at))
    if kind >> 16:  # up to 4 bytes are packed into the tag itself
        kind, size, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if size > 4:
            _damaged(f'a tag at byte {at} has size {size}')
        return kind, start, size, after
    start = at + 8
    if start + size > len(data):
        _damaged(f'an element at byte {at} has {size} bytes, {len(data) - start} are left')
    return kind, start, size, start + size + -size % 8


def _damaged(what: str) -> NoReturn:
    raise _Damaged(what)
