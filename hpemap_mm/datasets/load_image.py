"""Reading a person's photograph, with errors that name the file and the fix."""

from __future__ import annotations

import io

import mmcv
import numpy as np
from mmengine import fileio
from mmpose.datasets.transforms import LoadImage

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.registry import TRANSFORMS

_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_PNG_START, _PNG_END = b'\x89PNG\r\n\x1a\n', b'IEND'


class BadImageError(DataError):
    """An image that is missing, empty, cut off, or not an image."""


def damage(data: bytes) -> str | None:
    """What is wrong with the bytes of an image file, or None.

    OpenCV 4 decodes a JPEG that was cut off and fills the rest with grey, which a network
    would learn from (OpenCV 5 does not decode it). A whole file ends with its end marker,
    which is looked up first; only a file without one (which is legal with bytes appended)
    is decoded by Pillow, which does raise. Damage in the middle is not looked for.

    Args:
        data: The file's content.
    """
    if not data:
        return 'is empty (0 bytes)'
    if data.startswith(_JPEG_START):
        whole = data[-64:].rstrip(b'\0\r\n\t ').endswith(_JPEG_END)
    elif data.startswith(_PNG_START):
        whole = _PNG_END in data[-16:]
    else:
        return None
    if whole:
        return None
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError) as error:
        return f'is cut off or damaged: {error} ({len(data)} bytes)'
    return None


@TRANSFORMS.register_module()
class LoadPoseImage(LoadImage):
    """MMPose's LoadImage that refuses images it cannot vouch for.

    Raises:
        BadImageError: If the file is missing, empty, cut off or not an image. With
            ``on_bad_image='skip'``, :class:`MultiSkeletonDataset` takes another person.
    """

    def transform(self, results: dict) -> dict:
        """Add ``img`` ((H, W, 3) uint8 BGR), ``img_shape`` and ``ori_shape`` ((h, w))."""
        if 'img' in results:
            return super().transform(results)
        image = self._read(str(results['img_path']), results.get('dataset_name'))
        if self.to_float32:
            image = image.astype(np.float32)
        results.update(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        return results

    def _read(self, path: str, entry: str | None) -> np.ndarray:
        where = f'{path} (entry {entry!r})' if entry else path
        try:
            data = fileio.get(path, backend_args=self.backend_args)
        except FileNotFoundError:
            fix = 'put the image there, or correct data_root / data_prefix'
            raise BadImageError([Problem(where, 'the image is missing', fix)]) from None
        except OSError as error:
            what = f'the image cannot be read: {error}'
            raise BadImageError([Problem(where, what, 'check the path and its rights')]) from error
        fault = damage(data)
        image = None
        if fault is None:
            image = mmcv.imfrombytes(data, flag=self.color_type, backend=self.imdecode_backend)
        if image is None:
            fault = fault or f'is not an image: its first bytes are {data[:8]!r}'
            fix = "fetch the file again, or set on_bad_image='skip' to train without it"
            raise BadImageError([Problem(where, f'the image {fault}', fix)])
        return image
