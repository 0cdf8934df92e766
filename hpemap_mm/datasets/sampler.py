"""The order of an epoch's samples, over all ranks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from hpemap_mm.registry import DATA_SAMPLERS


def epoch_order(seed: int, epoch: int, total: int, *, shuffle: bool) -> np.ndarray:
    """(S,) int64: in which order an epoch's S positions are visited."""
    if not shuffle:
        return np.arange(total)
    return np.random.default_rng(np.random.SeedSequence((seed, epoch))).permutation(total)


@DATA_SAMPLERS.register_module()
class MultiSkeletonSampler(Sampler):
    """MMEngine's DefaultSampler with the epoch in the index.

    Yields ``epoch * samples_per_epoch + position``, so that a worker knows the epoch it
    works for, whether it outlives epochs or not. Rank r of W takes every W-th sample from
    the r-th; over the ranks every position comes once in an epoch. It keeps no state but
    the epoch, which MMEngine sets at the start of each (also after a resume).

    Args:
        dataset: A :class:`MultiSkeletonDataset` (or MMEngine's slice of one).
        shuffle: Whether to visit the positions in a new order at each epoch.
        seed: Of that order, the same on all ranks; None: drawn, and shared by the ranks.
        round_up: Whether to repeat the first samples so that all ranks get equally many,
            which DDP needs.

    Raises:
        TypeError: If the dataset does not take indices with an epoch.
    """

    def __init__(
        self,
        dataset: Any,
        *,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        if not hasattr(dataset, 'indices_carry_epoch'):
            raise TypeError(
                'MultiSkeletonSampler needs a MultiSkeletonDataset, got '
                f'{type(dataset).__name__}. Use DefaultSampler for other datasets.'
            )
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.round_up = round_up
        self.epoch = 0
        dataset.indices_carry_epoch()

    def __len__(self) -> int:
        """Samples of this rank in an epoch."""
        total = len(self.dataset)
        if self.round_up:
            return math.ceil(total / self.world_size)
        return max(0, math.ceil((total - self.rank) / self.world_size))

    def __iter__(self) -> Iterator[int]:
        """The indices of this rank for the epoch that was set."""
        stride = self.dataset.samples_per_epoch
        # MMEngine's num_batch_per_epoch shortens len(dataset): take a part of every entry.
        total = len(self.dataset)
        order = epoch_order(self.seed, self.epoch, stride, shuffle=self.shuffle)[:total]
        if self.round_up:
            order = np.resize(order, math.ceil(total / self.world_size) * self.world_size)
        mine = order[self.rank :: self.world_size] + self.epoch * stride
        return iter(mine.tolist())

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is of."""
        self.epoch = epoch
