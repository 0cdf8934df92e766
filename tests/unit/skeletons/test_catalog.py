"""The known skeletons, against the listings of the format's description; a user's own."""

import re

import numpy as np
import pytest

from hpemap_mm.errors import DataError
from hpemap_mm.skeletons import (
    Skeleton,
    as_skeleton,
    catalog,
    get_skeleton,
    list_skeletons,
    register_skeleton,
    stand_in_sigmas,
    unregister_skeleton,
)

SIZES = dict(
    coco=17,
    ochuman=17,
    coco_wholebody=133,
    mpii=16,
    aic=14,
    crowdpose=14,
    halpe=26,
    lsp=14,
    posetrack18=17,
    jhmdb=15,
    h36m=17,
    ap10k=17,
    apt36k=17,
)


# Orders as the datasets publish them, in short: L and R for the sides.
ORDERS = dict(
    coco='nose Leye Reye Lear Rear Lsho Rsho Lelb Relb Lwri Rwri Lhip Rhip Lkne Rkne Lank Rank',
    mpii='Rank Rkne Rhip Lhip Lkne Lank pelvis thorax upper_neck head_top '
    'Rwri Relb Rsho Lsho Lelb Lwri',
    aic='Rsho Relb Rwri Lsho Lelb Lwri Rhip Rkne Rank Lhip Lkne Lank head_top neck',
    crowdpose='Lsho Rsho Lelb Relb Lwri Rwri Lhip Rhip Lkne Rkne Lank Rank top_head neck',
    lsp='Rank Rkne Rhip Lhip Lkne Lank Rwri Relb Rsho Lsho Lelb Lwri neck head_top',
    posetrack18='nose head_bottom head_top Lear Rear '
    'Lsho Rsho Lelb Relb Lwri Rwri Lhip Rhip Lkne Rkne Lank Rank',
    jhmdb='neck belly head Rsho Lsho Rhip Lhip Relb Lelb Rkne Lkne Rwri Lwri Rank Lank',
    h36m='root Rhip Rkne Rfoot Lhip Lkne Lfoot spine thorax neck_base head '
    'Lsho Lelb Lwri Rsho Relb Rwri',
)
ABBREVIATIONS = dict(
    sho='shoulder', elb='elbow', wri='wrist', kne='knee', ank='ankle', hip='hip', foot='foot'
) | dict(eye='eye', ear='ear')


def in_full(short: str) -> str:
    sided = re.fullmatch('([LR])([a-z]+)', short)
    if not sided:
        return short
    side = {'L': 'left', 'R': 'right'}[sided[1]]
    return f'{side}_{ABBREVIATIONS[sided[2]]}'


def test_names_and_sizes() -> None:
    assert {name: len(get_skeleton(name)) for name in list_skeletons()} == SIZES


@pytest.mark.parametrize('name', ORDERS)
def test_order_as_published(name: str) -> None:
    assert get_skeleton(name).joints == tuple(in_full(short) for short in ORDERS[name].split())


def test_longer_orders() -> None:
    coco, halpe = get_skeleton('coco'), get_skeleton('halpe')
    whole = get_skeleton('coco_wholebody')
    assert get_skeleton('ochuman').joints == coco.joints
    assert halpe.joints[:17] == whole.joints[:17] == coco.joints
    assert halpe.joints[17:20] == ('head', 'neck', 'hip')
    assert halpe.joints[20::2] == ('left_big_toe', 'left_small_toe', 'left_heel')
    assert whole.joints[17:20] == ('left_big_toe', 'left_small_toe', 'left_heel')
    assert whole.joints[20:23] == ('right_big_toe', 'right_small_toe', 'right_heel')


def test_animals_are_in_the_order_of_ap10ks_annotations() -> None:
    # `keypoints` of the categories in AP-10K's files; MMPose abbreviates them.
    theirs = (
        'left_eye right_eye nose neck root_of_tail left_shoulder left_elbow left_front_paw '
        'right_shoulder right_elbow right_front_paw left_hip left_knee left_back_paw '
        'right_hip right_knee right_back_paw'
    )
    short = {'left': 'L', 'right': 'R', 'front': 'F', 'back': 'B'}
    ap10k = get_skeleton('ap10k')
    for joint, name in zip(ap10k.joints, theirs.split(), strict=True):
        words = [short.get(word, word) for word in name.split('_')]
        assert joint.replace(' ', '_').lower() == '_'.join(words).lower()
    apt36k = get_skeleton('apt36k')
    assert (apt36k.name, apt36k.joints) == ('apt36k', ap10k.joints)
    assert apt36k != ap10k


@pytest.mark.parametrize(
    ('name', 'pairs'),
    [
        ('ap10k', ((0, 1), (5, 8), (6, 9), (7, 10), (11, 14), (12, 15), (13, 16))),
        ('mpii', ((0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13))),
        ('lsp', ((0, 5), (1, 4), (2, 3), (6, 11), (7, 10), (8, 9))),
    ],
)
def test_flips_as_published(name: str, pairs: tuple) -> None:
    assert get_skeleton(name).flip_pairs == pairs


@pytest.mark.parametrize('name', SIZES)
def test_flips_swap_the_side_and_nothing_else(name: str) -> None:
    skeleton = get_skeleton(name)
    assert skeleton.flip_indices[skeleton.flip_indices].tolist() == list(range(len(skeleton)))
    for joint, swap in zip(skeleton.joints, skeleton.swaps, strict=True):
        if joint.startswith(('left_', 'right_')):
            assert swap != joint and swap.split('_')[1:] == joint.split('_')[1:]


@pytest.mark.parametrize(
    ('alias', 'name'),
    [
        ('coco17', 'coco'),
        ('COCO', 'coco'),
        ('mpii16', 'mpii'),
        ('MPII', 'mpii'),
        ('halpe26', 'halpe'),
        ('coco_wholebody', 'coco_wholebody'),
        ('COCO-WholeBody', 'coco_wholebody'),
        ('Human3.6M', 'h36m'),
        ('LSPET', 'lsp'),
        ('PoseTrack-18', 'posetrack18'),
        ('AP-10K', 'ap10k'),
        ('APT-36K', 'apt36k'),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert get_skeleton(alias) is get_skeleton(name)
    assert as_skeleton(get_skeleton(name)) is get_skeleton(name)


def test_unknown_name() -> None:
    with pytest.raises(KeyError, match=r"Unknown skeleton 'cocoo'\. Did you mean 'coco'\?.*'h36m'"):
        get_skeleton('cocoo')


def test_sigmas_are_mmposes() -> None:
    assert get_skeleton('coco').sigmas[:5].tolist() == [0.026, 0.025, 0.025, 0.035, 0.035]
    mpii = get_skeleton('mpii')  # kept as they are, mistyped or not
    assert mpii.sigmas[mpii.index('left_shoulder')] == 0.179
    assert mpii.sigma_source == 'MMPose mpii.py'


def test_stand_in_sigmas() -> None:
    coco, lsp, h36m = map(get_skeleton, ('coco', 'lsp', 'h36m'))
    assert 'stand-ins' in lsp.sigma_source
    for joint in set(lsp.joints) & set(coco.joints):
        assert lsp.sigmas[lsp.index(joint)] == coco.sigmas[coco.index(joint)]
    # near: CrowdPose's neck and head
    assert lsp.sigmas[lsp.index('neck')] == lsp.sigmas[lsp.index('head_top')] == 0.079
    # near: Halpe's hip; derived: the mean of H36M's root and thorax (the shoulders' mean)
    assert h36m.sigmas[h36m.index('root')] == 0.066
    assert h36m.sigmas[h36m.index('spine')] == pytest.approx((0.066 + 0.079) / 2)


def test_stand_in_sigmas_correct_mpii() -> None:
    mpii, coco = get_skeleton('mpii'), get_skeleton('coco')
    corrected = mpii.with_sigmas(stand_in_sigmas(mpii), source='stand-ins')
    for joint in set(mpii.joints) & set(coco.joints):
        assert corrected.sigmas[mpii.index(joint)] == coco.sigmas[coco.index(joint)]
    np.testing.assert_array_equal(corrected.sigmas, corrected.sigmas[corrected.flip_indices])


def test_no_stand_in_for_what_no_reference_has() -> None:
    with pytest.raises(ValueError, match=r"\['jhmdb_belly', 'jhmdb_head'\].*'jhmdb'"):
        stand_in_sigmas(get_skeleton('jhmdb'))


def test_mmpose_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, 'find_spec', lambda name: None)
    with pytest.raises(ModuleNotFoundError, match='pip install mmpose'):
        catalog.mmpose_metainfo_folder()


def test_mmpose_without_its_configs(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    class Spec:
        submodule_search_locations = [str(tmp_path / 'mmpose')]

    monkeypatch.setattr(catalog, 'find_spec', lambda name: Spec)
    with pytest.raises(FileNotFoundError, match='without configs/_base_/datasets'):
        catalog.mmpose_metainfo_folder()
    checkout = tmp_path / 'configs' / '_base_' / 'datasets'
    checkout.mkdir(parents=True)
    assert catalog.mmpose_metainfo_folder() == checkout


OWN = """
dataset_info = dict(
    dataset_name='climbers',
    keypoint_info={
        0: dict(name='left_wrist', id=0, type='upper', swap='right_wrist'),
        1: dict(name='right_wrist', id=1, type='upper', swap='left_wrist'),
        2: dict(name='head_top', id=2, type='upper', swap=''),
        3: dict(name='left_tip', id=3, type='upper', swap='right_tip'),
        4: dict(name='right_tip', id=4, type='upper', swap='left_tip'),
    },
    skeleton_info={},
    joint_weights=[1.0] * 5,
    sigmas=[])
"""


@pytest.fixture
def own_file(tmp_path):
    path = tmp_path / 'climbers.py'
    path.write_text(OWN)
    yield path
    if 'climbers' in list_skeletons():
        unregister_skeleton('climbers')


def test_register(own_file) -> None:
    skeleton = register_skeleton(own_file, canonical='by-name', aliases=('Boulder',))
    assert get_skeleton('boulder') is get_skeleton('climbers') is skeleton
    assert list_skeletons()[-1] == 'climbers'
    assert register_skeleton(own_file, canonical='by-name') == skeleton  # again is no error
    unregister_skeleton('climbers')
    with pytest.raises(KeyError):
        get_skeleton('boulder')
    with pytest.raises(KeyError, match='registered skeleton'):
        unregister_skeleton('coco')


def test_registered_skeleton_in_spaces(own_file) -> None:
    from hpemap_mm.skeletons import JointSpace, correspondences

    register_skeleton(
        own_file, canonical={'left_wrist': 'left_wrist', 'right_wrist': 'right_wrist'}
    )
    space = JointSpace.union('coco', 'climbers')
    assert space.joints[17:] == ('climbers/head_top', 'climbers/left_tip', 'climbers/right_tip')
    assert space.flip_indices[17:].tolist() == [17, 19, 18]
    assert not space.has_sigmas
    with pytest.raises(ValueError, match='climbers/head_top'):
        _ = space.sigmas
    relations = [c.relation for c in correspondences('mpii', 'climbers')]
    assert relations == ['same', 'same', 'none', 'none', 'none']


def test_register_faults_are_collected(own_file) -> None:
    canonical = {
        'left_wrist': 'left_wrist',
        'right_wrist': 'left_wrist',
        'head_top': 'hedd_top',
        'tail': 'nose',
    }
    with pytest.raises(DataError) as caught:
        register_skeleton(own_file, canonical=canonical)
    text = str(caught.value)
    for part in (
        "has no joint 'tail'",
        "'left_wrist' and 'right_wrist' are both 'left_wrist'",
        "'hedd_top' is no canonical joint",
        "its mirror image 'right_wrist' is 'left_wrist' -> expected 'right_wrist'",
    ):
        assert part in text
    assert 'climbers' not in list_skeletons()


def test_registered_joints_can_be_near_known_ones(own_file) -> None:
    from hpemap_mm.skeletons import JointSpace, correspondences, get_ontology

    register_skeleton(own_file, canonical='by-name', near={'head_top': 'head_top'})
    assert len(JointSpace.union('mpii', 'climbers')) == 16 + 3
    merged = JointSpace.union('mpii', 'climbers', merge=['head_top'])
    assert merged.index('climbers/head_top') == merged.index('mpii/head_top')
    assert merged.joints[16:] == ('climbers/left_tip', 'climbers/right_tip')
    assert [c.relation for c in correspondences('aic', 'climbers')][2] == 'near'
    assert [c.relation for c in correspondences('climbers', 'aic')][-2] == 'near'
    unregister_skeleton('climbers')
    assert not any('climbers' in m for m in get_ontology().near['head_top'].members)


@pytest.mark.parametrize(
    ('near', 'message'),
    [
        ({'head_top': 'nose'}, "'head_top' cannot be near 'nose'"),
        ({'left_tip': 'left_ankle'}, "'left_tip' is near 'left_ankle', its mirror image"),
        ({'left_tip': 'left_hip', 'right_tip': 'left_hip'}, 'in one near group'),
    ],
)
def test_faulty_near(own_file, near: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        register_skeleton(own_file, canonical={}, near=near)
    assert 'climbers' not in list_skeletons()


def test_register_needs_a_free_name(own_file) -> None:
    with pytest.raises(ValueError, match="'MPII-16' is the name of skeleton 'mpii'"):
        register_skeleton(own_file, canonical='by-name', aliases=('MPII-16',))
    with pytest.raises(ValueError, match="'coco'"):
        register_skeleton(own_file, canonical='by-name', name='coco')


def test_register_refuses_files_without_metainfo(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match='nothing.py'):
        register_skeleton(tmp_path / 'nothing.py', canonical='by-name')
    (tmp_path / 'empty.py').write_text('')
    with pytest.raises(DataError, match='no dataset_info'):
        register_skeleton(tmp_path / 'empty.py', canonical='by-name')


def test_a_stranger_by_a_known_name_is_refused() -> None:
    from hpemap_mm.skeletons import canonical_joints

    mpii = get_skeleton('mpii')
    info = mpii.metainfo() | dict(dataset_name='coco')
    with pytest.raises(KeyError, match="'coco' has other joints"):
        canonical_joints(Skeleton.from_metainfo(info))
