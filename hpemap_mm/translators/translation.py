"""What a translator answers: keypoints, how sure they are, and where they come from.

Dimensions: N persons, D joints of the target skeleton, P probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

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
    """

    skeleton: Skeleton
    keypoints: Array
    sigmas: Array
    origins: npt.NDArray[np.uint8]
    radii: Array | None = None

    def __len__(self) -> int:
        return len(self.keypoints)

    @cached_property
    def answered(self) -> npt.NDArray[np.bool_]:
        """(N, D): whether there is an answer."""
        return np.isfinite(self.keypoints).all(-1)

    def radius(self, probability: float) -> Array:
        """(N, D): radius of the disc that holds the joint with this probability, in pixels.

        Raises:
            ValueError: The probability is not in [0, 0.995], or nothing was calibrated.
        """
        if self.radii is None:
            raise ValueError('this translator was not calibrated: train it with tools/train.py')
        if not 0.0 <= probability <= LEVELS[-1]:
            raise ValueError(f'probability must be in [0, {LEVELS[-1]}], got {probability}')
        grid = np.array([0.0, *LEVELS])
        table = np.concatenate([np.zeros((len(self.radii), 1)), self.radii], axis=1)
        factors = np.array([np.interp(probability, grid, row) for row in table])
        return self.sigmas * factors

    def take(self, rows: npt.ArrayLike) -> Self:
        """Some persons: indices, a slice or a mask."""
        picked = {
            name: getattr(self, name)[rows]  # type: ignore[index]
            for name in ('keypoints', 'sigmas', 'origins')
        }
        return replace(self, **picked)

    @classmethod
    def concatenate(cls, parts: Sequence[Translation]) -> Translation:
        """Several translations of one translator, one after the other."""
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ('keypoints', 'sigmas', 'origins')
        }
        return replace(parts[0], **joined)
