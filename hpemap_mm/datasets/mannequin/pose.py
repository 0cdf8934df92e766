"""Poses: families of joint angles, each drawn around its own means and kept within limits.

All angles are degrees. ``flex`` brings a limb to the front, ``side`` away from the body,
``twist`` turns its front outwards; knees and elbows bend one way only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from .body import SIDES

Angles = dict[str, float]

_SIDED = {
    'arm_flex': (-60, 180),
    'arm_side': (-10, 178),
    'arm_twist': (-100, 95),
    'elbow': (0, 145),
    'wrist': (-40, 50),
    'wrist_twist': (-60, 60),
    'hip_flex': (-35, 125),
    'hip_side': (-12, 85),
    'hip_twist': (-25, 45),
    'knee': (0, 145),
    'ankle': (-40, 25),
}
#: Range of every joint angle, degrees; ``yaw``, ``pitch`` and ``roll`` place the pelvis.
LIMITS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        'yaw': (-360, 720),
        'pitch': (-180, 180),
        'roll': (-180, 180),
        'spine_bend': (-30, 80),
        'spine_side': (-30, 30),
        'spine_twist': (-50, 50),
        'nod': (-40, 45),
        'head_tilt': (-30, 30),
        'head_turn': (-75, 75),
        **{f'{side}_{name}': limit for side in SIDES for name, limit in _SIDED.items()},
    }
)


@dataclass(frozen=True)
class Pose:
    """A pose before it is placed in a scene.

    Attributes:
        family: Name of the family, a key of :data:`FAMILIES`.
        angles: Degrees by joint angle, within :data:`LIMITS`.
        lift: Height of the lowest point above the floor, metres.
        seat: Whether the person sits on something.
    """

    family: str
    angles: Mapping[str, float]
    lift: float = 0.0
    seat: bool = False


def _clip(angles: Angles) -> Angles:
    return {k: float(np.clip(v, *LIMITS[k])) for k, v in angles.items()}


def _around(rng: np.random.Generator, means: Mapping[str, float], spread: float) -> Angles:
    return {k: float(rng.normal(v, spread)) for k, v in means.items()}


def _trunk(rng: np.random.Generator) -> Angles:
    return {
        'spine_bend': float(rng.normal(2, 4)),
        'spine_side': float(rng.normal(0, 2.5)),
        'spine_twist': float(rng.normal(0, 8)),
        'nod': float(rng.normal(3, 8)),
        'head_tilt': float(rng.normal(0, 5)),
        'head_turn': float(rng.normal(0, 20)),
        'pitch': float(rng.normal(0, 2)),
        'roll': float(rng.normal(0, 1.5)),
    }


#: What one arm may do: (means, spread in degrees, share).
GESTURES: Mapping[str, tuple[Mapping[str, float], float, float]] = MappingProxyType(
    {
        'hang': ({'arm_flex': 2, 'arm_side': 10, 'arm_twist': -10, 'elbow': 14}, 6, 0.46),
        'on_hip': ({'arm_flex': -12, 'arm_side': 42, 'arm_twist': -72, 'elbow': 98}, 7, 0.10),
        'wave': ({'arm_flex': 5, 'arm_side': 100, 'arm_twist': 80, 'elbow': 75}, 14, 0.12),
        'point': ({'arm_flex': 75, 'arm_side': 15, 'arm_twist': 0, 'elbow': 12}, 14, 0.09),
        'hold': ({'arm_flex': 25, 'arm_side': 12, 'arm_twist': -20, 'elbow': 88}, 9, 0.13),
        'phone': ({'arm_flex': 45, 'arm_side': 30, 'arm_twist': -10, 'elbow': 132}, 6, 0.05),
        'aside': ({'arm_flex': 5, 'arm_side': 80, 'arm_twist': 10, 'elbow': 14}, 12, 0.05),
    }
)


def _gesture(rng: np.random.Generator, side: str) -> Angles:
    names = list(GESTURES)
    share = np.array([GESTURES[name][2] for name in names])
    means, spread, _ = GESTURES[names[rng.choice(len(names), p=share / share.sum())]]
    drawn = _around(rng, means, spread)
    drawn['wrist'] = float(rng.normal(5, 10))
    return {f'{side}_{k}': v for k, v in drawn.items()}


def _arms(rng: np.random.Generator) -> Angles:
    return _gesture(rng, 'left') | _gesture(rng, 'right')


def _legs(rng: np.random.Generator, spread: float = 4.0, **means: float) -> Angles:
    """Both legs around the same means."""
    base = {'hip_flex': 0.0, 'hip_side': 4.0, 'hip_twist': 8.0, 'knee': 3.0, 'ankle': 0.0}
    angles: Angles = {}
    for side in SIDES:
        drawn = _around(rng, base | means, spread)
        angles |= {f'{side}_{k}': v for k, v in drawn.items()}
    return angles


def _two_sided(rng: np.random.Generator) -> tuple[str, str]:
    return ('left', 'right') if rng.random() < 0.5 else ('right', 'left')


def standing(rng: np.random.Generator) -> Pose:
    """Upright, each arm with a gesture, sometimes the weight on one leg."""
    angles = _trunk(rng) | _legs(rng, hip_side=float(rng.uniform(2, 9))) | _arms(rng)
    if rng.random() < 0.3:
        free, _ = _two_sided(rng)
        angles[f'{free}_hip_flex'] = float(rng.normal(14, 4))
        angles[f'{free}_knee'] = float(rng.normal(22, 6))
    return Pose('standing', angles)


def walking(rng: np.random.Generator) -> Pose:
    """Mid-step, arms swinging against the legs."""
    front, back = _two_sided(rng)
    stride = float(rng.uniform(0.6, 1.15))
    angles = _trunk(rng) | _legs(rng, 3.0, hip_side=2.0) | _arms(rng)
    angles |= {
        f'{front}_hip_flex': 26 * stride + float(rng.normal(0, 3)),
        f'{front}_knee': float(rng.normal(8, 4)),
        f'{back}_hip_flex': -16 * stride + float(rng.normal(0, 3)),
        f'{back}_knee': float(rng.normal(20, 7)),
        f'{back}_ankle': float(rng.normal(-12, 5)),
        'spine_twist': float(rng.normal(0, 5)),
    }
    if rng.random() < 0.75:
        for side, swing in ((front, -24.0), (back, 26.0)):
            angles[f'{side}_arm_flex'] = swing * stride + float(rng.normal(0, 5))
            angles[f'{side}_arm_side'] = float(rng.normal(9, 4))
            angles[f'{side}_arm_twist'] = float(rng.normal(-10, 5))
            angles[f'{side}_elbow'] = float(rng.normal(20 if side == front else 32, 7))
    return Pose('walking', angles)


def running(rng: np.random.Generator) -> Pose:
    """Leaning forwards, one knee up, elbows bent."""
    front, back = _two_sided(rng)
    angles = _trunk(rng) | _legs(rng, 3.0, hip_side=2.0)
    angles |= {
        'pitch': float(rng.normal(9, 4)),
        'head_turn': float(rng.normal(0, 10)),
        f'{front}_hip_flex': float(rng.normal(58, 9)),
        f'{front}_knee': float(rng.normal(72, 12)),
        f'{back}_hip_flex': float(rng.normal(-14, 6)),
        f'{back}_knee': float(rng.normal(48, 18)),
        f'{back}_ankle': float(rng.normal(-22, 6)),
    }
    for side, swing in ((front, -42.0), (back, 38.0)):
        angles[f'{side}_arm_flex'] = swing + float(rng.normal(0, 8))
        angles[f'{side}_arm_side'] = float(rng.normal(14, 5))
        angles[f'{side}_arm_twist'] = float(rng.normal(-14, 8))
        angles[f'{side}_elbow'] = float(rng.normal(88, 10))
    return Pose('running', angles, lift=float(rng.uniform(0.0, 0.08)))


def sitting(rng: np.random.Generator) -> Pose:
    """On a stool or a box, thighs level."""
    angles = _trunk(rng) | _legs(rng, 5.0, hip_flex=84, knee=82, hip_side=10, ankle=0) | _arms(rng)
    angles['spine_bend'] = float(rng.normal(6, 6))
    if rng.random() < 0.6:
        for side in SIDES:
            drawn = _around(rng, {'arm_flex': 30, 'arm_side': 8, 'arm_twist': -12, 'elbow': 48}, 7)
            angles |= {f'{side}_{k}': v for k, v in drawn.items()}
    return Pose('sitting', angles, seat=True)


def arms_raised(rng: np.random.Generator) -> Pose:
    """Both arms up, or out to the sides."""
    angles = _trunk(rng) | _legs(rng, hip_side=float(rng.uniform(2, 18)))
    height = float(rng.uniform(85, 165))
    for side in SIDES:
        angles[f'{side}_arm_side'] = height + float(rng.normal(0, 10))
        angles[f'{side}_arm_flex'] = float(rng.normal(4, 8))
        angles[f'{side}_arm_twist'] = float(rng.normal(40, 20))
        angles[f'{side}_elbow'] = abs(float(rng.normal(14, 18)))
    jump = rng.random() < 0.3
    return Pose('arms_raised', angles, lift=float(rng.uniform(0.05, 0.3)) if jump else 0.0)


def crouching(rng: np.random.Generator) -> Pose:
    """A squat, a lunge or a bow."""
    kind = rng.integers(3)
    if kind == 0:
        angles = _trunk(rng) | _legs(rng, 6.0, hip_flex=88, knee=108, hip_side=16, ankle=14)
        angles |= _arms(rng) | {'pitch': float(rng.normal(18, 5))}
    elif kind == 1:
        front, back = _two_sided(rng)
        angles = _trunk(rng) | _legs(rng, 4.0, hip_side=4.0) | _arms(rng)
        angles |= {
            f'{front}_hip_flex': float(rng.normal(82, 8)),
            f'{front}_knee': float(rng.normal(82, 8)),
            f'{back}_hip_flex': float(rng.normal(-14, 6)),
            f'{back}_knee': float(rng.normal(42, 14)),
            f'{back}_ankle': float(rng.normal(-10, 6)),
        }
    else:
        angles = _trunk(rng) | _legs(rng, 5.0, hip_flex=18, knee=12) | _arms(rng)
        angles |= {'pitch': float(rng.normal(18, 5)), 'spine_bend': float(rng.normal(42, 9))}
        for side in SIDES:
            angles[f'{side}_arm_flex'] = float(rng.normal(62, 18))
    return Pose('crouching', angles)


def lying(rng: np.random.Generator) -> Pose:
    """On the back, on the belly or on a side, limbs loosely bent."""
    angles = _trunk(rng) | _legs(rng, 8.0, hip_flex=14, knee=20, hip_side=9) | _arms(rng)
    for side in SIDES:
        angles[f'{side}_arm_flex'] = float(rng.normal(0, 10))
    angles['head_turn'] = float(rng.normal(0, 15))
    kind = rng.integers(3)
    angles['pitch'] = (-90.0, 90.0, -90.0)[kind] + float(rng.normal(0, 4))
    if kind == 1:
        angles['nod'] = float(rng.normal(-28, 5))
        for side in SIDES:
            angles[f'{side}_ankle'] = -35.0
            angles[f'{side}_hip_flex'] = float(rng.normal(2, 3))
    if kind == 2:
        angles['roll'] = 0.0
        angles[f'{_two_sided(rng)[0]}_knee'] = float(rng.normal(85, 12))
        angles['spine_twist'] = float(rng.normal(0, 14))
    return Pose('lying', angles)


def gymnastics(rng: np.random.Generator) -> Pose:
    """Cartwheels, handstands, split jumps and balances, as in sports photographs."""
    kind = rng.integers(4)
    lift = 0.0
    if kind == 0:  # cartwheel
        angles = _trunk(rng) | _legs(rng, 10.0, hip_side=38)
        angles['roll'] = float(rng.uniform(50, 180)) * (1 if rng.random() < 0.5 else -1)
        raised, elbow = 150.0, 8.0
    elif kind == 1:  # handstand
        angles = _trunk(rng) | _legs(rng, 9.0, hip_side=8)
        angles['pitch'] = 178.0 + float(rng.normal(0, 6))
        angles[f'{_two_sided(rng)[0]}_knee'] = float(rng.normal(40, 20))
        raised, elbow = 166.0, 6.0
    elif kind == 2:  # split jump
        angles = _trunk(rng) | _legs(rng, 8.0, hip_side=62, hip_flex=20, hip_twist=30)
        raised, elbow, lift = 105.0, 14.0, float(rng.uniform(0.2, 0.5))
    else:  # balance on one leg
        angles = _trunk(rng) | _legs(rng, 4.0)
        free, _ = _two_sided(rng)
        angles[f'{free}_hip_flex'] = float(rng.normal(-28, 4))
        angles[f'{free}_knee'] = float(rng.normal(12, 8))
        angles['pitch'] = float(rng.normal(52, 8))
        angles[f'{_other(free)}_hip_flex'] = float(rng.normal(50, 6))
        raised, elbow = 95.0, 8.0
    for side in SIDES:
        angles[f'{side}_arm_side'] = raised + float(rng.normal(0, 9))
        angles[f'{side}_arm_flex'] = float(rng.normal(0, 8))
        angles[f'{side}_elbow'] = elbow + float(rng.normal(0, 6))
    return Pose('gymnastics', angles, lift=lift)


def _other(side: str) -> str:
    return SIDES[1 - SIDES.index(side)]


#: Pose families with their shares; crouching, lying and gymnastics are the hard ones.
FAMILIES: Mapping[str, tuple[Callable[[np.random.Generator], Pose], float]] = MappingProxyType(
    {
        'standing': (standing, 0.35),
        'walking': (walking, 0.20),
        'running': (running, 0.10),
        'sitting': (sitting, 0.10),
        'arms_raised': (arms_raised, 0.10),
        'crouching': (crouching, 0.06),
        'lying': (lying, 0.04),
        'gymnastics': (gymnastics, 0.05),
    }
)


def sample_pose(rng: np.random.Generator, *, yaw: float, family: str | None = None) -> Pose:
    """Draw a pose.

    Args:
        rng: Source of randomness.
        yaw: Where the person faces, degrees; 0 looks at a camera that looks along -z.
        family: One of :data:`FAMILIES`; by default drawn by their shares.

    Returns:
        The pose, every angle within :data:`LIMITS`.

    Raises:
        KeyError: For an unknown family.
    """
    if family is None:
        names = list(FAMILIES)
        share = np.array([FAMILIES[name][1] for name in names])
        family = names[rng.choice(len(names), p=share / share.sum())]
    if family not in FAMILIES:
        raise KeyError(f'Unknown pose family {family!r}. Available: {sorted(FAMILIES)}')
    pose = FAMILIES[family][0](rng)
    angles = _clip(dict(pose.angles) | {'yaw': yaw})
    return Pose(pose.family, MappingProxyType(angles), pose.lift, pose.seat)
