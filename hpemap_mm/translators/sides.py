"""One side of pairs: persons out of a file of any kind, as arrays that can be matched.

Dimensions: N persons, K joints of the side's skeleton.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons import Truth
from hpemap_mm.persons.arrays import Array, IntArray
from hpemap_mm.persons.files import read_predictions, read_truth
from hpemap_mm.persons.files.content import load
from hpemap_mm.persons.files.joints import describe_count
from hpemap_mm.persons.files.names import check_base
from hpemap_mm.persons.files.parts import box_areas
from hpemap_mm.persons.files.rows import (
    RowProblems,
    check_points,
    check_shape,
    listed,
    real_array,
    rows_where,
)
from hpemap_mm.skeletons import Skeleton, as_skeleton

Kind = Literal['truth', 'predictions']
KINDS: tuple[Kind, Kind] = ('truth', 'predictions')
#: Bytes of a json that are looked at to tell annotations from predictions.
PEEK = 1 << 16
#: Arrays that only a truth has, and that only predictions have.
OF_TRUTH = {'visible', 'boxes', 'areas', 'head_sizes', 'crowd', 'joints', 'pos_gt_src'}
OF_PREDICTIONS = {'keypoint_scores', 'scores', 'answered', 'preds'}
CORRECT = 'correct the annotation'


@dataclass(frozen=True, kw_only=True)
class Side:
    """Where the persons of one side of pairs are.

    Attributes:
        file: COCO json, MPII json or scoring mat, npz, or a file of predictions.
        skeleton: What it is in.
        kind: ``'truth'`` or ``'predictions'``; by default what the file is, where that is sure.
        base: Coordinate of the first pixel, 0 or 1; by default the convention of the kind of file.
        array: Of an npz with arrays of its own names: which holds the keypoints, (N, K, 3) with
            the visibility (or with confidences, where ``kind`` says predictions) or (N, K, 2).
        image_ids: Then, the array of the persons' image ids, (N,).
        ids: Then, the array of the persons' ids, (N,).
        boxes: Then, the array of their boxes, (N, 4): x, y, width, height. Areas are 0.53 of them.
        gt_mat: MPII's scoring file, for an MPII json.
        root: Folder that ``file`` and ``gt_mat`` are in, where they are relative.
    """

    file: str
    skeleton: str | Skeleton
    kind: Kind | None = None
    base: int | None = None
    array: str | None = None
    image_ids: str | None = None
    ids: str | None = None
    boxes: str | None = None
    gt_mat: str | None = None
    root: str = ''

    def __post_init__(self) -> None:
        for key in ('file', 'gt_mat'):
            if getattr(self, key) is not None:
                path = os.path.join(self.root, os.fspath(getattr(self, key)))
                object.__setattr__(self, key, path)
        object.__setattr__(self, 'root', '')
        if self.kind not in (None, *KINDS):
            raise ValueError(f'kind is one of {KINDS}, got {self.kind!r}')
        check_base(self.base)
        named = [key for key in ('image_ids', 'ids', 'boxes') if getattr(self, key) is not None]
        if named and self.array is None:
            raise ValueError(f'{named} go with array=, which names the keypoints of an npz')

    @classmethod
    def of(cls, value: Side | Mapping[str, Any]) -> Side:
        """A side from what a config says.

        Raises:
            ValueError: There are keys that a side does not have, or it lacks its file or skeleton.
        """
        if isinstance(value, Side):
            return value
        known = set(cls.__dataclass_fields__)
        if not isinstance(value, Mapping) or not {'file', 'skeleton'} <= set(value) <= known:
            found = sorted(value) if isinstance(value, Mapping) else value
            raise ValueError(
                f"a side of pairs needs 'file' and 'skeleton' and takes {sorted(known)}; "
                f'got {found!r}'
            )
        return cls(**value)


@dataclass(frozen=True, kw_only=True, eq=False)
class Persons:
    """One side as it was read.

    Attributes:
        skeleton: Of the keypoints.
        keypoints: (N, K, 2) float64, 0-based; NaN where missing.
        scores: (N, K) confidences, or None.
        ids: (N,) the persons' ids; None where predictions are not of given persons.
        image_ids: (N,); None where the file names no images.
        image_names: File names by image id, where known.
        truth: The N persons as they are annotated; None for predictions.
        name: The file's, without its suffix.
        source: The file, for messages.
        notes: What the reader had to say.
    """

    skeleton: Skeleton
    keypoints: Array
    scores: Array | None
    ids: IntArray | None
    image_ids: IntArray | None
    image_names: Mapping[int, str]
    truth: Truth | None
    name: str
    source: str
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keypoints)


def read_side(side: Side, *, role: str, match: str) -> Persons:
    """Read one side.

    Args:
        side: Where it is.
        role: ``'source'`` or ``'target'``: plain points that may be either annotated or predicted
            are a target's truth, and a source's predictions.
        match: How it will be matched; a json of predictions may number detections or persons.

    Raises:
        DataError: With all problems found in the file.
        KeyError: The skeleton is unknown.
    """
    skeleton = as_skeleton(side.skeleton)
    if side.array is not None:
        return _read_array(side, skeleton, role)
    kind, names = side.kind, _array_names(side.file)
    if kind is None:
        kind = _kind(side.file, names, role)
    by_row = names is not None and not names & {'image', 'image_ids'}
    if kind == 'truth':
        file = read_truth(side.file, skeleton=skeleton, base=side.base, gt_mat=side.gt_mat)
        notes = () if match == 'rows' and by_row else file.notes
        return _of_truth(file.truth, knows_images=not by_row, notes=notes)
    if side.gt_mat is not None:
        raise DataError([Problem(side.file, 'is predictions', 'gt_mat goes with an MPII json')])
    read = read_predictions(
        side.file,
        representation=skeleton,
        base=side.base,
        pairing='ids' if match == 'ids' else None,
    )
    found = read.predictions
    scores = found.keypoint_scores
    numbered = names is not None and 'ids' not in names
    points = found.keypoints
    if found.answered is not None:
        points = np.where(found.answered[..., None], points, np.nan)
    return Persons(
        skeleton=skeleton,
        keypoints=points,
        scores=None if np.isnan(scores).all() else scores,
        ids=None if numbered else found.ids,
        image_ids=None if by_row else found.image_ids,
        image_names={},
        truth=None,
        name=found.name,
        source=found.source,
        notes=() if match == 'rows' else read.notes,
    )


def _of_truth(truth: Truth, *, knows_images: bool, notes: tuple[str, ...]) -> Persons:
    return Persons(
        skeleton=truth.skeleton,
        keypoints=np.where(truth.valid[..., None], truth.keypoints, np.nan),
        scores=None,
        ids=truth.ids,
        image_ids=truth.image_ids if knows_images else None,
        image_names=truth.image_names,
        truth=truth,
        name=truth.name,
        source=truth.source,
        notes=notes,
    )


def _array_names(path: str) -> set[str] | None:
    """Names of the arrays of an npz or mat; None for json, which is not read here."""
    try:
        with open(path, 'rb') as file:
            head = file.read(PEEK)
    except OSError:
        head = b''
    if head.removeprefix(b'\xef\xbb\xbf').lstrip()[:1] in (b'[', b'{'):
        return None
    return set(load(path, ()).names)


def _kind(path: str, names: set[str] | None, role: str) -> Kind:
    """What a file is, where that is sure."""
    if names is None:
        with open(path, 'rb') as file:
            head = file.read(PEEK)
        truth = head.removeprefix(b'\xef\xbb\xbf').lstrip()[:1] == b'{' or b'"joints"' in head
        predictions = not truth and b'"keypoints"' in head
    else:
        truth, predictions = bool(names & OF_TRUTH), bool(names & OF_PREDICTIONS)
        if not truth and not predictions and 'keypoints' in names:
            keypoints = load(path, {'keypoints'}).arrays['keypoints']
            if keypoints.ndim == 3 and keypoints.shape[2] == 2:
                # Every joint counts in either case; only what it is called differs.
                return 'truth' if role == 'target' else 'predictions'
    if truth == predictions:
        what = 'may hold annotations or predictions'
        raise DataError([Problem(path, what, "say kind='truth' or kind='predictions'")])
    return 'truth' if truth else 'predictions'


def _read_array(side: Side, skeleton: Skeleton, role: str) -> Persons:
    """Persons from arrays of an npz that has names of its own."""
    assert side.array is not None
    wanted = [name for name in (side.array, side.image_ids, side.ids, side.boxes) if name]
    content = load(side.file, set(wanted))
    problems = RowProblems(content.path, noun='person')
    if content.kind != 'npz':
        problems.add_file(f'is {content.kind}', 'array= goes with an npz')
    for name in wanted:
        if content.kind == 'npz' and name not in content.arrays:
            what = f'has no {name!r}: it holds {listed(sorted(content.names))}'
            problems.add_file(what, 'name one of these')
    problems.raise_if_any()
    table = real_array(content.arrays, side.array, problems)
    problems.raise_if_any()
    assert table is not None
    if table.ndim != 3 or table.shape[1] != len(skeleton) or table.shape[2] not in (2, 3):
        what = f'{side.array!r} has shape {table.shape}, not (persons, {len(skeleton)}, 2 or 3)'
        problems.add_file(what, describe_count(table.shape[1] if table.ndim == 3 else 0, 1))
    elif not len(table):
        problems.add_file(f'{side.array!r} is empty', 'save at least one person')
    problems.raise_if_any()
    count, plain = len(table), table.shape[2] == 2
    image_ids, ids = (
        None if name is None else real_array(content.arrays, name, problems, kinds='iu')
        for name in (side.image_ids, side.ids)
    )
    boxes = None if side.boxes is None else real_array(content.arrays, side.boxes, problems)
    check_shape(image_ids, f'{side.image_ids}', (count,), problems)
    check_shape(ids, f'{side.ids}', (count,), problems)
    check_shape(boxes, f'{side.boxes}', (count, 4), problems)
    problems.raise_if_any()
    predicted = side.kind == 'predictions' or (side.kind is None and plain and role == 'source')
    points = table[..., :2] - (side.base or 0)
    flags = np.full(table.shape[:2], 2.0) if plain or predicted else table[..., 2]
    if predicted and not plain and not np.isfinite(table[..., 2]).all():
        problems.add_file(f'{side.array!r} has scores that are not finite', 'save finite numbers')
    for i in rows_where(~np.isin(flags, (0, 1, 2)).all(1)):
        what = 'has a visibility that is not 0, 1 or 2'
        problems.add(i, what, "correct it, or say kind='predictions'")
    check_points(points, skeleton.joints, problems, fix=CORRECT, matters=flags > 0)
    problems.raise_if_any()
    if predicted:
        return Persons(
            skeleton=skeleton,
            keypoints=points,
            scores=None if plain else table[..., 2],
            ids=ids,
            image_ids=image_ids,
            image_names={},
            truth=None,
            name=Path(side.file).stem,
            source=content.path,
            notes=(),
        )
    corners = None
    if boxes is not None:
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1) - (side.base or 0)
    truth = Truth.build(
        name=Path(os.fspath(side.file)).stem,
        skeleton=skeleton,
        keypoints=np.where((flags > 0)[..., None], points, 0.0),
        visible=flags,
        ids=ids,
        image_ids=image_ids,
        boxes=corners,
        areas=None if corners is None else box_areas(corners),
        source=content.path,
    )
    return _of_truth(truth, knows_images=image_ids is not None, notes=())
