"""COCO persons at known places, and a completed dataset as tools/complete_dataset.py writes it."""

from hpemap_mm.skeletons import get_skeleton

SIZES = {'000000000007.jpg': (640, 480), 'sub/000000000009.png': (333, 500)}
PROVENANCE = ('none', 'gt', 'derived', 'translated', 'predicted', 'fused')


def place(person: int, k: int) -> tuple[float, float]:
    """Where joint k of a person is: whole numbers, all different."""
    return 20 + 40 * person + 2 * k, 30 + 50 * person + 3 * k


def joint(person: int, k: int) -> list[float]:
    """x, y, v: of each three joints the first is not labelled, the second occluded."""
    return [*place(person, k), k % 3] if k % 3 else [0, 0, 0]


def annotation(person: int, image: int, joints: int, **more) -> dict:
    keypoints = [n for k in range(joints) for n in joint(person, k)]
    return {
        'id': 100 + person,
        'image_id': image,
        'category_id': 1,
        'iscrowd': 0,
        'bbox': [10.25 + 40 * person, 20.5, 100.125, 200],
        'area': 1234.5,
        'num_keypoints': sum(v > 0 for v in keypoints[2::3]),
        'keypoints': keypoints,
        **more,
    }


def coco_dataset(skeleton: str = 'coco', *, persons: int = 3) -> dict:
    """Persons in turn in image 7 and image 9."""
    joints = len(get_skeleton(skeleton))
    images = [
        {'id': i, 'file_name': name, 'width': size[0], 'height': size[1]}
        for i, (name, size) in zip((7, 9), SIZES.items(), strict=True)
    ]
    return {
        'images': images,
        'annotations': [
            annotation(person, images[person % 2]['id'], joints) for person in range(persons)
        ],
        'categories': [
            {'id': 1, 'name': 'person', 'keypoints': list(get_skeleton(skeleton).joints)}
        ],
    }


def completed_dataset(skeleton: str = 'mpii') -> dict:
    """The first joints of each person have the provenances gt, derived, ..., fused; others none."""
    world = coco_dataset(skeleton)
    joints = len(get_skeleton(skeleton))
    for person, row in enumerate(world['annotations']):
        codes = [k + 1 if k + 1 < len(PROVENANCE) else 0 for k in range(joints)]
        row['keypoints'] = [
            n for k in range(joints) for n in ((*place(person, k), 1) if codes[k] else (0, 0, 0))
        ]
        row['num_keypoints'] = sum(map(bool, codes))
        row['keypoints_std'] = [0.25 * code if code else None for code in codes]
        row['keypoints_provenance'] = codes
        row['entry'], row['source_id'] = 'lspet', 5 + person
    world['info'] = {
        'description': 'completed',
        'version': '1',
        'hpemap_mm': {
            'version': '0.1.0',
            'skeleton': skeleton,
            'provenance': list(PROVENANCE),
            'image_root': 'photographs',
            'max_std': 0.05,
        },
    }
    return world
