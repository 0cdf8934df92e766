"""Leeds Sports Pose, and its extended set, from .npz files."""

# P persons, K joints

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.fileio import get_local_path, join_path
from mmpose.datasets.datasets.base import BaseCocoStyleDataset

from hpemap_mm.photographs import size_as_read
from hpemap_mm.registry import DATASETS
from hpemap_mm.skeletons import get_skeleton


def labelled_joints(joints_PK3: np.ndarray) -> np.ndarray:
    """(P, K) bool: the label is set and no coordinate is negative.

    Args:
        joints_PK3: x, y, label, as in the files. Crowd workers marked some joints outside
            the image; what the set's authors do not count is not counted here either.
    """
    return (joints_PK3[..., 2] > 0) & (joints_PK3[..., :2] >= 0).all(axis=-1)


def box_around(
    points_L2: np.ndarray, *, padding: float, image_size: tuple[float, float]
) -> np.ndarray:
    """(1, 4) float32 xyxy box around points, widened, then clipped to the image.

    Args:
        points_L2: L >= 1 points, px.
        padding: Factor on the points' extent about its middle; 1 is the tight box.
        image_size: (w, h) in px.
    """
    low, high = points_L2.min(axis=0), points_L2.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2 * padding
    limit = np.array(image_size) - 1
    corners = np.clip([middle - half, middle + half], 0, limit)
    return corners.reshape(1, 4).astype(np.float32)


def image_size(path: str) -> tuple[float, float]:
    """(w, h) of an image as it is loaded, from its header; infinite where it cannot be read.

    Whether a missing or damaged image is an error is decided where it is loaded.
    """
    try:
        with get_local_path(path) as local:
            return size_as_read(local)
    except (OSError, ValueError):
        return (np.inf, np.inf)


@DATASETS.register_module()
class LspDataset(BaseCocoStyleDataset):
    """LSP or LSP Extended: one person per image, 14 joints, no boxes.

    The annotation file is an .npz with ``image`` ((P,) file names) and ``joints``
    ((P, 14, 3): x, y, label). A joint whose label is 0, or that has a negative
    coordinate, is unlabelled: (0, 0) with visibility 0. The set's authors do not say from
    which number pixels count; coordinates are taken as they are.

    A box is made from the labelled joints (:func:`box_around`), which end at wrists,
    ankles and the top of the head. ``GetBBoxCenterScale`` widens it further.
    ``id`` is the row in the file; ``img_id`` numbers the images.

    Args:
        box_padding: Factor on the extent of the labelled joints.
        **kwargs: As MMPose's datasets: ``ann_file``, ``data_root``, ``data_prefix``, ...
    """

    METAINFO: dict = get_skeleton('lsp').metainfo()

    def __init__(self, *, box_padding: float = 1.2, **kwargs: Any) -> None:
        if not box_padding >= 1:
            raise ValueError(f'box_padding must be at least 1, got {box_padding}.')
        self.box_padding = box_padding
        super().__init__(**kwargs)

    def _load_annotations(self) -> tuple[list[dict], list[dict]]:
        with get_local_path(self.ann_file) as path, np.load(path, allow_pickle=False) as file:
            names, joints_PK3 = file['image'].tolist(), file['joints'].astype(np.float32)
        labelled_PK = labelled_joints(joints_PK3)
        image_ids = {name: i for i, name in enumerate(dict.fromkeys(names))}
        persons = []
        images: dict[int, dict] = {}
        for i, name in enumerate(names):
            image = {
                'img_id': image_ids[name],
                'img_path': join_path(self.data_prefix['img'], name),
            }
            images[image['img_id']] = image
            if labelled_PK[i].any():
                persons.append(self._person(i, image, joints_PK3[i, :, :2], labelled_PK[i]))
        return persons, list(images.values())

    def _person(
        self, row: int, image: dict, points_K2: np.ndarray, labelled_K: np.ndarray
    ) -> dict[str, Any]:
        size = image_size(image['img_path'])
        box = box_around(points_K2[labelled_K], padding=self.box_padding, image_size=size)
        area = np.clip((box[:, 2:] - box[:, :2]).prod(axis=1) * 0.53, 1.0, None)
        return {
            **image,
            'id': row,
            'bbox': box,
            'bbox_score': np.ones(1, np.float32),
            'keypoints': np.where(labelled_K[:, None], points_K2, np.float32(0))[None],
            'keypoints_visible': labelled_K[None].astype(np.float32),
            'num_keypoints': int(labelled_K.sum()),
            'area': area.astype(np.float32),
            'iscrowd': 0,
            'category_id': np.array(1),
        }
