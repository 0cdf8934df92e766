"""Completed persons on photographs: where each joint comes from, and how sure it is.

Images are uint8 (H, W, 3) in OpenCV's BGR order; keypoints are x, y in 0-based pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from hpemap_mm.persons.provenance import (
    DERIVED,
    FUSED,
    GT,
    NONE,
    PREDICTED,
    PROVENANCE,
    TRANSLATED,
)
from hpemap_mm.skeletons import Skeleton
from hpemap_mm.visualization.draw import OUTLINE, Color, Image
from hpemap_mm.visualization.panels import BACKGROUND

Array = npt.NDArray[np.floating]

#: By provenance; of Okabe and Ito's palette. Marks differ in form, too, for colour-blind readers.
COLORS: dict[int, Color] = {
    GT: (255, 255, 255),
    DERIVED: (233, 180, 86),
    TRANSLATED: (115, 158, 0),
    PREDICTED: (0, 159, 230),
    FUSED: (167, 121, 204),
}
WORDS = {
    GT: 'annotated',
    DERIVED: 'derived',
    TRANSLATED: 'translated',
    PREDICTED: 'predicted',
    FUSED: 'fused',
}
_LINK: Color = (170, 170, 170)
_SHIFT = 4  # OpenCV draws in 1/16 pixel


def draw_completed(
    image: Image,
    keypoints: Array,
    stds: Array,
    provenance: npt.NDArray[np.uint8],
    skeleton: Skeleton,
    *,
    size: float = 200.0,
) -> Image:
    """Draw one person over an image, and return the copy.

    A joint's mark has the colour and the form of its provenance. Around joints that are not
    annotated a circle shows one standard deviation.

    Args:
        image: The photograph, (H, W, 3) uint8 BGR.
        keypoints: (K, 2); NaN where empty.
        stds: (K,) px.
        provenance: (K,) codes.
        skeleton: Names and links of the joints.
        size: Height of the person in pixels; marks are drawn in proportion.
    """
    # Far outside of the image OpenCV's fixed-point coordinates would overflow.
    shown = (provenance != NONE) & (np.abs(np.nan_to_num(keypoints, nan=1e6)) < 1e5).all(1)
    canvas = image.copy()
    thin = max(1, round(size / 300))
    for color, width in ((OUTLINE, thin + 2), (_LINK, thin)):
        for a, b in skeleton.links:
            if shown[a] and shown[b]:
                ends = _fixed(keypoints[a]), _fixed(keypoints[b])
                cv2.line(canvas, *ends, color, width, cv2.LINE_AA, _SHIFT)
    joints = np.flatnonzero(shown)
    for joint in joints:
        code = int(provenance[joint])
        if code != GT and np.isfinite(stds[joint]):
            center, radius = _fixed(keypoints[joint]), round(float(stds[joint]) * 2**_SHIFT)
            for color, width in ((OUTLINE, thin + 2), (COLORS[code], thin)):
                cv2.circle(canvas, center, radius, color, width, cv2.LINE_AA, _SHIFT)
    for joint in joints:
        draw_mark(canvas, keypoints[joint], int(provenance[joint]), float(np.clip(size / 75, 3, 9)))
    return canvas


def draw_mark(canvas: Image, point: Array, code: int, radius: float) -> None:
    """Draw a joint's mark in place."""
    outline, fill = _MARKS[code](radius + 1.2), _MARKS[code](radius)
    for corners, color in ((outline, OUTLINE), (fill, COLORS[code])):
        polygon = np.round((corners + point) * 2**_SHIFT).astype(np.int32)
        cv2.fillPoly(canvas, [polygon], color, cv2.LINE_AA, _SHIFT)


def provenance_legend(width: int, *, scale: int = 1) -> Image:
    """A strip that says what the marks mean; in as many lines as it needs.

    Args:
        width: Pixels.
        scale: Pixels for each of the page where it is shown.
    """
    font = ImageFont.load_default(12 * scale)
    left, mark, line = 8 * scale, 18 * scale, 22 * scale
    placed: list[tuple[int | None, str, int, int]] = []
    x, row = left, 0
    for code, word in (*WORDS.items(), (None, 'circle: one standard deviation')):
        span = round(font.getlength(word)) + (mark if code is not None else 0) + 2 * left
        if x > left and x + span > width:
            x, row = left, row + 1
        placed.append((code, word, x, row))
        x += span
    strip = PILImage.new('RGB', (width, line * (row + 1)), (BACKGROUND,) * 3)
    drawing = ImageDraw.Draw(strip)
    for code, word, at, row in placed:
        start = at + (mark if code is not None else 0)
        drawing.text((start, line * row + 4 * scale), word, fill=(215,) * 3, font=font)
    canvas = np.array(cv2.cvtColor(np.asarray(strip), cv2.COLOR_RGB2BGR), np.uint8)
    for code, _, at, row in placed:
        if code is not None:
            middle = np.array([at + mark / 3, line * (row + 0.5)])
            draw_mark(canvas, middle, code, 5.0 * scale)
    return canvas


def _polygon(corners: int, turn: float, stretch: float = 1.0) -> Callable[[float], Array]:
    angles = np.deg2rad(turn) + 2 * np.pi * np.arange(corners) / corners
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * stretch
    return lambda radius: unit * radius


_MARKS: dict[int, Callable[[float], Array]] = {
    GT: _polygon(32, 0),
    DERIVED: _polygon(4, 45, 1.2),
    TRANSLATED: _polygon(3, -90, 1.35),
    PREDICTED: _polygon(4, 0, 1.25),
    FUSED: _polygon(6, 0, 1.1),
}
assert len(_MARKS) == len(PROVENANCE) - 1


def _fixed(point: Array) -> tuple[int, int]:
    x, y = np.round(point * 2**_SHIFT).astype(int)
    return int(x), int(y)
