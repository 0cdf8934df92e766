"""The target in a space is the skeleton's own target, moved to other indices."""

import copy

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from hpemap_mm.datasets import ToJointSpace
from hpemap_mm.datasets.seeding import sample_randomness
from hpemap_mm.skeletons import JointSpace, get_skeleton, list_skeletons

SPACES = {
    'union': lambda: JointSpace.union(*list_skeletons()),
    'union-near': lambda: JointSpace.union(*list_skeletons(), merge='near'),
    'concat': lambda: JointSpace.concat('coco', 'mpii', 'aic', 'lsp'),
}
ENCODERS = {
    'udp': {'type': 'UDPHeatmap', 'heatmap_size': (12, 16), 'sigma': 2},
    'simcc': {'type': 'SimCCLabel', 'sigma': 2.0, 'simcc_split_ratio': 2.0},
    'rle': {'type': 'RegressionLabel'},
}


def person(skeleton, *, labelled, seed=0):
    """A person in the keys that MMPose's datasets give; unlabelled joints at (0, 0)."""
    rng = np.random.default_rng(seed)
    points = rng.uniform((5, 5), (59, 43), size=(1, len(skeleton), 2)).astype(np.float32)
    points[:, 2] += 40  # one joint outside the image
    visible = (rng.random((1, len(skeleton))) < labelled).astype(np.float32)
    meta = parse_pose_metainfo(skeleton.metainfo())
    keys = ('flip_indices', 'flip_pairs', 'upper_body_ids', 'lower_body_ids', 'skeleton_links')
    return {
        'img': rng.integers(0, 255, (48, 64, 3), dtype=np.uint8),
        'img_shape': (48, 64),
        'bbox': np.array([[3, 4, 55, 44]], np.float32),
        'keypoints': points * visible[..., None],
        'keypoints_visible': visible,
        'dataset_keypoint_weights': meta['dataset_keypoint_weights'],
        'skeleton': skeleton.name,
        **{key: meta[key] for key in keys},
    }


def run(pipeline, sample, seed):
    with DefaultScope.overwrite_default_scope('mmpose'):
        composed = Compose(pipeline)
    with sample_randomness(0, 0, seed):
        return composed(copy.deepcopy(sample))


def augmentations(encoder):
    return [
        {'type': 'GetBBoxCenterScale'},
        {'type': 'RandomFlip', 'direction': 'horizontal'},
        {'type': 'RandomHalfBody', 'prob': 0.7, 'min_total_keypoints': 6},
        {'type': 'RandomBBoxTransform'},
        {'type': 'TopdownAffine', 'input_size': (48, 64), 'use_udp': True},
        {
            'type': 'GenerateTarget',
            'encoder': {'input_size': (48, 64), **encoder},
            'use_dataset_keypoint_weights': True,
        },
    ]


@pytest.fixture(scope='module', params=SPACES)
def space(request):
    return SPACES[request.param]()


@pytest.mark.parametrize('encoder', ENCODERS)
def test_the_target_is_the_skeletons_own(space, encoder):
    steps = augmentations(ENCODERS[encoder])
    flipped = 0
    for skeleton in space.skeletons:
        index = space.indices(skeleton)
        others = np.setdiff1d(np.arange(len(space)), index)
        for seed, labelled in enumerate((1.0, 1.0, 0.7, 0.3, 0.0)):
            sample = person(skeleton, labelled=labelled, seed=seed)
            own = run(steps, sample, seed)
            ours = run([ToJointSpace(space), *steps], sample, seed)
            assert own['flip'] == ours['flip']
            flipped += own['flip']
            for key in ('img', 'input_center', 'input_scale'):
                np.testing.assert_array_equal(ours[key], own[key])
            weights = ours['keypoint_weights']
            np.testing.assert_array_equal(weights[:, index], own['keypoint_weights'])
            assert not weights[:, others].any()
            if encoder == 'udp':
                np.testing.assert_array_equal(ours['heatmaps'][index], own['heatmaps'])
                assert not ours['heatmaps'][others].any()
            elif encoder == 'simcc':
                for key in ('keypoint_x_labels', 'keypoint_y_labels'):
                    np.testing.assert_array_equal(ours[key][:, index], own[key])
                    assert not ours[key][:, others].any()
            else:
                labels = ours['keypoint_labels'][:, index]
                np.testing.assert_array_equal(labels, own['keypoint_labels'])
    assert 0 < flipped < 5 * len(space.skeletons)


def test_a_flip_swaps_what_the_skeleton_swaps(space):
    """By name: after a flip, the left joint is where the right one was, mirrored."""
    steps = [{'type': 'RandomFlip', 'prob': 1.0}]
    for skeleton in space.skeletons:
        sample = person(skeleton, labelled=1.0)
        out = run([ToJointSpace(space), *steps], sample, 0)
        index = space.indices(skeleton)
        for k, swap in enumerate(skeleton.swaps):
            x, y = sample['keypoints'][0, skeleton.index(swap)]
            np.testing.assert_allclose(out['keypoints'][0, index[k]], [63 - x, y], rtol=1e-6)


def test_half_bodies_are_the_skeletons_own(space):
    steps = [{'type': 'GetBBoxCenterScale'}, {'type': 'RandomHalfBody', 'prob': 1.0}]
    for skeleton in space.skeletons:
        sample = person(skeleton, labelled=1.0)
        own = run(steps, sample, 1)
        ours = run([ToJointSpace(space), *steps], sample, 1)
        assert own['bbox_center'].tolist() != [[29, 24]]  # the box's: half of a body was taken
        np.testing.assert_array_equal(ours['bbox_center'], own['bbox_center'])
        np.testing.assert_array_equal(ours['bbox_scale'], own['bbox_scale'])


def test_by_hand():
    space = JointSpace.union('coco', 'mpii')
    sample = person(get_skeleton('mpii'), labelled=1.0)
    sample['keypoints_visible'][0, 9] = 0
    out = ToJointSpace(space)(copy.deepcopy(sample))
    assert out['joint_space'] == space.name
    assert out['skeleton'] == 'mpii'
    assert out['keypoints'].shape == (1, 21, 2)
    assert out['keypoints'].dtype == out['keypoints_visible'].dtype == np.float32
    # MPII's wrist is COCO's; the nose is nobody's in MPII.
    wrist = space.index('left_wrist')
    np.testing.assert_array_equal(out['keypoints'][0, wrist], sample['keypoints'][0, 15])
    nose = space.index('nose')
    assert out['keypoints'][0, nose].tolist() == [0, 0]
    assert out['keypoints_visible'][0, nose] == 0
    assert out['dataset_keypoint_weights'][nose] == 0
    assert out['keypoints_visible'].sum() == 15
    assert out['flip_indices'] == space.flip_indices.tolist()
    assert tuple(sorted((wrist, space.index('right_wrist')))) in out['flip_pairs']
    assert wrist in out['upper_body_ids']
    assert nose not in out['upper_body_ids']


def test_occluded_counts_and_unlabelled_does_not():
    """COCO's v: 0 -> no target, 1 (occluded) and 2 -> weight 1, which is how MMPose reads them."""
    space = JointSpace.union('coco', 'mpii')
    sample = person(get_skeleton('coco'), labelled=1.0)
    sample['keypoints'][:] = (30, 20)
    sample['keypoints_visible'][0, :3] = np.minimum(1, [0, 1, 2])
    steps = augmentations(ENCODERS['udp'])
    steps = [s for s in steps if not s['type'].startswith('Random')]
    steps[-1]['use_dataset_keypoint_weights'] = False
    out = run([ToJointSpace(space), *steps], sample, 0)
    index = space.indices('coco')
    assert out['keypoint_weights'][0, index[:3]].tolist() == [0, 1, 1]
    assert out['heatmaps'][index[0]].max() == 0
    assert out['heatmaps'][index[1]].max() > 0.5


def test_visibility_with_weights_and_several_persons():
    space = JointSpace.union('coco', 'mpii')
    sample = person(get_skeleton('coco'), labelled=1.0)
    sample['keypoints'] = np.repeat(sample['keypoints'], 2, axis=0)
    sample['keypoints_visible'] = np.full((2, 17, 2), 0.5)
    sample['keypoints_visible_weights'] = np.full((2, 17), 0.25)
    out = ToJointSpace(space)(sample)
    assert out['keypoints'].shape == (2, 21, 2)
    assert out['keypoints_visible'].shape == (2, 21, 2)
    assert out['keypoints_visible'].sum() == 2 * 17 * 2 * 0.5
    assert out['keypoints_visible_weights'].sum() == 2 * 17 * 0.25


def test_errors_say_what_to_do():
    space = JointSpace.union('coco', 'mpii')
    transform = ToJointSpace(space)
    sample = person(get_skeleton('aic'), labelled=1.0)
    with pytest.raises(
        KeyError, match=r"'aic' is not in joint space .* Available: .'coco', 'mpii'"
    ):
        transform(copy.deepcopy(sample))
    del sample['skeleton']
    with pytest.raises(KeyError, match='does not name its skeleton'):
        transform(copy.deepcopy(sample))
    sample['skeleton'] = 'coco'
    with pytest.raises(ValueError, match=r"\(1, 14, 2\) do not fit skeleton 'coco' with 17"):
        transform(copy.deepcopy(sample))
    once = transform(person(get_skeleton('coco'), labelled=1.0))
    with pytest.raises(ValueError, match='is in joint space .* already'):
        transform(once)


def test_a_skeleton_may_be_given_for_datasets_that_name_none():
    sample = person(get_skeleton('coco'), labelled=1.0)
    del sample['skeleton']
    space = {'kind': 'union', 'skeletons': ['coco', 'mpii']}
    out = ToJointSpace(space, skeleton='coco')(sample)
    assert out['skeleton'] == 'coco'
    assert out['keypoints'].shape == (1, 21, 2)
