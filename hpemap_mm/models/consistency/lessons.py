"""Losses of joints that a sample's dataset does not annotate."""

# N samples, K joints of a head, H W heatmap

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from hpemap_mm.models.consistency.maps import (
    as_heatmaps,
    centres,
    checked_sigma,
    gaussians,
    peaks,
    within,
)
from hpemap_mm.models.consistency.teacher import Teacher
from hpemap_mm.models.consistency.ties import Ties, build_ties
from hpemap_mm.skeletons import Skeleton


@dataclass(frozen=True)
class Consistency:
    """How the heads of a model are tied to each other.

    Attributes:
        ties: What one skeleton's joints say of another's.
        weight: Of the loss, against that of annotated joints.
        min_score: What a head says itself of a joint counts from this peak of its heatmap (about
            1 where it is sure); annotations always count.
    """

    ties: Ties
    weight: float
    min_score: float

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> Consistency | None:
        """From ``dict(type=..., weight=0.3, min_score=0.3, **options of the type)``.

        Raises:
            ValueError: If an argument is unknown or out of range.
        """
        if config is None:
            return None
        options = dict(config)
        numbers = {'weight': options.pop('weight', 0.3), 'min_score': options.pop('min_score', 0.3)}
        for name, value in numbers.items():
            if not value > 0:
                raise ValueError(f'consistency.{name} must be positive, got {value!r}')
        return cls(ties=build_ties(options), **numbers)


@dataclass(frozen=True)
class Lesson:
    """Labels that are made while training.

    Attributes:
        points: (N, K, 2) heatmap pixels; of weight 0 anything.
        weights: (N, K), 0 where there is no label.
    """

    points: Tensor
    weights: Tensor

    def loss(self, head: Any, raw: Tensor, name: str) -> Tensor:
        """The head's own loss against heatmaps of the points; the mean over the N samples.

        Args:
            head: A head with heatmaps.
            raw: What its loss is computed of, (N, K, H, W).
            name: The head's name, for error messages.
        """
        sigma = checked_sigma(head, name)
        size = (raw.shape[-1], raw.shape[-2])
        weights = torch.where(within(self.points, size), self.weights, 0.0)
        return head.loss_module(raw, gaussians(self.points, size, sigma), weights)


def label_weights(samples: Sequence[PoseDataSample], like: Tensor) -> Tensor:
    """(N, K) weights of the annotated joints."""
    return torch.cat([s.gt_instance_labels.keypoint_weights for s in samples]).to(like)


def labels(samples: Sequence[PoseDataSample], sigma: float) -> Lesson:
    """The annotation of samples of one head, read from their target heatmaps."""
    targets = torch.stack([sample.gt_fields.heatmaps for sample in samples])
    weights = label_weights(samples, targets)
    # A target of weight 0 may hold anything.
    points = centres(targets.nan_to_num(0.0), sigma)
    return Lesson(torch.where(weights[..., None] > 0, points, 0.0), weights)


def said(heatmaps: Tensor, min_score: float) -> Lesson:
    """What heatmaps say; peaks below a score say nothing, others count by it, up to 1."""
    points, scores = peaks(heatmaps)
    return Lesson(points, torch.where(scores >= min_score, scores.clamp(max=1.0), 0.0))


def first_of(first: Lesson, second: Lesson) -> Lesson:
    """``first``, and where it says nothing, ``second``."""
    has = first.weights > 0
    return Lesson(
        torch.where(has[..., None], first.points, second.points),
        torch.where(has, first.weights, second.weights),
    )


def tied(
    consistency: Consistency,
    *,
    skeletons: Mapping[str, Skeleton],
    heads: Mapping[str, nn.Module],
    raw: Mapping[str, Tensor],
    samples: Sequence[PoseDataSample],
    groups: Mapping[str, Sequence[int]],
) -> dict[str, Lesson]:
    """For each head what the other samples' own heads, or their annotations, say of its joints.

    No gradient flows into what is said.

    Args:
        consistency: How heads are tied.
        skeletons: Of each head.
        heads: The heads.
        raw: What each head's loss is computed of, for all N samples.
        samples: N samples.
        groups: Head -> indices of its own samples.
    """
    lessons = {}
    for name, output in raw.items():
        count, joints = output.shape[:2]
        lessons[name] = Lesson(
            output.new_zeros(count, joints, 2, dtype=torch.float32),
            output.new_zeros(count, joints, dtype=torch.float32),
        )
    for own, indices in groups.items():
        sigma = checked_sigma(heads[own], own)
        # Detached, not under no_grad: autocast would keep its copy of the head's weights, and
        # the head's own loss would then reach no weights.
        answer = as_heatmaps(heads[own], raw[own].detach()[indices])
        known = first_of(
            labels([samples[i] for i in indices], sigma), said(answer, consistency.min_score)
        )
        for name, lesson in lessons.items():
            if name != own:
                points, weights = consistency.ties.bring(
                    skeletons[own], skeletons[name], known.points, known.weights, sigma
                )
                lesson.points[indices], lesson.weights[indices] = points, weights
    return lessons


def further_losses(
    *,
    heads: Mapping[str, nn.Module],
    skeletons: Mapping[str, Skeleton],
    raw: Mapping[str, Tensor],
    samples: Sequence[PoseDataSample],
    groups: Mapping[str, Sequence[int]],
    loss_weights: Mapping[str, float],
    consistency: Consistency | None,
    teacher: Teacher | None,
    inputs: Tensor,
) -> dict[str, Tensor]:
    """Losses of a multi-head model for joints that are not annotated.

    Each is the mean over all N samples; those that it teaches nothing count as 0. Ties come first,
    the teacher takes what they leave.

    Args:
        heads: The heads.
        skeletons: Of each head.
        raw: What each head's loss is computed of, for all N samples.
        samples: N samples.
        groups: Head -> indices of its own samples.
        loss_weights: Factor of each head's losses.
        consistency: How heads are tied, if they are.
        teacher: The teacher, if there is one.
        inputs: (N, 3, H, W) images, for the teacher.
    """
    losses = {}
    told = {name: output.new_zeros(output.shape[:2]).bool() for name, output in raw.items()}
    for name, indices in groups.items():
        told[name][indices] = label_weights([samples[i] for i in indices], raw[name].detach()) > 0
    if consistency is not None:
        for name, lesson in tied(
            consistency, skeletons=skeletons, heads=heads, raw=raw, samples=samples, groups=groups
        ).items():
            factor = consistency.weight * loss_weights[name]
            losses[f'{name}.loss_tied'] = factor * lesson.loss(heads[name], raw[name], name)
            told[name] |= lesson.weights > 0
    if teacher is not None:
        flips = {name: skeleton.flip_indices.tolist() for name, skeleton in skeletons.items()}
        for name, maps in teacher.heatmaps(inputs, flips).items():
            factor = teacher.weight * loss_weights[name]
            lesson = taught(teacher, maps, told[name])
            losses[f'{name}.loss_taught'] = factor * lesson.loss(heads[name], raw[name], name)
    return losses


def taught(teacher: Teacher, heatmaps: Tensor, told: Tensor) -> Lesson:
    """What a teacher's heatmaps (N, K, H, W) say of joints of which nothing is told (N, K)."""
    lesson = said(heatmaps, teacher.min_score)
    return Lesson(lesson.points, torch.where(told, 0.0, lesson.weights))


def taught_loss(
    teacher: Teacher,
    head: nn.Module,
    raw: Tensor,
    samples: Sequence[PoseDataSample],
    *,
    inputs: Tensor,
    flips: list[int],
) -> Tensor:
    """The loss of a head over a joint space, for joints that are not annotated.

    Args:
        teacher: The teacher.
        head: The head.
        raw: What its loss is computed of, (N, K, H, W).
        samples: N samples.
        inputs: (N, 3, H, W) images.
        flips: K flip indices.
    """
    (maps,) = teacher.heatmaps(inputs, {'space': flips}).values()
    lesson = taught(teacher, maps, label_weights(samples, raw.detach()) > 0)
    return teacher.weight * lesson.loss(head, raw, 'space')
