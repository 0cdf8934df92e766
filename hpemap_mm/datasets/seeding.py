"""Randomness that belongs to a sample, not to the process that happens to load it.

MMEngine seeds a worker with ``num_workers * rank + worker_id + seed``, the same at every
epoch, so that augmentations depend on the number of workers and, without persistent
workers, repeat at every epoch. Here each sample has its own seeds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def sample_randomness(seed: int, epoch: int, position: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's global generators for one sample.

    The three generators' states are put back at the end. Only torch's CPU generator is
    touched: ``torch.manual_seed`` would also reset those of the GPUs.

    Args:
        seed: The dataset's seed.
        epoch: Number of the epoch, from 0.
        position: Position of the sample in the epoch's plan.
    """
    words = np.random.SeedSequence((seed, epoch, position)).generate_state(8)
    python_state, numpy_state = random.getstate(), np.random.get_state()
    torch_state = torch.default_generator.get_state()
    try:
        random.seed(words[:2].tobytes())
        np.random.seed(words[2:6])
        torch.default_generator.manual_seed(int(words[6:].view(np.uint64)[0] >> np.uint64(1)))
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.default_generator.set_state(torch_state)
