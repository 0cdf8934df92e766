"""A photograph as a small grey picture, in which it is compared with others."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

#: (h, w) uint8.
Grey = npt.NDArray[np.uint8]

#: Length of the shorter side, px: larger photographs are reduced to it, smaller ones stay.
SHORT_SIDE = 96
#: Pictures of fewer pixels on their shorter side show too little to be told apart.
LEAST_SIDE = 12
#: Grey levels (standard deviation) below which a picture is one colour, and like any other.
LEAST_CONTRAST = 2.0


def reduced(image: Image.Image) -> Grey:
    """A photograph in grey, turned as its EXIF data say, at most :data:`SHORT_SIDE` px.

    A copy that was turned upright and its original with a note to turn it are one photograph.

    Args:
        image: As Pillow opened it; it may not be decoded yet.

    Raises:
        OSError: If the file is cut off or damaged.
    """
    # JPEG is decoded at a fraction of its size, and without its colours, where that is enough.
    image.draft('L', (4 * SHORT_SIDE, 4 * SHORT_SIDE))
    grey = ImageOps.exif_transpose(image.convert('L'))
    scale = SHORT_SIDE / min(grey.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in grey.size)
        grey = grey.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(grey, np.uint8)


def reduced_bytes(data: bytes) -> Grey:
    """A file's content as :func:`reduced` gives it.

    Raises:
        Exception: If it is no image, or a damaged one: each of Pillow's readers has its own errors.
    """
    with Image.open(io.BytesIO(data)) as image:
        return reduced(image)


@lru_cache(maxsize=1024)  # 13 kB each
def reduced_file(path: str) -> Grey:
    """As :func:`reduced_bytes`, of a file; the last thousand are kept."""
    return reduced_bytes(Path(path).read_bytes())


def why_not_compared(grey: Grey) -> str:
    """Why a picture cannot be told from others by its looks; empty where it can."""
    height, width = grey.shape
    if min(height, width) < LEAST_SIDE:
        return f'too small ({width}x{height} px)'
    if float(grey.std()) < LEAST_CONTRAST:
        return 'one colour'
    return ''
