"""Completed datasets out of the house, and MPII's list in and out."""

import json
import re

import numpy as np
import pytest
from dataset_worlds import PROVENANCE, coco_dataset, completed_dataset, place
from pycocotools.coco import COCO

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files import read_truth
from hpemap_mm.skeletons import get_skeleton

MPII = get_skeleton('mpii')


def test_all_fields_are_kept(convert, tmp_path):
    world = completed_dataset()
    source = tmp_path / 'mpii.json'
    source.write_text(json.dumps({**world, 'licenses': [{'id': 1}]}))
    path, report = convert(source, 'coco', 'coco')
    value = json.loads(path.read_text())
    assert report.losses == ()
    for row, known in zip(value['annotations'], world['annotations'], strict=True):
        assert row == {**known, 'segmentation': []}
    assert value['images'] == world['images']
    assert value['licenses'] == [{'id': 1}]
    own = value['info']['hpemap_mm']
    assert own == {**world['info']['hpemap_mm'], 'image_root': '../photographs'}


def test_provenance_chooses_what_is_labelled(convert):
    world = completed_dataset()
    path, report = convert(world, 'coco', 'coco', provenance=['gt', 'derived'])
    for person, row in enumerate(json.loads(path.read_text())['annotations']):
        table = np.array(row['keypoints']).reshape(-1, 3)
        assert (table[:2, :2] == [place(person, 0), place(person, 1)]).all()
        assert table[:, 2].tolist() == [1, 1] + [0] * (len(MPII) - 2)
        assert not table[2:].any()
        assert row['keypoints_provenance'] == [1, 2] + [0] * (len(MPII) - 2)
        assert row['keypoints_std'] == [0.25, 0.5] + [None] * (len(MPII) - 2)
        assert row['num_keypoints'] == 2
    assert report.losses == tuple(
        f'3 joints left out: {name}, which --provenance does not ask'
        for name in ('translated', 'predicted', 'fused')
    )


def test_a_completed_dataset_for_yolo(convert):
    folder, report = convert(completed_dataset(), 'coco', 'yolo', provenance=['gt', 'fused'])
    lines = (folder / 'labels/train/000000000007.txt').read_text().splitlines()
    seen = [line.split()[7::3] for line in lines]
    expected = ['1', '0', '0', '0', '1'] + ['0'] * (len(MPII) - 5)
    assert seen == [expected, expected]
    assert report.losses[-1] == (
        'YOLO labels has no room for: area, entry, id, keypoints_provenance, keypoints_std, '
        'source_id'
    )


def test_its_images_are_found(convert, photographs):
    source = photographs.parent / 'mpii.json'
    source.write_text(json.dumps(completed_dataset()))
    folder, _ = convert(source, 'coco', 'yolo', place='link')
    image = folder / 'images/train/000000000007.jpg'
    assert image.resolve() == photographs / '000000000007.jpg'


@pytest.mark.parametrize(
    ('change', 'provenance', 'message'),
    [
        (lambda world: world.pop('info'), ['gt'], 'does not say where its joints come from'),
        (lambda world: None, ['gtt'], "has no provenance 'gtt' -> choose from none, gt"),
        (
            lambda world: [row.pop('keypoints_provenance') for row in world['annotations']],
            ['gt'],
            "annotation 0: .*no 'keypoints_provenance'",
        ),
        (
            lambda world: world['annotations'][1].update(keypoints_provenance=[9] * len(MPII)),
            (),
            r'annotation 1 .*a code below 6 for each of the 16 joints',
        ),
        (
            lambda world: world['annotations'][2].update(keypoints_std=[-1] * len(MPII)),
            (),
            r"annotation 2 .*'keypoints_std' is \[-1",
        ),
        (
            lambda world: world['info']['hpemap_mm'].update(skeleton='mpi'),
            (),
            "is in 'mpi': Unknown skeleton",
        ),
    ],
)
def test_faults_of_a_completed_dataset(convert, change, provenance, message):
    world = completed_dataset()
    change(world)
    with pytest.raises(DataError, match=message):
        convert(world, 'coco', 'coco', provenance=provenance)


def test_pycocotools_reads_it(convert, capsys):
    path, _ = convert(completed_dataset(), 'coco', 'coco', provenance=['gt', 'predicted'])
    coco = COCO(str(path))
    rows = coco.loadAnns(coco.getAnnIds(imgIds=[7], catIds=coco.getCatIds(['person'])))
    assert [row['num_keypoints'] for row in rows] == [2, 2]
    assert coco.loadCats(1)[0]['keypoints'] == list(MPII.joints)


def test_mpii_there_and_back(convert, photographs):
    world = completed_dataset()
    path, report = convert(world, 'coco', 'mmpose-mpii')
    rows = json.loads(path.read_text())
    first = rows[0]
    assert first['image'] == '000000000007.jpg'
    assert first['joints'][0] == [place(0, 0)[0] + 1, place(0, 0)[1] + 1]  # from pixel 1
    assert first['joints'][5] == [-1, -1]
    assert first['joints_vis'] == [1] * 5 + [0] * (len(MPII) - 5)
    assert first['joints_provenance'] == [*PROVENANCE[1:], *['none'] * (len(MPII) - 5)]
    assert first['joints_std'][:6] == [0.25, 0.5, 0.75, 1, 1.25, None]
    assert first['annotation_id'] == 100
    assert first['scale'] == 1.0  # the longer side is 200 px
    assert report.losses == (
        "15 joints of visibility 1: MPII's list only says labelled or not",
        'MPII json has no room for: area, entry, source_id',
    )
    truth = read_truth(path, name='mpii', skeleton='mpii').truth
    assert truth.keypoints[0, 0].tolist() == list(place(0, 0))

    back, report = convert(path, 'mmpose-mpii', 'coco', images=[str(photographs)], out='back.json')
    value = json.loads(back.read_text())
    assert [image['width'] for image in value['images']] == [640, 333]
    for row, known in zip(value['annotations'], world['annotations'], strict=True):
        there = np.array(row['keypoints']).reshape(-1, 3)
        assert (there[:, :2] == np.array(known['keypoints']).reshape(-1, 3)[:, :2]).all()
        assert set(there[:, 2]) == {0, 2}
        x, y, w, h = row['bbox']
        assert (w, h) == pytest.approx((200, 200), abs=1e-3)
    assert [row['id'] for row in value['annotations']] == [1, 2, 3]
    assert "3 boxes from centre and scale: MMPose's squares" in report.notes
    assert re.search("no room for: .*'joints_std'", report.losses[0])


def test_mpii_for_yolo_needs_the_images(convert, photographs):
    path, _ = convert(coco_dataset('mpii'), 'coco', 'mmpose-mpii')
    with pytest.raises(DataError, match='has no width and height'):
        convert(path, 'mmpose-mpii', 'yolo')
    folder, report = convert(path, 'mmpose-mpii', 'yolo', images=[str(photographs)])
    assert report.persons == {'train': 3}
    numbers = (folder / 'labels/train/000000000007.txt').read_text().splitlines()[0].split()
    assert float(numbers[8]) == pytest.approx(place(0, 1)[0] / 640, abs=1e-8)


def test_mpii_to_mpii_keeps_every_key(convert, tmp_path):
    path, _ = convert(coco_dataset('mpii'), 'coco', 'mmpose-mpii')
    rows = json.loads(path.read_text())
    again, report = convert(
        [{**row, 'head': 3} for row in rows], 'mmpose-mpii', 'mmpose-mpii', out='again.json'
    )
    assert json.loads(again.read_text()) == [{**row, 'head': 3} for row in rows]
    assert report.losses == ()


def test_mpii_rows_without_centre_or_joints_are_told(convert):
    path, _ = convert(coco_dataset('mpii', persons=4), 'coco', 'mmpose-mpii')
    rows = json.loads(path.read_text())
    nobody = {'joints_vis': [0] * len(MPII)}
    rows[0] |= {'center': [-1, -1], 'scale': 0.8, **nobody}
    rows[1] |= {'center': [-1, -1], 'scale': 0.8}
    rows[2] |= {'scale': -1}
    back, report = convert(rows, 'mmpose-mpii', 'coco', out='back.json')
    assert report.notes[:6] == (
        "1 box from centre and scale: MMPose's squares",
        '2 boxes without one: the extent of the joints',
        '2 scales without a centre: not read',
        '1 centre without a scale: not read',
        '4 areas without one: 0.53 x the box',
        '1 box without one, and no joints: 0, 0, 0, 0',
    )
    again, report = convert(back, 'coco', 'mmpose-mpii', skeleton='mpii', out='again.json')
    first, second, _, fourth = json.loads(again.read_text())
    assert (first['center'], first['scale']) == ([-1, -1], -1)
    assert second['scale'] > 0
    assert (fourth['center'], fourth['scale']) == (rows[3]['center'], rows[3]['scale'])
    assert report.notes == (
        '3 boxes as a square around it: MPII says centre and scale',
        "1 box without an extent: centre and scale are -1, MPII's mark for none",
    )


def test_only_mpii_joints_are_mpii(convert):
    with pytest.raises(DataError, match="is in 'coco'.*translate it first"):
        convert(coco_dataset(), 'coco', 'mmpose-mpii')


def test_a_list_is_no_coco_json_and_the_other_way(convert, coco_file):
    path, _ = convert(coco_dataset('mpii'), 'coco', 'mmpose-mpii')
    with pytest.raises(DataError, match='is MPII json, not annotations in COCO json'):
        convert(path, 'coco', 'yolo', skeleton='mpii')
    with pytest.raises(DataError, match="is COCO json, not MPII's list"):
        convert(coco_file, 'mmpose-mpii', 'coco', skeleton='coco', out='x.json')


def test_crowds_are_kept_in_coco_and_counted_elsewhere(convert):
    world = coco_dataset('mpii')
    world['annotations'][1].update(iscrowd=1, keypoints=[0] * 3 * len(MPII))
    path, report = convert(world, 'coco', 'coco')
    assert json.loads(path.read_text())['annotations'][1]['iscrowd'] == 1
    assert report.persons == {'train': 2}
    path, report = convert(world, 'coco', 'mmpose-mpii')
    assert len(json.loads(path.read_text())) == 2
    assert "1 crowd region left out: not in MPII's list" in report.losses
