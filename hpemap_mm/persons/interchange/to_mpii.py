"""Persons into MPII's list, as MMPose has it.

Dimensions: N persons of a batch, K joints.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.arrays import BoolArray
from hpemap_mm.persons.files.rows import rows_where
from hpemap_mm.persons.files.streams.source_mpii import center_scale, extents
from hpemap_mm.persons.files.streams.write_json import DIGITS, JsonFile
from hpemap_mm.persons.files.streams.write_mpii import BASE, NONE
from hpemap_mm.persons.interchange.from_coco import OCCLUDED
from hpemap_mm.persons.interchange.from_mpii import MpiiReader
from hpemap_mm.persons.interchange.ledger import named
from hpemap_mm.persons.interchange.people import People, Picture, Reader, corners
from hpemap_mm.skeletons import get_skeleton

#: Keys of COCO's annotations that MPII's rows say in their own way.
SAID = {'id', 'image_id', 'category_id', 'iscrowd', 'bbox', 'num_keypoints', 'keypoints'}
OURS_SAID = {'keypoints_std', 'keypoints_provenance'}
#: Digits of MPII's scale, which is in 200 px.
SCALE_DIGITS = 6


class MpiiWriter:
    """Rows of image, center, scale, joints (from pixel 1) and joints_vis.

    From MPII's own list everything but the joints stays. Otherwise centre and scale are those of
    the square around the box, and ``annotation_id`` and ``image_id`` say where a row comes from.
    Where the dataset says so, ``joints_std`` (px) and ``joints_provenance`` (names) stand beside.

    Args:
        partial: Path of the file.
        reader: The dataset, of MPII's joints.
        pictures: Its images.

    Raises:
        DataError: The joints are others.
    """

    kind = 'MPII json'

    def __init__(self, partial: Path, *, reader: Reader, pictures: Mapping[int, Picture]) -> None:
        if reader.skeleton.joints != get_skeleton('mpii').joints:
            what = f"is in {reader.skeleton.name!r}; MPII's list is of MPII's joints"
            raise DataError([Problem(reader.path, what, 'translate it first: tools/translate.py')])
        self._reader, self._ledger, self._pictures = reader, reader.ledger, pictures
        self._file = JsonFile(partial)
        self._file.begin()

    def add(self, people: People) -> None:
        """Write a batch."""
        labelled, ledger = people.labelled, self._ledger
        ledger.lost(int(people.crowd.sum()), 'crowd region', "left out: not in MPII's list")
        occluded = int((people.visibility == OCCLUDED).sum())
        if not isinstance(self._reader, MpiiReader):
            told = f"of visibility {OCCLUDED}: MPII's list only says labelled or not"
            ledger.lost(occluded, 'joint', told)
            ledger.fields(self.kind, named(people.rows) - SAID - OURS_SAID)
        points = np.where(labelled[..., None], people.keypoints + BASE, NONE)
        about = self._about(people)
        rows = []
        for i in rows_where(~people.crowd):
            row = {
                **about[i],
                'joints': points[i].tolist(),
                'joints_vis': labelled[i].astype(int).tolist(),
            }
            if people.stds is not None:
                row['joints_std'] = [None if s != s else s for s in people.stds[i].tolist()]
            if people.provenance is not None:
                names = self._reader.provenance_names
                codes = people.provenance[i].tolist()
                row['joints_provenance'] = [names[c] for c in codes] if names else codes
            rows.append(row)
        self._file.rows(rows)

    def finish(self) -> None:
        """Close the list."""
        self._file.end()
        self._file.text('\n')

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _about(self, people: People) -> list[dict[str, Any]]:
        if isinstance(self._reader, MpiiReader):
            return [dict(row) for row in people.rows]
        boxes = corners(people.boxes)
        unknown: BoolArray = np.asarray(np.isnan(boxes).any(axis=1))
        boxes = np.where(unknown[:, None], extents(people.keypoints), boxes)
        unknown &= ~np.isnan(boxes).any(axis=1)
        self._ledger.note(int(unknown.sum()), 'box', 'without one: the extent of the joints')
        centers, scales = center_scale(boxes + BASE)
        square = scales > 0
        told = 'as a square around it: MPII says centre and scale'
        self._ledger.note(int((square & ~people.crowd).sum()), 'box', told)
        told = f"without an extent: centre and scale are {NONE:g}, MPII's mark for none"
        self._ledger.note(int((~square & ~people.crowd).sum()), 'box', told)
        return [
            {
                'image': self._pictures[image].name,
                'center': center,
                'scale': scale,
                'annotation_id': person,
                'image_id': image,
            }
            for image, center, scale, person in zip(
                people.image_ids.tolist(),
                np.round(centers, DIGITS).tolist(),
                np.round(scales, SCALE_DIGITS).tolist(),
                people.ids.tolist(),
                strict=True,
            )
        ]
