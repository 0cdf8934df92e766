import numpy as np
import pytest
from scipy.optimize import minimize

from hpemap_mm.completion.fusion import CORRELATION, fuse

NAN = np.nan


def one(points, stds):
    """Fuse estimates of a single joint: lists over the estimates."""
    points, stds, used = fuse(
        np.array(points, float)[:, None, None], np.array(stds, float)[:, None, None]
    )
    return points[0, 0], stds[0, 0], used[:, 0, 0].tolist()


def test_two_estimates_are_weighted_as_correlated_ones():
    # With a correlation of 1/2 the surer one's weight is (2.25 - 0.75) / (1 + 2.25 - 1.5) = 6/7.
    point, std, used = one([[0, 10], [7, 10]], [1, 1.5])
    assert point == pytest.approx([1, 10])
    variance = (36 + 2.25 + 2 * 6 * 0.75) / 49
    distance = 49 / (1 + 2.25)
    assert std == pytest.approx(np.sqrt(variance * distance / 2))
    assert used == [True, True]


@pytest.mark.parametrize('stds', [[1.07, 0.74, 0.54], [0.5, 0.7, 0.6], [1, 1, 1], [0.9, 2, 1.1]])
def test_no_other_weights_have_a_smaller_variance(stds):
    stds = np.array(stds)
    covariance = CORRELATION * np.outer(stds, stds)
    np.fill_diagonal(covariance, np.square(stds))
    best = minimize(
        lambda weights: weights @ covariance @ weights,
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={'type': 'eq', 'fun': lambda weights: weights.sum() - 1},
        tol=1e-12,
    )
    places = np.array([[0.1, 0.0], [0.0, 0.2], [0.0, 0.0]])
    point, std, used = one(places, stds)
    assert point == pytest.approx(best.x @ places, abs=1e-5)
    assert std == pytest.approx(np.sqrt(best.fun), rel=1e-6)
    assert used == (best.x > 1e-4).tolist()


def test_what_is_twice_as_unsure_adds_nothing():
    point, std, used = one([[0, 0], [1, 0]], [1, 2.01])
    assert point.tolist() == [0, 0]
    assert std == 1
    assert used == [True, False]


def test_disagreement_widens():
    # The distance is 3 standard deviations of the difference: chi-squared 9, of 2 expected.
    _, agreeing, _ = one([[0, 0], [0, 0]], [1, 1])
    point, std, used = one([[0, 0], [3 * np.sqrt(2), 0]], [1, 1])
    assert point == pytest.approx([1.5 * np.sqrt(2), 0])
    assert std == pytest.approx(agreeing * np.sqrt(4.5))
    assert agreeing == pytest.approx(np.sqrt(0.75))
    assert used == [True, True]


def test_contradiction_takes_the_surer_one_and_says_so():
    point, std, used = one([[100, 0], [0, 0]], [3, 1])
    assert point == pytest.approx([0, 0])
    assert used == [False, True]
    assert std == pytest.approx(np.sqrt(10_000 / 10 / 2))


def test_one_estimate_is_kept_to_the_bit():
    point, std, used = one([[NAN, NAN], [0.1, 0.7]], [NAN, 0.3])
    assert point.tolist() == [0.1, 0.7]
    assert std == pytest.approx(0.3, rel=1e-15)
    assert used == [False, True]


def test_nothing_gives_nothing():
    point, std, used = one([[NAN, NAN], [NAN, NAN]], [NAN, NAN])
    assert np.isnan(point).all()
    assert np.isnan(std)
    assert used == [False, False]


def test_persons_and_joints_do_not_mix():
    rng = np.random.default_rng(0)
    points, stds = rng.normal(size=(3, 4, 5, 2)), rng.uniform(0.5, 2, (3, 4, 5))
    points[rng.random(stds.shape) < 0.3] = NAN
    stds[np.isnan(points[..., 0])] = NAN
    whole = fuse(points, stds)
    for n in range(4):
        for k in range(5):
            alone = one(points[:, n, k], stds[:, n, k])
            np.testing.assert_array_equal(whole[0][n, k], alone[0])
            np.testing.assert_array_equal(whole[1][n, k], alone[1])
            assert whole[2][:, n, k].tolist() == alone[2]
