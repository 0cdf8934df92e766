"""What files are recognised by, kept from one run to the next."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import imagehash
import numpy as np

from hpemap_mm.completion.duplicates import hashing, pictures
from hpemap_mm.completion.duplicates.hashing import BYTES, VIEWS, Print
from hpemap_mm.errors import DataError, Problem

#: What a hash depends on; with other values the cache begins anew.
VERSION = ' '.join(
    str(part)
    for part in (
        'v1 imagehash',
        imagehash.__version__,
        *VIEWS,
        hashing.MARGIN,
        hashing.SIDE,
        hashing.LOW_SIDE,
        pictures.SHORT_SIDE,
        pictures.LEAST_SIDE,
        pictures.LEAST_CONTRAST,
    )
)
#: Path, size and time of change: a file that has them is the file that was hashed.
Key = tuple[bytes, int, int]


def key_of(path: str) -> Key | None:
    """What a file is known by; None where there is no such file."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return os.fsencode(os.path.abspath(path)), facts.st_size, facts.st_mtime_ns


class PrintCache:
    """A file of prints by path, size and time of change; written as one goes along.

    Args:
        path: The SQLite file; its folder is made.

    Raises:
        DataError: If there is another file of that name.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        try:
            self._base = sqlite3.connect(path)
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise self._error(error) from error

    def _prepare(self) -> None:
        run = self._base.execute
        run('CREATE TABLE IF NOT EXISTS made_with (version TEXT)')
        if run('SELECT version FROM made_with').fetchall() != [(VERSION,)]:
            run('DROP TABLE IF EXISTS prints')
            run('DELETE FROM made_with')
            run('INSERT INTO made_with VALUES (?)', (VERSION,))
        run(
            'CREATE TABLE IF NOT EXISTS prints (path BLOB PRIMARY KEY, size INTEGER, '
            'changed INTEGER, digest BLOB, bits BLOB, remark TEXT)'
        )
        self._base.commit()

    def known(self) -> dict[Key, Print]:
        """Everything in it."""
        shape = (len(VIEWS), BYTES)
        try:
            rows = self._base.execute('SELECT * FROM prints').fetchall()
            return {
                (path, size, changed): Print(
                    digest,
                    None if bits is None else np.frombuffer(bits, np.uint8).reshape(shape),
                    remark,
                )
                for path, size, changed, digest, bits, remark in rows
            }
        except (sqlite3.DatabaseError, ValueError) as error:
            raise self._error(error) from error

    def add(self, prints: Iterable[tuple[Key, Print]]) -> None:
        """Write some, for good; what cannot be read is looked at again another time."""
        rows = [
            (
                *key,
                made.digest,
                None if made.bits_VB is None else made.bits_VB.tobytes(),
                made.remark,
            )
            for key, made in prints
            if made.readable
        ]
        self._base.executemany('INSERT OR REPLACE INTO prints VALUES (?, ?, ?, ?, ?, ?)', rows)
        self._base.commit()

    def _error(self, error: Exception) -> DataError:
        what = f'is no cache of hashes: {error}'
        return DataError([Problem(str(self._path), what, 'delete it, and run again')])

    def __enter__(self) -> PrintCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._base.close()
