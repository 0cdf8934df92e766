"""Augmentations of keypoint pairs: what goes wrong in detections, and what leaves a person one.

Missing joints, localisation errors, joints thrown elsewhere and exchanged sides change the source
alone; rotation, scale and mirroring change both sides alike. Each works on a whole batch at once.
A person's centre and size are those of its source joints as they are at that moment, so errors
come after turning and scaling, and thrown joints last.

Dimensions: B persons, S joints of the source, D joints of the target, P pairs of left and right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from hpemap_mm.skeletons import Skeleton

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
Generator = np.random.Generator


class Batch(NamedTuple):
    """Some pairs.

    Attributes:
        keypoints: (B, S, 2) px; NaN where missing.
        target: (B, D, 2) px; NaN where not annotated.
        source: Skeleton of the keypoints.
        destination: Skeleton of the target.
    """

    keypoints: Array
    target: Array
    source: Skeleton
    destination: Skeleton


Augmentation = Callable[[Batch, Generator], Batch]


@dataclass(frozen=True, kw_only=True)
class DropJoints:
    """Joints of the source go missing.

    Attributes:
        probability: Of a person to lose joints.
        share: Of its joints, drawn uniformly from 0 to this. Two are left at least.
    """

    probability: float = 1.0
    share: float

    def __post_init__(self) -> None:
        _check_shares(self, 'probability', 'share')

    def __call__(self, batch: Batch, rng: Generator) -> Batch:
        """The batch with joints missing."""
        chosen = _choose(batch.keypoints, self.probability, self.share, rng)
        return batch._replace(keypoints=np.where(chosen[..., None], np.nan, batch.keypoints))


@dataclass(frozen=True, kw_only=True)
class ThrowJoints:
    """Joints of the source are found at a random place around the person.

    Attributes:
        probability: Of a person to have such joints.
        share: Of its joints, drawn uniformly from 0 to this. Two stay in place at least.
        reach: The place is uniform in the joints' extent, this many times as wide and high.
    """

    probability: float = 1.0
    share: float
    reach: float = 1.5

    def __post_init__(self) -> None:
        _check_shares(self, 'probability', 'share')
        _check_positive(self, 'reach')

    def __call__(self, batch: Batch, rng: Generator) -> Batch:
        """The batch with joints elsewhere."""
        points = batch.keypoints.copy()
        row, joint = np.nonzero(_choose(points, self.probability, self.share, rng))
        persons, row_of = np.unique(row, return_inverse=True)
        low = np.fmin.reduce(points[persons], axis=1)[row_of]  # fmin leaves NaN out
        high = np.fmax.reduce(points[persons], axis=1)[row_of]
        place = rng.uniform(-0.5, 0.5, low.shape).astype(points.dtype)
        points[row, joint] = (low + high) / 2 + (high - low) * self.reach * place
        return batch._replace(keypoints=points)


@dataclass(frozen=True, kw_only=True)
class Jitter:
    """Joints of the source are off by a little, sometimes by much.

    The errors follow a bivariate Student distribution: detectors' errors have a narrow core and
    heavy tails. Where the source's skeleton has sigmas (COCO's constants), joints that are hard
    to place are farther off: their errors are in proportion to the sigma over its mean.

    Attributes:
        probability: Of a person to be jittered.
        scale: Of the distribution along one axis, in sizes of the person (the root mean square
            distance of the joints from their mean).
        freedom: Degrees of freedom: 1 is Cauchy's distribution, infinity the Gaussian.
    """

    probability: float = 1.0
    scale: float
    freedom: float = 3.0

    def __post_init__(self) -> None:
        _check_shares(self, 'probability')
        _check_positive(self, 'scale', 'freedom')

    def __call__(self, batch: Batch, rng: Generator) -> Batch:
        """The batch with joints moved."""
        points = batch.keypoints
        u = np.float32(1.0) - rng.random(points.shape[:2], np.float32)  # (0, 1]
        angle = rng.random(points.shape[:2], np.float32) * np.float32(2 * np.pi)
        # The radius has the survival function (1 + r^2 / freedom)^(-freedom / 2).
        if np.isinf(self.freedom):
            radius = np.sqrt(-2 * np.log(u))
        else:
            power, freedom = np.float32(-2 / self.freedom), np.float32(self.freedom)
            radius = np.sqrt(freedom * (u**power - 1))
        scale = self.scale * _sizes(points) * _happens(self.probability, len(points), rng)
        radius *= scale[:, None].astype(np.float32)
        if batch.source.has_sigmas:
            sigmas = batch.source.sigmas
            radius *= (sigmas / sigmas.mean()).astype(np.float32)
        moved = np.empty_like(points)
        np.add(points[..., 0], radius * np.cos(angle), out=moved[..., 0])
        np.add(points[..., 1], radius * np.sin(angle), out=moved[..., 1])
        return batch._replace(keypoints=moved)


@dataclass(frozen=True, kw_only=True)
class SwapSides:
    """Left and right are taken for each other in the source, as detectors do.

    Attributes:
        probability: Of a person to have sides exchanged.
        whole: Of these, the share where all of the person is.
        share: In the others, the probability of each pair of joints to be exchanged.
    """

    probability: float
    whole: float = 0.5
    share: float = 0.3

    def __post_init__(self) -> None:
        _check_shares(self, 'probability', 'whole', 'share')

    def __call__(self, batch: Batch, rng: Generator) -> Batch:
        """The batch with sides exchanged."""
        pairs = np.array(batch.source.flip_pairs, np.int64).reshape(-1, 2)
        rows = np.flatnonzero(rng.random(len(batch.keypoints)) < self.probability)
        exchanged_RP = rng.random((len(rows), len(pairs))) < self.share
        exchanged_RP |= (rng.random(len(rows)) < self.whole)[:, None]
        row, pair = np.nonzero(exchanged_RP)
        left, right = pairs[pair, 0], pairs[pair, 1]
        points, row = batch.keypoints.copy(), rows[row]
        points[row, left], points[row, right] = points[row, right], points[row, left]
        return batch._replace(keypoints=points)


@dataclass(frozen=True, kw_only=True)
class Rotate:
    """Persons turn about their centre.

    Attributes:
        probability: Of a person to turn.
        degrees: The standard deviation of the angle; if uniform, the largest angle.
        law: ``'normal'`` or ``'uniform'``.
    """

    probability: float = 1.0
    degrees: float
    law: Literal['normal', 'uniform'] = 'normal'

    def __post_init__(self) -> None:
        _check_shares(self, 'probability')
        _check_positive(self, 'degrees')
        if self.law not in ('normal', 'uniform'):
            raise ValueError(f"law of Rotate is 'normal' or 'uniform', got {self.law!r}")

    def __call__(self, batch: Batch, rng: Generator) -> Batch:
        """The batch with persons turned, both sides alike."""
        count = len(batch.keypoints)
        drawn = rng.standard_normal(count) if self.law == 'normal' else rng.uniform(-1, 1, count)
        angles = np.deg2rad(self.degrees) * drawn * _happens(self.probability, count, rng)
        return _about_centre(batch, np.exp(1j * angles))


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Persons grow or shrink about their centre.

    Attributes:
        probability: Of a person to change.
        low: The smallest factor.
        high: The largest factor; its logarithm is drawn uniformly between the two.
    """

    probability: float = 1.0
    low: float
    high: float

    def __post_init__(self) -> None:
        _check_shares(self, 'probability')
        _check_positive(self, 'low', 'high')
        if self.low > self.high:
            raise ValueError(f'low of Scale is {self.low}, above high, {self.high}')

    def __call__(self, batch: Batch, rng: Generator) -> Batch:
        """The batch with persons resized, both sides alike."""
        count = len(batch.keypoints)
        logs = rng.uniform(np.log(self.low), np.log(self.high), count)
        return _about_centre(batch, np.exp(logs * _happens(self.probability, count, rng)))


@dataclass(frozen=True, kw_only=True)
class Flip:
    """Persons are mirrored, left to right, and their joints renamed as that demands.

    Attributes:
        probability: Of a person to be mirrored.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        _check_shares(self, 'probability')

    def __call__(self, batch: Batch, rng: Generator) -> Batch:
        """The batch with persons mirrored, both sides alike."""
        rows = np.flatnonzero(rng.random(len(batch.keypoints)) < self.probability)
        twice = 2 * _centres(_complex(batch.keypoints[rows])).real
        keypoints = _mirrored(batch.keypoints, rows, twice, batch.source)
        target = _mirrored(batch.target, rows, twice, batch.destination)
        return batch._replace(keypoints=keypoints, target=target)


AUGMENTATIONS: Mapping[str, type] = {
    cls.__name__: cls for cls in (DropJoints, Flip, Jitter, Rotate, Scale, SwapSides, ThrowJoints)
}


def build_augmentations(
    configs: Sequence[Mapping[str, Any] | Augmentation],
) -> tuple[Augmentation, ...]:
    """Augmentations from what a config says, e.g. ``[dict(type='Flip', probability=0.5)]``.

    Raises:
        KeyError: A type is unknown; lists the choices.
        ValueError: A parameter is unknown, missing or meaningless.
    """
    built: list[Augmentation] = []
    for config in configs:
        if not isinstance(config, Mapping):
            built.append(config)
            continue
        options = dict(config)
        kind = options.pop('type', None)
        if kind not in AUGMENTATIONS:
            raise KeyError(f'Unknown augmentation {kind!r}. Available: {sorted(AUGMENTATIONS)}')
        cls = AUGMENTATIONS[kind]
        known = {field.name for field in fields(cls)}
        if not options.keys() <= known:
            raise ValueError(f'{kind} takes {sorted(known)}, got {sorted(options)}')
        try:
            built.append(cls(**options))
        except TypeError as error:  # a parameter without a default, or a text for a number
            raise ValueError(f'{kind}: {error}') from error
    return tuple(built)


def _check_shares(value: Any, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(value, name) <= 1:
            found = getattr(value, name)
            raise ValueError(f'{name} of {type(value).__name__} is in [0, 1], got {found!r}')


def _check_positive(value: Any, *names: str) -> None:
    for name in names:
        if not getattr(value, name) > 0:
            found = getattr(value, name)
            raise ValueError(f'{name} of {type(value).__name__} is above 0, got {found!r}')


def _choose(points: Array, probability: float, share: float, rng: Generator) -> BoolArray:
    """(B, S): joints that something happens to; at least two valid ones are spared."""
    count, joints = points.shape[:2]
    valid = ~np.isnan(points[..., 0])
    present = valid.sum(1)
    # Rounded at random, so that a share below one joint has its effect too.
    wanted = np.floor(rng.random(count) * share * present + rng.random(count)).astype(int)
    wanted = np.minimum(wanted, present - 2).clip(0)
    wanted *= _happens(probability, count, rng)
    keys = np.where(valid, rng.random((count, joints), np.float32), np.float32(2))
    ranked = np.sort(keys, axis=1)
    limit = ranked[np.arange(count), wanted - 1]
    return (keys <= limit[:, None]) & (wanted > 0)[:, None]


def _happens(probability: float, count: int, rng: Generator) -> BoolArray:
    """(B,): to which persons it happens."""
    if probability == 1:
        return np.ones(count, bool)
    return rng.random(count) < probability


def _complex(points: Array) -> npt.NDArray[np.complexfloating]:
    """(..., K): x + iy, so that sums and turns are one operation for both."""
    kind = np.result_type(points.dtype, np.complex64)
    return np.ascontiguousarray(points).view(kind)[..., 0]


def _centres(z_BK: npt.NDArray[np.complexfloating]) -> npt.NDArray[np.complexfloating]:
    """(B, 1): means of the joints that are there; 0 without any."""
    missing = np.isnan(z_BK)
    count = np.maximum(z_BK.shape[1] - missing.sum(1, keepdims=True), 1)
    total = np.where(missing, 0, z_BK).sum(1, keepdims=True)
    return (total / count).astype(z_BK.dtype)


def _sizes(points: Array) -> Array:
    """(B,): root mean square distances of the joints from their mean; 0 without any."""
    z = _complex(points)
    local = z - _centres(z)
    missing = np.isnan(local)
    count = np.maximum(z.shape[1] - missing.sum(1), 1)
    squared = local.real**2 + local.imag**2
    return np.sqrt(np.where(missing, 0, squared).sum(1) / count)


def _about_centre(batch: Batch, factors_B: npt.NDArray[np.number]) -> Batch:
    """Both sides multiplied, as complex numbers, about the centre of the source's joints."""
    keypoints, target = _complex(batch.keypoints), _complex(batch.target)
    centre = _centres(keypoints)
    factors = factors_B[:, None].astype(keypoints.dtype)
    turned = [((z - centre) * factors + centre)[..., None] for z in (keypoints, target)]
    kinds = batch.keypoints.dtype, batch.target.dtype
    return batch._replace(keypoints=turned[0].view(kinds[0]), target=turned[1].view(kinds[1]))


def _mirrored(points: Array, rows: npt.NDArray[np.intp], twice: Array, skeleton: Skeleton) -> Array:
    """A copy with some persons mirrored: x becomes ``twice`` - x, and joints change places."""
    points = points.copy()
    points[rows] = points[rows[:, None], skeleton.flip_indices]
    points[rows, :, 0] = twice - points[rows, :, 0]
    return points
