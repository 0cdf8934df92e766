"""Plain arrays as a stream: our own npz, and anybody's.

Dimensions: N persons of a batch, K joints.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.persons.arrays import Array, BoolArray
from hpemap_mm.persons.files.joints import describe_count
from hpemap_mm.persons.files.names import SLIP
from hpemap_mm.persons.files.rows import FARTHEST, RowProblems, check_points, listed, rows_where
from hpemap_mm.persons.files.streams.batch import Batch, BatchProblems, masked, missing
from hpemap_mm.persons.files.streams.bytes import Meter
from hpemap_mm.persons.files.streams.npz_rows import Header, NpzFile, data_bytes
from hpemap_mm.skeletons import Skeleton

#: Arrays (N, K) that say how sure a joint is, and (N, K) that say which joints are there.
CONFIDENCES = ('keypoint_scores', 'scores')
FLAGS = ('visible', 'answered')
#: Arrays of one row for each person that a result keeps as they are; ``scores`` (N,) too.
KEPT = ('ids', 'image_ids', 'image', 'boxes', 'areas', 'head_sizes', 'crowd')
#: Kinds of numbers of them; by default real ones.
KINDS = {'ids': 'iu', 'image_ids': 'iu', 'image': 'U', 'crowd': 'biu'}
KNOWN = ('keypoints', *CONFIDENCES, *FLAGS, *KEPT, 'base')
WRITE_AGAIN = 'write finite numbers, or NaN where a joint is missing'


class NpzSource:
    """Persons in arrays.

    ``keypoints`` (N, K, 2), NaN where a joint is missing, or (N, K, 3) with the confidence or
    visibility, 0 where it is missing; ``keypoint_scores`` or ``scores`` (N, K); ``visible`` or
    ``answered`` (N, K), 0 where it is missing. Other arrays of :data:`KEPT` go through as they are.

    Args:
        path: The file.
        skeleton: What the persons are in.
        base: Coordinate of the first pixel; where None, as the file's own ``base`` says.
        count: Persons of a batch.
        meter: What counts the bytes.

    Raises:
        DataError: An array is damaged, pickled, or of another shape or type; a name is a slip.
    """

    kind = 'npz'

    def __init__(
        self, path: str, *, skeleton: Skeleton, base: int | None, count: int, meter: Meter
    ) -> None:
        self.path, self.skeleton, self.base = path, skeleton, base
        self.count = count
        self.notes: list[str] = []
        self.file = NpzFile(path, meter)
        try:
            self._headers = self._read_headers()
            self._check_base(base)
        except BaseException:
            self.file.close()
            raise
        meter.total += data_bytes(list(self._headers.values()))

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        streams = {name: self.file.rows(name) for name in self._headers}
        total = self._headers['keypoints'].shape[0]
        for first in range(0, total, self.count):
            arrays = {name: rows.read(self.count) for name, rows in streams.items()}
            yield self._batch(first, arrays)

    def _batch(self, first: int, arrays: dict[str, npt.NDArray[Any]]) -> Batch:
        problems = BatchProblems(self.path, first, noun='person')
        table = arrays.pop('keypoints')
        if table.dtype != np.float32 or not table.dtype.isnative:
            table = table.astype(np.float64)
        points = table[..., :2]
        scores = table[..., 2] if table.shape[2] == 3 else None
        for name in CONFIDENCES:
            if name in arrays and arrays[name].ndim == 2:
                scores = arrays.pop(name)
        there = ~missing(points)
        for name in FLAGS:
            if name in arrays:
                there &= self._flags(name, arrays.pop(name), problems)
        if scores is not None:
            scores = np.where(there, scores, 0.0)
            self._check_scores(scores, problems)
            there &= scores > 0
        if np.abs(points[there]).max(initial=0.0) > FARTHEST:  # it looks at each joint: rarely
            check_points(points, self.skeleton.joints, problems, fix=WRITE_AGAIN, matters=there)
        problems.raise_if_any()
        return Batch(
            first=first,
            keypoints=masked(points, there),
            scores=scores,
            persons=np.ones(len(points), bool),
            columns=arrays,
        )

    def _flags(self, name: str, flags: npt.NDArray[Any], problems: RowProblems) -> BoolArray:
        wrong = ~np.isin(flags, (0, 1, 2))
        for i in rows_where(wrong.any(1)):
            what = f'{name!r} is {flags[i][wrong[i]][0]:g}'
            problems.add(i, what, '0 is missing, 1 and 2 are there')
        return np.asarray(flags > 0, bool)

    def _check_scores(self, scores: Array, problems: RowProblems) -> None:
        wrong = ~np.isfinite(scores)
        for i in rows_where(wrong.any(1)):
            joint = self.skeleton.joints[int(np.flatnonzero(wrong[i])[0])]
            what = f'the score of {joint} is {scores[i][wrong[i]][0]:g}'
            problems.add(i, what, 'write a finite number; 0 where the joint is missing')

    def _read_headers(self) -> dict[str, Header]:
        """Of the arrays that are read row by row."""
        problems = ProblemList()
        names = self.file.names
        unknown = [name for name in names if name not in KNOWN]
        if 'keypoints' not in names:
            what = f"has no 'keypoints': it holds {listed(names)}"
            problems.add(self.path, what, 'save them as keypoints=..., (persons, joints, 2)')
        for name in unknown:
            close = get_close_matches(name, [k for k in KNOWN if k not in names], 1, SLIP)
            if close:
                problems.add(self.path, f'holds {name!r}', f'is {close[0]!r} meant? Rename it')
        headers = {}
        for name in KNOWN:
            if name in names and name != 'base':
                try:
                    headers[name] = self.file.header(name)
                except DataError as error:
                    problems.extend(error)
        problems.raise_if_any()
        if unknown:
            self.notes.append(f'not read: {listed(unknown)}')
        self._check_headers(headers)
        return headers

    def _check_headers(self, headers: dict[str, Header]) -> None:
        problems = RowProblems(self.path)
        shape, joints = headers['keypoints'].shape, len(self.skeleton)
        if len(shape) != 3 or shape[1] != joints or shape[2] not in (2, 3):
            fix = f'{self.skeleton.name} has {joints} joints'
            if len(shape) == 3 and shape[1] != joints:
                fix = f'{fix}; {describe_count(shape[1], 1)}'
            problems.add_file(
                f"'keypoints' has shape {shape}, not (persons, {joints}, 2 or 3)", fix
            )
            problems.raise_if_any()
        persons = shape[0]
        if not persons:
            problems.add_file("'keypoints' is empty", 'save at least one person')
        of_joints = (*FLAGS, 'keypoint_scores')
        own = ['a third column in keypoints'] if shape[2] == 3 else []
        for name, header in headers.items():
            expected: tuple[int, ...] = (persons,)
            if name == 'keypoints':
                expected = shape
            elif name in of_joints or (name == 'scores' and len(header.shape) == 2):
                expected = (persons, joints)
            elif name == 'boxes':
                expected = (persons, 4)
            if header.shape != expected:
                what = f'{name!r} has shape {header.shape}'
                problems.add_file(what, f'it must be {expected}')
            if name in CONFIDENCES and len(header.shape) == 2:
                own.append(repr(name))
            kinds = KINDS.get(name, 'biuf' if name in FLAGS else 'fiu')
            if header.dtype.kind not in kinds:
                wanted = {'iu': 'integers', 'U': 'text', 'biu': '0 or 1'}.get(kinds, 'real numbers')
                problems.add_file(f'{name!r} holds {header.dtype}', f'save {wanted}')
        if len(own) > 1:
            what = f'says how sure a joint is more than once: {", ".join(own)}'
            problems.add_file(what, 'leave one of them')
        problems.raise_if_any()

    def _check_base(self, base: int | None) -> None:
        if 'base' not in self.file.names:
            return
        array = self.file.whole('base')
        own = array.item() if array.size == 1 and array.dtype.kind in 'iu' else None
        if own not in (0, 1):
            what, fix = f"'base' is {array.tolist()!r}", 'save 0 or 1'
            raise DataError([Problem(self.path, what, fix)])
        if base is not None and base != own:
            what, fix = f"says 'base' is {own}, not {base}", 'leave --base out, or correct one'
            raise DataError([Problem(self.path, what, fix)])
        self.base = own
