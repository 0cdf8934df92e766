"""A world of a few persons in three formats, and what a model or a completer would say of them."""

import json

import cv2
import numpy as np

from hpemap_mm.completion.candidates import Predicted
from hpemap_mm.skeletons import get_skeleton

#: Width and height of all images.
SIZE = (120, 90)


def write_images(folder, names, seed=0):
    """Noise, so that crops differ."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for name in names:
        image = rng.integers(0, 256, (SIZE[1] // 6, SIZE[0] // 6, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / name), cv2.resize(image, SIZE))


def coco_annotation(identity, image, *, seed=0, **more):
    """A person of whom every third joint is not annotated and every other one is hidden."""
    rng = np.random.default_rng(1000 + identity + seed)
    joints = len(get_skeleton('coco'))
    points = np.round(rng.uniform(10, 80, (joints, 2)), 3)
    flags = np.where(np.arange(joints) % 3 == 2, 0, 1 + np.arange(joints) % 2)
    table = np.where(flags[:, None] > 0, points, 0)
    rows = np.concatenate([table, flags[:, None]], axis=1)
    keypoints = [int(v) if v == int(v) else float(v) for v in rows.ravel()]
    return {
        'id': identity,
        'image_id': image,
        'category_id': 1,
        'iscrowd': 0,
        'bbox': [5.25, 4.5, 80.0, 79.75],
        'area': 3000.5,
        'num_keypoints': int((flags > 0).sum()),
        'keypoints': keypoints,
        **more,
    }


def write_coco(path, images, annotations):
    """An annotation file; ``images``: id -> name."""
    joints = list(get_skeleton('coco').joints)
    path.parent.mkdir(parents=True, exist_ok=True)
    value = {
        'images': [
            {'id': i, 'file_name': name, 'width': SIZE[0], 'height': SIZE[1]}
            for i, name in images.items()
        ],
        'annotations': annotations,
        'categories': [{'id': 1, 'name': 'person', 'keypoints': joints, 'skeleton': []}],
    }
    path.write_text(json.dumps(value))


def coco_entry(folder):
    """The entry of ``coco.json`` and ``images`` in a folder."""
    return dict(
        skeleton='coco',
        dataset=dict(
            type='CocoDataset',
            data_root=str(folder),
            ann_file='coco.json',
            data_prefix=dict(img='images/'),
        ),
    )


def write_world(folder, *, coco_persons=5, lsp_persons=3):
    """Entries: ``c`` in COCO's format, ``l`` in LSP's, some on the same images.

    Persons of ``c`` are on a.png, b.png, a.png, ...; those of ``l`` on b.png, x.png, y.png.
    """
    write_images(folder / 'images', ['a.png', 'b.png', 'x.png', 'y.png'])
    write_coco(
        folder / 'coco.json',
        {7: 'a.png', 9: 'b.png'},
        [coco_annotation(10 + i, (7, 9)[i % 2]) for i in range(coco_persons)],
    )
    joints = len(get_skeleton('lsp'))
    rng = np.random.default_rng(5)
    points = rng.uniform(10, 80, (lsp_persons, joints, 2)).astype(np.float32)
    labels = np.ones((lsp_persons, joints, 1), np.float32)
    labels[:, 3] = 0
    names = [('b.png', 'x.png', 'y.png')[i % 3] for i in range(lsp_persons)]
    np.savez(
        folder / 'lsp.npz', image=np.array(names), joints=np.concatenate([points, labels], axis=2)
    )
    return {
        'c': coco_entry(folder),
        'l': dict(
            skeleton='lsp',
            dataset=dict(
                type='hpemap_mm.LspDataset',
                data_root=str(folder),
                ann_file='lsp.npz',
                data_prefix=dict(img='images/'),
            ),
        ),
    }


def pipeline(width=32, height=48):
    """What cuts persons out."""
    return [
        dict(type='hpemap_mm.LoadPoseImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='TopdownAffine', input_size=(width, height), use_udp=True),
        dict(type='hpemap_mm.PackSample'),
    ]


def predicted(batch, skeleton, *, seed=0, spread=2.0):
    """A model's answer: right for joints that are annotated, but for a few pixels."""
    rng = np.random.default_rng(seed)
    joints = len(get_skeleton(skeleton))
    points = rng.uniform(10, 80, (len(batch), joints, 2))
    if batch.skeleton.name == skeleton:
        noisy = batch.keypoints + rng.normal(0, spread, batch.keypoints.shape)
        points = np.where(batch.labelled[..., None], noisy, points)
    scores = rng.uniform(0.2, 0.9, points.shape[:2])
    return Predicted(skeleton=get_skeleton(skeleton), keypoints=points, scores=scores)
