import numpy as np
import pytest

from hpemap_mm.analysis.frames import body_frames, has_trunk, joint_places, person_sizes
from hpemap_mm.evaluation import Truth
from hpemap_mm.skeletons import get_skeleton, list_skeletons

TRUNK = ('left_shoulder', 'right_shoulder', 'left_hip', 'right_hip')


def trunks(*quadruples, skeleton='mpii', **more):
    """Persons given by left shoulder, right shoulder, left hip, right hip."""
    skeleton = get_skeleton(skeleton)
    points = np.zeros((len(quadruples), len(skeleton), 2))
    visible = np.zeros(points.shape[:2])
    for row, four in enumerate(quadruples):
        for joint, point in zip(TRUNK, four, strict=True):
            points[row, skeleton.index(joint)] = point
            visible[row, skeleton.index(joint)] = 2
    return Truth.build(name='t', skeleton=skeleton, keypoints=points, visible=visible, **{**more})


FRONT = ((30, 0), (10, 0), (27, 40), (13, 40))
BACK = ((10, 0), (30, 0), (13, 40), (27, 40))
SIDE = ((20, 0), (20, 0), (20, 40), (20, 40))
HEADSTAND = ((10, 40), (30, 40), (13, 0), (27, 0))
LYING = ((0, 10), (0, 30), (40, 13), (40, 27))


@pytest.fixture
def frames():
    truth = trunks(FRONT, BACK, SIDE, HEADSTAND, LYING, head_sizes=[10.0] * 5)
    return body_frames(truth, person_sizes(truth))


def test_who_faces_the_camera(frames):
    # Turned upright, the left of both who are not is to the right: they face the camera.
    assert frames.view().tolist() == ['front', 'back', 'side', 'front', 'front']


def test_how_the_trunk_leans(frames):
    assert frames.posture.tolist() == ['upright', 'upright', 'upright', 'inverted', 'leaning']
    assert np.abs(frames.lean).tolist() == [0, 0, 0, 180, 90]


def test_a_joint_does_not_say_itself_how_its_person_faces():
    """The shoulders are crossed, the hips are not: each joint is judged by the other girdle."""
    crossed = ((10, 0), (30, 0), (27, 40), (13, 40))
    truth = trunks(crossed, head_sizes=[10.0])
    frames = body_frames(truth, person_sizes(truth))
    assert frames.view('left_shoulder').tolist() == frames.view('thorax').tolist() == ['front']
    assert frames.view('right_hip').tolist() == frames.view('pelvis').tolist() == ['back']
    assert frames.view('nose').tolist() == ['side']


def test_the_body_frame_turns_with_the_person(frames):
    to_the_right = frames.to_body(np.tile([1.0, 0.0], (5, 1)))
    np.testing.assert_allclose(to_the_right[0], [1, 0])  # front: to its left
    np.testing.assert_allclose(to_the_right[1], [-1, 0])  # back: to its right
    assert np.isnan(to_the_right[2]).all()  # side on: no saying
    np.testing.assert_allclose(to_the_right[3], [-1, 0], atol=1e-12)
    np.testing.assert_allclose(to_the_right[4], [0, 1], atol=1e-12)  # lying: down the trunk


def test_mirroring_a_picture_mirrors_the_frame():
    """In the mirror a person's left is its right: x changes sign, y does not."""
    rng = np.random.default_rng(0)
    four = np.asarray(FRONT) + rng.normal(0, 1, (4, 2))
    left_shoulder, right_shoulder, left_hip, right_hip = four * [-1, 1]
    truth = trunks(
        four, (right_shoulder, left_shoulder, right_hip, left_hip), head_sizes=[10.0] * 2
    )
    frames = body_frames(truth, person_sizes(truth))
    vector = rng.normal(size=2)
    one, other = frames.to_body(np.array([vector, vector * [-1, 1]]))
    np.testing.assert_allclose(other, one * [-1, 1], atol=1e-12)


def test_persons_without_a_whole_trunk_have_no_frame():
    truth = trunks(FRONT, FRONT, head_sizes=[10.0] * 2)
    visible = truth.visible.copy()
    visible[1, truth.skeleton.index('left_hip')] = 0
    truth = Truth.build(
        name='t',
        skeleton=truth.skeleton,
        keypoints=truth.keypoints,
        visible=visible,
        head_sizes=[10.0] * 2,
    )
    frames = body_frames(truth, person_sizes(truth))
    assert frames.view().tolist() == ['front', '']
    assert frames.posture.tolist() == ['upright', '']


def test_sizes_by_the_best_normaliser_that_half_of_the_persons_have():
    areas = [100.0, 400.0]
    heads = person_sizes(trunks(FRONT, BACK, head_sizes=[10.0, np.nan], areas=areas))
    assert (heads.kind, heads.unit) == ('head', 'head sizes')
    assert heads.known.tolist() == [True, False]
    torsos = person_sizes(trunks(FRONT, BACK, areas=areas))
    assert (torsos.kind, torsos.values.tolist()) == ('torso', [40.0, 40.0])
    roots = person_sizes(trunks(FRONT, BACK, areas=areas), 'area')
    assert roots.values.tolist() == [10.0, 20.0]


def test_sizes_that_nobody_has_are_refused():
    with pytest.raises(ValueError, match='no person has a size'):
        person_sizes(trunks(FRONT), 'head')
    with pytest.raises(ValueError, match="Unknown normaliser 'nose'. Available"):
        person_sizes(trunks(FRONT), 'nose')


def test_places_by_meaning():
    places = joint_places(get_skeleton('crowdpose'))
    assert places['crowdpose_top_head'] == get_skeleton('crowdpose').index('top_head')


def test_every_known_skeleton_has_shoulders():
    # H36M's hips are joints of another definition, animals have none of people's: they have no
    # trunk in this sense.
    without = [name for name in list_skeletons() if not has_trunk(get_skeleton(name))]
    assert without == ['h36m', 'ap10k', 'apt36k']


def test_a_skeleton_without_a_trunk_has_no_body_frame():
    skeleton = get_skeleton('h36m')
    truth = Truth.build(
        name='t',
        skeleton=skeleton,
        keypoints=np.zeros((1, len(skeleton), 2)),
        visible=np.ones((1, len(skeleton))),
        areas=[4.0],
    )
    sizes = person_sizes(truth)
    assert sizes.kind == 'area'
    with pytest.raises(ValueError, match="'h36m' lacks shoulders or hips"):
        body_frames(truth, sizes)
