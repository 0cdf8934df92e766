"""Pairing of predictions and persons, against worlds laid out by hand and a plain greedy loop."""

import numpy as np
import pytest

from hpemap_mm.evaluation import Predictions, Truth, match, pair
from hpemap_mm.skeletons import get_skeleton

COCO = get_skeleton('coco')
K = len(COCO)


def persons(places, **arguments):
    """Persons whose joints all lie at one place each."""
    points = np.repeat(np.asarray(places, float)[:, None], K, axis=1)
    return Truth.build(
        **{
            'name': 'val',
            'skeleton': COCO,
            'keypoints': points,
            'visible': np.full(points.shape[:2], 2),
            'image_ids': np.ones(len(points), int),
            'areas': np.full(len(points), 1e4),
            **arguments,
        }
    )


def predicted(places, **arguments):
    points = np.repeat(np.asarray(places, float)[:, None], K, axis=1)
    return Predictions.build(
        **{
            'name': 'model',
            'representation': COCO,
            'keypoints': points,
            'image_ids': np.ones(len(points), int),
            **arguments,
        }
    )


def test_by_id_the_order_does_not_matter_and_who_is_missing_stays():
    truth = persons([(0, 0), (10, 0), (20, 0)], ids=[7, 3, 5])
    found = predicted([(21, 0), (1, 0)], ids=[5, 7], scores=[0.25, 0.75])

    aligned = pair(truth, found)

    assert aligned.predicted.tolist() == [True, False, True]
    assert aligned.sources.tolist() == [1, -1, 0]
    assert aligned.keypoints[0, 0].tolist() == [1, 0]
    assert aligned.keypoints[2, 0].tolist() == [21, 0]
    assert np.isnan(aligned.keypoints[1]).all()
    assert np.array_equal(aligned.scores, [0.75, np.nan, 0.25], equal_nan=True)
    assert (aligned.how, aligned.left_over) == ('by id', 0)
    assert aligned.take([2]).keypoints[0, 0].tolist() == [21, 0]


def test_joints_that_cannot_be_answered_are_nan_everywhere():
    compared = np.array(COCO.joints) != 'nose'
    aligned = pair(
        persons([(5, 5)]), predicted([(5, 5)], ids=[0], image_ids=[1]), compared=compared
    )

    assert np.isnan(aligned.keypoints[0]).all(-1).tolist() == (~compared).tolist()
    assert aligned.compared.tolist() == compared.tolist()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'ids': [4, 9]}, '9 are not among'),
        ({'ids': [4, 3], 'image_ids': [1, 2]}, 'persons 3 are in other images'),
        ({'scores': [1.0, 0.5]}, 'use match'),
        (
            {
                'ids': [4, 3],
                'representation': get_skeleton('mpii'),
                'keypoints': np.zeros((2, 16, 2)),
            },
            "in 'mpii'",
        ),
    ],
)
def test_pairing_refuses_what_does_not_fit(change, message):
    truth = persons([(0, 0), (10, 0)], ids=[3, 4])
    with pytest.raises(ValueError, match=message):
        pair(truth, predicted([(0, 0), (10, 0)], **change))


def test_the_surer_detection_takes_the_nearest_person_and_the_next_takes_what_is_left():
    # Person 0 at x=0, person 1 at x=20. Both detections are nearest to person 0.
    truth = persons([(0, 0), (20, 0)])
    found = predicted([(2, 0), (0, 0)], scores=[0.9, 0.8])

    aligned = match(truth, found, COCO.sigmas, threshold=0.1)

    assert aligned.sources.tolist() == [0, 1]
    assert aligned.left_over == 0
    assert aligned.how == 'by OKS'


def test_far_detections_other_images_crowds_and_bare_persons_are_left_alone():
    visible = np.full((4, K), 2)
    visible[2] = 0
    truth = persons(
        [(0, 0), (50, 50), (90, 90), (0, 0)],
        image_ids=[1, 1, 1, 2],
        crowd=[False, True, False, False],
        visible=visible,
    )
    found = predicted([(50, 50), (90, 90), (500, 0)], scores=[0.9, 0.8, 0.7])

    aligned = match(truth, found, COCO.sigmas)

    assert not aligned.predicted.any()
    assert aligned.left_over == 3


def test_similarity_counts_the_compared_joints_only():
    keypoints = np.zeros((1, K, 2))
    keypoints[0, 1:] = 1e4  # all but the nose are far away
    found = predicted([(0, 0)], scores=[1.0], keypoints=keypoints)
    nose = np.array(COCO.joints) == 'nose'

    assert not match(persons([(0, 0)]), found, COCO.sigmas, threshold=0.5).predicted.any()
    assert match(
        persons([(0, 0)]), found, COCO.sigmas, threshold=0.5, compared=nose
    ).predicted.all()


def test_nobody_and_nothing_can_be_matched():
    nothing = predicted(np.zeros((0, 2)), scores=np.zeros(0))
    nobody = persons(np.zeros((0, 2)), images=[1])

    assert match(persons([(0, 0)]), nothing, COCO.sigmas).predicted.tolist() == [False]
    assert match(nobody, predicted([(0, 0)], scores=[1.0]), COCO.sigmas).left_over == 1
    assert len(pair(nobody, predicted(np.zeros((0, 2)), ids=[]))) == 0


@pytest.mark.parametrize(
    ('truth', 'arguments', 'message'),
    [
        ({'areas': [np.nan]}, {}, 'needs areas'),
        ({}, {'sigmas': np.zeros(K)}, 'positive numbers'),
        ({'image_ids': [3]}, {}, 'images 1 are not among'),
    ],
)
def test_matching_refuses_what_it_cannot_judge(truth, arguments, message):
    with pytest.raises(ValueError, match=message):
        match(
            persons([(0, 0)], **truth),
            predicted([(0, 0)], scores=[1.0]),
            **{'sigmas': COCO.sigmas, **arguments},
        )


def plainly(truth, found, threshold):
    """Greedy matching, one detection after another."""
    chosen = np.full(len(truth), -1)
    for row in np.argsort(-found.scores, kind='stable'):
        best, who = threshold, -1
        for person in np.flatnonzero(truth.image_ids == found.image_ids[row]):
            valid = truth.valid[person]
            if chosen[person] >= 0 or truth.crowd[person] or not valid.any():
                continue
            square = ((found.keypoints[row] - truth.keypoints[person]) ** 2).sum(-1)
            exponent = square / (2 * COCO.sigmas) ** 2 / (truth.areas[person] + np.spacing(1)) / 2
            similarity = np.exp(-exponent)[valid].sum() / valid.sum()
            if similarity >= best:
                best, who = similarity, person
        if who >= 0:
            chosen[who] = row
    return chosen


@pytest.mark.parametrize('seed', range(6))
def test_matching_all_images_at_once_equals_a_loop(seed):
    rng = np.random.default_rng(seed)
    count = 120
    truth = Truth.build(
        name='val',
        skeleton=COCO,
        keypoints=rng.uniform(0, 30, (count, K, 2)),
        visible=rng.integers(0, 3, (count, K)) * (rng.random((count, 1)) > 0.1),
        image_ids=rng.integers(0, 20, count),
        areas=rng.uniform(1e3, 9e3, count),
        crowd=rng.random(count) < 0.1,
        images=np.arange(20),
    )
    found = Predictions.build(
        name='model',
        representation=COCO,
        keypoints=rng.uniform(0, 30, (200, K, 2)),
        image_ids=rng.integers(0, 20, 200),
        scores=rng.integers(0, 8, 200) / 8,  # many ties
    )

    aligned = match(truth, found, COCO.sigmas)

    expected = plainly(truth, found, 0.1)
    assert aligned.sources.tolist() == expected.tolist()
    assert 0 < (expected >= 0).sum() < count
