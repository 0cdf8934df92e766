"""Mixtures: predictions of a joint that are partly those of another one.

A flip test that averages the heat maps of a joint with those of another (wrong flip pairs, or
none) leaves two peaks. Where they are far apart, one of them is taken, so that the joint *lands
on* the other one in a large share of persons. Where they are close, or where both joints' maps
are the same average, the two predictions *coincide*. Both are looked for:

lands on
    Among persons in whom the two joints are annotated more than one size apart, the prediction
    is within a quarter of a size of the other joint. Where the joint itself is not annotated in
    the dataset, all persons count, and only joints that are far apart on a standing body.
coincides
    The predictions of two joints are within a tenth of a size of each other, in persons in whom
    these joints must be apart: by the annotation, or else because the person faces the camera or
    turns its back, and the joints are apart on a standing body seen so. This needs no annotation
    of the joints themselves, so it sees eyes on a dataset that has none.

Thresholds. Networks that confuse sides do so in up to 5 of 100 persons by the first measure (4.7
for the ankles of a ResNet-50 on MPII val, 2.6 for those of a ViTPose-B); a mixture takes the wrong
one of two peaks about as often as the right one, and at the least in 14 of 100. By the second,
sound predictions coincide in up to 11 of 100 persons (MPII's upper neck and thorax), mixed ones in
65 to 98. So 10 and 25 in 100 are asked for, of the lower end of the 95% interval. A network that
has learnt little may exceed the first without any mixture; the measured rates say how far.

Dimensions: N persons, J joints of the predictions, K joints of the truth, B replicates, I images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.analysis.flip_causes import Cause, Rates, Seen, likely_cause
from hpemap_mm.analysis.frames import Sizes, body_frames, has_trunk
from hpemap_mm.evaluation.bootstrap import image_sums, ratio_interval
from hpemap_mm.persons.arrays import Representation, Truth
from hpemap_mm.skeletons import Skeleton, canonical_joints, correspondences

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

#: Lands on: distance to the other joint, least distance between the two, least rate.
ON, APART, LANDS = 0.25, 1.0, 0.1
#: Coincides: distance between the predictions, least distance between the joints, least rate.
TOGETHER, DISTINCT, COINCIDES = 0.1, 0.25, 0.25
#: Fewest persons from which a rate is judged.
FEWEST = 30


@dataclass(frozen=True)
class Mixed:
    """A pair of joints that are mixed.

    Attributes:
        joint: The predicted joint.
        other: The joint that it lands on, or coincides with.
        sign: ``'lands on'`` or ``'coincides'``.
        rate: In which share of the persons.
        low: Lower end of its 95% interval (bootstrap over images).
        high: Upper end.
        n: Persons that were looked at.
    """

    joint: str
    other: str
    sign: str
    rate: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Mixtures:
    """The mixtures of one set of predictions.

    Attributes:
        pairs: What was found; empty for none.
        cause: What explains all of it, if anything does.
        highest: Below the thresholds: the pair that came closest to each, for comparison.
        looked_at: Pairs that could be judged by each sign.
        unit: What distances were divided by, in words.
        order: All joints of the predictions.
    """

    pairs: tuple[Mixed, ...]
    cause: Cause | None
    highest: tuple[Mixed, ...]
    looked_at: dict[str, int]
    unit: str
    order: tuple[str, ...]

    @property
    def joints(self) -> tuple[str, ...]:
        """The joints that are mixed: those that land on others, and both that coincide."""
        found = [
            joint
            for pair in self.pairs
            for joint in ((pair.joint, pair.other) if pair.sign == 'coincides' else (pair.joint,))
        ]
        return tuple(sorted(set(found), key=self.order.index))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            'unit': self.unit,
            'thresholds': {
                'lands on': {'within': ON, 'apart': APART, 'rate': LANDS},
                'coincides': {'within': TOGETHER, 'apart': DISTINCT, 'rate': COINCIDES},
            },
            'looked_at': dict(self.looked_at),
            'joints': list(self.joints),
            'pairs': [asdict(pair) for pair in self.pairs],
            'cause': asdict(self.cause) if self.cause else None,
            'highest_unflagged': [asdict(pair) for pair in self.highest],
        }


def find_mixtures(
    predicted: Array, representation: Representation, truth: Truth, sizes: Sizes, weights: Array
) -> Mixtures:
    """Look for joints that are mixed with others.

    Args:
        predicted: (N, J, 2) predictions as they were made, in their own representation; NaN where
            a person was not predicted.
        representation: What they are in.
        truth: The N persons.
        sizes: Their sizes.
        weights: (B, I) over ``truth.images``.

    Raises:
        ValueError: The shapes disagree.
    """
    predicted = np.asarray(predicted, float)
    if predicted.shape != (len(truth), len(representation), 2):
        raise ValueError(
            f'predicted must be {(len(truth), len(representation), 2)}, got {predicted.shape}'
        )
    usable = sizes.known & ~truth.crowd & np.isfinite(predicted).all((1, 2))
    world = _World(predicted, representation, truth, sizes, usable, weights)
    rates = {sign: _rates(world, sign) for sign in _LOOKS}
    pairs = tuple(mixed for sign in _LOOKS for mixed in _above(world, rates[sign], sign))
    flagged = {(pair.joint, pair.other, pair.sign) for pair in pairs}
    return Mixtures(
        pairs=pairs,
        cause=likely_cause(representation, _seen(world, pairs), rates) if pairs else None,
        highest=tuple(m for sign in _LOOKS for m in _highest(world, rates[sign], sign, flagged)),
        looked_at={sign: len(found) for sign, found in rates.items()},
        unit=sizes.unit,
        order=tuple(representation.joints),
    )


#: What a rate is made of: hits (N,) and persons looked at (N,).
_Look = tuple[BoolArray, BoolArray]


class _World:
    """What both searches need."""

    def __init__(
        self,
        predicted: Array,
        representation: Representation,
        truth: Truth,
        sizes: Sizes,
        usable: BoolArray,
        weights: Array,
    ) -> None:
        self.predicted, self.truth, self.sizes = predicted, truth, sizes
        self.representation, self.usable, self.weights = representation, usable, weights
        self.size = np.where(usable, sizes.values, np.nan)
        records = correspondences(representation, truth.skeleton, derived=False)
        #: Place in the truth -> place in the predictions.
        self.place_of = {k: r.sources[0] for k, r in enumerate(records) if len(r.sources) == 1}
        #: Place in the predictions -> place in the truth; several of a concat space have one.
        self.truth_of = {place: k for k, place in self.place_of.items()}
        annotated = {name: k for k, name in enumerate(canonical_joints(truth.skeleton))}
        for name, place in _meanings(representation):
            if name in annotated:
                self.truth_of.setdefault(place, annotated[name])
        self.standing = _standing(representation)
        self.standing_truth = _standing(truth.skeleton)
        #: Persons who face the camera or turn their back; all where nothing tells.
        self.square = usable
        if has_trunk(truth.skeleton):
            view = body_frames(truth, sizes).view()
            self.square = usable & ((view == 'front') | (view == 'back'))

    def distance(self, a: Array, b: Array) -> Array:
        """Between points (N, 2), in sizes; NaN for persons that are not used."""
        return np.linalg.norm(a - b, axis=-1) / self.size

    def annotated(self, k: int) -> BoolArray:
        return self.usable & self.truth.valid[:, k]


def _lands(world: _World, j: int, other: int) -> _Look | None:
    """Predicted joint j on the annotated counterpart of predicted joint ``other``."""
    truth = world.truth
    own, k = world.truth_of.get(j), world.truth_of.get(other)
    if j == other or k is None:
        return None
    looked = world.annotated(k)
    if own is not None:
        apart = world.distance(truth.keypoints[:, own], truth.keypoints[:, k])
        with np.errstate(invalid='ignore'):
            looked = looked & world.annotated(own) & (apart > APART)
    elif not _far(world.standing.get(j), world.standing_truth.get(k), 0.75 * APART):
        return None
    distance = world.distance(world.predicted[:, j], truth.keypoints[:, k])
    with np.errstate(invalid='ignore'):
        return looked & (distance < ON), looked


def _coincides(world: _World, a: int, b: int) -> _Look | None:
    """Predicted joints a < b at one point."""
    if a >= b:
        return None
    truth, looked = world.truth, world.square
    ka, kb = world.truth_of.get(a), world.truth_of.get(b)
    if ka is not None and kb is not None:
        apart = world.distance(truth.keypoints[:, ka], truth.keypoints[:, kb])
        with np.errstate(invalid='ignore'):
            looked = world.annotated(ka) & world.annotated(kb) & (apart > DISTINCT)
    elif not _far(world.standing.get(a), world.standing.get(b), DISTINCT):
        return None
    distance = world.distance(world.predicted[:, a], world.predicted[:, b])
    with np.errstate(invalid='ignore'):
        return looked & (distance < TOGETHER), looked


_LOOKS: dict[str, Callable[[_World, int, int], _Look | None]] = {
    'lands on': _lands,
    'coincides': _coincides,
}
_LEAST = {'lands on': LANDS, 'coincides': COINCIDES}


def _rates(world: _World, sign: str) -> Rates:
    rates: Rates = {}
    for a in range(len(world.representation)):
        for b in range(len(world.representation)):
            look = _LOOKS[sign](world, a, b)
            if look is not None and (count := int(look[1].sum())) >= FEWEST:
                rates[a, b] = (float(look[0].sum() / count), count)
    return rates


def _above(world: _World, rates: Rates, sign: str) -> list[Mixed]:
    """The pairs whose rate is beyond doubt the least one or more, the highest first."""
    likely = [pair for pair, (rate, _) in rates.items() if rate >= _LEAST[sign]]
    found = [_mixed(world, pair, sign) for pair in likely]
    return sorted((m for m in found if m.low >= _LEAST[sign]), key=lambda m: -m.rate)


def _highest(
    world: _World, rates: Rates, sign: str, flagged: set[tuple[str, str, str]]
) -> list[Mixed]:
    names = world.representation.joints
    rest = [pair for pair in rates if (names[pair[0]], names[pair[1]], sign) not in flagged]
    best = max(rest, key=lambda pair: rates[pair][0], default=None)
    return [] if best is None else [_mixed(world, best, sign)]


def _mixed(world: _World, pair: tuple[int, int], sign: str) -> Mixed:
    truth, names = world.truth, world.representation.joints
    look = _LOOKS[sign](world, *pair)
    assert look is not None
    sums = image_sums(np.stack(look, axis=1), truth.image_ids, truth.images)
    low, high = ratio_interval(sums[:, 0], sums[:, 1], world.weights)
    return Mixed(
        joint=names[pair[0]],
        other=names[pair[1]],
        sign=sign,
        rate=float(look[0].sum() / look[1].sum()),
        low=float(low),
        high=float(high),
        n=int(look[1].sum()),
    )


def _seen(world: _World, pairs: tuple[Mixed, ...]) -> Seen:
    at = {joint: i for i, joint in enumerate(world.representation.joints)}
    return {(at[p.joint], at[p.other], p.sign) for p in pairs}


def _far(a: Any, b: Any, least: float) -> bool:
    """Whether two places on a standing body are known and at least so far apart."""
    return a is not None and b is not None and float(np.hypot(*np.subtract(a, b))) >= least


def _meanings(representation: Representation) -> Iterator[tuple[str, int]]:
    """(canonical joint, place) of all joints; in a space, of all its skeletons."""
    if isinstance(representation, Skeleton):
        tables = [(representation, tuple(range(len(representation))))]
    else:
        tables = list(zip(representation.skeletons, representation.rows, strict=True))
    for skeleton, row in tables:
        yield from zip(canonical_joints(skeleton), row, strict=True)


def _standing(representation: Representation) -> dict[int, tuple[float, float]]:
    """Place of each joint on a standing body in head sizes, where its meaning is known."""
    from hpemap_mm.analysis.report.body import canonical_place

    found: dict[int, tuple[float, float]] = {}
    for name, place in _meanings(representation):
        point = canonical_place(name)
        if point is not None:
            found.setdefault(place, point)
    return found
