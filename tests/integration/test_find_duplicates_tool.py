"""tools/find_duplicates.py on mannequins, some of which are in two places; then training."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from hpemap_mm.completion.duplicates.cache import PrintCache
from hpemap_mm.engine.launch import load_config
from hpemap_mm.errors import DataError
from hpemap_mm.registry import DATASETS

DATA_CONFIG = "_base_ = ['{base}/datasets/mannequin.py']\n"


@pytest.fixture(scope='module')
def world(tmp_path_factory, mannequin):
    """A copy of the mannequins, with three training images in validation, and a damaged one."""
    root = tmp_path_factory.mktemp('world')
    data = root / 'mannequin'
    shutil.copytree(mannequin, data)
    train, val = (sorted((data / 'images' / split).iterdir()) for split in ('train', 'val'))
    assert len(train) >= 4
    assert len(val) >= 3
    # What an annotation says of an image is of no interest here.
    shutil.copyfile(train[0], val[0])
    with Image.open(train[1]) as image:
        ImageOps.mirror(image).resize((200, 150)).save(val[1], quality=60)
    with Image.open(train[2]) as image:
        width, height = image.size
        x, y = width // 20, height // 20
        image.crop((x, y, width - x, height - y)).save(val[2], quality=80)
    train[3].write_bytes(train[3].read_bytes()[:500])
    return root, data, [path.name for path in train[:3]], train[3].name


@pytest.fixture
def config(world, project_root, monkeypatch):
    root, data, *_ = world
    monkeypatch.setenv('HPEMAP_MANNEQUIN', str(data))
    path = root / 'config.py'
    path.write_text(DATA_CONFIG.format(base=project_root / 'configs' / '_base_'))
    return path


def test_leaks_are_found_told_and_left_out_of_training(world, config, tool_here, tmp_path, capsys):
    _, data, leaked, damaged = world
    out = tmp_path / 'out'

    assert tool_here('find_duplicates', config, '--out', out, '--fail-on-leak') == 1

    found = json.loads((out / 'duplicates.json').read_text())
    by_kind = {pair['kind']: pair for pair in found['pairs']}
    assert sorted(by_kind) == ['exact', 'mirrored', 'near']
    assert [pair['first']['split'] for pair in found['pairs']] == ['train'] * 3
    assert [pair['second']['split'] for pair in found['pairs']] == ['val'] * 3
    assert by_kind['exact']['first']['image'] == leaked[0]
    assert by_kind['mirrored']['first']['image'] == leaked[1]
    assert by_kind['near']['first']['image'] == leaked[2]
    assert [row['image'] for row in found['unreadable']] == [damaged]
    # The test repeats the validation, and is not another place.
    assert {place['split'] for place in found['places']} == {'train', 'val'}
    shown = capsys.readouterr().out
    told = [line for line in shown.splitlines() if 'mmengine' not in line]
    assert told[0].startswith('LEAK: ')
    assert '3 training images are evaluated on, too' in shown
    assert f'{damaged}: cannot be decoded' in shown
    page = (out / 'report.html').read_text()
    assert page.count('data:image/jpeg;base64,') == 3
    assert str(data) not in json.dumps([found['pairs'], found['groups']])

    # Without --fail-on-leak it is told, and no more; hashes are kept.
    assert tool_here('find_duplicates', config, '--out', out) == 0
    again = json.loads((out / 'duplicates.json').read_text())
    assert {**again, 'about': None} == {**found, 'about': None}

    check_training(config, out / 'duplicates.json', found)


def check_training(config, path, found):
    dataset = load_config(config).train_dataloader.dataset
    dataset = {**dataset, 'check_images': False, 'pipeline': []}
    full = DATASETS.build(dataset)
    less = DATASETS.build({**dataset, 'exclude': str(path)})

    out = {
        (member['entry'], member['image'])
        for group in found['groups']
        for member in group
        if member['split'] == 'train'
    }
    assert len(out) == 3
    for entry in full.entries:
        kept = [name for name in names_of(full, entry) if (entry, name) not in out]
        assert names_of(less, entry) == kept
        gone = full.lens[entry] - len(kept)
        assert less.left_out[entry].persons == gone
        assert (gone > 0) == any(name == entry for name, _ in out)


def names_of(dataset, entry) -> list[str]:
    persons = dataset.dataset_of(entry)
    return [Path(persons.get_data_info(i)['img_path']).name for i in range(len(persons))]


def test_splits_and_folders_can_be_chosen(world, config, tool_here, tmp_path, capsys):
    _, data, leaked, _ = world
    status = tool_here(
        'find_duplicates', config, '--splits', 'train', '--out', tmp_path, '--fail-on-leak'
    )
    assert status == 0
    assert json.loads((tmp_path / 'duplicates.json').read_text())['groups'] == []
    capsys.readouterr()

    folders = [data / 'images' / split for split in ('train', 'val')]
    assert tool_here('find_duplicates', '--images', *folders, '--out', tmp_path) == 0
    found = json.loads((tmp_path / 'duplicates.json').read_text())
    assert [(p['split'], p['entry']) for p in found['places']] == [
        ('folder', 'train'),
        ('folder', 'val'),
    ]
    assert {pair['first']['image'] for pair in found['pairs']} == set(leaked)
    assert 'LEAK' not in capsys.readouterr().out


@pytest.mark.parametrize('when', ['opened', 'written'])
def test_a_full_disk_under_the_hashes_is_told(world, tool_here, tmp_path, monkeypatch, when):
    full = sqlite3.OperationalError('database or disk is full')

    def refuse(*args):
        raise full

    monkeypatch.setattr(PrintCache, '_prepare' if when == 'opened' else 'add', refuse)
    message = r'hashes.sqlite: cannot be used: database or disk is full -> free some space'
    with pytest.raises(DataError, match=message):
        tool_here('find_duplicates', '--images', world[1] / 'images' / 'val', '--out', tmp_path)
    assert not (tmp_path / 'duplicates.json').exists()


def test_another_file_in_place_of_the_hashes_is_told(world, tool_here, tmp_path):
    (tmp_path / 'hashes.sqlite').write_text('no database, but long enough to be read as one' * 9)
    with pytest.raises(DataError, match='is no cache of hashes: .* -> delete it'):
        tool_here('find_duplicates', '--images', world[1] / 'images' / 'val', '--out', tmp_path)


def test_what_is_asked_for_wrongly_is_told(config, tool_here, tmp_path, capsys):
    with pytest.raises(SystemExit):
        tool_here('find_duplicates')
    assert 'name a CONFIG, or --images FOLDER' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tool_here('find_duplicates', config, '--workers', 0)
    with pytest.raises(DataError, match='no such folder'):
        tool_here('find_duplicates', '--images', tmp_path / 'none')
    empty = tmp_path / 'empty.py'
    empty.write_text('x = 1\n')
    with pytest.raises(DataError, match='has no dataloader for train, val, test'):
        tool_here('find_duplicates', empty)
