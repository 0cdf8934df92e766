"""A thousand damaged prediction files, and as many damaged truths: an error that says where, or
exactly what the file says. Never an exception of a library, never NaN inside."""

import copy
import io
import json
import random
import re
from collections import Counter

import numpy as np
import pytest
import scipy.io

from hpemap_mm.errors import DataError
from hpemap_mm.evaluation import Predictions, Truth
from hpemap_mm.persons.files import read_predictions, read_truth
from hpemap_mm.skeletons import get_skeleton

#: How many mutations of each kind; the first four kinds are 1000 together.
JSON_VALUES, JSON_BYTES, ARRAYS, ARRAY_BYTES = 400, 200, 200, 200
TRUTHS = 250
JSON_LETTERS = b'0123456789.-+eE,:"[]{} '
#: What a value may be replaced by.
JUNK = [
    *(None, True, False, '', 'x', '12', 'NaN', '\ud800', [], {}, [[1.0]], {'x': 1}, [None]),
    *(-1, 0, 1, 2, 3, 12, 2**31, 2**63, -(2**70), 10**400, 0.5, -0.0, 1.0, 1e7, -1e300, 5e-324),
    *(float('nan'), float('inf'), float('-inf')),
]


def mutate_json(content, rng: random.Random):
    """Change one place of nested lists and dicts; the keys and indices that lead there."""
    where, node = [], content
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            break
        key = rng.choice(keys)
        where.append(key)
        deeper = isinstance(node[key], list | dict) and rng.random() < 0.85
        if not deeper:
            _change(node, key, rng)
            break
        node = node[key]
    return where


def _change(node, key, rng: random.Random) -> None:
    action = rng.choice(['replace', 'replace', 'replace', 'delete', 'copy', 'rename', 'exchange'])
    if action == 'delete':
        del node[key]
    elif action == 'copy' and isinstance(node, list):
        node.insert(rng.randrange(len(node) + 1), copy.deepcopy(node[key]))
    elif action == 'rename' and isinstance(node, dict):
        node[rng.choice([f'{key}s', key[:-1], key.upper(), 'id', 'base', 'score'])] = node.pop(key)
    elif action == 'exchange':
        other = rng.choice(list(node) if isinstance(node, dict) else list(range(len(node))))
        node[key], node[other] = node[other], node[key]
    else:
        node[key] = copy.deepcopy(rng.choice(JUNK))


def mutate_bytes(data: bytes, rng: random.Random, alphabet: bytes = bytes(range(256))) -> bytes:
    """Change, remove, insert or cut off bytes; more often near the start, where headers are."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5, 20])):
        limit = len(changed) if rng.random() < 0.6 else min(len(changed), 400)
        place, action = rng.randrange(limit), rng.random()
        if action < 0.55:
            changed[place] = rng.choice(alphabet)
        elif action < 0.65:
            changed[place] ^= 1 << rng.randrange(8)
        elif action < 0.75:
            del changed[place : place + rng.randrange(1, 40)]
        elif action < 0.85:
            changed[place:place] = rng.randbytes(rng.randrange(1, 20))
        elif action < 0.93:
            changed[place : place + 4] = rng.choice([b'\xff' * 4, bytes(4), b'\xff\xff\xff\x7f'])
        else:
            del changed[place:]
        if not changed:
            return b''
    return bytes(changed)


def mutate_arrays(arrays: dict, rng: random.Random) -> dict:
    """Change one array of several: its values, shape, type, name, or whether it is there."""
    arrays = {name: np.array(array) for name, array in arrays.items()}
    name = rng.choice(list(arrays))
    array = arrays[name]
    action = rng.choice(
        ['value', 'value', 'type', 'shape', 'rows', 'drop', 'rename', 'order', 'nothing left']
    )
    if action == 'value' and array.size:
        values = [np.nan, np.inf, -np.inf, 1e7, -1e300, 0, -1, 2, 12, 1e30]
        flat = array.astype(rng.choice([float, array.dtype])).ravel()
        with np.errstate(invalid='ignore', over='ignore'):
            flat[rng.randrange(flat.size)] = np.array(rng.choice(values)).astype(flat.dtype)
        arrays[name] = flat.reshape(array.shape)
    elif action == 'type':
        kinds = ['f2', 'f4', '>f8', 'i8', 'u8', 'i1', '?', 'c16', 'S4', 'U4', 'M8[s]', 'm8[s]']
        with np.errstate(invalid='ignore', over='ignore'):
            arrays[name] = array.astype(rng.choice(kinds))
    elif action == 'shape':
        wide = np.atleast_1d(array)
        shapes = [array[None], wide.T, array.ravel(), wide[..., :0], wide[..., :1], wide[[0, 0]]]
        arrays[name] = rng.choice(shapes)
    elif action == 'rows' and array.ndim:
        rows = [array[:-1], array[:0], np.concatenate([array, array[:1]]), array[[0] * len(array)]]
        arrays[name] = rng.choice(rows)
    elif action == 'order' and array.ndim:
        arrays[name] = array[::-1]
    elif action == 'rename':
        new = rng.choice([f'{name}s', name[:-1], 'ids', 'base', 'scores', 'heatmaps'])
        arrays[new] = arrays.pop(name)
    elif action == 'nothing left':
        arrays = {}
    else:
        del arrays[name]
    return arrays


# --- what the mutations start from


PERSONS, JOINTS = 6, 17


def keypoints() -> np.ndarray:
    return np.round(np.random.default_rng(5).normal(200, 60, (PERSONS, JOINTS, 2)), 3)


def results(ids: bool) -> list[dict]:
    confidences = np.linspace(0.1, 0.9, JOINTS)[:, None]
    rows = []
    for i, points in enumerate(keypoints()):
        row = {'image_id': i // 2, 'category_id': 1, 'score': 0.9 - i / 10}
        row['keypoints'] = np.hstack([points, confidences]).ravel().tolist()
        rows.append({**row, 'annotation_id': 10 + i} if ids else row)
    return rows


def coco_truth() -> dict:
    annotations = [
        {
            'id': 10 + i,
            'image_id': i // 2,
            'category_id': 1,
            'bbox': [10, 20, 100, 200],
            'area': 9000.5,
            'iscrowd': 0,
            'keypoints': np.hstack([points, np.full((JOINTS, 1), 2)]).ravel().tolist(),
        }
        for i, points in enumerate(keypoints())
    ]
    category = {'id': 1, 'name': 'person', 'keypoints': list(get_skeleton('coco').joints)}
    images = [{'id': i, 'file_name': f'{i}.jpg', 'crowdIndex': 0.1 * i} for i in range(3)]
    return {'images': images, 'annotations': annotations, 'categories': [category]}


def mpii_truth() -> list[dict]:
    return [
        {
            'image': f'{i // 2}.jpg',
            'joints': points[:16].tolist(),
            'joints_vis': [1] * 16,
            'center': [150.0, 160.0],
            'scale': 1.5,
        }
        for i, points in enumerate(keypoints())
    ]


def scoring_truth() -> dict[str, np.ndarray]:
    boxes = np.zeros((2, 2, PERSONS))
    boxes[1] = 30
    return {
        'pos_gt_src': keypoints()[:, :16].transpose(1, 2, 0),
        'jnt_missing': np.zeros((16, PERSONS), np.uint8),
        'headboxes_src': boxes,
    }


def array_truth() -> dict[str, np.ndarray]:
    return {
        'keypoints': keypoints(),
        'visible': np.full((PERSONS, JOINTS), 2),
        'ids': np.arange(PERSONS) + 10,
        'image_ids': np.arange(PERSONS) // 2,
        'boxes': np.tile([1.0, 2, 30, 40], (PERSONS, 1)),
        'areas': np.full(PERSONS, 500.0),
    }


def array_predictions(rng: random.Random) -> dict[str, np.ndarray]:
    arrays = {'keypoints': keypoints(), 'scores': np.linspace(0.2, 0.8, PERSONS)}
    optional = {
        'ids': np.arange(PERSONS) + 10,
        'image_ids': np.arange(PERSONS) // 2,
        'keypoint_scores': np.full((PERSONS, JOINTS), 0.5),
        'base': np.array(1),
    }
    return arrays | {name: value for name, value in optional.items() if rng.random() < 0.5}


def as_npz(arrays: dict, rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    rng.choice([np.savez, np.savez_compressed])(buffer, **arrays)
    return buffer.getvalue()


def as_mat(arrays: dict, rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    plain = {  # times have no place in a mat
        name: np.ascontiguousarray(array.astype(float) if array.dtype.kind in 'mM' else array)
        for name, array in arrays.items()
    }
    scipy.io.savemat(buffer, plain, do_compression=rng.random() < 0.5)
    return buffer.getvalue()


# --- what must hold


@pytest.fixture
def truth(tmp_path) -> Truth:
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(coco_truth()), encoding='utf-8')
    return read_truth(path).truth


class Outcomes:
    """Reads one mutated file after the other; counts what came of them."""

    def __init__(self, path, read) -> None:
        self.path = path
        self.read = read
        self.count: Counter[str] = Counter()

    def of(self, data: bytes, label: str):
        """What was read, or the error; anything else fails with the label."""
        self.path.write_bytes(data)
        try:
            found = self.read(self.path)
        except DataError as error:
            self.count['refused'] += 1
            assert error.problems, label
            for problem in error.problems:
                assert str(self.path) in problem.where, label
                assert problem.what and problem.fix, label
            return error
        except Exception as error:
            pytest.fail(f'{label}: {type(error).__name__}: {error}')
        self.count['read'] += 1
        return found


def predictions_are_sound(found: Predictions, truth: Truth, label: str) -> None:
    assert len(found) > 0, label
    assert np.isfinite(found.keypoints).all(), label
    assert np.abs(found.keypoints).max() <= 1e6 + 1, label
    assert np.isfinite(found.scores).all(), label
    assert np.isnan(found.keypoint_scores).all() or np.isfinite(found.keypoint_scores).all(), label
    assert np.isin(found.image_ids, truth.images).all(), label
    if found.ids is not None:
        assert np.isin(found.ids, truth.ids).all(), label
        assert len(np.unique(found.ids)) == len(found), label


def says_the_same(found: Predictions, content: list[dict], label: str) -> None:
    """The predictions hold what an independent look at the json finds, row by row."""
    table = np.array([row['keypoints'] for row in content], float).reshape(len(content), JOINTS, 3)
    np.testing.assert_array_equal(found.keypoints, table[..., :2], err_msg=label)
    np.testing.assert_array_equal(found.scores, [row['score'] for row in content], err_msg=label)
    if found.ids is None:
        images = [row['image_id'] for row in content]
        np.testing.assert_array_equal(found.image_ids, images, err_msg=label)
    else:
        ids = [row['annotation_id'] for row in content]
        np.testing.assert_array_equal(found.ids, ids, err_msg=label)


@pytest.fixture
def predictions_outcomes(tmp_path, truth) -> Outcomes:
    def read(path) -> Predictions:
        return read_predictions(path, representation='coco', truth=truth).predictions

    return Outcomes(tmp_path / 'mutated', read)


def test_json_with_changed_values(predictions_outcomes, truth):
    for seed in range(JSON_VALUES):
        rng, label = random.Random(seed), f'seed {seed}'
        content = results(ids=rng.random() < 0.5)
        places = [mutate_json(content, rng) for _ in range(rng.choice([1, 1, 1, 2, 4])) if content]
        text = json.dumps(content)

        found = predictions_outcomes.of(text.encode(), f'{label}: {places}')

        if not isinstance(found, DataError):
            predictions_are_sound(found, truth, label)
            says_the_same(found, json.loads(text), label)
        elif len(places) == 1 and len(places[0]) > 1:  # inside one row: that row is named
            told = ' '.join(f'{p.where} {p.what}' for p in found.problems)
            rows = {int(n) for n in re.findall(r'\d+', re.sub(r'\([^)]*\)', '', told))}
            assert places[0][0] in rows, f'{label}: {places} {found}'

    assert predictions_outcomes.count['refused'] > 0.4 * JSON_VALUES
    assert predictions_outcomes.count['read'] > 0.1 * JSON_VALUES


def test_json_with_changed_bytes(predictions_outcomes, truth):
    for seed in range(JSON_BYTES):
        rng, label = random.Random(seed), f'seed {seed}'
        data = json.dumps(results(ids=rng.random() < 0.5)).encode()
        data = mutate_bytes(data, rng, rng.choice([JSON_LETTERS, bytes(range(256))]))

        found = predictions_outcomes.of(data, label)

        if not isinstance(found, DataError):
            predictions_are_sound(found, truth, label)
            says_the_same(found, json.loads(data), label)

    assert predictions_outcomes.count['refused'] > 0.4 * JSON_BYTES
    assert predictions_outcomes.count['read'] > 0.05 * JSON_BYTES


def test_changed_arrays(predictions_outcomes, truth):
    for seed in range(ARRAYS):
        rng, label = random.Random(seed), f'seed {seed}'
        if seed % 4:
            arrays, base = mutate_arrays(array_predictions(rng), rng), None
            data = as_npz(arrays, rng)
        else:
            arrays, base = mutate_arrays({'preds': keypoints()}, rng), 1
            data = as_mat(arrays, rng)

        found = predictions_outcomes.of(data, label)

        if not isinstance(found, DataError):
            predictions_are_sound(found, truth, label)
            expected = arrays['preds' if base else 'keypoints'].astype(float)
            base = base or np.asarray(arrays.get('base', 0)).item()
            np.testing.assert_array_equal(found.keypoints, expected - base, err_msg=label)
            if 'scores' in arrays:
                np.testing.assert_array_equal(found.scores, arrays['scores'], err_msg=label)

    assert predictions_outcomes.count['refused'] > 0.4 * ARRAYS
    assert predictions_outcomes.count['read'] > 0.1 * ARRAYS


def test_arrays_with_changed_bytes(predictions_outcomes, truth):
    for seed in range(ARRAY_BYTES):
        rng, label = random.Random(seed), f'seed {seed}'
        npz = seed % 2 == 0
        whole = as_npz(array_predictions(rng), rng) if npz else as_mat({'preds': keypoints()}, rng)
        data = mutate_bytes(whole, rng)

        found = predictions_outcomes.of(data, label)

        if not isinstance(found, DataError):
            predictions_are_sound(found, truth, label)
            if npz:  # its checksums leave only what does not matter
                with np.load(io.BytesIO(data)) as arrays:
                    expected = arrays['keypoints'] - int(arrays.get('base', 0))
                np.testing.assert_array_equal(found.keypoints, expected, err_msg=label)

    assert predictions_outcomes.count['refused'] > 0.4 * ARRAY_BYTES
    assert predictions_outcomes.count['read'] > 0


def truth_is_sound(found: Truth, label: str) -> None:
    assert len(found) > 0, label
    assert np.isfinite(found.keypoints).all(), label
    assert set(np.unique(found.visible)) <= {0, 1, 2}, label
    assert len(np.unique(found.ids)) == len(found), label
    assert np.isin(found.image_ids, found.images).all(), label
    for values in (found.boxes, found.areas, found.head_sizes):
        assert not np.isinf(values).any(), label
    assert not (found.areas < 0).any(), label
    assert not (found.head_sizes <= 0).any(), label
    ''.join(found.image_names.values()).encode('utf-8')


@pytest.mark.parametrize('content', [coco_truth, mpii_truth])
def test_truths_in_json(tmp_path, content):
    outcomes = Outcomes(tmp_path / 'mutated', lambda path: read_truth(path).truth)
    for seed in range(TRUTHS):
        rng, label = random.Random(seed), f'seed {seed}'
        value = content()
        places = []
        if rng.random() < 0.7:
            places = [mutate_json(value, rng) for _ in range(rng.choice([1, 1, 2, 4])) if value]
        data = json.dumps(value).encode()
        if not places:
            data = mutate_bytes(data, rng)

        found = outcomes.of(data, f'{label}: {places}')

        if not isinstance(found, DataError):
            truth_is_sound(found, label)

    assert outcomes.count['refused'] > 0.3 * TRUTHS
    assert outcomes.count['read'] > 0.1 * TRUTHS


@pytest.mark.parametrize(
    ('arrays', 'write'), [(array_truth, as_npz), (scoring_truth, as_mat)], ids=['npz', 'mat']
)
def test_truths_in_arrays(tmp_path, arrays, write):
    skeleton = 'coco' if write is as_npz else None
    outcomes = Outcomes(
        tmp_path / 'mutated', lambda path: read_truth(path, skeleton=skeleton).truth
    )
    for seed in range(TRUTHS):
        rng, label = random.Random(seed), f'seed {seed}'
        if seed % 2:
            data = mutate_bytes(write(arrays(), rng), rng)
        else:
            data = write(mutate_arrays(arrays(), rng), rng)

        found = outcomes.of(data, label)

        if not isinstance(found, DataError):
            truth_is_sound(found, label)

    assert outcomes.count['refused'] > 0.3 * TRUTHS
    assert outcomes.count['read'] > 0.1 * TRUTHS


def test_a_thousand_predictions_are_mutated():
    assert JSON_VALUES + JSON_BYTES + ARRAYS + ARRAY_BYTES == 1000
