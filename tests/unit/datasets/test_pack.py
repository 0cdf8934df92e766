import numpy as np
import pytest
from mmpose.datasets.transforms import PackPoseInputs

from hpemap_mm.datasets import PackSample


def results(**more):
    return {
        'img': np.zeros((8, 6, 3), np.uint8),
        'id': 7,
        'dataset_name': 'coco_val',
        'skeleton': 'coco',
        'keypoints': np.zeros((1, 17, 2), np.float32),
        'keypoints_visible': np.ones((1, 17), np.float32),
        'bbox': np.array([[0, 0, 5, 7]], np.float32),
        **more,
    }


def test_the_skeleton_goes_along():
    sample = PackSample()(results(joint_space='union', sample_idx=3))['data_samples']
    assert sample.metainfo['skeleton'] == 'coco'
    assert sample.metainfo['dataset_name'] == 'coco_val'
    assert sample.metainfo['joint_space'] == 'union'
    assert sample.metainfo['sample_idx'] == 3
    assert 'joint_space' not in PackSample()(results())['data_samples'].metainfo


def test_it_packs_all_that_mmpose_packs():
    upstream = PackPoseInputs()(results(flip=True, input_size=(6, 8)))['data_samples']
    ours = PackSample()(results(flip=True, input_size=(6, 8)))['data_samples']
    assert upstream.metainfo.items() <= ours.metainfo.items()
    assert set(PackPoseInputs().meta_keys) <= set(PackSample().meta_keys)


@pytest.mark.parametrize('area', [np.array(12.5), np.array([12.5]), np.array([[12.5]])])
def test_areas_of_every_shape_that_datasets_give(area):
    sample = PackSample()(results(area=area))['data_samples']
    assert sample.gt_instances.areas.tolist() == [12.5]
    assert sample.gt_instances.areas.dtype == np.float32


def test_head_sizes_go_along_where_they_are_known():
    sample = PackSample()(results(head_size=np.array([[31.5]])))['data_samples']
    assert sample.gt_instances.head_sizes.tolist() == [31.5]
    assert 'head_sizes' not in PackSample()(results())['data_samples'].gt_instances


def test_keys_may_be_chosen():
    assert PackSample(meta_keys=('id',)).meta_keys == ('id',)
    assert PackSample(meta_keys=('id',), extra_meta_keys=('id', 'skeleton')).meta_keys == (
        'id',
        'skeleton',
    )
    assert PackSample(extra_meta_keys=('video',)).meta_keys[-1] == 'video'
