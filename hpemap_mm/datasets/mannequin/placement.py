"""Where each dataset puts its joints on the body: one table.

Datasets agree on a joint's name and not on the place. COCO's annotators click a hip on the
outside of the trousers, MPII's a joint centre further in; a neck is the jaw line, the throat
or the collar bone. Here every dataset has its own offset per joint, in the frame of the bone
that carries it, so it turns with the body as the clicked point does. The sizes are a few per
cent of the torso, as between the real datasets; the values are this toy world's own.

A joint of the right side mirrors the one of the left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np

from hpemap_mm.skeletons import get_skeleton

from .body import SIDES, Body, Bones
from .camera import Camera, FloatArray

Offset = tuple[float, float, float]


@dataclass(frozen=True)
class Anchor:
    """A point of the anatomy.

    Attributes:
        bone: Bone whose end (or other fraction) it is; a side is prefixed for paired ones.
        fraction: 0 at the bone's joint, 1 at its far end.
        frame: Bone in whose axes offsets are given.
        unit: What offsets are multiples of: ``'torso'`` (hip line to shoulder line, about
            0.5 m) or ``'head'`` (base of the skull to crown, about 0.21 m).
        paired: Whether there is a left and a right one.
    """

    bone: str
    fraction: float
    frame: str
    unit: str = 'torso'
    paired: bool = True


#: The joint centres and surface points that placements refer to.
ANCHORS: Mapping[str, Anchor] = MappingProxyType(
    {
        'shoulder': Anchor('upper_arm', 0.0, 'chest'),
        'elbow': Anchor('upper_arm', 1.0, 'upper_arm'),
        'wrist': Anchor('forearm', 1.0, 'forearm'),
        'hip': Anchor('thigh', 0.0, 'pelvis'),
        'knee': Anchor('thigh', 1.0, 'thigh'),
        'ankle': Anchor('shin', 1.0, 'shin'),
        'foot': Anchor('foot', 0.0, 'foot'),
        'shoulder_line': Anchor('neck', 0.0, 'neck', paired=False),
        'mid_neck': Anchor('neck', 0.5, 'neck', paired=False),
        'skull_base': Anchor('neck', 1.0, 'neck', paired=False),
        'crown': Anchor('head', 1.0, 'head', unit='head', paired=False),
        'face': Anchor('head', 0.0, 'head', unit='head', paired=False),
        'temple': Anchor('head', 0.0, 'head', unit='head'),
    }
)


@dataclass(frozen=True)
class Placement:
    """A dataset's joint.

    Attributes:
        anchor: Key of :data:`ANCHORS`.
        offset: (outwards, up, front) in the anchor's frame and unit. Outwards is away from the
            midline; up and front are the bone's own, as in a person who stands with hanging
            arms: up is towards the body for a limb, towards the crown for the trunk.
    """

    anchor: str
    offset: Offset = (0.0, 0.0, 0.0)


def _table(**places: tuple[str, Offset]) -> Mapping[str, Placement]:
    return MappingProxyType({joint: Placement(*place) for joint, place in places.items()})


_COCO_LIMBS = {
    'shoulder': ('shoulder', (0.015, 0.010, 0.000)),
    'elbow': ('elbow', (0.000, 0.000, 0.000)),
    'wrist': ('wrist', (0.000, 0.000, 0.000)),
    'hip': ('hip', (0.060, 0.055, 0.020)),
    'knee': ('knee', (0.000, 0.000, 0.020)),
    'ankle': ('ankle', (0.015, 0.000, 0.000)),
}
_COCO_FACE = {
    'nose': ('face', (0.0, 0.36, 0.57)),
    'eye': ('temple', (0.15, 0.50, 0.455)),
    'ear': ('temple', (0.36, 0.42, -0.02)),
}

#: Dataset -> joint, without its side -> place. Joints named in :data:`MIDPOINTS` are absent.
#: CrowdPose annotates the limbs of COCO's persons as COCO does; Halpe extends COCO.
PLACEMENTS: Mapping[str, Mapping[str, Placement]] = MappingProxyType(
    {
        'coco': _table(**_COCO_FACE, **_COCO_LIMBS),
        'mpii': _table(
            shoulder=('shoulder', (-0.015, 0.030, 0.000)),
            elbow=('elbow', (0.000, 0.000, -0.015)),
            wrist=('wrist', (0.000, -0.020, 0.000)),
            hip=('hip', (-0.020, -0.020, 0.000)),
            knee=('knee', (0.000, 0.000, 0.000)),
            ankle=('ankle', (0.000, -0.020, 0.000)),
            upper_neck=('skull_base', (0.0, 0.000, 0.020)),
            head_top=('crown', (0.0, 0.030, 0.000)),
        ),
        'aic': _table(
            shoulder=('shoulder', (0.030, -0.020, 0.000)),
            elbow=('elbow', (0.000, -0.020, 0.000)),
            wrist=('wrist', (0.000, 0.020, 0.000)),
            hip=('hip', (0.030, -0.045, 0.000)),
            knee=('knee', (0.000, 0.030, 0.000)),
            ankle=('ankle', (0.000, 0.030, 0.000)),
            head_top=('crown', (0.0, -0.100, 0.050)),
            neck=('shoulder_line', (0.0, 0.020, 0.040)),
        ),
        'lsp': _table(
            shoulder=('shoulder', (-0.025, -0.005, 0.000)),
            elbow=('elbow', (0.012, 0.000, 0.000)),
            wrist=('wrist', (0.000, -0.010, 0.000)),
            hip=('hip', (0.010, 0.015, 0.010)),
            knee=('knee', (0.010, -0.010, 0.000)),
            ankle=('ankle', (0.000, 0.000, -0.015)),
            neck=('mid_neck', (0.0, 0.000, 0.010)),
            head_top=('crown', (0.0, -0.030, 0.000)),
        ),
        'crowdpose': _table(
            **_COCO_LIMBS,
            top_head=('crown', (0.0, -0.180, 0.150)),
            neck=('shoulder_line', (0.0, 0.050, 0.020)),
        ),
        'halpe': _table(
            **_COCO_FACE,
            **_COCO_LIMBS,
            head=('crown', (0.0, 0.000, 0.000)),
            neck=('shoulder_line', (0.0, 0.000, 0.000)),
            big_toe=('foot', (-0.030, -0.075, 0.370)),
            small_toe=('foot', (0.060, -0.075, 0.290)),
            heel=('foot', (0.000, -0.090, -0.110)),
        ),
    }
)

#: Dataset -> joint -> the paired joint whose two points it lies between, in the image: MPII's
#: pelvis and thorax are the midpoints of its hips and shoulders, Halpe's hip of its hips.
MIDPOINTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        'mpii': MappingProxyType({'pelvis': 'hip', 'thorax': 'shoulder'}),
        'halpe': MappingProxyType({'hip': 'hip'}),
    }
)

#: Skeletons that the mannequins are known in.
SKELETON_NAMES = tuple(PLACEMENTS)


def split_side(joint: str) -> tuple[str | None, str]:
    """``'left_hip'`` -> ``('left', 'hip')``; ``'nose'`` -> ``(None, 'nose')``."""
    side, _, stem = joint.partition('_')
    return (side, stem) if side in SIDES else (None, joint)


@cache
def sided_joints(skeleton: str) -> tuple[tuple[str | None, str], ...]:
    """Side and stem of every joint of a skeleton, in its order."""
    return tuple(split_side(joint) for joint in get_skeleton(skeleton).joints)


def _point(bones: Bones, body: Body, place: Placement, side: str | None) -> FloatArray:
    anchor = ANCHORS[place.anchor]
    prefix = f'{side}_' if anchor.paired else ''
    limb = 'head' if anchor.bone == 'head' else anchor.bone
    carrier = bones[limb] if limb in bones else bones[prefix + limb]
    frame = bones[anchor.frame] if anchor.frame in bones else bones[prefix + anchor.frame]
    unit = body.torso if anchor.unit == 'torso' else body.lengths['head']
    outwards = -1.0 if side == 'right' else 1.0
    offset = np.array([place.offset[0] * outwards, place.offset[1], place.offset[2]])
    return carrier.at(anchor.fraction) + frame.rotation @ (offset * unit)


@cache
def _midpoints(skeleton: str) -> list[tuple[int, int, int]]:
    """(joint, left, right) indices of a skeleton's midpoint joints."""
    sk = get_skeleton(skeleton)
    return [
        (sk.index(joint), sk.index(f'left_{pair}'), sk.index(f'right_{pair}'))
        for joint, pair in MIDPOINTS.get(skeleton, {}).items()
    ]


def joints_3d(bones: Bones, body: Body, skeleton: str) -> FloatArray:
    """The joints of one dataset on a posed body.

    Args:
        bones: World bones of the person.
        body: The person's measures.
        skeleton: One of :data:`SKELETON_NAMES`.

    Returns:
        World points ``(K, 3)`` in metres, in the skeleton's joint order.

    Raises:
        KeyError: If the mannequins have no placements for the skeleton.
    """
    if skeleton not in PLACEMENTS:
        raise KeyError(f'No placements for {skeleton!r}. Available: {sorted(PLACEMENTS)}')
    table, between = PLACEMENTS[skeleton], MIDPOINTS.get(skeleton, {})
    joints = sided_joints(skeleton)
    points = np.zeros((len(joints), 3))
    for k, (side, stem) in enumerate(joints):
        if side or stem not in between:
            points[k] = _point(bones, body, table[stem], side)
    for k, left, right in _midpoints(skeleton):
        points[k] = (points[left] + points[right]) / 2
    return points


def joints_2d(points: FloatArray, camera: Camera, skeleton: str) -> FloatArray:
    """Project a dataset's joints; midpoint joints are midpoints in the image.

    Args:
        points: World points ``(K, 3)`` of :func:`joints_3d`.
        camera: The camera.
        skeleton: Their skeleton.

    Returns:
        Pixels ``(K, 2)``, 0-based, rounded to 0.01 (midpoints to 0.005).
    """
    pixels = np.round(camera.project(points), 2)
    for k, left, right in _midpoints(skeleton):
        pixels[k] = np.round((pixels[left] + pixels[right]) / 2, 3)
    return pixels
