"""Annotated persons of one entry as columns, in memory and as a Parquet table.

Dimensions: N persons, K joints of the entry's skeleton.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hpemap_mm.completion.candidates import PersonBatch, sizes_of
from hpemap_mm.skeletons import Skeleton

Array = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]

#: Attributes with several numbers a person.
_LISTS = ('image_sizes', 'boxes', 'centers', 'scales', 'bboxes', 'keypoints', 'visibility')


@dataclass(frozen=True, kw_only=True, eq=False)
class PersonRows:
    """Annotated persons of one entry.

    Attributes:
        images: (N,) ids of their images in the completed dataset.
        image_sizes: (N, 2) int32 widths and heights of their images.
        paths: Their images' files.
        source_ids: (N,) ids in the entry's own annotation file.
        boxes: (N, 4) float32 x1, y1, x2, y2: what the dataset's reader gives to the pipeline.
        centers: (N, 2) float32 of the crop, where the reader gives it; else NaN.
        scales: (N, 2) float32 likewise.
        bboxes: (N, 4) float64 x, y, width, height: as annotated, where the file has that.
        areas: (N,) float64 px^2.
        keypoints: (N, K, 2) float64 0-based pixels, as annotated; NaN where not annotated.
        visibility: (N, K) uint8: 0, or the annotation's 1 or 2.
    """

    images: IntArray
    image_sizes: npt.NDArray[np.int32]
    paths: tuple[str, ...]
    source_ids: IntArray
    boxes: npt.NDArray[np.float32]
    centers: npt.NDArray[np.float32]
    scales: npt.NDArray[np.float32]
    bboxes: Array
    areas: Array
    keypoints: Array
    visibility: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, places: IntArray) -> PersonRows:
        """Some persons."""
        taken = {f.name: getattr(self, f.name)[places] for f in fields(self) if f.name != 'paths'}
        return PersonRows(paths=tuple(self.paths[place] for place in places), **taken)

    def batches(self, size: int) -> Iterator[PersonRows]:
        """Persons in batches of a size; the last may be smaller."""
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))))

    def batch(self, skeleton: Skeleton) -> PersonBatch:
        """What is completed."""
        boxes = self.boxes.astype(np.float64)
        return PersonBatch(
            skeleton=skeleton,
            keypoints=self.keypoints,
            visibility=self.visibility,
            bboxes=boxes,
            sizes=sizes_of(boxes, self.areas),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[PersonRows]) -> PersonRows:
        """One after the other."""
        joined: dict[str, Any] = {}
        for field in fields(cls):
            values = [getattr(part, field.name) for part in parts]
            paths = field.name == 'paths'
            joined[field.name] = tuple(chain(*values)) if paths else np.concatenate(values)
        return cls(**joined)

    def to_table(self) -> pa.Table:
        """As columns of Arrow."""
        columns = {
            'images': pa.array(self.images),
            'paths': pa.array(list(self.paths), pa.string()),
            'source_ids': pa.array(self.source_ids),
            'areas': pa.array(self.areas),
            **{name: listed(getattr(self, name)) for name in _LISTS},
        }
        return pa.table(columns)

    @classmethod
    def from_table(cls, table: pa.Table) -> PersonRows:
        """What :meth:`to_table` gave."""
        count = len(table)
        arrays: dict[str, Any] = {
            field.name: unlisted(table[field.name], count)
            for field in fields(cls)
            if field.name != 'paths'
        }
        points = arrays.pop('keypoints').reshape(count, -1, 2)
        return cls(paths=tuple(table['paths'].to_pylist()), keypoints=points, **arrays)


def listed(values: npt.NDArray[np.generic]) -> pa.FixedSizeListArray:
    """(N, ...) as N lists of one length; NaN stays NaN."""
    flat = np.ascontiguousarray(values.reshape(len(values), -1))
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])


def unlisted(column: pa.ChunkedArray, count: int) -> npt.NDArray[np.generic]:
    """What :func:`listed` made of (N, M), or a plain column (N,)."""
    if not pa.types.is_fixed_size_list(column.type):
        return column.to_numpy()
    width = column.type.list_size
    kind = column.type.value_type.to_pandas_dtype()
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    whole = np.concatenate(parts) if parts else np.zeros(0, kind)
    return whole.reshape(count, width)
