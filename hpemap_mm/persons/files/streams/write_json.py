"""Streams of persons into jsons: COCO's annotations and results, MPII's list.

Dimensions: N persons of a batch, D joints of the target.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.persons.arrays import Array, IntArray
from hpemap_mm.persons.files.streams.answers import REGION, Answer, answered
from hpemap_mm.persons.files.streams.batch import Batch, missing
from hpemap_mm.skeletons import Skeleton

#: Digits after the point of pixels in json: 0.0001 px.
DIGITS = 4
#: COCO's mark of a visible joint; that of a joint that is not annotated is 0.
VISIBLE = 2

Row = dict[str, Any]


class JsonFile:
    """A json that is written piece by piece, one row a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open('wb')
        self._rows = 0

    def write(self, data: bytes) -> None:
        """Write as it is."""
        self._file.write(data)

    def text(self, text: str) -> None:
        """Write as UTF-8."""
        self._file.write(text.encode('utf-8'))

    def begin(self) -> None:
        """Open a list."""
        self._rows = 0
        self.text('[')

    def rows(self, rows: Sequence[Any]) -> None:
        """Add rows to the list; NaN is refused."""
        if not rows:
            return
        lines = ',\n'.join(json.dumps(row, allow_nan=False) for row in rows)
        self.text(('\n' if not self._rows else ',\n') + lines)
        self._rows += len(rows)

    def end(self) -> None:
        """Close the list."""
        self.text('\n]')

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Fields:
    """The joints of a batch as json has them: plain rounded numbers, nothing that is NaN.

    Args:
        answer: The translator's.
        shift: Added to every coordinate.
        origin_names: Names of the codes.
    """

    def __init__(self, answer: Answer, shift: float, origin_names: Sequence[str]) -> None:
        self.there = answered(answer)
        points = np.asarray(answer.keypoints, np.float64) + shift
        self.points = np.round(np.where(self.there[..., None], points, 0.0), DIGITS)
        self._names = list(origin_names)
        self._origins = np.where(self.there, answer.origins, 0).tolist()
        self._sigmas = self._plain(np.asarray(answer.sigmas))
        self._radii = None
        if answer.radii is not None:
            self._radii = self._plain(np.asarray(answer.radius(REGION)))
        self.region = f'radius_{round(100 * REGION)}'

    def extra(self, row: int, prefix: str) -> Row:
        """How sure the joints are, and what they came from."""
        found = {
            f'{prefix}_sigma': self._sigmas[row],
            f'{prefix}_origin': [self._names[code] for code in self._origins[row]],
        }
        if self._radii is not None:
            found[f'{prefix}_{self.region}'] = self._radii[row]
        return found

    def table(self, third: npt.NDArray[Any]) -> list[list[float]]:
        """For each person x, y, third of each joint."""
        table = np.concatenate([self.points, third[..., None]], axis=-1)
        rows: list[list[float]] = table.reshape(len(table), -1).tolist()
        for row, numbers in zip(rows, third.tolist(), strict=True):
            row[2::3] = numbers  # flags stay whole numbers
        return rows

    def _plain(self, values: Array) -> list[list[float | None]]:
        known = np.isfinite(values) & self.there
        rounded = np.round(np.where(known, values, 0.0).astype(np.float64), DIGITS)
        found: list[list[float | None]] = rounded.tolist()
        for row, joint in zip(*np.nonzero(~known), strict=True):
            found[row][joint] = None
        return found


def category(skeleton: Skeleton, known: Mapping[str, Any] | None, number: int) -> Row:
    """COCO's category of persons with a skeleton's joints and links (which count from 1)."""
    return {
        'supercategory': 'person',
        **(known or {}),
        'id': number,
        'name': 'person' if known is None else known.get('name', 'person'),
        'keypoints': list(skeleton.joints),
        'skeleton': [[a + 1, b + 1] for a, b in skeleton.links],
    }


def visibility(fields: Fields) -> IntArray:
    """(N, D): 2 where a joint is answered, else 0."""
    return np.where(fields.there, VISIBLE, 0)


def confidence(batch: Batch, fields: Fields) -> Array:
    """(N, D): the mean confidence of the source's joints that are there; 0 where unanswered.

    1 where the input has no confidences.
    """
    if batch.scores is None:
        return fields.there.astype(np.float64)
    there = ~missing(batch.keypoints)
    total = np.where(there, batch.scores, 0.0).sum(1, dtype=np.float64)
    mean = total / np.maximum(there.sum(1), 1)
    return np.where(fields.there, np.round(mean, DIGITS)[:, None], 0.0)
