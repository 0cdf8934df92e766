"""Pictures side by side, with captions."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from hpemap_mm.skeletons import JointSpace, Skeleton
from hpemap_mm.visualization.draw import Image, Pose, draw_pose

BACKGROUND = 24  # grey level of captions and gaps
_GAP = 4


def label(image: Image, title: str, subtitle: str = '') -> Image:
    """Put a caption bar above an image; text that is too wide is shortened."""
    width = image.shape[1]
    bar = PILImage.new('RGB', (width, 38 if subtitle else 22), (BACKGROUND,) * 3)
    drawing = ImageDraw.Draw(bar)
    for text, top, size, grey in ((title, 3, 13, 245), (subtitle, 21, 11, 175)):
        if text:
            font = ImageFont.load_default(size)
            drawing.text((6, top), _fit(text, font, width - 10), fill=(grey,) * 3, font=font)
    caption = cv2.cvtColor(np.asarray(bar), cv2.COLOR_RGB2BGR)
    return np.vstack([caption, image])


def pose_panel(
    image: Image,
    poses: Sequence[Pose],
    skeleton: Skeleton | JointSpace,
    title: str,
    subtitle: str = '',
    *,
    min_score: float = 0.2,
    size: float | None = None,
) -> Image:
    """All persons of an image in one skeleton, with a caption."""
    for pose in poses:
        image = draw_pose(
            image, pose, skeleton, min_score=min_score, size=size or image.shape[0] * 0.8
        )
    return label(image, title, subtitle)


def row(panels: Sequence[Image]) -> Image:
    """Panels next to each other, padded to one height."""
    height = max(panel.shape[0] for panel in panels)
    gap = np.full((height, _GAP, 3), BACKGROUND, np.uint8)
    padded = [_pad(panel, height, panel.shape[1]) for panel in panels]
    pieces = [piece for panel in padded for piece in (panel, gap)]
    return np.hstack(pieces[:-1])


def grid(rows: Sequence[Image]) -> Image:
    """Rows below each other, padded to one width."""
    width = max(picture.shape[1] for picture in rows)
    gap = np.full((_GAP, width, 3), BACKGROUND, np.uint8)
    pieces = [piece for picture in rows for piece in (_pad(picture, picture.shape[0], width), gap)]
    return np.vstack(pieces[:-1])


def _pad(image: Image, height: int, width: int) -> Image:
    out = np.full((height, width, 3), BACKGROUND, np.uint8)
    out[: image.shape[0], : image.shape[1]] = image
    return out


def _fit(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + '...') > width:
        text = text[:-1]
    return text + '...'
