"""A standing body seen from the front: where the offsets of joints are drawn.

Its measures are those of the mannequin's average person, so every joint of every known skeleton
has a place. Frame: head sizes (MPII's, 0.75 x upper neck to head top), origin between the hips,
x to the person's own left (the right of the picture), y downwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from hpemap_mm.datasets.mannequin.body import PROPORTIONS, SIDES, Body, Bones, forward_kinematics
from hpemap_mm.skeletons import Skeleton, canonical_joints

Point = tuple[float, float]
Capsule = tuple[Point, Point, float, float]
#: MPII's head size over the distance from upper neck to head top.
HEAD_SIZE = 0.75
#: Degrees: arms and legs a little apart, so that arrows do not meet.
POSE: Mapping[str, float] = MappingProxyType(
    {f'{side}_{name}': v for side in SIDES for name, v in (('arm_side', 14.0), ('hip_side', 4.5))}
)

#: Canonical joint without its side -> (bone, fraction of it); '{side}' stands for the side.
_ON_BONES: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        'shoulder': ('{side}_upper_arm', 0.0),
        'elbow': ('{side}_upper_arm', 1.0),
        'wrist': ('{side}_forearm', 1.0),
        'hip': ('{side}_thigh', 0.0),
        'knee': ('{side}_thigh', 1.0),
        'ankle': ('{side}_shin', 1.0),
        'h36m_hip': ('{side}_thigh', 0.0),
        'h36m_foot': ('{side}_shin', 1.0),
        'pelvis': ('pelvis', 0.0),
        'halpe_hip': ('pelvis', 0.0),
        'h36m_root': ('pelvis', 0.0),
        'jhmdb_belly': ('pelvis', 0.7),
        'h36m_spine': ('chest', 0.1),
        'thorax': ('neck', 0.0),
        'halpe_neck': ('neck', 0.0),
        'h36m_thorax': ('neck', 0.0),
        'aic_neck': ('neck', 0.2),
        'crowdpose_neck': ('neck', 0.3),
        'lsp_neck': ('neck', 0.5),
        'jhmdb_neck': ('neck', 0.8),
        'head_bottom': ('neck', 0.9),
        'upper_neck': ('neck', 1.0),
        'h36m_neck_base': ('neck', 1.0),
        'jhmdb_head': ('head', 0.5),
        'aic_head_top': ('head', 0.95),
        'crowdpose_top_head': ('head', 0.9),
        **dict.fromkeys(
            ('head_top', 'halpe_head', 'lsp_head_top', 'posetrack_head_top', 'h36m_head'),
            ('head', 1.0),
        ),
    }
)

#: Joints of the face: (outwards, up) from the skull's base, in lengths of the head.
_FACE: Mapping[str, Point] = MappingProxyType(
    {
        'nose': (0.0, 0.36),
        'eye': (0.15, 0.50),
        'ear': (0.37, 0.43),
        'chin': (0.0, -0.03),
        'jaw_1': (0.345, 0.46),
        'jaw_2': (0.335, 0.36),
        'jaw_3': (0.32, 0.27),
        'jaw_4': (0.295, 0.18),
        'jaw_5': (0.25, 0.10),
        'jaw_6': (0.19, 0.04),
        'jaw_7': (0.125, 0.0),
        'jaw_8': (0.06, -0.025),
        'brow_1': (0.27, 0.60),
        'brow_2': (0.235, 0.645),
        'brow_3': (0.185, 0.655),
        'brow_4': (0.13, 0.645),
        'brow_5': (0.07, 0.62),
        'nose_bridge_1': (0.0, 0.54),
        'nose_bridge_2': (0.0, 0.48),
        'nose_bridge_3': (0.0, 0.42),
        'nose_bridge_4': (0.0, 0.36),
        'nostril_outer': (0.075, 0.31),
        'nostril_inner': (0.04, 0.295),
        'nose_base': (0.0, 0.285),
        'eye_outer': (0.205, 0.50),
        'eye_upper_outer': (0.175, 0.525),
        'eye_upper_inner': (0.13, 0.525),
        'eye_inner': (0.10, 0.50),
        'eye_lower_inner': (0.13, 0.478),
        'eye_lower_outer': (0.175, 0.478),
        'mouth_corner': (0.12, 0.17),
        'lip_upper_outer': (0.08, 0.205),
        'lip_upper_peak': (0.03, 0.225),
        'lip_upper': (0.0, 0.215),
        'lip_lower_outer': (0.08, 0.125),
        'lip_lower_inner': (0.04, 0.105),
        'lip_lower': (0.0, 0.10),
        'mouth_corner_inner': (0.10, 0.17),
        'side_lip_upper_inside': (0.04, 0.187),
        'side_lip_lower_inside': (0.04, 0.155),
        'lip_upper_inside': (0.0, 0.185),
        'lip_lower_inside': (0.0, 0.152),
    }
)

#: Joints of the hand, palm to the front: (along it, outwards) in lengths of the hand.
_HAND: Mapping[str, Point] = MappingProxyType(
    {
        'hand_root': (0.05, 0.0),
        **{
            f'{finger}{i}': place
            for finger, places in {
                'thumb': ((0.15, 0.13), (0.32, 0.25), (0.45, 0.33), (0.56, 0.38)),
                'forefinger': ((0.50, 0.14), (0.70, 0.17), (0.83, 0.185), (0.93, 0.19)),
                'middle_finger': ((0.53, 0.04), (0.76, 0.045), (0.89, 0.05), (1.0, 0.05)),
                'ring_finger': ((0.50, -0.05), (0.71, -0.06), (0.84, -0.07), (0.94, -0.08)),
                'pinky_finger': ((0.45, -0.13), (0.60, -0.16), (0.69, -0.18), (0.77, -0.20)),
            }.items()
            for i, place in enumerate(places, 1)
        },
    }
)

#: Joints of the foot: (outwards, down) from the ankle, in heights of the ankle.
_FOOT: Mapping[str, Point] = MappingProxyType(
    {'big_toe': (-0.1, 1.0), 'small_toe': (0.9, 0.95), 'heel': (0.25, 0.6)}
)


@dataclass(frozen=True)
class StandingBody:
    """The joints of a skeleton on a standing person.

    Attributes:
        positions: Joint -> (x, y).
        links: The skeleton's links.
    """

    positions: Mapping[str, Point]
    links: Sequence[tuple[str, str]]


def standing_body(skeleton: Skeleton, positions: Mapping[str, Point] | None = None) -> StandingBody:
    """Where the joints of a skeleton are on a standing person.

    Args:
        skeleton: One that the ontology knows.
        positions: Places of joints that have no known meaning (a user's own skeleton), e.g. the
            median of a dataset's poses; they also override known places.

    Raises:
        KeyError: If neither the ontology nor `positions` know the joints.
        ValueError: If the place of a joint is not known; names all of them.
    """
    given = dict(positions or {})
    # A skeleton whose joints are all placed need not be known.
    placed = set(skeleton.joints) <= set(given)
    canonical = skeleton.joints if placed else canonical_joints(skeleton)
    places = {
        joint: given.get(joint) or canonical_place(name)
        for joint, name in zip(skeleton.joints, canonical, strict=True)
    }
    unknown = [joint for joint, place in places.items() if place is None]
    if unknown:
        raise ValueError(
            f'Nothing tells where {unknown} of skeleton {skeleton.name!r} are on a body: give '
            'their positions.'
        )
    known = {joint: place for joint, place in places.items() if place is not None}
    return StandingBody(MappingProxyType(known), skeleton.link_names)


@cache
def canonical_place(name: str) -> Point | None:
    """Where a canonical joint is on the standing person; None where that is not known."""
    side = next((side for side in SIDES if side in name.split('_')), '')
    stem = '_'.join(word for word in name.split('_') if word not in SIDES)
    outwards = -1.0 if side == 'right' else 1.0
    bones, unit = _bones(), _unit()
    if stem in _ON_BONES:
        bone, fraction = _ON_BONES[stem]
        return _seen(bones[bone.replace('{side}', side)].at(fraction))
    if side and f'side_{stem}' in _FACE:
        stem = f'side_{stem}'
    if stem in _FACE:
        across, up = _FACE[stem]
        x, y = _seen(bones['head'].origin)
        head = PROPORTIONS['head'] / unit
        return x + outwards * across * head, y - up * head
    if side and stem in _HAND:
        along, across = _HAND[stem]
        hand = bones[f'{side}_hand']
        start, end = np.array(_seen(hand.origin)), np.array(_seen(hand.end))
        down = end - start
        lateral = outwards * np.array([down[1], -down[0]])
        x, y = start + along * down + across * lateral
        return float(x), float(y)
    if side and stem in _FOOT:
        across, down = _FOOT[stem]
        x, y = _seen(bones[f'{side}_shin'].end)
        ankle = PROPORTIONS['ankle_height'] / unit
        return x + outwards * across * ankle, y + down * ankle
    return None


def silhouette() -> Iterator[Capsule]:
    """The body's outline as tapered capsules: start, end, radius at the start, at the end."""
    bones, unit = _bones(), _unit()

    def limb(name: str, near: float, far: float, start: float = 0.0, end: float = 1.0) -> Capsule:
        bone = bones[name]
        return _seen(bone.at(start)), _seen(bone.at(end)), near / unit, far / unit

    yield limb('head', 0.043, 0.047, 0.30, 0.62)
    yield limb('neck', 0.030, 0.027, -0.2, 1.3)
    left, right = (_seen(bones[f'{side}_upper_arm'].origin) for side in SIDES)
    neck = _seen(bones['neck'].at(0.15))
    for socket in (left, right):
        yield neck, socket, 0.030 / unit, 0.036 / unit
    for x in (-1.0, 1.0):
        hip = (x * 0.036 / unit, -0.02 / unit)
        waist = (x * 0.030 / unit, -0.115 / unit)
        chest = (x * 0.052 / unit, -0.235 / unit)
        yield hip, waist, 0.058 / unit, 0.050 / unit
        yield waist, chest, 0.050 / unit, 0.056 / unit
    yield (0.0, 0.0), (0.0, -0.24 / unit), 0.055 / unit, 0.055 / unit
    for side in SIDES:
        yield limb(f'{side}_upper_arm', 0.031, 0.0235)
        yield limb(f'{side}_forearm', 0.0245, 0.0165)
        yield limb(f'{side}_hand', 0.0175, 0.0155, 0.15, 0.72)
        yield limb(f'{side}_thigh', 0.050, 0.033)
        yield limb(f'{side}_shin', 0.034, 0.021)
        ankle = _seen(bones[f'{side}_shin'].end)
        toe = (ankle[0] + (0.012 if side == 'left' else -0.012) / unit, ankle[1] + 0.026 / unit)
        yield ankle, toe, 0.022 / unit, 0.0245 / unit


@cache
def _bones() -> Bones:
    """The bones of a person of stature 1."""
    return forward_kinematics(Body.average(1.0), POSE)


def _unit() -> float:
    """A head size, in statures."""
    return HEAD_SIZE * PROPORTIONS['head']


def _seen(point: npt.NDArray[np.float64]) -> Point:
    """From statures, y up, to head sizes, y down."""
    return float(point[0]) / _unit(), -float(point[1]) / _unit()
