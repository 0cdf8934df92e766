"""Streams of persons into COCO's jsons: annotations, and results.

Dimensions: N persons of a batch, D joints of the target.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpemap_mm.errors import DataError, ProblemList
from hpemap_mm.persons.arrays import Array
from hpemap_mm.persons.files.parts import box_areas
from hpemap_mm.persons.files.streams.answers import Answer
from hpemap_mm.persons.files.streams.batch import Batch
from hpemap_mm.persons.files.streams.json_rows import copy_value
from hpemap_mm.persons.files.streams.source_coco import CocoSource
from hpemap_mm.persons.files.streams.source_mpii import MpiiSource
from hpemap_mm.persons.files.streams.write_json import (
    DIGITS,
    Fields,
    JsonFile,
    category,
    confidence,
    visibility,
)
from hpemap_mm.persons.files.truth_coco import WHOLEBODY_PARTS
from hpemap_mm.skeletons import Skeleton

#: Keys of an annotation that are about the source's joints.
OLD = {
    *WHOLEBODY_PARTS,
    *('num_keypoints', 'foot_valid', 'face_valid', 'lefthand_valid', 'righthand_valid'),
}
NO_SIZES = "images have no width and height, which MMPose's CocoDataset needs: give --images"


class CocoWriter:
    """COCO's annotations from COCO's: everything else stays as it is.

    Annotations keep their keys but for those of the joints. Crowd regions have no keypoints, rows
    of other categories stay as they are.

    Args:
        partial: Path of the file.
        source: Where the persons come from.
        skeleton: The target.
        origin_names: Names of the codes in ``origins``.
    """

    kind = 'COCO json'

    def __init__(
        self, partial: Path, *, source: CocoSource, skeleton: Skeleton, origin_names: Sequence[str]
    ) -> None:
        self._file = JsonFile(partial)
        self._source, self._skeleton, self._names = source, skeleton, origin_names
        self._person = 1 if source.person is None else source.person
        kept = [name for name in source.parts if name not in ('annotations', 'categories')]
        source.meter.total += sum(len(source.parts[name]) for name in kept)
        self._file.text('{')
        try:
            for name in kept:
                self._file.text(f'{json.dumps(name)}: ')
                copy_value(
                    source.path, source.parts[name], self._file.write, noun=name, meter=source.meter
                )
                self._file.text(',\n')
        except BaseException:
            self._file.close()
            raise
        self._file.text('"annotations": ')
        self._file.begin()

    def add(self, batch: Batch, answer: Answer) -> None:
        """Write a batch."""
        fields = Fields(answer, 0.0, self._names)
        numbers = fields.table(visibility(fields))
        rows = []
        for i, row in enumerate(batch.rows):
            if not batch.persons[i]:
                rows.append(row)
                continue
            kept = {key: value for key, value in row.items() if key not in OLD}
            kept.setdefault('category_id', self._person)
            rows.append(
                {
                    **kept,
                    'num_keypoints': int(fields.there[i].sum()),
                    'keypoints': numbers[i],
                    **fields.extra(i, 'keypoints'),
                }
            )
        self._file.rows(rows)

    def finish(self) -> None:
        """Write the categories."""
        self._file.end()
        known = {c['id']: c for c in self._source.categories}
        known[self._person] = category(self._skeleton, known.get(self._person), self._person)
        self._file.text(f',\n"categories": {json.dumps(list(known.values()), allow_nan=False)}')
        self._file.text('}\n')

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class CocoFromMpiiWriter:
    """COCO's annotations from MPII's: boxes are MMPose's squares, areas 0.53 of them.

    Args:
        partial: Path of the file.
        source: Where the persons come from; its image names are read first.
        skeleton: The target.
        origin_names: Names of the codes in ``origins``.
        images: Folder of the photographs, whose sizes are read; None to leave sizes out.
    """

    kind = 'COCO json'

    def __init__(
        self,
        partial: Path,
        *,
        source: MpiiSource,
        skeleton: Skeleton,
        origin_names: Sequence[str],
        images: Path | None,
    ) -> None:
        rows: list[dict[str, Any]] = [
            {'id': number, 'file_name': name} for name, number in source.images.items()
        ]
        if images is None:
            source.notes.append(NO_SIZES)
        else:
            _add_sizes(rows, images)
        self._file = JsonFile(partial)
        self._skeleton, self._names, self._base = skeleton, origin_names, source.base
        self._file.text('{"images": ')
        self._file.begin()
        self._file.rows(rows)
        self._file.end()
        self._file.text(',\n"annotations": ')
        self._file.begin()

    def add(self, batch: Batch, answer: Answer) -> None:
        """Write a batch."""
        fields = Fields(answer, -self._base, self._names)
        numbers = fields.table(visibility(fields))
        boxes = batch.columns['boxes'] - self._base
        areas = np.nan_to_num(box_areas(boxes))
        boxes = np.nan_to_num(np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1))
        image_ids = batch.columns['image_ids'].tolist()
        self._file.rows(
            [
                {
                    'id': batch.first + i,
                    'image_id': image_ids[i],
                    'category_id': 1,
                    'iscrowd': 0,
                    'bbox': np.round(boxes[i], DIGITS).tolist(),
                    'area': round(float(areas[i]), DIGITS),
                    'num_keypoints': int(fields.there[i].sum()),
                    'keypoints': numbers[i],
                    **fields.extra(i, 'keypoints'),
                }
                for i in range(len(batch))
            ]
        )

    def finish(self) -> None:
        """Write the category."""
        self._file.end()
        categories = json.dumps([category(self._skeleton, None, 1)])
        self._file.text(f',\n"categories": {categories}}}\n')

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ResultsWriter:
    """COCO's results from results, or from an npz.

    Rows keep their keys. The third number of an answered joint is the mean confidence of the
    person's joints in the input, 1 where it has none; that of an unanswered one is 0. Persons of
    an npz without ``image_ids`` are images of their own, without ``scores`` they score 1.

    Args:
        partial: Path of the file.
        skeleton: The target.
        origin_names: Names of the codes in ``origins``.
        shift: Added to coordinates: COCO counts from 0.
    """

    kind = 'COCO results'

    def __init__(
        self, partial: Path, *, skeleton: Skeleton, origin_names: Sequence[str], shift: int
    ) -> None:
        self._file = JsonFile(partial)
        self._names, self._shift = origin_names, shift
        self._file.begin()

    def add(self, batch: Batch, answer: Answer) -> None:
        """Write a batch."""
        fields = Fields(answer, self._shift, self._names)
        numbers = fields.table(confidence(batch, fields))
        known = batch.rows or _rows_of(batch)
        self._file.rows(
            [
                {**row, 'keypoints': numbers[i], **fields.extra(i, 'keypoints')}
                for i, row in enumerate(known)
            ]
        )

    def finish(self) -> None:
        """Close the list."""
        self._file.end()
        self._file.text('\n')

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _rows_of(batch: Batch) -> list[dict[str, Any]]:
    """What an npz says of its persons, as COCO's results do."""
    numbers = np.arange(batch.first, batch.first + len(batch))
    images = batch.columns.get('image_ids', numbers).tolist()
    scores: Array = np.nan_to_num(batch.columns.get('scores', np.ones(len(batch))))
    rows = [
        {'image_id': image, 'category_id': 1, 'score': score}
        for image, score in zip(images, scores.tolist(), strict=True)
    ]
    if 'ids' in batch.columns:
        for row, person in zip(rows, batch.columns['ids'].tolist(), strict=True):
            row['annotation_id'] = person
    return rows


def _add_sizes(rows: list[dict[str, Any]], folder: Path) -> None:
    """Widths and heights from the photographs' heads.

    Raises:
        DataError: Photographs are missing or damaged.
    """
    from PIL import Image

    problems = ProblemList()
    for row in rows:
        path = folder / row['file_name']
        try:
            with Image.open(path) as image:
                row['width'], row['height'] = image.size
        except OSError as error:
            what = 'is not there' if isinstance(error, FileNotFoundError) else f'{error}'
            problems.add(path, what, "give the folder of the annotations' images as --images")
    if len(problems):
        raise DataError(list(problems))
