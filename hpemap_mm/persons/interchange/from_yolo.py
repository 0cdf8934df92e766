"""A split of an Ultralytics YOLO-pose folder as a dataset.

Dimensions: N persons of a batch, K joints.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.persons.files.content import similar
from hpemap_mm.persons.files.parts import AREA_PER_BOX, box_areas, number_images
from hpemap_mm.persons.files.streams.write_json import DIGITS
from hpemap_mm.persons.interchange.ledger import Ledger
from hpemap_mm.persons.interchange.people import People, Picture, corners
from hpemap_mm.persons.interchange.pictures import Progress, image_size
from hpemap_mm.persons.interchange.yolo_labels import Labels, in_pixels, read_lines
from hpemap_mm.persons.interchange.yolo_yaml import IMAGES, LABELS, YoloData
from hpemap_mm.skeletons import Skeleton

#: Suffixes of the files that Ultralytics takes for images.
SUFFIXES = frozenset(
    {
        *('.avif', '.bmp', '.dng', '.heic', '.heif', '.jp2', '.jpeg'),
        *('.jpg', '.mpo', '.png', '.tif', '.tiff', '.webp'),
    }
)
#: Persons of a batch.
COUNT = 1024


class Pair(NamedTuple):
    """An image, its labels, which may not be there, and its name in the dataset."""

    image: Path
    label: Path
    name: str


class YoloReader:
    """A split, image by image; the names and sizes of the images are kept in memory.

    Images are numbered by their names where these are numbers, as COCO's and MPII's are, else by
    their place; persons by theirs.

    Args:
        data: The dataset.
        split: Name of the split.
        skeleton: What it is in; None where data.yaml says so.
        images: Folder of the images, where they are not in the dataset's: those that have a label
            file are read.
        half_pixel: Whether the centre of the first pixel is at half a pixel; None for what
            data.yaml says, else not.
        progress: Called with the images so far and their total.
        ledger: What could not be read.

    Raises:
        DataError: There are no images, or data.yaml contradicts the skeleton.
    """

    kind = 'YOLO labels'
    provenance_names: tuple[str, ...] = ()

    def __init__(
        self,
        data: YoloData,
        split: str,
        *,
        skeleton: Skeleton | None,
        images: Path | None,
        half_pixel: bool | None,
        progress: Progress | None,
        ledger: Ledger,
    ) -> None:
        self.path, self.data, self.ledger = str(data.path), data, ledger
        self.skeleton = data.skeleton(skeleton)
        self.half_pixel = bool(data.own.get('half_pixel') if half_pixel is None else half_pixel)
        self.category: Mapping[str, Any] | None = {'id': 1, 'name': data.names[data.person]}
        self._progress = progress
        self.image_root: Path | None
        self.image_root, self._pairs = _pairs(data, split, images, ledger)

    @cached_property
    def pictures(self) -> Mapping[int, Picture]:
        """All images with their sizes, by id.

        Raises:
            DataError: With every image that cannot be read.
        """
        problems = ProblemList()
        found = {}
        for done, (key, pair) in enumerate(zip(self._ids, self._pairs, strict=True), 1):
            try:
                found[key] = Picture(pair.name, *image_size(pair.image))
            except DataError as error:
                problems.extend(error)
            if self._progress is not None:
                self._progress(done, 2 * len(self._pairs))
        problems.raise_if_any()
        return found

    @cached_property
    def _ids(self) -> list[int]:
        ids: list[int] = number_images([pair.name for pair in self._pairs]).tolist()
        return [i + 1 for i in ids] if 0 in ids else ids  # COCO counts from 1

    def batches(self) -> Iterator[People]:
        """All persons.

        Raises:
            DataError: With every line at fault.
        """
        problems = ProblemList()
        held: list[People] = []
        first = count = 0
        for done, (key, pair) in enumerate(zip(self._ids, self._pairs, strict=True), 1):
            people = self._people(key, pair, first + count, problems)
            held.append(people)
            count += len(people)
            if self._progress is not None:
                self._progress(len(self._pairs) + done, 2 * len(self._pairs))
            if count >= COUNT:
                problems.raise_if_any()
                yield _joined(held)
                first, held, count = first + count, [], 0
        problems.raise_if_any()
        if count:
            yield _joined(held)

    def _people(self, key: int, pair: Pair, first: int, problems: ProblemList) -> People:
        labels = self._labels(pair, problems)
        kept = labels.classes == self.data.person
        self.ledger.lost(int((~kept).sum()), 'label', 'of other classes')
        picture = self.pictures[key]
        assert picture.width is not None and picture.height is not None
        sizes = np.tile(np.array([picture.width, picture.height], float), (int(kept.sum()), 1))
        points, boxes = in_pixels(
            labels.keypoints[kept], labels.boxes[kept], sizes, half_pixel=self.half_pixel
        )
        boxes = np.round(boxes, DIGITS)
        count = len(boxes)
        self.ledger.note(count, 'area', f'without one: {AREA_PER_BOX} x the box')
        if self.data.numbers == 2:
            told = 'without a visibility: 2 where it has a place other than 0, 0'
            self.ledger.note(count * self.data.joints, 'joint', told)
        return People(
            first=first,
            ids=np.arange(first, first + count) + 1,
            image_ids=np.full(count, key, np.int64),
            keypoints=np.round(points, DIGITS),
            visibility=labels.visibility[kept],
            boxes=boxes,
            areas=box_areas(corners(boxes)),
            crowd=np.zeros(count, bool),
        )

    def _labels(self, pair: Pair, problems: ProblemList) -> Labels:
        """Those of an image; without a file it has none. Lines that say the same count once."""
        try:
            text = pair.label.read_text(encoding='utf-8-sig')
        except FileNotFoundError:
            text = ''
        except (OSError, UnicodeDecodeError) as error:
            problems.add(pair.label, f'cannot be read ({error})', 'write it again, as UTF-8')
            text = ''
        lines = text.splitlines()
        # Blank ones stay where they are, so that a fault is told with its line.
        seen: set[str] = set()
        for i, line in enumerate(lines):
            if line.strip() and line in seen:
                self.ledger.lost(1, 'label', 'that is there twice: Ultralytics takes one, too')
                lines[i] = ''
            seen.add(line)
        return read_lines(
            str(pair.label),
            '\n'.join(lines),
            joints=self.data.joints,
            numbers=self.data.numbers,
            classes=len(self.data.names),
            problems=problems,
        )


def label_of(image: Path) -> Path:
    """Where Ultralytics looks for an image's labels: its last ``images`` folder is ``labels``."""
    parts = list(image.parts)
    places = [i for i, part in enumerate(parts[:-1]) if part == IMAGES]
    if places:
        parts[places[-1]] = LABELS
    return Path(*parts).with_suffix('.txt')


def _pairs(
    data: YoloData, split: str, images: Path | None, ledger: Ledger
) -> tuple[Path, list[Pair]]:
    """The folder of the images, and the images with their labels, in the order of names."""
    if split not in data.splits:
        what, fix = f'has no split {split!r}', f'choose from {", ".join(data.splits)}'
        raise DataError([Problem(str(data.path), what, fix)])
    paths = [data.root / path for path in data.splits[split]]
    if images is not None:
        return images, _elsewhere(data, split, paths, images, ledger)
    found: list[Path] = []
    for path in paths:
        found += _listed(path, data, split)
    if not found:
        fix = 'say where the images are (--images DIR)'
        raise DataError([Problem(str(paths[0]), 'has no images', fix)])
    found = sorted(set(found))
    root = paths[0] if len(paths) == 1 and paths[0].is_dir() else None
    root = root or Path(os.path.commonpath([file.parent for file in found]))
    pairs = [Pair(f, label_of(f), f.relative_to(root).as_posix()) for f in found]
    used = {pair.label for pair in pairs}
    folders = {label_of(path / 'x').parent for path in paths if path.is_dir()}
    there = {file for folder in folders for file in folder.rglob('*.txt')}
    ledger.lost(len(there - used), 'label file', 'without an image')
    if not any(pair.label.is_file() for pair in pairs):
        what = f'none of its {len(pairs)} images has labels, e.g. {pairs[0].label}'
        fix = 'put the labels there, in a folder labels beside images'
        raise DataError([Problem(str(paths[0]), what, fix)])
    return root, pairs


def _listed(path: Path, data: YoloData, split: str) -> list[Path]:
    """Images in a folder, or those that a text names."""
    if path.is_dir():
        return [file for file in path.rglob('*') if file.suffix.lower() in SUFFIXES]
    if not path.is_file():
        what = f'is not there; it is {split!r} of {data.path}'
        fix = f'{similar(path)}; or say where the images are (--images DIR)'
        raise DataError([Problem(str(path), what, fix)])
    lines = path.read_text(encoding='utf-8-sig').splitlines()
    names = [line.strip() for line in lines if line.strip()]
    return [path.parent / name for name in names if Path(name).suffix.lower() in SUFFIXES]


def _elsewhere(
    data: YoloData, split: str, paths: list[Path], images: Path, ledger: Ledger
) -> list[Pair]:
    """Images of another folder, for the labels of a split."""
    if len(paths) != 1:
        what = f'{split!r} is a list: its labels have no one folder'
        raise DataError([Problem(str(data.path), what, 'leave out --images')])
    labels = label_of(paths[0] / 'x').parent
    there = {file.relative_to(labels).with_suffix('') for file in labels.rglob('*.txt')}
    if not there:
        raise DataError([Problem(str(labels), 'has no labels', 'name the folder of the dataset')])
    files = [file for file in sorted(images.rglob('*')) if file.suffix.lower() in SUFFIXES]
    names = {file: file.relative_to(images) for file in files}
    pairs = [
        Pair(file, labels / name.with_suffix('.txt'), name.as_posix())
        for file, name in names.items()
        if name.with_suffix('') in there
    ]
    ledger.note(len(names) - len(pairs), 'image', 'without a label file: not part of the dataset')
    ledger.lost(len(there) - len(pairs), 'label file', 'without an image')
    if not pairs:
        what = f'has no image of the labels in {labels}'
        raise DataError([Problem(str(images), what, 'give the folder of these images')])
    return pairs


def _joined(parts: list[People]) -> People:
    """Several batches as one."""
    names = ('ids', 'image_ids', 'keypoints', 'visibility', 'boxes', 'areas', 'crowd')
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in names
    }
    return People(first=parts[0].first, **arrays)
