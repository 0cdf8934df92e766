"""Completed persons as columns (Parquet), and as rows of COCO's annotations (json).

Dimensions: N persons, K joints of a skeleton.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hpemap_mm.completion.completer import CompletedBatch
from hpemap_mm.completion.person_rows import PersonRows, listed
from hpemap_mm.persons.completed import CompletedJoints
from hpemap_mm.persons.provenance import GT, NONE, PROVENANCE, SOURCES
from hpemap_mm.skeletons import Skeleton, get_skeleton

#: Digits after the point, in pixels, of what is not annotated.
DIGITS = 2

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class CompletedPersons:
    """Persons of one entry with all their skeletons.

    Attributes:
        first_id: Id of the first; they are consecutive.
        entry: Name of their entry.
        skeleton: Name of the skeleton that they are annotated in.
        rows: The annotation.
        names: (N) file names of their images, relative to the image root.
        completed: What was made of them.
    """

    first_id: int
    entry: str
    skeleton: str
    rows: PersonRows
    names: Sequence[str]
    completed: CompletedBatch


def schema(skeletons: Sequence[str], *, max_std: float, image_root: str) -> pa.Schema:
    """Of ``completed.parquet``: a row per person.

    ``id``, ``entry``, ``source_id`` (id in the entry's own file), ``image`` (relative to the image
    root), ``image_id``, ``width``, ``height``, ``bbox`` (x, y, width, height), ``area``,
    ``skeleton`` (of the annotation). Then for each skeleton S ``S_keypoints`` (x, y of its K
    joints, NaN where empty), ``S_visibility``, ``S_provenance`` (codes), ``S_std`` (px), and for
    each source ``S_<source>`` (2 K) and ``S_<source>_std`` (K): what it says alone.

    The metadata's key ``hpemap_mm`` holds, as json, the joints of the skeletons, the names of the
    provenance codes, the threshold and the image root (relative to the file).
    """
    fields = [
        pa.field('id', pa.int64()),
        pa.field('entry', pa.string()),
        pa.field('source_id', pa.int64()),
        pa.field('image', pa.string()),
        pa.field('image_id', pa.int64()),
        pa.field('width', pa.int32()),
        pa.field('height', pa.int32()),
        pa.field('bbox', pa.list_(pa.float64(), 4)),
        pa.field('area', pa.float64()),
        pa.field('skeleton', pa.string()),
    ]
    for name in skeletons:
        joints = len(get_skeleton(name))
        fields += [
            pa.field(f'{name}_keypoints', pa.list_(pa.float64(), 2 * joints)),
            pa.field(f'{name}_visibility', pa.list_(pa.uint8(), joints)),
            pa.field(f'{name}_provenance', pa.list_(pa.uint8(), joints)),
            pa.field(f'{name}_std', pa.list_(pa.float32(), joints)),
        ]
        for source in SOURCES:
            fields += [
                pa.field(f'{name}_{source}', pa.list_(pa.float32(), 2 * joints)),
                pa.field(f'{name}_{source}_std', pa.list_(pa.float32(), joints)),
            ]
    about = {
        'provenance': PROVENANCE,
        'max_std': max_std,
        'image_root': image_root,
        'joints': {name: get_skeleton(name).joints for name in skeletons},
    }
    return pa.schema(fields, metadata={'hpemap_mm': json.dumps(about)})


def to_table(persons: CompletedPersons, wanted: pa.Schema) -> pa.Table:
    """The persons in :func:`schema`'s columns."""
    rows, count = persons.rows, len(persons.rows)
    columns: dict[str, Any] = {
        'id': np.arange(persons.first_id, persons.first_id + count),
        'entry': [persons.entry] * count,
        'source_id': rows.source_ids,
        'image': list(persons.names),
        'image_id': rows.images,
        'width': rows.image_sizes[:, 0],
        'height': rows.image_sizes[:, 1],
        'bbox': rows.bboxes,
        'area': areas_of(persons),
        'skeleton': [persons.skeleton] * count,
    }
    for name, joints in persons.completed.joints.items():
        columns[f'{name}_keypoints'] = joints.keypoints.astype(np.float64)
        columns[f'{name}_visibility'] = joints.visibility.astype(np.uint8)
        columns[f'{name}_provenance'] = joints.provenance.astype(np.uint8)
        columns[f'{name}_std'] = joints.stds.astype(np.float32)
        for source, (points, stds) in persons.completed.candidates[name].items():
            columns[f'{name}_{source}'] = points.astype(np.float32)
            columns[f'{name}_{source}_std'] = stds.astype(np.float32)
    arrays = [_column(columns[field.name], field.type) for field in wanted]
    return pa.Table.from_arrays(arrays, schema=wanted)


def _column(values: Any, kind: pa.DataType) -> pa.Array:
    nested = isinstance(values, np.ndarray) and values.ndim > 1
    return listed(values) if nested else pa.array(values, kind)


def areas_of(persons: CompletedPersons) -> npt.NDArray[np.float64]:
    """(N,) px^2: as annotated, or as the sizes that uncertainties refer to have it."""
    known = np.isfinite(persons.rows.areas) & (persons.rows.areas > 0)
    sizes = persons.rows.batch(get_skeleton(persons.skeleton)).sizes
    return np.where(known, persons.rows.areas, np.square(sizes))


def annotation_rows(persons: CompletedPersons, skeleton: str) -> list[Row]:
    """COCO's annotations of the persons in one skeleton, with provenance and uncertainty."""
    joints = persons.completed.joints[skeleton]
    points = points_of(joints)
    stds = _stds_of(joints)
    counts = (joints.provenance != NONE).sum(axis=1).tolist()
    boxes, areas = persons.rows.bboxes.tolist(), areas_of(persons).tolist()
    rows = []
    for place in range(len(persons.rows)):
        rows.append(
            {
                'id': persons.first_id + place,
                'image_id': int(persons.rows.images[place]),
                'category_id': 1,
                'iscrowd': 0,
                'segmentation': [],  # Datumaro and CVAT refuse a file without
                'bbox': [_number(v) for v in boxes[place]],
                'area': _number(areas[place]),
                'num_keypoints': counts[place],
                'keypoints': points[place],
                'keypoints_std': stds[place],
                'keypoints_provenance': joints.provenance[place].tolist(),
                'entry': persons.entry,
                'source_id': int(persons.rows.source_ids[place]),
            }
        )
    return rows


def points_of(joints: CompletedJoints) -> list[list[float]]:
    """Of each person 3 K numbers: x, y, visibility; what is annotated is not rounded."""
    annotated = (joints.provenance == GT)[..., None]
    there = (joints.provenance != NONE)[..., None]
    given = np.where(there, joints.keypoints, 0.0)
    points = np.where(annotated, given, np.round(given, DIGITS))
    table = np.concatenate([points, joints.visibility[..., None]], axis=-1)
    return [[_number(v) for v in row] for row in table.reshape(len(table), -1).tolist()]


def _stds_of(joints: CompletedJoints) -> list[list[float | None]]:
    known = np.isfinite(joints.stds)
    rounded = np.round(np.where(known, joints.stds, 0.0), DIGITS)
    found: list[list[float | None]] = rounded.tolist()
    for person, joint in zip(*np.nonzero(~known), strict=True):
        found[person][joint] = None
    return found


def _number(value: float) -> float:
    """Whole numbers without a point, as annotation files have them."""
    return int(value) if value.is_integer() else value


def render_rows(rows: Sequence[Row]) -> bytes:
    """Rows of a json list, one a line, without brackets."""
    return ',\n'.join(json.dumps(row, allow_nan=False) for row in rows).encode('utf-8')


def info(skeleton: Skeleton, *, version: str, image_root: str, max_std: float) -> Mapping[str, Any]:
    """The ``info`` of a skeleton's json."""
    return {
        'description': f'Persons with the joints of {skeleton.name}: annotated, derived, '
        'translated or predicted',
        'version': '1.0',
        'hpemap_mm': {
            'version': version,
            'skeleton': skeleton.name,
            'provenance': list(PROVENANCE),
            'image_root': image_root,
            'max_std': max_std,
            'keypoints_std': 'pixels along one axis, null where a joint is empty',
            'visibility': 'filled joints have v = 1',
        },
    }
