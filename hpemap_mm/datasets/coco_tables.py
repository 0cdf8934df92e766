"""COCO's tables of images and annotations: rows whose ids, names and sizes a reader can use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hpemap_mm.errors import ProblemList, some

Row = Mapping[str, Any]

#: Ids, and numbers of pixels, are kept in 64 bits.
LARGEST = 2**63


def sound_rows(
    content: Mapping[str, Any], where: str, problems: ProblemList
) -> tuple[list[Row], list[Row]]:
    """Images and annotations whose ids can be used; notes the others, and other faults of images.

    Args:
        content: The parsed json, with both tables.
        where: The file, for messages.
        problems: Collects what is wrong.
    """
    images = _with_ids(content['images'], 'images', ('id',), where, problems)
    annotations = _with_ids(
        content['annotations'], 'annotations', ('id', 'image_id'), where, problems
    )
    for key, is_right, fix in (
        ('file_name', _is_name, "write the image's name"),
        ('width', _is_size, 'write px'),
        ('height', _is_size, 'write px'),
    ):
        lacking = [image['id'] for image in images if key not in image]
        if lacking:
            problems.add(where, f'images {some(lacking)} have no {key!r}', 'add it')
        wrong = [image for image in images if key in image and not is_right(image[key])]
        if wrong:
            shown = some(f'{image["id"]} ({image[key]!r})' for image in wrong)
            problems.add(where, f'images have a {key!r} that is none: {shown}', fix)
    return images, annotations


def _with_ids(
    table: Any, noun: str, keys: Sequence[str], where: str, problems: ProblemList
) -> list[Row]:
    if not isinstance(table, list):
        problems.add(where, f'{noun!r} is a {type(table).__name__}', 'write a list of rows')
        return []
    found = dict(enumerate(table))
    _drop(found, lambda row: isinstance(row, Mapping), noun, 'are no objects', where, problems)
    for key in keys:
        right = _has_id(key)
        _drop(found, right, noun, f'have an {key!r} that is no integer', where, problems, key)
    return list(found.values())


def _drop(
    rows: dict[int, Any],
    is_right: Callable[[Any], bool],
    noun: str,
    what: str,
    where: str,
    problems: ProblemList,
    key: str | None = None,
) -> None:
    """Take out rows that are not right, and note them by their place, with what they have."""
    wrong = {i: row for i, row in rows.items() if not is_right(row)}
    if wrong:
        values = {i: row if key is None else row.get(key) for i, row in wrong.items()}
        shown = some(f'row {i} ({_short(value)})' for i, value in values.items())
        problems.add(where, f'{noun} {what}: {shown}', 'number them with integers of 64 bits')
    for i in wrong:
        del rows[i]


def _has_id(key: str) -> Callable[[Row], bool]:
    return lambda row: _is_id(row.get(key))


def _is_id(value: Any) -> bool:
    whole = type(value) is int or (type(value) is float and value.is_integer())
    return whole and -LARGEST <= value < LARGEST


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ''


def _is_size(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < LARGEST


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f'{text[:37]}...'
