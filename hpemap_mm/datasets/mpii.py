"""MPII with the origin at 0.

MPII was annotated in MATLAB: its json (as MMPose converts it) and its ``mpii_gt_val.mat``
count pixels from 1. MMPose 1.3.2's reader subtracts 1 from the centre, no longer from the
joints, and its ``MpiiPCKAccuracy`` adds 1 to predictions to make up for that; so a model
trained with it is one pixel off, and so is any other dataset beside it. Here centre,
joints and head boxes are all 0-based, by one subtraction each.
"""

# N persons, K joints

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from mmengine.fileio import get_local_path, join_path
from mmengine.utils import is_abs
from mmpose.datasets import MpiiDataset as UpstreamMpiiDataset
from mmpose.structures.bbox import bbox_cs2xyxy
from scipy.io import loadmat

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.registry import DATASETS

#: Pixels of a person's height for a scale of 1, as MPII defines it.
PIXELS_PER_SCALE = 200.0
#: MMPose (and everyone since Hourglass) moves the centre down by 15 px per unit of scale.
CENTER_SHIFT = 15.0
#: Head size over the diagonal of the head box, from MPII's evaluation code.
HEAD_SIZE_PER_DIAGONAL = 0.6
#: What 1-based coordinates have too much.
ORIGIN = 1.0


@DATASETS.register_module()
class MpiiDataset(UpstreamMpiiDataset):
    """MMPose's MpiiDataset with 0-based joints, centres and head boxes.

    ``_load_annotations`` replaces that of MMPose 1.3.2, which subtracts the origin from
    the centre only and fails on image names that are not numbers.

    A person's data have, beside MMPose's keys: ``num_keypoints`` (labelled joints) and,
    with ``headbox_file``, ``head_box`` ((1, 4) float32, xyxy, 0-based px) and
    ``head_size`` ((1, 1), px: 0.6 x the box's diagonal). ``keypoints`` are (1, K, 2)
    float32, ``keypoints_visible`` (1, K) float32 in {0, 1}; joints that MPII marks as
    missing (it writes -1, -1) are at (0, 0) with visibility 0. A labelled joint may lie
    outside the image; it keeps its coordinates. ``id`` is the row in the official file.

    ``headbox_file`` is relative to ``data_root``, as ``ann_file`` is; MMPose's is not.

    In training, persons without a labelled joint are left out. In testing every row is
    kept, so that predictions can be put beside the rows of ``mpii_gt_val.mat``.
    """

    headbox_file: str | None

    def _join_prefix(self) -> None:
        super()._join_prefix()
        if self.headbox_file and self.data_root and not is_abs(self.headbox_file):
            self.headbox_file = join_path(self.data_root, self.headbox_file)

    def _load_annotations(self) -> tuple[list[dict], list[dict]]:
        with get_local_path(self.ann_file) as path, open(path) as file:
            rows = json.load(file)
        head_boxes = self._head_boxes(len(rows)) if self.headbox_file else None
        image_ids = number_images([row['image'] for row in rows])
        self.coco = None  # as upstream: MPII has no COCO index
        persons, images = [], {}
        for i, row in enumerate(rows):
            person = read_person(row)
            person['id'] = i
            person['img_id'] = image_ids[row['image']]
            person['img_path'] = join_path(self.data_prefix['img'], row['image'])
            if head_boxes is not None:
                box = head_boxes[i]
                person['head_box'] = box.reshape(1, 4).astype(np.float32)
                diagonal = np.linalg.norm(box[1] - box[0])
                person['head_size'] = (HEAD_SIZE_PER_DIAGONAL * diagonal).reshape(1, 1)
            images[person['img_id']] = {k: person[k] for k in ('img_id', 'img_path')}
            persons.append(person)
        return persons, list(images.values())

    def _get_topdown_data_infos(self, instance_list: list[dict]) -> list[dict]:
        if self.test_mode:
            return instance_list
        return super()._get_topdown_data_infos(instance_list)

    def _head_boxes(self, rows: int) -> np.ndarray:
        """(N, 2, 2) corners of the head boxes, 0-based px, in the order of the rows."""
        with get_local_path(self.headbox_file) as path:
            boxes = np.transpose(loadmat(path)['headboxes_src'], (2, 0, 1)) - ORIGIN
        if len(boxes) != rows:
            what = f'has {len(boxes)} head boxes, but {self.ann_file} has {rows} persons'
            fix = 'give the headbox_file that belongs to the annotation file'
            raise DataError([Problem(str(self.headbox_file), what, fix)])
        return boxes


def read_person(row: dict[str, Any]) -> dict[str, Any]:
    """One row of MPII's json, in MMPose's keys and 0-based pixels.

    Box, centre and scale as in MMPose: a square of ``200 * scale`` px around the centre,
    which is moved down by ``15 * scale``. The padding of 1.25 comes from
    ``GetBBoxCenterScale``.
    """
    center = np.array(row['center'], np.float32).reshape(1, 2)
    scale = np.full((1, 2), row['scale'], np.float32) * np.float32(PIXELS_PER_SCALE)
    if center[0, 0] != -1:  # -1: MPII's mark for "no centre"
        center[0, 1] += CENTER_SHIFT / PIXELS_PER_SCALE * scale[0, 1]
    center -= ORIGIN
    box = bbox_cs2xyxy(center, scale)
    visible_NK = (np.array(row['joints_vis'], np.float32) > 0).astype(np.float32).reshape(1, -1)
    joints_NK2 = np.array(row['joints'], np.float32).reshape(1, -1, 2) - np.float32(ORIGIN)
    size = box[:, 2:] - box[:, :2]
    return {
        'bbox_center': center,
        'bbox_scale': scale,
        'bbox': box,
        'bbox_score': np.ones(1, np.float32),
        'keypoints': np.where(visible_NK[..., None] > 0, joints_NK2, np.float32(0)),
        'keypoints_visible': visible_NK,
        'num_keypoints': int(visible_NK.sum()),
        'area': np.clip(size.prod(axis=1) * 0.53, 1.0, None).astype(np.float32),
        'iscrowd': 0,
        'category_id': row.get('category_id', [1]),
    }


def number_images(names: Sequence[str]) -> dict[str, int]:
    """An integer for each image name.

    It is the name itself where all names are different numbers, as in MPII
    (``'015601864.jpg'`` -> 15601864); else the position of its first occurrence.
    """
    unique = list(dict.fromkeys(names))
    stems = [PurePosixPath(name).stem if '/' not in name else '' for name in unique]
    if all(stem.isascii() and stem.isdigit() for stem in stems):
        numbers = [int(stem) for stem in stems]
        if len(set(numbers)) == len(numbers):
            return dict(zip(unique, numbers, strict=True))
    return {name: i for i, name in enumerate(unique)}
