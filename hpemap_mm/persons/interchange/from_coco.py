"""COCO's annotations as a dataset of any skeleton: COCO, MMPose's, those of completed datasets.

Dimensions: N persons of a batch, K joints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.files.content import JSON_SPACE, UTF8_MARK
from hpemap_mm.persons.files.joints import agreement, recognise
from hpemap_mm.persons.files.rows import RowProblems, is_text, rows_where, show, tables
from hpemap_mm.persons.files.streams.batch import Batch, BatchProblems
from hpemap_mm.persons.files.streams.bytes import Meter, Span, open_binary, size_of
from hpemap_mm.persons.files.streams.members import members, read_value
from hpemap_mm.persons.files.streams.source_coco import CocoSource
from hpemap_mm.persons.files.streams.sources import COUNT, HEAD, open_source
from hpemap_mm.persons.files.truth_coco import WHOLEBODY_PARTS
from hpemap_mm.persons.interchange.completed_fields import (
    names_of,
    ours,
    read_provenance,
    read_stds,
)
from hpemap_mm.persons.interchange.ledger import Ledger
from hpemap_mm.persons.interchange.people import Codes, People, Picture
from hpemap_mm.skeletons import Skeleton, get_skeleton, list_skeletons

#: A joint that a file has, without saying whether it can be seen.
OCCLUDED = 1


class CocoReader:
    """A COCO json, annotation by annotation; the table of images is kept in memory.

    Args:
        path: The file.
        skeleton: What it is annotated in; None where it says so itself.
        base: Coordinate of the first pixel.
        meter: What counts the bytes.
        count: Annotations of a batch.
        ledger: What could not be read.

    Raises:
        DataError: It is another kind of file, damaged, or of another skeleton.
    """

    kind = 'COCO json'

    def __init__(
        self,
        path: str,
        *,
        skeleton: Skeleton | None,
        base: int | None,
        meter: Meter,
        ledger: Ledger,
        count: int = COUNT,
    ) -> None:
        parts = _parts(path)
        self.info = read_value(path, parts['info']) if 'info' in parts else {}
        named = read_value(path, parts['categories']) if 'categories' in parts else []
        self.skeleton = _skeleton(path, skeleton, self.info, named)
        opened = open_source(path, skeleton=self.skeleton, base=base, count=count, meter=meter)
        if not isinstance(opened, CocoSource):
            what, fix = f'is {opened.kind}, not annotations in COCO json', 'say what it is (--from)'
            raise DataError([Problem(path, what, fix)])
        self.path, self.source, self.ledger = path, opened, ledger
        self.provenance_names = names_of(self.info)
        rows = [row for row in opened.categories if row['id'] == opened.person]
        self.category: Mapping[str, Any] | None = rows[0] if rows else None
        root = ours(self.info).get('image_root')
        self.image_root = Path(path).parent / str(root) if is_text(root) else None

    @cached_property
    def pictures(self) -> Mapping[int, Picture]:
        """All images, by id.

        Raises:
            DataError: Ids that are no different integers, names or sizes that are none.
        """
        problems = RowProblems(self.path, noun='image')
        found: dict[int, Picture] = {}
        for i, row in enumerate(self.source.images()):
            key, name = row['id'], row.get('file_name')
            size = (row.get('width'), row.get('height'))
            if key in found:
                what = f'id {key} is already that of {found[key].name!r}'
                problems.add(i, what, 'number the images with different integers')
            if not is_text(name) or not name:
                problems.add(i, f"'file_name' is {show(name)}", 'write its name')
            if size != (None, None) and not all(type(n) is int and n > 0 for n in size):
                what = f"'width' and 'height' are {show(size)}"
                problems.add(i, what, 'write px, or leave both out')
            found[key] = Picture(str(name), *size)
        problems.raise_if_any()
        return found

    def batches(self) -> Iterator[People]:
        """The annotations of persons; crowd regions are among them."""
        for batch in self.source.batches():
            others = int((~batch.persons).sum())
            self.ledger.lost(others, 'annotation', 'of other categories')
            if others < len(batch):
                yield self._people(batch)

    def _people(self, batch: Batch) -> People:
        rows = [batch.rows[i] for i in rows_where(batch.persons)]
        ids, image_ids = (batch.columns[key][batch.persons] for key in ('ids', 'image_ids'))
        problems = BatchProblems(
            self.path, batch.first, noun='annotation', rows=batch.rows, keys=('id', 'image_id')
        )
        for i, image in enumerate(batch.columns['image_ids'].tolist()):
            if batch.persons[i] and image not in self.pictures:
                what = f'image_id {image} is not among the images'
                problems.add(i, what, 'list the image too')
        fix = 'write x, y, w, h, or leave it out'
        boxes = tables(batch.rows, 'bbox', (4,), problems, fix=fix, optional=True)
        for i in rows_where((boxes[:, 2:] < 0).any(1) & batch.persons):
            problems.add(i, f"'bbox' is {show(batch.rows[i]['bbox'])}", fix)
        fix = 'write px^2, or leave it out'
        areas = tables(batch.rows, 'area', (), problems, fix=fix, optional=True)
        stds = read_stds(batch.rows, len(self.skeleton), problems)
        codes = read_provenance(batch.rows, len(self.skeleton), self.provenance_names, problems)
        problems.raise_if_any()
        crowd = batch.columns['crowd'][batch.persons]
        # boxes hold x and y, then sizes, which have no first pixel.
        boxes[:, :2] -= self.source.base
        return People(
            first=batch.first,
            ids=ids,
            image_ids=image_ids,
            keypoints=batch.keypoints[batch.persons] - self.source.base,
            visibility=self._visibility(rows, crowd),
            boxes=boxes[batch.persons],
            areas=areas[batch.persons],
            crowd=crowd,
            stds=None if stds is None else stds[batch.persons],
            provenance=None if codes is None else codes[batch.persons],
            rows=rows,
        )

    def _visibility(self, rows: Sequence[Mapping[str, Any]], crowd: Any) -> Codes:
        """(N, K) from rows whose keypoints the stream has checked."""
        joints = len(self.skeleton)
        flags = np.zeros((len(rows), joints))
        for i, row in enumerate(rows):
            if crowd[i]:
                continue
            numbers = row['keypoints']
            if len(numbers) < 3 * joints:  # WholeBody's own file has them in five lists
                numbers = list(chain.from_iterable(row[key] for key in WHOLEBODY_PARTS))
            elif len(numbers) > 3 * joints:
                told = f'of {len(numbers) // 3} joints: the first {joints} are read'
                self.ledger.note(1, 'person', told)
            flags[i] = numbers[2 : 3 * joints : 3]
        between = int((flags % 1 > 0).sum())
        self.ledger.note(between, 'joint', f'with a confidence: its visibility is {OCCLUDED} or 2')
        return np.ceil(flags).astype(np.uint8)


def _parts(path: str) -> dict[str, Span]:
    """Where the members of an object are; nothing where the file is none, which others tell."""
    with open_binary(path) as file:
        head = file.read(HEAD)
    text = head.removeprefix(UTF8_MARK).lstrip(JSON_SPACE)
    if not text.startswith(b'{'):
        return {}
    return members(path, Span(head.index(b'{'), size_of(path)))


def _skeleton(path: str, wanted: Skeleton | None, info: Any, categories: Any) -> Skeleton:
    """The skeleton that was named, if the file does not contradict; else the one it names."""
    names = _joint_names(categories)
    size = len(names) if wanted is None else len(wanted)
    found = recognise(names, size) if names else None
    if wanted is not None:
        if found is not None and agreement(names, found) > agreement(names, wanted):
            what = f'names the joints of {found.name!r}, not those of {wanted.name!r}'
            raise DataError([Problem(path, what, f'say --skeleton {found.name}')])
        return wanted
    named = ours(info).get('skeleton')
    if named is not None:
        try:
            return get_skeleton(named)
        except KeyError as error:
            fix = 'say --skeleton'
            raise DataError([Problem(path, f'is in {named!r}: {error.args[0]}', fix)]) from None
    if found is None:
        what = f'names the joints {show(names)}: no known skeleton' if names else 'names no joints'
        fix = f'say --skeleton, one of {", ".join(list_skeletons())}'
        raise DataError([Problem(path, what, fix)])
    return found


def _joint_names(categories: Any) -> list[Any]:
    """Joints of the category of persons, or of the only one."""
    listed = categories if isinstance(categories, list) else []
    rows = [row for row in listed if isinstance(row, dict)]
    persons = [row for row in rows if row.get('name') == 'person'] or rows
    names = persons[0].get('keypoints') if persons else None
    return names if isinstance(names, list) else []
