from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from hpemap_mm.datasets import LspDataset
from hpemap_mm.datasets.lsp import box_around, labelled_joints


def test_labels():
    joints = np.array([[[1, 2, 1], [1, 2, 0], [-1, 2, 1], [1, -0.5, 1], [0, 0, 1]]], float)
    assert labelled_joints(joints).tolist() == [[True, False, False, False, True]]


@pytest.mark.parametrize(
    ('padding', 'expected'),
    [
        (1.0, [10, 20, 30, 60]),
        (1.5, [5, 10, 35, 70]),  # half sizes 15 and 30 around (20, 40)
        (9.0, [0, 0, 99, 79]),  # clipped to 100 x 80
    ],
)
def test_boxes(padding, expected):
    points = np.array([[10, 60], [30, 20], [15, 30]], float)
    box = box_around(points, padding=padding, image_size=(100, 80))
    assert box.tolist() == [expected]
    assert box.dtype == np.float32


@pytest.fixture
def files(tmp_path):
    for name in ('im1.jpg', 'im2.jpg'):
        Image.new('RGB', (100, 80)).save(tmp_path / name)
    joints = np.zeros((3, 14, 3), np.float32)
    joints[0, :2] = [[10, 20, 1], [30, 60, 1]]
    joints[0, 2] = [-7, 3, 1]
    joints[2, 12:] = [[40, 40, 1], [50, 70, 1]]
    np.savez(tmp_path / 'a.npz', image=np.array(['im1.jpg', 'im1.jpg', 'im2.jpg']), joints=joints)
    return {'ann_file': 'a.npz', 'data_root': str(tmp_path), 'data_prefix': {'img': ''}}


def test_persons(files):
    dataset = LspDataset(**files, box_padding=1.0)
    assert len(dataset) == 2  # the second has no labelled joint
    first, second = (dataset.get_data_info(i) for i in range(2))
    assert (first['id'], second['id']) == (0, 2)
    assert (first['img_id'], second['img_id']) == (0, 1)
    assert first['img_path'].endswith('im1.jpg')
    assert first['bbox'].tolist() == [[10, 20, 30, 60]]
    assert first['keypoints'].shape == (1, 14, 2)
    assert first['keypoints'][0, :3].tolist() == [[10, 20], [30, 60], [0, 0]]
    assert first['keypoints_visible'][0].tolist() == [1, 1] + [0] * 12
    assert first['num_keypoints'] == 2
    assert first['dataset_name'] == 'lsp'
    assert dataset.metainfo['keypoint_id2name'][13] == 'head_top'


def test_boxes_of_photographs_that_exif_turns(files):
    folder = Path(files['data_root'])
    exif = Image.Exif()
    exif[274] = 6  # stored 100 x 80, read 80 x 100
    Image.new('RGB', (100, 80)).save(folder / 'im1.jpg', exif=exif)
    with np.load(folder / 'a.npz') as old:
        joints = old['joints']
    joints[0, :2, :2] = [[70, 20], [95, 90]]
    np.savez(folder / 'a.npz', image=np.array(['im1.jpg', 'im1.jpg', 'im2.jpg']), joints=joints)
    first = LspDataset(**files, box_padding=1.0).get_data_info(0)
    assert cv2.imread(str(folder / 'im1.jpg')).shape[:2] == (100, 80)
    assert first['bbox'].tolist() == [[70, 20, 79, 90]]


def test_a_damaged_photograph_is_left_to_who_loads_it(files):
    (Path(files['data_root']) / 'im1.jpg').write_bytes(b'P6 1x')  # Pillow: ValueError
    assert LspDataset(**files).get_data_info(0)['num_keypoints'] == 2


def test_a_box_that_would_cut_is_refused(files):
    with pytest.raises(ValueError, match='at least 1, got 0.5'):
        LspDataset(**files, box_padding=0.5)


def test_real_persons(shared_data):
    folder = shared_data / 'lspet'
    dataset = LspDataset(
        ann_file=str(folder / 'lspet_val.npz'), data_prefix={'img': str(folder / 'images')}
    )
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert len(infos) == 506
    for info in infos:
        seen = info['keypoints'][info['keypoints_visible'] > 0]
        x1, y1, x2, y2 = info['bbox'][0]
        assert x2 > x1
        assert y2 > y1
        inside = (seen >= [x1 - 1, y1 - 1]) & (seen <= [x2 + 1, y2 + 1])
        assert inside.mean() > 0.8  # all but those marked outside the image
    assert sum(info['num_keypoints'] for info in infos) > 10 * len(infos)
