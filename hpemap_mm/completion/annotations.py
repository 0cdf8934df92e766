"""What an annotation file says itself, beside what MMPose's reader makes of it.

K joints of the entry's skeleton.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.completion.index import ImageRow, LeftOut
from hpemap_mm.datasets import Entry
from hpemap_mm.datasets.checks import WHOLEBODY_PARTS
from hpemap_mm.datasets.entries import file_kind


class AnnotationFile:
    """A file in COCO's format; for other formats nothing is known.

    Args:
        entry: What reads it.

    Attributes:
        sizes: Widths and heights by image id.
    """

    def __init__(self, entry: Entry) -> None:
        self.sizes: dict[Any, tuple[int, int]] = {}
        self._images: dict[Any, Mapping[str, Any]] = {}
        self._rows: dict[Any, Mapping[str, Any]] = {}
        path = str(entry.dataset.ann_file)
        if file_kind(entry.dataset) != 'coco' or '://' in path:
            return
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
        self._images = {image['id']: image for image in content['images']}
        self._rows = {row['id']: row for row in content['annotations']}
        self.sizes = {
            name: (int(image['width']), int(image['height']))
            for name, image in self._images.items()
        }

    def row(self, info: Mapping[str, Any]) -> Mapping[str, Any]:
        """The annotation of a person that was read; empty where the file has none."""
        return info.get('raw_ann_info') or self._rows.get(info.get('id')) or {}

    def left_out(self, read: Set[object]) -> Iterator[LeftOut]:
        """Annotated persons, no crowds, that are not among those that were read.

        Args:
            read: Ids of the annotations that were.
        """
        for name, row in self._rows.items():
            if name in read or row.get('iscrowd') or not _is_labelled(row):
                continue
            image = self._images.get(row.get('image_id'))
            file = '' if image is None else str(image.get('file_name', ''))
            yield LeftOut(name, file, _reason(row, image))


def _is_labelled(row: Mapping[str, Any]) -> bool:
    return any(
        v > 0 for part in WHOLEBODY_PARTS for v in (row.get(part) or ())[2::3] if v is not None
    )


def _reason(row: Mapping[str, Any], image: Mapping[str, Any] | None) -> str:
    box = row.get('bbox')
    if image is None:
        return 'the file has no image with its image_id'
    if box is None or len(box) != 4:
        return 'it has no bbox'
    (x, y, width, height), (right, bottom) = box, (image['width'] - 1, image['height'] - 1)
    if width <= 0 or height <= 0:
        return 'its bbox has no extent'
    if min(x + width, right) <= max(x, 0) or min(y + height, bottom) <= max(y, 0):
        return 'its bbox has no extent within the image'
    if row.get('num_keypoints') == 0:
        return 'its num_keypoints is 0, though joints are labelled'
    return "the dataset's reader leaves it out"


def as_annotated(
    entry: Entry,
    row: Mapping[str, Any],
    points_K2: npt.NDArray[np.float32],
    seen_K: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Joints as the file has them, in its precision and with visibilities of 1 and 2.

    MMPose's readers keep float32, and whether a joint is annotated. What the file says is taken
    where it is what the reader read, or that but for whole pixels (JHMDB counts from 1).

    Args:
        entry: What reads the file.
        row: The annotation; may be empty.
        points_K2: Joints as read, 0-based pixels.
        seen_K: Which of them are annotated.
    """
    # The shortest decimal number that is this float32, as a file would have it.
    points = points_K2.astype(np.float64)
    odd = points != np.round(points)
    if odd.any():
        points[odd] = points_K2[odd].astype('U32').astype(np.float64)
    visibility = seen_K.astype(np.uint8)
    joints = len(entry.dataset.metainfo['keypoint_id2name'])
    whole = [v for part in WHOLEBODY_PARTS for v in row.get(part) or ()]
    for values in (row.get('keypoints') or [], whole):
        table = np.asarray(values, np.float64).reshape(-1, 3)
        if entry.select is not None and len(table) == joints:
            table = table[entry.select]
        if len(table) != len(points) or ((table[:, 2] > 0) != seen_K).any():
            continue
        shift = _whole_shift(table[seen_K, :2], points_K2[seen_K])
        if shift is not None:
            points = table[:, :2] + shift
            visibility = np.clip(np.ceil(table[:, 2]), 0, 2).astype(np.uint8)
            break
    return points, visibility


def _whole_shift(
    given_J2: npt.NDArray[np.float64], read_J2: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64] | None:
    """Whole pixels (2,) by which all points were moved on reading; None where they were not so."""
    if (given_J2.astype(np.float32) == read_J2).all():
        return np.zeros(2)
    shift = np.round(read_J2[0] - given_J2[0])
    return shift if np.allclose(given_J2 + shift, read_J2, rtol=1e-6, atol=1e-4) else None


def annotated_box(
    given: Any, box: npt.NDArray[np.float32], image: ImageRow
) -> npt.NDArray[np.float64]:
    """(1, 4) x, y, width, height: the file's, where the reader's is that one cut to the image."""
    if given is not None and len(given) == 4:
        own = np.asarray(given, np.float64)
        corners = np.concatenate([own[:2], own[:2] + own[2:]])
        limit = np.array([image.width, image.height] * 2) - 1
        if np.allclose(np.clip(corners, 0, limit), box, atol=1e-3):
            return own[None]
    corners = box.astype(np.float64)
    return np.concatenate([corners[:2], corners[2:] - corners[:2]])[None]
