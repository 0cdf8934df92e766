"""One backbone, one decoder per skeleton."""

# N samples of the batch, n samples of one head, K joints of one head

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dist import get_world_size
from mmengine.model import ModuleDict
from mmpose.registry import MODELS as MMPOSE_MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from hpemap_mm.models.consistency.lessons import Consistency, further_losses
from hpemap_mm.models.consistency.maps import raw_output
from hpemap_mm.models.estimators.answers import ALL, OWN, AnsweringPoseEstimator
from hpemap_mm.models.estimators.routing import head_of, route, take, untouched_loss
from hpemap_mm.models.heads.build import build_head, merge_config
from hpemap_mm.models.heads.run import head_losses, head_predictions, view_sample
from hpemap_mm.models.losses import guard_losses, per_sample_factor
from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import Skeleton, as_skeleton


@MODELS.register_module()
class MultiHeadPoseEstimator(AnsweringPoseEstimator):
    """A top-down estimator with one decoder for each skeleton, on one backbone.

    A batch may mix samples of all skeletons: each goes to the head named as its
    ``metainfo['dataset_name']`` or else as its ``metainfo['skeleton']``. Images are not copied;
    each head sees its samples' feature maps.

    Losses are named ``'<head>.loss_kpt'``. A head's loss, the mean over its n samples, is
    weighted by n / N, so that the sum is the mean over the batch: a mixed batch has the loss of
    its parts by their shares, and distributed processes with batches of one size have together
    the loss and gradients of a single process. A head without samples contributes 0, with zero
    gradients. (MMPose's ``KLDiscretLoss`` sums over samples; it is divided by their number.)

    Args:
        backbone: Its config. With a :class:`~hpemap_mm.models.ViTPoseMoEBackbone`, every head needs
            an expert of its name or of its skeleton's; a sample's ``dataset_name`` goes before.
        skeletons: The skeletons, each with a head of its name. The first is the one that
            ``answer='all'`` puts first where a sample names none.
        head: Config of all heads: any MMPose top-down head, without its number of joints.
        heads: What differs for single heads, by name, merged into ``head`` (``_delete_=True``
            replaces). A name that is no skeleton of ``skeletons`` is a ``dataset_name`` and states
            its ``skeleton``. A ``neck`` in a head's config is for that head alone.
        loss_weights: Factors of the heads' losses, by name; 1 where not given.
        consistency: Ties the heads that a sample's dataset does not annotate, by the loss
            ``'<head>.loss_tied'``, to its annotation and to what its own head says:
            ``dict(type='ontology', weight=0.3)``, or through networks with ``type='translators'``;
            see :class:`~hpemap_mm.models.consistency.Consistency` and
            :mod:`hpemap_mm.models.consistency.ties`. Heads need UDP heatmaps.
        teacher: Lets a slowly moving copy of the model label what is left without one, by the loss
            ``'<head>.loss_taught'``: ``dict(momentum=0.999, weight=0.3, min_score=0.3)``; see
            :class:`~hpemap_mm.models.consistency.Teacher`.
        neck: Config of a neck that all heads share.
        train_cfg: ``compute_acc`` (default False) adds training accuracies.
        test_cfg: ``flip_test``, ``answer``, ``decode`` and MMPose's keys; see
            :class:`AnsweringPoseEstimator`.
        data_preprocessor: MMPose's ``PoseDataPreprocessor`` config.
        init_cfg: MMEngine initialisation.

    Attributes:
        heads: The decoders, by name.
        skeletons: The skeleton of each head, by the head's name.

    Raises:
        KeyError: If a skeleton is unknown.
        ValueError: If the heads' configs do not fit the skeletons, or a head has no expert.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        *,
        skeletons: Sequence[str | Skeleton],
        head: Mapping[str, Any],
        heads: Mapping[str, Mapping[str, Any]] | None = None,
        loss_weights: Mapping[str, float] | None = None,
        consistency: Mapping[str, Any] | None = None,
        teacher: Mapping[str, Any] | None = None,
        neck: Mapping[str, Any] | None = None,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            backbone,
            neck=neck,
            # MMPose builds one head: it gets an empty container, which is named for what it is.
            head=dict(type=ModuleDict),
            teacher=teacher,
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self.heads = self.head
        del self.head
        self.head_necks = ModuleDict()
        self.skeletons: dict[str, Skeleton] = {}
        for name, skeleton, config in _head_configs(skeletons, head, heads or {}):
            own_neck = config.pop('neck', None)
            if own_neck is not None:
                self.head_necks[name] = MMPOSE_MODELS.build(own_neck)
            built = build_head(config, joints=len(skeleton), owner=f'head {name!r}')
            guard_losses(built)
            self._finish_head(built)
            self.heads[name] = built
            self.skeletons[name] = skeleton
        unknown = set(loss_weights or {}) - set(self.heads)
        if unknown:
            raise ValueError(
                f'loss_weights for {sorted(unknown)}, which are no heads. Heads: {list(self.heads)}'
            )
        self.loss_weights = {name: float((loss_weights or {}).get(name, 1)) for name in self.heads}
        self.consistency = Consistency.from_config(consistency)
        if self.consistency is not None or self.teacher is not None:
            self._check_further(self.heads)
        self._check_answer(self.answer)
        self._check_experts()
        self._sync_checked = False

    @property
    def answers(self) -> tuple[str, ...]:
        """The heads' names."""
        return tuple(self.heads)

    @property
    def all_answers(self) -> tuple[str, ...]:
        """The heads' names."""
        return tuple(self.heads)

    def own_answer(self, sample: PoseDataSample, index: int) -> str:
        """The head that a sample is routed to."""
        return head_of(sample, index=index, heads=self.answers)

    def representation(self, answer: str) -> str:
        """Name of a head's skeleton."""
        return self.skeletons[answer].name

    @property
    def head_prefixes(self) -> dict[str, str]:
        """Where each head's tensors are in a state dict."""
        return {name: f'heads.{name}.' for name in self.heads}

    def _forward(
        self, inputs: Tensor, data_samples: list[PoseDataSample] | None = None
    ) -> dict[str, Any]:
        """Raw outputs of all heads, by name (mode 'tensor')."""
        if not self.has_experts:
            feats = self.extract_feat(inputs)
            return {n: head.forward(self._necked(n, feats)) for n, head in self.heads.items()}
        experts = {n: self.backbone.expert_index(*self.expert_names(n, None)) for n in self.heads}
        by_expert = {e: self._features(inputs, e) for e in dict.fromkeys(experts.values())}
        return {
            name: head.forward(self._necked(name, by_expert[experts[name]]))
            for name, head in self.heads.items()
        }

    def loss(self, inputs: Tensor, data_samples: list[PoseDataSample]) -> dict[str, Any]:
        """Losses of a mixed batch; see the class.

        Args:
            inputs: (N, 3, H, W) normalised images.
            data_samples: N samples with their targets.

        Raises:
            KeyError: If a sample belongs to no head.
            ValueError: If a sample's target does not fit its head.
            RuntimeError: If a head has SyncBatchNorm in a distributed run.
        """
        self._refuse_sync_norms()
        groups = route(data_samples, heads=self.heads)
        experts = None
        if self.has_experts:
            names = {i: name for name, indices in groups.items() for i in indices}
            experts = [
                self.backbone.expert_index(*self.expert_names(names[i], sample))
                for i, sample in enumerate(data_samples)
            ]
        feats = self._features(inputs, experts)
        losses: dict[str, Any] = {}
        for name, head in self.heads.items():
            if name not in groups:
                losses[f'{name}.loss_kpt'] = self._untouched(name)
                continue
            indices = groups[name]
            own = head_losses(
                head,
                self._necked(name, take(feats, indices, len(data_samples))),
                [data_samples[i] for i in indices],
                name=name,
                joints=len(self.skeletons[name]),
                train_cfg=self.train_cfg,
            )
            factor = self.loss_weights[name] * len(indices) / len(data_samples)
            factor *= per_sample_factor(head, len(indices))
            for key, value in own.items():
                losses[f'{name}.{key}'] = value * factor if 'loss' in key else value
        if self.consistency is not None or self.teacher is not None:
            losses.update(
                further_losses(
                    heads=self.heads,
                    skeletons=self.skeletons,
                    # Every head sees all samples.
                    raw={
                        name: raw_output(head, self._necked(name, feats))
                        for name, head in self.heads.items()
                    },
                    samples=data_samples,
                    groups=groups,
                    loss_weights=self.loss_weights,
                    consistency=self.consistency,
                    teacher=self._followed_teacher(),
                    inputs=inputs,
                )
            )
        return losses

    def _answer(
        self, feats: Any, samples: Sequence[PoseDataSample], wanted: Sequence[Sequence[str]]
    ) -> list[dict[str, PoseDataSample]]:
        found: list[dict[str, PoseDataSample]] = [{} for _ in samples]
        flipped = bool(self.test_cfg.get('flip_test', False))
        for name, head in self.heads.items():
            indices = [i for i, names in enumerate(wanted) if name in names]
            if not indices:
                continue
            flip_indices = self.skeletons[name].flip_indices.tolist()
            views = [view_sample(samples[i]) for i in indices]
            own = take(feats, indices, len(samples))
            own = [self._necked(name, f) for f in own] if flipped else self._necked(name, own)
            predictions = head_predictions(
                head, own, views, flip_indices=flip_indices, test_cfg=self.test_cfg
            )
            self._add_predictions(predictions, views)
            for i, view in zip(indices, views, strict=True):
                found[i][name] = view
        return found

    def _necked(self, name: str, feats: Any) -> Any:
        """Feature maps as one head wants them."""
        return self.head_necks[name](feats) if name in self.head_necks else feats

    def _untouched(self, name: str) -> Tensor:
        zero = untouched_loss(self.heads[name])
        if name in self.head_necks and any(True for _ in self.head_necks[name].parameters()):
            zero = zero + untouched_loss(self.head_necks[name])
        return zero

    def _check_experts(self) -> None:
        """Every head must be made by an expert, whatever dataset a sample is of."""
        if self.has_experts:
            for name in self.heads:
                try:
                    self.backbone.expert_index(*self.expert_names(name, None))
                except KeyError as error:
                    raise ValueError(f'Head {name!r}: {error.args[0]}') from error

    def _refuse_sync_norms(self) -> None:
        """A head that runs on some processes only would wait for the others for ever."""
        if self._sync_checked:
            return
        if get_world_size() > 1:
            for name, head in self.heads.items():
                if any(isinstance(module, nn.SyncBatchNorm) for module in head.modules()):
                    raise RuntimeError(
                        f'Head {name!r} has SyncBatchNorm, which needs samples of its dataset on '
                        'every process at every step: do not convert the heads (sync_bn), or '
                        "use the 'simple' decoder, which has no batch norm"
                    )
        self._sync_checked = True


def _head_configs(
    skeletons: Sequence[str | Skeleton],
    template: Mapping[str, Any],
    overrides: Mapping[str, Mapping[str, Any]],
) -> list[tuple[str, Skeleton, dict[str, Any]]]:
    """Name, skeleton and config of every head."""
    members = {skeleton.name: skeleton for skeleton in map(as_skeleton, skeletons)}
    if len(members) != len(skeletons):
        raise ValueError(f'skeletons name one twice: {[as_skeleton(s).name for s in skeletons]}')
    configs = []
    for name in (*members, *(name for name in overrides if name not in members)):
        config = merge_config(template, overrides.get(name, {}))
        stated = config.pop('skeleton', None)
        if name in members:
            skeleton = members[name]
            if stated is not None and as_skeleton(stated).name != name:
                raise ValueError(f'Head {name!r} is for its own skeleton, but states {stated!r}')
        elif stated is None:
            raise ValueError(
                f'heads has {name!r}, which is no skeleton of {list(members)}. A head for a '
                "dataset's name must state its skeleton: dict(skeleton=..., ...)"
            )
        else:
            skeleton = as_skeleton(stated)
        if name in (OWN, ALL) or '.' in name:
            raise ValueError(f'A head cannot be called {name!r}')
        configs.append((name, skeleton, config))
    if not configs:
        raise ValueError('A multi-head estimator needs at least one skeleton')
    return configs
