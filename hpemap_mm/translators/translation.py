"""What a translator answers: keypoints, how sure they are, and where they come from.

Dimensions: N persons, D joints of the target skeleton, P probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hpemap_mm.skeletons import Skeleton

Array = npt.NDArray[np.floating]

#: What a joint came from, by its code in ``origins``: nothing, a source joint as it is, source
#: joints by the ontology's derivation, or all of them by a fitted translator.
ORIGINS = ('none', 'copied', 'derived', 'predicted')

#: Probabilities at which the law of the errors is kept; 0 apart, where the radius is 0.
LEVELS = tuple(round(0.02 * i, 2) for i in range(1, 50)) + (0.99, 0.995)

#: Radius of a Gaussian's 50% region in standard deviations (of one axis): sqrt(2 log 2).
MEDIAN_RADIUS = float(np.sqrt(2 * np.log(2)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Translation:
    """Persons in the target's skeleton.

    Attributes:
        skeleton: Of the keypoints.
        keypoints: (N, D, 2) in the frame and unit of the input; NaN where there is no answer.
        sigmas: (N, D), same unit: standard deviation along one axis of the Gaussian whose 50%
            region is the joint's; NaN where there is no answer, or where nothing was calibrated.
        origins: (N, D) uint8 codes: places in :data:`ORIGINS`.
        radii: (D, P): radius of the region that holds the joint with probability
            :data:`LEVELS`, in sigmas; None where nothing was calibrated. The errors' tails are
            heavier than a Gaussian's, so 95% regions are wider than 2.45 sigmas.
        guessed: (N, D): whether the source's own joint was missing (or any, for joints that it
            lacks), so that the answer is a guess from others; None if none was.
        guessed_radii: (D, P): the radii of such joints.
    """

    skeleton: Skeleton
    keypoints: Array
    sigmas: Array
    origins: npt.NDArray[np.uint8]
    radii: Array | None = None
    guessed: npt.NDArray[np.bool_] | None = None
    guessed_radii: Array | None = None

    def __len__(self) -> int:
        return len(self.keypoints)

    @cached_property
    def answered(self) -> npt.NDArray[np.bool_]:
        """(N, D): whether there is an answer."""
        return np.all(np.isfinite(self.keypoints), axis=-1)

    def radius(self, probability: float) -> Array:
        """(N, D): radius of the disc that holds the joint with this probability, in pixels.

        Raises:
            ValueError: The probability is not in [0, 0.995], or nothing was calibrated.
        """
        if self.radii is None:
            raise ValueError('this translator was not calibrated: train it with tools/train.py')
        if not 0.0 <= probability <= LEVELS[-1]:
            raise ValueError(f'probability must be in [0, {LEVELS[-1]}], got {probability}')
        factors = _factors(self.radii, probability)
        if self.guessed is not None and self.guessed_radii is not None:
            guess = _factors(self.guessed_radii, probability)
            return self.sigmas * np.where(self.guessed, guess, factors)
        return self.sigmas * factors

    def take(self, rows: npt.ArrayLike) -> Self:
        """Some persons: indices, a slice or a mask."""
        picked = {name: getattr(self, name)[rows] for name in self._per_person()}
        return replace(self, **picked)

    @classmethod
    def concatenate(cls, parts: Sequence[Translation]) -> Translation:
        """Several translations of one translator, one after the other."""
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in parts[0]._per_person()
            if name != 'guessed'
        }
        if any(part.guessed is not None for part in parts):
            joined['guessed'] = np.concatenate(
                [np.zeros(p.sigmas.shape, bool) if p.guessed is None else p.guessed for p in parts]
            )
        return replace(parts[0], **joined)

    def _per_person(self) -> list[str]:
        guessed = [] if self.guessed is None else ['guessed']
        return ['keypoints', 'sigmas', 'origins', *guessed]


def _factors(radii_DP: Array, probability: float) -> Array:
    """(D,) radius of a probability's region in sigmas."""
    grid = np.array([0.0, *LEVELS])
    table = np.concatenate([np.zeros((len(radii_DP), 1)), radii_DP], axis=1)
    return np.array([np.interp(probability, grid, row) for row in table])
