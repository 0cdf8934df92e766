"""MPII's annotations through a translator."""

import numpy as np
import pytest
from mmpose.datasets import CocoDataset
from PIL import Image
from stream_worlds import Remap, mpii_content, place

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files import read_truth
from hpemap_mm.skeletons import get_skeleton

COCO, MPII = get_skeleton('coco'), get_skeleton('mpii')


def test_annotations_to_coco(run):
    summary, written, path = run(Remap('mpii', 'coco'), mpii_content())

    assert summary.written == 'COCO json'
    assert 'no width and height' in summary.notes[0]
    assert written['images'] == [
        {'id': 7, 'file_name': '000000007.jpg'},
        {'id': 9, 'file_name': '000000009.jpg'},
    ]
    assert [row['image_id'] for row in written['annotations']] == [7, 7, 9]
    row = written['annotations'][1]
    table = np.reshape(row['keypoints'], (len(COCO), 3))
    # 1-based in, 0-based out.
    x, y = place(1, MPII.index('right_wrist'))
    assert table[COCO.index('right_wrist')].tolist() == [x, y, 2]
    # MPII's last joint, the left wrist, is not annotated; it has no nose.
    for joint in ('left_wrist', 'nose'):
        assert table[COCO.index(joint)].tolist() == [0, 0, 0]
    # Centre 201, 301 in 1-based px, moved down by 15 * 0.5; side 200 * 0.5.
    assert row['bbox'] == [150, 257.5, 100, 100]
    assert row['area'] == pytest.approx(0.53 * 100 * 100)

    truth, mine = read_truth(path).truth, read_truth_of(mpii_content(), path)
    np.testing.assert_allclose(truth.boxes, mine.boxes)
    np.testing.assert_array_equal(truth.image_ids, mine.image_ids)


def read_truth_of(content, path):
    import json

    file = path.with_name('again.json')
    file.write_text(json.dumps(content))
    return read_truth(file).truth


def test_with_photographs_mmposes_dataset_reads_it(run, tmp_path):
    for name in ('000000007.jpg', '000000009.jpg'):
        Image.new('RGB', (640, 480)).save(tmp_path / name)
    summary, written, path = run(Remap('mpii', 'coco'), mpii_content(), images=tmp_path)
    assert summary.notes == ()
    assert written['images'][0] == {
        'id': 7,
        'file_name': '000000007.jpg',
        'width': 640,
        'height': 480,
    }
    persons = CocoDataset(ann_file=str(path), pipeline=[])
    assert len(persons) == 3
    person = persons.get_data_info(0)
    np.testing.assert_allclose(
        person['keypoints'][0, COCO.index('right_knee')], place(0, MPII.index('right_knee'))
    )
    assert person['bbox'][0].tolist() == [150, 257.5, 250, 357.5]


def test_photographs_that_are_missing_are_named(run, tmp_path):
    Image.new('RGB', (640, 480)).save(tmp_path / '000000007.jpg')
    with pytest.raises(DataError, match='000000009.jpg: is not there -> give the folder'):
        run(Remap('mpii', 'coco'), mpii_content(), images=tmp_path)
    with pytest.raises(DataError, match='is no folder'):
        run(Remap('mpii', 'coco'), mpii_content(), images=tmp_path / 'nowhere')


def test_persons_without_a_box_get_that_of_their_joints(run):
    given = mpii_content()
    given[0].update(center=[-1, -1], scale=-1)
    given[1].update(center=[-1, -1], scale=-1, joints_vis=[0] * len(MPII))
    _, written, _ = run(Remap('mpii', 'coco'), given)
    first, second, _ = written['annotations']
    # Joints 0 to 14: x from 100 to 114, y from 50 to 78.
    assert first['bbox'] == [100, 50, 14, 28]
    assert (second['bbox'], second['area'], second['num_keypoints']) == ([0, 0, 0, 0], 0, 0)


def test_annotations_to_mpii_keep_their_rows(run):
    given = mpii_content()
    _, rows, path = run(Remap('mpii', 'mpii'), given)
    for before, after in zip(given, rows, strict=True):
        for key in ('image', 'center', 'scale', 'joints', 'joints_vis'):
            assert after[key] == before[key]
    read_truth(path)


def test_annotations_to_npz_keep_their_base(run):
    _, arrays, _ = run(Remap('mpii', 'coco'), mpii_content(), '.npz')
    k, s = COCO.index('right_wrist'), MPII.index('right_wrist')
    assert arrays['base'] == 1
    np.testing.assert_array_equal(arrays['keypoints'][2, k], np.add(place(2, s), 1))
    assert arrays['image'].tolist() == ['000000007.jpg'] * 2 + ['000000009.jpg']
    assert arrays['image_ids'].tolist() == [7, 7, 9]


def test_base_zero_is_believed(run):
    _, written, _ = run(Remap('mpii', 'coco'), mpii_content(), base=0)
    table = np.reshape(written['annotations'][0]['keypoints'], (len(COCO), 3))
    x, y = place(0, MPII.index('right_wrist'))
    assert table[COCO.index('right_wrist')].tolist() == [x + 1, y + 1, 2]


def test_real_annotations(run, shared_data):
    source = shared_data / 'mpii' / 'mpii_train_part.json'
    before = read_truth(source).truth
    summary, _, path = run(Remap('mpii', 'coco'), source)
    after = read_truth(path).truth
    assert summary.persons == len(before) == len(after)
    np.testing.assert_array_equal(after.image_ids, before.image_ids)
    assert after.image_names == before.image_names
    np.testing.assert_allclose(after.boxes, before.boxes, atol=1e-3)
    a, b = MPII.index('left_knee'), COCO.index('left_knee')
    assert (after.valid[:, b] == before.valid[:, a]).all()
    valid = before.valid[:, a]
    np.testing.assert_allclose(after.keypoints[valid, b], before.keypoints[valid, a], atol=1e-3)


def test_real_annotations_with_photographs(run, shared_data):
    folder = shared_data / 'real' / 'mpii'
    summary, _, path = run(Remap('mpii', 'coco'), folder / 'test_mpii.json', images=folder)
    assert len(CocoDataset(ann_file=str(path), pipeline=[])) == summary.persons
