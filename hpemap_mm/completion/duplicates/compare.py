"""Whether two small grey pictures are one photograph: aligned, then compared in their details.

Hashes say that two pictures have their lights and darks in the same places, which is so of a
photograph and its copy, but also of a gymnast before one dark hall and another. So one is laid
over the other (OpenCV's ECC, an affine map), and what is compared is their fine structure alone:
edges and texture, without the large shapes that many photographs share.
"""

# H W rows, columns of the second picture

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hpemap_mm.completion.duplicates.pictures import Grey

#: Correlation of details from which on two pictures are one photograph. Copies of real photographs
#: reach 0.98, photographs of one scene a moment later up to 0.91 (benchmarks/duplicates.py).
SAME = 0.95
#: Least share of each picture that the other must show, too.
LEAST_OVERLAP = 0.6

#: Scales at which the alignment starts: as it is, and either of the two with its edges cut off.
_STARTS = (1.0, 0.9, 1 / 0.9)
#: Side of the pictures in which it is begun, px.
_COARSE_SIDE = 48
#: Correlation without which beginning at full size is in vain.
_COARSE_LEAST = 0.5
#: Scales of the details that are compared, px (standard deviation of the blurs).
_FINE, _COARSE = 1.0, 4.0
#: Width of the edge at which the blur would see what is not there, px.
_EDGE = 2

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Likeness:
    """How alike two pictures are.

    Attributes:
        score: Correlation of their details where they overlap, -1 to 1; 0 where they could not
            be laid over each other.
        overlap: Share of the picture of which less is seen, 0 to 1.
    """

    score: float
    overlap: float

    @property
    def same(self) -> bool:
        """Whether it is one photograph."""
        return self.score >= SAME


UNLIKE = Likeness(0.0, 0.0)


def compare(first: Grey, second: Grey) -> Likeness:
    """Lay the first picture over the second, and compare their details.

    Args:
        first: (h, w) uint8.
        second: (H, W) uint8; of another size, or shape, as it may be.
    """
    over, under = _common_size(first, second)
    warp = _align_coarsely(over, under)
    if warp is None:
        return UNLIKE
    warp = _refine(over, under, warp)
    return UNLIKE if warp is None else _likeness(over, under, warp)


def _common_size(first: Grey, second: Grey) -> tuple[Floats, Floats]:
    """Both in the shape of the smaller of the two: details that it lacks are not compared."""
    height, width = min(first.shape, second.shape, key=lambda shape: shape[0] * shape[1])
    over, under = _resize(first, width, height), _resize(second, width, height)
    return over, under


def _resize(picture: Grey | Floats, width: int, height: int) -> Floats:
    smaller = width * height < picture.size
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture.astype(np.float32), (width, height), interpolation=way))


def _align_coarsely(over: Floats, under: Floats) -> Floats | None:
    """The affine map (2, 3) from ``under`` to ``over``, in pixels of full size; None if none."""
    height, width = under.shape
    shrink = min(1.0, _COARSE_SIDE / min(height, width))
    size = max(8, round(width * shrink)), max(8, round(height * shrink))
    small_over, small_under = _resize(over, *size), _resize(under, *size)
    best, best_score = None, _COARSE_LEAST
    for scale in _STARTS:
        shift = [(1 - scale) * (side - 1) / 2 for side in size]
        start = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
        score, warp = _ecc(small_over, small_under, start)
        if score > best_score:
            best, best_score = warp, score
    if best is None:
        return None
    # Pixel centres are at integers: (x + 0.5) scales, x does not.
    ratio = np.array([width / size[0], height / size[1]])
    linear = best[:, :2] * ratio[:, None] / ratio[None, :]
    shift = (best[:, 2] + 0.5) * ratio - 0.5 + best[:, :2] @ (0.5 / ratio - 0.5) * ratio
    return np.column_stack([linear, shift]).astype(np.float32)


def _refine(over: Floats, under: Floats, start: Floats) -> Floats | None:
    score, warp = _ecc(over, under, start)
    return warp if score > _COARSE_LEAST else None


def _ecc(over: Floats, under: Floats, start: Floats) -> tuple[float, Floats]:
    """Correlation after alignment, and the map; -1 where there is no way from the start."""
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-4)
    try:
        score, warp = cv2.findTransformECC(under, over, start.copy(), cv2.MOTION_AFFINE, stop)
    except cv2.error:  # it does not converge: unlike, or without any structure
        return -1.0, start
    return float(score), np.asarray(warp, np.float32)


def _likeness(over: Floats, under: Floats, warp: Floats) -> Likeness:
    height, width = under.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    replicate = cv2.BORDER_REPLICATE
    moved = cv2.warpAffine(over, warp, (width, height), flags=flags, borderMode=replicate)
    seen = cv2.warpAffine(np.ones_like(over), warp, (width, height), flags=flags) > 0.99
    # The map's determinant: how many pixels of the one a pixel of the other stands for.
    share = float(seen.mean())
    overlap = min(share, share * abs(float(np.linalg.det(warp[:, :2]))))
    if overlap < LEAST_OVERLAP:
        return Likeness(0.0, overlap)
    inner = cv2.erode(seen.astype(np.uint8), np.ones((2 * _EDGE + 1,) * 2, np.uint8)) > 0
    if not inner.any():
        return Likeness(0.0, overlap)
    return Likeness(
        _correlation(_details(np.asarray(moved, np.float32))[inner], _details(under)[inner]),
        overlap,
    )


def _details(picture: Floats) -> Floats:
    fine = cv2.GaussianBlur(picture, (0, 0), _FINE)
    return np.asarray(fine - cv2.GaussianBlur(picture, (0, 0), _COARSE))


def _correlation(first: Floats, second: Floats) -> float:
    """Of two samples; 0 where one does not vary."""
    a, b = (values.astype(np.float64) - values.mean() for values in (first, second))
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0
