"""PCK on worlds small enough to score by hand."""

import json

import numpy as np
import pytest
from scipy.io import loadmat

from hpemap_mm.evaluation.pck import (
    box_sizes,
    head_sizes,
    pck,
    pck_counts,
    scaled_errors,
    torso_sizes,
)
from hpemap_mm.skeletons import get_skeleton


def one_person(errors, valid):
    """A person at the origin whose joints are off by ``errors`` pixels to the right."""
    truth = np.zeros((1, len(errors), 2))
    predicted = truth.copy()
    predicted[0, :, 0] = errors
    return predicted, truth, np.array([valid], bool)


def test_a_joint_on_the_threshold_is_correct():
    predicted, truth, valid = one_person([9.999, 10.0, 10.001], [1, 1, 1])
    result = pck(predicted, truth, valid, np.array([100.0]), 0.1)
    assert result.correct.tolist() == [1, 1, 0]
    assert result.mean == pytest.approx(2 / 3)


def test_unannotated_joints_are_not_scored_whatever_they_hold():
    predicted, truth, valid = one_person([0.0, 0.0, 500.0], [1, 0, 0])
    truth[0, 1] = np.nan
    result = pck(predicted, truth, valid, np.array([100.0]), 0.1)
    assert result.total.tolist() == [1, 0, 0]
    assert result.mean == 1.0
    assert np.isnan(result.per_joint[1:]).all()


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_is_wrong(value):
    predicted, truth, valid = one_person([0.0, value], [1, 1])
    result = pck(predicted, truth, valid, np.array([100.0]), 0.1)
    assert result.correct.tolist() == [1, 0]
    assert result.total.tolist() == [1, 1]


def test_a_person_without_size_is_left_out_and_nothing_scored_is_nan():
    predicted, truth, valid = one_person([0.0], [1])
    result = pck(predicted, truth, valid, np.array([np.nan]), 0.1)
    assert result.persons == 0
    assert np.isnan(result.mean)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(size=np.array([0.0])), 'positive'),
        (dict(size=np.array([1.0, 1.0])), 'size must be'),
        (dict(predicted=np.zeros((1, 2, 2))), 'predicted and truth'),
        (dict(truth=np.full((1, 1, 2), np.nan)), 'not finite'),
    ],
)
def test_faulty_input_is_refused(change, message):
    predicted, truth, valid = one_person([0.0], [1])
    arguments = dict(
        predicted=predicted, truth=truth, valid=valid, size=np.array([1.0]), threshold=0.1
    )
    with pytest.raises(ValueError, match=message):
        pck(**{**arguments, **change})


def test_box_size_is_the_longer_side():
    sizes = box_sizes(np.array([[0, 0, 30, 40], [5, 5, 65, 25], [3, 3, 3, 3]]))
    assert sizes[:2].tolist() == [40, 60]
    assert np.isnan(sizes[2])


@pytest.mark.parametrize('name', ['coco', 'mpii', 'aic', 'lsp', 'crowdpose', 'halpe', 'h36m'])
def test_torso_is_a_diagonal_and_falls_back_to_the_other(name):
    skeleton = get_skeleton(name)
    truth = np.zeros((3, len(skeleton), 2))
    truth[:, skeleton.index('right_shoulder')] = (0, 0)
    truth[:, skeleton.index('left_hip')] = (3, 4)
    truth[:, skeleton.index('left_shoulder')] = (10, 0)
    truth[:, skeleton.index('right_hip')] = (10, 7)
    valid = np.ones(truth.shape[:2], bool)
    valid[1, skeleton.index('left_shoulder')] = False
    valid[2, [skeleton.index('left_hip'), skeleton.index('left_shoulder')]] = False
    sizes = torso_sizes(truth, valid, skeleton)
    # The left diagonal is preferred; the second person has only the right one, the third none.
    assert sizes[:2].tolist() == [7, 5]
    assert np.isnan(sizes[2])


def test_errors_are_fractions_of_the_size_and_a_missing_joint_is_infinitely_wrong():
    predicted, truth, valid = one_person([3.0, np.nan, 4.0], [1, 1, 0])
    errors = scaled_errors(predicted, truth, valid, np.array([10.0]))
    assert np.array_equal(errors, [[0.3, np.inf, np.nan]], equal_nan=True)
    assert scaled_errors(predicted, truth, valid, np.array([np.nan])).tolist() != errors.tolist()


def test_counts_by_person_add_up_to_the_figure():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, (50, 4, 2))
    predicted = truth + rng.normal(0, 10, truth.shape)
    predicted[4, 2] = np.nan
    valid, size = rng.random((50, 4)) < 0.7, rng.uniform(50, 200, 50)
    size[7] = np.nan

    correct, scored = pck_counts(predicted, truth, valid, size, 0.1)

    result = pck(predicted, truth, valid, size, 0.1)
    assert correct.sum(0).tolist() == result.correct.tolist()
    assert scored.sum(0).tolist() == result.total.tolist()
    assert not (correct & ~scored).any()
    assert not scored[7].any()
    error = np.linalg.norm(predicted - truth, axis=-1)
    assert np.array_equal(correct, valid & (error <= 0.1 * size[:, None]))


def test_head_sizes_by_hand():
    mpii = get_skeleton('mpii')
    truth = np.zeros((3, len(mpii), 2))
    truth[:2, mpii.index('head_top')] = [0.0, -20.0]
    valid = np.ones((3, len(mpii)), bool)
    valid[1, mpii.index('upper_neck')] = False
    sizes = head_sizes(truth, valid, mpii)
    assert np.array_equal(sizes, [15.0, np.nan, np.nan], equal_nan=True)
    with pytest.raises(KeyError, match='upper_neck'):
        head_sizes(np.zeros((1, 17, 2)), np.ones((1, 17), bool), get_skeleton('coco'))


def test_head_sizes_from_joints_are_the_official_ones(shared_data):
    folder = shared_data / 'mpii'
    persons = json.loads((folder / 'mpii_val.json').read_text())
    joints = np.array([person['joints'] for person in persons], float)
    labelled = np.array([person['joints_vis'] for person in persons]) > 0
    corners = loadmat(folder / 'mpii_gt_val.mat')['headboxes_src']
    official = 0.6 * np.linalg.norm(corners[1] - corners[0], axis=0)

    ratio = head_sizes(joints, labelled, get_skeleton('mpii')) / official

    assert np.nanpercentile(ratio, [5, 50, 95]) == pytest.approx(np.ones(3), abs=1e-4)
