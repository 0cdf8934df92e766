"""Intervals over images: what can be told by hand, and whether they cover what they claim to."""

import numpy as np
import pytest

from hpemap_mm.evaluation.bootstrap import (
    image_sums,
    image_weights,
    percentile_interval,
    ratio_interval,
    ratio_replicates,
)


def test_every_replicate_draws_as_many_images_as_there_are():
    weights = image_weights(40, 200, seed=3)
    assert weights.shape == (200, 40)
    assert weights.dtype == np.float32
    assert (weights.sum(1) == 40).all()
    # Each draw takes any image with the same chance: 1 on average, variance 1 - 1/40.
    assert weights.mean() == 1
    assert weights.var() == pytest.approx(1 - 1 / 40, rel=0.05)
    assert np.array_equal(weights, image_weights(40, 200, seed=3))
    assert not np.array_equal(weights, image_weights(40, 200, seed=4))


def test_sums_go_to_the_image_of_the_person_in_the_order_of_the_images():
    values = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    sums = image_sums(values, [7, 2, 7], [9, 7, 2])
    assert sums.tolist() == [[0, 0], [6, 8], [3, 4]]
    assert image_sums(np.zeros((0, 2)), [], [1, 2]).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(('ids', 'message'), [([1, 5], 'not among'), ([1], '2 values for 1')])
def test_sums_refuse_persons_without_an_image(ids, message):
    with pytest.raises(ValueError, match=message):
        image_sums(np.ones(2), ids, [1, 2])


def test_a_ratio_in_given_replicates():
    weights = np.array([[1, 1, 1], [3, 0, 0], [0, 2, 1]], np.float32)
    replicates = ratio_replicates([[1, 0], [2, 0], [0, 0]], [[2, 0], [2, 1], [4, 0]], weights)
    assert replicates[:, 0].tolist() == [3 / 8, 1 / 2, 4 / 8]
    assert np.array_equal(replicates[:, 1], [0, np.nan, 0], equal_nan=True)


def test_a_figure_that_is_the_same_in_all_images_is_certain():
    low, high = ratio_interval(np.full(30, 3), np.full(30, 4), image_weights(30))
    assert low == high == 0.75


def test_nothing_scored_is_nan_and_so_is_a_single_image():
    weights = image_weights(3, 100)
    low, high = ratio_interval(
        [[1, 0, 1], [0, 0, 1], [0, 0, 0]], [[2, 0, 1], [0, 0, 2], [0, 0, 0]], weights
    )
    assert np.isnan([low[0], high[0], low[1], high[1]]).all()
    assert np.isfinite([low[2], high[2]]).all()
    assert np.isnan(ratio_interval(np.ones(3), np.ones(3), image_weights(3, 0))).all()


def test_percentiles_leave_out_replicates_without_a_figure():
    replicates = np.concatenate([np.arange(101.0), np.full(50, np.nan)])
    assert percentile_interval(replicates, level=0.9) == pytest.approx((5, 95))
    with pytest.raises(ValueError, match='level'):
        percentile_interval(replicates, level=95)


def test_faulty_shapes_are_refused():
    with pytest.raises(ValueError, match='weights'):
        ratio_replicates(np.ones(3), np.ones(3), image_weights(4, 5))
    with pytest.raises(ValueError, match='0 or more'):
        image_weights(-1)


def test_intervals_cover_the_truth_where_persons_of_an_image_share_their_fate():
    """Images whose persons are all right or all wrong: persons are no independent sample.

    A share of 0.7 of the images is right; of 120 worlds of 80 images, 95% of the intervals should
    hold it. Resampling persons as if they were independent would cover far less.
    """
    rng = np.random.default_rng(0)
    held = held_by_persons = 0
    worlds, images = 120, 80
    for seed in range(worlds):
        sizes = rng.integers(1, 9, images)
        correct = sizes * (rng.random(images) < 0.7)
        weights = image_weights(images, 400, seed=seed)
        low, high = ratio_interval(correct, sizes, weights)
        held += low <= 0.7 <= high
        p, n = correct.sum() / sizes.sum(), sizes.sum()
        held_by_persons += abs(p - 0.7) <= 1.96 * np.sqrt(p * (1 - p) / n)
    assert 0.88 <= held / worlds <= 0.99
    assert held_by_persons / worlds < 0.75
