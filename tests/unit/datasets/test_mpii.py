import json

import numpy as np
import pytest
from mmengine.registry import DATASETS
from mmpose.datasets import MpiiDataset as UpstreamMpiiDataset
from scipy.io import loadmat, savemat

from hpemap_mm.datasets import MpiiDataset
from hpemap_mm.datasets.mpii import number_images, read_person
from hpemap_mm.errors import DataError


def row(**more):
    return {
        'image': '015601864.jpg',
        'center': [101.0, 201.0],
        'scale': 2.0,
        'joints': [[-1.0, -1.0], [11.0, 21.0], [1.0, 1.0], *[[5.0, -3.0]] * 13],
        'joints_vis': [0] + [1] * 15,
        **more,
    }


def test_one_is_subtracted_once():
    person = read_person(row())
    assert person['keypoints'].shape == (1, 16, 2)
    assert person['keypoints'].dtype == person['keypoints_visible'].dtype == np.float32
    assert person['keypoints'][0, 1].tolist() == [10, 20]
    assert person['keypoints'][0, 2].tolist() == [0, 0]
    assert person['keypoints'][0, 3].tolist() == [4, -4]  # labelled, outside the image
    # centre: (101, 201 + 15 * 2) - 1; box: 400 px square around it
    assert person['bbox_center'].tolist() == [[100, 230]]
    assert person['bbox_scale'].tolist() == [[400, 400]]
    assert person['bbox'].tolist() == [[-100, 30, 300, 430]]
    assert person['area'].tolist() == pytest.approx([400 * 400 * 0.53])


def test_missing_joints_have_no_place():
    person = read_person(row())
    assert person['keypoints'][0, 0].tolist() == [0, 0]
    assert person['keypoints_visible'].tolist() == [[0] + [1] * 15]
    assert person['num_keypoints'] == 15


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (['015601864.jpg', '7.jpg', '015601864.jpg'], {'015601864.jpg': 15601864, '7.jpg': 7}),
        (['im_a.jpg', '7.jpg', 'im_a.jpg'], {'im_a.jpg': 0, '7.jpg': 1}),
        (['07.jpg', '7.jpg'], {'07.jpg': 0, '7.jpg': 1}),  # the same number
        (['a/1.jpg', 'b/1.jpg'], {'a/1.jpg': 0, 'b/1.jpg': 1}),
        (['1.2.jpg'], {'1.2.jpg': 0}),
        (['²3.jpg'], {'²3.jpg': 0}),  # a digit to str.isdigit(), not to int()
    ],
)
def test_image_numbers(names, expected):
    assert number_images(names) == expected


def write(folder, rows, boxes=None):
    (folder / 'mpii.json').write_text(json.dumps(rows))
    settings = {'ann_file': 'mpii.json', 'data_root': str(folder), 'data_prefix': {'img': 'images'}}
    if boxes is not None:
        savemat(folder / 'gt.mat', {'headboxes_src': boxes})
        settings |= {'headbox_file': str(folder / 'gt.mat'), 'test_mode': True}
    return settings


def test_rows_of_the_official_file(tmp_path):
    """In tests all rows are there, in training those with a label; ids are rows in both."""
    nobody = row(joints=[[-1.0, -1.0]] * 16, joints_vis=[0] * 16)
    settings = write(tmp_path, [nobody, row(), row(image='im_b.png')])
    train = MpiiDataset(**settings)
    assert [train.get_data_info(i)['id'] for i in range(len(train))] == [1, 2]
    test = MpiiDataset(**settings, test_mode=True)
    assert [test.get_data_info(i)['id'] for i in range(len(test))] == [0, 1, 2]
    info = test.get_data_info(2)
    assert info['img_path'] == str(tmp_path / 'images' / 'im_b.png')
    assert info['img_id'] == 1
    assert info['dataset_name'] == 'mpii'


def test_head_boxes(tmp_path):
    boxes = np.zeros((2, 2, 2))
    boxes[:, :, 0] = [[11, 21], [14, 25]]  # 3 x 4 px: diagonal 5
    boxes[:, :, 1] = [[1, 1], [7, 9]]  # 6 x 8: 10
    dataset = MpiiDataset(**write(tmp_path, [row(), row()], boxes))
    infos = [dataset.get_data_info(i) for i in range(2)]
    np.testing.assert_allclose([i['head_size'] for i in infos], [[[3.0]], [[6.0]]])
    assert infos[0]['head_box'].tolist() == [[10, 20, 13, 24]]


def test_head_boxes_of_another_file(tmp_path):
    with pytest.raises(DataError, match='has 3 head boxes, but .*mpii.json has 2 persons'):
        MpiiDataset(**write(tmp_path, [row(), row()], np.zeros((2, 2, 3))))


def test_the_headbox_file_is_below_the_data_root(tmp_path):
    settings = write(tmp_path, [row()], np.zeros((2, 2, 1)))
    settings['headbox_file'] = 'gt.mat'
    dataset = MpiiDataset(**settings)
    assert dataset.headbox_file == str(tmp_path / 'gt.mat')
    assert dataset.get_data_info(0)['head_size'].tolist() == [[0.0]]


def test_registered_beside_mmposes():
    assert DATASETS.get('hpemap_mm.MpiiDataset') is MpiiDataset
    assert DATASETS.get('mmpose.MpiiDataset') is UpstreamMpiiDataset


@pytest.fixture(scope='module')
def mpii_val(shared_data):
    folder = shared_data / 'mpii'
    if not (folder / 'mpii_gt_val.mat').is_file():
        pytest.skip('no MPII val files in the data folder')
    dataset = MpiiDataset(
        ann_file=str(folder / 'mpii_val.json'),
        headbox_file=str(folder / 'mpii_gt_val.mat'),
        test_mode=True,
    )
    return folder, [dataset.get_data_info(i) for i in range(len(dataset))]


def test_real_joints_are_the_jsons_minus_one(mpii_val):
    folder, infos = mpii_val
    assert [info['id'] for info in infos] == list(range(2958))
    # The first person of the file: right ankle 804, 711 there.
    assert infos[0]['keypoints'][0, 0].tolist() == [803, 710]
    rows = json.loads((folder / 'mpii_val.json').read_text())
    joints = np.array([r['joints'] for r in rows]) - 1
    visible = np.array([r['joints_vis'] for r in rows]) > 0
    found = np.concatenate([info['keypoints'] for info in infos])
    np.testing.assert_allclose(found[visible], joints[visible], atol=1e-4)
    assert not found[~visible].any()


def test_real_joints_are_those_of_the_scoring_file(mpii_val):
    folder, infos = mpii_val
    truth = loadmat(folder / 'mpii_gt_val.mat')
    missing = truth['jnt_missing'].T > 0
    points = np.transpose(truth['pos_gt_src'], (2, 0, 1)) - 1
    found = np.concatenate([info['keypoints'] for info in infos])
    visible = np.concatenate([info['keypoints_visible'] for info in infos]) > 0
    np.testing.assert_array_equal(visible, ~missing)
    apart = visible & (np.abs(found - points).max(axis=-1) > 1e-3)
    # The scoring file has lost 13 coordinates of 88,480: it holds 0 (here -1) in their place.
    assert apart.sum() == 13
    lost = points[apart][np.abs(found - points)[apart] > 1e-3]
    np.testing.assert_allclose(lost, -1, atol=1e-6)


def test_real_rows_against_mmposes_reader(mpii_val):
    """Everything but the joints is as MMPose reads it."""
    folder, infos = mpii_val
    upstream = UpstreamMpiiDataset(
        ann_file=str(folder / 'mpii_val.json'),
        headbox_file=str(folder / 'mpii_gt_val.mat'),
        test_mode=True,
    )
    assert len(upstream) == len(infos)
    for i in (0, 1, 1000, 2957):
        theirs = upstream.get_data_info(i)
        ours = infos[i]
        assert theirs.keys() <= ours.keys()
        for key in theirs.keys() - {'keypoints'}:
            np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)
        seen = ours['keypoints_visible'] > 0
        np.testing.assert_allclose(ours['keypoints'][seen] + 1, theirs['keypoints'][seen])


def test_head_sizes_are_those_of_the_head_segments(mpii_val):
    """Independent of the .mat: 0.75 x |upper_neck - head_top|, for persons who have both."""
    _, infos = mpii_val
    ratios = []
    for info in infos:
        if info['keypoints_visible'][0, 8:10].all():
            segment = np.linalg.norm(info['keypoints'][0, 8] - info['keypoints'][0, 9])
            ratios.append(info['head_size'].item() / segment)
    np.testing.assert_allclose(np.percentile(ratios, [5, 50, 95]), 0.75, atol=2e-3)
