"""Keypoints made worse on purpose: the conditions under which a translator is tested.

Unlike an augmentation of training, a corruption is the same for every run and every method, so
that their figures can be compared.

Dimensions: N persons, S joints of the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

#: Thrown joints land in the box of the person's joints, grown by this factor around its centre.
REACH = 1.5


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """What is done to the source's joints.

    Attributes:
        name: In results, e.g. ``'30% missing'``.
        missing: Probability of each joint to be lost.
        thrown: Probability of each of the others to be thrown to a random place: uniform in the
            box around the person's joints, grown :data:`REACH` times.
        noise: Standard deviation of Gaussian noise, in shares of that box's longer side.
    """

    name: str
    missing: float = 0.0
    thrown: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for key in ('missing', 'thrown'):
            if not 0.0 <= getattr(self, key) <= 1.0:
                raise ValueError(f'corruption {self.name!r}: {key} is a share, in [0, 1]')
        if self.noise < 0:
            raise ValueError(f'corruption {self.name!r}: noise must not be negative')

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """From a config's dict, e.g. ``dict(name='30% missing', missing=0.3)``.

        Raises:
            ValueError: An unknown key, no name, or a share that is none.
        """
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(config) - set(known))
        if unknown or not config.get('name'):
            raise ValueError(f'A corruption needs a name and may have {known[1:]}; got {config}')
        return cls(**config)

    def __call__(self, keypoints: Array, seed: int) -> Array:
        """Corrupt (N, S, 2) keypoints, NaN where missing; the same seed, the same result."""
        rng = np.random.default_rng(seed)
        # All is drawn whatever the shares are: a share more does not change the other draws.
        lost = rng.random(keypoints.shape[:2]) < self.missing
        thrown = rng.random(keypoints.shape[:2]) < self.thrown
        where = rng.uniform(-0.5, 0.5, keypoints.shape)
        noise = rng.standard_normal(keypoints.shape)
        known = np.asarray(np.isfinite(keypoints).all(-1), bool)
        low = np.where(known[..., None], keypoints, np.inf).min(1, keepdims=True)
        high = np.where(known[..., None], keypoints, -np.inf).max(1, keepdims=True)
        found = np.asarray(known.any(1), bool)[:, None, None]
        low, high = np.where(found, low, 0.0), np.where(found, high, 0.0)
        size = (high - low).max(-1, keepdims=True)
        points = keypoints + self.noise * size * noise
        landed = (low + high) / 2 + REACH * (high - low) * where
        points = np.where((thrown & known)[..., None], landed, points)
        return np.where(lost[..., None], np.nan, points)
