"""A long COCO json in several short ones, so that MMPose's readers need not hold all of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files.streams.bytes import Span, size_of
from hpemap_mm.persons.files.streams.json_rows import json_rows
from hpemap_mm.persons.files.streams.members import members, read_value

#: Annotations of a part, but for those of its last image.
PER_PART = 5000
#: Rows that are in memory at once.
_ROWS = 4096

IntArray = npt.NDArray[np.int64]


def split_coco(path: str, folder: Path, *, per_part: int = PER_PART) -> Iterator[Path]:
    """The parts of a COCO json, one after the other; each is removed when the next is asked for.

    A part has some of the images, in the file's order, all of their annotations, and the
    categories; info and licences are left out. Read one after the other, they are as the whole.

    Args:
        path: The file.
        folder: For the parts; made, and removed at the end.
        per_part: Annotations of a part.

    Raises:
        OddFileError: The file is not quite what it should be; its own reader will know what to say.
    """
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir(parents=True)
    try:
        spans = _spans(path)
        images_A = _image_ids(path, spans['annotations'])
        ids_I, parts_I = _split_images(path, spans['images'], images_A, folder, per_part)
        _split_annotations(path, spans['annotations'], ids_I, parts_I, folder)
        categories = read_value(path, spans['categories']) if 'categories' in spans else []
        for number in np.unique(parts_I).tolist():
            part = _assembled(folder, number, categories)
            yield part
            part.unlink()
    except DataError as error:
        raise OddFileError(str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class OddFileError(ValueError):
    """A file that cannot be split."""


def _spans(path: str) -> Mapping[str, Span]:
    with open(path, 'rb') as file:
        head = file.read(64)
    start = len(head) - len(head.lstrip())
    if head[start : start + 1] != b'{':
        raise OddFileError('it is no object')
    spans = members(path, Span(start, size_of(path)))
    if not {'images', 'annotations'} <= spans.keys():
        raise OddFileError('it has no images and annotations')
    return spans


def _image_ids(path: str, span: Span) -> IntArray:
    """(A,) id of every annotation's image."""
    found = [np.zeros(0, np.int64)]
    own = [np.zeros(0, np.int64)]
    for rows in json_rows(path, span, count=_ROWS):
        found.append(_integers(rows, 'image_id'))
        own.append(_integers(rows, 'id'))
    ids = np.concatenate(own)
    if len(np.unique(ids)) < len(ids):
        raise OddFileError('annotations share an id')
    return np.concatenate(found)


def _split_images(
    path: str, span: Span, images_A: IntArray, folder: Path, per_part: int
) -> tuple[IntArray, IntArray]:
    """Write the images of every part; ids, ascending, and the part of each."""
    known, counts = np.unique(images_A, return_counts=True)
    ids, parts, before = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for rows in json_rows(path, span, count=_ROWS, noun='image'):
        own = _integers(rows, 'id')
        place = np.minimum(np.searchsorted(known, own), max(len(known) - 1, 0))
        there = known[place] == own if len(known) else np.zeros(len(own), bool)
        upto = before + np.cumsum(np.where(there, counts[place] if len(known) else 0, 0))
        part = np.maximum(upto - 1, 0) // per_part
        before = int(upto[-1])
        _append(folder, 'images', rows, part)
        ids.append(own)
        parts.append(part)
    all_ids, all_parts = np.concatenate(ids), np.concatenate(parts)
    order = np.argsort(all_ids, kind='stable')
    all_ids = all_ids[order]
    if len(np.unique(all_ids)) < len(all_ids):
        raise OddFileError('images share an id')
    if not np.isin(known, all_ids).all():
        raise OddFileError('annotations have no image')
    return all_ids, all_parts[order]


def _split_annotations(
    path: str, span: Span, ids_I: IntArray, parts_I: IntArray, folder: Path
) -> None:
    for rows in json_rows(path, span, count=_ROWS):
        place = np.searchsorted(ids_I, _integers(rows, 'image_id'))
        _append(folder, 'annotations', rows, parts_I[place])


def _append(folder: Path, kind: str, rows: Sequence[Mapping[str, Any]], parts: IntArray) -> None:
    """Add rows to the files of their parts."""
    for part in np.unique(parts).tolist():
        with (folder / f'{kind}_{part}').open('a', encoding='utf-8') as file:
            for place in np.flatnonzero(parts == part).tolist():
                file.write(f'{json.dumps(rows[place])},\n')


def _assembled(folder: Path, number: int, categories: object) -> Path:
    path = folder / f'{number}.json'
    with path.open('w', encoding='utf-8') as target:
        target.write('{')
        for kind in ('images', 'annotations'):
            source = folder / f'{kind}_{number}'
            target.write(f'"{kind}": [')
            if source.exists():
                text = source.read_text(encoding='utf-8')
                target.write(text.rstrip().removesuffix(','))
                source.unlink()
            target.write('],\n')
        target.write(f'"categories": {json.dumps(categories)}}}')
    return path


def _integers(rows: Sequence[Any], key: str) -> IntArray:
    values = [row.get(key) if isinstance(row, Mapping) else None for row in rows]
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        raise OddFileError(f'some rows have no whole number as {key!r}')
    return np.array(values, np.int64)
