"""A small completed dataset, written by hand as the contract of the format says."""

import json
from pathlib import Path

import cv2
import numpy as np

from hpemap_mm.persons.provenance import PROVENANCE
from hpemap_mm.skeletons import get_skeleton

WIDTH, HEIGHT = 64, 48
AREA = 400.0  # a size of 20 px
CODE = {name: code for code, name in enumerate(PROVENANCE)}


def point(skeleton, joint):
    """Where a joint is in these files: a point of its own."""
    k = skeleton.index(joint)
    return (6.0 + 3 * k % 50 + 0.25 * len(skeleton) / 17, 5.0 + 2 * k)


def write(folder: Path, persons, skeletons=('coco', 'lsp'), image_root='images') -> Path:
    """Write ``<skeleton>.json`` and the images.

    Args:
        folder: Where to.
        persons: For each (entry, {skeleton: {joint: (origin, std in px)}}).
        skeletons: The files.
        image_root: The folder of the images, from ``folder``.
    """
    images = folder / image_root
    images.mkdir(parents=True, exist_ok=True)
    for i in range(len(persons)):
        image = np.full((HEIGHT, WIDTH, 3), 40 + 20 * i, np.uint8)
        image[:, WIDTH // 2 :] += 60
        cv2.imwrite(str(images / f'{i + 1}.png'), image)
    for name in skeletons:
        skeleton = get_skeleton(name)
        content = {
            'info': {
                'description': 'a test',
                'hpemap_mm': {
                    'version': 1,
                    'skeleton': name,
                    'provenance': list(PROVENANCE),
                    'image_root': image_root,
                    'max_std': 0.1,
                },
            },
            'images': [
                {'id': i + 1, 'file_name': f'{i + 1}.png', 'width': WIDTH, 'height': HEIGHT}
                for i in range(len(persons))
            ],
            'annotations': [
                _annotation(i + 1, entry, skeleton, joints.get(name, {}))
                for i, (entry, joints) in enumerate(persons)
            ],
            'categories': [{'id': 1, 'name': 'person', 'keypoints': list(skeleton.joints)}],
        }
        (folder / f'{name}.json').write_text(json.dumps(content))
    return folder


def _annotation(id_, entry, skeleton, joints):
    keypoints, stds, codes = [], [], []
    for joint in skeleton.joints:
        origin, std = joints.get(joint, ('none', None))
        here = origin != 'none'
        keypoints += [*point(skeleton, joint), 2 if origin == 'gt' else 1] if here else [0, 0, 0]
        stds.append(std)
        codes.append(CODE[origin])
    return {
        'id': id_,
        'image_id': id_,
        'category_id': 1,
        'iscrowd': 0,
        'bbox': [4, 4, 56, 40],
        'area': AREA,
        'num_keypoints': sum(code > 0 for code in codes),
        'keypoints': keypoints,
        'keypoints_std': stds,
        'keypoints_provenance': codes,
        'entry': entry,
        'source_id': 100 + id_,
    }


#: Two persons: one annotated in COCO's joints, one in LSP's.
PERSONS = [
    (
        'a',
        {
            'coco': {
                'nose': ('gt', 0.4),
                'left_knee': ('gt', 1.2),
                'right_knee': ('predicted', 2.4),
            },
            'lsp': {'left_knee': ('derived', 1.2), 'head_top': ('fused', 3.0)},
        },
    ),
    (
        'b',
        {
            'coco': {'left_eye': ('translated', 1.0), 'left_wrist': ('predicted', 0.5)},
            'lsp': {'left_wrist': ('gt', 0.9), 'neck': ('gt', 0.9), 'head_top': ('gt', 0.9)},
        },
    ),
]
