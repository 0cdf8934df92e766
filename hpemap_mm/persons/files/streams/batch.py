"""Some persons of a stream, as a translator reads them.

Dimensions: N persons of a batch, K joints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.persons.arrays import Array, BoolArray
from hpemap_mm.persons.files.rows import RowProblems


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Rows that stand one after the other in a file.

    Attributes:
        first: Number of the first row.
        keypoints: (N, K, 2) as in the file, float32 or float64; NaN where missing, and in rows
            that are no person's or a crowd's.
        scores: (N, K) confidences, finite; None where the file has none.
        persons: (N,): rows that are persons; COCO's annotations of other categories are not.
        rows: Of json: the N objects.
        columns: Arrays of N rows that a result keeps: ids, names, scores of persons.
    """

    first: int
    keypoints: Array
    scores: Array | None
    persons: BoolArray
    rows: Sequence[dict[str, Any]] = ()
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keypoints)


class BatchProblems(RowProblems):
    """Problems of a batch's rows, told with their numbers in the file.

    Args:
        path: The file.
        first: Number of the batch's first row.
        noun: What a row is called.
        rows: The rows, for what identifies them.
        keys: The keys of a row that identify it.
    """

    def __init__(
        self,
        path: str,
        first: int,
        *,
        noun: str = 'row',
        rows: Sequence[Any] = (),
        keys: Sequence[str] = (),
    ) -> None:
        def tag(row: int) -> str:
            value = rows[row - first] if rows else None
            known = value if isinstance(value, dict) else {}
            return ', '.join(f'{key} {known[key]!r}'[:60] for key in keys if key in known)

        super().__init__(path, noun=noun, tag=tag)
        self.first = first

    def add(self, row: int, what: str, fix: str) -> None:
        """Note a problem of one row of the batch."""
        super().add(self.first + int(row), what, fix)


def masked(points: Array, there: BoolArray) -> Array:
    """Points (N, K, 2) with NaN where a joint is not there (N, K)."""
    if there.all():
        return points
    return np.where(there[..., None], points, np.asarray(np.nan, points.dtype))


def missing(points: Array) -> BoolArray:
    """(N, K): joints of (N, K, 2) with a NaN."""
    return np.asarray(np.isnan(points[..., 0]) | np.isnan(points[..., 1]), bool)
