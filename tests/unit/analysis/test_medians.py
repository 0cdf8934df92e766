import numpy as np
import pytest

from hpemap_mm.analysis import medians
from hpemap_mm.analysis.medians import (
    image_rows,
    median_interval,
    median_replicates,
    robust_sigma,
)
from hpemap_mm.evaluation.bootstrap import image_weights


def test_a_replicate_s_median_is_that_of_the_repeated_values():
    rng = np.random.default_rng(0)
    values, rows = rng.normal(size=60), rng.integers(12, size=60)
    weights = image_weights(12, 40, seed=1)
    expected = [np.median(np.repeat(values, w[rows].astype(int))) for w in weights]
    np.testing.assert_allclose(median_replicates(values, rows, weights), expected, atol=1e-12)


def test_weights_of_one_give_numpy_s_median():
    values = np.array([5.0, 1.0, 9.0, 4.0])
    found = median_replicates(values, np.arange(4), np.ones((1, 4), np.float32))
    assert found.tolist() == [4.5]


def test_images_without_weight_do_not_count():
    values, rows = np.array([0.0, 0.0, 7.0]), np.array([0, 0, 1])
    weights = np.array([[0, 2], [2, 0], [0, 0]], np.float32)
    found = median_replicates(values, rows, weights)
    assert found[:2].tolist() == [7.0, 0.0]
    assert np.isnan(found[2])


def test_the_histogram_agrees_with_the_exact_way():
    rng = np.random.default_rng(2)
    values, rows = rng.standard_t(1.2, 6000), rng.integers(3000, size=6000)
    assert len(values) > medians.EXACT
    weights = image_weights(3000, 300)
    exact = medians._exact(values, rows, weights)
    quick = median_replicates(values, rows, weights)
    assert np.abs(quick - exact).max() < 0.3 * exact.std()
    assert np.percentile(quick, [2.5, 97.5]) == pytest.approx(
        np.percentile(exact, [2.5, 97.5]), abs=0.1 * exact.std()
    )


def test_persons_of_one_image_do_not_count_as_many():
    """Ten copies of each value in its image: the interval is that of the values."""
    values = np.random.default_rng(3).normal(size=400)
    rows = np.arange(400)
    weights = image_weights(400, 500)
    single = median_interval(values, rows, weights)
    tenfold = median_interval(np.repeat(values, 10), np.repeat(rows, 10), weights)
    assert np.ptp(tenfold) == pytest.approx(np.ptp(single), rel=0.1)


def test_coverage_of_the_interval():
    """The true median lies in 95% intervals of clustered values about 95 times in 100."""
    rng = np.random.default_rng(4)
    inside = 0
    for seed in range(200):
        rows = np.repeat(np.arange(80), 3)
        values = rng.normal(size=80)[rows] + rng.normal(size=240)
        low, high = median_interval(values, rows, image_weights(80, 300, seed=seed))
        inside += low <= 0.0 <= high
    assert 0.90 <= inside / 200 <= 0.99


def test_one_image_has_no_interval():
    assert np.isnan(median_interval(np.arange(9.0), np.zeros(9, int), image_weights(1, 20))).all()


def test_no_values():
    assert np.isnan(median_replicates(np.empty(0), np.empty(0, int), image_weights(3, 5))).all()


@pytest.mark.parametrize('values', [[1.0, np.nan], [1.0]])
def test_bad_values_are_refused(values):
    with pytest.raises(ValueError, match='finite values'):
        median_replicates(np.array(values), np.array([0, 0]), image_weights(1, 3))


def test_robust_sigma_of_a_gaussian():
    values = np.random.default_rng(5).normal(3.0, 2.0, 200_000)
    assert robust_sigma(values) == pytest.approx(2.0, rel=0.01)


def test_image_rows():
    assert image_rows(np.array([7, 3, 7]), np.array([3, 9, 7])).tolist() == [2, 0, 2]
    with pytest.raises(ValueError, match='not among the images'):
        image_rows(np.array([8]), np.array([3, 9]))
