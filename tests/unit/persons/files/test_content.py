"""What a file is, is told by its bytes; what cannot be read says why, and what to do."""

import gzip
import json
import pickle

import numpy as np
import pytest

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files.content import RepeatedKeys, load


@pytest.mark.parametrize(
    ('content', 'what', 'fix'),
    [
        (b'', 'is empty', 'write it again'),
        (b' \n\t', 'is empty', 'write it again'),
        (gzip.compress(b'[]', mtime=0), 'gzip', 'gunzip'),
        (b'\x89HDF\r\n\x1a\n', 'HDF5', '-v7'),
        (b'MATLAB 7.3 MAT-file, Platform: GLNXA64', 'HDF5', '-v7'),
        (pickle.dumps([1]), 'pickle', 'write json or npz'),
        ('[1]'.encode('utf-16'), 'UTF-16', 'UTF-8'),
        (b'[{"name": "\xff"}]', 'byte 11 is 0xff', 'UTF-8'),
        (b'\x89PNG\r\n', 'picture', 'keypoints'),
        (b'hello', "begins with b'hello'", 'name the file'),
        (b'[{"a": 1}, {"a"', 'not json at line 1', 'ends too early'),
        (b'[{"a": "b', 'Unterminated', 'ends too early'),
        (b'[1, 2\n3]', 'line 2, column 1', 'correct it'),
        (b'[1] [2]', 'Extra data', 'correct it'),
        (b'[' * 100_000, 'nested too deeply', 'flat list'),
        (b'{"a":' * 100_000, 'nested too deeply', 'flat list'),
        (b'[' + b'1' * 5000 + b']', 'a number that cannot be read', 'correct it'),
        (b'PK\x03\x04 and no more', 'damaged npz', 'write it again'),
        (b'PK\x05\x06' + bytes(18), 'without arrays', 'write it again'),
        (b'MATLAB 5.0 MAT-file', 'its header is incomplete', 'write it again'),
    ],
)
def test_what_cannot_be_read_says_why(write, content, what, fix):
    path = write(content, 'file')

    with pytest.raises(DataError) as caught:
        load(path, ())

    (problem,) = caught.value.problems
    assert str(path) in problem.where
    assert what in problem.what
    assert fix in problem.fix


def test_a_single_array_is_not_an_npz(tmp_path):
    path = tmp_path / 'a.npy'
    np.save(path, np.zeros(3))

    with pytest.raises(DataError, match='savez'):
        load(path, ())


def test_a_missing_file_suggests_its_neighbour(write):
    path = write([], 'predictions.json')

    with pytest.raises(DataError, match="did you mean 'predictions.json'"):
        load(path.with_name('prediction.json'), ())
    with pytest.raises(DataError, match='cannot be listed'):
        load(path.parent / 'no' / 'file.json', ())
    with pytest.raises(DataError, match='is a folder'):
        load(path.parent, ())
    with pytest.raises(DataError, match='cannot be read'):
        load('a\0b', ())


def test_the_name_does_not_matter_and_a_byte_order_mark_is_harmless(write):
    content = load(write(b'\xef\xbb\xbf [1, NaN, 1e400]', 'x.npz'), ())

    assert content.kind == 'json'
    assert content.value[0] == 1
    assert not np.isfinite(content.value[1:]).any()  # found later, with their row


def test_repeated_keys_are_remembered(write):
    value = load(write('[{"a": 1, "b": 2, "a": 3}, {"a": 1}]'), ()).value

    assert isinstance(value[0], RepeatedKeys)
    assert value[0].repeated == ('a',)
    assert type(value[1]) is dict
    assert json.dumps(value[0]) == '{"a": 3, "b": 2}'
