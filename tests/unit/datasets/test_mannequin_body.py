"""Bones, poses, placements: geometry that can be worked out by hand."""

import numpy as np
import pytest

from hpemap_mm.datasets.mannequin.body import MIRROR, Body, forward_kinematics
from hpemap_mm.datasets.mannequin.camera import Camera, rotation_y
from hpemap_mm.datasets.mannequin.placement import (
    ANCHORS,
    MIDPOINTS,
    PLACEMENTS,
    SKELETON_NAMES,
    joints_2d,
    joints_3d,
    split_side,
)
from hpemap_mm.datasets.mannequin.pose import FAMILIES, LIMITS, sample_pose
from hpemap_mm.skeletons import get_skeleton

BODY = Body.average(2.0)
POSES = [
    {},
    dict(sample_pose(np.random.default_rng(1), yaw=0, family='running').angles),
    dict(sample_pose(np.random.default_rng(2), yaw=40, family='gymnastics').angles),
]


def mirrored(angles):
    """The same pose with the sides exchanged."""
    swap = {'left': 'right', 'right': 'left'}
    out = {}
    for name, value in angles.items():
        side, stem = split_side(name)
        flips = name in ('yaw', 'roll', 'spine_side', 'spine_twist', 'head_tilt', 'head_turn')
        out[f'{swap[side]}_{stem}' if side else name] = -value if flips else value
    return out


def test_a_standing_body_has_its_joints_where_the_proportions_say():
    bones = forward_kinematics(BODY, {})
    # stature 2: hips 0.1 aside, thighs 0.486 and shins 0.49 long, straight down
    np.testing.assert_allclose(bones['left_shin'].end, [0.1, -0.976, 0.0], atol=1e-12)
    np.testing.assert_allclose(bones['right_shin'].end, [-0.1, -0.976, 0.0], atol=1e-12)
    np.testing.assert_allclose(bones['head'].end, [0, 0.2 + 0.376 + 0.132 + 0.244, 0], atol=1e-12)
    np.testing.assert_allclose(bones['left_forearm'].end, [0.216, 0.576 - 0.644, 0], atol=1e-12)
    assert BODY.torso == pytest.approx(0.576)


@pytest.mark.parametrize(
    ('angles', 'bone', 'direction'),
    [
        ({'left_elbow': 90}, 'left_forearm', [0, 0, 1]),
        ({'left_arm_flex': 90}, 'left_upper_arm', [0, 0, 1]),
        ({'left_arm_side': 90}, 'left_upper_arm', [1, 0, 0]),
        ({'right_arm_side': 90}, 'right_upper_arm', [-1, 0, 0]),
        ({'left_arm_side': 90, 'left_arm_twist': 90, 'left_elbow': 90}, 'left_forearm', [0, 1, 0]),
        ({'right_knee': 90}, 'right_shin', [0, 0, -1]),
        ({'left_hip_flex': 90, 'left_knee': 90}, 'left_shin', [0, -1, 0]),
        ({'spine_bend': 90}, 'chest', [0, 0, 1]),
        ({'nod': 90}, 'head', [0, 0, 1]),
        ({'yaw': 90, 'left_elbow': 90}, 'left_forearm', [1, 0, 0]),
        ({'pitch': 90}, 'chest', [0, 0, 1]),
    ],
)
def test_angles_turn_bones_the_anatomical_way(angles, bone, direction):
    moved = forward_kinematics(BODY, angles)[bone]
    vector = moved.end - moved.origin
    np.testing.assert_allclose(vector / np.linalg.norm(vector), direction, atol=1e-12)


@pytest.mark.parametrize('angles', POSES)
def test_a_mirrored_pose_gives_mirrored_bones(angles):
    bones, other = (forward_kinematics(BODY, a) for a in (angles, mirrored(angles)))
    for name, bone in bones.items():
        side, stem = split_side(name)
        twin = {'left': f'right_{stem}', 'right': f'left_{stem}', None: name}[side]
        np.testing.assert_allclose(other[twin].end, MIRROR @ bone.end, atol=1e-12)


@pytest.mark.parametrize('angles', POSES)
def test_bones_keep_their_lengths(angles):
    for name, bone in forward_kinematics(BODY, angles).items():
        stem = split_side(name)[1]
        if stem != 'foot':
            assert np.linalg.norm(bone.end - bone.origin) == pytest.approx(BODY.lengths[stem])


def test_sampled_bodies_vary_around_the_average():
    rng = np.random.default_rng(0)
    bodies = [Body.sample(rng) for _ in range(200)]
    thighs = np.array([b.lengths['thigh'] / b.stature for b in bodies])
    assert thighs.mean() == pytest.approx(0.243, rel=0.02)
    assert 0.02 < thighs.std() / thighs.mean() < 0.06
    assert min(b.stature for b in bodies) >= 1.1
    assert max(b.stature for b in bodies) <= 1.98


@pytest.mark.parametrize('family', FAMILIES)
def test_poses_stay_within_the_limits(family):
    rng = np.random.default_rng(3)
    for _ in range(40):
        pose = sample_pose(rng, yaw=10.0, family=family)
        assert pose.family == family
        assert pose.angles['yaw'] == 10.0
        for name, value in pose.angles.items():
            low, high = LIMITS[name]
            assert low <= value <= high, name


def test_an_unknown_family_is_refused_with_the_choices():
    with pytest.raises(KeyError, match="Unknown pose family 'flying'.*'walking'"):
        sample_pose(np.random.default_rng(0), yaw=0, family='flying')


def test_most_people_are_upright():
    shares = {name: share for name, (_, share) in FAMILIES.items()}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares['crouching'] + shares['lying'] + shares['gymnastics'] <= 0.25


@pytest.mark.parametrize('skeleton', SKELETON_NAMES)
def test_every_joint_of_every_skeleton_has_one_place(skeleton):
    stems = {split_side(joint)[1] for joint in get_skeleton(skeleton).joints}
    between = set(MIDPOINTS.get(skeleton, {}))
    # Halpe's unpaired hip is a midpoint of its paired ones, so the name is in both.
    assert set(PLACEMENTS[skeleton]) | between == stems
    assert all(place.anchor in ANCHORS for place in PLACEMENTS[skeleton].values())


def test_an_unknown_skeleton_is_refused_with_the_choices():
    with pytest.raises(KeyError, match="No placements for 'h36m'.*'mpii'"):
        joints_3d(forward_kinematics(BODY, {}), BODY, 'h36m')


@pytest.mark.parametrize('skeleton', SKELETON_NAMES)
@pytest.mark.parametrize('angles', POSES)
def test_placements_are_symmetric(skeleton, angles):
    """Exchanging the sides of a pose exchanges the joints, as a flipped image does."""
    one = joints_3d(forward_kinematics(BODY, angles), BODY, skeleton)
    two = joints_3d(forward_kinematics(BODY, mirrored(angles)), BODY, skeleton)
    np.testing.assert_allclose(two, one[get_skeleton(skeleton).flip_indices] @ MIRROR, atol=1e-12)


def test_offsets_turn_with_the_body():
    def gap(yaw):
        bones = forward_kinematics(BODY, {'yaw': yaw})
        coco, mpii = (joints_3d(bones, BODY, name) for name in ('coco', 'mpii'))
        left = [get_skeleton(name).index('left_hip') for name in ('coco', 'mpii')]
        return coco[left[0]] - mpii[left[1]]

    # COCO (.060, .055, .020) minus MPII (-.020, -.020, 0), in torso lengths of 0.576 m
    standing = np.array([0.080, 0.075, 0.020]) * 0.576
    np.testing.assert_allclose(gap(0), standing, atol=1e-12)
    np.testing.assert_allclose(gap(70), rotation_y(np.radians(70)) @ standing, atol=1e-12)


@pytest.mark.parametrize('joint', ['shoulder', 'hip', 'ankle'])
def test_the_four_datasets_disagree_by_a_few_per_cent_of_the_torso(joint):
    bones = forward_kinematics(BODY, {})
    places = np.stack(
        [
            joints_3d(bones, BODY, name)[get_skeleton(name).index(f'left_{joint}')]
            for name in ('coco', 'mpii', 'aic', 'lsp')
        ]
    )
    gaps = np.linalg.norm(places[:, None] - places, axis=-1)[np.triu_indices(4, 1)] / BODY.torso
    assert gaps.min() > 0.01
    assert gaps.max() < 0.12


def test_head_tops_and_necks_are_each_datasets_own():
    bones = forward_kinematics(BODY, {})

    def height(skeleton, joint):
        return joints_3d(bones, BODY, skeleton)[get_skeleton(skeleton).index(joint), 1]

    tops = [height('mpii', 'head_top'), height('lsp', 'head_top'), height('aic', 'head_top')]
    assert tops[0] > tops[1] > tops[2] > height('crowdpose', 'top_head')
    necks = [height('mpii', 'upper_neck'), height('lsp', 'neck'), height('aic', 'neck')]
    assert necks[0] > necks[1] > necks[2]


def test_crowdpose_limbs_and_halpe_are_cocos():
    bones = forward_kinematics(BODY, POSES[1])
    coco, sk = joints_3d(bones, BODY, 'coco'), get_skeleton('coco')
    for name in ('crowdpose', 'halpe'):
        other = joints_3d(bones, BODY, name)
        shared = [j for j in get_skeleton(name).joints if j in sk.joints]
        assert len(shared) == {'crowdpose': 12, 'halpe': 17}[name]
        for joint in shared:
            k = get_skeleton(name).index(joint)
            np.testing.assert_array_equal(other[k], coco[sk.index(joint)])


def test_midpoints_are_exact_in_the_image():
    camera = Camera.looking(
        focal=300.3, width=320, height=240, position=np.array([0.3, 0.5, 3.1]), pitch=0.2
    )
    sk = get_skeleton('mpii')
    points = joints_3d(forward_kinematics(BODY, POSES[2]), BODY, 'mpii')
    pixels = joints_2d(points, camera, 'mpii')
    for middle, joint in (('pelvis', 'hip'), ('thorax', 'shoulder')):
        pair = pixels[[sk.index(f'left_{joint}'), sk.index(f'right_{joint}')]]
        np.testing.assert_allclose(pixels[sk.index(middle)], pair.mean(0), atol=1e-9)
        # not a tautology: the projected 3-D midpoint is elsewhere under perspective
        projected = camera.project(points[sk.index(middle)])
        assert np.abs(projected - pixels[sk.index(middle)]).max() > 0.02
