"""COCO to YOLO and back: the same numbers; what cannot be carried over is counted."""

import json
import os

import numpy as np
import pytest
import yaml
from dataset_worlds import SIZES, annotation, coco_dataset, place
from PIL import Image

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files import read_truth
from hpemap_mm.persons.interchange import convert_dataset, from_coco, from_yolo
from hpemap_mm.skeletons import get_skeleton

JOINTS = len(get_skeleton('coco'))


def tables(path):
    """Keypoints (N, K, 3) and boxes (N, 4) of a COCO json, in the order of images and persons."""
    value = json.loads(path.read_text())
    rows = sorted(value['annotations'], key=lambda row: (row['image_id'], row['bbox']))
    keypoints = np.array([row['keypoints'] for row in rows], float)
    return keypoints.reshape(len(rows), -1, 3), np.array([row['bbox'] for row in rows], float)


def test_there_and_back(convert, coco_file, photographs):
    folder, report = convert(coco_file, 'coco', 'yolo', images=[str(photographs)], place='link')
    assert sorted(os.listdir(folder)) == ['data.yaml', 'hpemap_mm.json', 'images', 'labels']
    assert report.persons == {'train': 3}
    assert report.losses == ('YOLO labels has no room for: area, id',)
    back, report = convert(folder, 'yolo', 'coco')
    assert report.skeleton == 'coco'  # as data.yaml says

    (points, boxes), (points_back, boxes_back) = tables(coco_file), tables(back)
    assert np.abs(points - points_back).max() < 0.01
    assert (points[..., 2] == points_back[..., 2]).all()
    assert set(points[..., 2].ravel()) == {0, 1, 2}
    assert np.abs(boxes - boxes_back).max() < 0.01
    images, images_back = (json.loads(path.read_text())['images'] for path in (coco_file, back))
    # Not all names are numbers, so images are numbered by their place.
    assert [{**image, 'id': i + 1} for i, image in enumerate(images)] == images_back
    assert json.loads(back.read_text())['categories'][0]['keypoints'][0] == 'nose'
    truth = read_truth(back, name='back')
    assert truth.truth.skeleton.name == 'coco'


def test_a_label_by_hand(convert, coco_file):
    folder, _ = convert(coco_file, 'coco', 'yolo')
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*.txt'))
    assert files == ['labels/train/000000000007.txt', 'labels/train/sub/000000000009.txt']
    second = (folder / files[1]).read_text().splitlines()
    assert len(second) == 1
    numbers = second[0].split()
    (width, height), (x, y) = SIZES['sub/000000000009.png'], place(1, 2)
    assert numbers[:3] == ['0', f'{100.3125 / width:.8f}', f'{120.5 / height:.8f}'.rstrip('0')]
    assert numbers[5 + 3 * 2 :][:3] == [f'{x / width:.8f}', f'{y / height:.8f}'.rstrip('0'), '2']
    assert numbers[5 + 3 * 3 :][:3] == ['0', '0', '0']


def test_data_yaml(convert, coco_file):
    folder, _ = convert(coco_file, 'coco', 'yolo', splits=['val'])
    data = yaml.safe_load((folder / 'data.yaml').read_text())
    coco = get_skeleton('coco')
    assert data == {
        'train': None,  # Ultralytics wants the key
        'val': 'images/val',
        'kpt_shape': [JOINTS, 3],
        'flip_idx': coco.flip_indices.tolist(),
        'names': {0: 'person'},
        'kpt_names': {0: list(coco.joints)},
    }


def test_half_a_pixel(convert, coco_file, photographs):
    options = {'images': [str(photographs)], 'place': 'copy'}
    folder, _ = convert(coco_file, 'coco', 'yolo', half_pixel=True, **options)
    numbers = (folder / 'labels/train/000000000007.txt').read_text().split()
    x, _ = place(0, 1)
    assert float(numbers[5 + 3]) == pytest.approx((x + 0.5) / 640, abs=1e-8)
    back, _ = convert(folder, 'yolo', 'coco')  # the folder says that it is so
    assert np.abs(tables(coco_file)[0] - tables(back)[0]).max() < 0.01


def test_the_order_of_annotations_and_batches_do_not_matter(tmp_path, monkeypatch):
    world = coco_dataset(persons=9)
    world['annotations'] = [{**a, 'id': i} for i, a in enumerate(world['annotations'], 1)]
    texts = []
    for number, (rows, count) in enumerate([(1, 1024), (1, 2), (-1, 3)]):
        path = tmp_path / f'{number}.json'
        path.write_text(json.dumps({**world, 'annotations': world['annotations'][::rows]}))
        reader = from_coco.CocoReader.__init__
        monkeypatch.setitem(reader.__kwdefaults__, 'count', count)
        out = tmp_path / f'yolo_{number}'
        convert_dataset(path, out, source_format='coco', target_format='yolo')
        texts.append(
            {f.name: sorted(f.read_text().splitlines()) for f in (out / 'labels').rglob('*.txt')}
        )
    assert texts[0] == texts[1] == texts[2]
    assert sum(map(len, texts[0].values())) == 9


def test_reading_in_small_batches(convert, coco_file, photographs, monkeypatch):
    options = {'images': [str(photographs)], 'place': 'link'}
    folder, _ = convert(coco_file, 'coco', 'yolo', **options)
    whole, _ = convert(folder, 'yolo', 'coco', out='whole.json')
    monkeypatch.setattr(from_yolo, 'COUNT', 1)
    parts, _ = convert(folder, 'yolo', 'coco', out='parts.json')
    assert parts.read_bytes() == whole.read_bytes()
    assert [row['id'] for row in json.loads(whole.read_text())['annotations']] == [1, 2, 3]


def test_what_labels_cannot_say_is_counted(convert):
    world = coco_dataset(persons=1)
    (first,) = world['annotations']
    first['bbox'] = [-10, 20, 100, 200]
    first['keypoints'][3:6] = [640.5, 10, 2]  # outside, by half a pixel
    nobody = [0] * (3 * JOINTS)
    more = [
        annotation(1, 7, JOINTS, iscrowd=1, segmentation={'counts': [1], 'size': [1, 1]}),
        annotation(2, 7, JOINTS, keypoints=nobody),
        annotation(3, 7, JOINTS, keypoints=nobody, bbox=[700, 10, 20, 20]),
        annotation(4, 7, JOINTS),
        annotation(5, 7, JOINTS, keypoints=nobody),
    ]
    del more[3]['bbox'], more[4]['bbox']
    world['annotations'] += more
    folder, report = convert(world, 'coco', 'yolo')
    lines = (folder / 'labels/train/000000000007.txt').read_text().splitlines()
    assert [len(line.split()) for line in lines] == [5 + 3 * JOINTS] * 3
    assert lines[0].split()[1:5] == [
        f'{45 / 640:.8f}'.rstrip('0'),
        '0.25',
        '0.140625',
        '0.41666667',
    ]
    assert lines[0].split()[8:11] == ['0', '0', '0']
    points = np.array([place(4, k) for k in range(JOINTS) if k % 3])
    extent = (points.max(0) - points.min(0)) / (640, 480)
    assert np.array(lines[2].split()[3:5], float) == pytest.approx(extent, abs=1e-8)
    assert report.persons == {'train': 5}
    assert report.losses == (
        '1 crowd region left out: labels are of one person',
        '1 person left out: neither a box nor joints',
        '1 person left out: no box in the image',
        "1 box cut at the image's edge",
        '1 joint outside the image, now not labelled: Ultralytics would ignore the image',
        'YOLO labels has no room for: area, id, segmentation',
    )
    assert '1 box without one: the extent of the joints' in report.notes
    assert '1 person without a labelled joint: kept, as Ultralytics learns its box' in report.notes


def test_other_categories_are_counted(convert):
    world = coco_dataset()
    world['categories'].append({'id': 2, 'name': 'dog'})
    world['annotations'][1] = {'id': 5, 'image_id': 7, 'category_id': 2, 'bbox': [1, 2, 3, 4]}
    _, report = convert(world, 'coco', 'yolo')
    assert report.persons == {'train': 2}
    assert report.losses[0] == '1 annotation of other categories'


def test_every_image_gets_a_file(convert):
    world = coco_dataset(persons=1)
    folder, report = convert(world, 'coco', 'yolo')
    assert report.images == {'train': 2}
    assert (folder / 'labels/train/sub/000000000009.txt').read_text() == ''


def test_splits_are_folders(convert, tmp_path, coco_file, photographs):
    (tmp_path / 'test.json').write_text(json.dumps(coco_dataset(persons=2)))
    folder, report = convert(
        tmp_path,
        'coco',
        'yolo',
        splits=['train=coco.json', 'test'],
        images=[f'train={photographs}', f'test={photographs}'],
        place='link',
    )
    assert report.persons == {'train': 3, 'test': 2}
    assert report.notes == ('there is no val split: Ultralytics trains once data.yaml names one',)
    back, report = convert(folder, 'yolo', 'coco', out='jsons')
    assert sorted(os.listdir(back)) == ['test.json', 'train.json']
    root = json.loads((back / 'test.json').read_text())['info']['hpemap_mm']['image_root']
    assert (back / root / '000000000007.jpg').is_file()
    only, _ = convert(folder, 'yolo', 'coco', splits=['test'])
    assert json.loads(only.read_text())['annotations'][1]['id'] == 2
    with pytest.raises(DataError, match='has the splits train, test, .*is one file'):
        convert(folder, 'yolo', 'coco', out='b.json')
    with pytest.raises(DataError, match="has no split 'val' -> choose from train, test"):
        convert(folder, 'yolo', 'coco', splits=['val'])


def test_images_are_here_or_in_the_dataset(convert, coco_file, photographs, monkeypatch):
    here = photographs.parent / 'here'
    here.mkdir()
    monkeypatch.chdir(here)
    known = {'splits': ['train=coco.json'], 'place': 'copy'}
    source = photographs.parent
    for images in (['train=photographs'], ['photographs'], ['../photographs'], [str(photographs)]):
        _, report = convert(source, 'coco', 'yolo', images=images, out=f'{len(images[0])}', **known)
        assert report.images == {'train': 2}
    with pytest.raises(DataError) as error:
        convert(source, 'coco', 'yolo', images=['train=photograph'], out='b', **known)
    assert f'is no folder, nor one in {source}' in str(error.value)
    assert "did you mean 'photographs'?" in str(error.value)
    (here / 'photographs').mkdir()
    with pytest.raises(
        DataError, match='is in the current folder and in .* -> write which'
    ) as error:
        convert(source, 'coco', 'yolo', images=['train=photographs'], out='b', **known)
    assert f'{here / "photographs"} or {photographs}' in str(error.value)
    monkeypatch.chdir(source)  # both are the same
    convert(source, 'coco', 'yolo', images=['photographs'], out='b', **known)
    # Of a json its folder does not count.
    monkeypatch.chdir(here.parent.parent)
    with pytest.raises(DataError, match='photographs: is no folder -> '):
        convert(coco_file, 'coco', 'yolo', images=['photographs'], out='c', place='copy')


def test_images_are_linked_or_copied_and_never_touched(convert, coco_file, photographs):
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in photographs.rglob('*.*')}
    for how in ('link', 'copy'):
        options = {'images': [str(photographs)], 'out': how}
        folder, _ = convert(coco_file, 'coco', 'yolo', place=how, **options)
        for name in SIZES:
            image = folder / 'images' / 'train' / name
            assert image.is_symlink() == (how == 'link')
            assert image.read_bytes() == (photographs / name).read_bytes()
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in photographs.rglob('*.*')} == before


def test_labels_whose_images_are_elsewhere(convert, coco_file, photographs):
    folder, report = convert(coco_file, 'coco', 'yolo')
    assert 'the images are not in it: put them into' in report.notes[0]
    with pytest.raises(DataError, match='images/train: is not there.*--images DIR'):
        convert(folder, 'yolo', 'coco')
    Image.new('RGB', (9, 9)).save(photographs / 'other.png')
    back, report = convert(folder, 'yolo', 'coco', images=[str(photographs)])
    assert np.abs(tables(coco_file)[0] - tables(back)[0]).max() < 0.01
    assert report.notes[0] == '1 image without a label file: not part of the dataset'


def test_folders_called_images_get_another_name(convert, tmp_path):
    world = coco_dataset()
    for image in world['images']:
        image['file_name'] = f'a/images/{image["file_name"]}'
        Image.new('RGB', (image['width'], image['height'])).save(
            (tmp_path / image['file_name']).parent.mkdir(parents=True, exist_ok=True)
            or tmp_path / image['file_name']
        )
    folder, report = convert(world, 'coco', 'yolo', images=[str(tmp_path)], place='link')
    image = folder / 'images/train/a/images_/000000000007.jpg'
    assert image.is_file()
    # Where Ultralytics looks: it replaces the last images.
    label = str(image).rsplit('/images/', 1)
    assert os.path.isfile('/labels/'.join(label).replace('.jpg', '.txt'))
    assert report.notes[0].startswith("2 images from a folder 'images', here images_")
    _, report = convert(folder, 'yolo', 'coco')
    assert report.persons == {'train': 3}


@pytest.mark.parametrize(
    'name', ['../up.jpg', '/abs.jpg', 'a/../../b.jpg', 'C:\\x.jpg', 'a\nb.jpg']
)
def test_names_that_lead_elsewhere_are_refused(convert, tmp_path, name):
    world = coco_dataset()
    world['images'][0]['file_name'] = name
    with pytest.raises(DataError, match='leads out of the folder|control character'):
        convert(world, 'coco', 'yolo')
    assert not (tmp_path / 'out').exists()


def test_images_that_would_share_their_labels_are_refused(convert):
    world = coco_dataset()
    world['images'][0]['file_name'] = 'sub/000000000009.jpg'
    with pytest.raises(DataError, match="share its label file with 'sub/000000000009.jpg'"):
        convert(world, 'coco', 'yolo')


def test_sizes_come_from_the_images_where_the_json_has_none(convert, photographs):
    world = coco_dataset()
    for image in world['images']:
        del image['width'], image['height']
    with pytest.raises(DataError, match='has no width and height -> say where the images are'):
        convert(world, 'coco', 'yolo')
    folder, _ = convert(world, 'coco', 'yolo', images=[str(photographs)])
    assert (folder / 'labels/train/000000000007.txt').read_text().split()[
        3
    ] == f'{100.125 / 640:.8f}'
    _, report = convert(world, 'coco', 'coco')
    assert any('no width and height' in note for note in report.notes)
    path, _ = convert(world, 'coco', 'coco', images=[str(photographs)], out='with.json')
    assert json.loads(path.read_text())['images'][1]['height'] == 500


def test_images_of_another_size_are_refused(convert, coco_file, photographs):
    turned = Image.new('RGB', (480, 640))
    turned.save(photographs / '000000000007.jpg')
    with pytest.raises(DataError, match='is 480 x 640, but 640 x 480 in the annotations'):
        convert(coco_file, 'coco', 'yolo', images=[str(photographs)])
    exif = Image.Exif()
    exif[0x0112] = 6  # on its side: viewers, OpenCV and Ultralytics turn it
    turned.save(photographs / '000000000007.jpg', exif=exif)
    _, report = convert(coco_file, 'coco', 'yolo', images=[str(photographs)])
    assert report.persons == {'train': 3}
    (photographs / '000000000007.jpg').unlink()
    (photographs / 'sub/000000000009.png').write_bytes(b'\x89PNG nothing')
    with pytest.raises(DataError) as error:
        convert(coco_file, 'coco', 'yolo', images=[str(photographs)], out='second')
    assert 'is not there' in str(error.value)
    assert 'cannot be read as an image' in str(error.value)


def test_faults_in_a_json_name_the_row(convert, tmp_path):
    world = coco_dataset()
    world['annotations'][1]['image_id'] = 8
    world['annotations'][2]['bbox'] = [1, 2, -3, 4]
    with pytest.raises(DataError) as error:
        convert(world, 'coco', 'yolo')
    first, second = map(str, error.value.problems)
    assert 'annotation 1 (id 101, image_id 8): image_id 8 is not among the images' in first
    assert "annotation 2 (id 102, image_id 7): 'bbox' is [1, 2, -3, 4]" in second
    assert not (tmp_path / 'out').exists()  # not even a part of it


def test_faults_in_the_table_of_images(convert):
    world = coco_dataset()
    world['images'].append({'id': 7, 'file_name': '', 'width': 0, 'height': 5})
    with pytest.raises(DataError) as error:
        convert(world, 'coco', 'yolo')
    text = str(error.value)
    assert "image 2: id 7 is already that of '000000000007.jpg'" in text
    assert "image 2: 'file_name' is ''" in text
    assert "image 2: 'width' and 'height' are (0, 5)" in text


def test_a_full_folder_is_never_replaced(convert, coco_file, tmp_path):
    folder, _ = convert(coco_file, 'coco', 'yolo')
    (folder / 'mine.txt').write_text('mine')
    with pytest.raises(DataError, match='is there already, with files in it'):
        convert(coco_file, 'coco', 'yolo', overwrite=True)
    assert (folder / 'mine.txt').read_text() == 'mine'
    (tmp_path / 'out' / 'empty').mkdir()
    folder, _ = convert(coco_file, 'coco', 'yolo', out='empty')
    assert (folder / 'data.yaml').is_file()
    assert sorted(os.listdir(tmp_path / 'out')) == ['empty', 'yolo']


def test_options_that_do_not_fit(convert, coco_file, photographs):
    with pytest.raises(DataError, match='only a YOLO folder has images'):
        convert(coco_file, 'coco', 'coco', place='link')
    with pytest.raises(DataError, match='nothing of it is YOLO'):
        convert(coco_file, 'coco', 'coco', half_pixel=True)
    with pytest.raises(DataError, match='does not say where its images are -> say --images'):
        convert(coco_file, 'coco', 'yolo', place='link')
    with pytest.raises(DataError, match="split 'dev' is unknown to Ultralytics"):
        convert(coco_file, 'coco', 'yolo', splits=['dev'])
    with pytest.raises(KeyError, match='Unknown format'):
        convert(coco_file, 'coco', 'voc')
    with pytest.raises(DataError, match='is one file, --splits names'):
        convert(coco_file, 'coco', 'yolo', splits=['train=a.json'])
    with pytest.raises(DataError, match='the splits are train'):
        convert(coco_file, 'coco', 'yolo', images=[f'val={photographs}'])
    with pytest.raises(DataError, match="has the suffix '.txt'"):
        convert(coco_file, 'coco', 'coco', out='x.txt')


def test_the_skeleton_is_not_guessed(convert):
    world = coco_dataset()
    with pytest.raises(DataError, match="names the joints of 'coco', not those of 'h36m'"):
        convert(world, 'coco', 'yolo', skeleton='h36m')
    del world['categories'][0]['keypoints']
    with pytest.raises(DataError, match='names no joints -> say --skeleton, one of coco'):
        convert(world, 'coco', 'yolo')
    folder, _ = convert(world, 'coco', 'yolo', skeleton='h36m')
    data = yaml.safe_load((folder / 'data.yaml').read_text())
    assert data['flip_idx'] == get_skeleton('h36m').flip_indices.tolist()
    with pytest.raises(DataError, match='17 joints have coco'):
        convert(world, 'coco', 'yolo', skeleton='mpii', out='second')


@pytest.mark.parametrize('content', [[], [{'image_id': 1, 'keypoints': [], 'score': 1}], 3, {}])
def test_other_files_are_refused(convert, content):
    with pytest.raises(DataError):
        convert(content, 'coco', 'yolo', skeleton='coco')


def test_a_coco_json_from_pixel_1(convert, coco_file):
    path, _ = convert(coco_file, 'coco', 'coco', base=1)
    (points, boxes), (shifted, boxes_shifted) = tables(coco_file), tables(path)
    seen = points[..., 2] > 0
    assert (shifted[seen][:, :2] == points[seen][:, :2] - 1).all()
    assert (boxes_shifted == boxes - [1, 1, 0, 0]).all()
