"""Parts of a file as streams of bytes, and how much of them was read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.files.content import similar

#: Bytes that are read at a time.
BLOCK = 1 << 16

Progress = Callable[[int, int], None]


class Meter:
    """Counts bytes, and tells how many there will be.

    Args:
        progress: Called with the bytes read so far and their total; may be None.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.done, self.total = 0, 0
        self._progress = progress

    def add(self, count: int) -> None:
        """Note bytes that were read."""
        self.done += count
        if self._progress is not None:
            self._progress(self.done, max(self.total, self.done))


@dataclass(frozen=True)
class Span:
    """A part of a file: the bytes from ``start`` up to, without, ``end``."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def blocks(path: str, span: Span, meter: Meter | None = None) -> Iterator[bytes]:
    """The bytes of a part of a file.

    Raises:
        DataError: The file ends before the part does: it was changed while it was read.
    """
    left = len(span)
    with open_binary(path) as file:
        file.seek(span.start)
        while left:
            block = file.read(min(left, BLOCK))
            if not block:
                fix = 'leave it alone until this has ended'
                raise DataError([Problem(path, 'became shorter while it was read', fix)])
            left -= len(block)
            if meter is not None:
                meter.add(len(block))
            yield block


def open_binary(path: str):  # type: ignore[no-untyped-def]  # an open file, as open() gives it
    """Open a file that somebody named.

    Raises:
        DataError: It is not there, is a folder, or cannot be read.
    """
    try:
        return open(path, 'rb')
    except FileNotFoundError:
        raise DataError([Problem(path, 'is not there', similar(Path(path)))]) from None
    except IsADirectoryError:
        raise DataError([Problem(path, 'is a folder', 'name a file in it')]) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        what = f'cannot be read ({error})'
        raise DataError([Problem(repr(path), what, 'check the name and the rights')]) from error


def size_of(path: str) -> int:
    """Bytes of a file."""
    with open_binary(path) as file:
        return os.fstat(file.fileno()).st_size
