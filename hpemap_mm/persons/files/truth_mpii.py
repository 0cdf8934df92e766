"""MPII's annotations: MMPose's json, the official scoring file, or both together.

Dimensions: N annotated persons, K joints of a skeleton.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.arrays import Array, BoolArray, Truth
from hpemap_mm.persons.files.content import load
from hpemap_mm.persons.files.joints import describe_count
from hpemap_mm.persons.files.parts import fill_areas, fill_head_sizes, number_images
from hpemap_mm.persons.files.rows import (
    FARTHEST,
    RowProblems,
    check_objects,
    check_points,
    check_shape,
    is_text,
    real_array,
    rows_where,
    show,
    tables,
)
from hpemap_mm.skeletons import Skeleton, get_skeleton

#: Pixels of a person's height for a scale of 1, as MPII defines it.
PIXELS_PER_SCALE = 200.0
#: MMPose (and everyone since Hourglass) moves the centre down by 15 px per unit of scale.
CENTER_SHIFT = 15.0
#: Head size over the diagonal of the head box, from MPII's evaluation code (evalMPII).
HEAD_SIZE_PER_DIAGONAL = 0.6
#: The scoring file counts pixels from 1, whatever a json beside it does.
SCORING_BASE = 1
#: Pixels by which joints of the two files may differ; they agree to 0.001 but for a few.
FILES_AGREE = 0.5
#: Arrays of the official scoring file that are read.
GT_ARRAYS = ('pos_gt_src', 'jnt_missing', 'headboxes_src')
CORRECT = 'correct the annotation'


def read_mpii_json(
    path: str,
    rows: Sequence[Any],
    *,
    skeleton: Skeleton,
    name: str,
    base: int,
    gt_mat: str | os.PathLike[str] | None,
) -> tuple[Truth, list[str]]:
    """Annotated persons and notes from the rows of MMPose's MPII json.

    The box is the square of 200 x scale px around the centre, which MMPose moves down by
    15 x scale; areas are 0.53 of it. With the official scoring file, joints and head sizes are
    its: it has 0 for a few coordinates that the json knows, and published figures follow it.

    Args:
        path: The file, for messages.
        rows: What it says.
        skeleton: What it is annotated in.
        name: The dataset's name.
        base: Coordinate of the first pixel in the json.
        gt_mat: The official scoring file; where None, one of the usual name beside ``path``.

    Raises:
        DataError: With all problems found.
    """
    notes: list[str] = []
    problems = RowProblems(path, tag=lambda i: f'image {show(rows[i].get("image"))}')
    untagged = RowProblems(path)
    if not rows:
        untagged.add_file('is an empty list', 'list the annotated persons')
    check_objects(rows, untagged)
    untagged.raise_if_any()
    joints = len(skeleton)
    counts = {len(r['joints']) for r in rows if isinstance(r.get('joints'), list)}
    fix = describe_count(max(counts), 1) if counts - {joints} else CORRECT
    points = tables(rows, 'joints', (joints, 2), problems, fix=fix, finite=False)
    flags = tables(rows, 'joints_vis', (joints,), problems, fix=fix)
    centers = tables(rows, 'center', (2,), problems, fix='write x, y')
    scales = tables(rows, 'scale', (), problems, fix="write the person's height / 200 px")
    names = []
    for i, row in enumerate(rows):
        if not is_text(row.get('image')) or not row['image']:
            problems.add(i, f"'image' is {show(row.get('image'))}", 'write its file name')
        names.append(str(row.get('image')))
    for i in rows_where(~np.isin(flags, (0, 1)).all(1)):
        what = f"'joints_vis' is {show(rows[i]['joints_vis'])}"
        problems.add(i, what, '0 is not annotated, 1 is')
    for i in rows_where(
        ((scales < 0) & (scales != -1)) | (scales > FARTHEST) | (abs(centers) > FARTHEST).any(1)
    ):
        what = f"'center' and 'scale' are {centers[i].tolist()} and {scales[i]:g}"
        problems.add(i, what, 'write px, and the height / 200 px')
    valid = flags > 0
    check_points(points, skeleton.joints, problems, fix=CORRECT, matters=valid)
    problems.raise_if_any()

    points, head_sizes = points - base, np.full(len(rows), np.nan)
    official = gt_mat if gt_mat is not None else _beside(path)
    if official is not None:
        points, valid, head_sizes = _official(official, points, valid, skeleton, path, notes)
        notes.append(f'joints and head sizes: {Path(official).name}')
    points = np.where(valid[..., None], points, 0.0)
    image_ids = number_images(names)
    boxes = _boxes(centers, scales, base)
    truth = Truth.build(
        name=name,
        skeleton=skeleton,
        keypoints=points,
        visible=np.where(valid, 2, 0),
        image_ids=image_ids,
        boxes=boxes,
        areas=fill_areas(np.full(len(rows), np.nan), boxes, notes),
        head_sizes=fill_head_sizes(head_sizes, points, valid, skeleton, notes),
        image_names=dict(zip(image_ids.tolist(), names, strict=True)),
        source=path,
    )
    return truth, notes


def read_mpii_mat(
    path: str, arrays: Mapping[str, Any], *, skeleton: Skeleton, name: str, base: int
) -> tuple[Truth, list[str]]:
    """Annotated persons and notes from MPII's official scoring file (``mpii_gt_val.mat``).

    It does not say which persons are in one image.

    Raises:
        DataError: With all problems found.
    """
    points, valid, head_sizes = _scoring(path, arrays, skeleton, base)
    notes = ['the file names no images: every person is taken as an image of its own']
    truth = Truth.build(
        name=name,
        skeleton=skeleton,
        keypoints=points,
        visible=np.where(valid, 2, 0),
        head_sizes=head_sizes,
        source=path,
    )
    return truth, notes


def _scoring(
    path: str, arrays: Mapping[str, Any], skeleton: Skeleton, base: int
) -> tuple[Array, BoolArray, Array]:
    """Points (N, K, 2), 0-based, whether annotated (N, K), and head sizes (N,)."""
    problems = RowProblems(path, noun='person')
    for key in GT_ARRAYS:
        if key not in arrays:
            problems.add_file(f'has no {key!r}', "give MPII's scoring file (mpii_gt_val.mat)")
    problems.raise_if_any()
    positions, missing, boxes = (
        real_array(arrays, key, problems, kinds=kinds)
        for key, kinds in zip(GT_ARRAYS, ('fiu', 'biuf', 'fiu'), strict=True)
    )
    problems.raise_if_any()
    assert positions is not None and missing is not None and boxes is not None
    joints, persons = len(skeleton), positions.shape[-1] if positions.ndim else 0
    if positions.ndim == 3 and not persons:
        problems.add_file("'pos_gt_src' is empty", 'save at least one person')
    elif positions.ndim != 3 or positions.shape[:2] != (joints, 2):
        found = positions.shape[0] if positions.ndim == 3 and positions.shape[1:2] == (2,) else 0
        problems.add_file(
            f"'pos_gt_src' has shape {positions.shape}, not ({joints}, 2, persons)",
            describe_count(found, 1),
        )
    check_shape(missing, 'jnt_missing', (joints, persons), problems)
    check_shape(boxes, 'headboxes_src', (2, 2, persons), problems)
    problems.raise_if_any()
    points, valid = positions.transpose(2, 0, 1) - base, missing.T == 0
    for i in rows_where(~np.isin(missing.T, (0, 1)).all(1)):
        problems.add(i, "'jnt_missing' is neither 0 nor 1", CORRECT)
    check_points(points, skeleton.joints, problems, fix=CORRECT, matters=valid)
    with np.errstate(invalid='ignore', over='ignore'):
        sizes = HEAD_SIZE_PER_DIAGONAL * np.linalg.norm(boxes[1] - boxes[0], axis=0)
        wrong = ~((sizes > 0) & (sizes < FARTHEST))
    for i in rows_where(wrong):
        problems.add(i, f'has a head of {sizes[i]:g} px', 'correct headboxes_src')
    problems.raise_if_any()
    return np.where(valid[..., None], points, 0.0), valid, sizes


def _official(
    official: str | os.PathLike[str],
    points: Array,
    valid: BoolArray,
    skeleton: Skeleton,
    path: str,
    notes: list[str],
) -> tuple[Array, BoolArray, Array]:
    """What the scoring file says of the same persons; both files are 0-based here."""
    where = os.fspath(official)
    content = load(where, GT_ARRAYS)
    if content.kind != 'mat':
        fix = 'give mpii_gt_val.mat'
        raise DataError([Problem(where, f"is {content.kind}, not MPII's scoring file", fix)])
    theirs, counted, sizes = _scoring(where, content.arrays, skeleton, SCORING_BASE)
    if len(theirs) != len(points):
        what = f'has {len(theirs)} persons, but {path} has {len(points)}'
        raise DataError([Problem(where, what, 'give the scoring file of these annotations')])
    both = valid & counted
    apart = (np.abs(theirs - points) > FILES_AGREE).any(-1) & both
    if both.any() and apart.sum() > 0.01 * both.sum():
        what = f'has {int(apart.sum())} of {int(both.sum())} joints elsewhere than {path}'
        fix = "give the scoring file of these annotations, or the json's right base"
        raise DataError([Problem(where, what, fix)])
    if apart.any() or (valid != counted).any():
        notes.append(
            f'{int(apart.sum())} joints lie elsewhere in the two files, '
            f'{int((valid != counted).sum())} are annotated in one only: the scoring file is taken'
        )
    return theirs, counted, sizes


def _beside(path: str) -> Path | None:
    """The scoring file of a json in the same folder, by the names in use."""
    file = Path(path)
    head, _, tail = file.stem.rpartition('_')
    names = [f'{file.stem}_gt.mat', f'gt_{file.stem}.mat', f'{head}_gt_{tail}.mat']
    return next((f for name in names if (f := file.with_name(name)).is_file()), None)


def _boxes(centers: Array, scales: Array, base: int) -> Array:
    """(N, 4) x1, y1, x2, y2; NaN where the file has no centre (-1) or no size."""
    side = PIXELS_PER_SCALE * scales[:, None]
    middle = centers - base
    middle[:, 1] += CENTER_SHIFT * scales
    boxes = np.concatenate([middle - side / 2, middle + side / 2], axis=1)
    boxes[(centers[:, 0] == -1) | (scales <= 0)] = np.nan
    return boxes


def mpii_skeleton(skeleton: Skeleton | None) -> Skeleton:
    """The skeleton that was named, or MPII's."""
    return skeleton or get_skeleton('mpii')
