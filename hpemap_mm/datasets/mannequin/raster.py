"""A small z-buffer: tapered elliptic capsules, planar polygons, both shaded.

A capsule is drawn as the sweep of an ellipsoid along a bone, under weak perspective per
end: the silhouette, the depth and the normal of every pixel come from one quadratic.
Legend: n pixels of a capsule that are inside its silhouette.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import Camera, FloatArray

Colour = tuple[float, float, float]
Array32 = NDArray[np.float32]
#: One colour, or colours (n, 3) from the position along the bone (0..1 between its joints,
#: beyond in the caps) and two components of the normal: lateral and depth.
Paint = Colour | Callable[[Array32, Array32, Array32], Array32]

Vector = tuple[float, float, float]

NOBODY = -1
PROP = -2


@dataclass(frozen=True, eq=False)
class Capsule:
    """A limb: an ellipsoid swept from ``start`` to ``end``.

    Attributes:
        start: World point ``(3,)`` in metres.
        end: World point ``(3,)`` in metres.
        start_radius: Metres.
        end_radius: Metres.
        paint: Colours of the surface.
        lateral: World direction ``(3,)`` of the first axis of the cross-section.
        aspect: Stretch of the radius along ``lateral`` and along the depth axis.
        cap: Length of the round ends, in radii.
        gloss: Strength of the highlight.
    """

    start: FloatArray
    end: FloatArray
    start_radius: float
    end_radius: float
    paint: Paint
    lateral: FloatArray = field(default_factory=lambda: np.array([1.0, 0.0, 0.0]))
    aspect: tuple[float, float] = (1.0, 1.0)
    cap: float = 1.0
    gloss: float = 0.0


@dataclass(frozen=True, eq=False)
class Light:
    """One sun and the sky.

    Attributes:
        direction: World unit vector towards the sun, ``(3,)``.
        ambient: Brightness of what the sun does not reach.
        diffuse: Brightness that the sun adds.
    """

    direction: FloatArray
    ambient: float = 0.55
    diffuse: float = 0.55


@dataclass(frozen=True)
class _Section:
    """A unit ellipsoid seen on screen: n across the bone, v into the screen, e along it.

    Attributes:
        nn: Quadratic form, n n.
        nv: Quadratic form, n v.
        vv: Quadratic form, v v.
        reach: Length of a round end along e.
        half: Half the width along n.
    """

    nn: float
    nv: float
    vv: float
    reach: float
    half: float


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: Sequence[float], b: Sequence[float]) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _unit(a: Sequence[float]) -> Vector:
    norm = math.sqrt(_dot(a, a))
    return a[0] / norm, a[1] / norm, a[2] / norm


def _across(lateral: Sequence[float], axis: Vector) -> Vector:
    """The unit vector nearest to ``lateral`` that is perpendicular to the unit ``axis``."""
    along = _dot(lateral, axis)
    if abs(along) > 0.9999:  # any will do: only a round limb has its lateral along its bone
        lateral = (axis[1], axis[2], axis[0])
        along = _dot(lateral, axis)
    return _unit([c - along * a for c, a in zip(lateral, axis, strict=True)])


def _tip(capsule: Capsule, *, at_end: bool) -> Capsule:
    """The round end of a capsule alone."""
    place = capsule.end if at_end else capsule.start
    radius = capsule.end_radius if at_end else capsule.start_radius
    paint, where = capsule.paint, float(at_end)

    def painted(along: Array32, lateral: Array32, depth: Array32) -> Array32:
        assert callable(paint)
        return paint(np.full_like(along, where), lateral, depth)

    return replace(
        capsule,
        start=place,
        end=place + (capsule.end - capsule.start) * 1e-3,
        start_radius=radius,
        end_radius=radius,
        paint=painted if callable(paint) else paint,
    )


class Canvas:
    """Colours, depths and owners of every (super-sampled) pixel.

    Attributes:
        camera: The camera in image pixels.
        scale: Sub-pixels per pixel and axis.
        colour: BGR 0..1, ``(h, w, 3)`` float32.
        depth: Camera depth in metres, ``(h, w)`` float32, inf where nothing is drawn.
        owner: Person index, :data:`PROP` or :data:`NOBODY`, ``(h, w)`` int16.
    """

    def __init__(self, camera: Camera, *, scale: int, light: Light) -> None:
        self.camera = camera
        self.scale = scale
        self.light = light
        shape = (camera.height * scale, camera.width * scale)
        self.colour = np.zeros((*shape, 3), np.float32)
        self.depth = np.full(shape, np.inf, np.float32)
        self.owner = np.full(shape, NOBODY, np.int16)
        self._light: list[float] = (camera.rotation @ light.direction).tolist()

    def to_canvas(self, pixels: FloatArray) -> FloatArray:
        """Image pixels ``(..., 2)`` to canvas pixels (centres at integers in both)."""
        return pixels * self.scale + (self.scale - 1) / 2

    def draw(self, capsule: Capsule, owner: int) -> None:
        """Draw a capsule where it is in front of what is there already."""
        cam = self.camera.to_camera(np.array([capsule.start, capsule.end]))
        if cam[:, 2].min() < 0.2:
            return
        self._sweep(capsule, cam, owner)
        # Seen end on, the nearer end covers more than the sweep's cross-sections do.
        ahead = float(cam[1, 2] - cam[0, 2])
        long = math.dist(capsule.start, capsule.end)
        if long > 0.01 and abs(ahead) > 0.85 * long:
            tip = _tip(capsule, at_end=ahead < 0)
            self._sweep(tip, self.camera.to_camera(np.array([tip.start, tip.end])), owner)

    def _sweep(self, capsule: Capsule, cam: FloatArray, owner: int) -> None:
        tips = self.to_canvas(self.camera.project_camera(cam))
        radii = np.array([capsule.start_radius, capsule.end_radius])
        near_px, far_px = (radii * self.camera.focal * self.scale / cam[:, 2]).tolist()

        (tip_x, tip_y), (end_x, end_y) = tips.tolist()
        length = math.hypot(end_x - tip_x, end_y - tip_y)
        e = ((end_x - tip_x) / length, (end_y - tip_y) / length) if length > 1e-6 else (1.0, 0.0)
        length = max(length, 1e-6)
        section, axes = self._cross_section(capsule, cam, e)

        margin = max(near_px, far_px) * max(section.reach, section.half) + 1.0
        h, w = self.depth.shape
        x0 = max(math.floor(min(tip_x, end_x) - margin), 0)
        y0 = max(math.floor(min(tip_y, end_y) - margin), 0)
        x1 = min(math.ceil(max(tip_x, end_x) + margin) + 1, w)
        y1 = min(math.ceil(max(tip_y, end_y) + margin) + 1, h)
        if x0 >= x1 or y0 >= y1:
            return
        x = np.arange(x0 - tip_x, x1 - tip_x - 1e-6, dtype=np.float32)
        y = np.arange(y0 - tip_y, y1 - tip_y - 1e-6, dtype=np.float32)[:, None]
        along = x * (e[0] / length) + y * (e[1] / length)
        clipped = np.clip(along, 0, 1)
        inverse = 1 / (clipped * (far_px - near_px) + near_px)
        u = (y * e[0] - x * e[1]) * inverse
        beyond = (along - clipped) * inverse * (length / section.reach)
        q_nn, q_nv, q_vv = section.nn, section.nv, section.vv
        disc = u * u * (q_nv * q_nv - q_nn * q_vv) + (1 - beyond * beyond) * q_vv
        inside = np.flatnonzero(disc > 0)
        if inside.size == 0:
            return

        grids = (u, disc, beyond, clipped, along)
        lines: list[Array32] = [grid.take(inside) for grid in grids]
        u, disc, beyond, t, along = lines
        v = (np.sqrt(disc) + u * q_nv) * (-1 / q_vv)
        depth = t * float(cam[1, 2] - cam[0, 2]) + float(cam[0, 2])
        depth += v * (t * float(radii[1] - radii[0]) + float(radii[0]))
        rows, cols = np.divmod(inside, x1 - x0)
        flat = (rows + y0) * w + (cols + x0)
        front = np.flatnonzero(depth < self.depth.take(flat))
        if front.size == 0:
            return
        if front.size < flat.size:
            flat = flat.take(front)
            lines = [line.take(front) for line in (depth, u, v, beyond, along)]
            depth, u, v, beyond, along = lines
        normal_n = u * q_nn + v * q_nv
        normal_v = u * q_nv + v * q_vv
        normal_e = beyond * (1 / section.reach)
        norm = 1 / np.sqrt(normal_n * normal_n + normal_v * normal_v + normal_e * normal_e + 1e-9)

        def dot(direction: Sequence[float]) -> Array32:
            x, y, z = direction
            on_n, on_e = y * e[0] - x * e[1], x * e[0] + y * e[1]
            return (normal_n * on_n + normal_v * z + normal_e * on_e) * norm

        lit = np.maximum(dot(self._light), 0)
        shade = normal_v * norm * (-0.38 * self.light.ambient) + 0.62 * self.light.ambient
        shade += lit * self.light.diffuse
        if callable(capsule.paint):
            colour = capsule.paint(along, dot(axes[0]), dot(axes[1])) * shade[:, None]
        else:
            colour = np.asarray(capsule.paint, np.float32) * shade[:, None]
        if capsule.gloss:
            colour += (lit**24 * capsule.gloss)[:, None]
        self.colour.reshape(-1, 3)[flat] = colour
        self.depth.ravel()[flat] = depth
        self.owner.ravel()[flat] = owner

    def _cross_section(
        self, capsule: Capsule, cam: FloatArray, e: tuple[float, float]
    ) -> tuple[_Section, tuple[Vector, Vector]]:
        """The ellipsoid of radius one in the capsule's screen frame.

        Returns:
            The section; then lateral and depth axis in the camera frame.
        """
        delta = (cam[1] - cam[0]).tolist()
        axis = _unit(delta) if max(map(abs, delta)) > 1e-9 else (0.0, 1.0, 0.0)
        lateral = (self.camera.rotation @ capsule.lateral).tolist()
        lateral = _across(lateral, axis)
        # Right-handed in the body (lateral, up the bone, depth): the depth axis is the
        # front of the torso and of the head, whose bones point up.
        depth = _cross(lateral, axis)
        s_nn = s_nv = s_vv = s_ee = 0.0
        semi_axes = (*capsule.aspect, capsule.cap)
        for semi, (x, y, z) in zip(semi_axes, (lateral, depth, axis), strict=True):
            on_n, on_v, on_e = semi * (y * e[0] - x * e[1]), semi * z, semi * (x * e[0] + y * e[1])
            s_nn += on_n * on_n
            s_nv += on_n * on_v
            s_vv += on_v * on_v
            s_ee += on_e * on_e
        det = s_nn * s_vv - s_nv * s_nv
        section = _Section(s_vv / det, -s_nv / det, s_nn / det, math.sqrt(s_ee), math.sqrt(s_nn))
        return section, (lateral, depth)

    def draw_polygon(self, corners: FloatArray, colour: Colour, owner: int) -> None:
        """Draw a convex planar polygon of world points ``(k, 3)``, flat shaded."""
        cam = self.camera.to_camera(np.asarray(corners, dtype=np.float64))
        if cam[:, 2].min() < 0.2:
            return
        px = self.to_canvas(self.camera.project_camera(cam))
        h, w = self.depth.shape
        x0, y0 = np.maximum(np.floor(px.min(0)), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(px.max(0)) + 1, [w, h]).astype(int)
        if x0 >= x1 or y0 >= y1:
            return
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        fixed = np.round((px - [x0, y0]) * 16).astype(np.int32)
        cv2.fillConvexPoly(mask, fixed, 1, shift=4)
        # On a plane, 1 / depth is affine in the pixel.
        design = np.column_stack([px, np.ones(len(px))])
        a, b, c = np.linalg.lstsq(design, 1 / cam[:, 2], rcond=None)[0]
        x, y = np.arange(x0, x1), np.arange(y0, y1)[:, None]
        depth = (1 / np.maximum(a * x + b * y + c, 1e-6)).astype(np.float32)
        area = (slice(y0, y1), slice(x0, x1))
        front = (mask > 0) & (depth < self.depth[area])
        normal = np.cross(cam[1] - cam[0], cam[2] - cam[0])
        normal /= np.linalg.norm(normal) + 1e-12
        if normal @ cam.mean(0) > 0:
            normal = -normal
        shade = self.light.ambient + self.light.diffuse * max(
            float(normal @ np.array(self._light)), 0.0
        )
        self.colour[area][front] = np.asarray(colour, np.float32) * shade
        self.depth[area][front] = depth[front]
        self.owner[area][front] = owner
