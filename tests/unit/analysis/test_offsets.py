import json
from dataclasses import replace

import numpy as np
import pytest

from hpemap_mm.analysis.frames import person_sizes
from hpemap_mm.analysis.offset_values import Estimate, ViewOffset, judge
from hpemap_mm.analysis.offsets import measure_offsets, subtract
from hpemap_mm.evaluation.bootstrap import image_weights
from hpemap_mm.evaluation.cross import CrossEvaluation

LIMBS = {'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle'}


def offsets_of(found, seed=0, **options):
    truth = found.truth
    weights = image_weights(len(truth.images), 300, seed)
    return measure_offsets(found, person_sizes(truth), weights, **options)


def planted(people, lay_beside, world=None, **effects):
    world = world or people()
    truth = world.truth()
    return lay_beside(truth, world.predict(truth, **effects))


def by_joint(offsets):
    return {o.joint: o for o in offsets.joints}


def test_planted_offsets_are_recovered_and_claimed(people, lay_beside):
    outwards, down = {'shoulder': -0.05, 'hip': 0.045}, {'ankle': 0.06, 'wrist': 0.005}
    found = offsets_of(planted(people, lay_beside, outwards=outwards, down=down))
    joints = by_joint(found)
    assert {o.joint for o in found.joints if o.verdict == 'differs'} == {'shoulder', 'hip', 'ankle'}
    for name, o in joints.items():
        assert o.down.value == pytest.approx(down.get(name, 0.0), abs=0.005), name
        assert o.down.low < o.down.value < o.down.high
        if o.outwards is not None:
            assert o.outwards.value == pytest.approx(outwards.get(name, 0.0), abs=0.005), name
    assert joints['shoulder'].reason == (
        f'{abs(joints["shoulder"].outwards.value):.3f} inwards, from the front as well as from '
        'behind'
    )
    assert joints['wrist'].verdict == joints['head_top'].verdict == 'same'
    assert joints['pelvis'].outwards is None
    assert joints['hip'].joints == ('left_hip', 'right_hip')
    assert joints['hip'].size == pytest.approx(0.045, abs=0.005)
    json.dumps(found.to_json(), allow_nan=False)


def test_a_shift_of_the_image_is_no_definition(people, lay_beside):
    """What a decoder, a flip test or an origin does: it is measured, removed, not claimed."""
    found = offsets_of(planted(people, lay_beside, shift=(0.06, -0.05)))
    assert all(o.verdict == 'same' for o in found.joints)
    x, y = found.shift
    assert (x.value, y.value) == (pytest.approx(0.06, abs=0.003), pytest.approx(-0.05, abs=0.003))
    assert x.low < 0.06 < x.high
    assert found.unevenness < 0.01


@pytest.mark.parametrize('seed', range(4))
def test_nothing_planted_nothing_claimed(people, lay_beside, seed):
    world = people(seed=seed, noise=0.15)
    found = offsets_of(planted(people, lay_beside, world, shift=(0.03, 0.0)))
    assert found.by_verdict()['differs'] == ()
    assert found.by_verdict()['not claimed'] == ()


def test_gross_errors_do_not_move_the_offsets(people, lay_beside):
    """One in eight is laid on the wrong side, always inwards for a paired joint."""
    world = people(count=3000)
    truth = world.truth()
    points = world.predict(truth)
    points[::8] = points[::8][:, truth.skeleton.flip_indices]
    found = offsets_of(lay_beside(truth, points))
    assert found.by_verdict()['differs'] == ()
    assert abs(by_joint(found)['shoulder'].outwards.value) < 0.005


def test_noise_of_the_annotators_makes_no_offset(people, lay_beside):
    """Truth scatters about a point that predictions hit: a girdle that looks wide is too wide."""
    world = people(noise=0.0)
    exact = world.truth()
    noise = np.random.default_rng(9).normal(0, 0.12, exact.keypoints.shape)
    truth = replace(exact, keypoints=exact.keypoints + noise * world.sizes[:, None, None])
    found = offsets_of(lay_beside(truth, exact.keypoints))
    assert found.by_verdict()['differs'] == ()
    assert abs(by_joint(found)['hip'].outwards.value) < 0.01


def test_without_persons_seen_from_behind_there_is_no_control(people, lay_beside):
    world = people(turned={1.0: 0.8, 0.0: 0.2})
    found = offsets_of(planted(people, lay_beside, world, outwards={'hip': 0.2}))
    assert {o.verdict for o in found.joints} == {'not claimed'}
    hip = by_joint(found)['hip']
    assert hip.reason == 'no control: too few persons seen from the back'
    assert hip.outwards.value == pytest.approx(0.2, abs=0.01)  # measured all the same
    assert set(hip.views) == {'front'}


def test_an_offset_that_does_not_turn_with_the_person_is_not_claimed(people, lay_beside):
    """Wide from the front, narrow from behind by as much again: no definition does that."""
    world = people(turned={1.0: 0.7, -1.0: 0.3})
    truth = world.truth()
    points = world.predict(truth)
    skeleton = truth.skeleton
    wide = np.where(world.turn > 0, 0.10, 0.0) * world.sizes
    points[:, skeleton.index('left_knee'), 0] += wide
    points[:, skeleton.index('right_knee'), 0] -= wide
    knee = by_joint(offsets_of(lay_beside(truth, points)))['knee']
    assert knee.outwards.value == pytest.approx(0.05, abs=0.006)
    assert knee.verdict == 'undecided'
    assert 'not alike from the front and from behind' in knee.reason


def test_joints_that_are_mixed_are_not_claimed_and_hold_nothing(people, lay_beside):
    found = offsets_of(
        planted(people, lay_beside, outwards={'hip': 0.3}, down={'hip': 0.4}),
        untrusted={'left_hip': 'mixed with the knees'},
    )
    hip = by_joint(found)['hip']
    assert (hip.verdict, hip.reason) == ('not claimed', 'mixed with the knees')
    assert 'hip' not in found.anchors
    assert 'shoulder' in found.anchors


def test_errors_without_a_middle_are_not_trusted(people, lay_beside):
    """Two heaps of elbows: half of them a head size too low."""
    world = people()
    truth = world.truth()
    points = world.predict(truth)
    elbows = [truth.skeleton.index(f'{side}_elbow') for side in ('left', 'right')]
    points[np.arange(len(truth)) % 5 < 2, elbows[0], 1] += 2.0 * 60
    elbow = by_joint(offsets_of(lay_beside(truth, points)))['elbow']
    assert elbow.verdict == 'not claimed'
    assert 'of the errors are near their median' in elbow.reason


def test_derived_joints_hold_nothing(people, lay_beside):
    relations = {'pelvis': 'derived', 'head_top': 'near'}
    found = offsets_of(planted(people, lay_beside), relations=relations)
    assert set(found.anchors) == LIMBS | {'thorax', 'upper_neck'}
    assert by_joint(found)['pelvis'].relation == 'derived'


def test_joints_that_are_not_compared_are_named(people, lay_beside):
    world = people()
    truth = world.truth()
    compared = np.ones(16, bool)
    compared[[truth.skeleton.index('head_top'), truth.skeleton.index('right_knee')]] = False
    found = offsets_of(lay_beside(truth, world.predict(truth), compared))
    assert found.skipped == {
        'head_top': 'not compared',
        'left_knee': 'its other side is not compared',
        'right_knee': 'not compared',
    }


def test_few_persons_are_not_measured(people, lay_beside):
    found = offsets_of(planted(people, lay_beside, people(count=40)))
    assert found.joints == ()
    assert 'measured from 50 on' in found.skipped['hip']


def test_a_control_s_own_offsets_are_subtracted(people, lay_beside):
    """A habit of networks, elbows inwards, is in both; the shoulders are not."""
    ours = offsets_of(
        planted(people, lay_beside, outwards={'elbow': -0.05, 'shoulder': -0.05}, shift=(0.03, 0))
    )
    control = offsets_of(
        planted(people, lay_beside, people(seed=1), outwards={'elbow': -0.05}, shift=(-0.05, 0)),
        seed=1,
    )
    assert {o.joint for o in ours.joints if o.verdict == 'differs'} == {'elbow', 'shoulder'}
    left = subtract(ours, control, 'the control')
    assert {o.joint for o in left.joints if o.verdict == 'differs'} == {'shoulder'}
    shoulder, before = by_joint(left)['shoulder'], by_joint(ours)['shoulder']
    assert shoulder.outwards.value == pytest.approx(-0.05, abs=0.006)
    # Both are uncertain, so the difference is more so.
    assert np.ptp([shoulder.outwards.low, shoulder.outwards.high]) > np.ptp(
        [before.outwards.low, before.outwards.high]
    )
    assert left.control.endswith('the same of the control subtracted')
    assert left.shift == ()
    json.dumps(replace(left, unevenness=0.0).to_json(), allow_nan=False)


def test_subtracting_itself_leaves_nothing(people, lay_beside):
    """Resampled together, the same predictions differ by nothing in every replicate."""
    found = offsets_of(planted(people, lay_beside, outwards={'hip': 0.1}))
    nothing = subtract(found, found, 'itself')
    assert all(o.verdict == 'same' for o in nothing.joints)
    assert all(o.down == Estimate(0.0, 0.0, 0.0) for o in nothing.joints)


def test_only_like_is_subtracted(people, lay_beside):
    one = planted(people, lay_beside)
    found, other = offsets_of(one), offsets_of(one, anchors=['hip'])
    with pytest.raises(ValueError, match=r"from \['hip'\]"):
        subtract(found, other, 'other')
    with pytest.raises(ValueError, match=r"no offset for the anchors \['tail'\]"):
        offsets_of(one, anchors=['tail'])


@pytest.mark.parametrize(
    ('outwards', 'down', 'verdict'),
    [
        ((0.03, 0.021, 0.04), (0.0, -0.01, 0.01), 'differs'),
        ((0.0, -0.01, 0.01), (-0.03, -0.04, -0.021), 'differs'),
        ((0.03, 0.019, 0.04), (0.0, -0.01, 0.01), 'undecided'),
        ((0.01, 0.001, 0.019), (0.0, -0.01, 0.01), 'same'),
        ((0.01, 0.001, 0.021), (0.0, -0.01, 0.01), 'undecided'),
        (None, (0.0, -0.01, 0.01), 'same'),
        ((0.03, float('nan'), float('nan')), (0.0, float('nan'), float('nan')), 'undecided'),
    ],
)
def test_verdicts(outwards, down, verdict):
    outwards = None if outwards is None else Estimate(*outwards)
    down = Estimate(*down)
    view = ViewOffset(100, None if outwards is None else outwards.value, down.value)
    assert judge(outwards, down, {'front': view, 'back': view}, 0.02)[0] == verdict
    assert judge(outwards, down, {'front': view}, 0.02)[0] == 'not claimed'


def test_a_network_in_mpii_s_own_definition_has_no_offsets(mpii_val):
    truth, read = mpii_val
    evaluation = CrossEvaluation()
    found = offsets_of(evaluation.align(truth, evaluation.bring(truth, read['resnet'])))
    assert set(found.by_verdict()['same']) == {*LIMBS, 'pelvis', 'thorax', 'upper_neck', 'head_top'}
    assert found.shift[0].low > 0.035  # the decoder or the flip test: to the right
    assert abs(found.shift[1].value) < 0.01


def test_coco_s_joints_on_mpii(mpii_train, mpii_val):
    """The findings of docs/findings: shoulders further in, hips further out, ankles lower."""
    evaluation = CrossEvaluation()
    truth, predicted = mpii_train
    brought = evaluation.bring(truth, predicted)
    relations = {c.joint: c.relation for c in brought.comparisons}
    found = offsets_of(evaluation.align(truth, brought), relations=relations)
    joints = by_joint(found)
    assert {o.joint for o in found.joints if o.verdict == 'differs'} == {'shoulder', 'hip', 'ankle'}
    assert joints['shoulder'].outwards.value == pytest.approx(-0.051, abs=0.003)
    assert joints['hip'].outwards.value == pytest.approx(0.049, abs=0.003)
    assert joints['ankle'].down.value == pytest.approx(0.059, abs=0.005)
    for o in (joints['elbow'], joints['wrist']):
        assert o.verdict == 'same'
    val, read = mpii_val
    own = evaluation.align(val, evaluation.bring(val, read['resnet']))
    left = subtract(found, offsets_of(own, seed=1, anchors=found.anchors), 'a ResNet-50')
    assert {o.joint for o in left.joints if o.verdict == 'differs'} == {'shoulder', 'hip', 'ankle'}
