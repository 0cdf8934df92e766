"""One head over a joint space."""

# N samples, J space joints

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmpose.models.heads.base_head import BaseHead

from hpemap_mm.models.heads.build import build_head
from hpemap_mm.models.heads.run import head_losses, head_predictions
from hpemap_mm.models.losses import guard_losses
from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import JointSpace


@MODELS.register_module()
class JointSpaceHead(BaseHead):
    """Any MMPose top-down head over the J joints of a space.

    The head's number of joints and its flip indices come from the space, never from a config or
    a sample. Joints that a sample's skeleton does not annotate get no gradient, whatever their
    target holds.

    Args:
        joint_space: A :class:`~hpemap_mm.skeletons.JointSpace` or its config.
        head: The head's config, without its number of joints.
        init_cfg: MMEngine initialisation.

    Attributes:
        space: The space.

    Raises:
        KeyError: If the space names an unknown skeleton.
        ValueError: If the head states its number of joints.
    """

    def __init__(
        self,
        joint_space: Mapping[str, Any] | JointSpace,
        *,
        head: Mapping[str, Any],
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.space = JointSpace.from_config(joint_space)
        self.head = build_head(head, joints=len(self.space), owner=f'space {self.space.name!r}')
        guard_losses(self.head)

    def forward(self, feats: Sequence[Any]) -> Any:
        """The head's output for the J joints."""
        return self.head.forward(feats)

    def loss(
        self,
        feats: Sequence[Any],
        batch_data_samples: list[Any],
        train_cfg: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The head's losses; see :func:`~hpemap_mm.models.heads.run.head_losses`.

        Raises:
            ValueError: If a sample's target is not in the space.
        """
        return head_losses(
            self.head,
            feats,
            batch_data_samples,
            name=self.space.name,
            joints=len(self.space),
            train_cfg=train_cfg or {},
        )

    def predict(
        self,
        feats: Sequence[Any],
        batch_data_samples: list[Any],
        test_cfg: Mapping[str, Any] | None = None,
    ) -> Any:
        """MMPose's predictions for the J joints, flip-averaged by the space's flip indices."""
        return head_predictions(
            self.head,
            feats,
            batch_data_samples,
            flip_indices=self.space.flip_indices.tolist(),
            test_cfg=test_cfg or {},
        )
