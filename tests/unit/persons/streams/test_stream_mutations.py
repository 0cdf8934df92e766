"""Damaged files: a problem of the file or a sound result, never another error, nothing left."""

import json
import os
import warnings

import numpy as np
import pytest
from stream_worlds import ORIGINS, Remap, coco_content, mpii_content, results_content

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files.streams import translate_file

ROUNDS = 60


def sources(folder):
    points = np.random.default_rng(0).uniform(0, 100, (9, 17, 2))
    np.savez(folder / 'in.npz', keypoints=points, scores=np.ones((9, 17)), ids=np.arange(9))
    np.savez_compressed(folder / 'small.npz', keypoints=points, base=1)
    (folder / 'coco.json').write_text(json.dumps(coco_content()))
    (folder / 'results.json').write_text(json.dumps(results_content()))
    (folder / 'mpii.json').write_text(json.dumps(mpii_content()))


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """One of: bytes changed, cut out, doubled, cut off, or a number made of text."""
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 40))
    how = rng.integers(5)
    if how == 0:
        return data[:at] + rng.bytes(1) + data[at + 1 :]
    if how == 1:
        return data[:at] + data[at + length :]
    if how == 2:
        return data[: at + length] + data[at:]
    if how == 3:
        return data[:at]
    return data[:at] + rng.choice([b'"', b'[', b'}', b'null', b'-', b'\\', b',']) + data[at:]


@pytest.mark.parametrize('name', ['in.npz', 'small.npz', 'coco.json', 'results.json', 'mpii.json'])
def test_damaged_files(tmp_path, name):
    sources(tmp_path)
    data = (tmp_path / name).read_bytes()
    source = tmp_path / f'damaged_{name}'
    translator = Remap('mpii' if name == 'mpii.json' else 'coco', 'aic')
    before = sorted([*os.listdir(tmp_path), source.name])
    rng = np.random.default_rng(len(data))
    refused = 0
    for number in range(ROUNDS):
        source.write_bytes(damage(data, rng))
        out = tmp_path / f'out{(".npz", ".json")[number % 2]}'
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                translate_file(translator, source, out, origin_names=ORIGINS, count=2)
        except DataError as error:
            assert source.name in str(error)
            refused += 1
        else:
            if out.suffix == '.json':
                json.loads(out.read_text(), parse_constant=pytest.fail)
            out.unlink()
        assert sorted(os.listdir(tmp_path)) == before
    assert refused > ROUNDS // 3
