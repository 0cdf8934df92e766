"""Annotations in COCO's json: COCO, AIC, CrowdPose, Halpe, OCHuman, WholeBody, PoseTrack, ...

Dimensions: N annotated persons, K joints of a skeleton.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpemap_mm.persons.arrays import Array, BoolArray, IntArray, Truth
from hpemap_mm.persons.files.content import RepeatedKeys
from hpemap_mm.persons.files.joints import NAMES_AGREE, agreement, describe_count, recognise
from hpemap_mm.persons.files.parts import fill_areas, fill_head_sizes
from hpemap_mm.persons.files.rows import (
    FARTHEST,
    RowProblems,
    check_objects,
    check_points,
    check_unique,
    integers,
    is_text,
    rows_where,
    show,
    tables,
)
from hpemap_mm.skeletons import Skeleton, get_skeleton, list_skeletons

#: COCO-WholeBody's own file keeps the joints after the first 17 under other keys, in this order.
WHOLEBODY_PARTS = ('keypoints', 'foot_kpts', 'face_kpts', 'lefthand_kpts', 'righthand_kpts')
#: Halpe's own file has 136 joints; the first 26 are the body's and the feet's (Halpe-26).
HALPE_JOINTS = 136
CORRECT = 'correct the annotation'


def read_coco_truth(
    path: str, value: Mapping[str, Any], *, skeleton: Skeleton | None, name: str, base: int
) -> tuple[Truth, list[str]]:
    """Annotated persons and notes from the value of a COCO-style json file.

    Boxes are x, y, w, h in the file and x1, y1, x2, y2 = x, y, x + w, y + h here.

    Args:
        path: The file, for messages.
        value: What it says.
        skeleton: What it is annotated in; by default the one whose joints the category names.
        name: The dataset's name.
        base: Coordinate of the first pixel.

    Raises:
        DataError: With all problems found.
    """
    notes: list[str] = []
    images, names, crowding = _images(path, value)
    rows, places = _person_rows(path, value, notes)
    problems = RowProblems(
        path,
        noun='annotation',
        tag=lambda i: f'id {show(rows[i].get("id"))}, entry {places[i]}',
    )
    fix = 'number the annotations with different integers'
    ids = integers(rows, 'id', problems, fix=fix)
    image_ids = integers(rows, 'image_id', problems, fix="write the id of the person's image")
    skeleton = _skeleton(value, rows, skeleton, problems, notes)
    problems.raise_if_any()
    assert skeleton is not None
    check_unique(ids, 'id', problems, fix=fix)
    for i in rows_where(~np.isin(image_ids, images)):
        problems.add(i, f'image_id {image_ids[i]} is not among the images', 'list the image too')
    points, visible = _keypoints(rows, skeleton, problems, notes)
    boxes = _boxes(rows, problems)
    areas = tables(rows, 'area', (), problems, fix='write px^2, or leave it out', optional=True)
    for i in rows_where(areas < 0):
        problems.add(i, f"'area' is {areas[i]:g}", 'write px^2, or leave it out')
    crowd = _crowd(rows, problems)
    problems.raise_if_any()
    points = np.where((visible > 0)[..., None], points - base, 0.0)
    boxes = boxes - base
    unknown = np.full(len(rows), np.nan)
    truth = Truth.build(
        name=name,
        skeleton=skeleton,
        keypoints=points,
        visible=visible,
        ids=ids,
        image_ids=image_ids,
        boxes=boxes,
        areas=fill_areas(areas, boxes, notes),
        head_sizes=fill_head_sizes(unknown, points, visible > 0, skeleton, notes),
        crowd=crowd,
        images=images,
        image_names=names,
        crowd_index=crowding,
        source=path,
    )
    return truth, notes


def _images(path: str, value: Mapping[str, Any]) -> tuple[IntArray, dict[int, str], dict]:
    """Ids of all images, their names, and CrowdPose's crowding."""
    problems = RowProblems(path, noun='image')
    if isinstance(value, RepeatedKeys):
        problems.add_file(f'has {list(value.repeated)} more than once', 'write each key once')
    rows = value.get('images')
    if not isinstance(rows, list) or not rows:
        problems.add_file(f"'images' is {show(rows)}", 'list the annotated images, each with an id')
        problems.raise_if_any()
    assert isinstance(rows, list)
    check_objects(rows, problems)
    problems.raise_if_any()
    fix = 'number the images with different integers'
    ids = integers(rows, 'id', problems, fix=fix)
    problems.raise_if_any()
    check_unique(ids, 'id', problems, fix=fix)
    names = {}
    for i, row in enumerate(rows):
        if is_text(row.get('file_name')):
            names[int(ids[i])] = row['file_name']
        elif 'file_name' in row:
            problems.add(i, f"'file_name' is {show(row['file_name'])}", 'write its name')
    crowding = tables(
        rows, 'crowdIndex', (), problems, fix='write a number from 0 to 1', optional=True
    )
    for i in rows_where((crowding < 0) | (crowding > 1)):
        problems.add(i, f"'crowdIndex' is {crowding[i]:g}", 'write a number from 0 to 1')
    problems.raise_if_any()
    known = {int(i): float(c) for i, c in zip(ids, crowding, strict=True) if not np.isnan(c)}
    return ids, names, known


def _person_rows(
    path: str, value: Mapping[str, Any], notes: list[str]
) -> tuple[list[dict[str, Any]], list[int]]:
    """The annotations of persons, and their places in the file's list."""
    problems = RowProblems(path, noun='annotation')
    rows = value.get('annotations')
    if not isinstance(rows, list) or not rows:
        problems.add_file(f"'annotations' is {show(rows)}", 'list the annotated persons')
        problems.raise_if_any()
    assert isinstance(rows, list)
    check_objects(rows, problems)
    problems.raise_if_any()
    categories = _categories(value)
    listed = [category['id'] for category in categories]
    for i, row in enumerate(rows):
        if listed and ('category_id' in row or len(listed) > 1):
            category = row.get('category_id')
            if type(category) is not int or category not in listed:
                what = f"'category_id' is {show(category)}"
                problems.add(i, what, f'write one of {show(listed)}')
    problems.raise_if_any()
    if len(listed) < 2:
        return rows, list(range(len(rows)))
    persons = [c['id'] for c in categories if c.get('name') == 'person']
    places = [i for i, row in enumerate(rows) if row['category_id'] in persons]
    if len(persons) != 1 or not places:
        what = f'has {len(listed)} categories and {len(places)} annotations of one named person'
        problems.add_file(what, "name the persons' category 'person'")
    problems.raise_if_any()
    if len(places) < len(rows):
        notes.append(f'{len(rows) - len(places)} annotations of other categories are left out')
    return [rows[i] for i in places], places


def _categories(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    categories = value.get('categories')
    if not isinstance(categories, list):
        return []
    return [c for c in categories if isinstance(c, dict) and type(c.get('id')) is int]


def _joint_names(value: Mapping[str, Any]) -> Sequence[Any]:
    """Names of the joints that the persons' category gives; empty if it gives none."""
    categories = _categories(value)
    persons = [c for c in categories if c.get('name') == 'person'] or categories
    names = persons[0].get('keypoints') if persons else None
    return names if isinstance(names, list) else ()


def _skeleton(
    value: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    wanted: Skeleton | None,
    problems: RowProblems,
    notes: list[str],
) -> Skeleton | None:
    """The skeleton that was named, if the file does not contradict; else the one it names."""
    names = _joint_names(value)
    lengths = Counter(len(r['keypoints']) for r in rows if isinstance(r.get('keypoints'), list))
    if not lengths:
        problems.add_file("no annotation has 'keypoints'", 'name a file with keypoints')
        return None
    joints = lengths.most_common(1)[0][0] // 3
    found = recognise(names, joints)
    if wanted is None:
        if found is None:
            called = f'named {show(list(names))}' if names else 'without names'
            problems.add_file(
                f'has {joints} joints {called}: no known skeleton',
                f'name the skeleton: {", ".join(list_skeletons())}',
            )
        return found
    if found is not None and agreement(names, found) > agreement(names, wanted):
        if len(found) == len(wanted):
            problems.add_file(
                f'names the joints of {found.name!r}, not those of {wanted.name!r}',
                f'name {found.name!r} as the skeleton of the truth',
            )
    elif names and agreement(names, wanted) < NAMES_AGREE:
        notes.append(f"the file's own names of the joints are not those of {wanted.name}")
    return wanted


def _keypoints(
    rows: list[dict[str, Any]], skeleton: Skeleton, problems: RowProblems, notes: list[str]
) -> tuple[Array, Any]:
    """(N, K, 2) points as in the file, and (N, K) uint8 visibility."""
    count = len(skeleton)
    rows, cut = _in_one_list(rows, skeleton)
    if cut:
        notes.append(f"the first {count} of the file's {cut} joints are read")
    width = 3 * (cut or count)
    fix = describe_count(
        Counter(
            len(r['keypoints']) for r in rows if isinstance(r.get('keypoints'), list)
        ).most_common(1)[0][0],
        3,
    )
    table = tables(rows, 'keypoints', (width,), problems, fix=fix, finite=False)
    table = table.reshape(len(rows), -1, 3)[:, :count]
    flags = table[..., 2]
    wrong: BoolArray = ~((flags >= 0) & (flags <= 2))
    for i in rows_where(wrong.any(1)):
        k = int(np.flatnonzero(wrong[i])[0])
        what = f'visibility of {skeleton.joints[k]} is {flags[i, k]:g}'
        problems.add(i, what, '0 is not annotated, 1 occluded, 2 visible')
    # WholeBody's hands and feet have confidences: above 0 counts as annotated, as in MMPose.
    visible = np.ceil(np.where(wrong, 0.0, flags)).astype(np.uint8)
    if np.any(flags[~wrong] % 1):
        notes.append('visibilities between 0 and 1 count as annotated')
    check_points(table[..., :2], skeleton.joints, problems, fix=CORRECT, matters=visible > 0)
    return table[..., :2], visible


def _in_one_list(
    rows: list[dict[str, Any]], skeleton: Skeleton
) -> tuple[list[dict[str, Any]], int]:
    """Rows whose ``keypoints`` hold all joints, and how many there are if more than wanted."""
    lengths = {len(r['keypoints']) for r in rows if isinstance(r.get('keypoints'), list)}
    if lengths == {3 * HALPE_JOINTS} and skeleton.joints == get_skeleton('halpe').joints:
        return rows, HALPE_JOINTS
    in_parts = all(isinstance(r.get(key), list) for r in rows for key in WHOLEBODY_PARTS)
    if in_parts and skeleton.joints == get_skeleton('coco_wholebody').joints:
        joined = [{**r, 'keypoints': [n for key in WHOLEBODY_PARTS for n in r[key]]} for r in rows]
        return joined, 0
    return rows, 0


def _boxes(rows: Sequence[Mapping[str, Any]], problems: RowProblems) -> Array:
    """(N, 4) x1, y1, x2, y2 as in the file; NaN where there is none."""
    fix = 'write x, y, w, h, or leave it out'
    boxes = tables(rows, 'bbox', (4,), problems, fix=fix, optional=True)
    with np.errstate(over='ignore'):
        boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    for i in rows_where((np.abs(boxes) > FARTHEST).any(1)):
        problems.add(i, f"'bbox' reaches farther than {FARTHEST:g} px", fix)
    return boxes


def _crowd(rows: Sequence[Mapping[str, Any]], problems: RowProblems) -> BoolArray:
    flags = [row.get('iscrowd', 0) for row in rows]
    for i, flag in enumerate(flags):
        if type(flag) not in (int, bool) or flag not in (0, 1):
            problems.add(i, f"'iscrowd' is {show(flag)}", 'write 0 or 1')
            flags[i] = 0
    return np.array(flags, bool)
