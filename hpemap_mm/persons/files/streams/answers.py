"""What a stream needs of a translator, and what its answers amount to.

Dimensions: N persons of a batch, D joints of the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hpemap_mm.persons.arrays import Array, BoolArray
from hpemap_mm.skeletons import Skeleton

#: Probabilities of the regions whose radii are written to an npz.
REGIONS = (0.5, 0.8, 0.95)
#: The one that is written to a json.
REGION = REGIONS[-1]
#: Sigmas are counted in bins of a hundredth of their size, from the least to the greatest (px).
LEAST, GREATEST, BINS_PER_E = 1e-6, 1e6, 100


class Answer(Protocol):
    """Persons in the target's skeleton: see hpemap_mm.translators.Translation."""

    @property
    def keypoints(self) -> Array:
        """(N, D, 2); NaN where there is no answer."""
        ...

    @property
    def sigmas(self) -> Array:
        """(N, D) px; NaN where not known."""
        ...

    @property
    def origins(self) -> npt.NDArray[np.uint8]:
        """(N, D) codes."""
        ...

    @property
    def radii(self) -> Array | None:
        """None where nothing was calibrated."""
        ...

    def radius(self, probability: float) -> Array:
        """(N, D) px."""
        ...


class Translates(Protocol):
    """What makes keypoints of one skeleton into those of another."""

    name: str
    source: Skeleton
    target: Skeleton

    def __call__(self, keypoints: Array, scores: Array | None = None) -> Any:
        """An :class:`Answer` to (N, K, 2) keypoints and (N, K) scores."""
        ...


def answered(answer: Answer) -> BoolArray:
    """(N, D): which joints have an answer."""
    # Twice as fast as all(-1) over two numbers.
    points = np.asarray(answer.keypoints)
    return np.asarray(np.isfinite(points[..., 0]) & np.isfinite(points[..., 1]), bool)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What was translated.

    Attributes:
        persons: Rows that are persons, crowd regions included.
        joints: Joints of the target.
        without: Persons without any answer.
        answered: Joints with an answer, of persons times joints.
        origins: How many of them came from what, by name.
        median_sigma: Of the answers, px, to a hundredth of its size; None where none is known.
        kind: What was read.
        written: What was written.
        notes: What a reader of the result should know.
    """

    persons: int
    joints: int
    without: int
    answered: int
    origins: dict[str, int]
    median_sigma: float | None
    kind: str
    written: str
    notes: tuple[str, ...]


class Tally:
    """Adds up answers in constant memory.

    Args:
        origin_names: Names of the codes in ``origins``.
    """

    def __init__(self, origin_names: Sequence[str]) -> None:
        self.origin_names = tuple(origin_names)
        self.persons = self.without = self.answered = 0
        self._codes = np.zeros(len(self.origin_names), np.int64)
        edges = int(np.ceil(np.log(GREATEST / LEAST) * BINS_PER_E))
        self._sigmas = np.zeros(edges + 1, np.int64)

    def add(self, answer: Answer, persons: BoolArray) -> None:
        """Count a batch; ``persons`` (N,) says which rows are persons."""
        there = answered(answer)[persons]
        self.persons += len(there)
        self.without += int((~there.any(1)).sum())
        self.answered += int(there.sum())
        codes = np.asarray(answer.origins)[persons][there]
        self._codes += np.bincount(codes, minlength=len(self.origin_names))
        sigmas = np.asarray(answer.sigmas, np.float64)[persons][there]
        sigmas = sigmas[np.isfinite(sigmas)].clip(LEAST, GREATEST)
        bins = (np.log(sigmas / LEAST) * BINS_PER_E).astype(np.int64)
        self._sigmas += np.bincount(bins, minlength=len(self._sigmas))

    @property
    def origins(self) -> dict[str, int]:
        """Answered joints by what they came from; those that occur."""
        counts = zip(self.origin_names, self._codes.tolist(), strict=True)
        return {name: count for name, count in counts if count}

    @property
    def median_sigma(self) -> float | None:
        """Half of the known sigmas are below it; the middle of its bin."""
        total = int(self._sigmas.sum())
        if not total:
            return None
        middle = int(np.searchsorted(np.cumsum(self._sigmas), (total + 1) // 2))
        return float(LEAST * np.exp((middle + 0.5) / BINS_PER_E))
