"""The predecessor's network, for comparison: a plain multilayer perceptron with tanh.

Seven layers of 512 units, squared error, no equivariance under flips, no augmentation. Its inputs
are in the person's frame here, and missing joints lie at the centre of it.

Dimensions: N persons, S joints of the source, D joints of the target.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import Skeleton
from hpemap_mm.translators.base import Answer, KeypointTranslator
from hpemap_mm.translators.frame import frame
from hpemap_mm.translators.losses import mean_squared
from hpemap_mm.translators.networks import in_frame


@MODELS.register_module()
class MLPTranslator(KeypointTranslator):
    """Seven layers, 512 units, tanh, squared error.

    Args:
        source: Skeleton of what is read.
        target: Skeleton of what is given.
        width: Units of a hidden layer.
        depth: Layers, the last one with it.
        name: Short name for tables and keys.
        **options: See :class:`KeypointTranslator`.
    """

    def __init__(
        self,
        *,
        source: str | Skeleton,
        target: str | Skeleton,
        width: int = 512,
        depth: int = 7,
        name: str = 'mlp',
        **options: Any,
    ) -> None:
        super().__init__(source=source, target=target, name=name, **options)
        sizes = [2 * len(self.source), *[width] * (depth - 1)]
        layers: list[nn.Module] = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(before, after), nn.Tanh()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 2 * len(self.target)))

    def answer(self, points_2SN: Tensor, valid_SN: Tensor) -> Answer:
        """What the network says; the scale of the errors is the person's size."""
        centres, sizes = frame(points_2SN, valid_SN)
        found = self._found(in_frame(points_2SN, valid_SN, centres, sizes))
        return Answer(found * sizes + centres, sizes.expand(len(self.target), -1))

    def loss(self, keypoints: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Mean squared error in the persons' frames."""
        points, valid = self.prepared(keypoints)
        centres, sizes = frame(points, valid)
        found = self._found(in_frame(points, valid, centres, sizes))
        wanted = (target.permute(2, 1, 0) - centres) / sizes.clamp_min(1e-6)
        return {'loss': mean_squared(found, wanted)}

    def _found(self, local_2SN: Tensor) -> Tensor:
        values = self.layers(local_2SN.flatten(0, 1).T)
        return values.T.view(2, len(self.target), -1)
