import json
from dataclasses import replace

import numpy as np
import pytest

from hpemap_mm.analysis.derivations import between, find_derivations
from hpemap_mm.analysis.frames import person_sizes
from hpemap_mm.evaluation.bootstrap import image_weights


def derivations_of(truth, points=None, visible=None):
    changes = {}
    if points is not None:
        changes['keypoints'] = points
    if visible is not None:
        changes['visible'] = visible
    truth = replace(truth, **changes)
    return find_derivations(truth, person_sizes(truth), image_weights(len(truth.images), 200))


def computed(truth, rule, noise=0.3):
    """The truth with joints that are points between two others, rounded like annotations."""
    rng = np.random.default_rng(0)
    points = truth.keypoints.copy()
    at = truth.skeleton.index
    for joint, (a, b, weight) in rule.items():
        points[:, at(joint)] = weight * points[:, at(a)] + (1 - weight) * points[:, at(b)]
        points[:, at(joint)] += rng.uniform(-noise, noise, (len(truth), 2))
    return points


def test_a_midpoint_is_found(people):
    truth = people(count=400).truth()
    rule = {'pelvis': ('left_hip', 'right_hip', 0.5)}
    found = derivations_of(truth, computed(truth, rule))
    (pelvis,) = found.derived
    assert (pelvis.joint, set(pelvis.sources)) == ('pelvis', {'left_hip', 'right_hip'})
    assert pelvis.weights == (0.5, 0.5)
    assert pelvis.residual < 0.006
    assert pelvis.text.startswith('pelvis is the midpoint of')
    json.dumps(found.to_json(), allow_nan=False)


def test_a_point_on_the_way_and_a_copy_are_found(people):
    truth = people(count=400).truth()
    rule = {
        'upper_neck': ('thorax', 'head_top', 0.7),
        'right_wrist': ('right_elbow', 'right_elbow', 1.0),
    }
    found = {d.joint: d for d in derivations_of(truth, computed(truth, rule)).derived}
    neck = found['upper_neck']
    share = dict(zip(neck.sources, neck.weights, strict=True))
    assert share == {
        'thorax': pytest.approx(0.7, abs=0.01),
        'head_top': pytest.approx(0.3, abs=0.01),
    }
    assert found['right_wrist'].sources == ('right_elbow',)
    assert found['right_wrist'].weights == (1.0,)
    assert set(found) == {'upper_neck', 'right_wrist', 'right_elbow'}  # a copy has no original


def test_clicked_joints_are_not_computed(people):
    found = derivations_of(people(count=400).truth())
    assert found.derived == ()
    assert len(found.joints) == 16
    assert all(d.residual > 0.05 for d in found.joints)
    assert all('is not computed' in d.text for d in found.joints)


def test_a_joint_that_is_computed_for_some_is_not_derived(people):
    """For four of five persons only: no rule of the dataset."""
    truth = people(count=400).truth()
    points = computed(truth, {'pelvis': ('left_hip', 'right_hip', 0.5)})
    points[::5] = truth.keypoints[::5]
    found = derivations_of(truth, points)
    pelvis = next(d for d in found.joints if d.joint == 'pelvis')
    assert pelvis.share == pytest.approx(0.8, abs=0.03)
    assert not pelvis.derived


def test_joints_that_are_hardly_annotated_are_skipped(people):
    truth = people(count=60).truth()
    visible = truth.visible.copy()
    visible[20:, truth.skeleton.index('pelvis')] = 0
    found = derivations_of(truth, visible=visible)
    assert set(found.skipped) == {'pelvis'}
    assert 'fewer than 30' in found.skipped['pelvis']


def test_the_weight_between_two_is_robust():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0, 9, (2, 200, 2))
    point = 0.3 * a + 0.7 * b
    point[:60] = rng.uniform(-50, 50, (60, 2))
    assert between(point, a, b) == pytest.approx(0.3, abs=1e-3)
    assert between(a + (a - b), a, b) == 1.0  # beyond the end: the end
    assert between(point, a, a) == 0.5  # no line at all


def test_mpii_s_computed_joints(mpii_train):
    truth, _ = mpii_train
    found = find_derivations(truth, person_sizes(truth), image_weights(len(truth.images), 100))
    derived = {d.joint: set(d.sources) for d in found.derived}
    assert derived == {
        'pelvis': {'left_hip', 'right_hip'},
        'thorax': {'left_shoulder', 'right_shoulder'},
    }
    assert all(d.residual < 0.01 and d.residual_95 < 0.02 for d in found.derived)
    assert all(d.weights == (0.5, 0.5) and d.n > 19_000 for d in found.derived)
    others = {d.joint: d for d in found.joints if not d.derived}
    assert others['upper_neck'].residual > 0.1
    assert others['head_top'].residual > 1
