"""Figures of a cell, by hand."""

import json

import numpy as np
import pytest

from hpemap_mm.evaluation.bootstrap import image_weights
from hpemap_mm.evaluation.figures import Credit, Figure, figure_of

# Three persons in two images, three joints; the last joint of person 2 is not scored.
EARNED = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1.0]])
SCORED = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0]], bool)
JOINTS = ('a', 'b', 'c')


def figure(*, counted=(1, 1, 1), weights=None, earned=EARNED, relations=('same', 'same', 'near')):
    return figure_of(
        Credit(earned=earned, scored=SCORED, counted=np.array(counted, bool)),
        joints=JOINTS,
        image_ids=np.array([7, 7, 9]),
        images=np.array([7, 9]),
        weights=weights,
        relations=relations,
    )


def test_the_value_is_earned_over_scored():
    found = figure()
    assert found.value == 5 / 8
    assert (found.joints, found.instances) == (8, 3)
    assert {joint: (f.value, f.joints) for joint, f in found.per_joint.items()} == {
        'a': (2 / 3, 3),
        'b': (2 / 3, 3),
        'c': (1 / 2, 2),
    }
    assert np.isnan([found.low, found.high]).all()


def test_the_value_by_relation():
    assert figure().by_relation == {'same': 4 / 6, 'near': 1 / 2}
    assert figure(relations=('none', 'same', 'same')).by_relation == {
        'none': 2 / 3,
        'same': 3 / 5,
    }


def test_joints_that_do_not_count_are_still_told_one_by_one():
    found = figure(counted=(1, 1, 0))
    assert found.value == 4 / 6
    assert found.by_relation == {'same': 4 / 6}
    assert found.per_joint['c'].value == 0.5


def test_joints_that_were_never_scored_are_absent():
    found = figure_of(
        Credit(earned=EARNED, scored=SCORED & [1, 1, 0], counted=np.ones(3, bool)),
        joints=JOINTS,
        image_ids=np.array([7, 7, 9]),
        images=np.array([7, 9]),
        weights=None,
        relations=('same', 'same', 'near'),
    )
    assert set(found.per_joint) == {'a', 'b'}
    assert set(found.by_relation) == {'same'}


def test_the_interval_of_a_constant_is_that_constant():
    found = figure(earned=np.full((3, 3), 0.25), weights=image_weights(2, 200))
    assert (found.low, found.value, found.high) == (0.25, 0.25, 0.25)
    assert (found.per_joint['a'].low, found.per_joint['a'].high) == (0.25, 0.25)


def test_the_interval_is_over_images():
    # Both images drawn once, or one of them twice: nothing else can happen.
    weights = np.array([[1, 1], [2, 0], [0, 2]], np.float32)
    found = figure(weights=weights)
    per_replicate = [5 / 8, 4 / 6, 1 / 2]
    assert [found.low, found.high] == pytest.approx(np.percentile(per_replicate, [2.5, 97.5]))


def test_nothing_scored_is_no_number():
    found = figure_of(
        Credit(earned=EARNED, scored=np.zeros((3, 3), bool), counted=np.ones(3, bool)),
        joints=JOINTS,
        image_ids=np.array([7, 7, 9]),
        images=np.array([7, 9]),
        weights=image_weights(2, 10),
        relations=('same',) * 3,
    )
    assert np.isnan(found.value)
    assert found.joints == found.instances == 0
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))['value'] is None


def test_json_has_no_nan():
    text = json.dumps(Figure(value=0.5).to_json(), allow_nan=False)
    assert json.loads(text)['low'] is None
