"""What may be written to: not the input, under no name of it."""

import os

import pytest

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files.streams import check_paths


@pytest.fixture
def source(tmp_path):
    path = tmp_path / 'in.json'
    path.write_text('[]')
    return path


def names_of(source):
    """Other names of the same file."""
    link, hard, folder = (source.with_name(name) for name in ('link.json', 'hard.json', 'folder'))
    link.symlink_to(source)
    os.link(source, hard)
    folder.symlink_to(source.parent)
    return [
        source,
        source.parent / '..' / source.parent.name / source.name,
        link,
        hard,
        folder / source.name,
    ]


@pytest.mark.parametrize('number', range(5))
def test_the_input_is_never_written_over(source, number):
    name = names_of(source)[number]
    with pytest.raises(DataError, match='is the input .* -> name another file for the result'):
        check_paths(name, [source], overwrite=True)


def test_a_relative_name_is_seen_through(source, monkeypatch):
    monkeypatch.chdir(source.parent)
    with pytest.raises(DataError, match='is the input'):
        check_paths('in.json', [source], overwrite=True)


def test_what_is_there_is_replaced_only_when_asked(source, tmp_path):
    out = tmp_path / 'out.json'
    assert check_paths(out, [source]) == out
    out.write_text('mine')
    with pytest.raises(DataError, match='is there already -> .*--overwrite'):
        check_paths(out, [source])
    assert check_paths(out, [source], overwrite=True) == out


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('out.txt', r"has the suffix '.txt' -> name a file that ends in .json or .npz"),
        ('out', 'has the suffix'),
        ('in.json/out.json', 'is no folder'),
        ('folder.json', 'is a folder'),
    ],
)
def test_names_that_cannot_be_written(source, tmp_path, name, message):
    (tmp_path / 'folder.json').mkdir()
    with pytest.raises(DataError, match=message):
        check_paths(tmp_path / name, [source], overwrite=True)


def test_a_folder_that_is_not_there_will_be_made(source, tmp_path):
    check_paths(tmp_path / 'a' / 'b' / 'out.npz', [source])
