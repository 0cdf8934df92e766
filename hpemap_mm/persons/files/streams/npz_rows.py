"""Arrays of an ``.npz`` of any length, some rows at a time; pickled objects are never loaded."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.persons.files.archives import foreign
from hpemap_mm.persons.files.streams.bytes import Meter

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
INCOMPLETE = 'the file is incomplete: write it again'


@dataclass(frozen=True)
class Header:
    """What an array's header says.

    Attributes:
        shape: Of the array, rows first.
        dtype: Of its numbers.
        offset: Bytes of the header itself.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize


class NpzFile:
    """The arrays of an archive: their headers at once, their rows on demand.

    Args:
        path: The file.
        meter: What counts the bytes of the rows.

    Attributes:
        names: Of all that it holds.

    Raises:
        DataError: The archive is damaged, empty, or holds an array twice.
    """

    def __init__(self, path: str, meter: Meter | None = None) -> None:
        self.path = path
        self._meter = meter
        with foreign(path, 'is a damaged npz file (a zip archive)'):
            self._archive = zipfile.ZipFile(path)
        members = self._archive.namelist()
        self.names = tuple(member.removesuffix('.npy') for member in members)
        problems = ProblemList()
        for name in sorted({name for name in self.names if self.names.count(name) > 1}):
            what = f'holds {name!r} {self.names.count(name)} times'
            problems.add(path, what, 'write each array once')
        if not members:
            problems.add(path, 'is an npz file without arrays', 'write it again')
        if len(problems):
            self.close()
        problems.raise_if_any()

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def where(self, name: str) -> str:
        """An array, for messages."""
        return f'{self.path}: array {name!r}'

    def header(self, name: str) -> Header:
        """What is said of an array.

        Raises:
            DataError: It is damaged, pickled, cut off, or stored column by column.
        """
        where = self.where(name)
        with foreign(where, 'is damaged'):
            info = self._archive.getinfo(f'{name}.npy')
            with self._archive.open(info) as file:
                header, by_columns = _read_header(where, file)
        needed = math.prod(header.shape) * header.dtype.itemsize
        found = info.file_size - header.offset
        if found != needed:
            what = f'has {found} bytes of data; shape {header.shape} of {header.dtype} needs'
            raise _error(where, f'{what} {needed}', INCOMPLETE)
        if by_columns and sum(size > 1 for size in header.shape) > 1:
            what = 'is stored column by column (Fortran order)'
            raise _error(where, what, 'save np.ascontiguousarray(array)')
        return header

    def whole(self, name: str) -> npt.NDArray[Any]:
        """A short array."""
        header = self.header(name)
        rows = self.rows(name)
        size = header.shape[0] if header.shape else 1
        return rows.read(size).reshape(header.shape)

    def rows(self, name: str) -> Rows:
        """The rows of an array, to be read in order."""
        return Rows(self._archive, self.where(name), name, self.header(name), self._meter)


class Rows:
    """Reads an array in order."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        where: str,
        name: str,
        header: Header,
        meter: Meter | None = None,
    ) -> None:
        self.header = header
        self._where = where
        self._meter = meter
        self._left = header.shape[0] if header.shape else 1
        with foreign(where, 'is damaged'):
            self._file = archive.open(f'{name}.npy')
            self._file.read(header.offset)

    def read(self, count: int) -> npt.NDArray[Any]:
        """The next rows: ``count``, or as many as are left.

        Raises:
            DataError: The data are damaged; checksums are compared when the last row is read.
        """
        count = min(count, self._left)
        self._left -= count
        width = self.header.row_bytes if self.header.shape else self.header.dtype.itemsize
        with foreign(self._where, 'is damaged'):
            data = self._file.read(count * width)
            if not self._left:
                self._file.read(1)  # zipfile compares the checksum at the end
                self._file.close()
        if len(data) != count * width:
            raise _error(self._where, f'has {len(data)} bytes of {count * width}', INCOMPLETE)
        if self._meter is not None:
            self._meter.add(len(data))
        if not width:
            return np.zeros((count, *self.header.shape[1:]), self.header.dtype)
        return np.frombuffer(data, self.header.dtype).reshape(-1, *self.header.shape[1:])


def data_bytes(headers: Sequence[Header]) -> int:
    """Bytes of all rows of some arrays."""
    return sum(math.prod(header.shape) * header.dtype.itemsize for header in headers)


def _read_header(where: str, file: IO[bytes]) -> tuple[Header, bool]:
    version = npy.read_magic(file)
    if version not in HEADERS:
        raise _error(where, f'has npy version {version}', 'save plain numbers with np.savez')
    shape, by_columns, dtype = HEADERS[version](file)
    if dtype.hasobject:
        what = f'holds pickled Python objects (dtype {dtype})'
        raise _error(where, what, 'save plain numbers: rows of one length, no None')
    if min(shape, default=0) < 0 or not all(type(size) is int for size in shape):
        raise _error(where, f'has shape {shape}', 'write the file again')
    return Header(shape, dtype, file.tell()), by_columns


def _error(where: str, what: str, fix: str) -> DataError:
    return DataError([Problem(where, what, fix)])
