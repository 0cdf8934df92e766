"""A translator that is the ontology alone, with uncertainties that can be worked out by hand."""

import dataclasses
from typing import Any

import numpy as np

from hpemap_mm.skeletons import get_skeleton, transfer

ORIGINS = ('none', 'copied', 'derived', 'predicted')
#: Of every answered joint k: (k + 1) / 4 px; its 95% region has twice this radius.
RADIUS_PER_SIGMA = 2.0


@dataclasses.dataclass
class Answer:
    keypoints: np.ndarray
    sigmas: np.ndarray
    origins: np.ndarray
    radii: Any

    def radius(self, probability: float) -> np.ndarray:
        return self.sigmas * RADIUS_PER_SIGMA * probability / 0.95


class Remap:
    """Copies joints of the same name in the ontology, and derives midpoints."""

    name = 'remap'

    def __init__(self, source: str, target: str, *, calibrated: bool = True) -> None:
        self.source, self.target = get_skeleton(source), get_skeleton(target)
        self.calibrated = calibrated
        self.seen: list[tuple[np.ndarray, np.ndarray | None]] = []

    def __call__(self, keypoints: np.ndarray, scores: np.ndarray | None = None) -> Answer:
        self.seen.append((keypoints, scores))
        there = np.isfinite(keypoints).all(-1)
        assert keypoints.shape[1:] == (len(self.source), 2)
        points, valid, relations = transfer(
            self.source, self.target, np.where(there[..., None], keypoints, 0.0), there
        )
        points = np.where(valid[..., None], points, np.nan).astype(keypoints.dtype)
        sigmas = np.where(valid, (np.arange(len(self.target)) + 1) / 4, np.nan)
        if not self.calibrated:
            sigmas = np.full_like(sigmas, np.nan)
        codes = [ORIGINS.index('derived' if r == 'derived' else 'copied') for r in relations]
        origins = np.where(valid, codes, 0).astype(np.uint8)
        return Answer(points, sigmas, origins, np.ones(1) if self.calibrated else None)


def place(person: int, k: int) -> tuple[float, float]:
    """Where joint k of a person is, 0-based px: all different."""
    return 100.0 * (person + 1) + k, 50.0 + 2 * k


def coco_content() -> dict:
    """Persons 11 and 12 in image 1, crowd 13 in image 2, person 14 without joints in image 3.

    The nose of the first two is not annotated; their left eye is occluded.
    """
    joints = len(get_skeleton('coco'))
    annotations = []
    for person in range(4):
        keypoints: list[float] = []
        for k in range(joints):
            keypoints += [*place(person, k), min(k, 2)] if k and person < 2 else [0, 0, 0]
        annotations.append(
            {
                'segmentation': [[1.25, 2.5]],
                'id': 11 + person,
                'image_id': max(1, person),
                'category_id': 1,
                'bbox': [10 * person, 20, 30.5, 40],
                'area': 700.5,
                'iscrowd': int(person == 2),
                'num_keypoints': joints - 1,
                'keypoints': keypoints,
            }
        )
    return {
        'info': {'year': 2026},
        'images': [
            {'id': i, 'file_name': f'{i:03d}.jpg', 'width': 64, 'height': 48} for i in (1, 2, 3)
        ],
        'annotations': annotations,
        'categories': [{'id': 1, 'name': 'person', 'keypoints': list(get_skeleton('coco').joints)}],
    }


def mpii_content() -> list[dict]:
    """Persons 0 and 1 in one image, 2 in another; 1-based; the last joint is not annotated."""
    joints = len(get_skeleton('mpii'))
    rows = []
    for person in range(3):
        points = [[x + 1, y + 1] for x, y in (place(person, k) for k in range(joints))]
        points[-1] = [-1.0, -1.0]
        rows.append(
            {
                'image': '000000007.jpg' if person < 2 else '000000009.jpg',
                'joints': points,
                'joints_vis': [1] * (joints - 1) + [0],
                'center': [201.0, 301.0],
                'scale': 0.5,
            }
        )
    return rows


def results_content(persons: int = 3) -> list[dict]:
    """Detections whose joint k has the confidence k / 20: the nose's is 0."""
    joints = len(get_skeleton('coco'))
    return [
        {
            'image_id': 7 + person,
            'category_id': 1,
            'keypoints': [n for k in range(joints) for n in (*place(person, k), k / 20)],
            'score': 0.25 * (person + 1),
        }
        for person in range(persons)
    ]
