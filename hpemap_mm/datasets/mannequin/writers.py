"""The four datasets' own file formats, and the file with the whole truth.

Keypoints come in as 0-based pixels; each writer follows its format's convention.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from hpemap_mm.skeletons import get_skeleton

from .placement import SKELETON_NAMES, sided_joints, split_side
from .scene import Person
from .visibility import Sight

#: Who annotates photograph i: the i-th of these, round-robin.
DATASETS = ('coco', 'mpii', 'aic', 'lsp')
#: MPII's scale is the person's size in units of 200 px: on real MPII the joints' longer side
#: is 0.87 of it, and the centre lies 0.03 of it above the middle of the joints.
_MPII_JOINTS_PER_SCALE, _MPII_CENTRE_UP = 0.87, 0.03
#: Diagonal of an MPII head box over the distance from upper neck to head top.
_MPII_HEADBOX = 1.25


@dataclass(frozen=True, eq=False)
class Shot:
    """One photograph as the writers see it.

    Attributes:
        number: Index within the dataset, 0-based.
        file_name: Name of the image file, without its folder.
        size: Width and height in pixels.
        persons: Annotated persons.
    """

    number: int
    file_name: str
    size: tuple[int, int]
    persons: Sequence[Person]

    @property
    def image_id(self) -> int:
        """The number in the file's name, as COCO's images have it."""
        return self.number + 1

    @property
    def dataset(self) -> str:
        """Which of :data:`DATASETS` annotates it."""
        return DATASETS[self.number % len(DATASETS)]

    def annotation_id(self, person: Person) -> int:
        """Unique, and independent of how many photographs there are."""
        return self.image_id * 100 + person.number + 1


def _json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(',', ':')), encoding='utf-8')


def _npz(path: Path, **arrays: NDArray[Any]) -> None:
    """``np.savez_compressed`` with the earliest date zip knows, so that bytes repeat."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, 'w') as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f'{name}.npy', date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, buffer.getvalue())


def _mpii_short_name(joint: str) -> str:
    """As in the scoring file: ``right_ankle`` is ``rank``, ``head_top`` is ``head``."""
    side, stem = split_side(joint)
    if side:
        return side[0] + stem[:3]
    return stem.removeprefix('upper_').removesuffix('_top')[:4]


def _aic_name(joint: str) -> str:
    """As in AIC's categories: ``Right Shoulder``, ``Head top``."""
    words = joint.replace('_', ' ')
    return words.title() if split_side(joint)[0] else words.capitalize()


def _number(value: float) -> float:
    return round(float(value), 3)


def _coco_keypoints(person: Person, skeleton: str) -> list[float]:
    """Flat x, y, v; out of the image, or a face turned away, is not annotated."""
    joints = person.joints[skeleton]
    flat: list[float] = []
    for (_, stem), pixel, sight in zip(
        sided_joints(skeleton), joints.pixels, joints.sight, strict=True
    ):
        unseen_face = stem in ('nose', 'eye', 'ear') and sight == Sight.HIDDEN_BY_SELF
        if sight == Sight.OUTSIDE or unseen_face:
            flat += [0, 0, 0]
        else:
            flat += [_number(pixel[0]), _number(pixel[1]), 2 if sight == Sight.SEEN else 1]
    return flat


def _coco_style(shots: Sequence[Shot], skeleton: str, names: Sequence[str]) -> dict[str, Any]:
    annotations = []
    for shot in shots:
        for person in shot.persons:
            keypoints = _coco_keypoints(person, skeleton)
            annotation = {
                'id': shot.annotation_id(person),
                'image_id': shot.image_id,
                'category_id': 1,
                'bbox': [float(v) for v in person.bbox],
                'area': person.area,
                'iscrowd': 0,
                'num_keypoints': sum(v > 0 for v in keypoints[2::3]),
                'keypoints': keypoints,
            }
            if skeleton == 'coco':
                annotation['segmentation'] = person.polygons
            annotations.append(annotation)
    sk = get_skeleton(skeleton)
    category = {
        'supercategory': 'person',
        'id': 1,
        'name': 'person',
        'keypoints': list(names),
        'skeleton': [[a + 1, b + 1] for a, b in sk.links],
    }
    return {
        'info': {'description': f'Mannequins annotated as {skeleton} does', 'version': '1.0'},
        'licenses': [],
        'categories': [category],
        'images': [
            {
                'id': shot.image_id,
                'file_name': shot.file_name,
                'width': shot.size[0],
                'height': shot.size[1],
            }
            for shot in shots
        ],
        'annotations': annotations,
    }


def write_coco(folder: Path, split: str, shots: Sequence[Shot]) -> None:
    """``person_keypoints`` json: v 0 out of the image or face turned away, 1 hidden, 2 seen."""
    _json(folder / f'{split}.json', _coco_style(shots, 'coco', get_skeleton('coco').joints))


def write_aic(folder: Path, split: str, shots: Sequence[Shot]) -> None:
    """AIC as MMPose converts it: COCO style, 14 joints.

    ``area`` and ``iscrowd`` are there too, because COCO's scorer asks for them.
    """
    names = [_aic_name(joint) for joint in get_skeleton('aic').joints]
    _json(folder / f'{split}.json', _coco_style(shots, 'aic', names))


def write_mpii(folder: Path, split: str, shots: Sequence[Shot]) -> None:
    """MMPose's MPII list and the official scoring file ``{split}_gt.mat``, both 1-based."""
    rows: list[dict[str, Any]] = []
    truth, missing, boxes = [], [], []
    sk = get_skeleton('mpii')
    neck, top = sk.index('upper_neck'), sk.index('head_top')
    for shot in shots:
        for person in shot.persons:
            joints = person.joints['mpii']
            # Midpoints stay exact in the file: three decimals hold half of two.
            pixels = np.round(joints.pixels + 1, 3)
            pixels[~joints.inside] = -1
            x0, y0, x1, y1 = person.extent
            scale = max(x1 - x0, y1 - y0) / _MPII_JOINTS_PER_SCALE / 200
            middle = np.array([x0 + x1, y0 + y1]) / 2 - [0, _MPII_CENTRE_UP * 200 * scale]
            centre = np.clip(middle, 0, np.subtract(shot.size, 1)) + 1
            rows.append(
                {
                    'joints_vis': joints.inside.astype(int).tolist(),
                    'joints': pixels.tolist(),
                    'image': shot.file_name,
                    'scale': round(float(scale), 6),
                    'center': np.round(centre).tolist(),
                }
            )
            scored = np.where(joints.inside[:, None], pixels, 0.0)
            truth.append(scored)
            missing.append(~joints.inside)
            # The box is square-on: its diagonal, not its sides, carries the head's size.
            ends = joints.pixels[[neck, top]] + 1
            half = _MPII_HEADBOX * np.linalg.norm(ends[1] - ends[0]) / 2 / np.sqrt(2)
            boxes.append([ends.mean(0) - half, ends.mean(0) + half])
    _json(folder / f'{split}.json', rows)
    count = len(rows)
    names = np.empty((1, len(sk)), dtype=object)
    names[0, :] = [_mpii_short_name(joint) for joint in sk.joints]
    jnt_missing = np.array(missing, np.uint8).reshape(count, len(sk)).T
    pos_gt_src = np.array(truth).reshape(count, len(sk), 2).transpose(1, 2, 0)
    _mat(
        folder / f'{split}_gt.mat',
        {
            'jnt_missing': jnt_missing,
            'pos_pred_src': np.zeros_like(pos_gt_src),
            'pos_gt_src': pos_gt_src,
            'headboxes_src': np.array(boxes).reshape(count, 2, 2).transpose(1, 2, 0),
            'dataset_joints': names,
        },
    )


def _mat(path: Path, content: dict[str, NDArray[Any]]) -> None:
    """``savemat`` without today's date in the header."""
    buffer = io.BytesIO()
    savemat(buffer, content, do_compression=True)
    header = b'MATLAB 5.0 MAT-file, written by hpemap_mm'.ljust(116)
    path.write_bytes(header + buffer.getvalue()[116:])


def write_lsp(folder: Path, split: str, shots: Sequence[Shot]) -> None:
    """Leeds Sports Pose: ``image`` and ``joints`` (N, 14, 3) with labels.

    As in the extended set, a joint that another thing hides, or that is outside, has label 0
    and coordinates that mean nothing (-1 here).
    """
    images, rows = [], []
    for shot in shots:
        for person in shot.persons:
            joints = person.joints['lsp']
            labelled = joints.sight > Sight.HIDDEN_BY_OTHERS
            row = np.column_stack([joints.pixels, labelled]).astype(np.float32)
            row[~labelled, :2] = -1
            images.append(shot.file_name)
            rows.append(row)
    _npz(
        folder / f'{split}.npz',
        image=np.array(images, dtype=np.str_),
        joints=np.array(rows, np.float32).reshape(len(rows), len(get_skeleton('lsp')), 3),
    )


WRITERS = {'coco': write_coco, 'mpii': write_mpii, 'aic': write_aic, 'lsp': write_lsp}


def write_truth(path: Path, shots: Sequence[Shot]) -> None:
    """Every annotated person in every skeleton.

    Arrays, one row per person, in the order of the photographs:
        image (N,) file name; image_id (N,); person (N,) number within the photograph;
        dataset (N,) that annotates it; row (N,) 0-based row among that dataset's persons in
        this split (its row in MPII's and LSP's files, its place in ``annotations`` of the
        others); annotation_id (N,) in COCO's and AIC's files; bbox (N, 4) x, y, w, h;
        area (N,); family (N,) of the pose; yaw (N,) degrees, 0 faces the camera;
        ``<skeleton>`` (N, K, 3): x, y in 0-based pixels, and 0 outside of the image (the
        coordinates are still true), 1 occluded, 2 visible;
        ``<skeleton>_3d`` (N, K, 3): world metres, y up.
    """
    rows = dict.fromkeys(DATASETS, 0)
    columns: dict[str, list[Any]] = {}

    def add(name: str, value: object) -> None:
        columns.setdefault(name, []).append(value)

    for shot in shots:
        for person in shot.persons:
            add('image', shot.file_name)
            add('image_id', shot.image_id)
            add('person', person.number)
            add('dataset', shot.dataset)
            add('row', rows[shot.dataset])
            rows[shot.dataset] += 1
            add('annotation_id', shot.annotation_id(person))
            add('bbox', person.bbox)
            add('area', person.area)
            add('family', person.family)
            add('yaw', person.yaw)
            for name in SKELETON_NAMES:
                joints = person.joints[name]
                add(name, np.column_stack([joints.pixels, joints.visible]))
                add(f'{name}_3d', np.round(joints.points, 5))
    _npz(path, **{name: np.array(values) for name, values in columns.items()})
