"""Annotated persons from ``.npz``: plain arrays, and LSP's.

Dimensions: N annotated persons, K joints of a skeleton.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpemap_mm.persons.arrays import Array, BoolArray, Truth
from hpemap_mm.persons.files.joints import describe_count, skeletons_with
from hpemap_mm.persons.files.parts import fill_areas, fill_head_sizes, number_images
from hpemap_mm.persons.files.rows import (
    FARTHEST,
    RowProblems,
    check_points,
    check_shape,
    check_unique,
    real_array,
    rows_where,
)
from hpemap_mm.skeletons import Skeleton, get_skeleton

#: What an npz of annotated persons may hold; ``keypoints`` it must.
TRUTH_ARRAYS = (
    *('keypoints', 'visible', 'ids', 'image_ids', 'image', 'boxes', 'areas', 'head_sizes'),
    *('crowd', 'images', 'base'),
)
#: What LSP's npz holds, as this project's data have it.
LSP_ARRAYS = ('image', 'joints')
#: Factor on the extent of LSP's joints, which end at wrists, ankles and the top of the head.
LSP_BOX_PADDING = 1.2
#: Unicode's last character, and the upper bits of those codes below it that are none.
LAST_CHARACTER, SURROGATES = 0x10FFFF, 0xD800 >> 11
CORRECT = 'correct the annotation'
VISIBLE = "add 'visible' (N, K): 0 is not annotated, 1 occluded, 2 visible"


def read_truth_arrays(
    path: str, arrays: Mapping[str, Any], *, skeleton: Skeleton | None, name: str, base: int
) -> tuple[Truth, list[str]]:
    """Annotated persons and notes from plain arrays.

    ``keypoints`` (N, K, 2), or (N, K, 3) with the visibility; ``visible`` (N, K); ``ids``,
    ``image_ids`` (N,) integers; ``image`` (N,) file names; ``boxes`` (N, 4) x1, y1, x2, y2;
    ``areas`` and ``head_sizes`` (N,); ``crowd`` (N,) 0 or 1; ``images`` (I,) ids of all annotated
    images. All but the first are optional; NaN in boxes, areas and head sizes is "unknown".

    Raises:
        DataError: With all problems found.
    """
    notes: list[str] = []
    problems = RowProblems(path, noun='person')
    points, visible = _keypoints(arrays, skeleton, problems, notes)
    skeleton = skeleton or _only_skeleton(points.shape[1], problems)
    problems.raise_if_any()
    assert skeleton is not None
    count = len(points)
    ids = real_array(arrays, 'ids', problems, kinds='iu')
    if check_shape(ids, 'ids', (count,), problems):
        assert ids is not None
        check_unique(ids, 'id', problems, fix='give each person an id of its own')
    image_ids = real_array(arrays, 'image_ids', problems, kinds='iu')
    check_shape(image_ids, 'image_ids', (count,), problems)
    names = _names(arrays, count, problems)
    images = real_array(arrays, 'images', problems, kinds='iu')
    boxes, areas, head_sizes = (
        _optional(arrays, key, shape, problems)
        for key, shape in (('boxes', (count, 4)), ('areas', (count,)), ('head_sizes', (count,)))
    )
    crowd = real_array(arrays, 'crowd', problems, kinds='biu')
    check_shape(crowd, 'crowd', (count,), problems)
    check_points(points, skeleton.joints, problems, fix=CORRECT, matters=visible > 0)
    problems.raise_if_any()
    if image_ids is None:
        image_ids = number_images(names) if names else np.arange(count)
        if not names:
            notes.append('the file names no images: every person is taken as an image of its own')
    if images is not None:
        for i in rows_where(~np.isin(image_ids, images)):
            problems.add(i, f'image {image_ids[i]} is not among the images', 'list it there too')
        problems.raise_if_any()
    points, boxes = np.where((visible > 0)[..., None], points - base, 0.0), boxes - base
    truth = Truth.build(
        name=name,
        skeleton=skeleton,
        keypoints=points,
        visible=visible,
        ids=ids,
        image_ids=image_ids,
        boxes=boxes,
        areas=fill_areas(areas, boxes, notes),
        head_sizes=fill_head_sizes(head_sizes, points, visible > 0, skeleton, notes),
        crowd=crowd,
        images=None if images is None else np.unique(images),
        image_names=dict(zip(image_ids.tolist(), names, strict=True)) if names else None,
        source=path,
    )
    return truth, notes


def read_lsp(
    path: str, arrays: Mapping[str, Any], *, skeleton: Skeleton | None, name: str, base: int
) -> tuple[Truth, list[str]]:
    """Annotated persons and notes from LSP's ``image`` (N,) and ``joints`` (N, K, 3) arrays.

    A joint counts as annotated where its label is set and no coordinate is negative. The box is
    the extent of these joints, 1.2 times; it is not clipped to the image.

    Raises:
        DataError: With all problems found.
    """
    problems = RowProblems(path, noun='person')
    skeleton = skeleton or get_skeleton('lsp')
    table = real_array(arrays, 'joints', problems)
    if table is not None and (table.ndim != 3 or table.shape[1:] != (len(skeleton), 3)):
        problems.add_file(
            f"'joints' has shape {table.shape}, not (persons, {len(skeleton)}, 3)",
            describe_count(table.shape[1] if table.ndim == 3 else 0, 1),
        )
    if table is not None and not len(table):
        problems.add_file("'joints' is empty", 'save at least one person')
    problems.raise_if_any()
    assert table is not None
    names = _names(arrays, len(table), problems)
    if 'image' not in arrays:
        problems.add_file("has no 'image'", f'save {len(table)} file names')
    labelled = table[..., 2] > 0
    check_points(table[..., :2], skeleton.joints, problems, fix=CORRECT, matters=labelled)
    for i in rows_where(~np.isin(table[..., 2], (0, 1)).all(1)):
        problems.add(i, 'has a label that is neither 0 nor 1', CORRECT)
    problems.raise_if_any()
    valid = labelled & (table[..., :2] >= 0).all(-1)
    points = np.where(valid[..., None], table[..., :2] - base, 0.0)
    boxes = _around(points, valid)
    notes = [f'boxes: the extent of the joints x {LSP_BOX_PADDING}, not clipped to the image']
    first = {name: i for i, name in enumerate(dict.fromkeys(names))}
    image_ids = np.array([first[name] for name in names])
    truth = Truth.build(
        name=name,
        skeleton=skeleton,
        keypoints=points,
        visible=np.where(valid, 2, 0),
        image_ids=image_ids,
        boxes=boxes,
        areas=fill_areas(np.full(len(table), np.nan), boxes, notes),
        image_names=dict(zip(image_ids.tolist(), names, strict=True)),
        source=path,
    )
    return truth, notes


def _keypoints(
    arrays: Mapping[str, Any],
    skeleton: Skeleton | None,
    problems: RowProblems,
    notes: list[str],
) -> tuple[Array, Any]:
    """(N, K, 2) points as in the file and (N, K) uint8 visibility."""
    table = real_array(arrays, 'keypoints', problems)
    if table is None:
        problems.add_file("has no usable 'keypoints'", f'it may hold {", ".join(TRUTH_ARRAYS)}')
        problems.raise_if_any()
    assert table is not None
    joints = None if skeleton is None else len(skeleton)
    shaped = table.ndim == 3 and table.shape[2] in (2, 3) and joints in (None, table.shape[1])
    if not shaped or not len(table):
        problems.add_file(
            f"'keypoints' has shape {table.shape}, not (persons, {joints or 'joints'}, 2 or 3)",
            describe_count(table.shape[1] if table.ndim == 3 else 0, 1),
        )
        problems.raise_if_any()
    points, flags = table[..., :2], real_array(arrays, 'visible', problems, kinds='biuf')
    if flags is not None:
        if table.shape[2] == 3:
            problems.add_file("has 'visible' and a third column in 'keypoints'", 'leave one out')
        check_shape(flags, 'visible', table.shape[:2], problems)
        problems.raise_if_any()
    elif table.shape[2] == 3:
        flags = table[..., 2]
    else:
        notes.append('no visibility: every joint counts as annotated')
        bad = np.isnan(points).any(-1)
        for i in rows_where(bad.any(1)):
            problems.add(i, f'{int(bad[i].sum())} joints are NaN', VISIBLE)
        flags = np.full(table.shape[:2], 2.0)
    wrong = ~np.isin(flags, (0, 1, 2))
    for i in rows_where(wrong.any(1)):
        problems.add(i, f'has the visibility {flags[i][wrong[i]][0]:g}', VISIBLE)
    problems.raise_if_any()
    return points, flags.astype(np.uint8)


def _only_skeleton(joints: int, problems: RowProblems) -> Skeleton | None:
    known = skeletons_with(joints)
    if len(known) == 1:
        return get_skeleton(known[0])
    which = f'may be {", ".join(known)}' if known else 'no known skeleton has'
    problems.add_file(f'has {joints} joints, which {which}', 'name the skeleton of the truth')
    return None


def _names(arrays: Mapping[str, Any], count: int, problems: RowProblems) -> list[str]:
    """File names of the persons' images; empty if the file has none."""
    if 'image' not in arrays:
        return []
    array = arrays['image']
    if array.dtype.kind != 'U' or array.shape != (count,):
        what = f"'image' has shape {array.shape} of {array.dtype}"
        problems.add_file(what, f'save {count} file names')
        return []
    codes = np.ascontiguousarray(array, f'=U{array.itemsize // 4}').view(np.uint32)
    if np.any((codes > LAST_CHARACTER) | ((codes >> 11) == SURROGATES)):
        problems.add_file("'image' holds numbers that are no characters", 'save file names')
        return []
    return [str(name) for name in array.tolist()]


def _optional(
    arrays: Mapping[str, Any], name: str, shape: tuple[int, ...], problems: RowProblems
) -> Array:
    """Positive sizes or coordinates; NaN where unknown."""
    array = real_array(arrays, name, problems)
    if array is None:
        return np.full(shape, np.nan)
    if not check_shape(array, name, shape, problems):
        return np.full(shape, np.nan)
    flat = array.reshape(len(array), -1)
    limit = FARTHEST**2 if name == 'areas' else FARTHEST
    with np.errstate(invalid='ignore'):
        wrong = np.abs(flat) > limit
        if name == 'head_sizes':
            wrong |= flat <= 0
        elif name == 'areas':
            wrong |= flat < 0
    for i in rows_where(wrong.any(1)):
        value = flat[i][wrong[i]][0]
        problems.add(i, f'has {value:g} in {name!r}', 'correct it; NaN is "unknown"')
    if name == 'boxes':
        for i in rows_where((array[:, 2:] < array[:, :2]).any(1)):
            problems.add(i, f'has the box {array[i].tolist()}', 'write x1, y1, x2, y2')
    return array


def _around(points: Array, valid: BoolArray) -> Array:
    """(N, 4) widened boxes around the annotated joints; NaN where there is none."""
    inside = np.where(valid[..., None], points, np.inf).min(1)
    outside = np.where(valid[..., None], points, -np.inf).max(1)
    empty = ~valid.any(1)
    inside[empty] = outside[empty] = np.nan
    middle, half = (inside + outside) / 2, (outside - inside) / 2 * LSP_BOX_PADDING
    return np.concatenate([middle - half, middle + half], axis=1)
