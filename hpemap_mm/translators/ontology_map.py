"""What the ontology says of a pair of skeletons, as weights and origins.

Dimensions: N persons (the last axis), S joints of the source, D joints of the target.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hpemap_mm.skeletons import Skeleton, correspondences
from hpemap_mm.skeletons.transfer import transfer_matrix
from hpemap_mm.translators.translation import ORIGINS

BoolArray = npt.NDArray[np.bool_]


class OntologyMap:
    """Affine weights and origins of a remap from one skeleton to another.

    Args:
        source: Skeleton of what is read.
        target: Skeleton of what is given.
        near: Let joints of the same name and another definition stand in.
        approximate: Also derivations that are estimates, as a neck from two shoulders.

    Attributes:
        weights: (D, S) float64; rows of joints without a relation are zero.
        origins: (D,) codes of :data:`ORIGINS`.
    """

    def __init__(
        self, source: Skeleton, target: Skeleton, *, near: bool = True, approximate: bool = True
    ) -> None:
        records = correspondences(source, target, near, True, approximate)
        words = {'none': 'none', 'same': 'copied', 'near': 'copied', 'derived': 'derived'}
        self.weights = transfer_matrix(records, len(source))
        codes = [ORIGINS.index(words[record.relation]) for record in records]
        self.origins = np.array(codes, np.uint8)

    def complete(self, valid_SN: BoolArray) -> BoolArray:
        """(D, N): whether all joints that a target joint is made of are there."""
        needed = (self.weights != 0).astype(np.float32)
        missing = needed @ (~valid_SN).astype(np.float32)
        return (missing == 0) & needed.any(1)[:, None]
