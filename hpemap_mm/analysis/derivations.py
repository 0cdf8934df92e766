"""Joints that were computed, not clicked: found by the data.

A joint that an annotator clicks is off every line through other joints by the annotator's own
scatter, some hundredths of a head size at the least. A joint that was computed from two others
lies on the line between them to the rounding of its coordinates. So for each joint the point
between two others (or the one joint) is sought that comes nearest to it in the median person.

Only points *between* two joints are tried (weights from 0 to 1): where a pelvis is the middle of
two hips, each hip can be had from the pelvis and the other one, which is the same fact again.

Dimensions: N persons, K joints, n persons that have all joints in question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.analysis.frames import Sizes
from hpemap_mm.evaluation.bootstrap import image_sums, ratio_interval
from hpemap_mm.persons.arrays import Truth

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

#: A joint is derived when so many persons' residuals (low end of the interval) are at most this,
#: in sizes: MPII's pelvis and thorax have 0.006 in the median person and 0.02 in 95 of 100, by the
#: rounding of their coordinates to pixels; no clicked joint has below 0.05 in the median.
RESIDUAL, SHARE = 0.03, 0.9
#: Fewest persons from which a joint is judged.
FEWEST = 30
#: Weights that are so near to one half are called the middle.
MIDDLE = 0.02
#: Joints that are tried as sources: the nearest ones in the median person.
_NEAREST = 12
#: Persons on whom the candidates are compared; the best one is then measured on all.
_SAMPLE = 1500


@dataclass(frozen=True)
class Derivation:
    """The best point on other joints for one joint.

    Attributes:
        joint: Its name.
        sources: One or two joints.
        weights: Theirs; they sum to 1.
        n: Persons who have all of these joints.
        residual: Median distance between the joint and the point, in sizes.
        residual_95: The distance that 95 of 100 persons are below.
        share: Share of persons whose distance is at most :data:`RESIDUAL`.
        low: Lower end of the share's 95% interval (bootstrap over images).
        high: Upper end.
        spread: Median distance between the joint and the nearest single other joint, in sizes:
            what the residual has to be compared with.
        derived: Whether the joint is one that was computed.
        text: All that in words.
    """

    joint: str
    sources: tuple[str, ...]
    weights: tuple[float, ...]
    n: int
    residual: float
    residual_95: float
    share: float
    low: float
    high: float
    spread: float
    derived: bool
    text: str


@dataclass(frozen=True)
class Derivations:
    """What the search found.

    Attributes:
        joints: The best point for each joint that could be judged.
        unit: Of the residuals, in words.
        skipped: Joint -> why it could not be judged.
    """

    joints: tuple[Derivation, ...]
    unit: str
    skipped: dict[str, str]

    @property
    def derived(self) -> tuple[Derivation, ...]:
        """Those that were computed."""
        return tuple(found for found in self.joints if found.derived)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            'unit': self.unit,
            'thresholds': {'residual': RESIDUAL, 'share': SHARE},
            'derived': [found.joint for found in self.derived],
            'joints': {found.joint: asdict(found) for found in self.joints},
            'skipped': dict(self.skipped),
        }


def find_derivations(truth: Truth, sizes: Sizes, weights: Array) -> Derivations:
    """Look for joints of the annotation that are computed from others.

    Args:
        truth: The annotated persons.
        sizes: Their sizes.
        weights: (B, I) over ``truth.images``.
    """
    names = truth.skeleton.joints
    usable = truth.valid & (sizes.known & ~truth.crowd)[:, None]
    points = truth.keypoints / sizes.values[:, None, None]
    found, skipped = [], {}
    for k, name in enumerate(names):
        sources = _nearest(points, usable, k)
        if not sources:
            skipped[name] = f'fewer than {FEWEST} persons have it and another joint'
            continue
        distance, nearest = sources[0]
        best = _best(points, usable, k, [i for _, i in sources])
        if best is None:  # no two joints in enough persons: the nearest one alone
            best = ((nearest,), (1.0,))
        found.append(_measure(truth, points, usable, weights, k, best, distance))
    return Derivations(tuple(found), sizes.unit, skipped)


def _nearest(points: Array, usable: BoolArray, k: int) -> list[tuple[float, int]]:
    """(median distance, joint) of the joints nearest to joint k."""
    rows = np.flatnonzero(usable[:, k])
    rows = rows[:: max(1, len(rows) // _SAMPLE)]
    found = []
    for i in range(points.shape[1]):
        both = rows[usable[rows, i]]
        if i != k and len(both) >= FEWEST:
            gap = points[both, i] - points[both, k]
            found.append((float(np.median(np.linalg.norm(gap, axis=1))), i))
    return sorted(found)[:_NEAREST]


def _best(
    points: Array, usable: BoolArray, k: int, sources: Sequence[int]
) -> tuple[tuple[int, ...], tuple[float, ...]] | None:
    """The pair of joints, and the point between them, with the least median residual."""
    scores = []
    for a, b in combinations(sources, 2):
        rows = np.flatnonzero(usable[:, [k, a, b]].all(1))
        if len(rows) < FEWEST:
            continue
        rows = rows[:: max(1, len(rows) // _SAMPLE)]
        weight = between(points[rows, k], points[rows, a], points[rows, b])
        residual = _residuals(points[rows], k, (a, b), (weight, 1 - weight))
        scores.append((float(np.median(residual)), (a, b), (weight, 1 - weight)))
    if not scores:
        return None
    _, pair, parts = min(scores)
    return pair, parts


def between(point: Array, a: Array, b: Array, rounds: int = 8) -> float:
    """The weight w in [0, 1] for which w a + (1 - w) b is nearest to the points in sum; robust.

    Args:
        point: (n, 2).
        a: (n, 2).
        b: (n, 2).
        rounds: Of reweighting by 1 / distance (Weiszfeld), which makes squares distances.
    """
    line, target = a - b, point - b
    weight, trust = 0.5, np.ones(len(line))
    for _ in range(rounds):
        below = float((trust * (line**2).sum(1)).sum())
        if not below > 0:
            break
        weight = float((trust * (line * target).sum(1)).sum() / below)
        weight = min(max(weight, 0.0), 1.0)
        distance = np.linalg.norm(target - weight * line, axis=1)
        trust = 1 / np.maximum(distance, 1e-4)
    return weight


def _residuals(points: Array, k: int, sources: tuple[int, ...], parts: tuple[float, ...]) -> Array:
    made = np.tensordot(points[:, list(sources)], np.asarray(parts), axes=(1, 0))
    return np.linalg.norm(points[:, k] - made, axis=1)


def _measure(
    truth: Truth,
    points: Array,
    usable: BoolArray,
    weights: Array,
    k: int,
    best: tuple[tuple[int, ...], tuple[float, ...]],
    spread: float,
) -> Derivation:
    sources, parts = best
    # A weight of next to nothing: the other joint is all there is to it.
    kept = [i for i, part in enumerate(parts) if part > MIDDLE]
    if len(kept) < len(parts):
        sources, parts = tuple(sources[i] for i in kept), (1.0,)
    if len(parts) == 2 and abs(parts[0] - 0.5) < MIDDLE:
        parts = (0.5, 0.5)
    rows = np.flatnonzero(usable[:, [k, *sources]].all(1))
    residual = _residuals(points[rows], k, sources, parts)
    hits = np.stack([residual <= RESIDUAL, np.ones(len(rows), bool)], axis=1)
    sums = image_sums(hits, truth.image_ids[rows], truth.images)
    low, high = (float(end) for end in ratio_interval(sums[:, 0], sums[:, 1], weights))
    names = truth.skeleton.joints
    median, most = float(np.median(residual)), float(np.percentile(residual, 95))
    derived = low >= SHARE
    return Derivation(
        joint=names[k],
        sources=tuple(names[i] for i in sources),
        weights=tuple(round(part, 4) for part in parts),
        n=len(rows),
        residual=median,
        residual_95=most,
        share=float((residual <= RESIDUAL).mean()),
        low=low,
        high=high,
        spread=spread,
        derived=derived,
        text=_text(names, k, sources, parts, median, most, derived),
    )


def _text(
    names: Sequence[str],
    k: int,
    sources: tuple[int, ...],
    parts: tuple[float, ...],
    median: float,
    most: float,
    derived: bool,
) -> str:
    listed = ' and '.join(names[i] for i in sources)
    if len(sources) == 1:
        place = f'on {listed}'
    elif parts == (0.5, 0.5):
        place = f'the midpoint of {listed}'
    else:
        place = f'between {listed}, {parts[1]:.0%} of the way'
    if derived:
        return f'{names[k]} is {place}: {median:.3f} off in the median, 95 in 100 below {most:.3f}'
    return f'{names[k]} is not computed: nearest is {place}, {median:.3f} off in the median'
