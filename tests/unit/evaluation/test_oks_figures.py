"""COCO's figures with intervals, and those of datasets with rules of their own."""

import numpy as np
import pytest

from hpemap_mm.evaluation import (
    Predictions,
    Truth,
    evaluate_aic,
    evaluate_crowdpose,
    evaluate_oks,
    image_weights,
)
from hpemap_mm.evaluation.oks_figures import AIC_SCORE, OWN_LINES, coco_figures, own_figures
from hpemap_mm.skeletons import get_skeleton

LEVELS = ('AP_easy', 'AP_medium', 'AP_hard')


def world(skeleton='coco', images=6, **about):
    """A person of 100 px in each image, predicted well in the first half, badly in the second."""
    skeleton = get_skeleton(skeleton)
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 100, (images, len(skeleton), 2))
    truth = Truth.build(
        name='t',
        skeleton=skeleton,
        keypoints=keypoints,
        **{
            'visible': np.full(keypoints.shape[:2], 2),
            'boxes': np.tile([0.0, 0, 100, 100], (images, 1)),
            'areas': np.full(images, 5300.0),
            **about,
        },
    )
    predicted = keypoints.copy()
    predicted[images // 2 :] += 500
    predictions = Predictions.build(
        name='p',
        representation=skeleton,
        keypoints=predicted,
        image_ids=truth.image_ids,
        ids=truth.ids,
    )
    return truth, predictions


def options(truth, replicates=200):
    return {
        'sigmas': truth.skeleton.sigmas,
        'compared': np.ones(len(truth.skeleton), bool),
        'weights': image_weights(len(truth.images), replicates) if replicates else None,
    }


def test_cocos_figures_are_the_librarys_with_intervals():
    truth, predictions = world()
    figures = coco_figures(truth, predictions, **options(truth))
    lines = evaluate_oks(truth, predictions).lines
    assert {n: f.value for n, f in figures.items()} == pytest.approx(dict(lines), nan_ok=True)
    assert figures['AR'].value == pytest.approx(0.5)
    assert figures['AR'].low < 0.5 < figures['AR'].high
    assert figures['AP'].instances == 6
    # Persons of 5,300 px^2 are of the medium class; there are no large ones.
    assert (figures['AP_M'].instances, figures['AP_L'].instances) == (6, 0)
    assert np.isnan(figures['AP_L'].value)


def test_one_image_says_nothing_about_others():
    truth, predictions = world(images=1)
    figures = coco_figures(truth, predictions, **options(truth))
    assert figures['AP'].value == 0
    assert np.isnan([figures['AP'].low, figures['AP'].high]).all()


def test_datasets_without_rules_of_their_own():
    truth, predictions = world()
    assert own_figures(truth, predictions, **options(truth)) == ({}, {})


def test_crowdposes_levels():
    index = dict(enumerate([0.05, 0.1, 0.5, 0.6, 0.9, 0.95]))
    truth, predictions = world('crowdpose', crowd_index=index)
    figures, missing = own_figures(truth, predictions, **options(truth))
    lines = evaluate_crowdpose(truth, predictions).lines
    assert missing == {}
    assert {n: f.value for n, f in figures.items()} == pytest.approx({n: lines[n] for n in LEVELS})
    # The first three persons are found: both easy ones, one of the medium ones, no hard one.
    assert [figures[n].value for n in LEVELS] == pytest.approx([1.0, 0.5, 0.0], abs=0.01)
    assert [figures[n].instances for n in LEVELS] == [2, 2, 2]
    assert (figures['AP_easy'].low, figures['AP_easy'].high) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize(
    ('about', 'reason'),
    [
        ({'crowd_index': {0: 0.1}}, 'images without a crowd index'),
        ({'crowd_index': dict.fromkeys(range(6), 0.1), 'boxes': None}, 'no boxes'),
    ],
)
def test_crowdposes_levels_need_indices_and_boxes(about, reason):
    truth, predictions = world('crowdpose', **about)
    assert own_figures(truth, predictions, **options(truth)) == ({}, dict.fromkeys(LEVELS, reason))


def test_ai_challengers_score():
    truth, predictions = world('aic')
    figures, _ = own_figures(truth, predictions, **options(truth))
    expected = evaluate_aic(truth, predictions).ap
    assert figures[AIC_SCORE].value == expected == 0.5
    assert figures[AIC_SCORE].low < 0.5 < figures[AIC_SCORE].high
    assert np.isnan(own_figures(truth, predictions, **options(truth, 0))[0][AIC_SCORE].low)


@pytest.mark.parametrize(
    ('about', 'reason'),
    [
        ({'visible': np.ones((6, 14))}, 'occluded joints are not told from visible ones'),
        ({'boxes': None}, 'no boxes'),
    ],
)
def test_ai_challengers_score_needs_visible_joints_and_boxes(about, reason):
    truth, predictions = world('aic', **about)
    assert own_figures(truth, predictions, **options(truth)) == ({}, {AIC_SCORE: reason})


def test_names():
    assert set(OWN_LINES) == {*LEVELS, AIC_SCORE}
