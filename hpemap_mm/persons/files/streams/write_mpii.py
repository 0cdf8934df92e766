"""A stream of persons into MPII's json, as MMPose has it.

Dimensions: N persons of a batch, D joints of the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpemap_mm.persons.arrays import Array
from hpemap_mm.persons.files.rows import show, tables
from hpemap_mm.persons.files.streams.answers import Answer
from hpemap_mm.persons.files.streams.batch import Batch, BatchProblems
from hpemap_mm.persons.files.streams.source_coco import CocoSource
from hpemap_mm.persons.files.streams.source_mpii import MpiiSource, center_scale, extents
from hpemap_mm.persons.files.streams.write_json import DIGITS, Fields, JsonFile

#: MPII counts pixels from 1.
BASE = 1
#: What MPII writes for a joint that is not annotated.
NONE = -1.0
#: Keys of a row that are about the source's joints.
OLD = ('joints', 'joints_vis')


class MpiiWriter:
    """Rows of image, center, scale, joints and joints_vis, joints counted from pixel 1.

    From MPII's rows everything but the joints stays. From COCO's annotations centre and scale are
    those of the square around the box (where there is none, around the annotated joints), and
    ``annotation_id`` and ``image_id`` tell where a row comes from; crowd regions and rows of other
    categories are left out, which MPII's format cannot say.

    Args:
        partial: Path of the file.
        source: Where the persons come from; of COCO the table of images is read first.
        origin_names: Names of the codes in ``origins``.

    Raises:
        DataError: An image of COCO's has no name.
    """

    kind = 'MPII json'

    def __init__(
        self, partial: Path, *, source: CocoSource | MpiiSource, origin_names: Sequence[str]
    ) -> None:
        self._source, self._names = source, origin_names
        self._images = source.image_names() if isinstance(source, CocoSource) else {}
        self._left_out = 0
        self._file = JsonFile(partial)
        self._file.begin()

    def add(self, batch: Batch, answer: Answer) -> None:
        """Write a batch."""
        coco = isinstance(self._source, CocoSource)
        fields = Fields(answer, BASE - self._source.base, self._names)
        joints = np.where(fields.there[..., None], fields.points, NONE).tolist()
        flags = fields.there.astype(int).tolist()
        about = self._about(batch) if coco else batch.rows
        rows = []
        for i, row in enumerate(about):
            if coco and (batch.columns['crowd'][i] or not batch.persons[i]):
                self._left_out += 1
                continue
            kept = {key: value for key, value in row.items() if key not in OLD}
            own = {'joints': joints[i], 'joints_vis': flags[i]}
            rows.append({**kept, **own, **fields.extra(i, 'joints')})
        self._file.rows(rows)

    def finish(self) -> None:
        """Close the list."""
        self._file.end()
        self._file.text('\n')
        if self._left_out:
            what = 'crowd regions and rows of other categories'
            self._source.notes.append(f"{self._left_out} {what} are not in MPII's list")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _about(self, batch: Batch) -> list[dict[str, Any]]:
        """Image, centre and scale of COCO's annotations."""
        problems = BatchProblems(
            self._source.path, batch.first, noun='annotation', rows=batch.rows, keys=('id',)
        )
        fix = 'write x, y, w, h, or leave it out'
        boxes: Array = tables(batch.rows, 'bbox', (4,), problems, fix=fix, optional=True)
        images = batch.columns['image_ids'].tolist()
        for i, image in enumerate(images):
            if image not in self._images:
                what = f'image_id {show(image)} is not among the images'
                problems.add(i, what, 'list the image too')
        problems.raise_if_any()
        boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        boxes = np.where(np.isnan(boxes), extents(batch.keypoints), boxes)
        centers, scales = center_scale(boxes + (BASE - self._source.base))
        return [
            {
                'image': self._images[image],
                'center': center,
                'scale': scale,
                'annotation_id': person,
                'image_id': image,
            }
            for image, center, scale, person in zip(
                images,
                np.round(centers, DIGITS).tolist(),
                np.round(scales, 6).tolist(),
                batch.columns['ids'].tolist(),
                strict=True,
            )
        ]
