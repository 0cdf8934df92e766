"""Seeds that depend on the iteration alone, checkpoints in plain types."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from hpemap_mm.engine.hooks import IterationSeedHook, PlainCheckpointHook, ThreadsHook


def draws(seed, iteration):
    hook = IterationSeedHook()
    hook.before_train_iter(SimpleNamespace(seed=seed, iter=iteration), batch_idx=0)
    return torch.rand(4).tolist()


def test_an_iteration_draws_the_same_whatever_came_before():
    first = draws(3, 17)
    torch.rand(1000)
    assert draws(3, 17) == first
    assert draws(3, 18) != first
    assert draws(4, 17) != first


def test_a_checkpoint_becomes_plain_and_comes_back(tmp_path):
    buffer = HistoryBuffer()
    for value in (3.0, 2.0, 1.0):
        buffer.update(value)
    checkpoint = {
        'state_dict': {'a': torch.ones(2)},
        'message_hub': {
            'log_scalars': {'train/loss': buffer},
            'runtime_info': {'iter': np.int64(3), 'sizes': (1, 2)},
            'resumed_keys': {'train/loss': True},
        },
        'meta': {'dataset_meta': {'sigmas': np.array([0.1, 0.2])}, 'epoch': 1},
    }
    hook = PlainCheckpointHook()
    hook.before_save_checkpoint(None, checkpoint)
    torch.save(checkpoint, tmp_path / 'x.pth')
    loaded = torch.load(tmp_path / 'x.pth', weights_only=True)
    assert loaded['meta']['dataset_meta']['sigmas'] == [0.1, 0.2]
    hook.after_load_checkpoint(None, loaded)
    restored = loaded['message_hub']['log_scalars']['train/loss']
    assert restored.data[0].tolist() == [3, 2, 1]
    assert restored.mean() == 2
    assert loaded['message_hub']['runtime_info'] == {'iter': 3, 'sizes': (1, 2)}


def test_a_checkpoint_without_logs_is_left_alone():
    checkpoint = {'state_dict': {}}
    PlainCheckpointHook().after_load_checkpoint(None, checkpoint)
    assert checkpoint == {'state_dict': {}}


def test_threads_are_few_while_training_and_given_back():
    before = torch.get_num_threads()
    hook = ThreadsHook(threads=1)

    hook.before_train(None)
    during = torch.get_num_threads()
    hook.after_train(None)

    assert during == 1
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match='at least 1'):
        ThreadsHook(threads=0)
