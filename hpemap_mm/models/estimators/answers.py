"""In which representation a pose estimator answers."""

# N samples, K joints of a skeleton

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from hpemap_mm.models.consistency.maps import checked_sigma
from hpemap_mm.models.consistency.teacher import Teacher
from hpemap_mm.models.heads.decode import install_batch_decoding

#: What ``answer`` may be besides a name.
OWN, ALL = 'own', 'all'
DECODERS = ('batch', 'symmetric', 'mmpose')


class AnsweringPoseEstimator(TopdownPoseEstimator):
    """Base of the estimators that know several skeletons.

    ``test_cfg`` takes, besides MMPose's keys:

    - ``answer``: ``'own'`` (default): each sample in the skeleton that its ``metainfo``
      names; a skeleton's name: every sample in that one; ``'all'``: every sample in every
      skeleton, from one pass of the backbone. Estimators may know more names.
    - ``decode``: ``'batch'`` (default): UDP heatmaps are decoded for the whole batch where they
      are, to MMPose's keypoints; ``'symmetric'``: the same, but so that a mirror image gets
      exactly the mirrored answer (UDP's mixed derivative, and the flip test of SimCC heads);
      ``'mmpose'``: as MMPose does it.

    Predictions: ``pred_instances`` has ``keypoints`` (1, K, 2), 0-based pixels of the original
    image, and ``keypoint_scores`` (1, K); ``metainfo['pred_skeleton']`` names their skeleton.
    With ``'all'``, ``pred_instances`` is in the sample's own skeleton, or in the model's first
    where the model does not have the sample's own, and ``pred_by_skeleton`` maps every name to
    its instances.

    The flip test passes the images and their mirror images through the backbone as one batch on
    CUDA, where fewer launches are faster, and one after the other elsewhere, where two batches of
    half the size stay in the cache (0.53 s against 0.66 s for 16 persons on a small ViT).

    Raises:
        KeyError: If ``answer`` is not one of :attr:`answers`; lists them.
        ValueError: If ``decode`` is unknown, or ``output_keypoint_indices`` is used.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        *,
        neck: Mapping[str, Any] | None = None,
        head: Mapping[str, Any],
        teacher: Mapping[str, Any] | None = None,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            backbone,
            neck=None if neck is None else dict(neck),
            head=dict(head),
            train_cfg=dict(train_cfg or {}),
            test_cfg=dict(test_cfg or {}),
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        decode = self.test_cfg.get('decode', 'batch')
        if decode not in DECODERS:
            raise ValueError(f'Unknown test_cfg.decode {decode!r}. Available: {list(DECODERS)}')
        if 'output_keypoint_indices' in self.test_cfg:
            raise ValueError("test_cfg.output_keypoint_indices: use test_cfg.answer='<skeleton>'")
        self.teacher = Teacher.from_config(teacher)

    def _finish_head(self, head: nn.Module) -> None:
        """Choose a head's decoder by ``test_cfg.decode``."""
        decode = self.test_cfg.get('decode', 'batch')
        if decode != 'mmpose':
            install_batch_decoding(head, symmetric=decode == 'symmetric')

    def _check_further(self, heads: Mapping[str, nn.Module]) -> None:
        """Whether joints without an annotation can be taught.

        Raises:
            ValueError: If a head has no UDP heatmaps, or the backbone is a mixture of experts.
        """
        if self.has_experts:
            raise ValueError(
                'consistency and a teacher are for backbones that all skeletons share: with a '
                'mixture of experts a head would be taught on the features of another expert'
            )
        for name, head in heads.items():
            checked_sigma(head, name)

    def _followed_teacher(self) -> Teacher | None:
        """The teacher, one step further."""
        if self.teacher is not None:
            self.teacher.follow(self)
        return self.teacher

    @property
    @abstractmethod
    def answers(self) -> tuple[str, ...]:
        """Names of what the model can answer in, ``'own'`` and ``'all'`` aside."""

    @property
    @abstractmethod
    def all_answers(self) -> tuple[str, ...]:
        """The names that ``'all'`` stands for."""

    @abstractmethod
    def own_answer(self, sample: PoseDataSample, index: int) -> str:
        """The name for one sample of the batch.

        Raises:
            KeyError: If the model does not have the sample's skeleton.
        """

    @abstractmethod
    def representation(self, answer: str) -> str:
        """Name of the skeleton (or space) in which ``answer`` is given."""

    @abstractmethod
    def _answer(
        self, feats: Any, samples: Sequence[PoseDataSample], wanted: Sequence[Sequence[str]]
    ) -> list[dict[str, PoseDataSample]]:
        """For each sample, by name of the wanted answers: a view of it with predictions."""

    def expert_names(self, answer: str, sample: PoseDataSample | None) -> tuple[str | None, ...]:
        """Names under which a backbone of experts may know who makes an answer, best first.

        Args:
            answer: One of :attr:`answers`.
            sample: The sample, where the answer is in its own skeleton.
        """
        dataset = None if sample is None else sample.metainfo.get('dataset_name')
        return dataset, answer, self.representation(answer)

    @property
    def has_experts(self) -> bool:
        """Whether the backbone is a mixture of experts, chosen by dataset or skeleton."""
        return hasattr(self.backbone, 'expert_index')

    @property
    def answer(self) -> str:
        """What samples are answered in; may be set."""
        return self.test_cfg.get('answer', OWN)

    @answer.setter
    def answer(self, value: str) -> None:
        self._check_answer(value)
        self.test_cfg['answer'] = value

    def _check_answer(self, value: str) -> None:
        if value not in (OWN, ALL, *self.answers):
            raise KeyError(
                f'The model cannot answer in {value!r}. Available: {[OWN, ALL, *self.answers]}'
            )

    def _wanted(self, sample: PoseDataSample, index: int) -> tuple[str, ...]:
        """Names of the answers for one sample, the one for ``pred_instances`` first."""
        if self.answer == OWN:
            return (self.own_answer(sample, index),)
        if self.answer != ALL:
            return (self.answer,)
        try:
            first = self.own_answer(sample, index)
        except KeyError:
            return self.all_answers
        return (first, *(name for name in self.all_answers if name != first))

    def predict(self, inputs: Tensor, data_samples: list[PoseDataSample]) -> list[PoseDataSample]:
        """Answer for each sample; see the class.

        Args:
            inputs: (N, 3, H, W) normalised images.
            data_samples: N samples; predictions are added to them.

        Returns:
            The same samples.

        Raises:
            KeyError: If a sample's skeleton, or ``test_cfg.answer``, is not in the model.
        """
        self._check_answer(self.answer)
        wanted = [self._wanted(sample, i) for i, sample in enumerate(data_samples)]
        found = self._answered(inputs, data_samples, wanted)
        for sample, names, views in zip(data_samples, wanted, found, strict=True):
            first = views[names[0]]
            sample.pred_instances = first.pred_instances
            if 'pred_fields' in first:
                sample.pred_fields = first.pred_fields
            pred_skeleton = self.representation(names[0])
            sample.set_field(pred_skeleton, 'pred_skeleton', field_type='metainfo')
            if self.answer == ALL:
                by_name = {name: views[name].pred_instances for name in self.all_answers}
                sample.set_field(by_name, 'pred_by_skeleton')
        return data_samples

    def _answered(
        self,
        inputs: Tensor,
        samples: Sequence[PoseDataSample],
        wanted: Sequence[Sequence[str]],
    ) -> list[dict[str, PoseDataSample]]:
        """Features, then answers; with experts, each sample passes once for each that it needs."""
        if not self.has_experts:
            return self._answer(self._test_feats(inputs), samples, wanted)
        needed: dict[tuple[int, int], list[str]] = {}
        for i, (sample, names) in enumerate(zip(samples, wanted, strict=True)):
            for name in names:
                needed.setdefault((i, self._expert(name, sample, i)), []).append(name)
        rows, experts = [i for i, _ in needed], [expert for _, expert in needed]
        each_once = rows == list(range(len(samples)))
        feats = self._test_feats(inputs, experts, None if each_once else rows)
        found: list[dict[str, PoseDataSample]] = [{} for _ in samples]
        answers = self._answer(feats, [samples[i] for i in rows], list(needed.values()))
        for i, answer in zip(rows, answers, strict=True):
            found[i].update(answer)
        return found

    def _expert(self, answer: str, sample: PoseDataSample, index: int) -> int:
        """Index of the expert that makes an answer for a sample."""
        try:
            own = self.own_answer(sample, index) == answer
        except KeyError:
            own = False
        return self.backbone.expert_index(*self.expert_names(answer, sample if own else None))

    def _features(
        self,
        inputs: Tensor,
        experts: int | Sequence[int] | None = None,
        rows: Sequence[int] | None = None,
    ) -> Any:
        """Feature maps of the images, or of rows of them by experts."""
        if experts is None:
            return self.extract_feat(inputs)
        feats = self.backbone(inputs, experts, rows)
        return self.neck(feats) if self.with_neck else feats

    def _test_feats(
        self,
        inputs: Tensor,
        experts: Sequence[int] | None = None,
        rows: Sequence[int] | None = None,
    ) -> Any:
        """Feature maps, or [of the images, of their mirror images] with ``flip_test``."""
        if not self.test_cfg.get('flip_test', False):
            return self._features(inputs, experts, rows)
        mirrored = inputs.flip(-1)
        if not inputs.is_cuda:
            return [self._features(images, experts, rows) for images in (inputs, mirrored)]
        twice = None if rows is None else [*rows, *(row + len(inputs) for row in rows)]
        both = self._features(
            torch.cat([inputs, mirrored]), None if experts is None else [*experts, *experts], twice
        )
        count = len(inputs) if experts is None else len(experts)
        return [_part(both, slice(0, count)), _part(both, slice(count, None))]

    def _add_predictions(self, predictions: Any, views: list[PoseDataSample]) -> None:
        """Put a head's predictions into its views, in pixels of the original image."""
        instances, fields = predictions if isinstance(predictions, tuple) else (predictions, None)
        self.add_pred_to_datasample(instances, fields, views)


def _part(feats: Any, part: slice) -> Any:
    """The same slice of every tensor in nested tuples or lists."""
    if isinstance(feats, Tensor):
        return feats[part]
    return type(feats)(_part(inner, part) for inner in feats)
