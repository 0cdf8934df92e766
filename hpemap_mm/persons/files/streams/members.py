"""Where the values of a json object lie in its file, without reading them.

COCO's json is one object of a few long lists. To stream one list one must know where it is; the
lists come in any order. Only quotes, backslashes and brackets are looked at: whether a value is
good json is for those to say who read it.
"""

from __future__ import annotations

import json
import re

import numpy as np

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.files.streams.bytes import Meter, Span, blocks

#: Keys of an object before it is no dataset's.
MOST = 1000
ESCAPED = re.compile(rb'\\.', re.DOTALL)
SPACE = b' \t\r\n'
#: Setting this bit turns [ into {, and ] into }.
BRACKET_BIT = 0x20
OPEN, CLOSE, QUOTE, COMMA, COLON = b'{}",:'


def members(path: str, whole: Span, meter: Meter | None = None) -> dict[str, Span]:
    """Keys of the object in a part of a file, and where their values are, in the file's order.

    Args:
        path: The file.
        whole: Where the object is; nothing but white space may stand around it.
        meter: What counts the bytes.

    Raises:
        DataError: The file ends too early, or is no json object of different keys.
    """
    marks = _marks(path, whole, meter)
    found: dict[str, Span] = {}
    if len(marks) == 2:  # {}
        return found
    for (start, opening), (colon, sign), (end, closing) in zip(
        marks[0:-1:2], marks[1::2], marks[2::2], strict=True
    ):
        if opening not in b'{,' or sign != COLON or closing not in b',}':
            raise _no_json(path, colon)
        key = _key(path, Span(start + 1, colon))
        if key in found:
            raise DataError([Problem(path, f'has {key!r} more than once', 'write each key once')])
        found[key] = _trimmed(path, Span(colon + 1, end))
    return found


def read_value(path: str, span: Span) -> object:
    """A short value.

    Raises:
        DataError: It is not json; NaN and infinities are not.
    """
    try:
        return json.loads(b''.join(blocks(path, span)), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        what = f'is not json from byte {span.start} to {span.end} ({error})'
        raise DataError([Problem(path, what, 'correct it')]) from None


def _marks(path: str, whole: Span, meter: Meter | None) -> list[tuple[int, int]]:
    """Places of the brackets, colons and commas of the outermost object, with their bytes."""
    marks: list[tuple[int, int]] = []
    depth = quotes = 0
    position, held = whole.start, b''
    for block in blocks(path, whole, meter):
        text = held + block
        clean = ESCAPED.sub(b'xx', text) if b'\\' in text else text
        # A backslash at the end belongs to the first byte of the next block.
        held = text[-1:] if clean.endswith(b'\\') else b''
        codes = np.frombuffer(clean, np.uint8)[: len(text) - len(held)]
        if not len(codes):
            continue
        inside = (np.cumsum(codes == QUOTE, dtype=np.uint8) + quotes) & 1
        plain = np.where(inside, np.uint8(0), codes)
        opens, closes = plain | BRACKET_BIT == OPEN, plain | BRACKET_BIT == CLOSE
        depths = np.cumsum(opens.astype(np.int32) - closes) + depth
        outer = (depths == 1) & ((plain == COMMA) | (plain == COLON))
        outer |= (opens & (depths == 1)) | (closes & (depths == 0))
        # After its end there is only white space, and no bracket closes what is not open.
        rest = np.flatnonzero((depths <= 0) & ~(closes & (depths == 0)))
        rest = rest[~np.isin(codes[rest], list(SPACE))]
        if len(rest):
            raise _no_json(path, position + int(rest[0]))
        marks += [(position + int(at), int(plain[at])) for at in np.flatnonzero(outer)]
        if len(marks) > 2 * MOST:
            what = f'is an object of more than {MOST} keys'
            raise DataError([Problem(path, what, "write COCO's images and annotations")])
        depth, quotes = int(depths[-1]), int(inside[-1])
        position += len(codes)
    if depth or quotes or held:
        raise _too_early(path, whole, marks, quotes)
    if [code for _, code in marks].count(CLOSE) != 1 or len(marks) % 2 == 0 and len(marks) > 2:
        raise _no_json(path, marks[-1][0] if marks else whole.start)
    return marks


def _key(path: str, span: Span) -> str:
    try:
        key = json.loads(b''.join(blocks(path, span)))
    except ValueError:
        key = None
    if not isinstance(key, str):
        raise _no_json(path, span.start)
    return key


def _trimmed(path: str, span: Span) -> Span:
    """Without white space around it."""
    start, end = span.start, span.end
    for block in blocks(path, span):
        start += len(block) - len(block.lstrip(SPACE))
        if block.strip(SPACE):
            break
    while end > start:
        step = max(start, end - 64)
        tail = b''.join(blocks(path, Span(step, end)))
        kept = tail.rstrip(SPACE)
        end -= len(tail) - len(kept)
        if kept:
            break
    if start == end:
        raise _no_json(path, span.start)
    return Span(start, end)


def _too_early(path: str, whole: Span, marks: list[tuple[int, int]], quotes: int) -> DataError:
    at = f' in {"a text" if quotes else "a list or an object"}'
    if marks and marks[-1][1] == COLON and len(marks) > 1:
        at = f' in {_key(path, Span(marks[-2][0] + 1, marks[-1][0]))!r}'
    what = f'ends too early, at byte {whole.end}{at}'
    return DataError([Problem(path, what, 'it is incomplete: write or copy it again')])


def _no_json(path: str, position: int) -> DataError:
    return DataError([Problem(path, f'is not json at byte {position}', 'correct it')])


def _refuse(constant: str) -> None:
    raise ValueError(f'{constant} is no json')
