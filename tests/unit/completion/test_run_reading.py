"""Annotations into indexes: nothing is lost, and the rules are those of training."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from completion_worlds import (  # noqa: E402
    coco_annotation,
    coco_entry,
    write_coco,
    write_images,
    write_world,
)

from hpemap_mm.completion import reading, splitting  # noqa: E402
from hpemap_mm.completion.index import EntryIndex, image_rows, left_out_path  # noqa: E402
from hpemap_mm.completion.person_rows import PersonRows  # noqa: E402
from hpemap_mm.completion.reading import read_entries, read_entry  # noqa: E402
from hpemap_mm.datasets import MultiSkeletonDataset  # noqa: E402
from hpemap_mm.errors import DataError  # noqa: E402
from hpemap_mm.skeletons import get_skeleton  # noqa: E402


def rows_of(folder, entry, parts):
    with EntryIndex(folder, entry) as index:
        return [index.shard(part) for part in range(parts)]


@pytest.fixture
def world(tmp_path):
    entries = write_world(tmp_path / 'data')
    found, root = read_entries(entries, tmp_path / 'index', shard_size=2)
    return tmp_path, entries, found, root


def test_what_is_found(world):
    tmp_path, entries, found, root = world
    assert root == str((tmp_path / 'data' / 'images').resolve())
    assert [(e.name, e.skeleton, e.persons, e.images) for e in found] == [
        ('c', 'coco', 5, 2),
        ('l', 'lsp', 3, 2),  # b.png is c's
    ]
    images = list(image_rows(tmp_path / 'index', [0, 1]))
    assert [(i.id, i.path.rpartition('/')[2]) for i in images] == [
        (1, 'a.png'),
        (2, 'b.png'),
        (3, 'x.png'),
        (4, 'y.png'),
    ]
    assert {(i.width, i.height) for i in images} == {(120, 90)}
    # c's persons by image, as MMPose reads them.
    ids = [rows.images.tolist() for rows in rows_of(tmp_path / 'index', 0, 3)]
    assert ids == [[1, 1], [1, 2], [2]]
    assert np.concatenate([r.images for r in rows_of(tmp_path / 'index', 1, 2)]).tolist() == [
        2,
        3,
        4,
    ]


def test_coco_keeps_the_files_numbers_and_flags(world):
    tmp_path, entries, *_ = world
    file = json.loads((tmp_path / 'data' / 'coco.json').read_text())
    by_id = {ann['id']: ann for ann in file['annotations']}
    persons = 0
    for rows in rows_of(tmp_path / 'index', 0, 3):
        for place, source in enumerate(rows.source_ids):
            annotation = by_id[source]
            table = np.array(annotation['keypoints']).reshape(-1, 3)
            assert (rows.visibility[place] == table[:, 2]).all()
            assert {0, 1, 2} == set(rows.visibility[place].tolist())
            seen = table[:, 2] > 0
            assert (rows.keypoints[place][seen] == table[seen, :2]).all()  # float64, to the bit
            assert np.isnan(rows.keypoints[place][~seen]).all()
            assert rows.bboxes[place].tolist() == annotation['bbox']
            assert rows.areas[place] == annotation['area']
            persons += 1
    assert persons == 5


def test_persons_are_those_of_training(world):
    tmp_path, entries, *_ = world
    dataset = MultiSkeletonDataset(entries, test_mode=False)
    for number, name in enumerate(entries):
        entry = dataset._entry(name)
        rows = PersonRows.concatenate(
            rows_of(tmp_path / 'index', number, -(-len(entry.dataset) // 2))
        )
        assert len(rows) == len(entry.dataset)
        for place in range(len(rows)):
            info = entry.data_info(place)
            assert rows.source_ids[place] == info['id']
            assert os.path.samefile(rows.paths[place], info['img_path'])
            assert (rows.boxes[place] == info['bbox'][0]).all()
            seen = info['keypoints_visible'][0] > 0
            assert ((rows.visibility[place] > 0) == seen).all()
            read = info['keypoints'][0][seen]
            assert (rows.keypoints[place][seen].astype(np.float32) == read).all()


def test_float32_becomes_the_number_that_was_meant(world):
    tmp_path, *_ = world
    rows = PersonRows.concatenate(rows_of(tmp_path / 'index', 1, 2))
    values = rows.keypoints[np.isfinite(rows.keypoints)]
    # As short as float32 can be written: not 33.40000152587890625.
    assert max(len(repr(v)) for v in values.tolist()) <= 10


def test_mpii_keeps_its_own_crop(tmp_path):
    write_images(tmp_path / 'images', ['1.png'])
    joints = 16
    row = {
        'image': '1.png',
        'center': [50.0, 40.0],
        'scale': 0.3,
        'joints': [[20.0 + i, 30.0] for i in range(joints)],
        'joints_vis': [1] * (joints - 1) + [0],
    }
    unlabelled = {**row, 'joints_vis': [0] * joints}
    (tmp_path / 'mpii.json').write_text(json.dumps([row, unlabelled]))
    entries = {
        'm': dict(
            skeleton='mpii',
            dataset=dict(
                type='hpemap_mm.MpiiDataset',
                data_root=str(tmp_path),
                ann_file='mpii.json',
                headbox_file='is_not_looked_at.mat',
                data_prefix=dict(img='images/'),
            ),
        )
    }
    found, _ = read_entries(entries, tmp_path / 'index', shard_size=8)
    (rows,) = rows_of(tmp_path / 'index', 0, 1)
    assert found[0].persons == len(rows) == 1  # as in training, only persons with a joint
    assert found[0].labelled == joints - 1
    assert rows.keypoints[0, 0].tolist() == [19.0, 29.0]  # 0-based
    assert rows.scales[0] == pytest.approx([60.0, 60.0])
    assert rows.image_sizes.tolist() == [[120, 90]]


def test_a_missing_image_is_no_fault(tmp_path):
    entries = write_world(tmp_path / 'data')
    for name in ('a.png', 'x.png'):
        (tmp_path / 'data' / 'images' / name).unlink()
    found, _ = read_entries(entries, tmp_path / 'index', shard_size=2)
    assert [entry.persons for entry in found] == [5, 3]
    sizes = {i.path.rpartition('/')[2]: (i.width, i.height) for i in image_rows(
        tmp_path / 'index', [0, 1]
    )}  # fmt: skip
    assert sizes['a.png'] == (120, 90)  # COCO's file says so
    assert 60 < sizes['x.png'][0] < 100  # what the person spans


def test_faults_of_all_entries_are_told_at_once(tmp_path):
    entries = write_world(tmp_path / 'data')
    (tmp_path / 'data' / 'coco.json').write_text('{"images": [')
    np.savez(tmp_path / 'data' / 'lsp.npz', image=np.array(['a.png']), joints=np.zeros((1, 3, 3)))
    with pytest.raises(DataError) as error:
        read_entries(entries, tmp_path / 'index', shard_size=2)
    text = str(error.value)
    assert "coco.json (entry 'c'): is not valid json" in text
    assert "lsp.npz (entry 'l')" in text


def test_mistakes_in_an_entry_reach_the_caller(tmp_path):
    entries = write_world(tmp_path / 'data')
    with pytest.raises(ValueError, match='unknown keys'):
        read_entries({'c': {**entries['c'], 'skeletn': 'x'}}, tmp_path / 'i', shard_size=2)
    with pytest.raises(KeyError, match='skeleton'):
        read_entries({'c': {**entries['c'], 'skeleton': 'cocoo'}}, tmp_path / 'i', shard_size=2)


def test_ids_must_be_numbers(tmp_path, monkeypatch):
    entries = write_world(tmp_path / 'data')
    inner = reading.Entry.data_info
    monkeypatch.setattr(reading.Entry, 'data_info', lambda *a: {**inner(*a), 'id': 'one'})
    with pytest.raises(DataError, match="entry 'c': a person has the id 'one'"):
        read_entry(0, 'c', entries['c'], tmp_path / 'index', 2, 1)


def test_a_process_that_is_killed_is_told(tmp_path, monkeypatch):
    entries = write_world(tmp_path / 'data')
    monkeypatch.setattr(reading, 'read_entry', lambda *a: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(DataError, match="entry 'c': the process that reads .* status -9") as error:
        read_entries(entries, tmp_path / 'index', shard_size=2)
    assert 'memory' in error.value.problems[0].fix


def test_the_annotations_are_not_held_by_the_caller(tmp_path, monkeypatch):
    """They are read in another process."""
    entries = write_world(tmp_path / 'data')
    seen = tmp_path / 'pids'
    inner = reading.read_entry

    def note(*arguments):
        with seen.open('a') as file:
            file.write(f'{os.getpid()}\n')
        inner(*arguments)

    monkeypatch.setattr(reading, 'read_entry', note)
    read_entries(entries, tmp_path / 'index', shard_size=2)
    pids = set(seen.read_text().split())
    assert len(pids) == 2 and str(os.getpid()) not in pids


def long_world(folder, *, images=40, seed=0):
    """A COCO json whose annotations are in no order, some of which nobody reads."""
    entries = write_world(folder)
    path = folder / 'coco.json'
    content = json.loads(path.read_text())
    rng = np.random.default_rng(seed)
    model = content['images'][0]
    content['images'] = [{**model, 'id': 7 * n + 3} for n in rng.permutation(images).tolist()]
    persons = [a for a in content['annotations'] if a.get('num_keypoints')]
    content['annotations'] = [
        {**persons[n % len(persons)], 'id': 1000 - n, 'image_id': 7 * image + 3}
        for n, image in enumerate(rng.integers(0, images // 2, 6 * images).tolist())
    ]
    content['annotations'][5]['iscrowd'] = 1
    path.write_text(json.dumps(content))
    return entries, path, content


def spied(monkeypatch, per_part=17):
    """Long files begin at a byte; what is read in the end."""
    read = []
    inner = reading._EntryReader.read

    def note(self, config, writer):
        read.append(Path(config['dataset']['ann_file']).name)
        inner(self, config, writer)

    monkeypatch.setattr(reading._EntryReader, 'read', note)
    monkeypatch.setattr(reading, 'SPLIT_ABOVE', 0)
    monkeypatch.setattr(
        reading, 'split_coco', lambda *a: splitting.split_coco(*a, per_part=per_part)
    )
    return read


def test_a_long_file_in_parts_is_as_the_whole(tmp_path, monkeypatch):
    entries, _, content = long_world(tmp_path / 'data')
    read_entry(0, 'c', entries['c'], tmp_path / 'whole', 8, 1)
    read = spied(monkeypatch)
    read_entry(0, 'c', entries['c'], tmp_path / 'parts', 8, 1)
    assert len(read) > len(content['annotations']) // 30
    files = sorted(file.name for file in (tmp_path / 'whole').iterdir())
    assert len(files) == 4
    assert sorted(file.name for file in (tmp_path / 'parts').iterdir()) == files
    for name in files:
        whole, parts = (tmp_path / folder / name for folder in ('whole', 'parts'))
        assert whole.read_bytes() == parts.read_bytes()


def test_an_image_with_more_persons_than_a_part_stays_whole(tmp_path, monkeypatch):
    entries, _, content = long_world(tmp_path / 'data', images=4)
    read_entry(0, 'c', entries['c'], tmp_path / 'whole', 8, 1)
    read = spied(monkeypatch, per_part=2)
    read_entry(0, 'c', entries['c'], tmp_path / 'parts', 8, 1)
    assert len(read) == len({a['image_id'] for a in content['annotations']})
    for file in (tmp_path / 'whole').iterdir():
        assert file.read_bytes() == (tmp_path / 'parts' / file.name).read_bytes()


@pytest.mark.parametrize(
    ('spoil', 'match'),
    [
        (lambda c: c['annotations'][-1].update(id=c['annotations'][0]['id']), 'id'),
        (lambda c: c['annotations'][-1].update(keypoints=[1, 2]), 'joints|keypoints'),
        (lambda c: c['annotations'][-1].update(bbox=['x', 0, 1, 1]), 'bbox'),
        (lambda c: c['images'][-1].pop('width'), 'width'),
    ],
)
def test_faults_of_a_long_file_are_told_of_the_file(tmp_path, monkeypatch, spoil, match):
    entries, path, content = long_world(tmp_path / 'data')
    spoil(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError) as whole:
        read_entry(0, 'c', entries['c'], tmp_path / 'whole', 8, 1)
    spied(monkeypatch)
    with pytest.raises(DataError, match=match) as parts:
        read_entry(0, 'c', entries['c'], tmp_path / 'parts', 8, 1)
    assert str(parts.value) == str(whole.value)
    assert str(path) in str(parts.value)
    assert not list((tmp_path / 'parts').iterdir())


def test_annotations_without_an_image_are_passed_over_as_ever(tmp_path, monkeypatch):
    entries, path, content = long_world(tmp_path / 'data')
    content['annotations'][3]['image_id'] = 99999
    path.write_text(json.dumps(content))
    read_entry(0, 'c', entries['c'], tmp_path / 'whole', 8, 1)
    read = spied(monkeypatch)
    read_entry(0, 'c', entries['c'], tmp_path / 'parts', 8, 1)
    assert read == ['coco.json']
    for file in (tmp_path / 'whole').iterdir():
        assert file.read_bytes() == (tmp_path / 'parts' / file.name).read_bytes()


def test_annotated_persons_that_are_not_read_are_told(tmp_path):
    """MMPose's reader passes over them without a word."""
    unboxed = coco_annotation(2, 7)
    del unboxed['bbox']
    nobody = coco_annotation(8, 7)
    nobody['keypoints'] = [0] * len(nobody['keypoints'])
    write_images(tmp_path / 'images', ['a.png'])
    write_coco(
        tmp_path / 'coco.json',
        {7: 'a.png'},
        [
            coco_annotation(1, 7),
            unboxed,
            coco_annotation(3, 7, bbox=[5, 5, 0, 0]),
            coco_annotation(4, 7, bbox=[5, 500, 10, 10]),
            coco_annotation(5, 99),
            coco_annotation(6, 7, num_keypoints=0),
            coco_annotation(7, 7, iscrowd=1),
            nobody,
        ],
    )
    entry = coco_entry(tmp_path)
    found, _ = read_entries({'c': entry}, tmp_path / 'index', shard_size=8)
    assert (found[0].persons, found[0].left_out) == (1, 5)
    lines = left_out_path(tmp_path / 'index', 0).read_text().splitlines()
    assert [line.split('\t') for line in lines] == [
        ['2', 'a.png', 'it has no bbox'],
        ['3', 'a.png', 'its bbox has no extent'],
        ['4', 'a.png', 'its bbox has no extent within the image'],
        ['5', '', 'the file has no image with its image_id'],
        ['6', 'a.png', 'its num_keypoints is 0, though joints are labelled'],
    ]


@pytest.mark.parametrize('indices', [5, [30, 2, 11]])
def test_a_long_file_of_which_some_persons_are_wanted_is_not_split(tmp_path, monkeypatch, indices):
    """MMEngine's indices count the persons of the whole file; the others are not amiss."""
    entries, _, _ = long_world(tmp_path / 'data')
    entries['c']['dataset']['indices'] = indices
    read_entry(0, 'c', entries['c'], tmp_path / 'whole', 8, 1)
    read = spied(monkeypatch)
    read_entry(0, 'c', entries['c'], tmp_path / 'parts', 8, 1)
    assert read == ['coco.json']
    wanted = indices if isinstance(indices, int) else len(indices)
    facts = json.loads((tmp_path / 'parts' / '000.json').read_text())
    assert (facts['persons'], facts['left_out']) == (wanted, 0)
    for file in (tmp_path / 'whole').iterdir():
        assert file.read_bytes() == (tmp_path / 'parts' / file.name).read_bytes()


def test_jhmdb_counts_from_one_and_keeps_its_flags_and_areas(tmp_path):
    """MMPose's reader takes one off the coordinates, and forgets the rest of the row."""
    joints = len(get_skeleton('jhmdb'))
    rng = np.random.default_rng(0)
    points = np.round(rng.uniform(10, 80, (joints, 2)), 6)
    flags = 1 + np.arange(joints) % 2
    row = np.concatenate([points, flags[:, None]], axis=1).ravel().tolist()
    person = coco_annotation(1, 7, keypoints=row, num_keypoints=joints, area=2000.5)
    write_images(tmp_path / 'images', ['a.png'])
    write_coco(tmp_path / 'coco.json', {7: 'a.png'}, [person])
    entry = coco_entry(tmp_path)
    entry['skeleton'] = 'jhmdb'
    entry['dataset']['type'] = 'JhmdbDataset'
    read_entries({'j': entry}, tmp_path / 'index', shard_size=8)
    (rows,) = rows_of(tmp_path / 'index', 0, 1)
    np.testing.assert_array_equal(rows.keypoints[0], points - 1)
    np.testing.assert_array_equal(rows.visibility[0], flags)
    assert rows.areas.tolist() == [2000.5]
