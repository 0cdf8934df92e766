import json

import numpy as np
import pytest

from hpemap_mm.analysis.flip_causes import mixed_by_flips
from hpemap_mm.analysis.frames import person_sizes
from hpemap_mm.analysis.mixture import find_mixtures
from hpemap_mm.evaluation import Truth
from hpemap_mm.evaluation.bootstrap import image_weights
from hpemap_mm.skeletons import JointSpace, get_skeleton

COCO, MPII = get_skeleton('coco'), get_skeleton('mpii')


def mixtures_of(truth, points, representation=None):
    return find_mixtures(
        points,
        representation or truth.skeleton,
        truth,
        person_sizes(truth),
        image_weights(len(truth.images), 200),
    )


def mix(points, pairs, sizes, seed=0):
    """Average heat maps: of two near peaks the middle, of two far ones the stronger.

    Which one is stronger is a matter of the network's confidence in the joint, the same for all
    channels that see it.
    """
    confidence = np.random.default_rng(seed).random(points.shape[:2])
    mixed = points.copy()
    for joint, other in pairs.items():
        apart = np.linalg.norm(points[:, joint] - points[:, other], axis=1) / sizes
        stronger = confidence[:, other] > confidence[:, joint]
        taken = np.where(stronger[:, None], points[:, other], points[:, joint])
        middle = (points[:, joint] + points[:, other]) / 2
        mixed[:, joint] = np.where((apart < 0.4)[:, None], middle, taken)
    return mixed


@pytest.fixture(scope='module')
def folk(people):
    """1,200 people in MPII's joints, and a COCO model's sound predictions of them.

    Both are read off the same bodies: the truth's points where COCO has them.
    """
    crowd = people(skeleton='coco', count=1200, noise=0.05)
    seen = crowd.truth()
    truth = Truth.build(
        name='folk',
        skeleton=MPII,
        keypoints=np.stack(
            [
                seen.keypoints[:, COCO.index(joint)]
                if joint in COCO.joints
                else np.zeros((1200, 2))
                for joint in MPII.joints
            ],
            axis=1,
        ),
        visible=np.tile([2 if joint in COCO.joints else 0 for joint in MPII.joints], (1200, 1)),
        image_ids=seen.image_ids,
        head_sizes=seen.head_sizes,
    )
    return truth, crowd.predict(seen)


def test_sound_predictions_are_not_flagged(folk):
    truth, points = folk
    found = mixtures_of(truth, points, COCO)
    assert (found.pairs, found.joints, found.cause) == ((), (), None)
    assert found.looked_at['lands on'] > 100
    assert found.looked_at['coincides'] > 100
    assert {mixed.sign for mixed in found.highest} == {'lands on', 'coincides'}


def test_whose_heat_maps_wrong_flip_pairs_average():
    """COCO's joints with MPII's pairs 0-5, 1-4, 2-3, 10-15, 11-14, 12-13, by hand."""
    found = mixed_by_flips(COCO, MPII.flip_indices)
    named = {COCO.joints[a]: COCO.joints[b] for a, b in found.items()}
    assert named == {
        'nose': 'right_shoulder',  # takes the left shoulder's channel of the mirrored image
        'left_eye': 'left_ear',
        'right_eye': 'right_ear',
        'left_ear': 'left_eye',
        'right_ear': 'right_eye',
        'left_shoulder': 'nose',
        'right_shoulder': 'left_shoulder',
        'left_elbow': 'right_elbow',
        'right_elbow': 'left_elbow',
        'left_wrist': 'right_wrist',
        'right_wrist': 'right_ankle',
        'left_hip': 'left_knee',
        'right_hip': 'right_knee',
        'left_knee': 'left_hip',
        'right_knee': 'right_hip',
        'left_ankle': 'left_wrist',
        'right_ankle': 'left_ankle',
    }
    assert mixed_by_flips(COCO, COCO.flip_indices) == {}
    # Longer lists than there are channels point nowhere.
    wholebody = get_skeleton('coco_wholebody').flip_indices
    assert mixed_by_flips(COCO, wholebody) == {}


@pytest.mark.parametrize('culprit', ['mpii', 'aic', 'lsp'])
def test_foreign_flip_pairs_are_named(folk, culprit):
    truth, points = folk
    pairs = mixed_by_flips(COCO, get_skeleton(culprit).flip_indices)
    found = mixtures_of(truth, mix(points, pairs, truth.head_sizes), COCO)
    assert found.cause is not None
    assert found.cause.skeleton == culprit
    assert set(found.cause.joints) == {COCO.joints[j] for j in pairs}
    assert set(found.joints) <= set(found.cause.joints)
    json.dumps(found.to_json(), allow_nan=False)


def test_eyes_that_are_averaged_are_seen_without_annotated_eyes(folk):
    truth, points = folk
    eyes = COCO.index('left_eye'), COCO.index('right_eye')
    points = points.copy()
    points[:, eyes] = points[:, eyes].mean(1, keepdims=True)
    found = mixtures_of(truth, points, COCO)
    assert found.joints == ('left_eye', 'right_eye')
    (pair,) = found.pairs
    assert (pair.sign, pair.rate) == ('coincides', 1.0)
    assert 'without exchanging' in found.cause.text
    assert found.cause.joints == ('left_eye', 'right_eye')


def test_unexchanged_ankles(folk):
    truth, points = folk
    a, b = COCO.index('left_ankle'), COCO.index('right_ankle')
    found = mixtures_of(truth, mix(points, {a: b, b: a}, truth.head_sizes), COCO)
    assert set(found.joints) == {'left_ankle', 'right_ankle'}
    assert {pair.sign for pair in found.pairs} == {'lands on', 'coincides'}
    assert 'without exchanging' in found.cause.text
    assert all(0.3 < p.rate < 0.7 for p in found.pairs if p.sign == 'lands on')


def test_a_network_that_confuses_sides_is_no_flip_test(folk):
    """Whole bodies the wrong way round: joints land on their opposites, but never coincide."""
    truth, points = folk
    points = points.copy()
    points[::4] = points[::4, COCO.flip_indices]
    found = mixtures_of(truth, points, COCO)
    assert {pair.sign for pair in found.pairs} == {'lands on'}
    assert all(pair.rate == pytest.approx(0.25, abs=0.03) for pair in found.pairs)
    assert found.cause is None


def test_rates_below_the_threshold_are_not_flagged(folk):
    truth, points = folk
    points = points.copy()
    points[::16] = points[::16, COCO.flip_indices]
    found = mixtures_of(truth, points, COCO)
    assert found.pairs == ()
    best = next(mixed for mixed in found.highest if mixed.sign == 'lands on')
    assert best.rate == pytest.approx(1 / 16, abs=0.02)


def test_joints_that_are_one_point_by_nature_are_not_judged(folk):
    """COCO's and MPII's hips in a space that has both."""
    truth, points = folk
    space = JointSpace.concat('coco', 'mpii')
    mpii = np.where(truth.valid[..., None], truth.keypoints, points.mean(1, keepdims=True) - 900)
    unseen = ~truth.valid[0]
    mpii[:, unseen] += np.arange(unseen.sum())[:, None] * 200.0
    found = mixtures_of(truth, np.concatenate([points, mpii], axis=1), space)
    assert found.pairs == ()


def test_persons_who_were_not_predicted_are_left_out(folk):
    truth, points = folk
    points = points.copy()
    points[::2] = np.nan
    found = mixtures_of(truth, points, COCO)
    assert found.pairs == ()
    assert all(mixed.n <= len(truth) / 2 for mixed in found.highest)


def test_joint_spaces_are_looked_at_too(folk):
    truth, points = folk
    space = JointSpace.union('coco', 'mpii')
    rng = np.random.default_rng(0)
    wide = rng.uniform(0, 1000, (len(points), len(space), 2))
    wide[:, :17] = points
    eyes = [space.joints.index(f'{side}_eye') for side in ('left', 'right')]
    wide[:, eyes] = wide[:, eyes[:1]]
    assert set(mixtures_of(truth, wide, space).joints) == {'left_eye', 'right_eye'}


def test_wrong_shapes_are_refused(folk):
    truth, points = folk
    with pytest.raises(ValueError, match=r'predicted must be \(1200, 17, 2\)'):
        mixtures_of(truth, points[:, :16], COCO)


def test_the_specimen_is_flagged_with_its_joints_and_its_cause(mpii_val):
    truth, read = mpii_val
    found = mixtures_of(truth, read['wrong'].keypoints, COCO)
    assert found.cause.skeleton == 'mpii'
    assert found.cause.found == 1.0
    # All but the left shoulder, which is mixed with a nose that MPII does not annotate.
    assert set(found.joints) == set(COCO.joints) - {'left_shoulder'}
    assert set(found.cause.joints) == set(COCO.joints)


def test_a_sound_model_is_not_flagged(mpii_val):
    truth, read = mpii_val
    found = mixtures_of(truth, read['resnet'].keypoints)
    assert found.pairs == ()
    assert max(mixed.rate for mixed in found.highest) < 0.06


def test_the_training_file_is_flagged_for_its_face_only(mpii_train):
    """Its eyes were averaged into one point, and so were its ears."""
    truth, predicted = mpii_train
    found = mixtures_of(truth, predicted.keypoints, COCO)
    assert set(found.joints) == {'left_eye', 'right_eye', 'left_ear', 'right_ear'}
    assert {pair.sign for pair in found.pairs} == {'coincides'}
    eyes, ears = (pair.rate for pair in found.pairs)
    assert (eyes, ears) == (pytest.approx(0.98, abs=0.01), pytest.approx(0.85, abs=0.01))
    assert 'without exchanging' in found.cause.text
    # By hand: in people whose shoulders are more than 1.6 head sizes wide in the image, who look
    # at the camera with both ears, three quarters of a head size apart, these are one point.
    left, right = (truth.keypoints[:, MPII.index(f'{s}_shoulder'), 0] for s in ('left', 'right'))
    facing = (left - right) / truth.head_sizes > 1.6
    ears = [predicted.keypoints[facing, COCO.index(f'{side}_ear')] for side in ('left', 'right')]
    apart = np.linalg.norm(ears[0] - ears[1], axis=1) / truth.head_sizes[facing]
    assert facing.sum() > 4000
    assert np.median(apart) < 0.05
