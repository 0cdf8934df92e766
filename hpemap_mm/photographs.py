"""Photographs as OpenCV reads them, told from their headers."""

from __future__ import annotations

import os

#: EXIF's tags for the sides and for how the camera was held, and its values for "on its side".
WIDTH, HEIGHT, ORIENTATION, ON_ITS_SIDE = 256, 257, 274, frozenset({5, 6, 7, 8})


def size_as_read(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height as OpenCV, MMPose and Ultralytics see an image: EXIF turns it.

    Raises:
        OSError: It is not there, or no image.
        ValueError: Its header is damaged, or says that it is enormous.
    """
    from PIL import Image  # a tool that reads no image starts without it

    try:
        with Image.open(path) as image:
            exif = image.getexif()
            width, height = image.size
            if image.format == 'TIFF':  # Pillow may have turned these already
                width, height = exif.get(WIDTH, width), exif.get(HEIGHT, height)
            turned = exif.get(ORIENTATION) in ON_ITS_SIDE
    except (SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error
    return (height, width) if turned else (width, height)
