"""COCO's jsons as streams: annotations, and results.

Dimensions: N persons of a batch, K joints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.arrays import Array, BoolArray, IntArray
from hpemap_mm.persons.files.joints import agreement, describe_count, recognise
from hpemap_mm.persons.files.predictions_coco import PERSON_KEYS
from hpemap_mm.persons.files.rows import (
    RowProblems,
    check_finite,
    check_points,
    integers,
    is_text,
    rows_where,
    show,
    tables,
)
from hpemap_mm.persons.files.streams.batch import Batch, BatchProblems, masked
from hpemap_mm.persons.files.streams.bytes import Meter, Span
from hpemap_mm.persons.files.streams.json_rows import json_rows
from hpemap_mm.persons.files.streams.members import read_value
from hpemap_mm.persons.files.truth_coco import HALPE_JOINTS, WHOLEBODY_PARTS
from hpemap_mm.skeletons import Skeleton, get_skeleton

CORRECT = 'correct the annotation'


class CocoSource:
    """COCO's annotations: an object of images, annotations and categories, in any order.

    Args:
        path: The file.
        parts: Where its members are.
        skeleton: What it is annotated in.
        base: Coordinate of the first pixel.
        count: Annotations of a batch.
        meter: What counts the bytes.

    Attributes:
        categories: As in the file; empty where it has none.
        person: Id of the persons' category; None where the file has no categories.

    Raises:
        DataError: It has no annotations, or its category names another skeleton's joints.
    """

    kind = 'COCO json'

    def __init__(
        self,
        path: str,
        parts: Mapping[str, Span],
        *,
        skeleton: Skeleton,
        base: int,
        count: int,
        meter: Meter,
    ) -> None:
        self.path, self.parts, self.skeleton, self.base = path, parts, skeleton, base
        self.count, self.meter = count, meter
        self.notes: list[str] = []
        if 'annotations' not in parts:
            raise DataError([Problem(path, "has no 'annotations'", 'list the annotated persons')])
        self.categories = self._read_categories()
        self.person = self._person()
        self._check_names()

    def close(self) -> None:
        """Nothing is open between batches."""

    def images(self) -> Iterator[dict[str, Any]]:
        """The rows of the table of images.

        Raises:
            DataError: There is none, or an image has no id.
        """
        if 'images' not in self.parts:
            fix = 'list the annotated images, each with an id'
            raise DataError([Problem(self.path, "has no 'images'", fix)])
        first = 0
        for rows in json_rows(self.path, self.parts['images'], count=self.count, noun='image'):
            problems = BatchProblems(self.path, first, noun='image', rows=rows)
            check_rows(rows, problems)
            integers(rows, 'id', problems, fix='number the images with different integers')
            problems.raise_if_any()
            yield from rows
            first += len(rows)

    def image_names(self) -> dict[int, str]:
        """File names by image id."""
        names = {}
        for number, row in enumerate(self.images()):
            if not is_text(row.get('file_name')) or not row['file_name']:
                problems = RowProblems(self.path, noun='image', tag=lambda i: '')
                what = f"'file_name' is {show(row.get('file_name'))}"
                problems.add(number, what, "write its name: MPII's format needs it")
                problems.raise_if_any()
            names[row['id']] = row['file_name']
        return names

    def batches(self) -> Iterator[Batch]:
        """All annotations."""
        first = others = 0
        for rows in json_rows(
            self.path,
            self.parts['annotations'],
            count=self.count,
            noun='annotation',
            meter=self.meter,
        ):
            batch = self._batch(first, rows)
            others += int((~batch.persons).sum())
            yield batch
            first += len(rows)
        if not first:
            raise DataError([Problem(self.path, "'annotations' is empty", 'list the persons')])
        if others:
            self.notes.append(f'{others} annotations of other categories are not translated')

    def _batch(self, first: int, rows: list[Any]) -> Batch:
        problems = BatchProblems(
            self.path, first, noun='annotation', rows=rows, keys=('id', 'image_id')
        )
        check_rows(rows, problems)
        ids = integers(rows, 'id', problems, fix='number the annotations with different integers')
        image_ids = integers(rows, 'image_id', problems, fix="write the id of the person's image")
        persons = self._persons(rows, problems)
        crowd = _crowd(rows, problems)
        asked = np.flatnonzero(persons & ~crowd)
        points = np.full((len(rows), len(self.skeleton), 2), np.nan)
        # Rows at fault are told with their place among the annotations, hence the detour.
        table = _joined([rows[i] for i in asked], self.skeleton)
        found = self._keypoints(table, problems, asked)
        points[asked] = found
        problems.raise_if_any()
        columns = {'ids': ids, 'image_ids': image_ids, 'crowd': crowd}
        return Batch(
            first=first, keypoints=points, scores=None, persons=persons, rows=rows, columns=columns
        )

    def _keypoints(
        self, rows: Sequence[Mapping[str, Any]], problems: RowProblems, places: IntArray
    ) -> Array:
        """(N, K, 2), NaN where not annotated."""
        own = Places(problems, places)
        width = row_width(rows, self.skeleton)
        table = joint_tables(rows, self.skeleton, own, width=width, third='visibility')
        table = table[:, : len(self.skeleton)]
        flags = table[..., 2]
        wrong: BoolArray = ~((flags >= 0) & (flags <= 2))
        for i in rows_where(wrong.any(1)):
            k = int(np.flatnonzero(wrong[i])[0])
            what = f'visibility of {self.skeleton.joints[k]} is {flags[i, k]:g}'
            own.add(i, what, '0 is not annotated, 1 occluded, 2 visible')
        there = flags > 0
        check_points(table[..., :2], self.skeleton.joints, own, fix=CORRECT, matters=there)
        return masked(table[..., :2], there)

    def _persons(self, rows: Sequence[Mapping[str, Any]], problems: RowProblems) -> BoolArray:
        known = [category['id'] for category in self.categories]
        if self.person is None:
            found = [row.get('category_id') for row in rows]
            for i, value in enumerate(found):
                if value not in (None, 1):
                    what = f"'category_id' is {show(value)}, but the file has no categories"
                    problems.add(i, what, "list them, that of the persons named 'person'")
            return np.ones(len(rows), bool)
        for i, row in enumerate(rows):
            value = row.get('category_id', self.person if len(known) == 1 else None)
            if type(value) is not int or value not in known:
                problems.add(i, f"'category_id' is {show(value)}", f'write one of {show(known)}')
        return np.array([row.get('category_id', self.person) == self.person for row in rows], bool)

    def _read_categories(self) -> list[dict[str, Any]]:
        span = self.parts.get('categories')
        value = [] if span is None else read_value(self.path, span)
        good = isinstance(value, list) and all(
            isinstance(c, dict) and type(c.get('id')) is int for c in value
        )
        if not good:
            what = f"'categories' is {show(value)}"
            raise DataError([Problem(self.path, what, 'list categories, each with an id')])
        assert isinstance(value, list)
        return value

    def _person(self) -> int | None:
        if len(self.categories) < 2:
            return self.categories[0]['id'] if self.categories else None
        persons = [c['id'] for c in self.categories if c.get('name') == 'person']
        if len(persons) != 1:
            what = f"has {len(self.categories)} categories, {len(persons)} of them named 'person'"
            raise DataError([Problem(self.path, what, "name the persons' category 'person'")])
        return persons[0]

    def _check_names(self) -> None:
        """Refuse a file whose category names the joints of another skeleton of this size."""
        named = [c.get('keypoints') for c in self.categories if c['id'] == self.person]
        names = named[0] if named and isinstance(named[0], list) else []
        found = recognise(names, len(self.skeleton))
        if found is not None and agreement(names, found) > agreement(names, self.skeleton):
            what = f'names the joints of {found.name!r}, not those of {self.skeleton.name!r}'
            fix = f'take a translator that reads {found.name!r}'
            raise DataError([Problem(self.path, what, fix)])


class ResultsSource:
    """COCO's results: a list of predicted persons with scores.

    The third number of a joint is its confidence; joints with 0 are missing.
    """

    kind = 'COCO results'

    def __init__(
        self, path: str, whole: Span, *, skeleton: Skeleton, base: int, count: int, meter: Meter
    ) -> None:
        self.path, self.whole, self.skeleton, self.base = path, whole, skeleton, base
        self.count, self.meter = count, meter
        self.notes: list[str] = []
        self._key: str | None = None

    def close(self) -> None:
        """Nothing is open between batches."""

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        first = unsure = 0
        for rows in json_rows(self.path, self.whole, count=self.count, meter=self.meter):
            batch = self._batch(first, rows)
            assert batch.scores is not None
            unsure += int((batch.scores <= 0).all(1).sum())
            yield batch
            first += len(rows)
        if not first:
            raise DataError([Problem(self.path, 'is an empty list', 'list predicted persons')])
        if unsure:
            self.notes.append(f'{unsure} persons have no joint with a confidence above 0')

    def _batch(self, first: int, rows: list[Any]) -> Batch:
        problems = BatchProblems(self.path, first, rows=rows, keys=('image_id',))
        check_rows(rows, problems)
        columns: dict[str, npt.NDArray[Any]] = {
            'image_ids': integers(
                rows, 'image_id', problems, fix="write the id of the person's image"
            ),
            'scores': tables(
                rows, 'score', (), problems, fix='write a finite number, the confidence'
            ),
        }
        if not first:
            self._key = next((key for key in PERSON_KEYS if key in rows[0]), None)
        if self._key is not None:
            fix = "write the annotated person's id in every row"
            columns['ids'] = integers(rows, self._key, problems, fix=fix)
        table = joint_tables(rows, self.skeleton, problems, third='score')
        check_finite(table[..., 2], 'the score of a joint', problems, fix='write a finite number')
        there = table[..., 2] > 0
        fix = 'write finite numbers'
        check_points(table[..., :2], self.skeleton.joints, problems, fix=fix, matters=there)
        problems.raise_if_any()
        return Batch(
            first=first,
            keypoints=masked(table[..., :2], there),
            scores=table[..., 2],
            persons=np.ones(len(rows), bool),
            rows=rows,
            columns=columns,
        )


class Places(RowProblems):
    """Problems of some rows of a batch, passed on with their places in it."""

    def __init__(self, problems: RowProblems, places: IntArray) -> None:
        super().__init__(problems.path, noun=problems.noun)
        self._problems, self._places = problems, places

    def add(self, row: int, what: str, fix: str) -> None:
        """Note a problem of one row."""
        self._problems.add(int(self._places[row]), what, fix)


def check_rows(rows: Sequence[Any], problems: RowProblems) -> None:
    """Raise where rows are no objects: nothing else can be read of them."""
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            problems.add(i, f'is {show(row)}, not an object', 'write one {...} for each person')
    problems.raise_if_any()


def joint_tables(
    rows: Sequence[Mapping[str, Any]],
    skeleton: Skeleton,
    problems: RowProblems,
    *,
    third: str,
    width: int | None = None,
) -> Array:
    """(N, joints, 3) of ``row['keypoints']``; rows at fault are noted."""
    wanted = 3 * len(skeleton) if width is None else width
    lengths = [len(r['keypoints']) for r in rows if type(r.get('keypoints')) is list]
    wrong = next((length for length in lengths if length != wanted), None)
    fix = f'write x, y, {third} for each of the {len(skeleton)} joints of {skeleton.name}'
    if wrong is not None:
        fix = f'{fix}; {describe_count(wrong, 3)}'
    table = tables(rows, 'keypoints', (wanted,), problems, fix=fix, finite=False)
    return table.reshape(len(rows), wanted // 3, 3)


def row_width(rows: Sequence[Mapping[str, Any]], skeleton: Skeleton) -> int:
    """Numbers of a row: Halpe's own file has more joints than are read."""
    lengths = {len(r['keypoints']) for r in rows if type(r.get('keypoints')) is list}
    if lengths == {3 * HALPE_JOINTS} and skeleton.joints == get_skeleton('halpe').joints:
        return 3 * HALPE_JOINTS
    return 3 * len(skeleton)


def _joined(rows: list[dict[str, Any]], skeleton: Skeleton) -> list[dict[str, Any]]:
    """Rows whose ``keypoints`` hold all joints: WholeBody's own file has them in five lists."""
    if skeleton.joints != get_skeleton('coco_wholebody').joints or not all(
        type(row.get(key)) is list for row in rows for key in WHOLEBODY_PARTS
    ):
        return rows
    return [{**r, 'keypoints': [n for key in WHOLEBODY_PARTS for n in r[key]]} for r in rows]


def _crowd(rows: Sequence[Mapping[str, Any]], problems: RowProblems) -> BoolArray:
    flags = [row.get('iscrowd', 0) for row in rows]
    for i, flag in enumerate(flags):
        if type(flag) not in (int, bool) or flag not in (0, 1):
            problems.add(i, f"'iscrowd' is {show(flag)}", 'write 0 or 1')
            flags[i] = 0
    return np.array(flags, bool)
