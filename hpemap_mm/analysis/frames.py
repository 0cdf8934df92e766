"""Frames that belong to a person: how large it is, how it faces the camera, how it leans.

Dimensions: N persons, K joints of the truth's skeleton. Everything is taken from the annotation,
never from a prediction.

Two frames are used. The *image* frame: error vectors over the person's size, x to the right and
y down as in the image; what a decoder, a flip test or an origin does to predictions is the same
for everybody there. The *body* frame: x to the person's own left, y down the trunk; what an
annotator means by a joint is the same for everybody there, and the mirror image for its
counterpart on the other side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from hpemap_mm.persons.arrays import Truth
from hpemap_mm.skeletons import Skeleton, canonical_joints

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

#: What errors can be divided by, best first.
NORMALISERS: Mapping[str, str] = MappingProxyType(
    {
        'head': 'head sizes',
        'torso': 'torsos (middle of the shoulders to middle of the hips)',
        'area': 'square roots of the area',
    }
)
GIRDLES = ('shoulder', 'hip')
SIDES = ('left', 'right')
#: Share of the full width from which on a person counts as facing the camera, or turned away:
#: within 60 degrees of it.
SQUARE = 0.5
#: Degrees between the trunk and the vertical, up to which a person is upright, and from which on
#: it is upside down.
UPRIGHT, INVERTED = 30.0, 120.0
VIEWS = ('front', 'back', 'side')
LEANS = ('upright', 'leaning', 'inverted')


@dataclass(frozen=True, eq=False)
class Sizes:
    """What the errors of one analysis are divided by.

    Attributes:
        kind: A key of :data:`NORMALISERS`.
        values: (N,) pixels, positive; NaN for persons whose size is not known.
    """

    kind: str
    values: Array

    @property
    def unit(self) -> str:
        """The unit of a divided error, in words."""
        return NORMALISERS[self.kind]

    @property
    def known(self) -> BoolArray:
        """Persons with a size; (N,)."""
        return np.isfinite(self.values)


def joint_places(skeleton: Skeleton) -> dict[str, int]:
    """Canonical joint -> its index in the skeleton."""
    return {name: i for i, name in enumerate(canonical_joints(skeleton))}


def mirror_image(name: str) -> str:
    """The canonical joint on the other side; the joint itself on the middle line."""
    from hpemap_mm.skeletons.ontology import flip_name

    return flip_name(name)


def person_sizes(truth: Truth, kind: str = 'auto') -> Sizes:
    """The persons' sizes by one normaliser for all of them.

    Args:
        truth: The annotated persons.
        kind: A key of :data:`NORMALISERS`, or ``'auto'``: the best one that at least half of the
            persons with annotated joints have.

    Raises:
        ValueError: The kind is unknown, or no person has a size of that kind.
    """
    makers = {
        'head': lambda: truth.head_sizes,
        'torso': lambda: _torsos(truth),
        'area': lambda: np.sqrt(truth.areas),
    }
    if kind != 'auto' and kind not in makers:
        raise ValueError(f'Unknown normaliser {kind!r}. Available: auto, {", ".join(makers)}')
    annotated = truth.valid.any(1) & ~truth.crowd
    for name in makers if kind == 'auto' else (kind,):
        values = np.asarray(makers[name](), float)
        values = np.where(np.isfinite(values) & (values > 0) & annotated, values, np.nan)
        found = np.isfinite(values).sum()
        if found and (kind != 'auto' or found >= annotated.sum() / 2):
            return Sizes(name, values)
    raise ValueError(
        f'{truth.name}: no person has a size by {kind!r}: heads need head sizes, torsos shoulders '
        "and hips, areas the persons' areas"
    )


@dataclass(frozen=True, eq=False)
class BodyFrames:
    """How each person stands in the image.

    Attributes:
        widths: By girdle (:data:`GIRDLES`): (N,) signed width across the trunk, right to left, in
            widths of a person seen square: about 1 from the front, -1 from behind, 0 from the
            side; NaN where not known.
        lean: (N,) degrees from the image's downward vertical to the direction from shoulders to
            hips, in (-180, 180]; NaN where not known.
        down: (N, 2) unit vectors down the trunk; NaN where not known.
    """

    widths: Mapping[str, Array]
    lean: Array
    down: Array

    def facing(self, joint: str = '') -> Array:
        """Signed width by the girdles that the joint is no part of; (N,).

        A point that is annotated too far out makes its own girdle look wide, and its prediction
        look too far in. So what says how a person faces must not contain the joint itself.

        Args:
            joint: A canonical joint; empty for one that is part of no girdle.
        """
        part = joint.removeprefix('left_').removeprefix('right_')
        # The middle of a girdle is made of it.
        part = {'thorax': 'shoulder', 'pelvis': 'hip'}.get(part, part)
        others = [girdle for girdle in GIRDLES if girdle != part]
        return np.mean([self.widths[girdle] for girdle in others], axis=0)

    def view(self, joint: str = '') -> npt.NDArray[np.str_]:
        """One of :data:`VIEWS` for each person, ``''`` where not known; (N,)."""
        facing = self.facing(joint)
        with np.errstate(invalid='ignore'):
            return np.select(
                [facing > SQUARE, facing < -SQUARE, np.isfinite(facing)], VIEWS, default=''
            )

    @property
    def posture(self) -> npt.NDArray[np.str_]:
        """One of :data:`LEANS` for each person, ``''`` where not known; (N,)."""
        away = np.abs(self.lean)
        with np.errstate(invalid='ignore'):
            return np.select(
                [away < UPRIGHT, away > INVERTED, np.isfinite(away)],
                ('upright', 'inverted', 'leaning'),
                default='',
            )

    def to_body(self, vectors: Array, joint: str = '') -> Array:
        """Bring vectors (N, 2) from the image frame into the body frame; (N, 2).

        x is to the person's own left and y down the trunk; NaN for persons who are seen from the
        side (nothing tells their left) and where a frame is not known.
        """
        across = np.stack([self.down[:, 1], -self.down[:, 0]], axis=1)
        facing = self.facing(joint)
        with np.errstate(invalid='ignore'):
            sign = np.where(np.abs(facing) > SQUARE, np.sign(facing), np.nan)
        return np.stack(
            [sign * (vectors * across).sum(1), (vectors * self.down).sum(1) + 0 * sign], axis=1
        )


def body_frames(truth: Truth, sizes: Sizes) -> BodyFrames:
    """Frames of all persons whose shoulders and hips are annotated.

    The width of a person seen square is the 90th percentile over the dataset, so that nothing is
    presumed about how a dataset places shoulders and hips.

    Raises:
        ValueError: The skeleton lacks shoulders or hips.
    """
    ends = _girdle_ends(truth)
    across = {girdle: left - right for girdle, (left, right) in ends.items()}
    middle = {girdle: (left + right) / 2 for girdle, (left, right) in ends.items()}
    trunk = middle['hip'] - middle['shoulder']
    length = np.linalg.norm(trunk, axis=1)
    with np.errstate(invalid='ignore', divide='ignore'):
        down = np.where(length[:, None] > 0, trunk / length[:, None], np.nan)
    left = np.stack([down[:, 1], -down[:, 0]], axis=1)
    widths = {}
    for girdle in GIRDLES:
        width = (across[girdle] * left).sum(1) / sizes.values
        known = np.abs(width[np.isfinite(width)])
        square = np.percentile(known, 90) if len(known) else np.nan
        widths[girdle] = width / square if square > 0 else np.full(len(truth), np.nan)
    lean = np.degrees(np.arctan2(-down[:, 0], down[:, 1]))
    return BodyFrames(MappingProxyType(widths), lean, down)


def has_trunk(skeleton: Skeleton) -> bool:
    """Whether the skeleton has both shoulders and both hips."""
    places = joint_places(skeleton)
    return all(f'{side}_{girdle}' in places for side in SIDES for girdle in GIRDLES)


def _girdle_ends(truth: Truth) -> dict[str, tuple[Array, Array]]:
    """Left and right end of each girdle, (N, 2); NaN where any of the four is not annotated."""
    if not has_trunk(truth.skeleton):
        raise ValueError(f'{truth.skeleton.name!r} lacks shoulders or hips: no body frame')
    places = joint_places(truth.skeleton)
    four = [places[f'{side}_{girdle}'] for girdle in GIRDLES for side in SIDES]
    known = np.all(truth.valid[:, four], axis=1, keepdims=True)
    points = [np.where(known, truth.keypoints[:, i], np.nan) for i in four]
    return {'shoulder': (points[0], points[1]), 'hip': (points[2], points[3])}


def _torsos(truth: Truth) -> Array:
    if not has_trunk(truth.skeleton):
        return np.full(len(truth), np.nan)
    ends = _girdle_ends(truth)
    upper, lower = (sum(ends[girdle]) / 2 for girdle in GIRDLES)
    return np.linalg.norm(upper - lower, axis=1)
