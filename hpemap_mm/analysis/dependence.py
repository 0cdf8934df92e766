"""On what the error depends: the person's size, how it faces, how it leans, foreshortened limbs.

The length of the error vector over the person's size, as medians within bins: medians, because
one confused side weighs as much in a mean as a hundred good joints.

Dimensions: N persons, K joints, n errors in a bin, B replicates, I images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.analysis.frames import (
    LEANS,
    SIDES,
    VIEWS,
    Sizes,
    body_frames,
    has_trunk,
    joint_places,
)
from hpemap_mm.analysis.medians import image_rows, median_interval
from hpemap_mm.evaluation.aligned import Aligned
from hpemap_mm.evaluation.bootstrap import ratio_interval

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

#: Limbs by the joint at their far end -> the joint at their near end.
LIMBS: Mapping[str, str] = {'elbow': 'shoulder', 'wrist': 'elbow', 'knee': 'hip', 'ankle': 'knee'}
#: Projected over full length: the ends of the bins.
FORESHORTENING = (0.0, 0.25, 0.5, 0.75, np.inf)
#: Quantiles of the size at which persons are parted.
SIZE_PARTS = (0.2, 0.4, 0.6, 0.8)
#: Errors beyond this, in sizes, count as far off (MPII's PCKh@0.5 in head sizes).
FAR = 0.5
#: Fewest errors in a bin.
FEWEST = 20


@dataclass(frozen=True)
class Bin:
    """The errors of some persons.

    Attributes:
        name: Which.
        n: Errors.
        median: Their median length.
        low: Lower end of its 95% interval (bootstrap over images).
        high: Upper end.
        far: Share of errors longer than :data:`FAR`.
        far_low: Lower end of its interval.
        far_high: Upper end.
    """

    name: str
    n: int
    median: float
    low: float
    high: float
    far: float
    far_low: float
    far_high: float


@dataclass(frozen=True)
class Dependence:
    """How the errors depend on one property of the person.

    Attributes:
        on: The property, in words.
        bins: Over all joints.
        joints: The same for each joint, without its side: left and right together.
    """

    on: str
    bins: tuple[Bin, ...]
    joints: Mapping[str, tuple[Bin, ...]]


@dataclass(frozen=True)
class Dependences:
    """All properties that could be looked at.

    Attributes:
        parts: One for each property.
        unit: Of the errors, in words.
        skipped: Property -> why it could not be looked at.
    """

    parts: tuple[Dependence, ...]
    unit: str
    skipped: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            'unit': self.unit,
            'far': FAR,
            'parts': {
                part.on: {
                    'all': [asdict(found) for found in part.bins],
                    'joints': {
                        joint: [asdict(found) for found in bins]
                        for joint, bins in part.joints.items()
                    },
                }
                for part in self.parts
            },
            'skipped': dict(self.skipped),
        }


def find_dependences(aligned: Aligned, sizes: Sizes, weights: Array) -> Dependences:
    """Bin the errors by the person's size and pose.

    Args:
        aligned: Persons with what was predicted for them; those without a prediction are left out.
        sizes: The persons' sizes.
        weights: (B, I) over ``aligned.truth.images``.
    """
    work = _Work(aligned, sizes, weights)
    skipped: dict[str, str] = {}
    parts = [_by_size(work, sizes)]
    if has_trunk(aligned.truth.skeleton):
        frames = body_frames(aligned.truth, sizes)
        parts.append(_by_label(work, 'how the person faces', frames.view(), VIEWS))
        parts.append(_by_label(work, 'how the trunk leans', frames.posture, LEANS))
    else:
        for on in ('how the person faces', 'how the trunk leans'):
            skipped[on] = f'{aligned.truth.skeleton.name} lacks shoulders or hips'
    limbs = _by_foreshortening(work, sizes)
    if limbs is None:
        skipped['foreshortening of the limb'] = f'{aligned.truth.skeleton.name} has no limbs'
    else:
        parts.append(limbs)
    kept = tuple(part for part in parts if part.bins)
    skipped |= {part.on: f'fewer than {FEWEST} errors' for part in parts if not part.bins}
    return Dependences(kept, sizes.unit, skipped)


class _Work:
    """Lengths of the errors, and how to summarise some of them."""

    def __init__(self, aligned: Aligned, sizes: Sizes, weights: Array) -> None:
        truth = aligned.truth
        self.truth, self.weights = truth, weights
        gap = (aligned.keypoints - truth.keypoints) / sizes.values[:, None, None]
        self.length = np.linalg.norm(gap, axis=-1)
        self.scored = truth.valid & aligned.compared & np.isfinite(self.length)
        self.scored &= ~truth.crowd[:, None]
        self.rows = image_rows(truth.image_ids, truth.images)
        self.groups: dict[str, list[int]] = {}
        for name, place in joint_places(truth.skeleton).items():
            if aligned.compared[place]:
                self.groups.setdefault(without_side(name), []).append(place)

    def bins(self, masks: Mapping[str, BoolArray], joints: Sequence[int]) -> tuple[Bin, ...]:
        """One bin for each mask (N, K) that holds enough errors of the joints."""
        lengths: dict[str, Array] = {}
        persons_of: dict[str, IntArray] = {}
        for name, mask in masks.items():
            persons, columns = np.nonzero(self.scored[:, joints] & mask[:, joints])
            if len(persons) >= FEWEST:
                lengths[name] = self.length[persons, np.asarray(joints)[columns]]
                persons_of[name] = persons
        far = self._far(lengths, persons_of)
        found = []
        for name, length in lengths.items():
            low, high = median_interval(length, self.rows[persons_of[name]], self.weights)
            found.append(
                Bin(
                    name=name,
                    n=len(length),
                    median=float(np.median(length)),
                    low=low,
                    high=high,
                    far=float((length > FAR).mean()),
                    far_low=far[name][0],
                    far_high=far[name][1],
                )
            )
        return tuple(found)

    def _far(
        self, lengths: Mapping[str, Array], persons_of: Mapping[str, IntArray]
    ) -> dict[str, tuple[float, float]]:
        """Interval of the share of long errors, by bin."""
        if not lengths:
            return {}
        images = self.weights.shape[1]
        rows = {name: self.rows[persons] for name, persons in persons_of.items()}
        total = np.stack([np.bincount(rows[n], minlength=images) for n in lengths], axis=1)
        hits = np.stack(
            [np.bincount(rows[n][v > FAR], minlength=images) for n, v in lengths.items()], axis=1
        )
        low, high = ratio_interval(hits, total, self.weights)
        return {n: (float(low[i]), float(high[i])) for i, n in enumerate(lengths)}

    def dependence(self, on: str, masks: Mapping[str, BoolArray]) -> Dependence:
        """All joints together, and each by itself."""
        everything = [place for places in self.groups.values() for place in places]
        each = {joint: self.bins(masks, places) for joint, places in self.groups.items()}
        return Dependence(
            on, self.bins(masks, everything), {joint: bins for joint, bins in each.items() if bins}
        )


def without_side(name: str) -> str:
    """A canonical joint's name without its side."""
    for side in SIDES:
        name = name.removeprefix(f'{side}_')
    return name


def _by_size(work: _Work, sizes: Sizes) -> Dependence:
    values = sizes.values
    known = values[work.scored.any(1)]
    masks: dict[str, BoolArray] = {}
    if len(known):
        cuts = [0.0, *np.quantile(known, SIZE_PARTS), np.inf]
        for low, high in zip(cuts[:-1], cuts[1:], strict=True):
            name = f'{low:.0f} to {high:.0f} px' if np.isfinite(high) else f'{low:.0f} px or more'
            name = f'below {high:.0f} px' if not low else name
            with np.errstate(invalid='ignore'):
                inside = (values >= low) & (values < high)
            masks[name] = np.broadcast_to(inside[:, None], work.scored.shape)
    what = {'head': 'head size', 'torso': 'torso', 'area': 'square root of the area'}[sizes.kind]
    return work.dependence(f'size of the person ({what})', masks)


def _by_label(
    work: _Work, on: str, labels: npt.NDArray[np.str_], names: Sequence[str]
) -> Dependence:
    shape = work.scored.shape
    masks = {name: np.broadcast_to((labels == name)[:, None], shape) for name in names}
    return work.dependence(on, masks)


def _by_foreshortening(work: _Work, sizes: Sizes) -> Dependence | None:
    """By the annotated length of the limb that ends in the joint, over its full length.

    The full length is the 90th percentile over all persons, of both sides.
    """
    truth = work.truth
    places = joint_places(truth.skeleton)
    ratio = np.full(work.scored.shape, np.nan)
    for end, start in LIMBS.items():
        ends = [(places.get(f'{side}_{end}'), places.get(f'{side}_{start}')) for side in SIDES]
        pairs = [(e, s) for e, s in ends if e is not None and s is not None]
        lengths = {}
        for e, s in pairs:
            length = np.linalg.norm(truth.keypoints[:, e] - truth.keypoints[:, s], axis=1)
            both = truth.valid[:, e] & truth.valid[:, s] & sizes.known
            lengths[e] = np.where(both, length / sizes.values, np.nan)
        known = np.concatenate([v[np.isfinite(v)] for v in lengths.values()] or [np.empty(0)])
        if len(known) >= FEWEST and (full := np.quantile(known, 0.9)) > 0:
            for e, length in lengths.items():
                ratio[:, e] = length / full
    if not np.isfinite(ratio).any():
        return None
    masks = {}
    for low, high in zip(FORESHORTENING[:-1], FORESHORTENING[1:], strict=True):
        name = f'{low:.0%} to {high:.0%}' if np.isfinite(high) else f'{low:.0%} or more'
        with np.errstate(invalid='ignore'):
            masks[name] = (ratio >= low) & (ratio < high)
    return work.dependence('length of the limb in the image, of its full length', masks)
