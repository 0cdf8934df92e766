"""Opens a file of persons as a stream; what it is, is told by its bytes."""

from __future__ import annotations

from typing import Any

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.files.content import (
    JSON_FIRST,
    JSON_SPACE,
    MAT,
    NOT_READ,
    UTF8_MARK,
    ZIP,
)
from hpemap_mm.persons.files.names import check_base
from hpemap_mm.persons.files.rows import show
from hpemap_mm.persons.files.streams.bytes import Meter, Span, open_binary, size_of
from hpemap_mm.persons.files.streams.json_rows import json_rows
from hpemap_mm.persons.files.streams.members import members
from hpemap_mm.persons.files.streams.source_coco import CocoSource, ResultsSource
from hpemap_mm.persons.files.streams.source_mpii import MpiiSource
from hpemap_mm.persons.files.streams.source_npz import NpzSource
from hpemap_mm.skeletons import Skeleton

AnySource = CocoSource | ResultsSource | MpiiSource | NpzSource

#: Persons that are read at a time; of json, whose rows are some hundred objects, fewer.
COUNT, JSON_COUNT = 4096, 1024
#: Bytes in which json must begin, and rows whose keys tell what a list is.
HEAD = 1 << 16
KINDS = 'COCO json, COCO results, MPII json or .npz'


def open_source(
    path: str,
    *,
    skeleton: Skeleton,
    base: int | None = None,
    count: int = COUNT,
    meter: Meter | None = None,
) -> AnySource:
    """Open a COCO json (annotations or results), an MPII json or an npz.

    Nothing but heads and tables is read; memory does not grow with the file.

    Args:
        path: The file; its suffix does not matter.
        skeleton: What its persons are in.
        base: Coordinate of the first pixel, 0 or 1; by default the kind's convention, in an npz
            its own ``base``.
        count: Persons of a batch.
        meter: What counts the bytes.

    Raises:
        DataError: It is not there, empty, damaged, or of another kind or skeleton.
        ValueError: ``base`` is neither 0 nor 1.
    """
    check_base(base)
    meter = meter or Meter()
    common: dict[str, Any] = {'skeleton': skeleton, 'count': count, 'meter': meter}
    with open_binary(path) as file:
        head = file.read(HEAD)
    for first, (what, fix) in NOT_READ.items():
        if head.startswith(first):
            raise DataError([Problem(path, what, fix)])
    if head.startswith(ZIP):
        return NpzSource(path, base=base, **common)
    if head.startswith(MAT):
        fix = 'save its keypoints with np.savez(path, keypoints=...)'
        raise DataError([Problem(path, 'is a MATLAB file', fix)])
    common['count'] = min(count, JSON_COUNT)
    mark = len(UTF8_MARK) if head.startswith(UTF8_MARK) else 0
    text = head[mark:].lstrip(JSON_SPACE)
    if not text:
        raise DataError([Problem(path, 'is empty', 'write it again')])
    if text[:1] not in (JSON_FIRST[:1], JSON_FIRST[1:]):
        what = f'is neither json nor npz: it begins with {head[:12]!r}'
        raise DataError([Problem(path, what, f'name a {KINDS}')])
    whole = Span(head.index(text[:1]), size_of(path))
    if text.startswith(b'{'):
        meter.total += len(whole)
        parts = members(path, whole, meter)
        _check_members(path, parts)
        meter.total += len(parts['annotations']) if 'annotations' in parts else 0
        return CocoSource(path, parts, base=0 if base is None else base, **common)
    kind = _kind_of_list(path, whole)
    meter.total += len(whole)
    convention = 1 if kind is MpiiSource else 0  # of the first pixel
    return kind(path, whole, base=convention if base is None else base, **common)


def _check_members(path: str, parts: dict[str, Span]) -> None:
    if not {'annotations', 'images'} & parts.keys():
        what = f'is an object of {show(list(parts))}, not of images and annotations'
        raise DataError([Problem(path, what, f'name a {KINDS}')])


def _kind_of_list(path: str, whole: Span) -> type[ResultsSource] | type[MpiiSource]:
    """By the first row, which is read as far as the head reaches."""
    rows = next(json_rows(path, whole, count=1), None)
    if rows is None:
        raise DataError([Problem(path, 'is an empty list', 'list the persons')])
    row = rows[0]
    keys = row.keys() if isinstance(row, dict) else set()
    if 'joints' in keys or 'joints_vis' in keys:
        return MpiiSource
    if 'keypoints' in keys or {'image_id', 'score'} <= keys:
        return ResultsSource
    what = f'is a list whose first row is {show(row)}'
    raise DataError([Problem(path, what, f'name a {KINDS}')])
