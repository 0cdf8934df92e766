"""Hooks that make a run repeatable and its checkpoints plain."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from hpemap_mm.registry import HOOKS


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seeds torch before every training iteration, from (run seed, rank, iteration).

    MMEngine keeps no random state in its checkpoints, so a resumed run draws other dropout and
    drop-path masks than one that was never stopped. Here the masks of iteration i are a function
    of i, and nothing has to be saved. The data's randomness has seeds of its own
    (:class:`hpemap_mm.datasets.MultiSkeletonDataset`).
    """

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed this iteration's dropout and drop path."""
        entropy = (int(runner.seed or 0), get_rank(), runner.iter)
        seed = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
        torch.manual_seed(int(seed >> np.uint64(1)))


@HOOKS.register_module()
class ThreadsHook(Hook):
    """Trains in few threads, where a step is too small to be shared.

    torch shares every operation among its threads, which wait for one another after each. For
    steps of some milliseconds that gains little on an idle machine, and on one that does something
    else too it loses nearly everything (11 ms became 540 ms on two cores, one of them busy).

    Args:
        threads: Of torch, while training.
    """

    priority = 'VERY_HIGH'

    def __init__(self, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f'threads must be at least 1, got {threads}')
        self.threads = threads
        self._before = torch.get_num_threads()

    def before_train(self, runner: Runner) -> None:
        """Take fewer."""
        self._before = torch.get_num_threads()
        torch.set_num_threads(self.threads)

    def after_train(self, runner: Runner) -> None:
        """Give them back."""
        torch.set_num_threads(self._before)


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Writes what MMEngine pickles as Python objects in plain types, and turns it back.

    MMEngine's message hub holds ``HistoryBuffer`` objects with bound methods, and the dataset's
    metainfo numpy arrays; a file with those can be read only by executing it. With this hook a
    checkpoint opens under ``torch.load(weights_only=True)`` with no allow-list.
    """

    priority = 'VERY_LOW'

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Make the checkpoint plain."""
        hub = checkpoint['message_hub']
        hub['log_scalars'] = {
            key: {
                'log_history': buffer.data[0].tolist(),
                'count_history': buffer.data[1].tolist(),
                'max_length': buffer.max_length,
            }
            for key, buffer in hub['log_scalars'].items()
        }
        hub['runtime_info'] = _plain(dict(hub['runtime_info']))
        hub['resumed_keys'] = _plain(dict(hub['resumed_keys']))
        checkpoint['meta'] = _plain(checkpoint['meta'])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Turn the log histories back into MMEngine's buffers."""
        hub = checkpoint.get('message_hub')
        if hub is None:
            return
        hub['log_scalars'] = OrderedDict(
            (key, value if isinstance(value, HistoryBuffer) else HistoryBuffer(**value))
            for key, value in hub['log_scalars'].items()
        )
        hub['runtime_info'] = OrderedDict(hub['runtime_info'])
        hub['resumed_keys'] = OrderedDict(hub['resumed_keys'])


def _plain(value: Any) -> Any:
    """``value`` in None, bool, int, float, str, list, tuple, dict and tensors."""
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | set):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if value is None or type(value) in (bool, int, float, str) or isinstance(value, torch.Tensor):
        return value
    # Paths, enums, config strings of a subclass: kept as what a person would read.
    return str(value)
