"""What predicted persons have to do with a truth: ids, images, duplicates, missing persons.

Dimensions: M predicted persons, N annotated ones, J joints.
"""

from __future__ import annotations

import numpy as np

from hpemap_mm.persons.arrays import Array, IntArray, Truth
from hpemap_mm.persons.files.rows import RowProblems, check_unique, rows_where


def check_ids(ids: IntArray, truth: Truth | None, problems: RowProblems, *, fix: str) -> None:
    """Note rows whose person occurred before, or that the truth lacks."""
    check_unique(ids, 'person', problems, fix='predict each person once')
    if truth is None:
        return
    for row in rows_where(~np.isin(ids, truth.ids)):
        problems.add(row, f'{_title(truth)} has no person {ids[row]}', fix)


def check_images(image_ids: IntArray, truth: Truth | None, problems: RowProblems) -> None:
    """Note rows in images that the truth lacks."""
    if truth is None:
        return
    for row in rows_where(~np.isin(image_ids, truth.images)):
        what = f'{_title(truth)} has no image {image_ids[row]}'
        problems.add(row, what, 'leave the row out, or name the truth that it belongs to')


def images_of(ids: IntArray, truth: Truth) -> IntArray:
    """The image of each person by the truth; (M,). Persons that it lacks have any."""
    if not len(truth):
        return np.zeros(len(ids), np.int64)
    order = np.argsort(truth.ids)
    places = np.searchsorted(truth.ids[order], ids).clip(max=len(truth) - 1)
    return truth.image_ids[order][places]


def check_same_images(
    image_ids: IntArray, ids: IntArray, truth: Truth, problems: RowProblems
) -> None:
    """Note rows whose image is not that of their person."""
    expected = images_of(ids, truth)
    for row in rows_where((image_ids != expected) & np.isin(ids, truth.ids)):
        problems.add(
            row,
            f'person {ids[row]} is in image {expected[row]}, the row says {image_ids[row]}',
            "correct it, or read the rows as detections (pairing 'detections')",
        )


def check_no_copies(
    keypoints: Array, scores: Array, image_ids: IntArray, problems: RowProblems
) -> None:
    """Note detections that repeat another one of the same image, number for number."""
    table = np.column_stack([scores, keypoints.reshape(len(keypoints), -1)])
    seen: dict[tuple[int, bytes], int] = {}
    for row, (image, numbers) in enumerate(zip(image_ids.tolist(), table, strict=True)):
        earlier = seen.setdefault((image, numbers.tobytes()), row)
        if earlier != row:
            problems.add(row, f'repeats {problems.noun} {earlier}', 'leave copies out')


def notes_on(
    scores: Array | None, image_ids: IntArray, ids: IntArray | None, truth: Truth | None
) -> list[str]:
    """What a reader of results should know about predictions that are in order."""
    notes = []
    if scores is None:
        notes.append('no scores: every person has 1, so that AP has nothing to sort by')
    elif len(scores) > 1 and (scores == scores[0]).all():
        notes.append(f'all scores are {scores[0]:g}: AP has nothing to sort by')
    if truth is None:
        return notes
    if ids is None:
        empty = int((~np.isin(truth.images, image_ids)).sum())
        if empty:
            notes.append(f'{empty} of {len(truth.images)} images have no detection')
        return notes
    missing = int((~np.isin(truth.ids, ids) & ~truth.crowd).sum())
    if missing:
        notes.append(
            f'{missing} of {len(truth)} persons were not predicted: their joints count as wrong'
        )
    return notes


def _title(truth: Truth) -> str:
    return truth.source or truth.name
