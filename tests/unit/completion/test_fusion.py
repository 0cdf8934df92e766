import numpy as np
import pytest
from scipy.stats import norm

from hpemap_mm.completion.fusion import fuse

NAN = np.nan


def one(points, stds):
    """Fuse estimates of a single joint: lists over the estimates."""
    points, stds, used = fuse(
        np.array(points, float)[:, None, None], np.array(stds, float)[:, None, None]
    )
    return points[0, 0], stds[0, 0], used[:, 0, 0].tolist()


def test_two_estimates_are_weighted_by_their_inverse_variances():
    # Weights 1 and 1/4: the mean of 0 and 1 is 0.2, its variance 1 / (1 + 1/4).
    point, std, used = one([[0, 10], [1, 10]], [1, 2])
    assert point == pytest.approx([0.2, 10])
    assert std == pytest.approx(np.sqrt(0.8))
    assert used == [True, True]


def test_it_is_the_product_of_the_gaussians():
    x = np.linspace(-5, 5, 100_001)
    density = norm.pdf(x, 0.3, 0.5) * norm.pdf(x, -0.2, 0.7) * norm.pdf(x, 0.1, 1.1)
    density /= density.sum()
    mean = (x * density).sum()
    point, std, _ = one([[0.3, 0], [-0.2, 0], [0.1, 0]], [0.5, 0.7, 1.1])
    assert point[0] == pytest.approx(mean, abs=1e-6)
    assert std == pytest.approx(np.sqrt((np.square(x - mean) * density).sum()), abs=1e-6)


def test_disagreement_widens():
    # The distance is 3 standard deviations of the difference: chi-squared 9, of 2 expected.
    _, agreeing, _ = one([[0, 0], [0, 0]], [1, 1])
    point, std, used = one([[0, 0], [3 * np.sqrt(2), 0]], [1, 1])
    assert point == pytest.approx([1.5 * np.sqrt(2), 0])
    assert std == pytest.approx(agreeing * np.sqrt(4.5))
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
