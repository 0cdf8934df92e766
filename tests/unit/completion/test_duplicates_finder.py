"""Duplicates in folders of pictures, from files to groups."""

import os
import sqlite3
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).parent))

from duplicate_worlds import (  # noqa: E402
    COPIES,
    cropped,
    jpeg,
    moved_by_a_person,
    resized,
    scene,
    write,
)

from hpemap_mm.completion.duplicates import finder  # noqa: E402
from hpemap_mm.completion.duplicates.counts import common_images, leaked_images  # noqa: E402
from hpemap_mm.completion.duplicates.finder import find_duplicates  # noqa: E402
from hpemap_mm.completion.duplicates.sources import (  # noqa: E402
    make_source,
    sources_of_config,
    sources_of_folders,
)
from hpemap_mm.datasets.duplicates import Member  # noqa: E402
from hpemap_mm.errors import DataError  # noqa: E402


@pytest.fixture
def make(tmp_path):
    """Write pictures: ``make('train', 'a', {'x.jpg': image})`` is a source."""

    def write_source(split, entry, pictures):
        folder = tmp_path / split / entry
        paths = [str(write(folder / name, content)) for name, content in pictures.items()]
        return make_source(split, entry, str(folder), paths)

    return write_source


def names(groups):
    return [[f'{m.split}/{m.entry}/{m.image}' for m in group] for group in groups]


def test_every_kind_of_copy_is_found_and_nothing_else(make):
    originals = {f'{i}.jpg': scene(100 + i) for i in range(len(COPIES) + 5)}
    copies = {
        f'{name}.jpg': change(originals[f'{i}.jpg']) for i, (name, (change, _)) in
        enumerate(COPIES.items())
    }  # fmt: skip
    copies['same bytes.jpg'] = jpeg(originals[f'{len(COPIES)}.jpg'])
    copies['other.jpg'] = scene(99)
    train, val = make('train', 'a', originals), make('val', 'b', copies)

    found = find_duplicates([train, val])

    pairs = {p.second.image: (p.first, p.kind) for p in found.pairs}
    expected = {
        f'{name}.jpg': (Member('train', 'a', f'{i}.jpg'), kind)
        for i, (name, (_, kind)) in enumerate(COPIES.items())
    }
    expected['same bytes.jpg'] = (Member('train', 'a', f'{len(COPIES)}.jpg'), 'exact')
    assert pairs == expected
    assert len(found.groups) == len(found.leaked) == len(expected)
    assert all(pair.leaks and pair.score >= 0.95 for pair in found.pairs)
    assert leaked_images(found) == {('train', 'a'): len(expected)}
    assert found.unreadable == found.by_bytes_only == {}


def test_a_group_is_all_that_is_one_and_leaks_come_first(make):
    image = scene(200)
    sources = [
        make('train', 'a', {'x.jpg': image, 'only.jpg': scene(201), 'y.jpg': scene(202)}),
        make('train', 'b', {'small.jpg': resized(image, 0.5), 'y.jpg': scene(202)}),
        make('val', 'c', {'mirror.jpg': ImageOps.mirror(image)}),
    ]
    found = find_duplicates(sources)
    assert names(found.groups) == [
        ['train/a/x.jpg', 'train/b/small.jpg', 'val/c/mirror.jpg'],
        ['train/a/y.jpg', 'train/b/y.jpg'],
    ]
    leaks = [pair.leaks for pair in found.pairs]
    assert leaks == sorted(leaks, reverse=True)
    assert (len(leaks), leaks[0], leaks[-1]) == (3, True, False)
    assert names(found.leaked) == [['train/a/x.jpg', 'train/b/small.jpg', 'val/c/mirror.jpg']]
    assert leaked_images(found) == {('train', 'a'): 1, ('train', 'b'): 1}

    common = common_images(found, {(s.place.split, s.place.entry): s.files for s in sources})
    rows = [(str(c.first), str(c.second), c.of_first, c.of_second, c.leaks) for c in common]
    assert rows == [
        ('train a', 'val c', 1, 1, True),
        ('train b', 'val c', 1, 1, True),
        ('train a', 'train b', 2, 2, False),
    ]


def test_images_of_one_entry_are_compared_only_within(make):
    image = scene(210)
    source = make('train', 'a', {'x.jpg': image, 'y.jpg': image, 'z.jpg': resized(image, 0.6)})
    other = make('val', 'b', {'w.jpg': scene(211)})

    across = find_duplicates([source, other])
    assert across.groups == across.pairs == ()
    assert not across.within

    within = find_duplicates([source, other], within=True)
    assert names(within.groups) == [['train/a/x.jpg', 'train/a/y.jpg', 'train/a/z.jpg']]
    assert {pair.kind for pair in within.pairs} == {'exact', 'near'}
    assert within.within
    files = {('train', 'a'): source.files, ('val', 'b'): other.files}
    (common,) = common_images(within, files)
    assert (str(common.first), str(common.second), common.of_first) == ('train a', 'train a', 2)


def test_duplicates_within_an_entry_leak_with_the_one_that_does(make):
    image = scene(215)
    train = make('train', 'a', {'x.jpg': image, 'y.jpg': image})
    found = find_duplicates([train, make('val', 'b', {'z.jpg': image})])
    assert names(found.leaked) == [['train/a/x.jpg', 'train/a/y.jpg', 'val/b/z.jpg']]


def test_one_file_in_two_entries_is_counted_as_such(tmp_path):
    path = str(write(tmp_path / 'x.jpg', scene(220)))
    sources = [make_source('train', name, str(tmp_path), [path]) for name in 'ab']
    found = find_duplicates(sources)
    assert [pair.kind for pair in found.pairs] == ['exact']
    files = {(s.place.split, s.place.entry): s.files for s in sources}
    assert [c.same_file for c in common_images(found, files)] == [1]


def test_a_scene_a_moment_later_is_told_but_not_counted(make):
    now = scene(230)
    train = make('train', 'a', {'now.jpg': now})
    later = cropped(moved_by_a_person(now, 231), 0, 0, 0, 0)
    found = find_duplicates([train, make('val', 'b', {'later.jpg': later})])
    assert found.groups == ()
    assert [pair.second.image for pair in found.alike] == ['later.jpg']
    assert 0.6 <= found.alike[0].score < 0.95


def test_what_cannot_be_compared_is_listed(make):
    plain = Image.new('RGB', (100, 80), 'blue')
    train = make(
        'train', 'a', {'cut.jpg': jpeg(scene(240))[:3000], 'plain.jpg': plain, 'empty.jpg': b''}
    )
    val = make('val', 'b', {'same.jpg': plain, 'other.jpg': Image.new('RGB', (100, 80), 'red')})
    found = find_duplicates([train, val])
    assert {m.image for m in found.unreadable} == {'cut.jpg', 'empty.jpg'}
    assert found.unreadable[Member('train', 'a', 'empty.jpg')] == 'is empty (0 bytes)'
    assert {m.image: why for m, why in found.by_bytes_only.items()} == dict.fromkeys(
        ('plain.jpg', 'same.jpg', 'other.jpg'), 'one colour'
    )
    assert names(found.groups) == [['train/a/plain.jpg', 'val/b/same.jpg']]


def test_any_number_of_threads_finds_the_same(make):
    pictures = {f'{i}.jpg': scene(250 + i % 5) for i in range(5)}
    copies = {f'{i}.jpg': resized(scene(250 + i), 0.7) for i in range(5)}
    sources = [make('train', 'a', pictures), make('test', 'b', copies)]
    told = []
    one = find_duplicates(sources, progress=lambda *args: told.append(args))
    assert one == find_duplicates(sources, workers=3)
    assert len(one.groups) == 5
    assert {what for what, _, _ in told} == {'hashing', 'searching', 'comparing'}
    assert ('hashing', 10, 10) in told


class TestCache:
    @pytest.fixture
    def hashed(self, monkeypatch):
        """Paths that were hashed."""
        seen = []
        real = finder.print_of
        monkeypatch.setattr(finder, 'print_of', lambda path: seen.append(path) or real(path))
        return seen

    def test_only_what_has_changed_is_hashed_again(self, make, tmp_path, hashed):
        cache = tmp_path / 'out' / 'hashes.sqlite'
        image = scene(300)
        pictures = {'x.jpg': image, 'y.jpg': scene(301), 'bad.jpg': b'?', 'p.png': b''}
        train, val = make('train', 'a', pictures), make('val', 'b', {'z.jpg': resized(image, 0.5)})

        first = find_duplicates([train, val], cache=cache)
        assert len(hashed) == 5
        hashed.clear()
        assert find_duplicates([train, val], cache=cache) == first
        # What could not be read may be there the next time.
        assert sorted(Path(p).name for p in hashed) == ['bad.jpg', 'p.png']
        hashed.clear()

        changed = Path(val.files['z.jpg'])
        changed.write_bytes(jpeg(scene(302)))
        os.utime(changed, ns=(1, 1))
        assert find_duplicates([train, val], cache=cache).groups == ()
        assert sorted(Path(p).name for p in hashed) == ['bad.jpg', 'p.png', 'z.jpg']

    def test_a_run_that_was_interrupted_has_not_worked_in_vain(
        self, make, tmp_path, hashed, monkeypatch
    ):
        monkeypatch.setattr(finder, '_COMMIT', 2)
        source = make('train', 'a', {f'{i}.jpg': scene(310 + i) for i in range(5)})

        def stop(what, done, total):
            if done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            find_duplicates([source], cache=tmp_path / 'c.sqlite', progress=stop)
        hashed.clear()
        find_duplicates([source], cache=tmp_path / 'c.sqlite')
        assert len(hashed) == 3

    def test_hashes_of_another_version_are_not_used(self, make, tmp_path, hashed):
        cache = tmp_path / 'c.sqlite'
        source = make('train', 'a', {'x.jpg': scene(320)})
        find_duplicates([source], cache=cache)
        with sqlite3.connect(cache) as base:
            base.execute("UPDATE made_with SET version = 'old'")
        base.close()
        hashed.clear()
        find_duplicates([source], cache=cache)
        assert len(hashed) == 1

    def test_another_file_in_its_place_is_an_error(self, make, tmp_path):
        cache = write(tmp_path / 'c.sqlite', b'not a database, but some other file' * 50)
        with pytest.raises(DataError, match=r'c\.sqlite: is no cache of hashes.*delete it'):
            find_duplicates([make('train', 'a', {'x.jpg': scene(330)})], cache=cache)


class TestSources:
    def test_folders_are_searched_all_the_way_down(self, tmp_path):
        write(tmp_path / 'a' / 'x.jpg', b'1')
        write(tmp_path / 'a' / 'deep' / 'y.PNG', b'2')
        write(tmp_path / 'a' / 'notes.txt', b'3')
        write(tmp_path / 'b' / 'a' / 'z.jpg', b'4')
        first, second = sources_of_folders([str(tmp_path / 'a') + '/', str(tmp_path / 'b')])
        assert list(first.files) == ['deep/y.PNG', 'x.jpg']
        assert (first.place.split, first.place.entry, first.place.images) == ('folder', 'a', 2)
        assert list(second.files) == ['a/z.jpg']
        both = sources_of_folders([str(tmp_path / 'a'), str(tmp_path / 'b' / 'a')])
        assert [s.place.entry for s in both] == [s.place.folder for s in both]

    def test_all_faults_of_folders_are_told(self, tmp_path):
        (tmp_path / 'none').mkdir()
        with pytest.raises(DataError) as error:
            sources_of_folders([str(tmp_path / 'none'), str(tmp_path / 'gone')])
        assert [p.what for p in error.value.problems] == [
            'has no images',
            'there is no such folder',
        ]

    def test_a_dataset_that_is_no_wrapper_is_refused(self):
        with pytest.raises(DataError, match='train_dataloader.dataset: is a CocoDataset'):
            sources_of_config({'train': {'type': 'CocoDataset'}})

    def test_all_faults_of_all_entries_are_told(self, tmp_path):
        def entry(**dataset):
            return {'dataset': {'type': 'CocoDataset', **dataset}}

        (tmp_path / 'bad.json').write_text('{')
        datasets = {
            'train': {
                'entries': {
                    'a': entry(ann_file=str(tmp_path / 'none.json')),
                    'b': entry(ann_file=str(tmp_path / 'bad.json')),
                }
            },
            'val': {'entries': {'c': {'dataset': {'type': 'NoSuchDataset'}}}},
        }
        with pytest.raises(DataError) as error:
            sources_of_config(datasets)
        told = [f'{p.where} {p.what}' for p in error.value.problems]
        assert len(told) == 3
        for text, parts in zip(
            told,
            (
                ('[train]', 'none.json', 'missing'),
                ('[train]', 'bad.json', 'not valid json'),
                ('[val]', "entry 'c'", 'NoSuchDataset'),
            ),
            strict=True,
        ):
            assert all(part in text for part in parts), text
