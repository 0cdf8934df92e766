"""Persons into COCO's annotations, with everything that json has room for.

Dimensions: N persons of a batch, K joints.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpemap_mm.persons.arrays import Array, BoolArray
from hpemap_mm.persons.files.parts import AREA_PER_BOX, box_areas
from hpemap_mm.persons.files.streams.json_rows import copy_value
from hpemap_mm.persons.files.streams.source_mpii import extents
from hpemap_mm.persons.files.streams.write_coco import NO_SIZES, OLD
from hpemap_mm.persons.files.streams.write_json import JsonFile, category
from hpemap_mm.persons.interchange.completed_fields import OURS, PROVENANCE, STDS, ours
from hpemap_mm.persons.interchange.from_coco import CocoReader
from hpemap_mm.persons.interchange.people import People, Picture, Reader, corners, sides
from hpemap_mm.version import __version__

#: Members that are written anew; the others of a COCO json are copied as they are.
OWN = ('info', 'images', 'annotations', 'categories')


class CocoWriter:
    """COCO's annotations, of one category: ``keypoints`` is x, y, v of each joint, 0-based.

    Of a COCO json everything is kept but what is about joints that are left out; what a completed
    dataset says of each joint stands in ``keypoints_std`` and ``keypoints_provenance``. Numbers
    are those of the dataset, to the last bit.

    Args:
        partial: Path of the file.
        out: Where it will be, to which ``info.hpemap_mm.image_root`` is relative.
        reader: The dataset.
        pictures: Its images, with the sizes that are known.
        image_root: Folder of the images, if known.
    """

    kind = 'COCO json'

    def __init__(
        self,
        partial: Path,
        *,
        out: Path,
        reader: Reader,
        pictures: Mapping[int, Picture],
        image_root: Path | None,
    ) -> None:
        self._reader, self._ledger = reader, reader.ledger
        self._number = 1 if reader.category is None else int(reader.category['id'])
        self._json = isinstance(reader, CocoReader)
        self._file = JsonFile(partial)
        try:
            self._begin(pictures, _info(reader, out, image_root))
        except BaseException:
            self._file.close()
            raise

    def _begin(self, pictures: Mapping[int, Picture], info: Mapping[str, Any]) -> None:
        file, reader = self._file, self._reader
        file.text(f'{{"info": {json.dumps(info, allow_nan=False)},\n')
        if isinstance(reader, CocoReader):
            for name, span in reader.source.parts.items():
                if name not in OWN:
                    file.text(f'{json.dumps(name)}: ')
                    copy_value(reader.path, span, file.write, noun=name)
                    file.text(',\n')
        file.text('"images": ')
        file.begin()
        if isinstance(reader, CocoReader):
            for row in reader.source.images():
                file.rows([{**row, **_size(pictures[row['id']])}])
        else:
            for key, picture in pictures.items():
                file.rows([{'id': key, 'file_name': picture.name, **_size(picture)}])
        if any(picture.width is None for picture in pictures.values()):
            self._ledger.remark(NO_SIZES)
        file.end()
        file.text(',\n"annotations": ')
        file.begin()

    def add(self, people: People) -> None:
        """Write a batch."""
        kept = [self._kept(row) for row in people.rows] if self._json else [{}] * len(people)
        if people.rows and not self._json:
            fields = {f'MPII {key!r}' for row in people.rows for key in row} - MPII_READ
            self._ledger.fields(self.kind, fields)
        boxes, areas = self._filled(people)
        numbers = _numbers(people)
        stds, codes = _plain(people.stds), people.provenance
        rows = []
        for i in range(len(people)):
            row: dict[str, Any] = {
                'segmentation': [],  # Datumaro and CVAT refuse a file without
                **kept[i],
                'id': int(people.ids[i]),
                'image_id': int(people.image_ids[i]),
                'category_id': self._number,
                'iscrowd': int(people.crowd[i]),
                'bbox': list(map(number, boxes[i].tolist())),
                'area': number(float(areas[i])),
            }
            if not people.crowd[i]:
                row['num_keypoints'] = int(people.labelled[i].sum())
                row['keypoints'] = numbers[i]
                if stds is not None:
                    row[STDS] = stds[i]
                if codes is not None:
                    row[PROVENANCE] = codes[i].tolist()
            elif 'keypoints' in people.rows[i]:
                row['keypoints'] = people.rows[i]['keypoints']
            rows.append(row)
        self._file.rows(rows)

    def finish(self) -> None:
        """Write the category."""
        self._file.end()
        row = category(self._reader.skeleton, self._reader.category, self._number)
        self._file.text(f',\n"categories": {json.dumps([row], allow_nan=False)}}}\n')

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _kept(self, row: Mapping[str, Any]) -> dict[str, Any]:
        gone = OLD | {STDS, PROVENANCE, 'keypoints'}
        return {key: value for key, value in row.items() if key not in gone}

    def _filled(self, people: People) -> tuple[Array, Array]:
        """Boxes (N, 4) and areas (N,), which pycocotools needs of everybody."""
        boxes, areas = people.boxes, people.areas
        unknown: BoolArray = np.asarray(np.isnan(boxes).any(axis=1))
        if unknown.any():
            around = sides(extents(people.keypoints))
            nowhere = unknown & np.isnan(around).any(axis=1)
            boxes = np.where(unknown[:, None], np.nan_to_num(around), boxes)
            count = int((unknown & ~nowhere).sum())
            self._ledger.note(count, 'box', 'without one: the extent of the joints')
            self._ledger.note(int(nowhere.sum()), 'box', 'without one, and no joints: 0, 0, 0, 0')
        unknown = np.isnan(areas)
        if unknown.any():
            areas = np.where(unknown, np.nan_to_num(box_areas(corners(boxes))), areas)
            told = f'without one: {AREA_PER_BOX} x the box'
            self._ledger.note(int(unknown.sum()), 'area', told)
        return boxes, areas


#: Keys of MPII's rows that are read.
MPII_READ = {f'MPII {key!r}' for key in ('image', 'joints', 'joints_vis', 'center', 'scale')}


def number(value: float) -> int | float:
    """A whole number without its point, as COCO writes it."""
    return int(value) if value.is_integer() else value


def _numbers(people: People) -> list[list[int | float]]:
    """x, y, v of each joint, 0 where it is not labelled."""
    labelled = people.labelled
    points = np.where(labelled[..., None], people.keypoints, 0.0)
    table = np.concatenate([points, people.visibility[..., None]], axis=-1)
    return [list(map(number, row)) for row in table.reshape(len(people), -1).tolist()]


def _plain(stds: Array | None) -> list[list[float | None]] | None:
    if stds is None:
        return None
    return [[number(v) if v == v else None for v in row] for row in stds.tolist()]


def _size(picture: Picture) -> dict[str, int]:
    if picture.width is None or picture.height is None:
        return {}
    return {'width': picture.width, 'height': picture.height}


def _info(reader: Reader, out: Path, image_root: Path | None) -> dict[str, Any]:
    """The dataset's own, with where the images are as seen from the new file."""
    known = reader.info if isinstance(reader, CocoReader) else None
    info = dict(known) if isinstance(known, Mapping) else {}
    own = dict(ours(info))
    if not info:
        info = {'description': f'Converted from {reader.kind} by hpemap_mm {__version__}'}
    if image_root is not None:
        own['image_root'] = Path(os.path.relpath(image_root, out.parent)).as_posix()
    return {**info, OURS: {**own, 'skeleton': reader.skeleton.name}}
