"""The list of duplicates, and training without them."""

import json
import logging
import re
from pathlib import Path

import pytest
from mmengine.logging import MMLogger

from hpemap_mm.datasets import MultiSkeletonDataset
from hpemap_mm.datasets.duplicates import (
    Duplicates,
    Member,
    Pair,
    Place,
    digest_of,
    image_name,
    read_duplicates,
    write_duplicates,
)
from hpemap_mm.datasets.exclusion import LeftOut
from hpemap_mm.errors import DataError

IMAGES = ('001.jpg', '002.jpg')


def place(split, entry, images=IMAGES) -> Place:
    return Place(split, entry, 'images', len(images), digest_of(images))


def member(text: str) -> Member:
    return Member(*text.split('/'))


def duplicates(*groups: str, entries=('coco', 'aic')) -> Duplicates:
    """Groups as 'train/coco/001.jpg val/x/1.jpg'."""
    return Duplicates(
        places=(*(place('train', name) for name in entries), place('val', 'x', ['1.jpg'])),
        groups=tuple(tuple(map(member, group.split())) for group in groups),
    )


@pytest.fixture
def written(tmp_path):
    def write(found: Duplicates) -> str:
        write_duplicates(tmp_path / 'duplicates.json', found, {'command': 'a test'})
        return str(tmp_path / 'duplicates.json')

    return write


@pytest.fixture
def log(monkeypatch):
    seen = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'handle', lambda r: seen.append((r.levelno, r.getMessage())))
    assert logger.isEnabledFor(logging.INFO)
    return seen


def test_what_is_written_is_read(written):
    one, other = member('train/coco/1.jpg'), member('val/x/1.jpg')
    found = Duplicates(
        places=(place('train', 'coco'), place('val', 'x')),
        pairs=(Pair(one, other, 'mirrored', 12, 0.9871),),
        groups=((one, other),),
        alike=(Pair(other, one, 'near', 70, 0.7),),
        unreadable={member('train/coco/3.jpg'): 'is missing'},
        by_bytes_only={member('val/x/4.jpg'): 'one colour'},
        within=True,
    )
    path = written(found)
    assert read_duplicates(path) == found
    content = json.loads(Path(path).read_text())
    assert content['about'] == {'command': 'a test'}
    assert content['pairs'][0]['first'] == {'split': 'train', 'entry': 'coco', 'image': '1.jpg'}


@pytest.mark.parametrize(
    ('content', 'what'),
    [
        (None, 'the list of duplicates is missing'),
        ('{', 'is no list of duplicates: Expecting property name'),
        ('[]', "format 'list', not"),
        ('{"format": "other"}', "format 'other', not"),
        ('{"format": "hpemap_mm duplicates 1"}', "damaged: KeyError('places')"),
        ('{"format": "hpemap_mm duplicates 1", "places": [{"a": 1}]}', 'damaged: TypeError'),
    ],
)
def test_another_file_is_an_error_that_says_what_to_do(tmp_path, content, what):
    path = tmp_path / 'x.json'
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=re.escape(what)) as error:
        read_duplicates(path)
    (problem,) = error.value.problems
    assert problem.where == str(path)
    assert 'tools/find_duplicates.py' in problem.fix


def test_names_are_relative_to_the_folder_wherever_the_data_are():
    assert image_name('/data/coco/train/1.jpg', '/data/coco/train/') == '1.jpg'
    assert image_name('data/a/b/1.jpg', 'data') == 'a/b/1.jpg'
    assert image_name('/other/1.jpg', '/data') == '/other/1.jpg'
    assert digest_of(['b', 'a', 'a']) == digest_of(['a', 'b']) != digest_of(['a', 'c'])


def persons(dataset, entry) -> list[str]:
    found = dataset.dataset_of(entry)
    return [found.get_data_info(i)['img_path'].rpartition('/')[2] for i in range(len(found))]


def test_persons_of_images_that_are_evaluated_on_are_left_out(world, pipeline, written, log):
    entries = {name: world.entry(name) for name in ('coco', 'aic')}
    # A group of three, and one between training entries only.
    path = written(
        duplicates('train/coco/001.jpg val/x/1.jpg', 'train/coco/002.jpg train/aic/002.jpg')
    )
    full = MultiSkeletonDataset(entries, pipeline=pipeline)
    assert persons(full, 'coco') == ['001.jpg', '001.jpg', '002.jpg']
    assert full.left_out == {}

    less = MultiSkeletonDataset(entries, pipeline=pipeline, exclude=path)

    assert persons(less, 'coco') == ['002.jpg']
    assert persons(less, 'aic') == persons(full, 'aic')
    assert less.lens == {'coco': 1, 'aic': 3}
    assert len(less) == 4
    assert {s['data_samples'].metainfo['img_path'] for s in less if s} <= {
        str(world.images / name) for name in IMAGES
    }
    assert less.left_out == {'coco': LeftOut(2, 3, 1), 'aic': LeftOut(0, 3, 0)}
    warned = [text for level, text in log if level == logging.WARNING]
    assert len(warned) == 1
    assert "entry 'coco': 2 of 3 persons left out, on 1 images" in warned[0]


def test_of_training_images_all_but_the_first_go_where_that_is_asked_for(world, pipeline, written):
    entries = {name: world.entry(name) for name in ('coco', 'aic')}
    path = written(duplicates('train/coco/002.jpg train/aic/002.jpg'))
    default = MultiSkeletonDataset(entries, pipeline=pipeline, exclude=path)
    assert default.lens == {'coco': 3, 'aic': 3}

    asked = MultiSkeletonDataset(entries, pipeline=pipeline, exclude=path, exclude_within=True)

    assert asked.lens == {'coco': 3, 'aic': 2}
    assert persons(asked, 'aic') == ['001.jpg', '001.jpg']


def test_a_group_that_leaks_goes_altogether(world, pipeline, written):
    entries = {name: world.entry(name) for name in ('coco', 'aic')}
    path = written(duplicates('train/coco/002.jpg train/aic/002.jpg val/x/1.jpg'))
    dataset = MultiSkeletonDataset(entries, pipeline=pipeline, exclude=path)
    assert dataset.lens == {'coco': 2, 'aic': 2}


def test_a_list_of_other_entries_or_images_is_an_error(world, pipeline, written, tmp_path):
    entries = {name: world.entry(name) for name in ('coco', 'aic')}

    def problems(found: Duplicates) -> list[str]:
        with pytest.raises(DataError) as error:
            MultiSkeletonDataset(entries, pipeline=pipeline, exclude=written(found))
        return [f'{p.where}: {p.what}' for p in error.value.problems]

    (unknown,) = problems(duplicates(entries=('coco',)))
    assert "(entry 'aic'): the list of duplicates does not have this training entry" in unknown
    assert unknown.endswith("only ['coco']")
    fewer = Duplicates(places=(place('train', 'coco', ['001.jpg']), place('train', 'aic')))
    (stale,) = problems(fewer)
    assert 'was made of 1 images of this entry, which has 2 now' in stale
    others = Duplicates(places=(place('train', 'coco', ['3.jpg', '4.jpg']), place('train', 'aic')))
    assert problems(others)[0].endswith('was made of other images of this entry')
    everything = duplicates(
        'train/coco/001.jpg val/x/1.jpg', 'train/coco/002.jpg val/x/1.jpg', entries=('coco', 'aic')
    )
    assert 'all of its 3 persons are on images that are evaluated on' in problems(everything)[0]
    with pytest.raises(DataError, match='missing'):
        MultiSkeletonDataset(entries, pipeline=pipeline, exclude=str(tmp_path / 'none.json'))


def test_a_part_of_an_entry_may_use_the_list_of_the_whole(world, pipeline, written):
    path = written(duplicates('train/coco/001.jpg val/x/1.jpg', entries=('coco',)))
    part = {'coco': world.entry('coco', indices=[2])}
    assert MultiSkeletonDataset(part, pipeline=pipeline, exclude=path).lens == {'coco': 1}


def test_a_test_leaves_nobody_out(world, pipeline, written):
    entries = {'coco': world.entry('coco')}
    with pytest.raises(ValueError, match='exclude is for training'):
        MultiSkeletonDataset(entries, pipeline=pipeline, test_mode=True, exclude='x.json')
    with pytest.raises(ValueError, match='exclude_within needs exclude'):
        MultiSkeletonDataset(entries, pipeline=pipeline, exclude_within=True)
