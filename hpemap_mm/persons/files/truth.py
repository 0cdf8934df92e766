"""Annotated persons from a file of any of the kinds in use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.arrays import Truth
from hpemap_mm.persons.files.content import Content, load
from hpemap_mm.persons.files.names import check_base, check_names
from hpemap_mm.persons.files.rows import listed
from hpemap_mm.persons.files.truth_arrays import (
    LSP_ARRAYS,
    TRUTH_ARRAYS,
    read_lsp,
    read_truth_arrays,
)
from hpemap_mm.persons.files.truth_coco import read_coco_truth
from hpemap_mm.persons.files.truth_mpii import (
    GT_ARRAYS,
    mpii_skeleton,
    read_mpii_json,
    read_mpii_mat,
)
from hpemap_mm.skeletons import Skeleton, as_skeleton

#: The kinds of files, and the coordinate of the first pixel that each has by convention.
TRUTH_KINDS = {'COCO json': 0, 'MPII json': 1, 'MPII scoring mat': 1, 'LSP npz': 0, 'npz': 0}


@dataclass(frozen=True, kw_only=True, eq=False)
class TruthFile:
    """What was read, and how.

    Attributes:
        truth: The annotated persons, 0-based.
        kind: One of :data:`TRUTH_KINDS`.
        base: Coordinate of the first pixel in the file, which was subtracted.
        notes: What a reader of results should know: stand-ins for what the file lacks.
    """

    truth: Truth
    kind: str
    base: int
    notes: tuple[str, ...]


def read_truth(
    path: str | os.PathLike[str],
    *,
    skeleton: Skeleton | str | None = None,
    name: str | None = None,
    base: int | None = None,
    gt_mat: str | os.PathLike[str] | None = None,
) -> TruthFile:
    """Read annotated persons; the kind of file is told by its content.

    - COCO-style json (COCO, AIC, CrowdPose, Halpe, OCHuman, WholeBody, PoseTrack18, ...);
    - MPII's json as MMPose has it, with the official scoring file where it is there;
    - MPII's official scoring file ``mpii_gt_val.mat`` alone;
    - npz of LSP (``image``, ``joints``) or of plain arrays (``keypoints``, ...: see
      :func:`hpemap_mm.persons.files.truth_arrays.read_truth_arrays`).

    Args:
        path: The file.
        skeleton: What it is annotated in. Where None, what the file says.
        name: The dataset's name in results; by default the file's, without its suffix.
        base: Coordinate of the first pixel, 0 or 1; by default the kind's convention (or, in an
            npz, its own ``base``). It is never guessed from the coordinates.
        gt_mat: MPII's scoring file, for a json of the same persons. By default one beside the
            json: ``x_gt.mat`` or ``gt_x.mat`` for ``x.json``, ``mpii_gt_val.mat`` for
            ``mpii_val.json``.

    Raises:
        DataError: With all problems found, each with the file, the row and what to do.
        KeyError: The skeleton is unknown.
        ValueError: ``base`` is neither 0 nor 1.
    """
    check_base(base)
    wanted = None if skeleton is None else as_skeleton(skeleton)
    content = load(path, {*TRUTH_ARRAYS, *LSP_ARRAYS, *GT_ARRAYS})
    kind = _kind(content)
    notes: list[str] = []
    if kind == 'npz':
        base, notes = check_names(content, TRUTH_ARRAYS, base)
    first = TRUTH_KINDS[kind] if base is None else base
    common: dict[str, Any] = {'name': name or Path(path).stem, 'base': first}
    file = content.path
    if gt_mat is not None and kind != 'MPII json':
        raise DataError([Problem(file, f'is {kind}', 'gt_mat goes with an MPII json')])
    if kind == 'COCO json':
        truth, more = read_coco_truth(file, content.value, skeleton=wanted, **common)
    elif kind == 'MPII json':
        rows = content.value
        common['skeleton'] = mpii_skeleton(wanted)
        truth, more = read_mpii_json(file, rows, gt_mat=gt_mat, **common)
    elif kind == 'MPII scoring mat':
        common['skeleton'] = mpii_skeleton(wanted)
        truth, more = read_mpii_mat(file, content.arrays, **common)
    elif kind == 'LSP npz':
        truth, more = read_lsp(file, content.arrays, skeleton=wanted, **common)
    else:
        truth, more = read_truth_arrays(file, content.arrays, skeleton=wanted, **common)
    return TruthFile(truth=truth, kind=kind, base=first, notes=(*notes, *more))


def _kind(content: Content) -> str:
    """One of :data:`TRUTH_KINDS`."""
    value, names = content.value, set(content.names)
    if content.kind == 'mat' and names & set(GT_ARRAYS):
        return 'MPII scoring mat'
    if content.kind == 'npz' and 'keypoints' in names:
        return 'npz'
    if content.kind == 'npz' and 'joints' in names:
        return 'LSP npz'
    if isinstance(value, dict) and ({'annotations', 'images'} & value.keys()):
        return 'COCO json'
    if isinstance(value, list) and _some_have(value, ('joints', 'joints_vis', 'center')):
        return 'MPII json'
    if content.kind == 'mat':
        what = f'holds {listed(sorted(names))}: not {", ".join(GT_ARRAYS)} of a scoring file'
    elif content.kind == 'npz':
        what = f"has neither 'keypoints' nor LSP's 'joints': it holds {listed(sorted(names))}"
    elif value == []:
        what = 'is an empty list'
    elif isinstance(value, list) and _some_have(value, ('keypoints', 'score')):
        what = 'is a file of predictions'
    else:
        what = "is neither COCO's json (images, annotations) nor MPII's (a list of persons)"
    raise DataError([Problem(content.path, what, 'name the file with the annotations')])


def _some_have(rows: Sequence[Any], keys: Sequence[str]) -> bool:
    return any(isinstance(row, dict) and any(key in row for key in keys) for row in rows)
