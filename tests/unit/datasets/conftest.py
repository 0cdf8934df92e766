"""A tiny world: two photographs, three persons, written in the formats of the field."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import hpemap_mm  # noqa: F401  # before any test module imports mmpose

sys.path.insert(0, str(Path(__file__).parent))  # for completed_files

WIDTH, HEIGHT = 64, 48


def joint(k: int) -> tuple[int, int]:
    """Where joint k of every person is: all joints at different places."""
    return 5 + 3 * (k % 16), 10 + k


def write_image(path: Path, shade: int) -> None:
    """A JPEG whose left half is darker, so that a flip shows."""
    image = np.full((HEIGHT, WIDTH, 3), shade, np.uint8)
    image[:, WIDTH // 2 :] += 40
    assert cv2.imwrite(str(path), image)


def coco_content(joints: int, *, persons: int = 3, images: int = 2) -> dict:
    """A COCO file: person p on image p % images; joint 0 unlabelled, joint 1 occluded."""
    keypoints = []
    for k in range(joints):
        x, y = joint(k)
        keypoints += [x, y, {0: 0, 1: 1}.get(k, 2)]
    keypoints[:2] = [0, 0]
    return {
        'images': [
            {'id': i + 1, 'file_name': f'{i + 1:03d}.jpg', 'width': WIDTH, 'height': HEIGHT}
            for i in range(images)
        ],
        'annotations': [
            {
                'id': 100 + p,
                'image_id': p % images + 1,
                'category_id': 1,
                'bbox': [4, 6, 50, 40],
                'area': 1000.0 + p,
                'iscrowd': 0,
                'num_keypoints': joints - 1,
                'keypoints': list(keypoints),
            }
            for p in range(persons)
        ],
        'categories': [{'id': 1, 'name': 'person'}],
    }


def mpii_content(*, persons: int = 3, images: int = 2) -> list:
    """An MPII file, 1-based; joint 0 is missing, as MPII writes it."""
    joints = [[-1.0, -1.0], *([float(x + 1), float(y + 1)] for x, y in map(joint, range(1, 16)))]
    return [
        {
            'image': f'{p % images + 1:03d}.jpg',
            'center': [30.0, 25.0],
            'scale': 0.2,
            'joints': joints,
            'joints_vis': [0] + [1] * 15,
        }
        for p in range(persons)
    ]


@pytest.fixture(scope='session')
def contents() -> SimpleNamespace:
    """What annotation files hold: `coco(joints)` and `mpii()`."""
    return SimpleNamespace(coco=coco_content, mpii=mpii_content)


@pytest.fixture
def world(tmp_path: Path) -> SimpleNamespace:
    """Files of four datasets over the same two images, and entries that read them."""
    images = tmp_path / 'images'
    images.mkdir()
    for i, shade in enumerate((60, 120)):
        write_image(images / f'{i + 1:03d}.jpg', shade)
    files = {}
    for name, joints in (('coco', 17), ('aic', 14)):
        files[name] = tmp_path / f'{name}.json'
        files[name].write_text(json.dumps(coco_content(joints)))
    files['mpii'] = tmp_path / 'mpii.json'
    files['mpii'].write_text(json.dumps(mpii_content()))
    files['lsp'] = tmp_path / 'lsp.npz'
    points = np.array([[*joint(k), k > 0] for k in range(14)], np.float32)
    np.savez(files['lsp'], image=np.array(['001.jpg', '002.jpg']), joints=np.stack([points] * 2))
    types = {
        'coco': 'CocoDataset',
        'aic': 'AicDataset',
        'mpii': 'hpemap_mm.MpiiDataset',
        'lsp': 'hpemap_mm.LspDataset',
    }

    def entry(name: str, **dataset: object) -> dict:
        settings = {
            'type': types[name],
            'ann_file': str(files[name]),
            'data_prefix': {'img': str(images)},
            **dataset,
        }
        return {'dataset': settings}

    return SimpleNamespace(root=tmp_path, images=images, files=files, entry=entry)


@pytest.fixture
def pipeline() -> list[dict]:
    """A training pipeline with every random transform of a top-down config."""
    return [
        {'type': 'hpemap_mm.LoadPoseImage'},
        {'type': 'GetBBoxCenterScale'},
        {'type': 'RandomFlip', 'direction': 'horizontal'},
        {'type': 'RandomHalfBody', 'prob': 1.0},
        {'type': 'RandomBBoxTransform'},
        {'type': 'TopdownAffine', 'input_size': (48, 64), 'use_udp': True},
        {
            'type': 'GenerateTarget',
            'encoder': {
                'type': 'UDPHeatmap',
                'input_size': (48, 64),
                'heatmap_size': (12, 16),
                'sigma': 2,
            },
        },
        {'type': 'hpemap_mm.PackSample'},
    ]
