"""Files of keypoint pairs as the real ones are named and written, of people who never were.

Their joints are those of a standing body, bent, turned and grown for each person by one smooth map
of the picture, so that all skeletons of a person agree. MPII's joints lie elsewhere than COCO's of
the same name, by a share of the person's size: what a translator has to learn.
"""

import json
from pathlib import Path

import numpy as np

from hpemap_mm.analysis.report import standing_body
from hpemap_mm.skeletons import get_skeleton

#: How far MPII's joints lie above COCO's, in heights of the body.
OFFSET = 0.03


def people(skeleton: str, count: int, seed: int, *, raised: float = 0.0) -> np.ndarray:
    """(count, K, 2) px; everybody stands alike in any skeleton for the same seed."""
    found = get_skeleton(skeleton)
    positions = standing_body(found).positions
    body = np.array([positions[joint] for joint in found.joints])
    low, high = (
        f(p[1] for p in standing_body(get_skeleton('coco')).positions.values()) for f in (min, max)
    )
    body = (body - [0.0, (low + high) / 2]) / (high - low) - [0.0, raised]
    rng = np.random.default_rng(seed)
    wave, phase = rng.normal(0, 3, (count, 2, 2)), rng.uniform(0, 6, (count, 1, 2))
    bent = body + 0.06 * np.sin(np.einsum('kd,nde->nke', body, wave) + phase)
    angle, size = rng.normal(0, 0.3, (count, 1)), rng.uniform(100, 300, (count, 1, 1))
    x, y = np.moveaxis(bent, -1, 0)
    turned = np.stack(
        [np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y], -1
    )
    return turned * size + rng.uniform(200, 600, (count, 1, 2))


def write_pair_files(folder: Path, persons: int = 300, seed: int = 0) -> Path:
    """What the configs of ``configs/translators`` read, below a folder; two persons an image."""
    rng = np.random.default_rng(seed + 1)
    images = np.arange(persons) // 2
    for name in ('mpii', 'coco', 'lspet'):
        (folder / name).mkdir(parents=True)
    coco = people('coco', persons, seed)
    noisy = coco + rng.normal(0, 1, coco.shape)
    np.savez(folder / 'mpii/vitpose-b_coco17_on_mpii_train_part.npz', keypoints=noisy + 1)

    mpii = people('mpii', persons, seed, raised=OFFSET) + 1
    seen = rng.random(mpii.shape[:2]) > 0.1
    seen[:, [get_skeleton('mpii').index(name) for name in ('head_top', 'upper_neck')]] = True
    rows = [
        {
            'image': f'{images[i]:08d}.jpg',
            'center': points.mean(0).tolist(),
            'scale': float(np.ptp(points[:, 1]) / 200),
            'joints': np.where(seen[i][:, None], points, 0.0).tolist(),
            'joints_vis': seen[i].astype(int).tolist(),
        }
        for i, points in enumerate(mpii)
    ]
    (folder / 'mpii/mpii_train_part.json').write_text(json.dumps(rows))

    arrays = {
        'coco17': labelled(coco, rng),
        'crowdpose14': labelled(people('crowdpose', persons, seed), rng),
    }
    np.savez(folder / 'coco/coco17_crowdpose14_pairs.npz', coco_image_id=images, **arrays)
    np.savez(
        folder / 'lspet/lspet_train.npz',
        image=np.array([f'im{i:05d}.jpg' for i in range(persons)]),
        joints=labelled(people('lsp', persons, seed), rng),
    )
    return folder


def labelled(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N, K, 3): x, y, and 1 where labelled, for nine joints of ten."""
    known = rng.random(points.shape[:2]) > 0.1
    return np.concatenate([np.where(known[..., None], points, 0), known[..., None]], -1)
