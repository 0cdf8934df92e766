"""Which joints of a person a photograph shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .body import Body, Bones
from .camera import Camera, FloatArray
from .placement import SKELETON_NAMES, joints_2d, joints_3d, sided_joints
from .raster import NOBODY, Canvas


class Sight(IntEnum):
    """How a joint is seen."""

    OUTSIDE = 0
    HIDDEN_BY_OTHERS = 1
    HIDDEN_BY_SELF = 2
    SEEN = 3


#: How deep below the visible surface a joint may lie and still count as seen, metres at a
#: stature of 1.7 m: about the thickness of the body there.
DEPTHS = {
    'nose': 0.035,
    'eye': 0.035,
    'ear': 0.05,
    'head': 0.11,
    'head_top': 0.11,
    'top_head': 0.11,
    'neck': 0.11,
    'upper_neck': 0.11,
    'thorax': 0.15,
    'pelvis': 0.16,
    'shoulder': 0.105,
    'elbow': 0.07,
    'wrist': 0.055,
    'hip': 0.155,
    'knee': 0.085,
    'ankle': 0.07,
    'big_toe': 0.05,
    'small_toe': 0.05,
    'heel': 0.05,
}


@dataclass(frozen=True, eq=False)
class Joints:
    """A person's joints in one skeleton.

    Attributes:
        points: World points ``(K, 3)``, metres.
        pixels: ``(K, 2)``, 0-based, also where outside of the image.
        sight: :class:`Sight` of each joint, ``(K,)`` uint8.
    """

    points: FloatArray
    pixels: FloatArray
    sight: NDArray[np.uint8]

    @property
    def visible(self) -> NDArray[np.uint8]:
        """0 outside the image, 1 occluded, 2 visible, ``(K,)``."""
        return np.array([0, 1, 1, 2], np.uint8)[self.sight]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether the joint is inside the image, ``(K,)``."""
        return self.sight != Sight.OUTSIDE


def _look(
    canvas: Canvas, camera: Camera, pixel: FloatArray, depth: float, owner: int, deep: float
) -> Sight:
    x, y = pixel
    if not (0 <= x <= camera.width - 1 and 0 <= y <= camera.height - 1):
        return Sight.OUTSIDE
    col, row = np.round(canvas.to_canvas(pixel)).astype(int)
    in_front, surface = int(canvas.owner[row, col]), float(canvas.depth[row, col])
    if in_front == NOBODY:
        return Sight.SEEN
    if in_front == owner:
        return Sight.SEEN if surface > depth - deep else Sight.HIDDEN_BY_SELF
    return Sight.HIDDEN_BY_OTHERS if surface < depth else Sight.SEEN


def find_joints(canvas: Canvas, bones: Bones, body: Body, owner: int) -> dict[str, Joints]:
    """The joints of a person in every skeleton, once everything has been drawn.

    Args:
        canvas: The finished scene.
        bones: World bones of the person.
        body: The person's measures.
        owner: The person's number in the canvas.

    Returns:
        Joints by skeleton name.
    """
    camera = canvas.camera
    found = {}
    for name in SKELETON_NAMES:
        points = joints_3d(bones, body, name)
        pixels = joints_2d(points, camera, name)
        depths = camera.to_camera(points)[:, 2]
        stems = [stem for _, stem in sided_joints(name)]
        sight = [
            _look(canvas, camera, pixel, depth, owner, DEPTHS[stem] * body.stature / 1.7)
            for pixel, depth, stem in zip(pixels, depths, stems, strict=True)
        ]
        found[name] = Joints(points, pixels, np.array(sight, np.uint8))
    return found
