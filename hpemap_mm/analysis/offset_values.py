"""Definition offsets as values, and the verdict on them.

Dimensions: B replicates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

#: Below this (in the analysis's unit; head sizes where known) two points count as one. Twice the
#: largest offset that a network shows against its own definition.
FLOOR = 0.02
#: The sides from which a person is seen, and where its left is then: to the right (1) or not.
VIEWS = {'front': 1.0, 'back': -1.0}
VERDICTS = ('differs', 'same', 'undecided', 'not claimed')


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval (bootstrap over images)."""

    value: float
    low: float
    high: float

    def beyond(self, floor: float) -> bool:
        """Whether the whole interval is further from 0 than the floor."""
        return self.low > floor or self.high < -floor

    def within(self, floor: float) -> bool:
        """Whether the whole interval is nearer to 0 than the floor."""
        return -floor < self.low and self.high < floor


@dataclass(frozen=True)
class ViewOffset:
    """An offset as seen from one side.

    Attributes:
        n: Joints that count.
        outwards: As in :class:`JointOffset`.
        down: As in :class:`JointOffset`.
    """

    n: int
    outwards: float | None
    down: float


@dataclass(frozen=True)
class JointOffset:
    """Where the predictions' joint lies, seen from the annotated one.

    Attributes:
        joint: Name without a side; a pair is one joint here, and its mirror image.
        joints: The truth's joints: left and right, or the one on the middle line.
        relation: How the predictions answer the joint.
        outwards: Away from the middle of the body (negative: towards it); None on the middle line.
        down: Down the trunk, relative to the median of the shared joints.
        views: As seen from the front and from behind, by :data:`VIEWS`.
        verdict: One of :data:`VERDICTS`.
        reason: What the verdict rests on.
    """

    joint: str
    joints: tuple[str, ...]
    relation: str
    outwards: Estimate | None
    down: Estimate
    views: Mapping[str, ViewOffset]
    verdict: str
    reason: str

    @property
    def size(self) -> float:
        """Length of the offset."""
        return float(np.hypot(self.outwards.value if self.outwards else 0.0, self.down.value))


@dataclass(frozen=True)
class Offsets:
    """The offsets of all joints of one file of predictions, or between two.

    Attributes:
        joints: One for each pair and each joint on the middle line.
        shift: x, y shift in the image that is common to all joints, and was removed: decoder,
            flip test, origin. Empty for a difference of two files.
        unevenness: How far single joints' own x shift is from the common one, at most; large
            values speak against a common shift.
        control: What the offsets were held against, in words.
        floor: Below this two points count as one.
        unit: Of everything here, in words.
        skipped: Joint -> why there is no offset for it.
        anchors: Joints whose median is "no offset down the body".
        replicates: Joint -> (B, 2): outwards (NaN on the middle line) and down in each replicate.
    """

    joints: tuple[JointOffset, ...]
    shift: tuple[Estimate, ...]
    unevenness: float
    control: str
    floor: float
    unit: str
    skipped: dict[str, str]
    anchors: tuple[str, ...] = ()
    replicates: Mapping[str, Array] = field(default_factory=dict, repr=False, compare=False)

    def by_verdict(self) -> dict[str, tuple[str, ...]]:
        """Joints by verdict."""
        return {
            verdict: tuple(o.joint for o in self.joints if o.verdict == verdict)
            for verdict in VERDICTS
        }

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            'unit': self.unit,
            'floor': self.floor,
            'control': self.control,
            'anchors': list(self.anchors),
            'shift': [_plain(axis) for axis in self.shift],
            'unevenness': None if np.isnan(self.unevenness) else self.unevenness,
            'verdicts': {k: list(v) for k, v in self.by_verdict().items()},
            'joints': {
                o.joint: {
                    'joints': list(o.joints),
                    'relation': o.relation,
                    'outwards': _plain(o.outwards) if o.outwards else None,
                    'down': _plain(o.down),
                    'size': o.size,
                    'views': {
                        view: {'n': v.n, 'outwards': v.outwards, 'down': v.down}
                        for view, v in o.views.items()
                    },
                    'verdict': o.verdict,
                    'reason': o.reason,
                }
                for o in self.joints
            },
            'skipped': dict(self.skipped),
        }


def judge(
    outwards: Estimate | None, down: Estimate, views: Mapping[str, ViewOffset], floor: float
) -> tuple[str, str]:
    """The verdict on one joint, and what it rests on.

    ``'differs'``: along some direction the whole interval is beyond the floor, and the offset has
    the same sign and at least half the floor's size from the front and from behind. ``'same'``:
    all intervals are wholly within the floor. ``'not claimed'``: not seen from both sides, so
    that there is no control.
    """
    missing = [view for view in VIEWS if view not in views]
    if missing:
        return 'not claimed', f'no control: too few persons seen from the {" and ".join(missing)}'
    parts = {'outwards': outwards, 'down': down}
    known = {key: value for key, value in parts.items() if value is not None}
    turning: list[str] = []
    still: list[str] = []
    for key, estimate in known.items():
        if not estimate.beyond(floor):
            continue
        seen = [getattr(v, key) * np.sign(estimate.value) for v in views.values()]
        (turning if min(seen) >= floor / 2 else still).append(_said(key, estimate))
    if turning:
        return 'differs', f'{" and ".join(turning)}, from the front as well as from behind'
    if still:
        return 'undecided', f'{" and ".join(still)}, but not alike from the front and from behind'
    if all(estimate.within(floor) for estimate in known.values()):
        return 'same', f'every interval is within {floor:g}'
    return 'undecided', f'an interval reaches across {floor:g}'


def _said(key: str, estimate: Estimate) -> str:
    words = {'outwards': ('outwards', 'inwards'), 'down': ('further down', 'further up')}[key]
    return f'{abs(estimate.value):.3f} {words[estimate.value < 0]}'


def _plain(estimate: Estimate) -> dict[str, float]:
    return {'value': estimate.value, 'low': estimate.low, 'high': estimate.high}
