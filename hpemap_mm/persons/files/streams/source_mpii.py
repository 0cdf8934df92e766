"""MPII's json as a stream: MMPose's list of persons, counted from pixel 1.

Dimensions: N persons of a batch, K joints.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.arrays import Array
from hpemap_mm.persons.files.joints import describe_count
from hpemap_mm.persons.files.parts import number_images
from hpemap_mm.persons.files.rows import (
    FARTHEST,
    check_points,
    is_text,
    rows_where,
    show,
    tables,
)
from hpemap_mm.persons.files.streams.batch import Batch, BatchProblems, masked
from hpemap_mm.persons.files.streams.bytes import Meter, Span
from hpemap_mm.persons.files.streams.json_rows import json_rows
from hpemap_mm.persons.files.streams.source_coco import CORRECT, check_rows
from hpemap_mm.persons.files.truth_mpii import CENTER_SHIFT, PIXELS_PER_SCALE
from hpemap_mm.skeletons import Skeleton


class MpiiSource:
    """MPII's annotations.

    Args:
        path: The file.
        whole: Where the list is.
        skeleton: What it is annotated in.
        base: Coordinate of the first pixel.
        count: Persons of a batch.
        meter: What counts the bytes.
    """

    kind = 'MPII json'

    def __init__(
        self, path: str, whole: Span, *, skeleton: Skeleton, base: int, count: int, meter: Meter
    ) -> None:
        self.path, self.whole, self.skeleton, self.base = path, whole, skeleton, base
        self.count, self.meter = count, meter
        self.notes: list[str] = []

    def close(self) -> None:
        """Nothing is open between batches."""

    @cached_property
    def images(self) -> dict[str, int]:
        """Ids by image name, as :func:`~hpemap_mm.persons.files.read_truth` numbers them.

        Reads the file once, and keeps the names.
        """
        self.meter.total += len(self.whole)
        names: dict[str, None] = {}
        first = 0
        for rows in json_rows(self.path, self.whole, count=self.count, meter=self.meter):
            names.update(dict.fromkeys(self._names(first, rows)))
            first += len(rows)
        unique = list(names)
        return dict(zip(unique, number_images(unique).tolist(), strict=True))

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        longest = max(map(len, self.images), default=1)
        first = 0
        for rows in json_rows(self.path, self.whole, count=self.count, meter=self.meter):
            yield self._batch(first, rows, longest)
            first += len(rows)
        if not first:
            raise DataError([Problem(self.path, 'is an empty list', 'list the annotated persons')])

    def _batch(self, first: int, rows: list[Any], longest: int) -> Batch:
        problems = BatchProblems(self.path, first, rows=rows, keys=('image',))
        joints = len(self.skeleton)
        counts = [len(r['joints']) for r in rows if isinstance(r.get('joints'), list)]
        wrong = next((count for count in counts if count != joints), None)
        fix = f'write x, y for each of the {joints} joints of {self.skeleton.name}'
        if wrong is not None:
            fix = f'{fix}; {describe_count(wrong, 1)}'
        points = tables(rows, 'joints', (joints, 2), problems, fix=fix, finite=False)
        flags = tables(rows, 'joints_vis', (joints,), problems, fix=fix)
        for i in rows_where(~np.isin(flags, (0, 1)).all(1)):
            what = f"'joints_vis' is {show(rows[i].get('joints_vis'))}"
            problems.add(i, what, '0 is not annotated, 1 is')
        there = flags > 0
        check_points(points, self.skeleton.joints, problems, fix=CORRECT, matters=there)
        centers = tables(rows, 'center', (2,), problems, fix='write x, y')
        scales = tables(rows, 'scale', (), problems, fix="write the person's height / 200 px")
        far = (abs(centers) > FARTHEST).any(1) | (scales > FARTHEST)
        for i in rows_where(far | ((scales < 0) & (scales != -1))):
            what = f"'center' and 'scale' are {centers[i].tolist()} and {scales[i]:g}"
            problems.add(i, what, 'write px, and the height / 200 px')
        problems.raise_if_any()
        names = self._names(first, rows)
        points = masked(points, there)
        columns = {
            'image_ids': np.array([self.images[name] for name in names], np.int64),
            'image': np.array(names, f'=U{longest}'),
            'boxes': boxes_of(centers, scales, points),
        }
        return Batch(
            first=first,
            keypoints=points,
            scores=None,
            persons=np.ones(len(rows), bool),
            rows=rows,
            columns=columns,
        )

    def _names(self, first: int, rows: list[Any]) -> list[str]:
        problems = BatchProblems(self.path, first, rows=rows)
        check_rows(rows, problems)
        for i, row in enumerate(rows):
            if not is_text(row.get('image')) or not row['image']:
                problems.add(i, f"'image' is {show(row.get('image'))}", 'write its file name')
        problems.raise_if_any()
        return [row['image'] for row in rows]


def boxes_of(centers: Array, scales: Array, points: Array) -> Array:
    """(N, 4) x1, y1, x2, y2 in the file's base.

    The square that MMPose reads: its centre is moved down. Where there is none, the extent of the
    joints; NaN where there is no joint either.
    """
    side = PIXELS_PER_SCALE * scales[:, None]
    middle = centers + [0.0, CENTER_SHIFT] * np.repeat(scales[:, None], 2, axis=1)
    boxes = np.concatenate([middle - side / 2, middle + side / 2], axis=1)
    unknown = (centers[:, 0] == -1) | (scales <= 0)
    boxes[unknown] = extents(points[unknown])
    return boxes


def extents(points: Array) -> Array:
    """(N, 4) x1, y1, x2, y2 around joints (N, K, 2); NaN where none is there."""
    low = np.where(np.isnan(points), np.inf, points).min(1)
    high = np.where(np.isnan(points), -np.inf, points).max(1)
    found = np.concatenate([low, high], axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def center_scale(boxes: Array) -> tuple[Array, Array]:
    """MPII's centres (N, 2) and scales (N,) of boxes (N, 4), in the boxes' base.

    The square around a box, as :func:`boxes_of` gives it back; -1, -1 and -1, MPII's mark for
    "none", where a box is unknown or has no extent.
    """
    scales = (boxes[:, 2:] - boxes[:, :2]).max(1) / PIXELS_PER_SCALE
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    centers[:, 1] -= CENTER_SHIFT * scales
    unknown = ~(np.isfinite(boxes).all(1) & (scales > 0))
    centers[unknown], scales[unknown] = -1.0, -1.0
    return centers, scales
