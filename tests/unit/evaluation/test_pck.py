"""PCK on worlds small enough to score by hand."""

import numpy as np
import pytest

from hpemap_mm.evaluation.pck import box_sizes, pck, torso_sizes
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
