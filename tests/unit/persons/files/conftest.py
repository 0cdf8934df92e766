"""Two images and three persons in the formats of the field, small enough to know by heart."""

import json
from pathlib import Path

import pytest

from hpemap_mm.persons.files import read_truth
from hpemap_mm.skeletons import get_skeleton


def place(person: int, k: int) -> tuple[float, float]:
    """Where joint k of a person is, 0-based px: all different."""
    return 100.0 * (person + 1) + k, 50.0 + 2 * k


def coco_content() -> dict:
    """Persons 11 and 12 in image 1, 13 in image 2, nobody in image 3.

    Joint 0 is not annotated, joint 1 is occluded.
    """
    coco = get_skeleton('coco')
    annotations = []
    for person in range(3):
        keypoints: list[float] = []
        for k in range(len(coco)):
            keypoints += [*place(person, k), min(k, 2)] if k else [0, 0, 0]
        annotations.append(
            {
                'id': 11 + person,
                'image_id': 1 if person < 2 else 2,
                'category_id': 1,
                'bbox': [10 * person, 20, 30, 40],
                'area': 700.5,
                'iscrowd': 0,
                'num_keypoints': len(coco) - 1,
                'keypoints': keypoints,
            }
        )
    return {
        'images': [{'id': i, 'file_name': f'{i:03d}.jpg', 'width': 64} for i in (1, 2, 3)],
        'annotations': annotations,
        'categories': [{'id': 1, 'name': 'person', 'keypoints': list(coco.joints)}],
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


def results_content() -> list[dict]:
    """Detections: two in image 1, one in image 2; COCO's joints; different scores."""
    rows = []
    for person in range(3):
        keypoints: list[float] = []
        for k in range(len(get_skeleton('coco'))):
            x, y = place(person, k)
            keypoints += [x + 0.25, y - 0.5, 0.5 + k / 100]
        rows.append(
            {
                'image_id': 1 if person < 2 else 2,
                'category_id': 1,
                'keypoints': keypoints,
                'score': 0.9 - person / 10,
            }
        )
    return rows


@pytest.fixture
def write(tmp_path):
    """Write a json file (or text, or bytes) and return its path."""

    def write_content(content, name: str = 'file.json') -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_text(text, encoding='utf-8')
        return path

    return write_content


@pytest.fixture
def coco():
    return coco_content()


@pytest.fixture
def mpii():
    return mpii_content()


@pytest.fixture
def results():
    return results_content()


@pytest.fixture
def truth(write, coco):
    """The three persons of :func:`coco_content`."""
    return read_truth(write(coco, 'truth.json')).truth
