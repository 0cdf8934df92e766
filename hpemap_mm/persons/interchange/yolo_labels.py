"""The lines of Ultralytics' labels: ``class cx cy w h`` and ``x y v`` of each joint.

All are shares of the image's width or height. A keypoint is ``x / width`` of our 0-based pixel
coordinate, the centre of the first pixel at 0: so Ultralytics' own converter makes labels of COCO,
so its published labels of COCO are, and so its models answer. Read the other way, as many labelling
tools draw, the centre of the first pixel is at ``0.5 / width``: ``half_pixel`` reads and writes
that, and is for keypoints only. Boxes are COCO's x, y, w, h in either, which count from the edge of
the first pixel.

Ultralytics ignores an image altogether if one number of it is beyond 1 by more than a hundredth, or
negative: what lies outside the image cannot be written.

Dimensions: N persons of an image, K joints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hpemap_mm.errors import ProblemList
from hpemap_mm.persons.arrays import Array, BoolArray
from hpemap_mm.persons.files.rows import show

#: What is added to keypoints where the first pixel's centre is at half a pixel.
HALF = 0.5
#: Digits after the point: 1e-4 px in an image of 20,000.
DIGITS = 8
#: Numbers before the joints, and how far beyond 0 to 1 Ultralytics lets a number be.
HEAD, BEYOND = 5, 0.01


@dataclass(frozen=True, eq=False)
class Labels:
    """The persons of one label file, in shares of the image.

    Attributes:
        classes: (N,).
        boxes: (N, 4) cx, cy, w, h.
        keypoints: (N, K, 2); NaN where not labelled.
        visibility: (N, K): 0, 1 or 2.
    """

    classes: np.ndarray
    boxes: Array
    keypoints: Array
    visibility: np.ndarray


def write_line(label: int, box: Array, keypoints: Array, visibility: np.ndarray) -> str:
    """One person, box (4,) and keypoints (K, 2) in shares; what is not labelled is 0 0 0."""
    numbers = [str(label), *map(_short, box.tolist())]
    for (x, y), seen in zip(keypoints.tolist(), visibility.tolist(), strict=True):
        numbers += [_short(x), _short(y), str(seen)] if seen else ['0', '0', '0']
    return ' '.join(numbers)


def read_lines(
    where: str, text: str, *, joints: int, numbers: int, classes: int, problems: ProblemList
) -> Labels:
    """The persons of a label file.

    Args:
        where: The file, for messages.
        text: Its text.
        joints: K.
        numbers: Of each joint: 3, or 2 where the labels have no visibility. Then, as Ultralytics
            has it, a joint with a negative number is not labelled, and nor is one at 0, 0.
        classes: How many there are.
        problems: Where faults are noted, each with its line.
    """
    width = HEAD + joints * numbers
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        fault = _fault(words := line.split(), joints, numbers, classes)
        if fault is not None:
            problems.add(f'{where}:{number}', *fault)
            continue
        rows.append([float(word) for word in words])
    table = np.array(rows, np.float64).reshape(len(rows), width)
    joined = table[:, HEAD:].reshape(len(rows), joints, numbers)
    points = joined[..., :2]
    if numbers == 3:
        seen = joined[..., 2].astype(np.uint8)
    else:
        seen = np.where((points >= 0).all(-1) & (points != 0).any(-1), 2, 0).astype(np.uint8)
    return Labels(
        classes=table[:, 0].astype(np.int64),
        boxes=table[:, 1:HEAD],
        keypoints=np.where(seen[..., None] > 0, points, np.nan),
        visibility=seen,
    )


def _fault(words: list[str], joints: int, numbers: int, classes: int) -> tuple[str, str] | None:
    """What is wrong with a line, and what to do."""
    width = HEAD + joints * numbers
    if len(words) != width:
        what = f'has {len(words)} numbers, not {HEAD} + {joints} x {numbers} = {width}'
        fix = (
            'it is a box without joints: leave it out, or write 0 0 0 for each'
            if len(words) == HEAD
            else "correct it, or data.yaml's kpt_shape"
        )
        return what, fix
    try:
        values = [float(word) for word in words]
    except ValueError:
        wrong = next(word for word in words if not _is_number(word))
        return f'has {show(wrong)}, which is no number', 'correct it'
    if not all(map(math.isfinite, values)):
        return 'has a number that is not finite', 'correct it'
    if values[0] not in range(classes):
        return f'has the class {words[0]}', f"data.yaml's names are 0 to {classes - 1}"
    seen = values[HEAD + 2 :: 3] if numbers == 3 else []
    if strange := [v for v in seen if v not in (0, 1, 2)]:
        what = f'has the visibility {strange[0]:g}'
        confidence = 0 < strange[0] < 1
        return what, (
            'it is a confidence: a prediction, not a label'
            if confidence
            else '0 is not labelled, 1 occluded, 2 visible'
        )
    places = values[1:HEAD] + [v for k, v in enumerate(values[HEAD:]) if k % numbers < 2]
    most, least = max(places), min(places[: None if numbers == 3 else HEAD - 1])
    if most > 1 + BEYOND or least < -BEYOND:
        what = f'has the number {most if most > 1 + BEYOND else least:g}, beyond 0 to 1'
        return what, "divide by the image's width and height; Ultralytics ignores the image"
    return None


def in_shares(
    keypoints: Array, boxes: Array, sizes: Array, *, half_pixel: bool
) -> tuple[Array, Array]:
    """Keypoints and boxes in shares of their images.

    Args:
        keypoints: (N, K, 2) px.
        boxes: (N, 4) x, y, w, h in px.
        sizes: (N, 2) width and height of each one's image.
        half_pixel: Whether the first pixel's centre is at half a pixel.

    Returns:
        (N, K, 2), and (N, 4) cx, cy, w, h.
    """
    points = (keypoints + (HALF if half_pixel else 0.0)) / sizes[:, None]
    middles = (boxes[:, :2] + boxes[:, 2:] / 2) / sizes
    return points, np.concatenate([middles, boxes[:, 2:] / sizes], axis=1)


def in_pixels(
    keypoints: Array, boxes: Array, sizes: Array, *, half_pixel: bool
) -> tuple[Array, Array]:
    """The inverse of :func:`in_shares`."""
    points = keypoints * sizes[:, None] - (HALF if half_pixel else 0.0)
    lengths = boxes[:, 2:] * sizes
    return points, np.concatenate([boxes[:, :2] * sizes - lengths / 2, lengths], axis=1)


def outside(shares: Array) -> BoolArray:
    """(N, K): keypoints (N, K, 2) that are not in the image; NaN are not outside."""
    return np.asarray(((shares < 0) | (shares > 1)).any(-1), bool)


def cut(boxes: Array, sizes: Array) -> Array:
    """Boxes (N, 4) x, y, w, h, what is outside images of sizes (N, 2) cut off."""
    first = np.clip(boxes[:, :2], 0, sizes)
    last = np.clip(boxes[:, :2] + boxes[:, 2:], 0, sizes)
    return np.concatenate([first, last - first], axis=1)


def _short(value: float) -> str:
    """A share with as many digits as it needs."""
    return f'{value + 0.0:.{DIGITS}f}'.rstrip('0').rstrip('.')  # + 0.0: no -0


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
