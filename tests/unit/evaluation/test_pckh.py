"""PCKh: MPII's protocol by hand, and the published score of a real prediction file."""

import numpy as np
import pytest
from scipy.io import loadmat

from hpemap_mm.evaluation.bootstrap import image_weights, ratio_interval
from hpemap_mm.evaluation.pckh import CURVE, GROUPS, counted_joints, pckh
from hpemap_mm.skeletons import get_skeleton

MPII = get_skeleton('mpii')


def world(off, *, missing=(), head=10.0):
    """One person with a head of 10 px; ``off`` names errors in pixels, others are 0."""
    truth = np.arange(len(MPII) * 2, dtype=float).reshape(1, -1, 2)
    predicted = truth.copy()
    valid = np.ones((1, len(MPII)), bool)
    for joint, pixels in off.items():
        predicted[0, MPII.index(joint), 0] += pixels
    for joint in missing:
        valid[0, MPII.index(joint)] = False
    return pckh(predicted, truth, valid, np.array([head]), MPII)


def test_groups_mean_and_thresholds_by_hand():
    result = world({'head_top': 5.0, 'left_knee': 5.1, 'pelvis': 99.0, 'upper_neck': 99.0})

    # 0.5 heads are right, a little more is not; pelvis is outside of the mean, the neck within.
    assert result.groups() == {group: 0.5 if group == 'Knee' else 1.0 for group in GROUPS}
    assert result.mean() == pytest.approx(12 / 14)
    assert result.mean(0.49) == pytest.approx(11 / 14)
    assert result.per_joint()[MPII.index('pelvis')] == 0
    assert result.persons == 1


def test_pelvis_and_thorax_are_the_ones_left_out():
    left_out = {joint for joint, c in zip(MPII.joints, counted_joints(MPII), strict=True) if not c}
    assert left_out == {'pelvis', 'thorax'}
    assert {joint for joints in GROUPS.values() for joint in joints} | left_out | {
        'upper_neck'
    } == set(MPII.joints)


def test_the_mean_weighs_joints_by_their_counts_and_groups_do_not():
    truth = np.zeros((3, len(MPII), 2))
    predicted, valid = truth.copy(), np.zeros((3, len(MPII)), bool)
    left, right = MPII.index('left_knee'), MPII.index('right_knee')
    valid[:, left] = valid[0, right] = True
    predicted[0, right] = 100.0  # 3 of 3 left knees, 0 of 1 right knees
    result = pckh(predicted, truth, valid, np.full(3, 10.0), MPII)
    assert result.groups()['Knee'] == 0.5
    assert result.mean() == 0.75
    assert np.isnan(result.groups()['Ankle'])


def test_the_area_of_one_joint_by_hand():
    # Right from 0.25 heads on. Trapezoids of 0.01 from 0.25 to 0.5 are full: 25; the one before
    # is half; of 50.
    missing = set(MPII.joints) - {'head_top'}
    result = world({'head_top': 2.5}, missing=missing)
    assert result.auc == pytest.approx(25.5 / 50)
    assert world({}, missing=missing).auc == 1
    assert world({'head_top': 5.01}, missing=missing).auc == 0
    assert world({'head_top': np.nan}, missing=missing).auc == 0


def test_the_area_is_the_trapezoid_rule_on_the_curve():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 100, (40, len(MPII), 2))
    predicted = truth + rng.normal(0, 4, truth.shape)
    predicted[3] = np.nan
    valid = rng.random(truth.shape[:2]) < 0.8
    result = pckh(predicted, truth, valid, rng.uniform(8, 20, 40), MPII)

    curve = [result.mean(threshold) for threshold in CURVE]
    assert result.auc == pytest.approx(np.trapezoid(curve, CURVE) / 0.5, abs=1e-12)
    curves = np.array([result.per_joint(threshold) for threshold in CURVE])
    assert result.auc_per_joint == pytest.approx(np.trapezoid(curves, CURVE, axis=0) / 0.5)


def test_missing_predictions_are_wrong_and_persons_without_head_are_left_out():
    assert world({'head_top': np.nan}).mean() == pytest.approx(13 / 14)
    assert np.isnan(world({}, head=np.nan).mean())
    assert world({}, head=np.nan).persons == 0


def test_other_skeletons_have_the_groups_that_they_name():
    coco = get_skeleton('coco')
    points = np.zeros((1, 17, 2))
    result = pckh(points, points, np.ones((1, 17), bool), np.array([1.0]), coco)
    assert list(result.groups()) == ['Shoulder', 'Elbow', 'Wrist', 'Hip', 'Knee', 'Ankle']
    with pytest.raises(ValueError, match='valid must be'):
        pckh(points, points, np.ones((1, 17), bool), np.array([1.0]), MPII)


@pytest.fixture(scope='module')
def published(shared_data):
    """A ResNet-50's predictions for MPII val, scored by the official file (both 1-based)."""
    folder = shared_data / 'mpii'
    official = loadmat(folder / 'mpii_gt_val.mat')
    corners = official['headboxes_src']
    return pckh(
        loadmat(folder / 'resnet50_mpii16_on_mpii_val.mat')['preds'][..., :2],
        official['pos_gt_src'].transpose(2, 0, 1),
        official['jnt_missing'].T == 0,
        0.6 * np.linalg.norm(corners[1] - corners[0], axis=0),
        MPII,
    )


def test_the_published_score_of_a_resnet_is_reproduced(published):
    assert 100 * published.mean(0.5) == pytest.approx(88.225, abs=1e-3)
    assert 100 * published.mean(0.1) == pytest.approx(28.569, abs=1e-3)
    assert published.persons == 2958


def test_its_interval_is_as_wide_as_that_of_a_share(published):
    # 2,958 persons with 14 joints that succeed and fail together: between the width of 41,000
    # independent joints and that of 2,958.
    correct = published.correct()[:, published.counted].sum(1)
    scored = published.scored[:, published.counted].sum(1)
    low, high = ratio_interval(correct, scored, image_weights(len(correct)))
    half = 1.96 * np.sqrt(0.882 * 0.118)
    assert low < published.mean() < high
    assert 2 * half / np.sqrt(scored.sum()) < high - low < 2 * half / np.sqrt(2958)
