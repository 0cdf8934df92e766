"""One backbone, one decoder over a joint space."""

# N samples, J space joints, K joints of a skeleton

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample
from torch import Tensor

from hpemap_mm.models.consistency.lessons import taught_loss
from hpemap_mm.models.consistency.maps import raw_output
from hpemap_mm.models.estimators.answers import AnsweringPoseEstimator
from hpemap_mm.models.heads.joint_space import JointSpaceHead
from hpemap_mm.models.heads.run import view_sample
from hpemap_mm.models.losses import per_sample_factor
from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import JointSpace

SPACE = 'space'


@MODELS.register_module()
class JointSpacePoseEstimator(AnsweringPoseEstimator):
    """A top-down estimator whose one head predicts a union or concat of skeletons.

    ``test_cfg.answer`` may be ``'own'``, a skeleton of the space, ``'all'``, or ``'space'`` for
    all J joints. An answer in a skeleton is the J predictions at ``space.indices(skeleton)``.

    The loss is the mean over samples (MMPose's ``KLDiscretLoss`` sums over them; it is divided by
    their number).

    Args:
        backbone: Its config. With a :class:`~hpemap_mm.models.ViTPoseMoEBackbone`, every skeleton
            of the space needs an expert; a sample's ``dataset_name`` goes before its skeleton.
        head: Any MMPose top-down head over ``joint_space``, without its number of joints; or,
            without ``joint_space``, the config of a :class:`~hpemap_mm.models.JointSpaceHead`.
        joint_space: The space; a :class:`~hpemap_mm.models.JointSpaceHead` is put around the head.
        teacher: Lets a slowly moving copy of the model label the joints that have no annotation, by
            the loss ``'loss_taught'``: ``dict(momentum=0.999, weight=0.3, min_score=0.3)``; see
            :class:`~hpemap_mm.models.consistency.Teacher`. The head needs UDP heatmaps.
        neck: Config of the neck.
        train_cfg: ``compute_acc`` (default False) adds training accuracies.
        test_cfg: As for :class:`AnsweringPoseEstimator`.
        data_preprocessor: MMPose's ``PoseDataPreprocessor`` config.
        init_cfg: MMEngine initialisation.

    Raises:
        KeyError: If ``test_cfg.answer`` is not in the space.
        ValueError: If there is no ``joint_space`` and the head is not a JointSpaceHead, or both;
            or if a skeleton has no expert.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        *,
        head: Mapping[str, Any],
        joint_space: Mapping[str, Any] | JointSpace | None = None,
        teacher: Mapping[str, Any] | None = None,
        neck: Mapping[str, Any] | None = None,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        if joint_space is not None:
            if 'joint_space' in head:
                raise ValueError('Give joint_space to the estimator or to its head, not to both')
            head = dict(type='hpemap_mm.JointSpaceHead', joint_space=joint_space, head=head)
        super().__init__(
            backbone,
            neck=neck,
            head=head,
            teacher=teacher,
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        if not isinstance(self.head, JointSpaceHead):
            raise ValueError(
                'JointSpacePoseEstimator needs a joint_space, or a hpemap_mm.JointSpaceHead as its '
                f'head; got {type(self.head).__name__}'
            )
        self._finish_head(self.head.head)
        if self.teacher is not None:
            self._check_further({self.space.name: self.head.head})
        self._check_answer(self.answer)
        if self.has_experts:
            for name in self.all_answers:
                try:
                    self.backbone.expert_index(name)
                except KeyError as error:
                    raise ValueError(f'Skeleton {name!r}: {error.args[0]}') from error

    @property
    def space(self) -> JointSpace:
        """The joint space of the head."""
        return self.head.space

    @property
    def answers(self) -> tuple[str, ...]:
        """``'space'`` and the names of its skeletons."""
        return (SPACE, *self.all_answers)

    @property
    def all_answers(self) -> tuple[str, ...]:
        """Names of the space's skeletons."""
        return tuple(skeleton.name for skeleton in self.space.skeletons)

    def own_answer(self, sample: PoseDataSample, index: int) -> str:
        """The skeleton that a sample names."""
        skeleton = sample.metainfo.get('skeleton')
        if skeleton not in self.all_answers:
            raise KeyError(
                f'Sample {index} of dataset {sample.metainfo.get("dataset_name")!r} has skeleton '
                f'{skeleton!r}, which space {self.space.name!r} has not. '
                f'Available: {list(self.all_answers)}'
            )
        return skeleton

    def representation(self, answer: str) -> str:
        """The skeleton's name, or the space's."""
        return self.space.name if answer == SPACE else answer

    def expert_names(self, answer: str, sample: PoseDataSample | None) -> tuple[str | None, ...]:
        """The sample's dataset, the skeleton; for the whole space, the sample's own."""
        if sample is None:
            return (answer,)
        skeleton = sample.metainfo.get('skeleton') if answer == SPACE else answer
        return sample.metainfo.get('dataset_name'), skeleton

    def _expert(self, answer: str, sample: PoseDataSample, index: int) -> int:
        if answer == SPACE:
            return self.backbone.expert_index(*self.expert_names(answer, sample))
        return super()._expert(answer, sample, index)

    def _forward(self, inputs: Tensor, data_samples: list[PoseDataSample] | None = None) -> Any:
        """The head's raw output over the space; with experts, by skeleton (mode 'tensor').

        Raises:
            ValueError: If there are experts, and the head's output has no channel per joint.
        """
        if not self.has_experts:
            return self.head.forward(self.extract_feat(inputs))
        experts = {n: self.backbone.expert_index(n) for n in self.all_answers}
        by_expert = {
            e: self.head.forward(self._features(inputs, e)) for e in dict.fromkeys(experts.values())
        }
        if not all(isinstance(o, Tensor) and o.ndim == 4 for o in by_expert.values()):
            raise ValueError(f'{type(self.head.head).__name__} has no heatmaps to take joints from')
        return {n: by_expert[e][:, self.space.indices(n).tolist()] for n, e in experts.items()}

    @property
    def head_prefixes(self) -> dict[str, str]:
        """Where the head's tensors are in a state dict."""
        return {self.space.name: 'head.head.'}

    def loss(self, inputs: Tensor, data_samples: list[PoseDataSample]) -> dict[str, Any]:
        """Losses of N samples, all with targets in the space.

        Raises:
            ValueError: If a sample's target is not in the space.
        """
        experts = None
        if self.has_experts:
            experts = [
                self.backbone.expert_index(
                    sample.metainfo.get('dataset_name'), sample.metainfo.get('skeleton')
                )
                for sample in data_samples
            ]
        feats = self._features(inputs, experts)
        losses = self.head.loss(feats, data_samples, self.train_cfg)
        factor = per_sample_factor(self.head.head, len(data_samples))
        losses = {k: value * factor if 'loss' in k else value for k, value in losses.items()}
        teacher = self._followed_teacher()
        if teacher is not None:
            losses['loss_taught'] = taught_loss(
                teacher,
                self.head.head,
                raw_output(self.head.head, feats),
                data_samples,
                inputs=inputs,
                flips=self.space.flip_indices.tolist(),
            )
        return losses

    def _answer(
        self, feats: Any, samples: Sequence[PoseDataSample], wanted: Sequence[Sequence[str]]
    ) -> list[dict[str, PoseDataSample]]:
        views = [view_sample(sample) for sample in samples]
        self._add_predictions(self.head.predict(feats, views, self.test_cfg), views)
        return [
            {name: view if name == SPACE else self._gathered(view, name) for name in names}
            for view, names in zip(views, wanted, strict=True)
        ]

    def _gathered(self, view: PoseDataSample, skeleton: str) -> PoseDataSample:
        """A view whose predictions are the skeleton's joints out of the space's."""
        indices = self.space.indices(skeleton)
        gathered = view_sample(view)
        gathered.pred_instances = gather_instances(view.pred_instances, indices)
        if 'pred_fields' in view:
            heatmaps = view.pred_fields.heatmaps[indices.tolist()]
            gathered.pred_fields = PixelData(heatmaps=heatmaps)
        return gathered


def gather_instances(instances: InstanceData, indices: np.ndarray) -> InstanceData:
    """Some joints of instances: every ``keypoint*`` field (1, J, ...) becomes (1, K, ...)."""
    gathered = InstanceData()
    for key, value in instances.items():
        gathered.set_field(value[:, indices] if key.startswith('keypoint') else value, key)
    return gathered
