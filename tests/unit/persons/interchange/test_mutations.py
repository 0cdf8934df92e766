"""Whatever stands in a file, there is a result or a DataError, and never a part of a result."""

import json
import random

import pytest
import yaml
from dataset_worlds import coco_dataset, completed_dataset
from PIL import Image

from hpemap_mm.errors import DataError
from hpemap_mm.persons.interchange import convert_dataset
from hpemap_mm.skeletons import get_skeleton

STRANGE = [
    None,
    True,
    -1,
    0,
    3,
    2**70,
    1e300,
    0.5,
    '',
    'x',
    '../x',
    '\ud800',
    [],
    [1],
    {},
    {'a': 1},
]


def change(value, rng):
    """Change one place of nested lists and dicts; the short ones as often as the long."""
    while True:
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if not value[key] or not isinstance(value[key], dict | list) or rng.random() < 0.25:
            break
        value = value[key]
    if rng.random() < 0.2:
        del value[key]
    else:
        value[key] = rng.choice(STRANGE)


def outcome(source, out, **options):
    """Nothing is there after an error."""
    try:
        convert_dataset(source, out, **options)
    except DataError:
        assert not out.exists()
        return 0
    assert out.exists()
    return 1


@pytest.mark.parametrize('target', ['coco', 'yolo', 'mmpose-mpii'])
def test_jsons(tmp_path, target):
    rng, good = random.Random(target), 0
    for number in range(150):
        world = completed_dataset() if number % 2 else coco_dataset('mpii')
        for _ in range(rng.choice([1, 1, 2])):
            change(world, rng)
        path = tmp_path / 'a.json'
        path.write_text(json.dumps(world))
        out = tmp_path / (f'{number}' if target == 'yolo' else f'{number}.json')
        provenance = ['gt'] if number % 4 == 1 else []
        good += outcome(
            path, out, source_format='coco', target_format=target, provenance=provenance
        )
    assert 10 < good < 140
    assert not list(tmp_path.glob('.*'))


def test_data_yaml(tmp_path):
    coco = get_skeleton('coco')
    (tmp_path / 'images' / 'val').mkdir(parents=True)
    (tmp_path / 'labels' / 'val').mkdir(parents=True)
    Image.new('RGB', (9, 9)).save(tmp_path / 'images' / 'val' / 'a.png')
    line = '0 0.5 0.5 0.25 0.5 ' + ' '.join(['0.25 0.75 2'] * len(coco))
    rng, good = random.Random(0), 0
    for number in range(150):
        data = {
            **{'path': '.', 'train': 'images/val', 'val': 'images/val'},
            'kpt_shape': [len(coco), 3],
            'flip_idx': coco.flip_indices.tolist(),
            'names': {0: 'person'},
            'kpt_names': {0: list(coco.joints)},
        }
        words = line.split(' ')
        if number % 3:
            change(data, rng)
        else:
            words[rng.randrange(len(words))] = str(rng.choice(STRANGE[:-1])).replace('\ud800', '?')
        (tmp_path / 'data.yaml').write_text(yaml.safe_dump(data).replace('\\uD800', '?'))
        (tmp_path / 'labels' / 'val' / 'a.txt').write_text(' '.join(words))
        out = tmp_path / f'{number}.json'
        options = {'splits': ['val'], 'skeleton': 'coco'}
        good += outcome(tmp_path, out, source_format='yolo', target_format='coco', **options)
    assert 10 < good < 140
