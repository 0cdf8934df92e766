"""MPII's annotations, as MMPose has them, as a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.arrays import Array
from hpemap_mm.persons.files.parts import AREA_PER_BOX, box_areas
from hpemap_mm.persons.files.streams.batch import Batch, missing
from hpemap_mm.persons.files.streams.bytes import Meter
from hpemap_mm.persons.files.streams.source_mpii import MpiiSource
from hpemap_mm.persons.files.streams.sources import COUNT, open_source
from hpemap_mm.persons.files.streams.write_json import VISIBLE
from hpemap_mm.persons.files.streams.write_mpii import NONE
from hpemap_mm.persons.files.truth_mpii import mpii_skeleton
from hpemap_mm.persons.interchange.ledger import Ledger
from hpemap_mm.persons.interchange.people import People, Picture, sides
from hpemap_mm.skeletons import Skeleton


class MpiiReader:
    """MPII's list, person by person; the names of the images are kept in memory.

    Persons are numbered by their place. Boxes are MMPose's squares, from centre and scale.

    Args:
        path: The file.
        skeleton: MPII's where None.
        base: Coordinate of the first pixel; 1 where None, as in MPII.
        meter: What counts the bytes.
        count: Persons of a batch.
        ledger: What could not be read.

    Raises:
        DataError: It is another kind of file, or damaged.
    """

    kind = 'MPII json'
    category: Mapping[str, Any] | None = None
    provenance_names: tuple[str, ...] = ()
    image_root: Path | None = None

    def __init__(
        self,
        path: str,
        *,
        skeleton: Skeleton | None,
        base: int | None,
        meter: Meter,
        ledger: Ledger,
        count: int = COUNT,
    ) -> None:
        self.skeleton = mpii_skeleton(skeleton)
        opened = open_source(path, skeleton=self.skeleton, base=base, count=count, meter=meter)
        if not isinstance(opened, MpiiSource):
            fix = 'say what it is (--from)'
            raise DataError([Problem(path, f"is {opened.kind}, not MPII's list", fix)])
        self.path, self.source, self.ledger = path, opened, ledger

    @cached_property
    def pictures(self) -> Mapping[int, Picture]:
        """All images, by the ids that :func:`hpemap_mm.persons.files.read_truth` gives them."""
        return {key: Picture(name, None, None) for name, key in self.source.images.items()}

    def batches(self) -> Iterator[People]:
        """All persons; MPII calls a joint annotated, which is 2 here as everywhere in the house."""
        for batch in self.source.batches():
            there = ~missing(batch.keypoints)
            boxes = batch.columns['boxes'] - self.source.base
            areas = box_areas(boxes)
            self._tell(batch, areas)
            yield People(
                first=batch.first,
                ids=np.arange(batch.first, batch.first + len(batch)) + 1,
                image_ids=batch.columns['image_ids'],
                keypoints=batch.keypoints - self.source.base,
                visibility=np.where(there, VISIBLE, 0).astype(np.uint8),
                boxes=sides(boxes),
                areas=areas,
                crowd=np.zeros(len(batch), bool),
                rows=batch.rows,
            )

    def _tell(self, batch: Batch, areas: Array) -> None:
        """Count what boxes and areas are made of."""
        note = self.ledger.note
        scales = np.array([row['scale'] for row in batch.rows], float)
        placed = np.array([row['center'][0] != NONE for row in batch.rows])
        square = placed & (scales > 0)
        extent = ~square & ~missing(batch.keypoints).all(1)
        note(int(square.sum()), 'box', "from centre and scale: MMPose's squares")
        note(int(extent.sum()), 'box', 'without one: the extent of the joints')
        note(int((~placed & (scales > 0)).sum()), 'scale', 'without a centre: not read')
        note(int((placed & (scales <= 0)).sum()), 'centre', 'without a scale: not read')
        note(int((~np.isnan(areas)).sum()), 'area', f'without one: {AREA_PER_BOX} x the box')
