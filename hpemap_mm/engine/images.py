"""Photographs in, pictures out."""

from __future__ import annotations

import os
from pathlib import Path

import cv2

from hpemap_mm.datasets import LoadPoseImage
from hpemap_mm.files import atomic_path
from hpemap_mm.visualization.draw import Image


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read a photograph as (H, W, 3) uint8, BGR.

    Raises:
        DataError: It is missing, cut off, or no image.
    """
    return LoadPoseImage().transform({'img_path': str(path)})['img']


def write_image(path: Path, image: Image) -> None:
    """Write a picture atomically, in the format of its suffix."""
    with atomic_path(path) as partial:
        if not cv2.imwrite(str(partial), image):
            raise OSError(f'{path}: OpenCV could not write the picture')
