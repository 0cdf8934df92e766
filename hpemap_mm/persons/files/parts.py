"""What all readers of annotated persons share: boxes, areas, head sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from hpemap_mm.persons.arrays import Array, BoolArray, IntArray
from hpemap_mm.skeletons import Skeleton

#: A person's area over the area of its box, where a file has no areas. CrowdPose's evaluation
#: code uses it, and MMPose does everywhere.
AREA_PER_BOX = 0.53
#: MPII's head size over |upper_neck - head_top|: on MPII val the ratio is 0.75 from the 5th to
#: the 95th percentile.
HEAD_SIZE_PER_NECK_TO_TOP = 0.75


def box_areas(boxes: Array) -> Array:
    """0.53 x the area of boxes (N, 4) x1, y1, x2, y2; NaN where a box is unknown or empty; (N,)."""
    sides = boxes[:, 2:] - boxes[:, :2]
    with np.errstate(invalid='ignore'):
        return np.where((sides > 0).all(1), AREA_PER_BOX * sides.prod(1), np.nan)


def fill_areas(areas: Array, boxes: Array, notes: list[str]) -> Array:
    """Areas (N,) with NaN replaced from the boxes (N, 4); says so in the notes."""
    missing = np.isnan(areas)
    if not missing.any():
        return areas
    filled = np.where(missing, box_areas(boxes), areas)
    count = int((missing & ~np.isnan(filled)).sum())
    if count:
        notes.append(f'areas: {AREA_PER_BOX} x the box for {_of(count, len(areas))} without one')
    if unknown := int(np.isnan(filled).sum()):
        notes.append(f'areas: unknown for {_of(unknown, len(areas))} (no OKS)')
    return filled


def fill_head_sizes(
    sizes: Array, points: Array, valid: BoolArray, skeleton: Skeleton, notes: list[str]
) -> Array:
    """Head sizes (N,) with NaN replaced by 0.75 x |upper_neck - head_top|; says so in the notes.

    Only in skeletons that have MPII's two joints, and where both are annotated.

    Args:
        sizes: (N,) px; NaN where unknown.
        points: (N, K, 2).
        valid: (N, K): whether a joint is annotated.
        skeleton: Of the points.
        notes: Where to say so.
    """
    ends = ('upper_neck', 'head_top')
    if not set(ends) <= set(skeleton.joints):
        return sizes
    neck, top = map(skeleton.index, ends)
    length = np.linalg.norm(points[:, top] - points[:, neck], axis=-1)
    usable = np.isnan(sizes) & valid[:, neck] & valid[:, top] & (length > 0)
    filled = np.where(usable, HEAD_SIZE_PER_NECK_TO_TOP * length, sizes)
    if usable.any():
        notes.append(
            f'head sizes: {HEAD_SIZE_PER_NECK_TO_TOP} x |upper_neck - head_top| for '
            f'{_of(int(usable.sum()), len(sizes))}; not the official head boxes'
        )
    if unknown := int(np.isnan(filled).sum()):
        notes.append(f'head sizes: unknown for {_of(unknown, len(sizes))} (no PCKh)')
    return filled


def number_images(names: Sequence[str]) -> IntArray:
    """An id for the image of each row, from the images' names; (N,).

    It is the name itself where all names are different numbers, as MPII's are; else the
    position of its first occurrence. The MPII dataset numbers its images in the same way.
    """
    unique = list(dict.fromkeys(names))
    stems = [PurePosixPath(name).stem if '/' not in name else '' for name in unique]
    if all(stem.isascii() and stem.isdigit() and len(stem) <= 18 for stem in stems):
        numbers = [int(stem) for stem in stems]
        if len(set(numbers)) == len(numbers):
            ids = dict(zip(unique, numbers, strict=True))
            return np.array([ids[name] for name in names], np.int64)
    ids = {name: i for i, name in enumerate(unique)}
    return np.array([ids[name] for name in names], np.int64)


def _of(count: int, total: int) -> str:
    return f'{count} of {total} persons'
