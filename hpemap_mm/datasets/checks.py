"""Faults of annotation files, found before a dataset's reader meets them.

Each check is a function of a file's content that adds to a :class:`ProblemList` and
returns what it learned (:class:`FileFacts`); nothing here needs MMPose.
"""

# A annotations, P persons, K joints

from __future__ import annotations

import json
import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hpemap_mm.datasets.coco_tables import sound_rows
from hpemap_mm.errors import ProblemList, some
from hpemap_mm.skeletons import get_skeleton, list_skeletons

#: The one place where the shipped configs say where data lie, for messages.
DATA_ROOTS = 'configs/_base_/data_roots.py, or environment variables such as HPEMAP_COCO'
#: The parts of a COCO-WholeBody annotation, in the order in which MMPose joins them.
WHOLEBODY_PARTS = ('keypoints', 'foot_kpts', 'face_kpts', 'lefthand_kpts', 'righthand_kpts')


@dataclass(frozen=True)
class FileFacts:
    """What an annotation file holds.

    Attributes:
        path: The file.
        kind: Its format: ``'coco'``, ``'mpii'``, ``'lsp'`` or ``'other'``.
        annotations: Annotations in the file.
        persons: Those with at least one labelled joint.
        images: Names of the images with such a person, without repetition.
        notes: What a reader of a report should know, though it is no fault.
    """

    path: str
    kind: str
    annotations: int = 0
    persons: int = 0
    images: tuple[str, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()


def looks_like(joints: int) -> str:
    """``'like aic, crowdpose, lsp'``: the known skeletons with that many joints."""
    names = [name for name in list_skeletons() if len(get_skeleton(name)) == joints]
    return f'like {", ".join(names)}' if names else 'like no known skeleton'


def check_exists(
    path: str,
    what: str,
    problems: ProblemList,
    *,
    entry: str,
    data_root: str | None,
    how: str = 'fetch or make it',
) -> bool:
    """Whether a file is there and not empty; says where it was looked for, and how to get it."""
    file = Path(path)
    where = f'{path} (entry {entry!r})'
    if not path:
        problems.add(f'entry {entry!r}', f'no {what} is given', 'set it in the dataset config')
    elif file.is_dir():
        problems.add(where, f'the {what} is a folder', 'name the file in it')
    elif not file.is_file():
        nearest = next((p for p in file.absolute().parents if p.is_dir()), None)
        root = f'data_root={data_root!r}' if data_root else 'no data_root is set'
        fix = (
            f'{how}, or correct the path ({root}; the nearest folder that exists is '
            f'{nearest}; the shipped configs take their roots from {DATA_ROOTS})'
        )
        problems.add(where, f'the {what} is missing', fix)
    elif file.stat().st_size == 0:
        problems.add(where, f'the {what} is empty (0 bytes)', 'fetch or write it again')
    else:
        return True
    return False


def read_json(path: str, problems: ProblemList, *, entry: str) -> Any:
    """The content of a json file, or None with a problem noted."""
    where = f'{path} (entry {entry!r})'
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except UnicodeDecodeError:
        problems.add(where, 'is not a json text file', 'give the annotation json')
    except json.JSONDecodeError as error:
        what = f'is not valid json: {error.msg} at line {error.lineno}, column {error.colno}'
        problems.add(where, what, 'fetch it again if it was cut off, or correct it')
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; deep lists
        problems.add(where, f'cannot be read as json: {error}', 'correct it')
    return None


def check_coco(
    content: Any,
    problems: ProblemList,
    *,
    path: str,
    entry: str,
    joints: int,
    parts: Sequence[str] = ('keypoints',),
) -> FileFacts:
    """Check a file in COCO's format.

    Args:
        content: The parsed json.
        problems: Collects what is wrong.
        path: The file, for messages.
        entry: The entry that reads it, for messages.
        joints: Joints K that an annotation must have.
        parts: Keys whose keypoints make up an annotation, in order.
    """
    where = f'{path} (entry {entry!r})'
    facts = FileFacts(path, 'coco')
    if not isinstance(content, dict) or not {'images', 'annotations'} <= content.keys():
        kind = (
            "a list, as MPII's annotations are"
            if isinstance(content, list)
            else f'a {type(content).__name__} without "images" and "annotations"'
        )
        fix = 'use the dataset type that fits the file, or the file that fits the type'
        problems.add(where, f"is not in COCO's format: it holds {kind}", fix)
        return facts
    image_rows, annotations = sound_rows(content, where, problems)
    images = {image['id']: image for image in image_rows}
    _check_unique('image', [image['id'] for image in image_rows], where, problems)
    _check_unique('annotation', [ann['id'] for ann in annotations], where, problems)
    labelled = [ann for ann in annotations if all(part in ann for part in parts)]
    if annotations and not labelled:
        fix = "use the set's keypoint file (COCO: person_keypoints_*.json)"
        problems.add(where, f'no annotation has {" + ".join(parts)}', fix)
        return facts
    lengths = [sum(len(ann[part]) for part in parts) for ann in labelled]
    _check_joint_count(
        [(ann.get('id'), n / 3) for ann, n in zip(labelled, lengths, strict=True)],
        joints,
        where,
        problems,
    )
    fits = [ann for ann, n in zip(labelled, lengths, strict=True) if n == 3 * joints]
    persons = []
    if fits:
        rows = [[v for part in parts for v in ann[part]] for ann in fits]
        points_AK3 = _numbers(rows, [ann.get('id') for ann in fits], 'keypoints', where, problems)
        if points_AK3 is not None:
            seen_A = np.any(points_AK3.reshape(len(fits), joints, 3)[..., 2] > 0, axis=1)
            persons = [fits[i] for i in np.flatnonzero(seen_A)]
    boxed = [ann for ann in fits if 'bbox' in ann]
    _numbers(
        [ann['bbox'] for ann in boxed], [ann.get('id') for ann in boxed], 'bbox', where, problems
    )
    notes = []
    orphans = [ann.get('id') for ann in persons if ann.get('image_id') not in images]
    if orphans:
        notes.append(f'annotations without an image record, not read: {some(orphans)}')
    unboxed = [ann.get('id') for ann in persons if 'bbox' not in ann]
    if unboxed:
        notes.append(f'annotations without a box, not read: {some(unboxed)}')
    used = [
        ann for ann in persons if 'bbox' in ann and ann.get('image_id') in images
        and not ann.get('iscrowd')
    ]  # fmt: skip
    if fits and not used:
        problems.add(where, 'no person has a labelled joint, a box and an image', 'correct it')
    elif not content['annotations']:
        problems.add(where, 'holds no annotations', 'give a file with persons')
    names = dict.fromkeys(images[ann['image_id']].get('file_name', '') for ann in used)
    return FileFacts(path, 'coco', len(annotations), len(used), tuple(names), tuple(notes))


def check_mpii(
    content: Any, problems: ProblemList, *, path: str, entry: str, joints: int
) -> FileFacts:
    """Check a file in MPII's format (MMPose's json); arguments as :func:`check_coco`."""
    where = f'{path} (entry {entry!r})'
    if not isinstance(content, list):
        kind = "a dict, as COCO's annotations are" if isinstance(content, dict) else 'no list'
        fix = 'use the dataset type that fits the file, or the file that fits the type'
        problems.add(where, f"is not in MPII's format: it holds {kind}", fix)
        return FileFacts(path, 'mpii')
    if not content:
        problems.add(where, 'holds no persons', 'give a file with persons')
        return FileFacts(path, 'mpii')
    keys = ('image', 'center', 'scale', 'joints', 'joints_vis')
    lacking = {
        key: [i for i, row in enumerate(content) if not isinstance(row, dict) or key not in row]
        for key in keys
    }
    for key, rows in lacking.items():
        if rows:
            problems.add(where, f'rows {some(rows)} have no {key!r}', "write it as MMPose's json")
    if any(lacking.values()):
        return FileFacts(path, 'mpii', len(content))
    _check_joint_count(
        [(i, len(row['joints'])) for i, row in enumerate(content)], joints, where, problems
    )
    uneven = [i for i, row in enumerate(content) if len(row['joints']) != len(row['joints_vis'])]
    if uneven:
        what = f'rows {some(uneven)} have another number of joints_vis than of joints'
        problems.add(where, what, 'give one for each joint')
    rows_ok = [
        i for i, row in enumerate(content)
        if len(row['joints']) == joints == len(row['joints_vis'])
    ]  # fmt: skip
    for key in ('joints', 'joints_vis', 'center'):
        _numbers([content[i][key] for i in rows_ok], rows_ok, key, where, problems)
    scales = [content[i]['scale'] for i in rows_ok]
    bad = [i for i, scale in zip(rows_ok, scales, strict=True) if not 0 < scale < np.inf]
    if bad:
        problems.add(where, f'rows {some(bad)} have a scale that is not positive', 'correct them')
    persons = [content[i] for i in rows_ok if any(v > 0 for v in content[i]['joints_vis'])]
    if rows_ok and not persons:
        problems.add(where, 'no person has a labelled joint', 'give a file with labels')
    names = dict.fromkeys(row['image'] for row in persons)
    return FileFacts(path, 'mpii', len(content), len(persons), tuple(names))


def check_lsp(path: str, problems: ProblemList, *, entry: str, joints: int) -> FileFacts:
    """Check an LSP .npz file; arguments as :func:`check_coco`."""
    where = f'{path} (entry {entry!r})'
    fix = "write an .npz with 'image' (P,) and 'joints' (P, K, 3)"
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in ('image', 'joints') if key not in file]
            if missing:
                problems.add(where, f'has no {missing}; it has {sorted(file.files)}', fix)
                return FileFacts(path, 'lsp')
            names, points = file['image'], file['joints']
    except (ValueError, OSError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        problems.add(where, f'is not an .npz file of plain arrays: {error}', fix)
        return FileFacts(path, 'lsp')
    if points.ndim != 3 or points.shape[2] != 3 or names.shape != points.shape[:1]:
        what = f'joints of shape {points.shape} and images of shape {names.shape} do not fit'
        problems.add(where, what, fix)
        return FileFacts(path, 'lsp')
    if len(points) == 0:
        problems.add(where, 'holds no persons', 'give a file with persons')
    elif points.shape[1] != joints:
        _check_joint_count([('all', points.shape[1])], joints, where, problems)
    bad = np.flatnonzero(~np.isfinite(points).all(axis=(1, 2)))
    if len(bad):
        problems.add(where, f'rows {some(bad)} have NaN or infinite joints', 'correct them')
    seen = ((points[..., 2] > 0) & (points[..., :2] >= 0).all(axis=-1)).any(axis=-1)
    if len(points) and not seen.any():
        problems.add(where, 'no person has a labelled joint', 'give a file with labels')
    images = tuple(dict.fromkeys(names[seen].tolist()))
    return FileFacts(path, 'lsp', len(points), int(seen.sum()), images)


def missing_images(folder: str, names: Iterable[str]) -> list[str]:
    """Those of ``names`` that are not in ``folder``; each directory is listed once.

    Args:
        folder: The image folder; names may be paths below it.
        names: Image names as the annotation file has them.
    """
    by_folder: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        parent, _, base = os.path.join(folder, name).rpartition('/')
        by_folder.setdefault(parent or '.', []).append((base, name))
    missing = []
    for parent, wanted in by_folder.items():
        try:
            with os.scandir(parent) as listing:
                present = {item.name for item in listing}
        except (FileNotFoundError, NotADirectoryError):
            present = set()
        missing += [name for base, name in wanted if base not in present]
    return missing


def check_images(folder: str, names: Sequence[str], problems: ProblemList, *, entry: str) -> None:
    """Note which of the referenced images are not in the folder."""
    where = f'{folder or "."} (entry {entry!r})'
    fix = 'put the images there, or correct data_prefix / data_root'
    if not Path(folder or '.').is_dir():
        problems.add(where, f'the image folder is missing; {len(names)} images are needed', fix)
        return
    missing = missing_images(folder, names)
    if missing:
        what = f'{len(missing)} of {len(names)} images are not in the folder: {some(missing)}'
        problems.add(where, what, fix)


def _check_unique(what: str, ids: Sequence[object], where: str, problems: ProblemList) -> None:
    repeated = [value for value, count in Counter(ids).items() if count > 1]
    if repeated:
        fault = f'{what} ids occur more than once: {some(repeated)}'
        problems.add(where, fault, 'give each its own id: readers keep the last one only')


def _check_joint_count(
    counts: Sequence[tuple[object, float]], joints: int, where: str, problems: ProblemList
) -> None:
    """Note annotations whose number of joints is not ``joints``, by number."""
    wrong: dict[float, list[object]] = {}
    for id_, count in counts:
        if count != joints:
            wrong.setdefault(count, []).append(id_)
    for count, ids in wrong.items():
        if count == int(count):
            what = f'has {int(count)} joints {looks_like(int(count))}, where {joints} are expected'
        else:
            what = f'has keypoints of length {int(count * 3)}, not 3 numbers for each joint'
        fix = "use the dataset type and skeleton of the file's joints"
        problems.add(where, f'{what} (annotations {some(ids)})', fix)


def _numbers(
    rows: Sequence[Any], ids: Sequence[object], what: str, where: str, problems: ProblemList
) -> np.ndarray | None:
    """``rows`` as floats; notes those that are no numbers, or are NaN or infinite."""
    if not rows:
        return None
    hint = ' (0, 0, 0 is a joint that is not labelled)' if what == 'keypoints' else ''
    try:
        values = np.array(rows, np.float64)
    except (TypeError, ValueError, OverflowError):
        bad = [id_ for id_, row in zip(ids, rows, strict=True) if not _is_numeric(row)]
        fault = f'{what} of annotations {some(bad or ids)} are not rows of numbers'
        problems.add(where, fault, f'correct them{hint}')
        return None
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        bad = [ids[int(i)] for i in np.flatnonzero(~finite)]
        fault = f'{what} of annotations {some(bad)} are NaN or infinite'
        problems.add(where, fault, f'correct them{hint}')
    return values


def _is_numeric(row: Any) -> bool:
    try:
        np.array(row, np.float64)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
