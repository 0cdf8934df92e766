"""Pictures for a report."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def encode_picture(image: npt.NDArray[np.uint8], *, longest: int = 640, quality: int = 82) -> bytes:
    """An image as the bytes of a JPEG file small enough for a page.

    Args:
        image: (H, W, 3) uint8, BGR as OpenCV has it.
        longest: Longest side in pixels; larger images are scaled down.
        quality: JPEG's, 1 to 100.

    Raises:
        ValueError: If it is not such an image.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f'Expected (H, W, 3) uint8, got {image.shape} {image.dtype}')
    scale = longest / max(image.shape[:2])
    if scale < 1:
        resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    else:
        resized = image
    done, data = cv2.imencode('.jpg', resized, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f'OpenCV could not encode an image of {image.shape}')
    return data.tobytes()
