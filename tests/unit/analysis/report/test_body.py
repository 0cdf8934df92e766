import numpy as np
import pytest

from hpemap_mm.analysis.report import standing_body
from hpemap_mm.analysis.report.body import canonical_place, silhouette
from hpemap_mm.skeletons import Skeleton, get_ontology, get_skeleton, list_skeletons


def mirrored(point):
    return pytest.approx((-point[0], point[1]), abs=1e-9)


ANIMALS = ('ap10k', 'apt36k')


@pytest.mark.parametrize('name', [name for name in list_skeletons() if name not in ANIMALS])
def test_every_known_skeleton_of_people_stands(name):
    skeleton = get_skeleton(name)
    places = standing_body(skeleton).positions

    assert tuple(places) == skeleton.joints
    for joint, swap in zip(skeleton.joints, skeleton.swaps, strict=True):
        assert places[swap] == mirrored(places[joint])
        if 'left' in joint:
            assert places[joint][0] > 0


@pytest.mark.parametrize('name', ANIMALS)
def test_an_animal_does_not_stand_like_a_person(name):
    with pytest.raises(ValueError, match='Nothing tells where .*L_F_Paw'):
        standing_body(get_skeleton(name))


def test_every_canonical_joint_of_people_has_a_place():
    definitions = get_ontology().definitions
    joints = [j for j in definitions if '/' not in j and not j.startswith('animal_')]

    assert [j for j in joints if canonical_place(j) is None] == []
    # No two joints of one dataset's finest parts coincide.
    whole = np.array(list(standing_body(get_skeleton('coco_wholebody')).positions.values()))
    distances = np.linalg.norm(whole[:, None] - whole[None], axis=2) + np.eye(len(whole))
    twins = {'nose', 'face-30'}  # iBUG's tip of the nose is COCO's nose
    names = get_skeleton('coco_wholebody').joints
    close = {names[i] for i, j in zip(*np.nonzero(distances < 1e-3), strict=True)}
    assert close <= twins


def test_the_frame_is_in_head_sizes():
    places = standing_body(get_skeleton('mpii')).positions
    head = np.subtract(places['upper_neck'], places['head_top'])

    # MPII's head size is 0.75 x this distance; y runs down.
    assert head == pytest.approx((0.0, 1 / 0.75))
    assert places['pelvis'] == pytest.approx((0.0, 0.0))
    assert places['left_ankle'][1] > places['left_knee'][1] > places['left_hip'][1]
    assert places['thorax'] == pytest.approx(
        np.mean([places['left_shoulder'], places['right_shoulder']], axis=0)
    )


def inside(point, capsules):
    """Whether a point is in one of the tapered capsules."""
    for start, end, near, far in capsules:
        start, end = np.array(start), np.array(end)
        along = np.dot(np.subtract(point, start), end - start) / np.sum((end - start) ** 2)
        along = np.clip(along, 0, 1)
        distance = np.linalg.norm(point - (start + along * (end - start)))
        if distance <= near + along * (far - near) + 0.02:
            return True
    return False


@pytest.mark.parametrize('name', ['coco', 'mpii', 'aic', 'h36m'])
def test_joints_are_on_the_silhouette(name):
    capsules = list(silhouette())
    places = standing_body(get_skeleton(name)).positions
    outside = {joint for joint, place in places.items() if not inside(place, capsules)}

    # Ears and the top of the head are at the edge.
    assert outside <= {'left_ear', 'right_ear', 'head_top', 'head'}


def own_skeleton():
    return Skeleton.from_metainfo(
        {
            'dataset_name': 'tails',
            'keypoint_info': {
                0: {'name': 'nose', 'id': 0, 'swap': ''},
                1: {'name': 'tail', 'id': 1, 'swap': ''},
            },
            'skeleton_info': {0: {'link': ('nose', 'tail'), 'id': 0}},
            'sigmas': [],
        }
    )


def test_a_skeleton_of_ones_own_needs_positions():
    with pytest.raises(KeyError, match='tails'):
        standing_body(own_skeleton())
    with pytest.raises(KeyError, match='tails'):
        standing_body(own_skeleton(), {'nose': (0.0, 1.0)})

    body = standing_body(own_skeleton(), {'nose': (0.0, 1.0), 'tail': (0.5, 2.0)})

    assert dict(body.positions) == {'nose': (0.0, 1.0), 'tail': (0.5, 2.0)}
    assert body.links == (('nose', 'tail'),)


def test_positions_override_known_places():
    body = standing_body(get_skeleton('coco'), {'nose': (0.0, 0.0)})

    assert body.positions['nose'] == (0.0, 0.0)
    assert body.positions['left_hip'] == standing_body(get_skeleton('mpii')).positions['left_hip']
