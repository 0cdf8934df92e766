"""Rows of a json list of any length, some at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import ijson

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.files.streams.bytes import BLOCK, Meter, Span, blocks

#: Bytes at the end of a file in which its last bracket is looked for.
TAIL = 256


def json_rows(
    path: str, span: Span, *, count: int, noun: str = 'row', meter: Meter | None = None
) -> Iterator[list[Any]]:
    """The elements of the list in a part of a file, ``count`` at a time.

    Numbers are int or float; of a key that an object repeats, the last counts. Memory is that of
    ``count`` elements.

    Raises:
        DataError: The part is no list, or is not json; with the number of the row.
    """
    first = next(blocks(path, Span(span.start, min(span.end, span.start + 1))), b'')
    if first != b'[':
        what = f'has no list of {noun}s at byte {span.start}'
        raise DataError([Problem(path, what, 'write a list [...]')])
    reader = _Reader(blocks(path, span, meter))
    rows: list[Any] = []
    given = 0
    try:
        # Its generators are three times as fast as its coroutines. No map_type of our own: it
        # would run Python inside the parser, which loses exceptions there, Ctrl-C among them.
        for row in ijson.items(reader, 'item', use_float=True, buf_size=BLOCK):
            rows.append(row)
            if len(rows) == count:
                yield rows
                given += count
                rows = []
    except ijson.JSONError as error:
        at = span.start + reader.done
        raise _damaged(path, noun, given + len(rows), at, span, str(error)) from None
    if rows:
        yield rows


class _Reader:
    """Blocks as a file that can be read."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self.done = 0

    def read(self, size: int = -1) -> bytes:
        """The next block, and at the end nothing; ijson asks for 0 bytes to see what it gets."""
        block = next(self._parts, b'') if size else b''
        self.done += len(block)
        return block


def copy_value(
    path: str, span: Span, write: Any, *, noun: str = 'value', meter: Meter | None = None
) -> None:
    """Write a value byte by byte as it is, once it has been read as json.

    Raises:
        DataError: It is not json.
    """

    def parts() -> Iterator[bytes]:
        for block in blocks(path, span, meter):
            yield block
            # Asked for the next one, the parser is through with this.
            write(block)

    reader = _Reader(parts())
    try:
        deque(ijson.basic_parse(reader, use_float=True, buf_size=BLOCK), maxlen=0)
    except ijson.JSONError as error:
        at = span.start + reader.done
        raise _damaged(path, noun, None, at, span, str(error)) from None


def _damaged(
    path: str, noun: str, row: int | None, read: int, span: Span, message: str
) -> DataError:
    """What the parser says, in one line: its message, and the text around the place."""
    where = path if row is None else f'{path}: {noun} {row}'
    lines = message.removeprefix("b'").replace('\\n', '\n').splitlines()
    what = lines[0].split(':', 1)[-1].strip()
    last = b''.join(blocks(path, Span(max(span.start, span.end - TAIL), span.end))).rstrip()
    # A number that is cut off is malformed, not premature.
    open_ended = read == span.end and last[-1:] not in (b']', b'}')
    if 'premature EOF' in message or (open_ended and 'trailing' not in message):
        fix = 'it is incomplete: write or copy it again'
        return DataError([Problem(where, f'ends too early, at byte {read}', fix)])
    near = lines[1].strip()[:80] if len(lines) > 1 else ''
    what = f'is not json after byte {read}: {what}' + (f', near {near!r}' if near else '')
    fix = 'write numbers that are finite' if _not_finite(near) else 'correct it'
    return DataError([Problem(where, what, fix)])


def _not_finite(text: str) -> bool:
    return any(word in text for word in ('NaN', 'Infinity', 'nan', 'inf'))
