"""Predictions in arrays: ``.npz``, and MPII-style ``.mat``.

Dimensions: M predicted persons, J joints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpemap_mm.persons.arrays import Array, BoolArray, Predictions, Representation, Truth
from hpemap_mm.persons.files.joints import describe_count
from hpemap_mm.persons.files.pairing import (
    check_ids,
    check_images,
    check_no_copies,
    check_same_images,
    images_of,
    notes_on,
)
from hpemap_mm.persons.files.rows import (
    RowProblems,
    check_finite,
    check_points,
    check_shape,
    real_array,
)

#: What an npz of predictions may hold; ``keypoints`` it must.
PREDICTION_ARRAYS = (
    *('keypoints', 'keypoint_scores', 'answered', 'scores', 'image_ids', 'ids', 'base'),
)
#: What an MPII-style mat holds.
MAT_ARRAYS = ('preds',)
WRITE_AGAIN = 'write finite numbers'


def read_prediction_arrays(
    path: str,
    arrays: Mapping[str, Any],
    *,
    representation: Representation,
    truth: Truth | None,
    name: str,
    base: int,
) -> tuple[Predictions, list[str]]:
    """Predicted persons and notes from the arrays of an npz or an MPII-style mat.

    See :func:`hpemap_mm.persons.files.read_predictions`.

    Raises:
        DataError: With all problems found.
    """
    ids = real_array(arrays, 'ids', (shapes := RowProblems(path)), kinds='iu')
    image_ids = real_array(arrays, 'image_ids', shapes, kinds='iu')
    scores = real_array(arrays, 'scores', shapes)
    points, confidences = _keypoints(arrays, representation, shapes)
    answered = _answered(arrays, points.shape[:2], shapes)
    if answered is not None:
        points = np.where(answered[..., None], points, float(base))
        confidences = None if confidences is None else np.where(answered, confidences, 0.0)
    count = len(points)
    for key, array in (('ids', ids), ('image_ids', image_ids), ('scores', scores)):
        if array is not None:
            check_shape(array, key, (count,), shapes)
    notes: list[str] = []
    by_row = ids is None and image_ids is None
    if ids is None and image_ids is not None:
        notes.append("'image_ids' without 'ids': the rows are taken as detections")
        if scores is None and 'scores' not in arrays:
            fix = "add 'scores', or the persons' 'ids'"
            shapes.add_file("has 'image_ids' but no 'scores'", fix)
    if by_row and truth is not None and count != len(truth):
        shapes.add_file(
            f'has {count} rows, but {truth.source or truth.name} has {len(truth)} persons',
            "write one row for each of them in their order, or add 'ids'",
        )
    shapes.raise_if_any()
    if by_row:
        ids = np.arange(count) if truth is None else truth.ids
        image_ids = np.arange(count) if truth is None else truth.image_ids
        persons = 'a person of its own' if truth is None else "the truth's person i"
        notes.append(f'row i is {persons}')
    listed = ids.tolist() if ids is not None else None
    problems = RowProblems(path, tag=lambda i: f'id {listed[i]}' if listed is not None else '')
    check_points(points, representation.joints, problems, fix=WRITE_AGAIN)
    if confidences is not None:
        check_finite(confidences, 'the score of a joint', problems, fix=WRITE_AGAIN)
    if scores is not None:
        check_finite(scores, 'the score', problems, fix=WRITE_AGAIN)
    if ids is not None:
        fix = 'leave the row out, or name the truth that it belongs to'
        check_ids(ids, truth, problems, fix=fix)
    if image_ids is not None:
        check_images(image_ids, truth, problems)
    problems.raise_if_any()
    if ids is None:
        assert image_ids is not None and scores is not None
        check_no_copies(points, scores, image_ids, problems)
    elif image_ids is None:
        image_ids = np.arange(count) if truth is None else images_of(ids, truth)
    elif truth is not None:
        check_same_images(image_ids, ids, truth, problems)
    problems.raise_if_any()
    predictions = Predictions.build(
        name=name,
        representation=representation,
        keypoints=points - base,
        keypoint_scores=confidences,
        scores=scores,
        image_ids=image_ids,
        ids=ids,
        source=path,
        answered=answered,
    )
    return predictions, [*notes, *notes_on(scores, image_ids, ids, truth)]


def _keypoints(
    arrays: Mapping[str, Any], representation: Representation, problems: RowProblems
) -> tuple[Array, Array | None]:
    """(M, J, 2) points as in the file, and (M, J) confidences if it has them."""
    key = 'keypoints' if 'keypoints' in arrays else MAT_ARRAYS[0]
    table = real_array(arrays, key, problems)
    problems.raise_if_any()
    assert table is not None
    joints = len(representation)
    if table.ndim != 3 or table.shape[1] != joints or table.shape[2] not in (2, 3):
        fix = f'{representation.name} has {joints} joints'
        if table.ndim == 3 and table.shape[1] != joints:
            fix = f'{fix}; {describe_count(table.shape[1], 1)}'
        what = f'{key!r} has shape {table.shape}, not (persons, {joints}, 2 or 3)'
        problems.add_file(what, fix)
    elif not len(table):
        problems.add_file(f'{key!r} is empty', 'save at least one predicted person')
    problems.raise_if_any()
    confidences = real_array(arrays, 'keypoint_scores', problems)
    if 'keypoint_scores' in arrays and table.shape[2] == 3:
        problems.add_file(
            f"has 'keypoint_scores' and a third column in {key!r}", 'leave one of them out'
        )
    elif confidences is not None:
        check_shape(confidences, 'keypoint_scores', table.shape[:2], problems)
    elif table.shape[2] == 3:
        confidences = table[..., 2]
    problems.raise_if_any()
    return table[..., :2], confidences


def _answered(
    arrays: Mapping[str, Any], shape: tuple[int, ...], problems: RowProblems
) -> BoolArray | None:
    """(M, J): which joints were predicted, if the file says so."""
    given = real_array(arrays, 'answered', problems, kinds='biu')
    if given is None or not check_shape(given, 'answered', shape, problems):
        return None
    if not np.isin(given, (0, 1)).all():
        problems.add_file("'answered' holds other numbers than 0 and 1", 'save booleans')
        return None
    return np.asarray(given > 0, bool)
