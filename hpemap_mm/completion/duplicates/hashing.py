"""What a photograph is recognised by: a digest of its file, hashes of its looks.

The hash is ImageHash's perceptual hash (the signs of the lowest frequencies of the cosine
transform, about their median), which re-encoding and resizing hardly change. It does change when
an edge is cut off, so that every photograph has a hash of its centre as well: a copy of which a
twentieth was cut off on each side looks as the centre of its original.
"""

# V views, B bytes

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from hpemap_mm.completion.duplicates.pictures import Grey, reduced_bytes, why_not_compared

Bits = npt.NDArray[np.uint8]

#: The views that are hashed, in order.
VIEWS = ('whole', 'centre', 'mirrored')
#: What the centre leaves out on each side, of width and height.
MARGIN = 0.05
#: Frequencies across and down: 256 bits a view.
SIDE = 16
#: The lowest of them, which are compared first.
LOW_SIDE = 8
BYTES = SIDE * SIDE // 8


@dataclass(frozen=True)
class Print:
    """What a file is recognised by.

    Attributes:
        digest: SHA-256 of its bytes, 32 of them; empty where it cannot be read.
        bits_VB: Hashes of its views, packed; the first :data:`LOW_SIDE` ** 2 bits of each are
            those of the lowest frequencies. None where its looks tell nothing.
        remark: Why there are no bits; for what cannot be read, what is wrong with it.
    """

    digest: bytes
    bits_VB: Bits | None
    remark: str = ''

    @property
    def readable(self) -> bool:
        """Whether it is an image at all."""
        return bool(self.digest)


def hash_views(grey: Grey) -> Bits:
    """The (V, B) hashes of a small grey picture, in the order of :data:`VIEWS`."""
    whole = Image.fromarray(grey)
    width, height = whole.size
    x, y = round(width * MARGIN), round(height * MARGIN)
    centre = whole.crop((x, y, width - x, height - y))
    views = (whole, centre, ImageOps.mirror(whole))
    return np.stack([_packed(imagehash.phash(view, hash_size=SIDE).hash) for view in views])


def _packed(bits: npt.NDArray[np.bool_]) -> Bits:
    """Bits by frequency, (SIDE, SIDE), as bytes: the block of low frequencies, then the rest."""
    low = np.zeros((SIDE, SIDE), bool)
    low[:LOW_SIDE, :LOW_SIDE] = True
    return np.packbits(np.concatenate([bits[low], bits[~low]]))


def print_of(path: str) -> Print:
    """What a file is recognised by; nothing is raised for files that are no images."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return Print(b'', None, 'is missing')
    except OSError as error:
        return Print(b'', None, f'cannot be read: {error.strerror}')
    if not data:
        return Print(b'', None, 'is empty (0 bytes)')
    try:
        grey = reduced_bytes(data)
    except Exception as error:
        # Whatever Pillow's readers raise is a finding about the file. What they say of one that
        # they do not know has the address of an object in it.
        what = 'not an image' if 'identify image' in str(error) else str(error)
        return Print(b'', None, f'cannot be decoded: {what} ({len(data)} bytes)')
    digest, remark = hashlib.sha256(data).digest(), why_not_compared(grey)
    return Print(digest, None if remark else hash_views(grey), remark)
