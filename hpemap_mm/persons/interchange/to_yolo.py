"""Persons into the label files of an Ultralytics YOLO-pose folder.

Dimensions: N persons of a batch, K joints.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.persons.arrays import Array, BoolArray
from hpemap_mm.persons.files.rows import rows_where
from hpemap_mm.persons.files.streams.source_mpii import extents
from hpemap_mm.persons.interchange.from_yolo import SUFFIXES
from hpemap_mm.persons.interchange.ledger import named
from hpemap_mm.persons.interchange.people import Codes, People, Picture, Reader, sides
from hpemap_mm.persons.interchange.pictures import check_name
from hpemap_mm.persons.interchange.yolo_labels import cut, in_shares, outside, write_line
from hpemap_mm.persons.interchange.yolo_yaml import IMAGES, LABELS, SPLITS

#: Keys of COCO's annotations and of MPII's rows that a label says in its own way.
SAID = {
    *('image_id', 'category_id', 'bbox', 'num_keypoints', 'keypoints', 'iscrowd'),
    *('image', 'center', 'scale', 'joints', 'joints_vis'),
}
KIND = 'YOLO labels'
#: Pixels that are none.
NOTHING = 1e-6


class YoloWriter:
    """``labels/SPLIT/NAME.txt`` for every image; the class is 0.

    Left out, and counted, is what the labels cannot say: joints outside the image (one such
    number, and Ultralytics ignores the image), crowd regions, persons without a box in the image.
    Boxes are cut at the image's edge.

    Args:
        folder: The new folder.
        split: The split's name.
        reader: The dataset.
        pictures: Its images, with their sizes.
        half_pixel: See :mod:`hpemap_mm.persons.interchange.yolo_labels`.

    Attributes:
        images: Where the image of each id belongs.

    Raises:
        DataError: A split that Ultralytics does not know, images without a size, names that lead
            elsewhere or that only their suffix tells apart.
    """

    kind = KIND

    def __init__(
        self,
        folder: Path,
        split: str,
        *,
        reader: Reader,
        pictures: Mapping[int, Picture],
        half_pixel: bool,
    ) -> None:
        if split not in SPLITS:
            what = f'split {split!r} is unknown to Ultralytics'
            raise DataError([Problem('options', what, f'choose from {", ".join(SPLITS)}')])
        self._pictures, self._ledger, self._half = pictures, reader.ledger, half_pixel
        names = _check(pictures, reader)
        self.images = {key: folder / IMAGES / split / name for key, name in names.items()}
        labels = folder / LABELS / split
        labels.mkdir(parents=True)
        self._files = {key: labels / name.with_suffix('.txt') for key, name in names.items()}
        for parent in {file.parent for file in self._files.values()}:
            parent.mkdir(parents=True, exist_ok=True)
        # Ultralytics takes an image without a file for one that nobody labelled, and says so.
        for file in self._files.values():
            file.touch()

    def add(self, people: People) -> None:
        """Write a batch."""
        lost = self._ledger.lost
        lost(int(people.crowd.sum()), 'crowd region', 'left out: labels are of one person')
        self._ledger.fields(KIND, named(people.rows) - SAID)
        without: BoolArray = np.asarray(np.isnan(people.boxes).any(1))
        around = sides(extents(people.keypoints))
        boxes = np.where(without[:, None], around, people.boxes)
        sizes = np.array([self._pictures[key][1:] for key in people.image_ids.tolist()], float)
        inside = cut(boxes, sizes)
        points, boxes_in_shares = in_shares(people.keypoints, inside, sizes, half_pixel=self._half)
        gone = outside(points)
        visibility = np.where(gone, 0, people.visibility).astype(np.uint8)
        kept = ~people.crowd & (inside[:, 2:] > 0).all(1)  # NaN is not
        self._tell(people, kept, without, gone, visibility, boxes, inside)
        lines = defaultdict(list)
        for i in rows_where(kept):
            line = write_line(0, boxes_in_shares[i], points[i], visibility[i])
            lines[int(people.image_ids[i])].append(line)
        for key, of_image in lines.items():
            with self._files[key].open('a', encoding='utf-8', newline='\n') as file:
                file.writelines(f'{line}\n' for line in of_image)

    def finish(self) -> None:
        """Everything is written."""

    def close(self) -> None:
        """No file is open between batches."""

    def _tell(
        self,
        people: People,
        kept: BoolArray,
        without: BoolArray,
        gone: BoolArray,
        visibility: Codes,
        boxes: Array,
        inside: Array,
    ) -> None:
        """Count what is not as it was."""
        lost, note = self._ledger.lost, self._ledger.note
        nowhere = np.isnan(boxes).any(1) & ~people.crowd
        lost(int(nowhere.sum()), 'person', 'left out: neither a box nor joints')
        beyond = ~kept & ~nowhere & ~people.crowd
        lost(int(beyond.sum()), 'person', 'left out: no box in the image')
        edge = kept & (np.abs(inside - boxes) > NOTHING).any(1)
        lost(int(edge.sum()), 'box', "cut at the image's edge")
        told = 'outside the image, now not labelled: Ultralytics would ignore the image'
        lost(int(gone[kept].sum()), 'joint', told)
        note(int((kept & without).sum()), 'box', 'without one: the extent of the joints')
        told = 'without a labelled joint: kept, as Ultralytics learns its box'
        note(int((kept & ~visibility.any(1)).sum()), 'person', told)


def _check(pictures: Mapping[int, Picture], reader: Reader) -> dict[int, PurePosixPath]:
    """Names of the images in the new folder, by id."""
    problems = ProblemList()
    names: dict[int, PurePosixPath] = {}
    taken: dict[str, str] = {}
    for key, picture in pictures.items():
        where = f'{reader.path}: image {picture.name!r}'
        if fault := check_name(picture.name):
            problems.add(where, fault, 'give it a name below the folder of the images')
            continue
        if picture.width is None or picture.height is None:
            problems.add(where, 'has no width and height', 'say where the images are (--images)')
            continue
        name = names[key] = _renamed(PurePosixPath(picture.name))
        if name.as_posix() != picture.name.removeprefix('./'):
            told = f'from a folder {IMAGES!r}, here {IMAGES}_: the word leads to the labels'
            reader.ledger.note(1, 'image', told)
        label = str(name.with_suffix('')).casefold()  # some disks do not tell case
        if label in taken:
            what = f'would share its label file with {taken[label]!r}'
            problems.add(where, what, 'give images names that differ before the suffix')
        taken[label] = picture.name
        if name.suffix.lower() not in SUFFIXES:
            told = f'with a suffix that Ultralytics does not read ({name.suffix})'
            reader.ledger.lost(1, 'image', told)
    problems.raise_if_any()
    return names


def _renamed(name: PurePosixPath) -> PurePosixPath:
    """No folder below ours is called ``images``: Ultralytics turns the last one into ``labels``."""
    return PurePosixPath(*(f'{IMAGES}_' if p == IMAGES else p for p in name.parts[:-1]), name.name)
