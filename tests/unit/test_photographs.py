"""Sizes of photographs, against OpenCV's."""

import cv2
import numpy as np
import pytest
from PIL import Image

from hpemap_mm.photographs import size_as_read


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tiff'])
@pytest.mark.parametrize('orientation', [None, *range(1, 9)])
def test_sizes_are_those_that_opencv_reads(tmp_path, suffix, orientation):
    path, exif = tmp_path / f'a.{suffix}', Image.Exif()
    if orientation is not None:
        exif[274] = orientation
    Image.new('RGB', (40, 20)).save(path, exif=exif)
    # As MMPose reads: from bytes (OpenCV 5's imread refuses a TIFF on its side).
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    assert size_as_read(path) == image.shape[1::-1]


@pytest.mark.parametrize('data', [b'', b'\x89PNG nothing', b'P6 1x', b'\xff\xd8\xff'])
def test_what_is_no_image(tmp_path, data):
    path = tmp_path / 'a.jpg'
    path.write_bytes(data)
    with pytest.raises((OSError, ValueError)):
        size_as_read(path)


def test_an_enormous_image_is_an_error_of_its_header(tmp_path, monkeypatch):
    path = tmp_path / 'a.png'
    Image.new('RGB', (40, 20)).save(path)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
    with pytest.raises(ValueError, match='decompression bomb'):
        size_as_read(str(path))


def test_a_photograph_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        size_as_read(tmp_path / 'a.jpg')
