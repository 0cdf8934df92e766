"""Folders that others made: their data.yaml, their layouts, their faults."""

import json
from pathlib import Path

import pytest
import yaml
from PIL import Image

from hpemap_mm.errors import DataError
from hpemap_mm.persons.interchange.from_yolo import label_of
from hpemap_mm.skeletons import get_skeleton

COCO = get_skeleton('coco')
LINE = '0 0.5 0.5 0.25 0.5 ' + ' '.join(['0.25 0.75 2'] * len(COCO))


@pytest.fixture
def folder(tmp_path):
    """As Ultralytics' coco8-pose: path names the folder itself, joints are not named."""
    root = tmp_path / 'mine'
    for split, name in (('train', 'a.jpg'), ('val', 'b.png')):
        (root / 'images' / split).mkdir(parents=True)
        (root / 'labels' / split).mkdir(parents=True)
        Image.new('RGB', (200, 100)).save(root / 'images' / split / name)
        (root / 'labels' / split / f'{name[0]}.txt').write_text(f'{LINE}\n')
    write(root)
    return root


def write(root, name='mine.yaml', **changes):
    data = {
        'path': 'mine',
        'train': 'images/train',
        'val': 'images/val',
        'test': None,
        'kpt_shape': [len(COCO), 3],
        'flip_idx': COCO.flip_indices.tolist(),
        'names': {0: 'person'},
        **changes,
    }
    data = {key: value for key, value in data.items() if value != 'gone'}
    (root / name).write_text(yaml.safe_dump(data))


def test_a_folder_of_others(convert, folder):
    path, report = convert(folder, 'yolo', 'coco', skeleton='coco', splits=['val'])
    value = json.loads(path.read_text())
    assert value['images'] == [{'id': 1, 'file_name': 'b.png', 'width': 200, 'height': 100}]
    (row,) = value['annotations']
    assert row['bbox'] == [75, 25, 50, 50]
    assert row['area'] == pytest.approx(0.53 * 2500)
    assert row['keypoints'] == [50, 75, 2] * len(COCO)
    assert report.notes == ('1 area without one: 0.53 x the box',)


def test_who_the_joints_are_must_be_said(convert, folder):
    with pytest.raises(DataError, match=r'does not name its 17 joints .*say --skeleton: coco'):
        convert(folder, 'yolo', 'coco', splits=['val'])
    write(folder, kpt_names={0: list(COCO.joints)})
    _, report = convert(folder, 'yolo', 'coco', splits=['val'])
    assert report.skeleton == 'coco'
    with pytest.raises(DataError, match="names the joints of 'coco', not those of 'h36m'"):
        convert(folder, 'yolo', 'coco', splits=['val'], skeleton='h36m', out='x.json')


def test_flips_that_contradict_the_skeleton_are_refused(convert, folder):
    with pytest.raises(DataError, match="the joints of 'h36m' need .*correct flip_idx"):
        convert(folder, 'yolo', 'coco', splits=['val'], skeleton='h36m')
    with pytest.raises(DataError, match="has 17 joints, 'mpii' has 16"):
        convert(folder, 'yolo', 'coco', splits=['val'], skeleton='mpii')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'kpt_shape': 'gone'}, "has no 'kpt_shape': labels of boxes, not of poses"),
        ({'kpt_shape': [17]}, r"'kpt_shape' is \[17\]"),
        ({'kpt_shape': [17, 4]}, r"'kpt_shape' is \[17, 4\]"),
        ({'flip_idx': [0, 0, 1]}, "'flip_idx' is"),
        ({'names': 'gone'}, "has no 'names'"),
        ({'names': {1: 'person'}}, "'names' is"),
        ({'names': ['dog', 'cat']}, "name the persons' class 'person'"),
        ({'val': 3}, "'val' is 3"),
        ({'train': 'gone', 'val': 'gone'}, 'has no split'),
        ({'val': 'images/vall'}, "images/vall: is not there.*did you mean 'val'"),
    ],
)
def test_faults_of_a_data_yaml(convert, folder, changes, message):
    write(folder, **changes)
    with pytest.raises(DataError, match=message):
        convert(folder, 'yolo', 'coco', skeleton='coco', splits=['val'])


def test_a_yaml_that_is_none(convert, folder):
    (folder / 'mine.yaml').write_text('train: images\nval: [images')
    with pytest.raises(DataError, match=r'mine.yaml:\d: is not YAML'):
        convert(folder, 'yolo', 'coco', skeleton='coco')
    (folder / 'mine.yaml').write_text('just text')
    with pytest.raises(DataError, match='not keys and values'):
        convert(folder, 'yolo', 'coco', skeleton='coco')
    (folder / 'other.yaml').write_text('')
    with pytest.raises(DataError, match='has no data.yaml, and 2 other yaml files'):
        convert(folder, 'yolo', 'coco', skeleton='coco')
    with pytest.raises(DataError, match="is not there -> did you mean 'mine'"):
        convert(folder.with_name('mone'), 'yolo', 'coco', skeleton='coco')


def test_faults_are_told_with_file_and_line_all_at_once(convert, folder):
    (folder / 'labels/train/a.txt').write_text(f'{LINE}\n0 1 2\n')
    Image.new('RGB', (9, 9)).save(folder / 'images/train/c.jpg')
    (folder / 'labels/train/c.txt').write_text(LINE.replace('0.75', '75'))
    with pytest.raises(DataError) as error:
        convert(folder, 'yolo', 'coco', skeleton='coco', splits=['train'])
    assert [Path(p.where).name for p in error.value.problems] == ['a.txt:2', 'c.txt:1']


def test_classes_twice_said_and_lost_labels(convert, folder):
    write(folder, names={0: 'dog', 1: 'Person'})
    (folder / 'labels/val/b.txt').write_text(f'{LINE}\n1{LINE[1:]}\n1{LINE[1:]}\n')
    (folder / 'labels/val/gone.txt').write_text('')
    path, report = convert(folder, 'yolo', 'coco', skeleton='coco', splits=['val'])
    value = json.loads(path.read_text())
    assert len(value['annotations']) == 1
    assert value['categories'][0]['name'] == 'Person'
    assert report.losses == (
        '1 label file without an image',
        '1 label that is there twice: Ultralytics takes one, too',
        '1 label of other classes',
    )


def test_two_numbers_a_joint(convert, folder):
    write(folder, kpt_shape=[len(COCO), 2])
    line = '0 0.5 0.5 0.25 0.5 ' + ' '.join(['0 0', *['0.25 0.75'] * (len(COCO) - 1)])
    (folder / 'labels/val/b.txt').write_text(line)
    path, report = convert(folder, 'yolo', 'coco', skeleton='coco', splits=['val'])
    keypoints = json.loads(path.read_text())['annotations'][0]['keypoints']
    assert keypoints[:6] == [0, 0, 0, 50, 75, 2]
    assert any('17 joints without a visibility' in note for note in report.notes)


def test_lists_of_images(convert, folder):
    (folder / 'all.txt').write_text('./images/train/a.jpg\nimages/val/b.png\n\n')
    write(folder, val='all.txt')
    path, _ = convert(folder, 'yolo', 'coco', skeleton='coco', splits=['val'])
    names = [image['file_name'] for image in json.loads(path.read_text())['images']]
    assert names == ['train/a.jpg', 'val/b.png']
    write(folder, val=['images/val', 'images/train'])
    path, _ = convert(folder, 'yolo', 'coco', skeleton='coco', splits=['val'], out='x.json')
    names = [image['file_name'] for image in json.loads(path.read_text())['images']]
    assert names == ['train/a.jpg', 'val/b.png']


def test_an_image_without_labels_has_nobody(convert, folder):
    Image.new('RGB', (9, 9)).save(folder / 'images/val/empty.jpg')
    path, report = convert(folder, 'yolo', 'coco', skeleton='coco', splits=['val'])
    assert report.images == {'val': 2}
    assert len(json.loads(path.read_text())['annotations']) == 1
    (folder / 'labels/val/b.txt').unlink()
    with pytest.raises(DataError, match='none of its 2 images has labels'):
        convert(folder, 'yolo', 'coco', skeleton='coco', splits=['val'], out='x.json')


def test_path_of_another_machine(convert, folder):
    write(folder, path='/nowhere/datasets/mine')
    _, report = convert(folder, 'yolo', 'coco', skeleton='coco', splits=['val'])
    assert report.persons == {'val': 1}


@pytest.mark.parametrize(
    ('image', 'label'),
    [
        ('d/images/train/a.jpg', 'd/labels/train/a.txt'),
        ('d/images/x/images/a.b.png', 'd/images/x/labels/a.b.txt'),
        ('d/other/a.jpg', 'd/other/a.txt'),
        ('d/images.jpg', 'd/images.txt'),
    ],
)
def test_where_labels_are(image, label):
    assert label_of(Path(image)) == Path(label)
