"""Does a mapping exist? How much of each joint of a skeleton another skeleton determines.

The error of a translator is laid between two references: below, what two annotators of one
photograph differ by; above, what is left when the person's frame is all that is known.

Dimensions: N persons, D joints of the target, I images, B bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpemap_mm.analysis.medians import image_rows, median_interval
from hpemap_mm.analysis.uncertainty import extents
from hpemap_mm.evaluation.bootstrap import image_sums, ratio_interval
from hpemap_mm.evaluation.figures import NAN, JointFigure
from hpemap_mm.evaluation.units import Unit
from hpemap_mm.persons.arrays import Array, BoolArray, IntArray
from hpemap_mm.skeletons import Skeleton, correspondences, stand_in_sigmas

#: What the ontology alone, and the translator, are called.
BASELINE = 'remap'
#: A joint counts as copied or derived where the best translator's error is not below this share
#: of the ontology's, or the ontology's is within the noise of annotation.
AS_GOOD = 0.9
#: A joint is predictable where its error is at most so many times the noise of annotation.
NEAR_FLOOR = 1.5
#: A joint is lost where its error is at least this share of the constant guess's.
LOST = 0.75
#: Where no noise is known: a joint is predictable where this share of the constant guess's error
#: is taken away.
EXPLAINED = 0.75
VERDICTS: Mapping[str, str] = {
    'copied': 'the source has the joint: taking it over is as good as anything known',
    'derivable': "the ontology's derivation is as good as anything known",
    'predictable': f'the translator is within {NEAR_FLOOR:g} x the noise of annotation',
    'partly': 'between predictable and lost',
    'lost': f'the error is at least {LOST:g} x that of a constant guess in the frame',
    'unknown': 'too few persons have the joint, or nothing answers it',
}
#: Persons below which nothing is said of a joint.
LEAST = 30
#: Square root of a person's area over the extent of the joints (see :func:`person_scales`):
#: the median of 220 COCO persons with official areas and 12 joints or more (5% to 95%: 1.75, 3.0).
SCALE_PER_EXTENT = 2.3


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Of one way to answer one joint.

    Attributes:
        median: Distance to the truth in units, with its interval.
        found: Share of the persons within the unit's threshold, with its interval.
    """

    median: JointFigure
    found: JointFigure


@dataclass(frozen=True, kw_only=True)
class JointMapping:
    """Of one joint.

    Attributes:
        joint: Of the target.
        relation: How the ontology answers it: 'same', 'derived', 'near' or 'none'.
        sources: The source's joints that the ontology makes it of.
        ways: Errors by way ('remap', the translator's name); only those that answer it.
        constant: Of the guess that knows the frame alone.
        floor: Expected median distance of two annotators in units; NaN where not known.
        floor_found: Expected share of annotations within the threshold of another annotator's.
        explained: 1 - the best way's median over the constant guess's: 1 all, 0 nothing.
        verdict: One of :data:`VERDICTS`.
    """

    joint: str
    relation: str
    sources: tuple[str, ...]
    ways: Mapping[str, Errors]
    constant: Errors | None
    floor: float
    floor_found: float
    explained: float
    verdict: str

    @property
    def best(self) -> str:
        """The way with the least median; empty where there is none."""
        return min(self.ways, key=lambda way: self.ways[way].median.value, default='')


@dataclass(frozen=True, kw_only=True)
class MappingTable:
    """From one skeleton into another.

    Attributes:
        source: Name of the skeleton.
        target: Name of the skeleton.
        unit: What errors are in: 'head', 'bbox' or 'extent'.
        figure: Name of what :attr:`Errors.found` is, e.g. 'PCKh@0.5'.
        ways: Names in order.
        joints: In the target's order.
        notes: What a reader must know.
    """

    source: str
    target: str
    unit: str
    figure: str
    ways: tuple[str, ...]
    joints: tuple[JointMapping, ...]
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN as None."""
        return {
            'source': self.source,
            'target': self.target,
            'unit': self.unit,
            'figure': self.figure,
            'verdicts': dict(VERDICTS),
            'notes': list(self.notes),
            'joints': {joint.joint: _joint_json(joint) for joint in self.joints},
        }


def find_mapping(
    source: Skeleton,
    target: Skeleton,
    *,
    truth: Array,
    valid: BoolArray,
    answers: Mapping[str, Array],
    centres: Array,
    frames: Array,
    scales: Array,
    unit: Unit,
    image_ids: IntArray,
    images: IntArray,
    weights: Array | None = None,
) -> MappingTable:
    """Compare ways to answer a skeleton's joints with what is possible at all.

    Args:
        source: Whose joints are known.
        target: Whose joints are asked for.
        truth: (N, D, 2) px; anything where not ``valid``.
        valid: (N, D): annotated joints.
        answers: (N, D, 2) px by way, NaN where a joint is not answered: :data:`BASELINE` for the
            ontology alone, and translators.
        centres: (N, 2) of the persons' frames, from the source's joints; NaN for none.
        frames: (N,) their sizes, px.
        scales: (N,) square roots of the persons' areas, px, NaN where not known; see
            :func:`person_scales`.
        unit: What errors are told in.
        image_ids: (N,).
        images: (I,).
        weights: (B, I) from :func:`hpemap_mm.evaluation.bootstrap.image_weights`; None for no
            intervals.
    """
    points = np.where(valid[..., None], truth, np.nan)
    guess = constant_guess(points, centres, frames)
    sizes = np.where(unit.sizes > 0, unit.sizes, np.nan)
    measure = _Measure(points, sizes, unit.threshold, image_ids, images, weights)
    sigmas, note = _sigmas(target)
    records = correspondences(source, target, approximate=True)
    joints = []
    for d, (joint, record) in enumerate(zip(target.joints, records, strict=True)):
        ways = {
            name: errors
            for name, answer in answers.items()
            if (errors := measure(answer, d)) is not None
        }
        constant = measure(guess, d)
        counted = np.isfinite(points[:, d, 0]) & np.isfinite(sizes)
        spreads = sigmas[d] * scales[counted] / sizes[counted]
        floor, within = annotator_distances(spreads, unit.threshold)
        best = min((e.median.value for e in ways.values()), default=NAN)
        level = constant.median.value if constant else NAN
        explained = 1 - best / level if level > 0 else NAN
        joints.append(
            JointMapping(
                joint=joint,
                relation=record.relation,
                sources=tuple(source.joints[i] for i in record.sources),
                ways=ways,
                constant=constant,
                floor=floor,
                floor_found=within,
                explained=explained,
                verdict=verdict_of(record.relation, ways, level, floor),
            )
        )
    return MappingTable(
        source=source.name,
        target=target.name,
        unit=unit.name,
        figure=unit.label,
        ways=tuple(answers),
        joints=tuple(joints),
        notes=(
            note,
            'noise: median distance of two independent annotators, sqrt(2 ln 2) x sigma x '
            "sqrt(area), as COCO's sigma^2 is E[d^2] / area of one annotation about the joint. As "
            'sigma holds rare gross errors too, half of the annotators agree better than this',
            f'sqrt(area): {SCALE_PER_EXTENT:g} x the extent of the joints (root mean square '
            'distance from their centre along one axis), as the median COCO person',
            "constant: each joint at its mean place in a frame taken from the source's joints, "
            'learned from the same persons',
        ),
    )


def constant_guess(points: Array, centres: Array, frames: Array) -> Array:
    """Each joint at its mean place in the person's frame; (N, D, 2) px.

    Args:
        points: (N, D, 2) px, NaN where not known.
        centres: (N, 2) px.
        frames: (N,) sizes, px; persons with none get no guess.
    """
    usable = np.isfinite(frames) & (frames > 0) & np.isfinite(centres).all(-1)
    size = np.where(usable, frames, np.nan)[:, None, None]
    local = (points - centres[:, None]) / size
    known = np.asarray(np.isfinite(local).all(-1), bool)
    total = np.where(known[..., None], local, 0.0).sum(0)
    with np.errstate(invalid='ignore', divide='ignore'):
        mean = total / known.sum(0)[:, None]
    return centres[:, None] + size * mean


def person_scales(points: Array) -> Array:
    """Square roots of the persons' areas, from their joints alone; (N,) px.

    Datasets without segmentations have no areas that COCO's constants could be used with: MPII's
    boxes are squares around a person's height, lying or standing.

    Args:
        points: (N, D, 2) px, NaN where not known.
    """
    return SCALE_PER_EXTENT * extents(points)


def annotator_distances(spreads: Array, threshold: float) -> tuple[float, float]:
    """What two independent annotators differ by: median distance, share within a threshold.

    COCO's sigma is a standard deviation about the joint, relative to the person's scale:
    sigma^2 = E[d^2] / area, d the distance of an annotation (cocodataset.org, keypoint
    evaluation). An isotropic Gaussian of that second moment has the variance sigma^2 area / 2
    along each axis; the difference of two independent ones has sigma^2 area. So their distance
    follows Rayleigh's law with scale s = sigma sqrt(area): P(d <= x) = 1 - exp(-x^2 / (2 s^2)), of
    median s sqrt(2 ln 2). Over persons of different scales the law is the mean of theirs.

    Args:
        spreads: (n,) s of the persons, in units.
        threshold: In units.

    Returns:
        Both NaN where nobody's scale is known.
    """
    s = np.asarray(spreads, float)
    s = s[np.isfinite(s) & (s > 0)]
    if not len(s):
        return NAN, NAN

    def within(x: float) -> float:
        return float(np.mean(-np.expm1(-(x**2) / (2 * s**2))))

    rayleigh = np.sqrt(2 * np.log(2))
    low, high = rayleigh * s.min(), rayleigh * s.max()
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle) < 0.5 else (low, middle)
    return float((low + high) / 2), within(threshold)


def verdict_of(relation: str, ways: Mapping[str, Errors], constant: float, floor: float) -> str:
    """One of :data:`VERDICTS`, from the medians.

    Args:
        relation: How the ontology answers the joint.
        ways: The errors; 'remap' for the ontology.
        constant: The constant guess's median.
        floor: The annotators' median; NaN where not known.
    """
    if not ways or any(errors.median.joints < LEAST for errors in ways.values()):
        return 'unknown'
    best = min(errors.median.value for errors in ways.values())
    if BASELINE in ways and relation != 'none':
        remap = ways[BASELINE].median.value
        if best >= AS_GOOD * remap or remap <= floor:
            own = {'same': 'copied', 'near': 'copied'}.get(relation, 'derivable')
            if not best >= LOST * constant:
                return own
    if best <= NEAR_FLOOR * floor:
        return 'predictable'
    if best >= LOST * constant:
        return 'lost'
    if np.isnan(floor) and 1 - best / constant >= EXPLAINED:
        return 'predictable'
    return 'partly'


@dataclass(frozen=True, eq=False)
class _Measure:
    """Errors of a way, joint by joint."""

    points: Array
    sizes: Array
    threshold: float
    image_ids: IntArray
    images: IntArray
    weights: Array | None

    def __call__(self, answer: Array, joint: int) -> Errors | None:
        """Of one joint; None where it is never answered."""
        errors = np.linalg.norm(answer[:, joint] - self.points[:, joint], axis=-1) / self.sizes
        scored = np.isfinite(self.points[:, joint, 0]) & np.isfinite(self.sizes)
        answered = np.isfinite(errors)
        if not answered.any():
            return None
        found = np.where(answered, errors <= self.threshold, False) & scored
        median = float(np.median(errors[answered]))
        ends = (NAN, NAN), (NAN, NAN)
        if self.weights is not None:
            rows = image_rows(self.image_ids[answered], self.images)
            hits = image_sums(found.astype(float), self.image_ids, self.images)
            all_ = image_sums(scored.astype(float), self.image_ids, self.images)
            low, high = ratio_interval(hits, all_, self.weights)
            ends = median_interval(errors[answered], rows, self.weights), (float(low), float(high))
        return Errors(
            median=JointFigure(
                value=median, low=ends[0][0], high=ends[0][1], joints=int(answered.sum())
            ),
            found=JointFigure(
                value=float(found.sum() / scored.sum()),
                low=ends[1][0],
                high=ends[1][1],
                joints=int(scored.sum()),
            ),
        )


def _sigmas(skeleton: Skeleton) -> tuple[Array, str]:
    """COCO's constants for the joints, NaN where there are none; and what they are."""
    try:
        found = np.array(stand_in_sigmas(skeleton))
    except (ValueError, KeyError) as error:
        return np.full(len(skeleton), NAN), f'noise of annotation: not known ({error.args[0]})'
    own = "COCO's sigmas" if skeleton.name == 'coco' else "COCO's, CrowdPose's and Halpe's sigmas"
    return found, f'noise of annotation: computed from {own}'


def _joint_json(joint: JointMapping) -> dict[str, Any]:
    def errors(found: Errors | None) -> dict[str, Any] | None:
        if found is None:
            return None
        return {'median': _plain(found.median), 'found': _plain(found.found)}

    return {
        'relation': joint.relation,
        'sources': list(joint.sources),
        'verdict': joint.verdict,
        'explained': _number(joint.explained),
        'noise': {'median': _number(joint.floor), 'found': _number(joint.floor_found)},
        'constant': errors(joint.constant),
        'ways': {name: errors(found) for name, found in joint.ways.items()},
    }


def _plain(figure: JointFigure) -> dict[str, Any]:
    ends = {'value': figure.value, 'low': figure.low, 'high': figure.high}
    return {**{key: _number(value) for key, value in ends.items()}, 'joints': figure.joints}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
