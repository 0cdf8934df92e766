"""Parts for training, tuning and testing: by image, never by person.

Two persons of one image share the photographer, the event and each other's joints; with one in
training and one in the test the figures would flatter. An image's part follows from its id alone,
so it stays what it is when persons or images are added, left out or reordered, and two files about
the same images agree on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

PARTS = ('train', 'dev', 'test')

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Shares of the images that are kept apart; the rest is for training.

    Attributes:
        dev: For tuning and calibration.
        test: For reporting; nothing is tuned on it. It does not depend on ``dev``.
        seed: Another seed is another split.
    """

    dev: float = 0.06
    test: float = 0.10
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ('dev', 'test'):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise ValueError(f'{name} is a share of the images in [0, 1], got {value!r}')
        if self.dev + self.test > 1:
            raise ValueError(f'dev and test are {self.dev} and {self.test}: more than all images')

    def mask(self, image_ids: npt.ArrayLike, part: str) -> BoolArray:
        """(N,): which persons are in a part (``'train'``, ``'dev'``, ``'test'`` or ``'all'``).

        Raises:
            ValueError: The part is none of these.
        """
        if part not in (*PARTS, 'all'):
            raise ValueError(f'part is one of {(*PARTS, "all")}, got {part!r}')
        images = np.asarray(image_ids)
        if part == 'all':
            return np.ones(len(images), bool)
        place = positions(images, f'{self.seed}')
        if part == 'test':
            return place < self.test
        tuned = (place >= self.test) & (place < self.test + self.dev)
        return tuned if part == 'dev' else place >= self.test + self.dev


def positions(image_ids: npt.ArrayLike, salt: str) -> npt.NDArray[np.float64]:
    """(N,) numbers in [0, 1), each a function of the image's id and the salt alone.

    A cryptographic hash and no checksum: those of consecutive ids, or of other salts, are not
    independent of each other.
    """
    unique, inverse = np.unique(np.asarray(image_ids, np.int64), return_inverse=True)
    # 53 bits: what a float64 in [0, 1) holds exactly.
    values = [
        int.from_bytes(sha256(f'{salt}:{image}'.encode()).digest()[:8], 'big') >> 11
        for image in unique.tolist()
    ]
    return (np.array(values, np.float64) / 2.0**53)[inverse]


def limited(image_ids: npt.ArrayLike, limit: Any, seed: int) -> BoolArray:
    """(N,): which persons are in a random choice of the images, for learning curves.

    A smaller choice is contained in each larger one of the same seed.

    Args:
        image_ids: (N,) of the persons to choose from.
        limit: A number of images (an integer), or a share of them (a float in (0, 1]).
        seed: Of the choice.

    Raises:
        ValueError: ``limit`` is neither.
    """
    unique, inverse = np.unique(np.asarray(image_ids, np.int64), return_inverse=True)
    if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
        count = limit
    elif isinstance(limit, float) and 0 < limit <= 1:
        count = max(round(limit * len(unique)), 1)
    else:
        raise ValueError(f'limit is a number of images, or a share in (0, 1]; got {limit!r}')
    chosen = np.zeros(len(unique), bool)
    chosen[np.argsort(positions(unique, f'limit:{seed}'), kind='stable')[:count]] = True
    return chosen[inverse]
