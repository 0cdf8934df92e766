"""The best pairwise translator: a correction to the remap, with its own uncertainty.

In a frame taken from the keypoints, a network that commutes with mirroring gives each target
joint a displacement from where the ontology puts it (from the centre, where it knows nothing) and
a scale; both describe a Student law, whose likelihood it is trained on. So it is equivariant to
translation, scale and flips by construction. Missing joints are filled in first (by the mean of a
Gaussian, given the others), and the network is told which these are.

Dimensions: N persons (the last axis), S joints of the source, D joints of the target.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import Skeleton
from hpemap_mm.translators.base import Answer, KeypointTranslator
from hpemap_mm.translators.fill import PoseFill
from hpemap_mm.translators.frame import all_there, frame
from hpemap_mm.translators.losses import floored, student
from hpemap_mm.translators.mirror import SCALAR, MirrorMLP, X, Y, mirror_matrix
from hpemap_mm.translators.networks import features, in_frame

#: Where log-scales start, in sizes: about the median error after training.
START = math.log(0.08)
#: Where degrees of freedom start.
FREEDOM = 3.0


@MODELS.register_module()
class ResidualTranslator(KeypointTranslator):
    """A mirror-equivariant network on top of the remap.

    Args:
        source: Skeleton of what is read.
        target: Skeleton of what is given.
        width: Pairs of hidden units of a layer.
        depth: Hidden layers.
        dropout: Share of hidden units left out in training.
        name: Short name for tables and keys.
        **options: See :class:`KeypointTranslator`.
    """

    base: Tensor

    def __init__(
        self,
        *,
        source: str | Skeleton,
        target: str | Skeleton,
        width: int = 128,
        depth: int = 2,
        dropout: float = 0.0,
        name: str = 'residual',
        **options: Any,
    ) -> None:
        super().__init__(source=source, target=target, name=name, **options)
        base = torch.tensor(self.map.weights, dtype=torch.float32)
        self.register_buffer('base', base, persistent=False)
        self.network = MirrorMLP(
            mirror_matrix(self.source.flip_indices, (X, Y, SCALAR)),
            mirror_matrix(self.target.flip_indices, (X, Y, SCALAR)),
            width=width,
            depth=depth,
            dropout=dropout,
        )
        self.fill = PoseFill(self.source)
        # One for a joint and its mirror image: they are the same law.
        flips = self.target.flip_indices.tolist()
        first = [min(joint, mirror) for joint, mirror in enumerate(flips)]
        self.kinds = [sorted(set(first)).index(joint) for joint in first]
        self.log_freedom = nn.Parameter(torch.full((len(set(first)),), math.log(FREEDOM)))

    def fit(self, pairs: Any) -> None:
        """Fit the filling of missing joints."""
        super().fit(pairs)
        self.fill.fit(pairs.keypoints)

    def answer(self, points_2SN: Tensor, valid_SN: Tensor) -> Answer:
        """The remap, corrected."""
        centres, sizes, found, log_scales = self._found(points_2SN, valid_SN)
        return Answer(torch.addcmul(centres, found, sizes), floored(log_scales).sqrt() * sizes)

    def loss(self, keypoints: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Negative log-likelihood of the truth in the persons' frames."""
        centres, sizes, found, log_scales = self._found(*self.prepared(keypoints))
        wanted = (target.permute(2, 1, 0) - centres) / sizes.clamp_min(1e-6)
        return {'loss': student(found, wanted, log_scales, self.log_freedom[self.kinds])}

    def _found(self, points_2SN: Tensor, valid_SN: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Centres and sizes; then, in that frame, points (2, D, N) and log-scales (D, N)."""
        filled = self.fill(points_2SN, valid_SN)
        whole = all_there(*valid_SN.shape)
        centres, sizes = frame(filled, whole)
        local = in_frame(filled, whole, centres, sizes)
        values = self.network(features(local, valid_SN)).view(3, len(self.target), -1)
        found = torch.matmul(self.base, local) + values[:2]
        return centres, sizes, found, values[2] + START
