"""AP-10K's and APT-36K's files, read by MMPose's class for AP-10K."""

import json

import numpy as np
import pytest

from hpemap_mm.datasets import MultiSkeletonDataset
from hpemap_mm.skeletons import get_skeleton

# Of tests/data/ap10k/test_ap10k.json in MMPose: an antelope from the side, one eye not seen.
ANTELOPE = {
    'id': 6,
    'image_id': 4,
    'category_id': 1,
    'bbox': [408, 197, 429, 341],
    'area': 146289,
    'iscrowd': 0,
    'num_keypoints': 16,
    'keypoints': [
        *(488, 443, 2, 0, 0, 0, 466, 499, 2, 600, 307, 2, 787, 255, 2),
        *(643, 369, 2, 660, 438, 2, 684, 514, 2, 592, 380, 2, 594, 443, 2, 591, 520, 2),
        *(757, 350, 2, 778, 408, 2, 772, 513, 2, 729, 352, 2, 778, 400, 2, 765, 497, 2),
    ],
}


@pytest.fixture
def file(tmp_path):
    """A file in AP-10K's form: a category for each species."""
    content = {
        'info': {'description': 'AP-10k'},
        'images': [
            {'id': 4, 'file_name': '4.jpg', 'width': 1024, 'height': 683, 'background': 1},
            {'id': 9, 'file_name': '9.jpg', 'width': 1024, 'height': 683, 'background': 5},
        ],
        'annotations': [ANTELOPE, {**ANTELOPE, 'id': 7, 'image_id': 9, 'category_id': 26}],
        'categories': [
            {'id': 1, 'name': 'antelope', 'supercategory': 'Bovidae'},
            {'id': 26, 'name': 'another', 'supercategory': 'Others'},
        ],
    }
    path = tmp_path / 'animals.json'
    path.write_text(json.dumps(content))
    return path


def test_both_are_read_by_one_class_and_stay_two_skeletons(file):
    dataset = {'type': 'AP10KDataset', 'ann_file': str(file)}
    merged = MultiSkeletonDataset(
        {
            'ap10k_val': {'skeleton': 'ap10k', 'dataset': dataset},
            'apt36k_val': {'skeleton': 'apt36k', 'dataset': dataset},
            'unsaid': {'dataset': dataset},
        },
        test_mode=True,
        check_images=False,
    )
    assert [merged.skeleton_of(n).name for n in merged.entries] == ['ap10k', 'apt36k', 'ap10k']
    assert merged.lens == {'ap10k_val': 2, 'apt36k_val': 2, 'unsaid': 2}  # every species counts
    ap10k = get_skeleton('ap10k')
    for index in range(len(merged)):
        info = merged[index]
        assert info['skeleton'] == merged.skeleton_of(info['dataset_name']).name
        assert info['keypoints'].shape == (1, len(ap10k), 2)
        seen = dict(zip(ap10k.joints, info['keypoints_visible'][0], strict=True))
        assert [joint for joint, v in seen.items() if v == 0] == ['R_Eye']
        assert info['keypoints'][0, ap10k.index('Root of tail')].tolist() == [787, 255]
        assert info['flip_indices'] == ap10k.flip_indices.tolist()
        # The tail lies on the other side of the hips than the neck.
        x = dict(zip(ap10k.joints, info['keypoints'][0, :, 0], strict=True))
        assert x['L_Shoulder'] < x['L_Hip'] < x['Root of tail']
        np.testing.assert_array_equal(info['area'], 146289)


def test_people_are_not_read_as_animals(file):
    entry = {'skeleton': 'coco', 'dataset': {'type': 'AP10KDataset', 'ann_file': str(file)}}
    with pytest.raises(ValueError, match="does not have the joints of skeleton 'coco'"):
        MultiSkeletonDataset({'a': entry}, test_mode=True)
