"""Rows grouped by image, and the pairs of two groupings: who can be compared with whom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ByImage:
    """Rows image after image, the images in the order of their ids.

    Attributes:
        order: The rows.
        counts: (I,) how many of them are of each image.
    """

    order: IntArray
    counts: IntArray

    @cached_property
    def starts(self) -> IntArray:
        """(I,) where each image's rows begin in ``order``."""
        return np.cumsum(self.counts) - self.counts

    @cached_property
    def image(self) -> IntArray:
        """Number of the image of each of ``order``."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @cached_property
    def place(self) -> IntArray:
        """Place of each of ``order`` within its image."""
        return np.arange(len(self.order)) - np.repeat(self.starts, self.counts)

    def first(self, most: int) -> ByImage:
        """The first ``most`` rows of each image."""
        return ByImage(self.order[self.place < most], np.minimum(self.counts, most))

    def pairs(self, other: ByImage) -> tuple[IntArray, IntArray]:
        """All pairs of rows of one image: image after image, then by the own row's place."""
        here = self.image
        many = other.counts[here]
        own = np.repeat(self.order, many)
        within = np.arange(len(own)) - np.repeat(np.cumsum(many) - many, many)
        return own, other.order[np.repeat(other.starts[here], many) + within]


def by_image(
    image_ids: IntArray,
    images: IntArray,
    *,
    name: str,
    rows: IntArray | None = None,
    falling: Array | None = None,
) -> ByImage:
    """Group rows by image.

    Args:
        image_ids: (N,) of each row.
        images: (I,) ids of all images, in any order.
        name: What messages call the rows.
        rows: Only these rows; all where None.
        falling: (N,) rows of one image come by falling value, equal ones in their order; all in
            their order where None.

    Raises:
        ValueError: A row's image is not among ``images``.
    """
    chosen = np.arange(len(image_ids)) if rows is None else rows
    listed = np.sort(images)
    wanted = image_ids[chosen]
    place = np.searchsorted(listed, wanted)
    known = place < len(listed)
    known[known] = listed[place[known]] == wanted[known]
    if not known.all():
        shown = ', '.join(str(i) for i in np.unique(wanted[~known])[:5])
        raise ValueError(f'{name}: images {shown} are not among the {len(images)} of the truth')
    keys = (place,) if falling is None else (-falling[chosen], place)
    return ByImage(chosen[np.lexsort(keys)], np.bincount(place, minlength=len(listed)))
