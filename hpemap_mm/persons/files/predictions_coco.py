"""Predictions in COCO's results json.

Dimensions: M predicted persons, J joints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hpemap_mm.persons.arrays import Array, Predictions, Representation, Truth
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
    check_objects,
    check_points,
    integers,
    show,
    tables,
)

#: Keys that can only mean the annotated person; ``id`` may also number the detections.
PERSON_KEYS = ('annotation_id', 'instance_id')
WRITE_AGAIN = 'write finite numbers'


def read_results(
    path: str,
    rows: list[Any],
    *,
    representation: Representation,
    truth: Truth | None,
    name: str,
    base: int,
    pairing: str | None,
) -> tuple[Predictions, list[str]]:
    """Predicted persons and notes from the value of a COCO-results json.

    See :func:`hpemap_mm.persons.files.read_predictions`.

    Raises:
        DataError: With all problems found.
    """
    untagged = RowProblems(path)
    if not rows:
        untagged.add_file('is an empty list', 'write at least one predicted person')
    check_objects(rows, untagged)
    untagged.raise_if_any()
    notes: list[str] = []
    key = _person_key(rows, truth, pairing, notes)
    problems = RowProblems(path, tag=lambda i: _tag(rows[i], key))

    table = _keypoints(rows, representation, problems)
    scores = tables(rows, 'score', (), problems, fix='write a finite number, the confidence')
    _check_category(rows, problems, notes)
    ids = None
    if key is not None:
        ids = integers(rows, key, problems, fix="write the annotated person's id in every row")
    given = key is None or truth is None or any('image_id' in row for row in rows)
    image_ids = (
        integers(rows, 'image_id', problems, fix="write the id of the person's image")
        if given
        else None
    )
    problems.raise_if_any()
    if image_ids is not None:
        check_images(image_ids, truth, problems)
    if ids is not None:
        check_ids(ids, truth, problems, fix=_unknown_fix(key))
        if image_ids is not None and truth is not None:
            check_same_images(image_ids, ids, truth, problems)
    else:
        assert image_ids is not None
        check_no_copies(table, scores, image_ids, problems)
    problems.raise_if_any()
    if image_ids is None:
        assert ids is not None and truth is not None
        image_ids = images_of(ids, truth)
    predictions = Predictions.build(
        name=name,
        representation=representation,
        keypoints=table[..., :2] - base,
        keypoint_scores=table[..., 2],
        scores=scores,
        image_ids=image_ids,
        ids=ids,
        source=path,
    )
    return predictions, [*notes, *notes_on(scores, image_ids, ids, truth)]


def _person_key(
    rows: Sequence[Mapping[str, Any]], truth: Truth | None, pairing: str | None, notes: list[str]
) -> str | None:
    """The key of the annotated person's id; None where the rows are detections."""
    if pairing == 'detections':
        return None
    for key in PERSON_KEYS:
        if any(key in row for row in rows):
            return key
    if pairing == 'ids':
        return 'id' if any('id' in row for row in rows) else PERSON_KEYS[0]
    if truth is None or not any('id' in row for row in rows):
        return None
    known = set(truth.ids.tolist())
    if any(type(row.get('id')) is int and row['id'] in known for row in rows):
        return 'id'
    notes.append("'id' is no person of the truth in any row: the rows are taken as detections")
    return None


def _unknown_fix(key: str | None) -> str:
    if key == 'id':
        return "leave the row out; where 'id' numbers the detections, say so (pairing 'detections')"
    return 'leave the row out, or name the truth that it belongs to'


def _keypoints(
    rows: Sequence[Mapping[str, Any]], representation: Representation, problems: RowProblems
) -> Array:
    """(M, J, 3) x, y, score as in the file."""
    joints = len(representation)
    lengths = Counter(len(r['keypoints']) for r in rows if type(r.get('keypoints')) is list)
    most = lengths.most_common(1)[0][0] if lengths else 0
    fix = f'write x, y, score for each of the {joints} joints of {representation.name}'
    if most == 2 * joints:
        fix = f'{fix}; these rows look like x, y alone'
    elif most != 3 * joints and lengths:
        fix = f'{fix}; {describe_count(most, 3)}'
    table = tables(rows, 'keypoints', (3 * joints,), problems, fix=fix, finite=False)
    table = table.reshape(len(rows), joints, 3)
    check_points(table[..., :2], representation.joints, problems, fix=WRITE_AGAIN)
    check_finite(table[..., 2], 'the score of a joint', problems, fix=WRITE_AGAIN)
    return table


def _check_category(
    rows: Sequence[Mapping[str, Any]], problems: RowProblems, notes: list[str]
) -> None:
    """Persons are one category: note rows of others."""
    found = Counter(
        row['category_id'] for row in rows if type(row.get('category_id')) is int
    ).most_common()
    for i, row in enumerate(rows):
        value = row.get('category_id', found[0][0] if found else 1)
        if type(value) is not int:
            problems.add(i, f"'category_id' is {show(value)}", 'write the category of persons')
        elif found and value != found[0][0]:
            what = f"'category_id' is {show(value)}, elsewhere {show(found[0][0])}"
            problems.add(i, what, 'keep persons only')
    if found and found[0][0] != 1:
        notes.append(f"the persons' category is {show(found[0][0])}; COCO's is 1")


def _tag(row: Mapping[str, Any], key: str | None) -> str:
    parts = [f'image {show(row["image_id"])}'] if 'image_id' in row else []
    parts += [f'id {show(row[key])}'] if key is not None and key in row else []
    return ', '.join(parts)
