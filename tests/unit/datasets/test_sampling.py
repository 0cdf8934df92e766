import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpemap_mm.datasets import sampling as planning

LENS = {'coco': 6, 'mpii': 3, 'aic': 1}
NONE = dict.fromkeys(LENS)


@pytest.mark.parametrize(
    ('sampling', 'expected'),
    [
        ('proportional', [0.6, 0.3, 0.1]),
        ('equal', [1 / 3, 1 / 3, 1 / 3]),
        ({'type': 'temperature', 'alpha': 1}, [0.6, 0.3, 0.1]),
        ({'type': 'temperature', 'alpha': 0.0}, [1 / 3, 1 / 3, 1 / 3]),
        # 36 + 9 + 1 = 46
        ({'type': 'temperature', 'alpha': 2}, [36 / 46, 9 / 46, 1 / 46]),
    ],
)
def test_shares(sampling, expected):
    shares = planning.shares(sampling, LENS, NONE)
    assert list(shares) == list(LENS)
    np.testing.assert_allclose(list(shares.values()), expected, rtol=1e-12)


def test_explicit_weights_are_relative_and_may_be_zero():
    shares = planning.shares('explicit', LENS, {'coco': 3, 'mpii': 1, 'aic': 0})
    assert shares == {'coco': 0.75, 'mpii': 0.25, 'aic': 0.0}


@pytest.mark.parametrize(
    ('sampling', 'weights', 'message'),
    [
        ('explicit', {'coco': 1, 'mpii': None, 'aic': None}, r"\['aic', 'mpii'\] lack one"),
        ('explicit', {'coco': 1, 'mpii': -1, 'aic': 1}, r"not negative, got {'mpii': -1.0}"),
        ('explicit', {'coco': 1, 'mpii': float('nan'), 'aic': 1}, 'finite'),
        ('explicit', {'coco': 0, 'mpii': 0, 'aic': 0}, 'above 0'),
        ('equal', {'coco': 1, 'mpii': None, 'aic': None}, r"\['coco'\] give a weight"),
        ('balanced', NONE, "Available: .'proportional', 'equal', 'temperature', 'explicit'"),
        ({'type': 'temperature'}, NONE, 'alpha >= 0, got None'),
        ({'type': 'temperature', 'alpha': -1}, NONE, 'alpha >= 0, got -1'),
        ({'type': 'temperature', 'alpha': True}, NONE, 'alpha >= 0, got True'),
        ({'type': 'temperature', 'alpha': 1, 'beta': 2}, NONE, 'does not take'),
        ({'type': 'equal', 'alpha': 1}, NONE, "'equal' does not take .'alpha'"),
    ],
)
def test_shares_refuse_contradictions(sampling, weights, message):
    with pytest.raises(ValueError, match=message):
        planning.shares(sampling, LENS, weights)


@pytest.mark.parametrize(
    ('shares', 'samples', 'expected'),
    [
        ([0.6, 0.3, 0.1], 10, [6, 3, 1]),
        ([0.6, 0.3, 0.1], 30, [18, 9, 3]),  # 0.1 * 30 is 3.0000000000000004
        ([1 / 3, 1 / 3, 1 / 3], 10, [4, 3, 3]),  # a tie goes to the first
        ([0.5, 0.26, 0.24], 10, [5, 3, 2]),  # fractions .0 .6 .4
        ([0.98, 0.01, 0.01], 10, [10, 0, 0]),  # 9.8 0.1 0.1
    ],
)
def test_quotas_by_hand(shares, samples, expected):
    counts = planning.quotas(dict(zip('abc', shares, strict=True)), samples)
    assert list(counts.values()) == expected


def test_an_epoch_of_no_samples_is_refused():
    with pytest.raises(ValueError, match='at least one sample, got 0'):
        planning.quotas({'a': 1.0}, 0)


lens_of_entries = st.lists(st.integers(1, 40), min_size=1, max_size=5).map(
    lambda ns: {f'e{i}': n for i, n in enumerate(ns)}
)


@settings(max_examples=60, deadline=None)
@given(lens=lens_of_entries, samples=st.integers(1, 300), alpha=st.floats(0, 2))
def test_quotas_sum_up_and_stay_within_one_of_the_share(lens, samples, alpha):
    shares = planning.shares({'type': 'temperature', 'alpha': alpha}, lens, dict.fromkeys(lens))
    counts = planning.quotas(shares, samples)
    assert sum(counts.values()) == samples
    assert all(abs(counts[name] - shares[name] * samples) < 1 + 1e-6 for name in lens)


@settings(max_examples=60, deadline=None)
@given(
    lens=lens_of_entries,
    samples=st.integers(1, 120),
    epochs=st.integers(1, 7),
    seed=st.integers(0, 2**40),
)
def test_each_person_is_seen_once_before_any_is_seen_twice(lens, samples, epochs, seed):
    counts = planning.quotas(planning.shares('equal', lens, dict.fromkeys(lens)), samples)
    seen = {name: np.zeros(n, int) for name, n in lens.items()}
    for epoch in range(epochs):
        plan = planning.plan_epoch(seed, epoch, lens, counts)
        assert len(plan) == samples
        for position in range(samples):
            name, person = plan.locate(position)
            seen[name][person] += 1
        for name, times in seen.items():
            assert times.max() - times.min() <= 1
            assert times.sum() == counts[name] * (epoch + 1)


def test_a_proportional_epoch_is_every_person_once_in_a_new_order():
    counts = planning.quotas(planning.shares('proportional', LENS, NONE), 10)
    first, second = (planning.plan_epoch(0, epoch, LENS, counts) for epoch in (0, 1))
    expected = sorted((name, i) for name, n in LENS.items() for i in range(n))
    assert sorted(map(first.locate, range(10))) == expected
    assert sorted(map(second.locate, range(10))) == expected
    assert first.person_S.tolist() != second.person_S.tolist()


def test_a_plan_depends_on_its_arguments_only():
    lens, counts = {'a': 50, 'b': 9}, {'a': 20, 'b': 20}
    plan = planning.plan_epoch(3, 7, lens, counts)
    assert plan.person_S.tolist() == planning.plan_epoch(3, 7, lens, counts).person_S.tolist()
    assert plan.person_S.tolist() != planning.plan_epoch(4, 7, lens, counts).person_S.tolist()
    # 'a' alone goes through its persons as it does beside 'b'
    alone = planning.plan_epoch(3, 7, {'a': 50}, {'a': 20})
    assert plan.person_S[:20].tolist() == alone.person_S.tolist()


def test_a_plan_in_order():
    plan = planning.plan_in_order({'a': 2, 'b': 1})
    assert [plan.locate(i) for i in range(3)] == [('a', 0), ('a', 1), ('b', 0)]
    for outside in (-1, 3):
        with pytest.raises(IndexError, match='outside an epoch of 3'):
            plan.locate(outside)


def test_entries_without_a_place_are_passed_over():
    plan = planning.plan_epoch(
        0, 0, {'a': 2, 'b': 2, 'c': 2, 'd': 2}, {'a': 0, 'b': 2, 'c': 0, 'd': 1}
    )
    assert [plan.locate(i)[0] for i in range(3)] == ['b', 'b', 'd']


def test_the_stream_is_a_row_of_permutations():
    stream = planning.stream_slice(0, 'a', 4, 0, 12)
    for round_ in range(3):
        part = stream[4 * round_ : 4 * round_ + 4]
        assert sorted(part) == [0, 1, 2, 3]
        assert part.tolist() == planning.permutation(0, 'a', round_, 4).tolist()
    assert planning.stream_slice(0, 'a', 4, 3, 6).tolist() == stream[3:9].tolist()
    assert planning.stream_slice(0, 'a', 4, 3, 0).tolist() == []
