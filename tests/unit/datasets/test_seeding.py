import random

import numpy as np
import pytest
import torch

from hpemap_mm.datasets.seeding import sample_randomness


def draws():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_the_same_sample_draws_the_same_and_others_do_not():
    found = {}
    for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]:
        with sample_randomness(*key):
            found[key] = draws()
        with sample_randomness(*key):
            assert draws() == found[key]
    for values in zip(*found.values(), strict=True):
        assert len(set(values)) == 4


@pytest.mark.parametrize('fails', [False, True])
def test_the_callers_generators_go_on_as_if_nothing_had_been(fails):
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(5)
    expected = [draws(), draws()]
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(5)
    found = [draws()]
    try:
        with sample_randomness(0, 0, 0):
            draws()
            if fails:
                raise RuntimeError('in a transform')
    except RuntimeError:
        assert fails
    assert [*found, draws()] == expected


def test_nothing_but_the_cpu_generator_of_torch_is_seeded(monkeypatch):
    def refuse(*_):
        raise AssertionError('GPU generators belong to the training loop')

    monkeypatch.setattr(torch, 'manual_seed', refuse)
    monkeypatch.setattr(torch.cuda, 'manual_seed_all', refuse)
    with sample_randomness(0, 0, 0):
        first = torch.rand(1)
    with sample_randomness(0, 0, 0):
        assert torch.equal(torch.rand(1), first)
