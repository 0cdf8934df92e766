"""AI Challenger's score by hand, and against a plain loop over its definition."""

import numpy as np
import pytest

from hpemap_mm.evaluation import Predictions, Truth
from hpemap_mm.evaluation.aic import evaluate_aic
from hpemap_mm.skeletons import get_skeleton

AIC = get_skeleton('aic')
K = len(AIC)


def world(places, found, *, images=(1,), of_person=None, of_found=None, **arguments):
    """Persons and predictions whose joints all lie at one place each; boxes of 100 x 100 px."""
    places, found = (np.asarray(p, float).reshape(-1, 2) for p in (places, found))
    truth = Truth.build(
        **{
            'name': 'aic',
            'skeleton': AIC,
            'keypoints': np.repeat(places[:, None], K, axis=1),
            'visible': np.full((len(places), K), 2),
            'image_ids': np.ones(len(places), int) if of_person is None else of_person,
            'boxes': np.c_[places - 50, places + 50],
            'images': images,
            **arguments,
        }
    )
    predictions = Predictions.build(
        name='model',
        representation=AIC,
        keypoints=np.repeat(found[:, None], K, axis=1),
        image_ids=np.ones(len(found), int) if of_found is None else of_found,
        scores=np.ones(len(found)),
    )
    return truth, predictions


def test_the_divisor_is_the_larger_number_of_persons_and_predictions():
    assert evaluate_aic(*world([(0, 0)], [(0, 0)])).ap == 1
    assert evaluate_aic(*world([(0, 0)], [(0, 0), (900, 0)])).ap == 0.5
    assert evaluate_aic(*world([(0, 0), (900, 0)], [(0, 0)])).ap == 0.5
    # Image 2: nothing predicted for one person; image 3: two predictions and nobody.
    result = evaluate_aic(
        *world(
            [(0, 0), (0, 0)],
            [(0, 0), (0, 0), (0, 0)],
            images=[3, 2, 1],
            of_person=[1, 2],
            of_found=[1, 3, 3],
        )
    )
    assert result.ap == pytest.approx(1 / 4)
    assert result.earned.tolist() == [0, 0, 1]
    assert result.possible.tolist() == [2, 1, 1]


def test_one_prediction_may_serve_two_persons():
    assert evaluate_aic(*world([(0, 0), (0, 0)], [(0, 0)])).ap == 1


def test_a_similarity_must_be_above_the_threshold_not_on_it():
    truth, found = world([(0, 0)], [(0, 0)])
    keypoints = found.keypoints.copy()
    keypoints[0, : K // 2] = 1e6  # half of the joints are far away: the similarity is 0.5
    half = Predictions.build(
        name='m', representation=AIC, keypoints=keypoints, image_ids=[1], scores=[1]
    )
    result = evaluate_aic(truth, half)
    assert result.similarity.tolist() == [0.5]
    assert result.by_threshold.tolist() == [0] * 10


def test_occluded_joints_do_not_count_and_persons_without_visible_ones_are_missed():
    visible = np.full((2, K), 2)
    visible[0, 1:] = 1
    visible[1] = 1
    truth, found = world([(0, 0), (500, 0)], [(0, 0), (500, 0)], visible=visible)
    keypoints = found.keypoints.copy()
    keypoints[0, 1:] = 1e6
    seen = Predictions.build(
        name='m', representation=AIC, keypoints=keypoints, image_ids=[1, 1], scores=[1, 1]
    )
    result = evaluate_aic(truth, seen)
    assert result.similarity.tolist() == [1, 0]
    assert result.ap == 0.5
    assert result.per_joint_counts.tolist() == [1] + [0] * (K - 1)
    assert result.per_joint[0] == 1


def test_the_similarity_of_one_error_by_hand():
    # delta is twice the sigma; the area is that of the whole box and 1 more.
    error = 2 * AIC.sigmas[0] * np.sqrt(100 * 100 + 1)
    joints = np.arange(K) == 0
    result = evaluate_aic(*world([(0, 0)], [(error, 0)]), joints=joints)
    assert result.similarity[0] == pytest.approx(np.exp(-0.5))
    assert result.ap == pytest.approx(3 / 10)  # 0.607 is above 0.5, 0.55 and 0.6


def test_crowds_are_left_out_and_nothing_at_all_is_no_figure():
    result = evaluate_aic(*world([(0, 0), (500, 0)], [(0, 0)], crowd=[False, True]))
    assert result.ap == 1
    assert np.isnan(result.similarity[1])
    assert np.isnan(evaluate_aic(*world(np.zeros((0, 2)), np.zeros((0, 2)))).ap)


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match=r'persons \[0\] have no box'):
        evaluate_aic(*world([(0, 0)], [(0, 0)], boxes=np.full((1, 4), np.nan)))
    with pytest.raises(ValueError, match='images 8 are not among'):
        evaluate_aic(*world([(0, 0)], [(0, 0)], of_found=[8]))


def plainly(truth, found):
    """keypoint_eval.py's definition, person by person."""
    best, number = [], 0
    for image in truth.images:
        persons = np.flatnonzero(truth.image_ids == image)
        predictions = np.flatnonzero(found.image_ids == image)
        number += max(len(persons), len(predictions))
        for person in persons:
            visible = truth.visible[person] == 2
            x1, y1, x2, y2 = truth.boxes[person]
            scores = [0.0]
            for row in predictions if visible.any() else ():
                offset = truth.keypoints[person, visible] - found.keypoints[row, visible]
                square = (offset**2).sum(1)
                delta = 2 * AIC.sigmas[visible]
                area = (x2 - x1) * (y2 - y1) + 1
                scores.append(np.exp(-square / 2 / delta**2 / area).mean())
            best.append(max(scores))
    return np.mean([(np.array(best) > t).sum() / number for t in np.linspace(0.5, 0.95, 10)])


@pytest.mark.parametrize('seed', range(5))
def test_random_worlds_equal_the_definition(seed):
    rng = np.random.default_rng(seed)
    count, images = 30, np.arange(10) * 3
    side, corner = rng.uniform(50, 200, count), rng.uniform(0, 400, (count, 2))
    keypoints = corner[:, None] + rng.random((count, K, 2)) * side[:, None, None]
    truth = Truth.build(
        name='world',
        skeleton=AIC,
        keypoints=keypoints,
        visible=rng.integers(0, 3, (count, K)) * (rng.random((count, 1)) > 0.1),
        image_ids=rng.choice(images[:8], count),
        boxes=np.c_[corner, corner + side[:, None]],
        images=rng.permutation(images),
    )
    rows = rng.choice(count, 40)
    spread = side[rows, None, None] * rng.choice([0.005, 0.02, 0.1], (40, 1, 1))
    found = Predictions.build(
        name='model',
        representation=AIC,
        keypoints=keypoints[rows] + rng.normal(0, 1, (40, K, 2)) * spread,
        image_ids=np.where(rng.random(40) < 0.1, images[9], truth.image_ids[rows]),
        scores=rng.random(40),
    )
    result = evaluate_aic(truth, found)
    assert 0.1 < result.ap < 0.9
    assert result.ap == pytest.approx(plainly(truth, found), abs=1e-12)
    assert result.earned.sum() / result.possible.sum() == pytest.approx(result.ap)
