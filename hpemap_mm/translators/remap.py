"""The ontology alone as a translator: the honest baseline, nothing is learned.

Dimensions: N persons (the last axis), S joints of the source, D joints of the target.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import Skeleton
from hpemap_mm.translators.base import CHUNK, Answer, BoolArray, Codes, KeypointTranslator
from hpemap_mm.translators.frame import frame, is_whole
from hpemap_mm.translators.ontology_map import OntologyMap


@MODELS.register_module()
class RemapTranslator(KeypointTranslator):
    """Copies and derives what the ontology says; other joints are not answered.

    Args:
        source: Skeleton of what is read.
        target: Skeleton of what is given.
        near: Let joints of the same name and another definition stand in.
        approximate: Also derivations that are estimates, as a neck from two shoulders.
        name: Short name for tables and keys.
        **options: See :class:`KeypointTranslator`.
    """

    weights: Tensor
    chunk = 4 * CHUNK  # little is kept of each

    def __init__(
        self,
        *,
        source: str | Skeleton,
        target: str | Skeleton,
        near: bool = True,
        approximate: bool = True,
        name: str = 'remap',
        **options: Any,
    ) -> None:
        super().__init__(source=source, target=target, name=name, **options)
        self.map = OntologyMap(self.source, self.target, near=near, approximate=approximate)
        weights = torch.tensor(self.map.weights, dtype=torch.float32)
        self.register_buffer('weights', weights, persistent=False)

    def answer(self, points_2SN: Tensor, valid_SN: Tensor) -> Answer:
        """Affine combinations; the scale of the errors is the person's size."""
        points = torch.matmul(self.weights, points_2SN)
        _, sizes = frame(points_2SN, valid_SN, rounds=1)
        if is_whole(valid_SN):
            known = self.weights.any(1)[:, None]
        else:
            known = torch.from_numpy(self.map.complete(valid_SN.numpy()))
        return Answer(torch.where(known, points, torch.nan), sizes.expand(len(self.target), -1))

    def origins(self, valid_SN: BoolArray) -> Codes:
        """By the ontology's relations."""
        if valid_SN.all():
            return np.broadcast_to(self.map.origins[:, None], (len(self.target), valid_SN.shape[1]))
        complete = self.map.complete(valid_SN)
        return np.where(complete, self.map.origins[:, None], 0).astype(np.uint8)
