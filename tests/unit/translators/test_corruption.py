"""Conditions of a test: the same joints for everybody, in known shares."""

import numpy as np
import pytest

from hpemap_mm.translators.corruption import REACH, Corruption


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform(100, 300, (500, 17, 2))


def test_a_share_goes_missing(points):
    points[3, 4] = np.nan
    found = Corruption(name='x', missing=0.3)(points, seed=1)
    missing = np.isnan(found).all(-1)
    assert missing.mean() == pytest.approx(0.3, abs=0.02)
    assert missing[3, 4]
    np.testing.assert_array_equal(found[~missing], points[~missing])
    np.testing.assert_array_equal(found, Corruption(name='y', missing=0.3)(points, seed=1))
    assert not np.array_equal(
        missing, np.isnan(Corruption(name='x', missing=0.3)(points, 2))[..., 0]
    )


def test_a_share_is_thrown_near_the_person(points):
    points[3, 4] = np.nan
    found = Corruption(name='x', thrown=0.1)(points, seed=1)
    moved = np.isfinite(points[..., 0]) & (found != points).any(-1)
    assert moved.mean() == pytest.approx(0.1, abs=0.01)
    assert np.isnan(found[3, 4]).all() and np.isnan(found).sum() == 2
    low, high = np.nanmin(points, 1, keepdims=True), np.nanmax(points, 1, keepdims=True)
    off = np.abs(found - (low + high) / 2) / (high - low)
    assert 0.5 < np.nanmax(off) <= REACH / 2


def test_noise_is_in_shares_of_the_person(points):
    off = Corruption(name='x', noise=0.05)(points, seed=1) - points
    size = np.ptp(points, axis=1).max(1)
    assert (off.std((1, 2)) / size).mean() == pytest.approx(0.05, rel=0.05)


def test_nobody_is_corrupted_without_harm():
    found = Corruption(name='x', missing=0.3, thrown=0.1)(np.full((2, 17, 2), np.nan), seed=0)
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    'config',
    [
        {'missing': 0.3},
        {'name': 'x', 'lost': 0.3},
        {'name': 'x', 'missing': 30},
        {'name': 'x', 'noise': -1},
    ],
)
def test_a_condition_that_makes_no_sense(config):
    with pytest.raises(ValueError, match='corruption|Corruption'):
        Corruption.from_config(config)
