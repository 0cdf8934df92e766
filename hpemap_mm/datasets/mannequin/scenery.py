"""Backgrounds: rooms, streets, meadows and studios, in the perspective of the camera.

A backdrop is a floor (``y = 0``) and an upright wall (or horizon) at a given distance. Every
pixel knows the point that it sees, so textures recede as they should.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import Camera, FloatArray
from .outfit import hsv
from .raster import Array32, Canvas, Colour, Light

Mask = NDArray[np.bool_]

KINDS = ('room', 'street', 'meadow', 'hall', 'studio')


@dataclass(frozen=True, eq=False)
class View:
    """What each pixel of an empty scene sees.

    Attributes:
        camera: The camera.
        wall_z: World z of the wall.
        floor: Whether it sees the floor, ``(H, W)`` bool.
        a: World x in metres, ``(H, W)``.
        b: World height of a wall point, or world z of a floor point, ``(H, W)``.
    """

    camera: Camera
    wall_z: float
    floor: Mask
    a: Array32
    b: Array32

    @classmethod
    def of(cls, camera: Camera, wall_z: float) -> View:
        """Cut every pixel's ray with the floor and with the wall at ``z = wall_z``."""
        rays = camera.rays()
        eye = camera.position.astype(np.float32)
        down, away = rays[..., 1], rays[..., 2]
        to_floor = np.where(down < -1e-4, -eye[1] / np.minimum(down, -1e-4), np.float32(1e6))
        to_wall = (np.float32(wall_z) - eye[2]) / np.minimum(away, -1e-3)
        floor = to_floor < to_wall
        depth = np.minimum(to_floor, to_wall)
        a = eye[0] + depth * rays[..., 0]
        b = np.where(floor, eye[2] + depth * rays[..., 2], eye[1] + depth * rays[..., 1])
        return cls(camera, wall_z, floor, a, b)


def noise(rng: np.random.Generator, shape: tuple[int, int], cell: int) -> Array32:
    """Smooth noise with the given cell size in pixels, ``(H, W)``, about -1..1."""
    h, w = shape
    small = rng.standard_normal((h // cell + 2, w // cell + 2), np.float32) * np.float32(0.5)
    how = cv2.INTER_LINEAR if cell < 4 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(small, (w, h), interpolation=how), np.float32)


def _texture(rng: np.random.Generator, kind: str, a: Array32, b: Array32) -> Array32:
    """Brightness factors of a tiled surface over its two metric coordinates."""
    size = float(rng.uniform(0.35, 0.9))
    if kind == 'tiles':
        joint = ((a / size) % 1 < 0.05) | ((b / size) % 1 < 0.05)
        return np.where(joint, 0.82, 1.0).astype(np.float32)
    if kind == 'checks':
        odd = (np.floor(a / size) + np.floor(b / size)) % 2
        return (1 - float(rng.uniform(0.08, 0.3)) * odd).astype(np.float32)
    if kind == 'planks':
        plank = np.floor(a / 0.18)
        tone = np.sin(plank * 12.9898 + 4.0) * 43758.5453
        tone = (tone - np.floor(tone)) * 0.16 + 0.86
        return np.where((a / 0.18) % 1 < 0.07, tone * 0.8, tone).astype(np.float32)
    if kind == 'bricks':
        row = np.floor(b / 0.14)
        shifted = a / 0.36 + 0.5 * (row % 2)
        joint = ((b / 0.14) % 1 < 0.12) | (shifted % 1 < 0.06)
        return np.where(joint, 1.18, 0.95).astype(np.float32)
    if kind == 'stripes':
        return np.where((a / (size * 0.5)) % 1 < 0.5, 1.0, 0.93).astype(np.float32)
    if kind == 'lanes':
        return np.where((a / 1.3) % 1 < 0.07, 1.35, 1.0).astype(np.float32)
    return np.ones_like(a)


def _cover(
    rng: np.random.Generator, image: Array32, view: View, where: Mask, colour: Colour, kind: str
) -> None:
    """Paint a textured surface onto the pixels ``where``, ``(H, W)``."""
    factor = _texture(rng, kind, view.a[where], view.b[where])
    image[where] = np.asarray(colour, np.float32) * factor[:, None]


def _fill(image: Array32, where: Mask, colour: Colour, factor: Array32) -> None:
    """Paint the pixels ``where`` with a brightness per pixel, both ``(H, W)``."""
    image[where] = np.asarray(colour, np.float32) * factor[where][:, None]


def _rectangle(
    image: Array32, view: View, box: tuple[float, float, float, float], colour: Colour
) -> None:
    """Paint a rectangle (left, bottom, right, top) in metres onto the wall."""
    left, bottom, right, top = box
    corners = np.array([[left, bottom], [right, bottom], [right, top], [left, top]])
    points = np.column_stack([corners, np.full(4, view.wall_z)])
    pixels = np.round(view.camera.project(points) * 16).astype(np.int32)
    cv2.fillConvexPoly(image, pixels, colour, cv2.LINE_AA, 4)


def _muted(rng: np.random.Generator, value: tuple[float, float]) -> Colour:
    return hsv(rng.random(), float(rng.uniform(0.05, 0.35)), float(rng.uniform(*value)))


def _room(rng: np.random.Generator, image: Array32, view: View) -> None:
    wall = _muted(rng, (0.55, 0.92))
    kind = str(rng.choice(['plain', 'stripes', 'bricks', 'tiles'], p=[0.5, 0.2, 0.15, 0.15]))
    _cover(rng, image, view, ~view.floor, wall, kind)
    floor = hsv(float(rng.uniform(0.04, 0.12)), float(rng.uniform(0.15, 0.5)), 0.6)
    if rng.random() < 0.4:
        floor = _muted(rng, (0.4, 0.75))
    kind = str(rng.choice(['planks', 'tiles', 'checks', 'plain']))
    _cover(rng, image, view, view.floor, floor, kind)
    _rectangle(image, view, (-50, 0, 50, 0.12), hsv(0.1, 0.1, float(rng.uniform(0.3, 0.95))))
    x = float(rng.uniform(-5.5, -3.5))
    while x < 5.0:
        width = float(rng.uniform(0.5, 1.5))
        what = rng.choice(['nothing', 'picture', 'window', 'door', 'shelf'])
        frame = hsv(0.08, 0.4, float(rng.uniform(0.25, 0.9)))
        if what == 'picture':
            y, high = float(rng.uniform(1.2, 1.6)), float(rng.uniform(0.4, 0.9))
            _rectangle(image, view, (x, y, x + width, y + high), frame)
            inner = (x + 0.06, y + 0.06, x + width - 0.06, y + high - 0.06)
            _rectangle(image, view, inner, _muted(rng, (0.3, 0.9)))
            third = (x + 0.06, y + 0.06, x + width - 0.06, y + high * 0.4)
            _rectangle(image, view, third, _muted(rng, (0.2, 0.7)))
        elif what == 'window':
            _rectangle(image, view, (x, 0.9, x + width, 2.3), frame)
            sky = hsv(0.56, float(rng.uniform(0.1, 0.4)), 0.95)
            for part in (0, 1):
                left = x + 0.06 + part * width / 2
                _rectangle(image, view, (left, 0.97, left + width / 2 - 0.1, 2.22), sky)
        elif what == 'door':
            _rectangle(image, view, (x, 0, x + 0.95, 2.1), frame)
            _rectangle(image, view, (x + 0.07, 0, x + 0.88, 2.03), _muted(rng, (0.3, 0.85)))
        elif what == 'shelf':
            _rectangle(image, view, (x, 0.2, x + width, 2.0), frame)
            for row in range(4):
                base, left = 0.27 + 0.43 * row, x + 0.06
                while left < x + width - 0.12:
                    thick = float(rng.uniform(0.04, 0.12))
                    top = base + float(rng.uniform(0.2, 0.34))
                    colour = hsv(rng.random(), 0.5, float(rng.uniform(0.2, 0.8)))
                    _rectangle(image, view, (left, base, left + thick, top), colour)
                    left += thick + 0.01
        x += width + float(rng.uniform(0.2, 1.5))


def _sky(rng: np.random.Generator, image: Array32, view: View) -> None:
    shape = view.a.shape
    top = hsv(float(rng.uniform(0.54, 0.62)), float(rng.uniform(0.1, 0.5)), 0.9)
    low = hsv(float(rng.uniform(0.05, 0.6)), 0.1, 0.96)
    blend = np.clip(np.linspace(0, 1.4, shape[0], dtype=np.float32), 0, 1)[:, None, None]
    clouds = np.clip(noise(rng, shape, 45) + 0.5 * noise(rng, shape, 18) - 0.15, 0, 1)
    clouds = (clouds * float(rng.uniform(0.2, 0.9)))[..., None]
    sky = np.asarray(top, np.float32) * (1 - blend) + np.asarray(low, np.float32) * blend
    sky = sky * (1 - clouds) + np.float32(0.97) * clouds
    image[~view.floor] = sky[~view.floor]


def _street(rng: np.random.Generator, image: Array32, view: View) -> None:
    _sky(rng, image, view)
    grey = float(rng.uniform(0.35, 0.65))
    kind = str(rng.choice(['tiles', 'lanes', 'plain', 'checks']))
    _cover(rng, image, view, view.floor, (grey, grey, grey * 1.02), kind)
    x = -14.0
    while x < 14.0:
        width, high = float(rng.uniform(2.0, 5.0)), float(rng.uniform(2.5, 9.0))
        if rng.random() < 0.8:
            wall = _muted(rng, (0.35, 0.8))
            _rectangle(image, view, (x, 0, x + width, high), wall)
            lit = hsv(float(rng.uniform(0.1, 0.6)), 0.25, float(rng.uniform(0.25, 0.9)))
            step = float(rng.uniform(0.8, 1.4))
            y = 1.0
            while y + 0.7 < high:
                left = x + 0.35
                while left + 0.5 < x + width:
                    _rectangle(image, view, (left, y, left + step * 0.5, y + 0.75), lit)
                    left += step
                y += 1.5
        x += width + float(rng.choice([0.0, 0.0, 1.5]))


def _meadow(rng: np.random.Generator, image: Array32, view: View) -> None:
    _sky(rng, image, view)
    shape = view.a.shape
    hills = 1.2 + float(rng.uniform(0.2, 1.0)) * np.sin(view.a * float(rng.uniform(0.2, 0.6)))
    far = ~view.floor & (view.b < hills)
    green = hsv(float(rng.uniform(0.22, 0.38)), float(rng.uniform(0.2, 0.5)), 0.5)
    _fill(image, far, green, 1 + 0.15 * noise(rng, shape, 10))
    ground = hsv(float(rng.choice([0.11, 0.25, 0.3])), float(rng.uniform(0.25, 0.55)), 0.58)
    grain = 1 + 0.10 * noise(rng, shape, 3) + 0.10 * noise(rng, shape, 14)
    grain *= _texture(rng, str(rng.choice(['plain', 'plain', 'lanes'])), view.a, view.b)
    _fill(image, view.floor, ground, grain)
    for _ in range(int(rng.integers(0, 6))):
        x, high = float(rng.uniform(-8, 8)), float(rng.uniform(1.8, 4.5))
        _rectangle(image, view, (x - 0.12, 0, x + 0.12, high * 0.6), (0.15, 0.22, 0.3))
        wide = high * float(rng.uniform(0.2, 0.4))
        crown = ((view.a - x) / wide) ** 2 + ((view.b - high * 0.7) / (high * 0.38)) ** 2
        rough = crown + 0.5 * noise(rng, shape, 8) < 1
        leaf = hsv(float(rng.uniform(0.2, 0.36)), 0.55, float(rng.uniform(0.25, 0.5)))
        _fill(image, ~view.floor & rough, leaf, 1 + 0.25 * noise(rng, shape, 5))


def _hall(rng: np.random.Generator, image: Array32, view: View) -> None:
    """A sports hall: wooden floor with court lines, a wall with bars and a stand."""
    wall = _muted(rng, (0.6, 0.9))
    _cover(rng, image, view, ~view.floor, wall, 'bricks')
    low = hsv(rng.random(), float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.35, 0.7)))
    _rectangle(image, view, (-50, 0, 50, float(rng.uniform(0.8, 1.6))), low)
    for k in range(int(rng.integers(0, 5))):
        x = float(rng.uniform(-5, 5))
        for bar in range(12):
            y = 0.2 + 0.2 * bar
            _rectangle(image, view, (x, y, x + 1.0, y + 0.05), (0.3, 0.5, 0.65 + 0.02 * k))
    wood = hsv(float(rng.choice([0.08, 0.55, 0.36])), float(rng.uniform(0.25, 0.55)), 0.72)
    _cover(rng, image, view, view.floor, wood, 'planks')
    for _ in range(3):
        colour = hsv(rng.random(), 0.6, 0.85)
        x, z = float(rng.uniform(-3, 3)), float(rng.uniform(-3, 2))
        line = (np.abs(view.a - x) < 0.035) | (np.abs(view.b - z) < 0.04)
        if rng.random() < 0.4:
            line = np.abs(np.hypot(view.a - x, view.b - z) - 1.4) < 0.04
        image[view.floor & line] = colour


def _studio(rng: np.random.Generator, image: Array32, view: View) -> None:
    """A seamless paper roll."""
    h, w = view.a.shape
    colour = np.asarray(_muted(rng, (0.5, 0.95)), np.float32)
    x = np.linspace(-1, 1, w, dtype=np.float32)
    y = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    centre = rng.uniform(-0.4, 0.4, 2)
    vignette = 1.05 - 0.28 * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2)
    image[:] = colour * vignette[..., None]
    if rng.random() < 0.5:
        image *= (1 + 0.06 * noise(rng, (h, w), 24))[..., None]


_PAINTERS = {
    'room': _room,
    'street': _street,
    'meadow': _meadow,
    'hall': _hall,
    'studio': _studio,
}


def backdrop(rng: np.random.Generator, camera: Camera, *, kind: str, wall_z: float) -> Array32:
    """Paint an empty scene.

    Args:
        rng: Source of randomness.
        camera: The camera.
        kind: One of :data:`KINDS`.
        wall_z: World z of the wall or the horizon, metres; behind everybody.

    Returns:
        BGR image ``(H, W, 3)`` float32, 0..1, at the camera's resolution.
    """
    view = View.of(camera, wall_z)
    image = np.zeros((camera.height, camera.width, 3), np.float32)
    _PAINTERS[kind](rng, image, view)
    grain = 1 + 0.035 * noise(rng, view.a.shape, 2) + 0.05 * noise(rng, view.a.shape, 40)
    image *= grain[..., None]
    blurred = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 1.3)))
    return np.asarray(blurred, np.float32)


def draw_box(
    canvas: Canvas,
    base: FloatArray,
    size: tuple[float, float, float],
    yaw: float,
    colour: Colour,
    owner: int,
) -> None:
    """Draw an upright box.

    Args:
        canvas: Where to.
        base: World centre of its bottom face, ``(3,)``.
        size: Width, height and depth in metres.
        yaw: Rotation about the vertical in radians.
        colour: BGR colour.
        owner: Owner written into the canvas.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    half = np.array([size[0] / 2, size[2] / 2])
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    square = square @ np.array([[c, -s], [s, c]])
    low = np.column_stack([square[:, 0], np.zeros(4), square[:, 1]]) + base
    high = low + [0.0, size[1], 0.0]
    canvas.draw_polygon(high, colour, owner)
    for k in range(4):
        j = (k + 1) % 4
        canvas.draw_polygon(np.stack([low[k], low[j], high[j], high[k]]), colour, owner)


def shadow(camera: Camera, light: Light, segments: FloatArray, radii: FloatArray) -> Array32:
    """How dark the floor is under some limbs.

    Args:
        camera: The camera.
        light: Its direction throws the shadow.
        segments: World ends of the limbs, ``(n, 2, 3)``.
        radii: Metres, ``(n,)``.

    Returns:
        ``(H, W)`` float32, 0 lit to 1 in full shadow, blurred.
    """
    sun = light.direction
    ground = segments - segments[..., 1:2] / sun[1] * sun
    mask = np.zeros((camera.height, camera.width), np.uint8)
    cam = camera.to_camera(ground)
    for ends, radius in zip(cam, radii, strict=True):
        if ends[:, 2].min() < 0.3:
            continue
        px = camera.project_camera(ends)
        if np.abs(px).max() > 4000:
            continue
        thick = int(max(1, round(1.6 * radius * camera.focal / float(ends[:, 2].mean()))))
        a, b = (tuple(int(round(v * 8)) for v in p) for p in px)
        cv2.line(mask, a, b, 255, thick, cv2.LINE_AA, shift=3)
    blurred = cv2.GaussianBlur(mask, (0, 0), 2.2)
    return blurred.astype(np.float32) / np.float32(255)
