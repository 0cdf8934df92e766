"""What a run does, in shards, and whether another may go on with it."""

import json

import pytest

from hpemap_mm.completion.plan import FORM, NAME, EntryPlan, Plan, check_same, differences
from hpemap_mm.errors import DataError


def plan(**more):
    entries = (
        EntryPlan(name='a', skeleton='coco', persons=5, images=3, labelled=40),
        EntryPlan(name='b', skeleton='mpii', persons=2, images=2, labelled=30),
    )
    values = {'fingerprint': {}, 'entries': entries, 'shard_size': 2, 'image_root': '/x', **more}
    return Plan(**values)


def test_shards_do_not_cross_entries():
    shards = list(plan().shards())

    assert [(s.number, s.entry, s.part, s.first, s.persons) for s in shards] == [
        (0, 0, 0, 1, 2),
        (1, 0, 1, 3, 2),
        (2, 0, 2, 5, 1),
        (3, 1, 0, 6, 2),
    ]
    assert len({s.name for s in shards}) == plan().shard_count == 4
    assert (plan().persons, plan().images) == (7, 5)


def test_a_plan_comes_back_from_its_file(tmp_path):
    before = plan(fingerprint={'a': [1, 2.5, None, 'x']})
    assert Plan.read(tmp_path) is None
    before.write(tmp_path)
    assert Plan.read(tmp_path) == before
    before.finished().write(tmp_path)
    assert Plan.read(tmp_path).complete


@pytest.mark.parametrize(
    ('content', 'what'),
    [
        ('{"form": 1', 'is no json'),
        ('{"form": 99}', 'of another version'),
        (f'{{"form": {FORM}, "entries": []}}', 'is no plan'),
        ('{"form": 1, "entries": []}', 'of another version'),
        ('[]', 'of another version'),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path, content, what):
    (tmp_path / NAME).write_text(content)
    with pytest.raises(DataError, match=what) as error:
        Plan.read(tmp_path)
    assert error.value.problems[0].where == str(tmp_path / NAME)


def test_every_difference_is_told(tmp_path):
    found = {'max_std': 0.05, 'models': [{'checkpoint': 'aa'}], 'files': {'x': '1'}}
    wanted = {'max_std': 0.1, 'models': [{'checkpoint': 'bb'}], 'files': {'x': '1', 'y': '2'}}
    with pytest.raises(DataError) as error:
        check_same(tmp_path, found, wanted)
    told = [problem.what for problem in error.value.problems]
    assert told == [
        'was started with max_std = 0.05, this is 0.1',
        "was started with models[0].checkpoint = 'aa', this is 'bb'",
        "was started with files.y = nothing, this is '2'",
    ]
    assert 'name another --out' in error.value.problems[0].fix
    check_same(tmp_path, found, json.loads(json.dumps(found)))


def test_lists_of_other_lengths_differ_as_a_whole():
    assert differences({'a': [1]}, {'a': [1, 2]}) == [('a', '[1]', '[1, 2]')]
    assert differences({'a': 'xy'}, {'a': 'xz'}) == [('a', "'xy'", "'xz'")]
