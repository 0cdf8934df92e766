"""What of a skeleton another one determines, in a world where that is planted."""

import json

import numpy as np
import pytest

from hpemap_mm.analysis.mappings import (
    Errors,
    annotator_distances,
    constant_guess,
    find_mapping,
    person_scales,
    verdict_of,
)
from hpemap_mm.analysis.translation_views import mapping_section, render_mapping
from hpemap_mm.evaluation.bootstrap import image_weights
from hpemap_mm.evaluation.figures import NAN, JointFigure
from hpemap_mm.evaluation.units import Unit
from hpemap_mm.skeletons import get_skeleton

COCO, MPII = get_skeleton('coco'), get_skeleton('mpii')
PERSONS = 400


def errors(median, joints=100):
    figure = JointFigure(value=median, low=NAN, high=NAN, joints=joints)
    return Errors(median=figure, found=figure)


@pytest.mark.parametrize(
    ('relation', 'ways', 'constant', 'floor', 'verdict'),
    [
        ('same', {'remap': 0.10, 'net': 0.095}, 1.0, 0.01, 'copied'),  # no more to be had
        ('same', {'remap': 0.10, 'net': 0.05}, 1.0, 0.20, 'copied'),  # within the noise
        ('same', {'remap': 0.40, 'net': 0.10}, 1.0, 0.10, 'predictable'),  # defined elsewhere
        ('derived', {'remap': 0.10, 'net': 0.10}, 1.0, 0.05, 'derivable'),
        ('none', {'net': 0.14}, 1.0, 0.10, 'predictable'),
        ('none', {'net': 0.40}, 1.0, 0.10, 'partly'),
        ('none', {'net': 0.80}, 1.0, 0.10, 'lost'),
        ('none', {'net': 0.20}, 1.0, NAN, 'predictable'),  # no noise is known
        ('none', {'net': 0.50}, 1.0, NAN, 'partly'),
        ('none', {'net': 0.80}, 1.0, NAN, 'lost'),
        ('same', {'remap': 0.80, 'net': 0.80}, 1.0, 0.1, 'lost'),  # a copy of nothing
        ('none', {}, 1.0, 0.1, 'unknown'),
    ],
)
def test_verdicts(relation, ways, constant, floor, verdict):
    found = {name: errors(value) for name, value in ways.items()}
    assert verdict_of(relation, found, constant, floor) == verdict


def test_of_a_few_persons_nothing_is_said():
    assert verdict_of('same', {'remap': errors(0.1, joints=12)}, 1.0, 0.1) == 'unknown'


def test_two_annotators_differ_by_rayleigh():
    sigma, area = 0.1, 2500.0
    rng = np.random.default_rng(0)
    # Each annotation: E[d^2] = sigma^2 area about the joint, half of it along each axis.
    one, two = rng.normal(0, sigma * np.sqrt(area / 2), (2, 200_000, 2))
    assert (one**2).sum(1).mean() == pytest.approx(sigma**2 * area, rel=0.01)
    distance = np.linalg.norm(one - two, axis=1)

    median, within = annotator_distances(np.full(7, sigma * np.sqrt(area)), threshold=4.0)

    assert median == pytest.approx(sigma * np.sqrt(area) * np.sqrt(2 * np.log(2)))
    assert median == pytest.approx(np.median(distance), rel=0.01)
    assert within == pytest.approx((distance <= 4.0).mean(), abs=0.005)


def test_persons_of_different_scales_mix():
    rng = np.random.default_rng(0)
    spreads = np.array([1.0, 10.0])
    distance = np.concatenate(
        [np.linalg.norm(rng.normal(0, s, (100_000, 2)), axis=1) for s in spreads]
    )
    median, within = annotator_distances(spreads, threshold=2.0)
    assert median == pytest.approx(np.median(distance), rel=0.02)
    assert within == pytest.approx((distance <= 2.0).mean(), abs=0.005)
    assert np.isnan(annotator_distances(np.array([np.nan]), 1.0)).all()


def test_the_constant_guess_moves_and_grows_with_the_person():
    points = np.array([[[1.0, 0.0]], [[3.0, 0.0]], [[np.nan, np.nan]]])
    centres, frames = np.zeros((3, 2)), np.array([1.0, 1.0, 10.0])
    assert constant_guess(points, centres, frames)[:, 0, 0].tolist() == [2.0, 2.0, 20.0]
    moved = constant_guess(points + 5, centres + 5, frames)
    assert moved[:, 0].tolist() == [[7, 5], [7, 5], [25, 5]]
    assert np.isnan(constant_guess(points, centres, np.array([1.0, 0.0, 1.0]))[1]).all()


@pytest.fixture
def table():
    """Upright people: hips and ankles are known, head tops only to the translator, wrists to
    nobody; the right knee is annotated 30 px elsewhere, which the translator has learned."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 300, (len(MPII), 2)) + rng.normal(0, 60, (PERSONS, len(MPII), 2))
    valid = np.ones(truth.shape[:2], bool)
    valid[:, MPII.index('left_elbow')] = np.arange(PERSONS) < 20
    translated = truth + rng.normal(0, 2, truth.shape)
    remap = truth + rng.normal(0, 2, truth.shape)
    remap[:, MPII.index('head_top')] = np.nan
    remap[:, MPII.index('right_knee')] += [30.0, 0.0]
    for joint in ('left_wrist', 'right_wrist'):
        for answer in (remap, translated):
            answer[:, MPII.index(joint)] = rng.uniform(0, 300, (PERSONS, 2))
    return find_mapping(
        COCO,
        MPII,
        truth=truth,
        valid=valid,
        answers={'remap': remap, 'net': translated},
        centres=np.zeros((PERSONS, 2)),
        frames=np.full(PERSONS, 100.0),
        scales=np.full(PERSONS, 100.0),
        unit=Unit(name='head', sizes=np.full(PERSONS, 60.0), threshold=0.5, strict=0.1),
        image_ids=np.arange(PERSONS) // 2,
        images=np.arange(PERSONS // 2),
        weights=image_weights(PERSONS // 2, 100),
    )


def test_what_was_planted_is_found(table):
    joints = {joint.joint: joint for joint in table.joints}
    assert joints['left_hip'].verdict == 'copied'
    assert joints['pelvis'].verdict == 'derivable'
    assert joints['head_top'].verdict == 'predictable' and joints['head_top'].best == 'net'
    assert set(joints['head_top'].ways) == {'net'}
    assert joints['right_knee'].verdict == 'predictable'
    assert joints['right_knee'].ways['remap'].median.value == pytest.approx(0.5, abs=0.02)
    assert joints['left_wrist'].verdict == 'lost'
    assert joints['left_elbow'].verdict == 'unknown'
    hip = joints['left_hip']
    # Two pixels a side: a median of 2 sqrt(2 ln 2), in heads of 60 px.
    assert hip.ways['net'].median.value == pytest.approx(2 * 1.1774 / 60, rel=0.1)
    assert hip.ways['net'].median.low < hip.ways['net'].median.value < hip.ways['net'].median.high
    assert hip.ways['net'].found.value == 1.0
    assert hip.explained == pytest.approx(1 - 2 / 60, abs=0.01)
    assert hip.floor == pytest.approx(0.107 * 100 * 1.1774 / 60, rel=0.01)


def test_it_is_told_in_text_in_json_and_in_a_report(table):
    text = render_mapping('mpii', table)
    for word in ('coco -> mpii on mpii', 'head_top', 'predictable', 'PCKh@0.5', 'sqrt(2 ln 2)'):
        assert word in text
    plain = json.loads(json.dumps(table.to_json(), allow_nan=False))
    assert plain['joints']['left_wrist']['verdict'] == 'lost'
    assert plain['joints']['head_top']['ways'].keys() == {'net'}
    section = mapping_section({'mpii': table})
    assert len(section.blocks[0].rows) == len(MPII)
    assert mapping_section({}) is None


def test_an_unanswered_joint_is_not_found_and_has_no_error():
    truth = np.zeros((100, len(MPII), 2))
    answer = np.zeros_like(truth)
    answer[:40] = np.nan
    table = find_mapping(
        COCO,
        MPII,
        truth=truth,
        valid=np.ones(truth.shape[:2], bool),
        answers={'net': answer},
        centres=np.zeros((100, 2)),
        frames=np.ones(100),
        scales=np.full(100, np.nan),
        unit=Unit(name='head', sizes=np.ones(100), threshold=0.5, strict=0.1),
        image_ids=np.arange(100),
        images=np.arange(100),
    )
    found = table.joints[0].ways['net']
    assert (found.median.value, found.median.joints) == (0.0, 60)
    assert (found.found.value, found.found.joints) == (0.6, 100)


def test_scales_follow_the_joints_alone():
    square = np.array([[[0, 0], [2, 0], [2, 2], [0, 2.0]]])
    assert person_scales(3 * square)[0] == pytest.approx(3 * person_scales(square)[0])


def test_on_real_people_the_scale_is_the_root_of_the_area(shared_data):
    ratios = []
    for part in ('train2017', 'val2017'):
        (file,) = (shared_data / 'coco_subset').rglob(f'person_keypoints_{part}.json')
        for person in json.loads(file.read_text())['annotations']:
            joints = np.array(person['keypoints'], float).reshape(-1, 3)
            seen = joints[:, 2] > 0
            if person.get('area_is_official', True) and seen.sum() >= 12:
                scale = person_scales(joints[None, seen, :2])[0]
                ratios.append(np.sqrt(person['area']) / scale)
    assert len(ratios) > 200
    assert np.median(ratios) == pytest.approx(1, abs=0.02)
