"""One pose on one photograph.

Images are uint8 (H, W, 3) in OpenCV's BGR order; keypoints are x, y in 0-based pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hpemap_mm.skeletons import JointSpace, Skeleton

Image = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

#: Left is blue, right is orange, the middle is light: told apart by colour-blind readers too
#: (Okabe and Ito's palette).
LEFT: Color = (233, 180, 86)
RIGHT: Color = (0, 159, 230)
MIDDLE: Color = (220, 235, 235)
OUTLINE: Color = (30, 30, 30)

_SHIFT = 4  # OpenCV draws in 1/16 pixel


@dataclass(frozen=True)
class Pose:
    """Keypoints of one person.

    Attributes:
        keypoints: Shape (K, 2), pixels of the image.
        scores: Confidence of each joint, shape (K,); joints below the drawing threshold are left
            out. None draws every finite joint.
    """

    keypoints: npt.NDArray[np.floating]
    scores: npt.NDArray[np.floating] | None = None

    def moved(self, offset: tuple[float, float], scale: float) -> Pose:
        """The pose after a crop at ``offset`` and a resize by ``scale``."""
        # Pixel centres are at integers, so a resize maps x to (x + 0.5) * scale - 0.5.
        moved = (np.asarray(self.keypoints, float) - offset + 0.5) * scale - 0.5
        return Pose(moved, self.scores)


def limb_colors(skeleton: Skeleton | JointSpace) -> tuple[Color, ...]:
    """Colour of each joint by its side, (K,) BGR."""
    colors = []
    for joint in skeleton.joints:
        words = joint.split('_')
        colors.append(LEFT if 'left' in words else RIGHT if 'right' in words else MIDDLE)
    return tuple(colors)


def draw_pose(
    image: Image,
    pose: Pose,
    skeleton: Skeleton | JointSpace,
    *,
    min_score: float = 0.2,
    size: float = 200.0,
) -> Image:
    """Draw a pose over an image, and return the copy.

    Args:
        image: The photograph, (H, W, 3) uint8 BGR.
        pose: Keypoints in the skeleton's order.
        skeleton: Names, links and sides of the joints.
        min_score: Joints with a lower score are not drawn.
        size: Height of the person in pixels; lines and dots are drawn in proportion.

    Raises:
        ValueError: The pose has another number of joints than the skeleton.
    """
    keypoints = np.asarray(pose.keypoints, float)
    if keypoints.shape != (len(skeleton), 2):
        raise ValueError(
            f'{skeleton.name} has {len(skeleton)} joints, got keypoints of shape {keypoints.shape}'
        )
    shown = np.isfinite(keypoints).all(1)
    if pose.scores is not None:
        shown &= np.asarray(pose.scores) >= min_score
    colors = limb_colors(skeleton)
    thickness = int(np.clip(round(size / 70), 1, 8))
    # Far outside of the image OpenCV's fixed-point coordinates would overflow.
    shown &= (np.abs(keypoints) < 1e5).all(1)
    canvas = image.copy()
    links = [(a, b) for a, b in skeleton.links if shown[a] and shown[b]]
    for color_of, extra in ((lambda a, b: OUTLINE, 2), (lambda a, b: _side(colors, a, b), 0)):
        for a, b in links:
            cv2.line(
                canvas,
                _fixed(keypoints[a]),
                _fixed(keypoints[b]),
                color_of(a, b),
                thickness + extra,
                cv2.LINE_AA,
                _SHIFT,
            )
    radius = (thickness + 1.5) * 2**_SHIFT
    for joint in np.flatnonzero(shown):
        center = _fixed(keypoints[joint])
        cv2.circle(canvas, center, int(radius + 2**_SHIFT), OUTLINE, -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(canvas, center, int(radius), colors[joint], -1, cv2.LINE_AA, _SHIFT)
    return canvas


def crop_to(
    image: Image, boxes: npt.NDArray[np.floating], *, margin: float = 0.15, height: int = 320
) -> tuple[Image, tuple[float, float], float]:
    """Cut out the boxes with a margin and resize to a height.

    Args:
        image: (H, W, 3).
        boxes: (N, 4) in x1, y1, x2, y2 pixels.
        margin: Added on each side, as a fraction of the longer side.
        height: Of the result, pixels.

    Returns:
        The picture, and the offset and the scale that :meth:`Pose.moved` takes.
    """
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    pad = margin * max(high - low)
    x1, y1 = np.floor(np.clip(low - pad, 0, None)).astype(int)
    x2, y2 = np.ceil(np.minimum(high + pad, image.shape[1::-1])).astype(int)
    if x2 - x1 < 2 or y2 - y1 < 2:
        x1, y1, (y2, x2) = 0, 0, image.shape[:2]
    scale = height / (y2 - y1)
    width = max(1, round((x2 - x1) * scale))
    shrinks = scale < 1
    resized = cv2.resize(
        image[y1:y2, x1:x2],
        (width, height),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC,
    )
    return np.asarray(resized, np.uint8), (float(x1), float(y1)), float(scale)


def _side(colors: tuple[Color, ...], a: int, b: int) -> Color:
    """A limb takes its ends' side; one between the sides, or to the middle, is light."""
    return colors[a] if colors[a] == colors[b] else MIDDLE


def _fixed(point: npt.NDArray[np.floating]) -> tuple[int, int]:
    x, y = np.round(point * 2**_SHIFT).astype(int)
    return int(x), int(y)
