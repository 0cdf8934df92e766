import json

import numpy as np
import pytest

from hpemap_mm.analysis.analyze import Settings, analyze, common_size
from hpemap_mm.analysis.subject import Subject
from hpemap_mm.evaluation import Predictions, Truth
from hpemap_mm.skeletons import get_skeleton

QUICK = Settings(replicates=100)


@pytest.fixture(scope='module')
def subject(people, as_predictions):
    def build(world=None, name='', mutate=None, **effects):
        world = world or people(count=1200)
        truth = world.truth()
        points = world.predict(truth, **effects)
        if mutate is not None:
            points = mutate(points, truth)
        return Subject.build(truth, as_predictions(truth, points), name=name)

    return build


def test_everything_about_one_file(subject):
    told = []
    settings = Settings(replicates=100, progress=told.append)
    one = subject(outwards={'shoulder': -0.06}, shift=(0.03, 0.0))
    done = analyze(one, settings=settings)
    plain = json.loads(json.dumps(done.to_json(), allow_nan=False))
    main = plain['main']
    assert main['about'] == {
        'predictions': 'model',
        'representation': 'mpii',
        'dataset': 'people',
        'skeleton': 'mpii',
        'persons': 1200,
        'images': 600,
        'predicted': 1200,
        'with_size': 1200,
        'paired': 'by id',
        'left_over': 0,
        'joints_scored': 1200 * 16,
        'joints_not_answered': 0,
    }
    assert main['unit'] == 'head sizes'
    assert main['offsets']['verdicts']['differs'] == ['shoulder']
    assert main['offsets']['shift'][0]['value'] == pytest.approx(0.03, abs=0.005)
    assert main['mixtures']['pairs'] == []
    assert main['derivations']['derived'] == []
    assert set(main['laws']['verdicts']) == {'Gaussian'}
    assert main['taxonomy']['all']['rates']['good']['value'] > 0.9
    assert len(main['dependence']['parts']) == 4
    assert (plain['against'], plain['controls'], plain['differences']) == (None, [], [])
    assert main['missing'] == {}
    assert any('mixtures' in text for text in told)
    assert all(text.startswith('model (mpii) on people: ') for text in told)


def test_the_body_frame_has_the_offset_on_both_sides(subject):
    """In the image, front and back cancel; in the body frame left and right mirror each other."""
    done = analyze(subject(outwards={'hip': 0.1}), settings=QUICK)
    body = {law.joint: law for law in done.main.body_laws.joints}
    assert body['left_hip'].x.median == pytest.approx(0.1, abs=0.01)
    assert body['right_hip'].x.median == pytest.approx(-0.1, abs=0.01)
    image = {law.joint: law for law in done.main.laws.joints}
    assert abs(image['left_hip'].x.median) < 0.08
    assert np.isnan(done.main.body_errors).any()  # persons side on


def test_a_control_takes_habits_out(subject, people):
    ours = subject(outwards={'elbow': -0.06, 'shoulder': -0.06})
    control = subject(people(count=1200, seed=3), 'control', outwards={'elbow': -0.06})
    done = analyze(ours, controls=[control], settings=QUICK)
    (difference,) = done.differences
    assert (difference.role, difference.other) == ('control', 'control')
    assert difference.offsets.by_verdict()['differs'] == ('shoulder',)
    assert [s.name for s in done.subjects] == ['model (mpii) on people', 'control']


def test_two_models_on_the_same_images_are_resampled_together(subject):
    """A paired difference: the same predictions differ by nothing, in every replicate."""
    done = analyze(subject(), against=subject(name='again'), settings=QUICK)
    (difference,) = done.differences
    assert difference.role == 'against'
    assert done.against.name == 'again'
    for o in difference.offsets.joints:
        assert (o.down.low, o.down.high) == (0.0, 0.0)


def test_offsets_of_mixed_joints_are_not_claimed(subject):
    def averaged(points, truth):
        pair = [truth.skeleton.index(f'{side}_knee') for side in ('left', 'right')]
        points[:, pair] = points[:, pair].mean(1, keepdims=True)
        return points

    main = analyze(subject(mutate=averaged), settings=QUICK).main
    assert set(main.mixtures.joints) == {'left_knee', 'right_knee'}
    knee = next(o for o in main.offsets.joints if o.joint == 'knee')
    assert knee.verdict == 'not claimed'
    assert knee.reason == 'its predictions are mixed with those of another joint'
    assert abs(knee.outwards.value) > 0.2  # what would have been claimed


def test_all_joints_mixed_leaves_nothing_to_hold_against(subject):
    def confused(points, truth):
        points[::2] = points[::2][:, truth.skeleton.flip_indices]
        return points

    done = analyze(subject(mutate=confused), against=subject(name='sound'), settings=QUICK)
    pairs = [j for j in done.main.offsets.joints if len(j.joints) == 2]
    assert all(o.verdict == 'not claimed' for o in pairs)
    (difference,) = done.differences
    for o in difference.offsets.joints if difference.offsets else ():
        assert len(o.joints) == 1 or o.verdict == 'not claimed'


def test_without_head_sizes_without_areas():
    """COCO's joints, torsos as the unit, and no taxonomy; it says why."""
    skeleton = get_skeleton('coco')
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 500, (80, 17, 2))
    truth = Truth.build(name='t', skeleton=skeleton, keypoints=points, visible=np.full((80, 17), 2))
    found = Predictions.build(
        name='m',
        representation=skeleton,
        keypoints=points + rng.normal(0, 5, points.shape),
        image_ids=truth.image_ids,
        ids=truth.ids,
    )
    main = analyze(Subject.build(truth, found), settings=QUICK).main
    assert main.sizes.kind == 'torso'
    assert main.kinds is None
    assert 'no person has an area' in main.missing['taxonomy']
    assert 'too few errors' in main.missing['shift']
    json.dumps(main.to_json()['about'], allow_nan=False)


def test_a_skeleton_without_a_trunk():
    skeleton = get_skeleton('h36m')
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 500, (60, len(skeleton), 2))
    truth = Truth.build(
        name='t',
        skeleton=skeleton,
        keypoints=points,
        visible=np.full(points.shape[:2], 2),
        areas=np.full(60, 9e4),
    )
    found = Predictions.build(
        name='m',
        representation=skeleton,
        keypoints=points + rng.normal(0, 5, points.shape),
        image_ids=truth.image_ids,
        ids=truth.ids,
    )
    main = analyze(Subject.build(truth, found), settings=QUICK).main
    assert (main.offsets, main.body_laws) == (None, None)
    assert 'lacks shoulders or hips' in main.missing['offsets']


def test_persons_who_were_not_predicted(people, as_predictions):
    truth = people(count=400).truth()
    all_of_them = as_predictions(truth, truth.keypoints)
    some = Predictions.build(
        name='m',
        representation=truth.skeleton,
        keypoints=all_of_them.keypoints[::2],
        image_ids=truth.image_ids[::2],
        ids=truth.ids[::2],
    )
    one = Subject.build(truth, some)
    main = analyze(one, settings=QUICK).main
    assert main.about['predicted'] == 200
    assert main.about['joints_not_answered'] == 200 * 16
    assert np.isnan(one.as_predicted[1::2]).all()
    assert np.isfinite(one.as_predicted[::2]).all()


def test_the_unit_serves_all_subjects(people):
    heads = people(count=40).truth()
    torsos = people(skeleton='coco', count=40).truth()
    torsos = Truth.build(
        name='t',
        skeleton=torsos.skeleton,
        keypoints=torsos.keypoints,
        visible=torsos.visible,
        areas=torsos.areas,
    )
    assert common_size([heads, heads], 'auto') == 'head'
    assert common_size([heads, torsos], 'auto') == 'torso'
    assert common_size([heads, torsos], 'area') == 'area'
