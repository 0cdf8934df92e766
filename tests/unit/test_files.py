"""Files that are complete or absent."""

import errno
import json
import os

import pytest

from hpemap_mm.files import atomic_path, write_json


def test_success_replaces_the_file(tmp_path):
    target = tmp_path / 'new' / 'a.json'
    write_json(target, {'x': 1})
    write_json(target, {'x': 2})
    assert json.loads(target.read_text()) == {'x': 2}
    assert list(target.parent.iterdir()) == [target]


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / 'a.txt'
    target.write_text('old')
    with pytest.raises(RuntimeError), atomic_path(target) as partial:
        partial.write_text('half')
        raise RuntimeError
    assert target.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [target]


def test_nan_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match='JSON'):
        write_json(tmp_path / 'a.json', {'x': float('nan')})
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_of_the_file_itself(tmp_path):
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*/a.json'"),
        atomic_path(tmp_path / 'a.json'),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_partial_file_is_not_named(tmp_path):
    target = tmp_path / 'a.json'
    with pytest.raises(IsADirectoryError) as error, atomic_path(target) as partial:
        target.mkdir()
        partial.write_text('')
    assert error.value.filename == str(target)
    with pytest.raises(FileNotFoundError) as error, atomic_path(tmp_path / 'b.json'):
        (tmp_path / 'other').read_text()
    assert error.value.filename == str(tmp_path / 'other')
