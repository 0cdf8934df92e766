import hashlib
import pickle

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATA_SAMPLERS, DATASETS
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from hpemap_mm.datasets import MultiSkeletonDataset, MultiSkeletonSampler
from hpemap_mm.datasets import sampler as sampler_module


@pytest.fixture
def dataset(world, pipeline):
    entries = {name: world.entry(name) for name in ('coco', 'mpii', 'aic')}
    return MultiSkeletonDataset(entries, pipeline=pipeline, sampling='equal', samples_per_epoch=7)


def fingerprint(sample) -> str:
    """Of the bytes of a sample: image, target, weights and where it came from."""
    labels = sample['data_samples']
    content = (
        labels.metainfo['dataset_name'],
        labels.metainfo['id'],
        sample['inputs'].numpy().tobytes(),
        labels.gt_fields.heatmaps.numpy().tobytes(),
        labels.gt_instance_labels.keypoint_weights.numpy().tobytes(),
    )
    return hashlib.sha256(pickle.dumps(content)).hexdigest()


def epochs_of(dataset, *, workers, persistent, epochs=(0, 1)):
    sampler = MultiSkeletonSampler(dataset, seed=3)
    loader = DataLoader(
        dataset,
        batch_size=2,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=persistent,
        collate_fn=list,
    )
    found = []
    for epoch in epochs:
        sampler.set_epoch(epoch)
        found.append([fingerprint(sample) for batch in loader for sample in batch])
    return found


def test_samples_do_not_depend_on_workers(dataset):
    expected = epochs_of(dataset, workers=0, persistent=False)
    assert len(expected[0]) == 7
    assert len(set(expected[0]) | set(expected[1])) == 14  # nothing repeats
    for workers, persistent in [(1, False), (1, True), (3, False), (3, True)]:
        assert epochs_of(dataset, workers=workers, persistent=persistent) == expected


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(dataset):
    expected = epochs_of(dataset, workers=0, persistent=False, epochs=(0, 1, 2))
    assert epochs_of(dataset, workers=0, persistent=False, epochs=(2,)) == expected[2:]


def on_rank(monkeypatch, rank, world_size, dataset, **settings):
    monkeypatch.setattr(sampler_module, 'get_dist_info', lambda: (rank, world_size))
    return MultiSkeletonSampler(dataset, seed=3, **settings)


@pytest.mark.parametrize('epoch', [0, 5])
@pytest.mark.parametrize('world_size', [1, 2, 3])
def test_over_the_ranks_every_position_comes_once(monkeypatch, dataset, world_size, epoch):
    found = []
    for rank in range(world_size):
        sampler = on_rank(monkeypatch, rank, world_size, dataset, round_up=False)
        sampler.set_epoch(epoch)
        indices = list(sampler)
        assert len(indices) == len(sampler)
        found += indices
    assert sorted(found) == [epoch * 7 + i for i in range(7)]


def test_ranks_load_what_one_process_loads(monkeypatch, dataset):
    alone = [fingerprint(dataset[i]) for i in on_rank(monkeypatch, 0, 1, dataset)]
    together = [
        fingerprint(dataset[i])
        for rank in (0, 1)
        for i in on_rank(monkeypatch, rank, 2, dataset, round_up=False)
    ]
    assert sorted(together) == sorted(alone)


def test_rounding_up_repeats_the_first_samples(monkeypatch, dataset):
    first, second = (list(on_rank(monkeypatch, rank, 2, dataset)) for rank in (0, 1))
    assert len(first) == len(second) == 4
    order = list(on_rank(monkeypatch, 0, 1, dataset))
    assert [i for pair in zip(first, second, strict=True) for i in pair] == [*order, order[0]]


def test_more_ranks_than_samples(monkeypatch, dataset):
    for rank in range(9):
        assert len(list(on_rank(monkeypatch, rank, 9, dataset))) == 1
        unequal = on_rank(monkeypatch, rank, 9, dataset, round_up=False)
        assert len(unequal) == len(list(unequal)) == (1 if rank < 7 else 0)


def test_without_shuffling_positions_come_in_order(dataset):
    sampler = MultiSkeletonSampler(dataset, shuffle=False)
    assert list(sampler) == list(range(7))
    sampler.set_epoch(2)
    assert list(sampler) == list(range(14, 21))


def test_shuffling_changes_with_epoch_and_seed(dataset):
    def order(seed, epoch):
        sampler = MultiSkeletonSampler(dataset, seed=seed)
        sampler.set_epoch(epoch)
        return [i % 7 for i in sampler]

    assert order(3, 0) == order(3, 0)
    assert len({tuple(order(seed, epoch)) for seed in (3, 4) for epoch in (0, 1)}) == 4


def test_mmengine_wires_it(world, pipeline):
    """As a Runner does: from configs, its worker seeding included."""
    config = {
        'batch_size': 2,
        'num_workers': 1,
        'persistent_workers': True,
        'sampler': {'type': 'hpemap_mm.MultiSkeletonSampler', 'shuffle': True},
        'dataset': {
            'type': 'hpemap_mm.MultiSkeletonDataset',
            'entries': {name: world.entry(name) for name in ('coco', 'mpii')},
            'pipeline': pipeline,
        },
    }
    loader = Runner.build_dataloader(config, seed=11)
    assert isinstance(loader.sampler, MultiSkeletonSampler)
    assert loader.sampler.seed == 11
    loader.sampler.set_epoch(4)
    names = []
    for batch in loader:
        assert {'inputs', 'data_samples'} == batch.keys()
        names += [sample.metainfo['dataset_name'] for sample in batch['data_samples']]
    assert sorted(names) == ['coco'] * 3 + ['mpii'] * 3


def test_mmengine_shortens_an_epoch(world, pipeline):
    config = {
        'batch_size': 2,
        'num_workers': 0,
        'num_batch_per_epoch': 2,
        'sampler': {'type': 'hpemap_mm.MultiSkeletonSampler'},
        'dataset': {
            'type': 'hpemap_mm.MultiSkeletonDataset',
            'entries': {name: world.entry(name) for name in ('coco', 'mpii')},
            'pipeline': pipeline,
        },
    }
    loader = Runner.build_dataloader(config, seed=0)
    loader.sampler.set_epoch(1)
    indices = list(loader.sampler)
    assert len(indices) == 4
    assert set(indices) <= set(range(6, 12))
    assert len(list(loader)) == 2


def test_other_datasets_are_refused():
    with pytest.raises(TypeError, match='needs a MultiSkeletonDataset, got list'):
        MultiSkeletonSampler([1, 2, 3])


def test_registered():
    assert DATA_SAMPLERS.get('hpemap_mm.MultiSkeletonSampler') is MultiSkeletonSampler
    assert DATASETS.get('hpemap_mm.MultiSkeletonDataset') is MultiSkeletonDataset


def test_batches_collate(dataset):
    batch = pseudo_collate([dataset[0], dataset[1]])
    assert np.shape(batch['inputs'][0]) == (3, 64, 48)
