import numpy as np
import pytest

from hpemap_mm.completion.anchoring import ErrorField

FIELD = ErrorField(share=0.8, reach=0.3)


def anchored(places, stds, anchors, anchor_stds, errors):
    arrays = [np.array(a, float)[None] for a in (places, stds, anchors, anchor_stds, errors)]
    shift, left = FIELD.anchored(*arrays)
    return shift[0], left[0]


def test_one_anchor_by_hand():
    # The correlation at distance 0.3 is 0.8 / e.
    rho = 0.8 / np.e
    shift, left = anchored([[0.3, 0]], [2], [[0, 0]], [1.5], [[5, -1]])
    assert shift[0] == pytest.approx(np.array([5, -1]) * 2 * rho / 1.5)
    assert left[0] == pytest.approx(np.sqrt(4 - (2 * rho) ** 2))


def test_a_far_anchor_says_nothing():
    shift, left = anchored([[50.0, 0]], [2], [[0, 0]], [1.5], [[5, -1]])
    assert np.abs(shift).max() < 1e-12
    assert left[0] == pytest.approx(2)


def test_an_absent_anchor_is_as_none():
    with_absent = anchored(
        [[0.1, 0], [0.2, 0.1]],
        [1, 2],
        [[0, 0], [0.1, 0.1], [0.2, 0.2]],
        [1, np.inf, 0.5],
        [[1, 2], [0, 0], [2, 1]],
    )
    without = anchored(
        [[0.1, 0], [0.2, 0.1]], [1, 2], [[0, 0], [0.2, 0.2]], [1, 0.5], [[1, 2], [2, 1]]
    )
    for a, b in zip(with_absent, without, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_left_out_is_anchored_by_the_others():
    rng = np.random.default_rng(0)
    places, errors = rng.uniform(0, 1, (3, 6, 2)), rng.normal(size=(3, 6, 2))
    stds = rng.uniform(0.5, 2, (3, 6))
    stds[1, 4] = np.inf
    errors[1, 4] = 0
    # Joints of another skeleton: each close to the annotation that it does without.
    own = np.array([3, 0, 4, 4])
    wanted = places[:, own] + rng.normal(size=(3, 4, 2)) * 0.05
    wanted_stds = rng.uniform(0.5, 2, (3, 4))
    shift, sigmas = FIELD.left_out(wanted, wanted_stds, places, stds, errors, own)
    for n in range(3):
        for k in range(4):
            others = [i for i in range(6) if i != own[k]]
            expected, remaining = FIELD.anchored(
                wanted[n : n + 1, [k]],
                wanted_stds[n : n + 1, [k]],
                places[n : n + 1, others],
                stds[n : n + 1, others],
                errors[n : n + 1, others],
            )
            np.testing.assert_allclose(shift[n, k], expected[0, 0], rtol=1e-6, atol=1e-12)
            np.testing.assert_allclose(sigmas[n, k], remaining[0, 0], rtol=1e-6)


def test_it_is_the_best_linear_prediction_of_drawn_errors():
    """Errors drawn from the field: the stated deviations are those that are seen."""
    rng = np.random.default_rng(1)
    places = np.repeat(rng.uniform(0, 0.6, (1, 5, 2)), 20_000, 0)
    stds = np.repeat([[1.0, 2, 0.5, 1, 1.5]], 20_000, 0)
    covariance = FIELD.covariance(places[:1], stds[:1])[0]
    drawn = rng.multivariate_normal(np.zeros(5), covariance, (20_000, 2)).transpose(0, 2, 1)
    shift, sigmas = FIELD.left_out(places, stds, places, stds, drawn, np.arange(5))
    left = drawn - shift
    np.testing.assert_allclose(left.std((0, 2)), sigmas[0], rtol=0.02)
    # Less is left than there was, and what is left has nothing to do with the other anchors.
    assert (left.std((0, 2)) < drawn.std((0, 2))).all()
    assert abs(np.corrcoef(left[:, 0, 0], drawn[:, 1, 0])[0, 1]) < 0.03
