"""Leaves out of training what is evaluated on: persons whose image is in another split, too."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

from mmengine.logging import print_log

from hpemap_mm.datasets.duplicates import FIX, TRAIN, digest_of, image_name, read_duplicates
from hpemap_mm.datasets.entries import Entry
from hpemap_mm.errors import ProblemList

#: What helps where the list is of other entries or images.
AGAIN = FIX.replace('make it', 'make it again', 1)


@dataclass(frozen=True)
class LeftOut:
    """What was left out of an entry.

    Attributes:
        persons: How many.
        of: Persons of the entry before.
        images: On how many images.
    """

    persons: int
    of: int
    images: int


def leave_out_duplicates(
    entries: Iterable[Entry],
    path: str | os.PathLike[str],
    problems: ProblemList,
    *,
    within: bool = False,
) -> dict[str, LeftOut]:
    """Take persons out of loaded training entries, and log how many.

    A duplicate between training entries stays, unless asked for: its copies are annotated each in
    its own way, often other persons of the photograph, and to learn from all of them is what a
    merged dataset is for.

    Args:
        entries: Training entries; changed in place.
        path: The list of duplicates.
        problems: Collects entries that the list does not know, has seen with fewer images, or
            that would be empty.
        within: Keep only the first of images that are in training more than once.

    Returns:
        By entry.

    Raises:
        DataError: The file is missing, or is no list of duplicates.
    """
    found = read_duplicates(path)
    report = {}
    for entry in entries:
        where = f'{path} (entry {entry.name!r})'
        place = found.place(TRAIN, entry.name)
        if place is None:
            known = [p.entry for p in found.places if p.split == TRAIN]
            what = f'the list of duplicates does not have this training entry, only {known}'
            problems.add(where, what, AGAIN)
            continue
        folder = (getattr(entry.dataset, 'data_prefix', None) or {}).get('img') or ''
        names = [image_name(entry.image_path(i), folder) for i in range(len(entry.dataset))]
        images = len(set(names))
        if images > place.images:
            what = f'was made of {place.images} images of this entry, which has {images} now'
            problems.add(where, what, AGAIN)
            continue
        if images == place.images and digest_of(names) != place.digest:
            problems.add(where, 'was made of other images of this entry', AGAIN)
            continue
        out = found.left_out(entry.name, within=within)
        keep = [i for i, name in enumerate(names) if name not in out]
        gone = LeftOut(len(names) - len(keep), len(names), len(out.intersection(names)))
        report[entry.name] = gone
        if not keep:
            what = f'all of its {len(names)} persons are on images that are evaluated on'
            problems.add(where, what, 'leave the entry out, or evaluate on something else')
            continue
        if gone.persons:
            entry.dataset.get_subset_(keep)
        print_log(
            f'entry {entry.name!r}: {gone.persons} of {gone.of} persons left out, on '
            f'{gone.images} images that are duplicates ({path})',
            'current',
            logging.WARNING if gone.persons else logging.INFO,
        )
    return report
