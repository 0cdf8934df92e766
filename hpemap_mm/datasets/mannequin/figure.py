"""A dressed person as capsules, ready for the z-buffer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .body import SIDES, Body, Bone, Bones
from .camera import FloatArray
from .outfit import (
    Outfit,
    cloth,
    head_paint,
    legwear,
    shaded,
    shirt_front,
    waistband,
)
from .raster import Capsule, Paint

#: Limb radii as fractions of the stature: at the near and at the far end.
RADII = {
    'upper_arm': (0.0290, 0.0235),
    'forearm': (0.0245, 0.0160),
    'thigh': (0.0480, 0.0330),
    'shin': (0.0330, 0.0205),
    'neck': (0.0330, 0.0300),
}


def _limb(
    bone: Bone, near: float, far: float, paint: Paint, *, start: float = 0.0, end: float = 1.0
) -> Capsule:
    """Part of a limb's bone as a round capsule."""
    return Capsule(
        bone.at(start),
        bone.at(end),
        near + (far - near) * start,
        near + (far - near) * end,
        paint,
        lateral=bone.rotation[:, 0],
    )


def _ball(centre: FloatArray, radius: float, paint: Paint, gloss: float = 0.0) -> Capsule:
    return Capsule(centre, centre + [0.0, 1e-4, 0.0], radius, radius, paint, gloss=gloss)


def _trunk(body: Body, bones: Bones, outfit: Outfit) -> Iterator[Capsule]:
    h, girth = body.stature, body.girth
    pelvis, chest = bones['pelvis'], bones['chest']
    left = pelvis.rotation[:, 0]
    hips = h * 0.068 * girth
    width = 1.34 * body.hips
    yield Capsule(
        pelvis.at(-0.05),
        pelvis.at(0.85),
        hips,
        h * 0.064 * girth,
        waistband(outfit),
        left,
        (width, 0.98),
        0.7,
    )
    left = chest.rotation[:, 0]
    # Belly and chest are one shirt: the heights of collar and hem are given in the frame of each.
    yield Capsule(
        pelvis.at(0.75),
        chest.at(0.45),
        h * 0.066 * girth,
        h * 0.066 * girth,
        shirt_front(outfit, top=1.9, bottom=-0.1, frequency=3.5),
        left,
        (1.25, 0.95),
        0.6,
    )
    yield Capsule(
        chest.at(0.30),
        chest.at(0.82),
        h * 0.068 * girth,
        h * 0.066 * (0.6 + 0.4 * girth),
        shirt_front(outfit, top=1.25, bottom=-0.75, frequency=3),
        left,
        (1.36 * body.shoulders, 0.96),
        0.8,
    )
    shoulders = h * 0.034 * (0.6 + 0.4 * girth)
    sleeve = cloth(outfit, 3) if outfit.sleeves > 0 else outfit.skin
    yield Capsule(
        bones['left_upper_arm'].origin,
        bones['right_upper_arm'].origin,
        shoulders,
        shoulders,
        cloth(outfit, 6),
        chest.rotation[:, 1],
        (0.95, 1.0),
    )
    for side in SIDES:
        yield _ball(bones[f'{side}_upper_arm'].at(0.04), shoulders * 1.02, sleeve)
    neck = bones['neck']
    near, far = (h * r * (0.7 + 0.3 * girth) for r in RADII['neck'])
    yield Capsule(
        chest.at(0.90), neck.at(0.35), h * 0.052, near * 1.05, cloth(outfit, 3), left, (1.3, 0.9)
    )
    yield _limb(neck, near, far, outfit.skin, end=1.25)
    if outfit.backpack is not None:
        yield Capsule(
            chest.at(0.15, (0, 0, -0.105 * h)),
            chest.at(0.80, (0, 0, -0.100 * h)),
            h * 0.062,
            h * 0.055,
            outfit.backpack,
            left,
            (1.25, 0.75),
        )
        for sign in (-1, 1):
            yield Capsule(
                chest.at(0.25, (sign * 0.062 * h, 0, 0.058 * h)),
                chest.at(0.98, (sign * 0.058 * h, 0, 0.030 * h)),
                h * 0.013,
                h * 0.013,
                shaded(outfit.backpack, 0.6),
                left,
            )


def _arm(body: Body, bones: Bones, outfit: Outfit, side: str) -> Iterator[Capsule]:
    h, girth = body.stature, 0.5 + 0.5 * body.girth
    upper, fore, hand = (bones[f'{side}_{part}'] for part in ('upper_arm', 'forearm', 'hand'))
    skin = outfit.skin
    (u0, u1), (f0, f1) = ([h * girth * r for r in RADII[k]] for k in ('upper_arm', 'forearm'))
    yield _limb(upper, u0, u1, skin)
    yield _limb(fore, f0, f1, skin)
    covered = outfit.sleeves
    if covered > 0:
        yield _limb(upper, u0 * 1.18, u1 * 1.3, cloth(outfit, 5), end=min(covered, 1.0))
    if covered > 1:
        yield _limb(fore, f0 * 1.2, f1 * 1.4, cloth(outfit, 5), end=min(covered - 1, 0.93))
    palm = h * 0.0185
    inwards = -1.0 if side == 'left' else 1.0
    yield Capsule(
        hand.at(0.15), hand.at(0.62), palm, palm * 0.95, skin, hand.rotation[:, 0], (0.62, 1.1)
    )
    yield Capsule(
        hand.at(0.62), hand.at(0.92), palm * 0.85, palm * 0.6, skin, hand.rotation[:, 0], (0.6, 1.1)
    )
    yield Capsule(
        hand.at(0.20, (0.2 * inwards * palm, 0, 0.8 * palm)),
        hand.at(0.60, (0.3 * inwards * palm, 0, 1.7 * palm)),
        palm * 0.42,
        palm * 0.36,
        skin,
    )
    if outfit.watch == side and covered <= 1:
        yield _limb(fore, f1 * 1.25, f1 * 1.25, (0.15, 0.15, 0.15), start=0.86, end=0.93)


def _leg(body: Body, bones: Bones, outfit: Outfit, side: str) -> Iterator[Capsule]:
    h, girth = body.stature, 0.45 + 0.55 * body.girth
    thigh, shin, foot = (bones[f'{side}_{part}'] for part in ('thigh', 'shin', 'foot'))
    skin, fabric = outfit.skin, legwear(outfit)
    (t0, t1), (s0, s1) = ([h * girth * r for r in RADII[k]] for k in ('thigh', 'shin'))
    yield _limb(thigh, t0, t1, skin)
    # A calf behind the shin bone.
    calf = (0.0, 0.0, -0.010 * h)
    calf_paint = fabric if outfit.bottom == 'trousers' else skin
    yield Capsule(shin.at(0.0), shin.at(1.0), s0, s1, skin, shin.rotation[:, 0])
    yield Capsule(
        shin.at(0.16, calf),
        shin.at(0.55, calf),
        s0 * 0.9,
        s0 * 0.72,
        calf_paint,
        shin.rotation[:, 0],
    )
    if outfit.bottom == 'trousers':
        yield _limb(thigh, t0 * 1.06, t1 * 1.18, fabric)
        yield _limb(shin, s0 * 1.16, s1 * 1.55, fabric, end=0.93)
    elif outfit.bottom == 'shorts':
        yield _limb(thigh, t0 * 1.06, t1 * 1.45, fabric, end=0.72)
    elif outfit.bottom == 'skirt':
        yield _limb(thigh, t0 * 1.06, t1 * 1.3, fabric, end=0.55)
    shoe, sole = outfit.shoes, shaded(outfit.shoes, 0.5)
    size = body.lengths['forefoot']
    drop = -0.55 * body.lengths['ankle_height']
    yield _limb(shin, s1 * 1.15, s1 * 1.15, shoe, start=0.95, end=1.0)
    heel = foot.origin + foot.rotation @ [0.0, drop, -0.55 * body.lengths['hindfoot']]
    ball = foot.origin + foot.rotation @ [0.0, drop * 1.15, 0.74 * size]
    yield Capsule(heel, ball, h * 0.0215, h * 0.0225, shoe, foot.rotation[:, 0], (1.0, 0.95))
    yield Capsule(foot.origin, ball, h * 0.022, h * 0.016, shoe, foot.rotation[:, 0], (0.9, 1.0))
    under = foot.rotation @ [0.0, -0.010 * h, 0.0]
    yield Capsule(heel + under, ball + under, h * 0.0185, h * 0.02, sole, foot.rotation[:, 0])
    toe = foot.origin + foot.rotation @ [0.0, drop * 1.2, 0.84 * size]
    yield _ball(toe, h * 0.0185, (0.85, 0.87, 0.9))


def _skirt(body: Body, bones: Bones, outfit: Outfit) -> Iterator[Capsule]:
    h = body.stature
    pelvis, left, right = bones['pelvis'], bones['left_thigh'], bones['right_thigh']
    hem = (left.at(0.62) + right.at(0.62)) / 2
    spread = float(np.linalg.norm(left.at(0.62) - right.at(0.62))) / 2 + 0.052 * h
    start, end = 0.070 * h * body.girth, max(spread, 0.085 * h)
    yield Capsule(
        pelvis.at(0.35),
        hem,
        start,
        end,
        outfit.bottom_colour,
        pelvis.rotation[:, 0],
        (1.12, 0.85),
        0.12,
    )


def _head(body: Body, bones: Bones, outfit: Outfit) -> Iterator[Capsule]:
    head, size = bones['head'], body.lengths['head']
    left = head.rotation[:, 0]

    def at(outwards: float, up: float, front: float) -> FloatArray:
        """A point in head lengths: to the left, up from the skull's base, to the front."""
        return head.origin + head.rotation @ (np.array([outwards, up, front]) * size)

    def blob(
        start: FloatArray,
        end: FloatArray,
        radius: float,
        paint: Paint,
        aspect: tuple[float, float] = (1.0, 1.0),
        far: float | None = None,
        gloss: float = 0.0,
    ) -> Capsule:
        far = radius if far is None else far
        return Capsule(start, end, radius * size, far * size, paint, left, aspect, 1.0, gloss)

    skin, hair = outfit.skin, outfit.hair
    yield blob(at(0, 0.29, 0.06), at(0, 0.61, 0.04), 0.365, head_paint(outfit), (0.93, 1.16), 0.385)
    white, iris = (0.96, 0.96, 0.96), (0.12, 0.08, 0.06)
    for sign in (-1.0, 1.0):
        yield blob(at(0.15 * sign, 0.5, 0.42), at(0.152 * sign, 0.5, 0.42), 0.070, white)
        yield blob(at(0.15 * sign, 0.5, 0.455), at(0.152 * sign, 0.5, 0.455), 0.046, iris)
        yield blob(at(0.34 * sign, 0.34, -0.02), at(0.36 * sign, 0.46, -0.03), 0.07, skin, (0.6, 1))
        if outfit.glasses:
            frame = (0.1, 0.1, 0.1)
            yield blob(at(0.05 * sign, 0.56, 0.5), at(0.27 * sign, 0.56, 0.40), 0.025, frame)
            yield blob(at(0.27 * sign, 0.56, 0.40), at(0.36 * sign, 0.5, 0.0), 0.022, frame)
    nose = shaded(outfit.skin, 0.9)
    yield blob(at(0, 0.52, 0.46), at(0, 0.38, 0.53), 0.042, nose, far=0.072)
    if outfit.hair_style == 'bald':
        return
    if outfit.hair_style == 'cap':
        cap = outfit.shirt_second
        yield blob(at(0, 0.62, 0.02), at(0, 0.70, 0.02), 0.40, cap, (0.97, 1.16), 0.36)
        visor = shaded(outfit.shirt_second, 0.7)
        yield blob(at(0, 0.72, 0.38), at(0, 0.68, 0.66), 0.25, visor, (1.0, 0.16), 0.2)
        yield blob(at(0, 0.40, -0.10), at(0, 0.55, -0.08), 0.34, hair, (1.0, 1.0))
        return
    yield blob(at(0, 0.58, -0.09), at(0, 0.66, -0.05), 0.40, hair, (0.95, 1.05), 0.375)
    if outfit.hair_style == 'long':
        yield blob(at(0, 0.55, -0.16), at(0, -0.30, -0.20), 0.37, hair, (1.0, 0.72), 0.26)
    elif outfit.hair_style == 'bun':
        yield blob(at(0, 0.78, -0.44), at(0, 0.80, -0.46), 0.17, hair)


def figure(body: Body, bones: Bones, outfit: Outfit) -> list[Capsule]:
    """All capsules of a dressed person.

    Args:
        body: The person's measures.
        bones: World bones of the person.
        outfit: The person's looks.

    Returns:
        Capsules in the world, in no particular order.
    """
    parts = [*_trunk(body, bones, outfit), *_head(body, bones, outfit)]
    for side in SIDES:
        parts += [*_arm(body, bones, outfit, side), *_leg(body, bones, outfit, side)]
    if outfit.bottom == 'skirt':
        parts += _skirt(body, bones, outfit)
    return parts
