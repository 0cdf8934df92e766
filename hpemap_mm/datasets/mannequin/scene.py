"""One photograph: who stands where, seen from where, hidden by what."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .body import Body, Bone, forward_kinematics
from .camera import Camera, FloatArray
from .figure import figure
from .outfit import Outfit, hsv
from .pose import Pose, sample_pose
from .raster import PROP, Canvas, Capsule, Light
from .scenery import KINDS, backdrop, draw_box, shadow
from .visibility import Joints, Sight, find_joints

#: Sub-pixels per pixel and axis.
SUPERSAMPLING = 2
#: A person is annotated with at least so many MPII joints in the image, so many of them
#: seen, and such a longer side of the box in pixels.
MIN_INSIDE, MIN_SEEN, MIN_SIDE = 10, 6, 60


@dataclass(frozen=True, eq=False)
class Person:
    """What is known of one person in a photograph.

    Attributes:
        number: Index within the photograph, 0-based.
        family: Pose family.
        yaw: Degrees; 0 faces the camera.
        stature: Metres.
        bbox: x, y, width, height of the visible pixels and joints, ``(4,)``.
        area: Visible pixels.
        polygons: Outlines of the visible parts, flat x, y lists.
        extent: x0, y0, x1, y1 of the whole body's joints, also outside of the image, ``(4,)``.
        joints: By skeleton name.
    """

    number: int
    family: str
    yaw: float
    stature: float
    bbox: FloatArray
    area: float
    polygons: list[list[float]]
    extent: FloatArray
    joints: dict[str, Joints]

    @property
    def annotated(self) -> bool:
        """Whether enough of the person shows to be annotated."""
        joints = self.joints['mpii']
        seen = joints.sight == Sight.SEEN
        big = self.bbox[2:].max() >= MIN_SIDE
        return bool(joints.inside.sum() >= MIN_INSIDE and seen.sum() >= MIN_SEEN and big)


@dataclass(frozen=True, eq=False)
class Photo:
    """A rendered image with the truth about it.

    Attributes:
        image: BGR, ``(H, W, 3)`` uint8.
        quality: JPEG quality to be saved with.
        persons: Annotated persons only.
    """

    image: NDArray[np.uint8]
    quality: int
    persons: list[Person]


@dataclass(frozen=True, eq=False)
class _Actor:
    body: Body
    pose: Pose
    outfit: Outfit
    bones: dict[str, Bone]


def _sample_yaw(rng: np.random.Generator) -> float:
    """Facing the camera (most), from the side or from behind."""
    kind = rng.choice(3, p=[0.57, 0.28, 0.15])
    if kind == 0:
        return float(rng.normal(0, 28))
    if kind == 1:
        return float(rng.choice([-1, 1]) * rng.uniform(50, 130))
    return float(rng.normal(180, 25))


def _sample_camera(
    rng: np.random.Generator, size: tuple[int, int], count: int
) -> tuple[Camera, float]:
    """A camera and the depth at which people make a good picture."""
    width, height = size
    focal = width * float(rng.uniform(1.0, 1.35))
    low, high = ((0.62, 0.88), (0.52, 0.78), (0.46, 0.68), (0.42, 0.62))[count - 1]
    share = float(rng.uniform(low, high))
    close_up = rng.random() < 0.08
    if close_up:
        share = float(rng.uniform(1.05, 1.4))
    depth = focal * 1.7 / (share * height)
    eye = float(rng.uniform(0.7, 1.9)) if rng.random() < 0.8 else float(rng.uniform(1.9, 3.4))
    aim = 0.86 + float(rng.normal(0, 0.05)) + (0.28 if close_up else 0.0)
    pitch = float(np.arctan2(eye - aim, depth))
    depth *= float(np.cos(pitch))
    position = np.array([0.0, eye, 0.0])
    roll = float(rng.normal(0, 0.02))
    camera = Camera.looking(
        focal=focal, width=width, height=height, position=position, pitch=pitch, roll=roll
    )
    return camera, depth


def _place(
    rng: np.random.Generator, camera: Camera, depth: float, count: int
) -> list[tuple[float, float]]:
    """Image column and depth of every person."""
    slot = camera.width / count
    crowd = float(rng.uniform(0.55, 0.8)) if rng.random() < 0.3 else 0.95
    spots = []
    for k in range(count):
        column = (k + 0.5) * slot + float(rng.normal(0, 0.10)) * slot
        column = camera.width / 2 + (column - camera.width / 2) * crowd
        spots.append((column, depth * float(rng.uniform(0.92, 1.22))))
    return spots


def _actor(rng: np.random.Generator, spot: FloatArray) -> _Actor:
    body, outfit = Body.sample(rng), Outfit.sample(rng)
    pose = sample_pose(rng, yaw=_sample_yaw(rng))
    bones = forward_kinematics(body, pose.angles)
    flesh = 0.03 * body.stature
    ends = {name: min(b.origin[1], b.end[1]) for name, b in bones.items()}
    lowest = min(
        y - (0.6 * flesh if name.endswith(('foot', 'hand')) else 1.3 * flesh)
        for name, y in ends.items()
    )
    shift = np.array([spot[0], pose.lift - lowest, spot[2]])
    # The middle of the body, not the hips, stands on the spot.
    middle = np.mean([bone.end for bone in bones.values()], axis=0)
    shift[[0, 2]] -= middle[[0, 2]]
    return _Actor(body, pose, outfit, {k: bone.moved(shift) for k, bone in bones.items()})


def _seat(rng: np.random.Generator, canvas: Canvas, actor: _Actor) -> None:
    pelvis = actor.bones['pelvis']
    top = pelvis.origin[1] - 0.062 * actor.body.stature
    yaw = np.radians(actor.pose.angles['yaw'])
    back = pelvis.rotation[:, 2] * 0.02
    base = np.array([pelvis.origin[0] - back[0], 0.0, pelvis.origin[2] - back[2]])
    colour = hsv(float(rng.uniform(0.04, 0.14)), float(rng.uniform(0.1, 0.6)), 0.55)
    if rng.random() < 0.5:
        colour = hsv(rng.random(), 0.5, float(rng.uniform(0.3, 0.8)))
    draw_box(canvas, base, (0.44, max(top, 0.05), 0.42), float(yaw), colour, PROP)


def _props(
    rng: np.random.Generator, canvas: Canvas, camera: Camera, depth: float, actors: list[_Actor]
) -> None:
    """Clutter beside and behind people; now and then something in front of one."""
    width = camera.width
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.4, 0.3, 0.2, 0.1]))):
        far = depth * float(rng.uniform(1.25, 1.6))
        spot = camera.on_floor(float(rng.uniform(0, width)), far)
        colour = hsv(rng.random(), float(rng.uniform(0.2, 0.7)), float(rng.uniform(0.3, 0.9)))
        kind = rng.integers(3)
        if kind == 0:
            size = (rng.uniform(0.3, 1.2), rng.uniform(0.3, 1.1), rng.uniform(0.3, 0.6))
            draw_box(canvas, spot, size, float(rng.uniform(0, 3)), colour, PROP)
        elif kind == 1:
            radius = float(rng.uniform(0.1, 0.25))
            centre = spot + [0.0, radius, 0.0]
            ball = Capsule(centre, centre + [0, 1e-4, 0], radius, radius, colour, gloss=0.3)
            canvas.draw(ball, PROP)
        else:
            pole = Capsule(spot, spot + [0, rng.uniform(0.8, 2.6), 0], 0.05, 0.03, colour)
            canvas.draw(pole, PROP)
            top = pole.end
            crown = float(rng.uniform(0.15, 0.4))
            leaf = hsv(float(rng.uniform(0.2, 0.4)), 0.5, 0.5)
            canvas.draw(Capsule(top, top + [0, crown, 0], crown, crown * 0.7, leaf), PROP)
    if rng.random() > 0.2:
        return
    actor = actors[rng.integers(len(actors))]
    where = actor.bones['pelvis'].origin.copy()
    where[1] = 0.0
    where[2] += float(rng.uniform(0.55, 0.9))
    colour = hsv(rng.random(), float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.3, 0.85)))
    kind = rng.integers(3)
    if kind == 0:
        size = (rng.uniform(0.4, 1.2), rng.uniform(0.25, 0.6), rng.uniform(0.2, 0.4))
        where[0] += float(rng.normal(0, 0.3))
        draw_box(canvas, where, size, float(rng.normal(0, 0.4)), colour, PROP)
    elif kind == 1:
        where[0] += float(rng.choice([-1, 1]) * rng.uniform(0.05, 0.3))
        canvas.draw(Capsule(where, where + [0, 2.8, 0], 0.045, 0.045, colour), PROP)
    else:
        leaf = hsv(float(rng.uniform(0.2, 0.38)), 0.55, float(rng.uniform(0.3, 0.55)))
        for _ in range(7):
            lean = np.array([rng.normal(0, 0.16), rng.uniform(0.3, 0.6), rng.normal(0, 0.1)])
            canvas.draw(Capsule(where, where + lean, 0.02, 0.05, leaf), PROP)


def _shoot(rng: np.random.Generator, canvas: Canvas) -> NDArray[np.uint8]:
    """Develop the canvas: exposure, white balance, blur and noise of a sensor."""
    size = (canvas.camera.width, canvas.camera.height)
    image = cv2.resize(canvas.colour, size, interpolation=cv2.INTER_AREA)
    gains = rng.normal(1, 0.04, 3) * rng.uniform(0.85, 1.12)
    image = np.clip(image * gains.astype(np.float32), 0, 1)
    gamma = float(rng.uniform(0.85, 1.15))
    image = cv2.pow(image, gamma)
    blur = float(rng.uniform(0.0, 0.75))
    if blur > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    strength = np.float32(rng.uniform(0.004, 0.022))
    grain = rng.standard_normal((size[1], size[0], 1), np.float32) * strength
    shot = np.maximum(np.asarray(image, np.float32) + grain, 0)
    return np.asarray(cv2.convertScaleAbs(shot, alpha=255), np.uint8)


def _person(canvas: Canvas, actor: _Actor, number: int) -> Person | None:
    mask = (canvas.owner == number).astype(np.uint8)
    camera = canvas.camera
    mask = cv2.resize(mask, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    if not mask.any():
        return None
    joints = find_joints(canvas, actor.bones, actor.body, number)
    x, y, w, h = cv2.boundingRect(mask)
    corners = [np.array([[x, y], [x + w, y + h]], dtype=np.float64)]
    corners += [found.pixels[found.sight == Sight.SEEN] for found in joints.values()]
    points = np.concatenate(corners)
    low, high = np.floor(points.min(0)), np.ceil(points.max(0))
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    polygons = [
        [float(v) for v in cv2.approxPolyDP(outline, 0.8, True).ravel()]
        for outline in outlines
        if cv2.contourArea(outline) > 4
    ]
    whole = np.concatenate([found.pixels for found in joints.values()])
    return Person(
        number=number,
        family=actor.pose.family,
        yaw=(actor.pose.angles['yaw'] + 180) % 360 - 180,
        stature=actor.body.stature,
        bbox=np.concatenate([low, high - low]),
        area=float(mask.sum()),
        polygons=[p for p in polygons if len(p) >= 6],
        extent=np.concatenate([whole.min(0), whole.max(0)]),
        joints=joints,
    )


def _render(rng: np.random.Generator, size: tuple[int, int]) -> Photo:
    count = int(rng.choice([1, 2, 3, 4], p=[0.42, 0.34, 0.17, 0.07]))
    camera, depth = _sample_camera(rng, size, count)
    actors = [
        _actor(rng, camera.on_floor(column, far))
        for column, far in _place(rng, camera, depth, count)
    ]
    sun = np.array([rng.uniform(-0.9, 0.9), rng.uniform(0.9, 1.8), rng.uniform(0.1, 1.1)])
    light = Light(
        sun / np.linalg.norm(sun), float(rng.uniform(0.5, 0.72)), float(rng.uniform(0.3, 0.62))
    )
    kind = KINDS[rng.choice(len(KINDS), p=[0.32, 0.22, 0.24, 0.14, 0.08])]
    behind = float(rng.uniform(1.0, 3.5)) + (5.0 if kind in ('street', 'meadow') else 0.0)
    farthest = min(min(b.end[2] for b in actor.bones.values()) for actor in actors)
    farthest = min(farthest, -depth * 1.6 - 0.8)
    back = backdrop(rng, camera, kind=kind, wall_z=farthest - behind)
    limbs = [
        (bone.origin, bone.end, 0.09 if name in ('pelvis', 'chest') else 0.04)
        for actor in actors
        for name, bone in actor.bones.items()
    ]
    segments = np.array([[a, b] for a, b, _ in limbs])
    dark = shadow(camera, light, segments, np.array([r for _, _, r in limbs]))
    back *= 1 - dark[..., None] * np.float32(rng.uniform(0.2, 0.5))

    canvas = Canvas(camera, scale=SUPERSAMPLING, light=light)
    shape = canvas.depth.shape
    canvas.colour[:] = cv2.resize(back, shape[::-1], interpolation=cv2.INTER_LINEAR)
    for number, actor in enumerate(actors):
        if actor.pose.seat:
            _seat(rng, canvas, actor)
        for capsule in figure(actor.body, actor.bones, actor.outfit):
            canvas.draw(capsule, number)
    _props(rng, canvas, camera, depth, actors)
    people = [_person(canvas, actor, number) for number, actor in enumerate(actors)]
    image = _shoot(rng, canvas)
    quality = int(rng.integers(82, 96))
    return Photo(image, quality, [p for p in people if p is not None and p.annotated])


def render(seed: int, index: int, size: tuple[int, int] = (320, 240)) -> Photo:
    """Photograph number ``index`` of a seed; it depends on nothing else.

    Args:
        seed: Of the whole dataset.
        index: Which photograph, 0-based.
        size: Width and height in pixels.

    Returns:
        A photograph with at least one annotated person.
    """
    for attempt in range(100):
        photo = _render(np.random.default_rng([seed, index, attempt]), size)
        if photo.persons:
            return photo
    raise AssertionError(f'no annotated person in 100 attempts for image {index}')
