import pickle

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, FUNCTIONS
from mmengine.runner import Runner

from hpemap_mm.errors import DataError
from hpemap_mm.skeletons import get_skeleton
from hpemap_mm.translators.concat_pairs import ConcatPairs
from hpemap_mm.translators.dataset import KeypointPairs, as_is, batch_randomness

COCO, MPII, LSP = map(get_skeleton, ('coco', 'mpii', 'lsp'))
SPLIT = dict(dev=0.2, test=0.2, seed=1)
AUGMENT = [
    dict(type='Flip'),
    dict(type='Rotate', degrees=30),
    dict(type='DropJoints', share=0.5, probability=0.5),
    dict(type='ThrowJoints', share=0.3, probability=0.3),
]


@pytest.fixture(scope='module')
def options(tmp_path_factory):
    """90 persons in 30 images; every coordinate tells the person and the joint."""
    path = tmp_path_factory.mktemp('pairs') / 'pairs.npz'
    persons, numbers = np.arange(90), np.random.default_rng(0)
    spread = 30 * numbers.standard_normal((90, 17, 2))
    source = 100.0 * persons[:, None, None] + spread
    target = 100.0 * persons[:, None, None] + spread[:, :16]
    flags = np.full((90, 16, 1), 2.0)
    flags[::4, 6] = 0
    np.savez(
        path,
        coco=source,
        mpii=np.concatenate([target, flags], axis=2),
        lsp=np.concatenate([target[:, :14], flags[:, :14]], axis=2),
        image=persons // 3,
    )
    return dict(
        source=dict(file=str(path), skeleton='coco', array='coco', image_ids='image'),
        target=dict(file=str(path), skeleton='mpii', array='mpii', image_ids='image'),
        match='rows',
        split=SPLIT,
        name='world',
    )


@pytest.fixture(autouse=True)
def far_apart_is_fine(monkeypatch):
    # Joints of one name lie in other places in this world.
    monkeypatch.setattr('hpemap_mm.translators.matching.FAR_APART', 1e9)


@pytest.fixture
def log(monkeypatch):
    lines = []

    class Logger:
        def info(self, text):
            lines.append(text)

        warning = info

        @classmethod
        def get_current_instance(cls):
            return cls()

    for module in ('pairs', 'dataset', 'concat_pairs'):
        monkeypatch.setattr(f'hpemap_mm.translators.{module}.MMLogger', Logger)
    return lines


def test_parts_split_images_and_are_everybody(options, log):
    parts = {part: KeypointPairs(part=part, **options) for part in ('train', 'dev', 'test', 'all')}
    images = {part: set(ds.pairs.target.image_ids.tolist()) for part, ds in parts.items()}

    assert len(parts['all']) == 90 == sum(len(parts[p]) for p in ('train', 'dev', 'test'))
    assert all(len(parts[part]) == 3 * len(images[part]) for part in images)
    assert not (images['train'] & images['test'] or images['dev'] & images['test'])
    assert log[0] == 'pairs (coco -> mpii): 90 pairs of 90 and 90 persons (rows)'
    told = f'world (coco -> mpii): {len(parts["train"])} persons in {len(images["train"])} images'
    assert told in log[1]


def test_a_batch_is_float32_with_nan_where_nothing_is_known(options):
    data = KeypointPairs(part='all', **options)

    batch = data.__getitems__([4, 1, 4])

    assert batch.keys() == {'keypoints', 'target'}
    assert batch['keypoints'].shape == (3, 17, 2) and batch['target'].shape == (3, 16, 2)
    assert {tensor.dtype for tensor in batch.values()} == {torch.float32}
    np.testing.assert_allclose(batch['keypoints'], data.pairs.keypoints[[4, 1, 4]], atol=1e-3)
    np.testing.assert_allclose(batch['target'], data.pairs.target_points[[4, 1, 4]], atol=1e-3)
    assert torch.isnan(batch['target'][0, 6]).all() and not torch.isnan(batch['target'][1]).any()
    assert data[4]['target'].shape == (16, 2)
    assert data.metainfo == dict(dataset_name='world', part='all', source='coco', target='mpii')


def test_augmentations_are_a_function_of_seed_and_batch(options):
    one, two = (KeypointPairs(part='all', augment=AUGMENT, **options) for _ in range(2))
    other = KeypointPairs(part='all', augment=AUGMENT, seed=1, **options)
    before = [one.pairs.keypoints.copy(), one.pairs.target_points.copy()]

    first, again = one.__getitems__([3, 1, 2]), one.__getitems__([3, 1, 2])
    np.random.seed(5)
    torch.manual_seed(5)
    elsewhere = two.__getitems__([3, 1, 2])

    for batch in (again, elsewhere):
        for key in first:
            torch.testing.assert_close(batch[key], first[key], rtol=0, atol=0, equal_nan=True)
    of_other_seed = other.__getitems__([3, 1, 2])['target']
    in_other_order = one.__getitems__([1, 3, 2])['target'][[1, 0, 2]]
    for target in (of_other_seed, in_other_order):
        assert not torch.allclose(target, first['target'], equal_nan=True)
    # What is stored was not touched.
    np.testing.assert_array_equal(one.pairs.keypoints, before[0])
    np.testing.assert_array_equal(one.pairs.target_points, before[1])
    plain = KeypointPairs(part='all', **options).__getitems__([3, 1, 2])
    assert not torch.allclose(plain['target'], first['target'], equal_nan=True)


def test_random_numbers_of_a_batch():
    draws = {
        key: batch_randomness(*key).random()
        for key in ((0, (1, 2)), (0, (2, 1)), (0, (1, 2, 2)), (1, (1, 2)))
    }

    assert len(set(draws.values())) == 4
    assert batch_randomness(0, [1, 2]).random() == draws[0, (1, 2)]


def test_limits_take_images_of_the_part(options):
    whole = KeypointPairs(part='train', **options)
    some = KeypointPairs(part='train', limit=5, **options)
    more = KeypointPairs(part='train', limit=10, **options)
    half = KeypointPairs(part='train', limit=0.5, **options)

    assert (len(some), len(more)) == (15, 30)
    assert len(half) == 3 * round(len(whole) / 3 / 2)
    chosen = [set(ds.pairs.target.image_ids.tolist()) for ds in (some, more, whole)]
    assert chosen[0] < chosen[1] < chosen[2]


def test_reverse_exchanges_the_sides(options):
    data, back = (KeypointPairs(part='dev', reverse=way, **options) for way in (False, True))

    assert (back.source, back.target) == (data.target, data.source)
    ahead, behind = data.__getitems__([0, 1]), back.__getitems__([0, 1])
    torch.testing.assert_close(behind['keypoints'], ahead['target'], equal_nan=True)
    torch.testing.assert_close(behind['target'], ahead['keypoints'], equal_nan=True)
    assert (back.pairs.target.image_ids == data.pairs.target.image_ids).all()


def test_parts_with_nobody(options):
    with pytest.raises(DataError, match="has no person in part 'dev'"):
        KeypointPairs(part='dev', **{**options, 'split': dict(dev=0.0, test=0.2)})
    with pytest.raises(ValueError, match='part is one of'):
        KeypointPairs(part='val', **options)


def test_files_without_images_are_split_by_person_and_say_so(options, log):
    sides = {
        key: {k: v for k, v in options[key].items() if k != 'image_ids'}
        for key in ('source', 'target')
    }

    KeypointPairs(part='train', **{**options, **sides})

    assert any('so persons are split' in line for line in log)


def test_mmengine_builds_datasets_and_loaders(options):
    cfg = dict(
        dataset=dict(type='hpemap_mm.KeypointPairs', part='train', augment=AUGMENT, **options),
        batch_size=16,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=True),
        collate_fn=dict(type='hpemap_mm.as_is'),
    )

    loader = Runner.build_dataloader(cfg, seed=0)
    sizes = [len(batch['keypoints']) for batch in loader]

    assert isinstance(loader.dataset, KeypointPairs)
    assert sum(sizes) == len(loader.dataset) and set(sizes[:-1]) == {16}
    assert FUNCTIONS.get('hpemap_mm.as_is') is as_is
    assert DATASETS.get('hpemap_mm.ConcatPairs') is ConcatPairs
    # Epochs differ, as the sampler's permutations do.
    loader.sampler.set_epoch(0)
    first, again = (next(iter(loader))['target'] for _ in range(2))
    loader.sampler.set_epoch(1)
    torch.testing.assert_close(first, again, equal_nan=True)
    assert not torch.allclose(first, next(iter(loader))['target'], equal_nan=True)


def test_datasets_can_be_sent_to_workers(options):
    data = KeypointPairs(part='dev', augment=AUGMENT, **options)

    sent = pickle.loads(pickle.dumps(data))

    torch.testing.assert_close(sent.__getitems__([0, 1]), data.__getitems__([0, 1]), equal_nan=True)


def entries(options):
    lsp = {**options['source'], 'skeleton': 'lsp', 'array': 'lsp'}
    return [
        dict(part='all', **options),
        dict(part='all', **{**options, 'source': lsp, 'target': 'same', 'name': 'selves'}),
    ]


def test_concat_pairs_fill_their_own_places(options):
    data = ConcatPairs(skeletons=['coco', 'mpii', 'lsp'], entries=entries(options))
    space = data.space

    assert len(data) == 180 and len(space) == 17 + 16 + 14
    assert [entry.pairs.name for entry in data.entries] == ['world', 'selves']
    batch = data.__getitems__([95, 4, 90, 89])

    world, selves = data.entries
    for row, entry, person in ((0, selves, 5), (1, world, 4), (2, selves, 0), (3, world, 89)):
        given = entry[person]
        for key, skeleton in (('keypoints', entry.source), ('target', entry.target)):
            tensor = batch[key][row]
            torch.testing.assert_close(
                tensor[space.indices(skeleton).tolist()], given[key], equal_nan=True
            )
            others = np.setdiff1d(np.arange(len(space)), space.indices(skeleton))
            assert torch.isnan(tensor[others.tolist()]).all()
    assert data[95]['keypoints'].shape == (47, 2)
    assert data.metainfo['skeletons'] == ['coco', 'mpii', 'lsp']


def test_concat_pairs_augment_before_they_scatter(options):
    given = [dict(entry, augment=AUGMENT) for entry in entries(options)]
    data = ConcatPairs(skeletons=['coco', 'mpii', 'lsp'], entries=given)

    batch = data.__getitems__([3, 100, 4])

    alone = data.entries[0].__getitems__([3, 4])
    places = data.space.indices('coco').tolist()
    torch.testing.assert_close(
        batch['keypoints'][[0, 2]][:, places], alone['keypoints'], equal_nan=True
    )


def test_weights_and_length_of_an_epoch(options, log):
    data = ConcatPairs(
        skeletons=['coco', 'mpii', 'lsp'], entries=entries(options), weights=[3, 1], length=160
    )

    entry_of, rows = data.locate(range(160))

    assert np.bincount(entry_of).tolist() == [120, 40]
    # More places than persons: everybody at least once. Fewer: one of each stretch of them.
    assert set(rows[entry_of == 0]) == set(range(90))
    few = rows[entry_of == 1]
    assert ((few >= np.floor(np.arange(40) * 2.25)) & (few <= np.arange(1, 41) * 2.25)).all()
    assert log[-1] == 'persons of an epoch: world 120 of 90, selves 40 of 90'
    # Over the epochs, whose batches differ, everybody has a turn.
    seen = set()
    for epoch in range(60):
        order = np.random.default_rng(epoch).permutation(160)
        which, who = data.locate(order)
        seen |= set(who[which == 1].tolist())
    assert seen == set(range(90))


def test_an_epoch_has_everybody_once_by_default(options):
    data = ConcatPairs(skeletons=['coco', 'mpii', 'lsp'], entries=entries(options))

    entry_of, rows = data.locate(np.random.default_rng(0).permutation(180))

    assert sorted(zip(entry_of.tolist(), rows.tolist(), strict=True)) == [
        (entry, row) for entry in (0, 1) for row in range(90)
    ]


def test_an_entry_of_weight_0_is_left_out(options):
    data = ConcatPairs(
        skeletons=['coco', 'mpii', 'lsp'], entries=entries(options), weights=[0, 1], length=40
    )

    batch = data.__getitems__(list(range(40)))

    lsp = data.space.indices('lsp')
    there = torch.isfinite(batch['keypoints']).all(-1).any(0).numpy()
    assert there[lsp].any() and there.sum() == there[lsp].sum()


@pytest.mark.parametrize(
    ('changes', 'error', 'message'),
    [
        (dict(skeletons=['coco', 'mpii']), KeyError, "'lsp'"),
        (dict(entries=[]), ValueError, 'at least one entry'),
        (dict(weights=[1]), ValueError, 'weights are 2 numbers'),
        (dict(weights=[1, -1]), ValueError, 'weights are 2 numbers'),
        (dict(weights=[0, 0]), ValueError, 'weights are 2 numbers'),
        (dict(length=0), ValueError, 'length is a positive number'),
        (dict(entries=[dict(type='mmpose.CocoDataset')]), ValueError, 'entries of ConcatPairs'),
    ],
)
def test_concat_pairs_at_fault(options, changes, error, message):
    given = dict(skeletons=['coco', 'mpii', 'lsp'], entries=entries(options))

    with pytest.raises(error, match=message):
        ConcatPairs(**{**given, **changes})


def test_indices_outside_of_the_epoch(options):
    data = ConcatPairs(skeletons=['coco', 'mpii', 'lsp'], entries=entries(options))

    with pytest.raises(IndexError, match=r'indices are in \[0, 180\)'):
        data.__getitems__([180])


def test_real_splits_have_the_shares_asked_for(shared_data, log):
    folder = shared_data / 'coco'
    both = str(folder / 'coco17_crowdpose14_pairs.npz')
    data = {
        part: KeypointPairs(
            source=dict(file=both, skeleton='coco', array='coco17', image_ids='coco_image_id'),
            target=dict(
                file=both, skeleton='crowdpose', array='crowdpose14', image_ids='coco_image_id'
            ),
            part=part,
        )
        for part in ('train', 'dev', 'test')
    }

    assert sum(map(len, data.values())) == 2315
    assert 0.7 < len(data['train']) / 2315 < 0.95
    assert not any('persons are split' in line for line in log)
