"""Columns of numbers out of rows, with every fault named by its row.

Dimensions: N rows, J joints.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.errors import ProblemList
from hpemap_mm.persons.arrays import Array, BoolArray, IntArray
from hpemap_mm.persons.files.content import RepeatedKeys

#: Pixels; what is farther out is a broken number, not a keypoint.
FARTHEST = 1e6
#: Rows that a problem names before it only counts them.
ROWS_NAMED = 5

NUMBER_TYPES = frozenset({int, float})


class RowProblems:
    """Problems of one file: the same fault in many rows is told once, with the rows.

    Args:
        path: The file.
        noun: What a row is called, e.g. ``'row'`` or ``'annotations'``.
        tag: What else identifies row i, e.g. ``'image 139'``; may be empty.
    """

    def __init__(
        self, path: str, *, noun: str = 'row', tag: Callable[[int], str] | None = None
    ) -> None:
        self.path = path
        self.noun = noun
        self.tag = tag or (lambda row: '')
        self._rows: dict[tuple[str, str], list[int]] = {}
        self._file = ProblemList()

    def add(self, row: int, what: str, fix: str) -> None:
        """Note a problem of one row."""
        self._rows.setdefault((what, fix), []).append(int(row))

    def add_file(self, what: str, fix: str) -> None:
        """Note a problem of the whole file."""
        self._file.add(self.path, what, fix)

    def __len__(self) -> int:
        return len(self._rows) + len(self._file)

    def raise_if_any(self) -> None:
        """Raise :class:`hpemap_mm.errors.DataError` with all problems, if there are any."""
        if not len(self):
            return
        problems = ProblemList()
        for problem in self._file:
            problems.add(problem.where, problem.what, problem.fix)
        for (what, fix), rows in self._rows.items():
            problems.add(f'{self.path}: {self.name(rows)}', what, fix)
        problems.raise_if_any()

    def name(self, rows: Sequence[int]) -> str:
        """``row 3 (image 139)``, or several, for a message."""
        named = []
        for row in rows[:ROWS_NAMED]:
            tag = self.tag(row)
            named.append(f'{row} ({tag})' if tag else f'{row}')
        more = len(rows) - len(named)
        plural = '' if len(rows) == 1 else 's'
        return f'{self.noun}{plural} {", ".join(named)}' + (f' and {more} more' if more else '')


def show(value: Any) -> str:
    """A value for a message, cut to a readable length."""
    return reprlib.repr(value)


def rows_where(mask: npt.ArrayLike) -> list[int]:
    """The rows of an (N,) mask."""
    return [int(row) for row in np.flatnonzero(mask)]


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names from a file, for a message."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(ascii(name)[1:-1] for name in names[:most]) + more or 'nothing'


def is_text(value: Any) -> bool:
    """Whether a json value is text that can be written; json may hold halves of characters."""
    return isinstance(value, str) and not any('\ud800' <= c <= '\udfff' for c in value)


def check_objects(rows: Sequence[Any], problems: RowProblems) -> None:
    """Note rows that are not json objects, or that repeat a key."""
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            problems.add(i, f'is {show(row)}, not an object', 'write one {...} for each person')
        elif isinstance(row, RepeatedKeys):
            problems.add(i, f'has {list(row.repeated)} more than once', 'write each key once')


def integers(
    rows: Sequence[Mapping[str, Any]], key: str, problems: RowProblems, *, fix: str
) -> IntArray:
    """The integers ``row[key]``; (N,). Rows at fault are noted and hold 0."""
    values = [row.get(key) for row in rows]
    if not set(map(type, values)) <= {int} or any(not -(2**63) <= v < 2**63 for v in values):  # type: ignore[operator]
        for i, value in enumerate(values):
            if key not in rows[i]:
                problems.add(i, f'has no {key!r}', fix)
            elif type(value) is not int:
                problems.add(i, f'{key!r} is {show(value)}, not an integer', fix)
            elif not -(2**63) <= value < 2**63:
                problems.add(i, f'{key!r} is {show(value)}, beyond 64 bits', fix)
            else:
                continue
            values[i] = 0
    return np.array(values, np.int64).reshape(len(rows))


def tables(
    rows: Sequence[Mapping[str, Any]],
    key: str,
    shape: tuple[int, ...],
    problems: RowProblems,
    *,
    fix: str,
    optional: bool = False,
    finite: bool = True,
) -> Array:
    """The numbers ``row[key]``, lists nested as ``shape`` (() for one number); (N, *shape).

    Rows at fault are noted and hold 0; rows that lack an optional key hold NaN. Without
    ``finite``, NaN and infinities are let through.
    """
    width = int(np.prod(shape, dtype=int))
    at_fault = [0.0] * width
    flat: list[list[float]] = []
    for i, row in enumerate(rows):
        found = _flat(row[key], shape) if key in row else f'has no {key!r}'
        if key not in row and optional:
            flat.append([float('nan')] * width)
        elif isinstance(found, str):
            problems.add(i, f'{key!r} {found}' if key in row else found, fix)
            flat.append(at_fault)
        else:
            flat.append(found)
    try:
        table = np.array(flat, np.float64)
    except OverflowError:  # an integer above 1e308
        for i, numbers in enumerate(flat):
            try:
                np.array(numbers, np.float64)
            except OverflowError:
                large = max(numbers, key=abs)
                problems.add(i, f'{key!r} has the number {show(large)}', fix)
                flat[i] = at_fault
        table = np.array(flat, np.float64)
    table = table.reshape(len(rows), width)
    if finite:
        for i in rows_where(~np.isfinite(table).all(1)):
            if key in rows[i]:
                value = table[i][~np.isfinite(table[i])][0]
                problems.add(
                    i, f'{key!r} holds {value:g}' if shape else f'{key!r} is {value:g}', fix
                )
                table[i] = 0.0
    return table.reshape(len(rows), *shape)


def _flat(value: Any, shape: tuple[int, ...]) -> list[float] | str:
    """The numbers in nested lists, or in words what is wrong with them."""
    numbers = [value]
    for depth, size in enumerate(shape):
        for part in numbers:
            if type(part) is not list:
                return f'is {show(value)}, not a list' if not depth else f'holds {show(part)}'
            if len(part) != size:
                at = '' if not depth else ' in one of its parts'
                return (
                    f'has {len(part)} numbers{at}, not {size}'
                    if depth == len(shape) - 1
                    else (f'has {len(part)} parts, not {size}')
                )
        numbers = list(chain.from_iterable(numbers))
    if not set(map(type, numbers)) <= NUMBER_TYPES:
        wrong = next(i for i, n in enumerate(numbers) if type(n) not in NUMBER_TYPES)
        at = f' at place {wrong}' if shape else ''
        return f'is {show(numbers[wrong])}{at}, not a number'
    return numbers


def check_points(
    points: Array,
    joints: Sequence[str],
    problems: RowProblems,
    *,
    fix: str,
    matters: BoolArray | None = None,
) -> None:
    """Note rows with keypoints that are not finite, or farther out than any image.

    Args:
        points: (N, J, 2).
        joints: The J joints' names.
        problems: Where to note them.
        fix: What to do about it.
        matters: (N, J): only these are looked at.
    """
    with np.errstate(invalid='ignore'):
        bad: BoolArray = np.asarray(~(np.abs(points) <= FARTHEST).all(-1))
    if matters is not None:
        bad &= matters
    for row in rows_where(bad.any(1)):
        at = np.flatnonzero(bad[row])
        x, y = points[row, at[0]]
        finite = np.isfinite([x, y]).all()
        more = f', and {len(at) - 1} more joints' if len(at) > 1 else ''
        what = f'{joints[at[0]]} is at ({x:g}, {y:g}){more}'
        problems.add(row, what if not finite else f'{what}: farther than {FARTHEST:g} px', fix)


def check_finite(values: Array, what: str, problems: RowProblems, *, fix: str) -> None:
    """Note rows whose (N,) or (N, ...) values are NaN or infinite."""
    bad: BoolArray = ~np.isfinite(values.reshape(len(values), -1))
    for row in rows_where(bad.any(1)):
        value = values.reshape(len(values), -1)[row][bad[row]][0]
        problems.add(row, f'{what} is {value:g}', fix)


def check_unique(ids: IntArray, what: str, problems: RowProblems, *, fix: str) -> None:
    """Note rows whose id occurred before."""
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    earlier = first[inverse]
    for row in rows_where(earlier != np.arange(len(ids))):
        problems.add(row, f'{what} {ids[row]} is already in {problems.noun} {earlier[row]}', fix)


def real_array(
    arrays: Mapping[str, npt.NDArray[Any]], name: str, problems: RowProblems, *, kinds: str = 'fiu'
) -> npt.NDArray[Any] | None:
    """An array of real numbers (or of integers: ``kinds='iu'``), or None, with a note if wrong."""
    if name not in arrays:
        return None
    array = arrays[name]
    if array.dtype.kind not in kinds:
        wanted = 'integers' if kinds == 'iu' else 'real numbers'
        problems.add_file(f'{name!r} holds {array.dtype}', f'save {wanted}')
        return None
    if kinds == 'iu':
        if array.dtype.kind == 'u' and array.size and int(array.max()) >= 2**63:
            problems.add_file(f'{name!r} has {int(array.max())}, beyond 64 bits', 'use smaller ids')
            return None
        return array.astype(np.int64)
    with np.errstate(over='ignore'):  # long doubles become inf, which is noted
        return array.astype(np.float64)


def check_shape(
    array: npt.NDArray[Any] | None, name: str, shape: tuple[int, ...], problems: RowProblems
) -> bool:
    """Note an array of another shape; True where it is there and fits."""
    if array is None:
        return False
    if array.shape != shape:
        problems.add_file(f'{name!r} has shape {array.shape}', f'it must be {shape}')
        return False
    return True
