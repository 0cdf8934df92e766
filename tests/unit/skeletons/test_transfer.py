"""Correspondences between skeletons, and keypoints brought across."""

import itertools

import numpy as np
import pytest

from hpemap_mm.skeletons import (
    JointSpace,
    correspondences,
    derivations,
    get_skeleton,
    list_skeletons,
    transfer,
    transfer_matrix,
)


def relations(src, dst, **options) -> dict:
    return {c.joint: c for c in correspondences(src, dst, **options)}


def test_coco_to_mpii() -> None:
    found = relations('coco', 'mpii')
    coco = get_skeleton('coco')
    assert [c.relation for c in found.values()].count('same') == 12
    assert found['right_ankle'].sources == (coco.index('right_ankle'),)
    pelvis = found['pelvis']
    assert pelvis.relation == 'derived'
    assert pelvis.sources == (coco.index('left_hip'), coco.index('right_hip'))
    assert pelvis.weights == (0.5, 0.5)
    assert found['thorax'].relation == 'derived'
    assert found['upper_neck'].relation == found['head_top'].relation == 'none'


def test_estimates_only_on_request() -> None:
    neck = relations('coco', 'mpii', approximate=True)['upper_neck']
    assert neck.relation == 'derived' and not neck.exact and '0.30 head sizes' in neck.note
    assert relations('coco', 'mpii', approximate=True)['head_top'].relation == 'none'
    assert relations('coco', 'mpii', derived=False)['pelvis'].relation == 'none'
    without = relations('coco', 'mpii', derived=False, approximate=True)
    assert without['upper_neck'].relation == 'none'


def test_near() -> None:
    found = relations('mpii', 'aic')
    mpii = get_skeleton('mpii')
    assert found['neck'].relation == 'near' and found['neck'].sources == (mpii.index('upper_neck'),)
    assert found['head_top'].sources == (mpii.index('head_top'),)
    assert not found['head_top'].exact and found['head_top'].note
    assert relations('mpii', 'aic', near=False)['neck'].relation == 'none'


def test_an_exact_derivation_beats_near_and_near_beats_an_inexact_one() -> None:
    halpe = get_skeleton('halpe')
    found = relations('halpe', 'mpii', approximate=True)
    assert found['pelvis'].relation == 'derived'  # not Halpe's own, clicked hip
    assert found['pelvis'].sources == (halpe.index('left_hip'), halpe.index('right_hip'))
    assert found['upper_neck'].relation == 'near'
    h36m = get_skeleton('h36m')  # whose hips are only near: its root is the better pelvis
    assert relations('h36m', 'mpii')['pelvis'].sources == (h36m.index('root'),)


def test_derivations_chain() -> None:
    spine = relations('coco', 'h36m', approximate=True)['spine']
    coco = get_skeleton('coco')
    quarter = {
        joint: 0.25 for joint in ('left_hip', 'right_hip', 'left_shoulder', 'right_shoulder')
    }
    assert {coco.joints[k]: w for k, w in zip(spine.sources, spine.weights, strict=True)} == quarter
    assert relations('coco', 'h36m')['spine'].relation == 'none'


def test_doubts_are_told_where_there_is_reason_to() -> None:
    hip = relations('coco', 'mpii')['left_hip']
    assert hip.relation == 'same' and not hip.exact and 'hips' in hip.note
    assert relations('coco', 'mpii')['left_knee'].exact
    assert relations('coco', 'coco')['left_hip'].exact
    assert relations('coco', 'coco_wholebody')['left_hip'].exact  # the very same labels


PAIRS = list(itertools.product(list_skeletons(), repeat=2))


@pytest.mark.parametrize('options', [dict(), dict(approximate=True), dict(near=False)])
@pytest.mark.parametrize(('src', 'dst'), PAIRS)
def test_weights_sum_to_one_and_flips_commute(src: str, dst: str, options: dict) -> None:
    source, target = get_skeleton(src), get_skeleton(dst)
    records = correspondences(source, target, **options)
    matrix = transfer_matrix(records, len(source))
    sums = [0.0 if record.relation == 'none' else 1.0 for record in records]
    np.testing.assert_allclose(matrix.sum(1), sums)
    flipped = matrix[target.flip_indices][:, source.flip_indices]
    np.testing.assert_array_equal(matrix, flipped)
    if src == dst:
        np.testing.assert_array_equal(matrix, np.eye(len(source)))


ANIMALS = ('ap10k', 'apt36k')
PEOPLE = [name for name in list_skeletons() if name not in ANIMALS]


@pytest.mark.parametrize(('animal', 'person'), itertools.product(ANIMALS, PEOPLE))
def test_nothing_leads_from_people_to_animals_or_back(animal: str, person: str) -> None:
    for pair in ((animal, person), (person, animal)):
        assert {c.relation for c in correspondences(*pair, approximate=True)} == {'none'}


def test_the_animals_joints_are_the_same() -> None:
    for pair in (ANIMALS, ANIMALS[::-1]):
        assert all(c.relation == 'same' and c.exact for c in correspondences(*pair))


def test_transfer_by_hand() -> None:
    coco, mpii = get_skeleton('coco'), get_skeleton('mpii')
    keypoints = np.zeros((2, 17, 2), dtype=np.float32)
    keypoints[:, coco.index('left_hip')] = [10, 40]
    keypoints[:, coco.index('right_hip')] = [6, 42]
    valid = np.ones((2, 17), dtype=int)
    valid[1, coco.index('right_hip')] = 0  # visibility 0: not annotated
    keypoints[1, coco.index('right_hip')] = np.nan
    moved, moved_valid, relation = transfer('coco', 'mpii', keypoints, valid, fill=-1)
    assert moved.shape == (2, 16, 2) and moved.dtype == np.float32
    assert moved[0, mpii.index('pelvis')].tolist() == [8, 41]
    assert moved_valid[0, mpii.index('pelvis')]
    assert not moved_valid[1, mpii.index('pelvis')]
    assert moved[1, mpii.index('pelvis')].tolist() == [-1, -1]
    assert moved[1, mpii.index('left_hip')].tolist() == [10, 40]
    assert not moved_valid[:, mpii.index('head_top')].any()
    assert relation[mpii.index('pelvis')] == 'derived'
    assert relation[mpii.index('head_top')] == 'none'


def test_transfer_moves_turns_and_scales_with_the_person() -> None:
    rng = np.random.default_rng(0)
    keypoints, valid = rng.normal(size=(17, 2)), np.ones(17, dtype=bool)
    turn = 3 * np.array([[0.6, -0.8], [0.8, 0.6]])
    moved, ok, _ = transfer('coco', 'mpii', keypoints, valid, approximate=True)
    other, _, _ = transfer('coco', 'mpii', keypoints @ turn + [5, 7], valid, approximate=True)
    np.testing.assert_allclose(other[ok], moved[ok] @ turn + [5, 7])


def test_transfer_refuses_what_does_not_fit() -> None:
    good = np.zeros((17, 2))
    with pytest.raises(ValueError, match=r"\(..., 17, 2\) of 'coco'"):
        transfer('coco', 'mpii', np.zeros((16, 2)), np.ones(16))
    with pytest.raises(ValueError, match='valid has shape'):
        transfer('coco', 'mpii', good, np.ones(16))
    bad = good.copy()
    bad[3, 0] = np.nan
    with pytest.raises(ValueError, match='1 valid keypoints are not finite'):
        transfer('coco', 'mpii', bad, np.ones(17))


def test_spaces_as_source_and_destination() -> None:
    space = JointSpace.union('coco', 'mpii')
    to_aic = relations(space, 'aic')
    assert to_aic['neck'].sources == (space.index('upper_neck'),)
    assert to_aic['left_hip'].sources == (space.index('left_hip'),)
    to_space = correspondences('mpii', space)
    assert [c.relation for c in to_space] == ['none'] * 5 + ['same'] * 16
    concat = JointSpace.concat('mpii', 'coco')
    nose, hip = relations(concat, 'coco')['nose'], relations(concat, 'coco')['left_hip']
    assert nose.sources == (concat.index('coco/nose'),)
    assert hip.sources == (concat.index('mpii/left_hip'),)  # the first that has it


def test_what_a_skeleton_derives_of_its_own_joints():
    for name in ('mpii', 'h36m', 'coco', 'lsp'):
        skeleton = get_skeleton(name)
        found = {r.joint: r for r in derivations(skeleton) if r.relation != 'none'}
        assert set(found) == {'mpii': {'pelvis', 'thorax'}, 'h36m': {'root'}}.get(name, set())
        for joint, record in found.items():
            assert record.relation == 'derived' and record.exact
            assert skeleton.index(joint) not in record.sources
            assert record.weights == (0.5, 0.5)
