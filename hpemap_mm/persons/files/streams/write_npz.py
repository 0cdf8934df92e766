"""A stream of persons into an npz.

Each array grows in a file of its own; at the end they are packed, so that memory stays flat. The
disk holds the arrays twice for a moment, each only while it is packed.

Dimensions: N persons, D joints of the target.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from hpemap_mm.persons.files.streams.answers import REGIONS, Answer, answered
from hpemap_mm.persons.files.streams.batch import Batch
from hpemap_mm.skeletons import Skeleton

COPIED_AT_ONCE = 1 << 20


class NpzWriter:
    """Writes ``keypoints`` (N, D, 2), ``sigmas``, ``origins`` and more.

    In the input's base and precision; ``answered`` (N, D) says where there is an answer, the
    others are NaN. ``radius_50``, ``radius_80`` and ``radius_95`` (N, D) px where the translator
    was calibrated; ``joints``, ``skeleton``, ``origin_names``; what the input said of its persons
    (``ids``, ``image_ids``, ``scores``, ...), and its ``base`` where known.

    Args:
        partial: Path of the file.
        out: Its name in the end, for the folder that holds the arrays meanwhile.
        skeleton: The target.
        origin_names: Names of the codes in ``origins``.
        base: Coordinate of the first pixel.
    """

    kind = 'npz'

    def __init__(
        self,
        partial: Path,
        *,
        out: Path,
        skeleton: Skeleton,
        origin_names: Sequence[str],
        base: int | None,
    ) -> None:
        self._partial = partial
        self._folder = TemporaryDirectory(dir=out.parent, prefix=f'.{out.stem}.', suffix='.parts')
        self._columns: dict[str, Column] = {}
        self._small: dict[str, npt.NDArray[Any]] = {
            'origin_names': np.array(origin_names),
            'joints': np.array(skeleton.joints),
            'skeleton': np.array(skeleton.name),
        }
        if base is not None:
            self._small['base'] = np.array(base, np.int64)

    def add(self, batch: Batch, answer: Answer) -> None:
        """Write a batch; rows that are no persons are left out."""
        arrays: dict[str, npt.NDArray[Any]] = {
            'keypoints': np.asarray(answer.keypoints),
            'answered': answered(answer),
            'sigmas': np.asarray(answer.sigmas, np.float32),
            'origins': np.asarray(answer.origins, np.uint8),
        }
        if answer.radii is not None:
            for share in REGIONS:
                name = f'radius_{round(100 * share)}'
                arrays[name] = np.asarray(answer.radius(share), np.float32)
        for name, array in {**arrays, **batch.columns}.items():
            self._column(name).write(array[batch.persons])

    def finish(self) -> None:
        """Pack the arrays."""
        with zipfile.ZipFile(self._partial, 'w', zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, column in self._columns.items():
                with archive.open(f'{name}.npy', 'w', force_zip64=True) as member:
                    column.move_to(member)
            for name, array in self._small.items():
                with archive.open(f'{name}.npy', 'w') as member:
                    npy.write_array(member, np.asarray(array), allow_pickle=False)

    def close(self) -> None:
        """Remove the arrays' own files."""
        for column in self._columns.values():
            column.close()
        self._folder.cleanup()

    def _column(self, name: str) -> Column:
        if name not in self._columns:
            self._columns[name] = Column(Path(self._folder.name) / name)
        return self._columns[name]


class Column:
    """One array, row by row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open('w+b')
        self._rows = 0
        self._like: npt.NDArray[Any] | None = None

    def write(self, rows: npt.NDArray[Any]) -> None:
        """Add rows."""
        if self._like is None:
            self._like = rows[:0].copy()
        like = self._like
        assert rows.shape[1:] == like.shape[1:] and rows.dtype == like.dtype, 'one kind of rows'
        self._file.write(np.ascontiguousarray(rows).data if rows.size else b'')
        self._rows += len(rows)

    def move_to(self, member: IO[bytes]) -> None:
        """Write the array as ``.npy``, and remove the file."""
        assert self._like is not None, 'a column is made when it is written to'
        header: dict[str, Any] = {
            'shape': (self._rows, *self._like.shape[1:]),
            'fortran_order': False,
            'descr': npy.dtype_to_descr(self._like.dtype),
        }
        npy.write_array_header_1_0(member, header)
        self._file.seek(0)
        shutil.copyfileobj(self._file, member, COPIED_AT_ONCE)
        self.close()
        self._path.unlink()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
