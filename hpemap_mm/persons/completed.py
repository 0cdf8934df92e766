"""Persons of whom one skeleton is as complete as the evidence allows.

Dimensions: N persons, K joints of the skeleton.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hpemap_mm.persons.provenance import GT, NONE, PROVENANCE
from hpemap_mm.skeletons import Skeleton

Array = npt.NDArray[np.floating]
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class CompletedJoints:
    """One skeleton of N persons, each joint with its origin and its uncertainty.

    Attributes:
        skeleton: The skeleton.
        keypoints: (N, K, 2) 0-based pixels of the original image; NaN where a joint is left empty.
            Annotated joints are the annotation's, to the bit (of MPII and LSP to the float32 that
            their readers keep, which is what files with up to seven digits have).
        visibility: (N, K): the annotation's 1 or 2; 1 where filled, 0 where empty.
        stds: (N, K) px: standard deviation along one axis of the Gaussian whose 50% region is the
            joint's; NaN where empty. Of annotated joints, that of an annotator.
        provenance: (N, K) codes, places in :data:`~hpemap_mm.persons.provenance.PROVENANCE`.

    Raises:
        ValueError: Shapes disagree, or what is empty in one array is not in another.
    """

    skeleton: Skeleton
    keypoints: Array
    visibility: Codes
    stds: Array
    provenance: Codes

    def __post_init__(self) -> None:
        shape = (len(self.keypoints), len(self.skeleton))
        for name, expected in (
            ('keypoints', (*shape, 2)),
            ('visibility', shape),
            ('stds', shape),
            ('provenance', shape),
        ):
            if getattr(self, name).shape != expected:
                found = getattr(self, name).shape
                raise ValueError(f'{self.skeleton.name}: {name} must be {expected}, got {found}')
        filled = self.provenance != NONE
        if (self.provenance >= len(PROVENANCE)).any():
            raise ValueError(f'provenance codes are below {len(PROVENANCE)}')
        for name, given in (
            ('keypoints', np.isfinite(self.keypoints).all(-1)),
            ('visibility', self.visibility > 0),
            ('stds', np.isfinite(self.stds)),
        ):
            if (given != filled).any():
                raise ValueError(f'{self.skeleton.name}: {name} and provenance disagree')

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def annotated(self) -> npt.NDArray[np.bool_]:
        """(N, K): joints of the dataset's own annotation."""
        return self.provenance == GT

    @property
    def filled(self) -> npt.NDArray[np.bool_]:
        """(N, K): joints that are not left empty."""
        return self.provenance != NONE

    def take(self, rows: npt.ArrayLike) -> Self:
        """Some persons: indices, a slice or a mask."""
        picked: dict[str, Any] = {name: getattr(self, name)[rows] for name in _per_person()}
        return replace(self, **picked)

    @classmethod
    def concatenate(cls, parts: Sequence[CompletedJoints]) -> CompletedJoints:
        """Several batches of one skeleton, one after the other."""
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in _per_person()
        }
        return replace(parts[0], **joined)


def _per_person() -> list[str]:
    return [field.name for field in fields(CompletedJoints) if field.name != 'skeleton']
