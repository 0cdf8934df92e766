"""What every format has in common: pictures, and annotated people in batches.

Dimensions: N persons of a batch, K joints of their skeleton.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hpemap_mm.persons.arrays import Array, BoolArray, IntArray
from hpemap_mm.persons.interchange.ledger import Ledger
from hpemap_mm.skeletons import Skeleton

Codes = npt.NDArray[np.uint8]


class Picture(NamedTuple):
    """An image: its name, relative to the folder of the images, and its size where known."""

    name: str
    width: int | None
    height: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class People:
    """Persons that stand one after the other in a dataset.

    Attributes:
        first: Number of the first one's row, for messages.
        ids: (N,).
        image_ids: (N,).
        keypoints: (N, K, 2) px, 0-based; NaN where not labelled, and in crowd regions.
        visibility: (N, K): 0 not labelled, 1 occluded, 2 visible.
        boxes: (N, 4) x, y, w, h in px, 0-based; NaN where unknown.
        areas: (N,) px^2; NaN where unknown.
        crowd: (N,): regions of many persons, without keypoints.
        stds: (N, K) px, NaN where unknown; None where the dataset does not say.
        provenance: (N, K) codes; None where the dataset does not say.
        rows: What else a json says of each person; empty where it is no json.
    """

    first: int
    ids: IntArray
    image_ids: IntArray
    keypoints: Array
    visibility: Codes
    boxes: Array
    areas: Array
    crowd: BoolArray
    stds: Array | None = None
    provenance: Codes | None = None
    rows: Sequence[Mapping[str, Any]] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labelled(self) -> BoolArray:
        """(N, K)."""
        return np.asarray(self.visibility > 0, bool)

    def without(self, joints: BoolArray) -> People:
        """The same persons, joints (N, K) taken away with all that was said of them."""
        return replace(
            self,
            keypoints=np.where(joints[..., None], np.nan, self.keypoints),
            visibility=np.where(joints, 0, self.visibility).astype(np.uint8),
            stds=None if self.stds is None else np.where(joints, np.nan, self.stds),
            provenance=None
            if self.provenance is None
            else np.where(joints, 0, self.provenance).astype(np.uint8),
        )


class Reader(Protocol):
    """One split of a dataset, whatever its format.

    Attributes:
        kind: The format, for messages.
        path: The file or folder, for messages.
        skeleton: What its persons are in.
        category: COCO's row of the persons' category, where there is one.
        provenance_names: Names of the codes; empty where the format has none.
        image_root: Folder of the images where the dataset names it.
        ledger: What could not be read.
    """

    kind: str
    path: str
    skeleton: Skeleton
    category: Mapping[str, Any] | None
    provenance_names: tuple[str, ...]
    image_root: Path | None
    ledger: Ledger

    @property
    def pictures(self) -> Mapping[int, Picture]:
        """All images, by id, in the dataset's order."""
        ...

    def batches(self) -> Iterator[People]:
        """All persons."""
        ...


class Writer(Protocol):
    """Takes the persons of a split, after its pictures."""

    def add(self, people: People) -> None:
        """Write a batch."""
        ...

    def finish(self) -> None:
        """Write what stands at the end."""
        ...

    def close(self) -> None:
        """Close files, finished or not."""
        ...


def corners(boxes: Array) -> Array:
    """x1, y1, x2, y2 of boxes x, y, w, h; (N, 4)."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def sides(boxes: Array) -> Array:
    """x, y, w, h of boxes x1, y1, x2, y2; (N, 4)."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
