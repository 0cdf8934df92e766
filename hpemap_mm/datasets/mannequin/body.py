"""The kinematic tree of a person: bone lengths, and where a pose brings every bone.

Proportions follow Drillis & Contini (1966), as fractions of the stature, between joint
*centres*; each person varies them. Body frame: x to the person's own left, y up, z to the
front. Right-hand bones are mirror images of left-hand ones by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from .camera import FloatArray, rotation_x, rotation_y, rotation_z

SIDES = ('left', 'right')
#: Mirror across the sagittal plane.
MIRROR = np.diag([-1.0, 1.0, 1.0])

#: Lengths between joint centres, and from the midline, as fractions of the stature.
PROPORTIONS: Mapping[str, float] = MappingProxyType(
    {
        'pelvis': 0.100,  # hip line to waist
        'chest': 0.188,  # waist to shoulder line
        'neck': 0.066,  # shoulder line to the base of the skull
        'head': 0.122,  # base of the skull to crown
        'shoulder_half': 0.108,
        'hip_half': 0.050,
        'upper_arm': 0.172,
        'forearm': 0.150,
        'hand': 0.100,
        'thigh': 0.243,
        'shin': 0.245,
        'ankle_height': 0.040,
        'forefoot': 0.112,  # ankle to toe tip
        'hindfoot': 0.042,  # ankle to the back of the heel
    }
)


@dataclass(frozen=True)
class Body:
    """A person's measures.

    Attributes:
        stature: Metres.
        lengths: Metres, keyed as :data:`PROPORTIONS`.
        girth: Thickness of trunk and limbs relative to the average.
        shoulders: Width of the chest relative to the average.
        hips: Width of the pelvis relative to the average.
    """

    stature: float
    lengths: Mapping[str, float]
    girth: float = 1.0
    shoulders: float = 1.0
    hips: float = 1.0

    @classmethod
    def average(cls, stature: float = 1.72) -> Body:
        """The mean proportions."""
        return cls(stature, {k: v * stature for k, v in PROPORTIONS.items()})

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Body:
        """Someone: mostly adults, one in eight a child with a larger head."""
        child = rng.random() < 0.12
        stature = rng.uniform(1.15, 1.45) if child else float(rng.normal(1.71, 0.085))
        stature = float(np.clip(stature, 1.1, 1.98))
        factors = {k: float(np.exp(rng.normal(0, 0.035))) for k in PROPORTIONS}
        if child:
            factors['head'] *= 1.22
        shoulders = float(np.exp(rng.normal(0, 0.05)))
        hips = float(np.exp(rng.normal(0, 0.06)))
        factors['shoulder_half'] *= shoulders
        factors['hip_half'] *= hips
        lengths = {k: v * factors[k] * stature for k, v in PROPORTIONS.items()}
        girth = float(np.clip(np.exp(rng.normal(0.02, 0.11)), 0.8, 1.35))
        return cls(stature, lengths, girth, shoulders, hips)

    @property
    def torso(self) -> float:
        """Hip line to shoulder line in metres: the unit of every placement."""
        return self.lengths['pelvis'] + self.lengths['chest']


@dataclass(frozen=True, eq=False)
class Bone:
    """One bone in the world.

    Attributes:
        origin: The joint that it turns about, ``(3,)``.
        end: Its far end, ``(3,)``.
        rotation: Body axes of this bone (columns: left, up, front) in the world, ``(3, 3)``.
    """

    origin: FloatArray
    end: FloatArray
    rotation: FloatArray

    def at(self, fraction: float, offset: tuple[float, float, float] = (0, 0, 0)) -> FloatArray:
        """A point at ``fraction`` of the bone plus a metric ``offset`` in its own frame."""
        point = self.origin + fraction * (self.end - self.origin)
        return point + self.rotation @ np.asarray(offset, dtype=np.float64)

    def moved(self, shift: FloatArray) -> Bone:
        """The same bone ``shift`` metres away."""
        return Bone(self.origin + shift, self.end + shift, self.rotation)


#: World bones by name: pelvis, chest, neck, head, and side_{upper_arm, forearm, hand,
#: thigh, shin, foot}.
Bones = Mapping[str, Bone]


def _spin(flex: float = 0.0, side: float = 0.0, twist: float = 0.0) -> FloatArray:
    """Rotation of a *left* limb from degrees: to the front, away from the body, outwards."""
    flex, side, twist = np.radians([flex, side, twist])
    return rotation_x(-flex) @ rotation_z(side) @ rotation_y(twist)


def forward_kinematics(body: Body, angles: Mapping[str, float]) -> dict[str, Bone]:
    """Every bone of a body in a pose, the hip line's middle at the world's origin.

    Args:
        body: The person's measures.
        angles: Degrees, keyed as :data:`hpemap_mm.datasets.mannequin.pose.LIMITS`; missing
            ones are zero. All zero is upright with hanging arms, facing +z.

    Returns:
        The bones by name.
    """

    def angle(name: str) -> float:
        return float(angles.get(name, 0.0))

    size = body.lengths
    up = np.array([0.0, 1.0, 0.0])
    yaw, pitch, roll = np.radians([angle('yaw'), angle('pitch'), angle('roll')])
    root = rotation_y(yaw) @ rotation_x(pitch) @ rotation_z(roll)
    bones: dict[str, Bone] = {}

    def add(name: str, origin: FloatArray, rotation: FloatArray, vector: FloatArray) -> Bone:
        bones[name] = Bone(origin, origin + rotation @ vector, rotation)
        return bones[name]

    pelvis = add('pelvis', np.zeros(3), root, up * size['pelvis'])
    half_spine = rotation_y(np.radians(angle('spine_twist')) / 2) @ (
        rotation_z(np.radians(angle('spine_side'))) @ rotation_x(np.radians(angle('spine_bend')))
    )
    chest = add('chest', pelvis.end, root @ half_spine, up * size['chest'])
    # Looking down is a positive nod; half of it happens in the neck.
    nod = rotation_x(np.radians(angle('nod')) / 2)
    tilt = rotation_z(np.radians(angle('head_tilt')) / 2)
    turn = rotation_y(np.radians(angle('head_turn')) / 2)
    half_neck = turn @ tilt @ nod
    neck = add('neck', chest.end, chest.rotation @ half_neck, up * size['neck'])
    add('head', neck.end, neck.rotation @ half_neck, up * size['head'])

    for side in SIDES:
        mirror = np.eye(3) if side == 'left' else MIRROR

        def turned(parent: FloatArray, spin: FloatArray, mirror: FloatArray = mirror) -> FloatArray:
            return parent @ mirror @ spin @ mirror

        def local(name: str, side: str = side) -> float:
            return angle(f'{side}_{name}')

        lift = max(local('arm_side') - 60.0, local('arm_flex') - 90.0, 0.0) / 120.0
        socket = chest.end + chest.rotation @ mirror @ np.array(
            [size['shoulder_half'] * (1 - 0.10 * lift), 0.16 * size['chest'] * lift, 0.0]
        )
        spin = _spin(local('arm_flex'), local('arm_side'), local('arm_twist'))
        rotation = turned(chest.rotation, spin)
        arm = add(f'{side}_upper_arm', socket, rotation, -up * size['upper_arm'])
        rotation = turned(rotation, _spin(flex=local('elbow')))
        forearm = add(f'{side}_forearm', arm.end, rotation, -up * size['forearm'])
        rotation = turned(rotation, _spin(flex=local('wrist'), twist=local('wrist_twist')))
        add(f'{side}_hand', forearm.end, rotation, -up * size['hand'])

        socket = root @ mirror @ np.array([size['hip_half'], 0.0, 0.0])
        spin = _spin(local('hip_flex'), local('hip_side'), local('hip_twist'))
        rotation = turned(root, spin)
        thigh = add(f'{side}_thigh', socket, rotation, -up * size['thigh'])
        rotation = turned(rotation, _spin(flex=-local('knee')))
        shin = add(f'{side}_shin', thigh.end, rotation, -up * size['shin'])
        rotation = turned(rotation, _spin(flex=local('ankle'), twist=10.0))
        toe = np.array([0.0, -0.75 * size['ankle_height'], size['forefoot']])
        add(f'{side}_foot', shin.end, rotation, toe)
    return bones
