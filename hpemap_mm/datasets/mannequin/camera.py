"""A pinhole camera in the mannequins' world.

World frame: metres, right-handed, y up, the floor is ``y = 0``. Camera frame (OpenCV's):
x right, y down, z forward. Pixels: x, y, 0-based, pixel centres at integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def rotation_x(angle: float) -> FloatArray:
    """Right-handed rotation about x by ``angle`` radians, ``(3, 3)``."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def rotation_y(angle: float) -> FloatArray:
    """Right-handed rotation about y by ``angle`` radians, ``(3, 3)``."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def rotation_z(angle: float) -> FloatArray:
    """Right-handed rotation about z by ``angle`` radians, ``(3, 3)``."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, eq=False)
class Camera:
    """Where the photograph is taken from.

    Attributes:
        focal: Focal length in pixels.
        width: Image width in pixels.
        height: Image height in pixels.
        position: The optical centre in the world, ``(3,)``.
        rotation: World to camera, ``(3, 3)``.
    """

    focal: float
    width: int
    height: int
    position: FloatArray
    rotation: FloatArray

    @classmethod
    def looking(
        cls,
        *,
        focal: float,
        width: int,
        height: int,
        position: FloatArray,
        pitch: float = 0.0,
        roll: float = 0.0,
    ) -> Camera:
        """A camera at ``position`` that looks along -z, ``pitch`` radians downwards."""
        upright = np.diag([1.0, -1.0, -1.0])
        rotation = rotation_z(roll) @ upright @ rotation_x(pitch)
        return cls(focal, width, height, np.asarray(position, dtype=np.float64), rotation)

    def to_camera(self, points: FloatArray) -> FloatArray:
        """World points ``(..., 3)`` in the camera frame."""
        return (points - self.position) @ self.rotation.T

    def project(self, points: FloatArray) -> FloatArray:
        """World points ``(..., 3)`` to pixels ``(..., 2)``; they must be in front of the lens."""
        cam = self.to_camera(np.asarray(points, dtype=np.float64))
        return self.project_camera(cam)

    def project_camera(self, points: FloatArray) -> FloatArray:
        """Camera-frame points ``(..., 3)`` to pixels ``(..., 2)``."""
        centre = np.array([(self.width - 1) / 2, (self.height - 1) / 2])
        return points[..., :2] / points[..., 2:] * self.focal + centre

    def rays(self) -> NDArray[np.float32]:
        """World direction of every pixel's ray, ``(height, width, 3)``, camera depth 1."""
        x = (np.arange(self.width) - (self.width - 1) / 2) / self.focal
        y = (np.arange(self.height) - (self.height - 1) / 2) / self.focal
        across, down, ahead = self.rotation.astype(np.float32)
        x, y = x.astype(np.float32), y.astype(np.float32)
        return x[:, None] * across + (y[:, None] * down + ahead)[:, None]

    def on_floor(self, x: float, depth: float) -> FloatArray:
        """The floor point seen in pixel column ``x`` (0-based) at ``depth`` metres.

        Args:
            x: Pixel column, exact for a camera without roll.
            depth: Horizontal distance from the camera along its view, in metres.

        Returns:
            World point ``(3,)`` with ``y = 0``.
        """
        z = self.position[2] - depth
        cam_depth = self.to_camera(np.array([self.position[0], 0.0, z]))[2]
        offset = (x - (self.width - 1) / 2) / self.focal * cam_depth
        return np.array([self.position[0] + offset, 0.0, z])
