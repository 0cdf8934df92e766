"""Joint spaces: the numbers and orders that are promised, and the laws that hold for all."""

import itertools
import pickle

import numpy as np
import pytest

from hpemap_mm.skeletons import JointSpace, Skeleton, get_ontology, get_skeleton, list_skeletons
from hpemap_mm.skeletons.layout import PRESETS

NAMES = list_skeletons()
PAIRS = list(itertools.combinations(NAMES, 2))
SPACES = [
    *(JointSpace.union(*pair) for pair in PAIRS),
    *(JointSpace.union(*pair, merge='near') for pair in PAIRS),
    *(JointSpace.concat(*pair) for pair in PAIRS),
    *(JointSpace.preset(name) for name in PRESETS),
    JointSpace.union(*NAMES),
    JointSpace.union(*NAMES, merge='near'),
    JointSpace.union(*NAMES, apart=['shoulder', 'hip']),
    JointSpace.concat(*NAMES),
]
by_name = pytest.mark.parametrize('space', SPACES, ids=lambda space: space.name)


# ------------------------------------------------------------------------------ what must come out


@pytest.mark.parametrize(
    ('space', 'size'),
    [
        (JointSpace.union('coco', 'mpii'), 21),
        (JointSpace.union('coco', 'mpii', 'aic'), 23),
        (JointSpace.union('coco', 'mpii', 'aic', merge='near'), 21),
        (JointSpace.union('coco', 'mpii', 'aic', merge=['head_top']), 22),
        (JointSpace.union('coco', 'mpii', apart=['shoulder', 'hip']), 25),
        (JointSpace.concat('coco', 'mpii'), 33),
        (JointSpace.concat('coco', 'mpii', 'aic'), 47),
        (JointSpace.union('coco', 'ochuman'), 17),
        (JointSpace.union('coco', 'coco_wholebody'), 133),
        (JointSpace.union('coco', 'ap10k'), 34),
        (JointSpace.union('coco', 'ap10k', merge='near'), 34),
        (JointSpace.union('ap10k', 'apt36k'), 17),
        (JointSpace.union('coco', 'ap10k', 'apt36k'), 34),
    ],
    ids=lambda value: getattr(value, 'name', value),
)
def test_sizes(space: JointSpace, size: int) -> None:
    assert len(space) == len(space.joints) == size


COCO = get_skeleton('coco').joints


@pytest.mark.parametrize(
    ('name', 'tail', 'mpii'),
    [
        (
            'seed-21',
            ('head_top', 'upper_neck', 'thorax', 'pelvis'),
            [16, 14, 12, 11, 13, 15, 20, 19, 18, 17, 10, 8, 6, 5, 7, 9],
        ),
        (
            'seed-23',
            ('head_top', 'upper_neck', 'thorax', 'pelvis', 'aic_head_top', 'aic_neck'),
            [16, 14, 12, 11, 13, 15, 20, 19, 18, 17, 10, 8, 6, 5, 7, 9],
        ),
        (
            'bmp-23',
            ('thorax', 'pelvis', 'upper_neck', 'head_top', 'aic_neck', 'aic_head_top'),
            [16, 14, 12, 11, 13, 15, 18, 17, 19, 20, 10, 8, 6, 5, 7, 9],
        ),
    ],
)
def test_union_presets(name: str, tail: tuple, mpii: list) -> None:
    space = JointSpace.preset(name)
    assert space.name == name
    assert space.joints == COCO + tail
    assert space.indices('coco').tolist() == list(range(17))
    assert space.indices('mpii').tolist() == mpii


def test_seed_33() -> None:
    space = JointSpace.preset('seed-33')
    assert space.joints[:17] == tuple(f'coco/{joint}' for joint in COCO)
    assert space.joints[17] == 'mpii/left_wrist' and space.joints[32] == 'mpii/right_ankle'
    assert space.indices('mpii').tolist() == list(range(32, 16, -1))
    assert space.flip_indices[17:].tolist() == [
        *(22, 21, 20, 19, 18, 17),  # wrists, elbows, shoulders
        *(23, 24, 25, 26),  # head_top, upper_neck, thorax, pelvis
        *(32, 31, 30, 29, 28, 27),  # ankles, knees, hips
    ]


def test_seed_21_flips_by_hand() -> None:
    flips = JointSpace.preset('seed-21').flip_indices.tolist()
    assert flips == [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 17, 18, 19, 20]


def test_default_order_is_the_first_skeletons_then_what_the_others_add() -> None:
    union = JointSpace.union('coco', 'mpii')
    assert union.joints == COCO + ('pelvis', 'thorax', 'upper_neck', 'head_top')
    assert JointSpace.union('mpii', 'coco').joints[:16] == get_skeleton('mpii').joints


# ------------------------------------------------------------------------------ laws


@by_name
def test_flipping_twice_is_nothing(space: JointSpace) -> None:
    flips = space.flip_indices
    np.testing.assert_array_equal(flips[flips], np.arange(len(space)))
    mirrored = {space.joints[i] for i, j in enumerate(flips) if i != j}
    sided = {j for j in space.joints if {'left', 'right'} & set(j.replace('/', '_').split('_'))}
    # WholeBody's own names of the face do not tell the side; AP-10K abbreviates it.
    other = {j for j in mirrored if '/face-' in j or j.startswith(('ap10k/', 'apt36k/'))}
    assert mirrored - other == sided


@by_name
def test_gather_undoes_scatter_and_both_commute_with_flipping(space: JointSpace) -> None:
    rng = np.random.default_rng(0)
    total = np.zeros(len(space), dtype=bool)
    for skeleton in space.skeletons:
        x = rng.normal(size=(3, len(skeleton), 2))
        scattered, mask = space.scatter(skeleton, x, fill=-7)
        assert scattered.shape == (3, len(space), 2)
        assert mask.sum() == len(skeleton) == len(set(space.indices(skeleton).tolist()))
        assert (scattered[:, ~mask] == -7).all()
        np.testing.assert_array_equal(space.gather(skeleton, scattered), x)
        flipped_first, _ = space.scatter(skeleton, x[:, skeleton.flip_indices], fill=-7)
        np.testing.assert_array_equal(flipped_first, scattered[:, space.flip_indices])
        np.testing.assert_array_equal(mask, mask[space.flip_indices])
        total |= mask
    assert total.all()  # no joint that nobody has


@by_name
def test_names_are_unique_and_index_finds_them(space: JointSpace) -> None:
    assert [space.index(joint) for joint in space.joints] == list(range(len(space)))
    for skeleton in space.skeletons:
        own = [space.index(f'{skeleton.name}/{joint}') for joint in skeleton.joints]
        assert own == space.indices(skeleton).tolist()


@by_name
def test_sigmas_come_from_the_first_skeleton(space: JointSpace) -> None:
    first = space.skeletons[0]
    np.testing.assert_array_equal(space.gather(first, space.sigmas, axis=0), first.sigmas)
    assert np.isfinite(space.sigmas).all() and (space.sigmas > 0).all()


@by_name
def test_mmpose_accepts_the_metainfo(space: JointSpace, parse_pose_metainfo) -> None:
    parsed = parse_pose_metainfo(space.metainfo())
    assert parsed['dataset_name'] == space.name
    assert parsed['num_keypoints'] == len(space)
    assert list(parsed['keypoint_id2name'].values()) == list(space.joints)
    assert parsed['flip_indices'] == space.flip_indices.tolist()
    assert {frozenset(p) for p in parsed['flip_pairs']} == {frozenset(p) for p in space.flip_pairs}
    assert parsed['upper_body_ids'] == list(space.upper_body_ids)
    assert parsed['lower_body_ids'] == list(space.lower_body_ids)
    assert parsed['skeleton_links'] == list(space.links)
    np.testing.assert_allclose(parsed['sigmas'], space.sigmas, rtol=1e-6)


@pytest.mark.parametrize('name', NAMES)
def test_mmpose_accepts_a_skeletons_metainfo(name: str, parse_pose_metainfo) -> None:
    skeleton = get_skeleton(name)
    parsed = parse_pose_metainfo(skeleton.metainfo())
    assert parsed['dataset_name'] == name
    assert parsed['flip_indices'] == skeleton.flip_indices.tolist()
    assert parsed['skeleton_links'] == list(skeleton.links)
    assert parsed['upper_body_ids'] == list(skeleton.upper_body_ids)


@pytest.mark.parametrize('name', [name for name in NAMES if name != 'lsp'])
def test_metainfo_is_what_mmpose_reads_from_its_own_file(name: str, parse_pose_metainfo) -> None:
    from hpemap_mm.skeletons import catalog

    entry = catalog._catalog()[name]
    theirs = parse_pose_metainfo(
        dict(from_file=str(catalog.mmpose_metainfo_folder() / entry['mmpose']))
    )
    ours = parse_pose_metainfo(get_skeleton(name).metainfo())
    different = {'dataset_name', 'stats_info'} | ({'sigmas'} if 'sigmas' in entry else set())
    for key in set(theirs) - different:
        np.testing.assert_array_equal(theirs[key], ours[key], err_msg=key)


@pytest.fixture(scope='module')
def parse_pose_metainfo():
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    return parse_pose_metainfo


# ------------------------------------------------------------------------------ details


def test_merged_joints_are_named_after_their_group() -> None:
    space = JointSpace.union('aic', 'mpii', merge='near')
    assert {'neck', 'head_top'} < set(space.joints)
    assert space.index('aic/neck') == space.index('mpii/upper_neck') == space.index('neck')
    alone = JointSpace.union('coco', 'aic', merge='near')  # nothing to merge with
    assert {'aic_neck', 'aic_head_top'} < set(alone.joints)
    only_heads = JointSpace.union('aic', 'mpii', merge=['head_top'])
    assert {'head_top', 'aic_neck', 'upper_neck'} < set(only_heads.joints)


def test_apart() -> None:
    space = JointSpace.union('coco', 'mpii', apart=['hip'])
    assert space.joints[11] == 'coco/left_hip'
    assert space.index('mpii/left_hip') != space.index('coco/left_hip')
    assert space.flip_indices[11] == 12
    assert 'left_shoulder' in space.joints


def test_order() -> None:
    joints = JointSpace.union('coco', 'mpii').joints
    space = JointSpace.union('coco', 'mpii', order=joints[::-1])
    assert space.joints == joints[::-1]
    assert space.indices('coco').tolist() == list(range(20, 3, -1))
    assert space.name != JointSpace.union('coco', 'mpii').name  # never two spaces of one name
    assert space.name == JointSpace.union('coco', 'mpii', order=joints[::-1]).name
    with pytest.raises(ValueError, match=r"missing \['nose'\], repeated \['head_top'\]"):
        JointSpace.union('coco', 'mpii', order=[*joints[1:], 'head_top'])
    with pytest.raises(KeyError, match="Did you mean 'nose'"):
        JointSpace.union('coco', 'mpii', order=['nosse'])


def test_names_say_how_a_space_is_made() -> None:
    assert JointSpace.union('coco', 'MPII16').name == 'union(coco,mpii)'
    assert JointSpace.concat('coco', 'mpii').name == 'concat(coco,mpii)'
    assert JointSpace.union('mpii', 'aic', merge='near').name == 'union(mpii,aic;merge=near)'
    full = JointSpace.union('mpii', 'aic', merge=['neck', 'head_top'], apart=['hip'])
    assert full.name == 'union(mpii,aic;merge=head_top+neck;apart=hip)'
    assert JointSpace.union('coco', 'mpii', name='mine').name == 'mine'


@pytest.mark.parametrize(
    ('config', 'expected'),
    [
        (dict(kind='union', skeletons=['coco', 'mpii']), JointSpace.union('coco', 'mpii')),
        (
            dict(kind='union', skeletons=['coco', 'aic'], merge='same', order=None),
            JointSpace.union('coco', 'aic'),
        ),
        (
            dict(kind='union', skeletons=['mpii', 'aic'], merge=['neck'], apart=['hip'], name='x'),
            JointSpace.union('mpii', 'aic', merge=['neck'], apart=['hip'], name='x'),
        ),
        (dict(kind='concat', skeletons=['coco', 'mpii']), JointSpace.concat('coco', 'mpii')),
        (dict(kind='preset', name='seed-21'), JointSpace.preset('seed-21')),
        (JointSpace.concat('aic'), JointSpace.concat('aic')),
    ],
)
def test_from_config(config, expected: JointSpace) -> None:
    assert JointSpace.from_config(config) == expected


def test_from_config_takes_mmengines_configs() -> None:
    Config = pytest.importorskip('mmengine').Config
    config = Config(dict(space=dict(kind='union', skeletons=['coco', 'mpii'], merge=['neck'])))
    assert len(JointSpace.from_config(config.space)) == 21


@pytest.mark.parametrize(
    ('config', 'error', 'message'),
    [
        (dict(skeletons=['coco']), ValueError, "'union', 'concat', 'preset'"),
        (dict(kind='sum', skeletons=['coco']), ValueError, 'kind='),
        ('seed-21', ValueError, 'is a dict'),
        (dict(kind='union'), ValueError, "needs 'skeletons'"),
        (dict(kind='concat', skeletons=['coco'], merge='near'), ValueError, 'merge'),
        (dict(kind='union', skeletons='coco'), ValueError, 'must be a list'),
        (dict(kind='union', skeletons=['coco', 'coco17']), ValueError, 'different'),
        (dict(kind='union', skeletons=[]), ValueError, 'different'),
        (dict(kind='union', skeletons=['coco'], merge='nea'), ValueError, "got 'nea'"),
        (dict(kind='union', skeletons=['coco'], merge=['nek']), KeyError, "mean 'neck'"),
        (dict(kind='union', skeletons=['coco'], apart='hip'), ValueError, 'apart must be a list'),
        (dict(kind='union', skeletons=['coco'], apart=['left_hip']), KeyError, "'hip', not"),
        (dict(kind='union', skeletons=['coco'], apart=['pelvis']), KeyError, 'keep apart'),
        (dict(kind='preset', name='seed-22'), KeyError, "Did you mean 'seed-2"),
        (dict(kind='union', skeletons=['cocco']), KeyError, "Did you mean 'coco'"),
    ],
)
def test_bad_configs(config, error, message: str) -> None:
    with pytest.raises(error, match=message):
        JointSpace.from_config(config)


def test_value_semantics() -> None:
    one, two = JointSpace.union('coco', 'mpii'), JointSpace.union('coco', 'mpii')
    assert one == two and hash(one) == hash(two)
    assert one != JointSpace.preset('seed-21')
    _ = one.flip_indices, one.sigmas
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    for array in (again.flip_indices, again.sigmas, again.indices('mpii'), one.flip_indices):
        with pytest.raises(ValueError, match='read-only'):
            array[0] = 1


def test_skeletons_are_found_by_alias_and_value() -> None:
    space = JointSpace.union('coco', 'mpii')
    mpii = get_skeleton('mpii')
    assert space.indices('MPII').tolist() == space.indices(mpii).tolist()
    resigma = mpii.with_sigmas([0.1] * 16, source='a guess')
    assert space.indices(resigma).tolist() == space.indices(mpii).tolist()
    with pytest.raises(KeyError, match="'aic'.*'coco', 'mpii'"):
        space.indices('aic')
    stranger = Skeleton.from_metainfo(get_skeleton('aic').metainfo(), name='mpii')
    with pytest.raises(KeyError, match="another skeleton named 'mpii'"):
        space.indices(stranger)


def test_scatter_by_hand() -> None:
    space = JointSpace.union('aic', 'mpii', merge='near')  # 14 + pelvis + thorax
    x = np.arange(16.0)
    scattered, mask = space.scatter('mpii', x, fill=np.nan, axis=0)
    assert scattered[space.index('neck')] == 8.0  # MPII's upper_neck
    assert scattered[space.index('right_ankle')] == 0.0
    assert mask.all() and len(space) == 16
    aic, aic_mask = space.scatter('aic', np.arange(14), axis=0)
    assert aic.dtype == np.arange(14).dtype
    assert [space.joints[i] for i in np.flatnonzero(~aic_mask)] == ['pelvis', 'thorax']
    maps = np.zeros((2, 16, 8, 6), dtype=np.float32)
    assert space.gather('aic', maps, axis=1).shape == (2, 14, 8, 6)


@pytest.mark.parametrize('shape', [(17, 2), (16,), (2,)])
def test_wrong_shapes(shape: tuple) -> None:
    space = JointSpace.union('coco', 'mpii')
    with pytest.raises(ValueError, match="16 joints of 'mpii' on axis -2"):
        space.scatter('mpii', np.zeros(shape))
    with pytest.raises(ValueError, match='21 joints'):
        space.gather('mpii', np.zeros(shape))


def test_torch_tensors_keep_their_gradient() -> None:
    torch = pytest.importorskip('torch')
    space = JointSpace.union('coco', 'mpii')
    x = torch.ones(2, 16, 3, 4, requires_grad=True)
    scattered, mask = space.scatter('mpii', x, axis=1)
    assert scattered.shape == (2, 21, 3, 4) and mask.sum() == 16
    assert scattered[:, ~mask].eq(0).all()
    back = space.gather('mpii', scattered, axis=1)
    assert back.eq(x).all()
    back.sum().backward()
    assert x.grad.eq(1).all()


def test_two_joints_of_a_skeleton_are_never_merged() -> None:
    space = JointSpace.union(*NAMES, merge='near')
    for skeleton in space.skeletons:
        assert len(set(space.indices(skeleton).tolist())) == len(skeleton)
    groups = get_ontology().near_groups
    assert {'head_top', 'neck', 'pelvis', 'hip'} <= set(groups)


def test_links_of_a_union_occur_once() -> None:
    space = JointSpace.union('coco', 'mpii', 'aic')
    links = [frozenset(link) for link in space.links]
    assert len(links) == len(set(links))
    assert frozenset({space.index('left_elbow'), space.index('left_wrist')}) in links
    assert frozenset({space.index('upper_neck'), space.index('head_top')}) in links


def test_animals_stay_apart_from_people() -> None:
    space = JointSpace.union('coco', 'ap10k')
    assert space.joints[:17] == COCO and set(space.joints[17:]).isdisjoint(COCO)
    assert space.index('ap10k/L_Eye') == space.index('animal_left_eye')
    assert space.index('coco/left_eye') == space.index('left_eye') != space.index('ap10k/L_Eye')
    left, right = space.index('animal_left_front_paw'), space.index('animal_right_front_paw')
    assert space.flip_indices[left] == right
    apart = JointSpace.union('coco', 'mpii', 'ap10k', apart=['hip'])  # people's hips, that is
    assert {'coco/left_hip', 'mpii/left_hip', 'animal_left_hip'} <= set(apart.joints)


def test_half_bodies() -> None:
    space = JointSpace.preset('seed-21')
    assert space.lower_body_ids == (11, 12, 13, 14, 15, 16, 20)  # pelvis is MPII's lower half
    assert set(space.upper_body_ids) | set(space.lower_body_ids) == set(range(21))
