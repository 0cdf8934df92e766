"""What a person's errors are measured in.

Dimensions: N annotated persons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpemap_mm.evaluation.measures import sizes_of
from hpemap_mm.persons.arrays import Array, Truth

#: The units in order of preference: name, threshold of a joint that counts as found, a strict one.
UNITS = (('head', 0.5, 0.1), ('bbox', 0.1, 0.05))


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """The unit of a dataset.

    Attributes:
        name: 'head' (sizes after MPII), 'bbox' (longer side) or 'extent' (that of the joints' own
            box, where nothing else is known).
        sizes: (N,) px; NaN where a person has none.
        threshold: Share of the size within which a joint counts as found.
        strict: A share for joints that are placed well.
    """

    name: str
    sizes: Array
    threshold: float
    strict: float

    @property
    def label(self) -> str:
        """Name of the figure at :attr:`threshold`."""
        return self.figure(self.threshold)

    def figure(self, threshold: float) -> str:
        """Name of the figure at a threshold, as in the matrix: ``PCKh@0.5``, ``PCK@0.1_bbox``."""
        return f'PCKh@{threshold:g}' if self.name == 'head' else f'PCK@{threshold:g}_{self.name}'


def unit_of(truth: Truth) -> Unit:
    """Head sizes where at least half of the persons have them, else boxes, else the joints."""
    for name, threshold, strict in UNITS:
        sizes = sizes_of(truth, name)
        if np.isfinite(sizes).mean() >= 0.5:
            return Unit(name=name, sizes=sizes, threshold=threshold, strict=strict)
    return Unit(name='extent', sizes=_extents(truth), threshold=0.1, strict=0.05)


def _extents(truth: Truth) -> Array:
    known = truth.valid[..., None]
    low = np.where(known, truth.keypoints, np.inf).min(1)
    high = np.where(known, truth.keypoints, -np.inf).max(1)
    size = (high - low).max(1)
    return np.where(np.isfinite(size) & (size > 0), size, np.nan)
