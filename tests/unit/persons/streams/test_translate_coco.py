"""COCO's annotations and results through a translator; read back by others' readers."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from stream_worlds import ORIGINS, Remap, coco_content, place, results_content

from hpemap_mm.persons.files import read_predictions, read_truth
from hpemap_mm.skeletons import get_skeleton

AIC, MPII = get_skeleton('aic'), get_skeleton('mpii')
COCO_JOINTS = get_skeleton('coco')


def numbers(row: dict, joints) -> np.ndarray:
    return np.reshape(row['keypoints'], (len(joints), 3))


def test_annotations_to_annotations(run):
    given = coco_content()
    summary, written, path = run(Remap('coco', 'aic'), given)

    assert list(written) == ['info', 'images', 'annotations', 'categories']
    assert written['images'] == given['images']
    (category,) = written['categories']
    assert category['keypoints'] == list(AIC.joints)
    assert category['skeleton'] == [[a + 1, b + 1] for a, b in AIC.links]
    for before, after in zip(given['annotations'], written['annotations'], strict=True):
        for key in ('id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd', 'segmentation'):
            assert after[key] == before[key]
    first = written['annotations'][0]
    k = AIC.index('left_wrist')
    x, y = place(0, COCO_JOINTS.index('left_wrist'))
    assert numbers(first, AIC)[k].tolist() == [x, y, 2]
    assert first['keypoints_sigma'][k] == (k + 1) / 4
    assert first['keypoints_radius_95'][k] == (k + 1) / 2
    assert first['keypoints_origin'][k] == 'copied'
    top = AIC.index('head_top')
    assert numbers(first, AIC)[top].tolist() == [0, 0, 0]
    assert first['keypoints_sigma'][top] is None
    assert first['keypoints_radius_95'][top] is None
    assert first['keypoints_origin'][top] == 'none'
    assert first['num_keypoints'] == 12

    # Crowds and persons without joints stay, without keypoints.
    for row in written['annotations'][2:]:
        assert row['num_keypoints'] == 0
        assert not numbers(row, AIC).any()
    assert (summary.persons, summary.without, summary.answered) == (4, 2, 24)
    assert summary.origins == {'copied': 24}
    assert (summary.kind, summary.written) == ('COCO json', 'COCO json')

    with contextlib.redirect_stdout(io.StringIO()):
        others = COCO(str(path))
    assert len(others.getAnnIds(imgIds=[1])) == 2
    ours = read_truth(path)
    assert ours.truth.skeleton.joints == AIC.joints
    np.testing.assert_array_equal(ours.truth.keypoints[0, k], [x, y])
    assert ours.truth.crowd.tolist() == [False, False, True, False]


@pytest.mark.parametrize('order', [('annotations', 'categories', 'images'), ('categories',)])
def test_the_order_of_the_file_does_not_matter(run, order):
    given = coco_content()
    moved = {key: given[key] for key in (*order, *(k for k in given if k not in order))}
    for target, suffix in (('aic', '.json'), ('mpii', '.json')):
        _, plain, _ = run(Remap('coco', target), given, suffix)
        _, found, _ = run(Remap('coco', target), moved, suffix)
        assert found == plain


def test_the_translator_sees_nan_where_nothing_is_annotated(run):
    remap = Remap('coco', 'aic')
    run(remap, coco_content())
    ((keypoints, scores),) = remap.seen

    assert scores is None
    missing = np.isnan(keypoints).all(-1)
    assert missing[:2, 0].all() and not missing[:2, 1:].any()
    assert missing[2:].all()


def test_batches_are_invisible(run):
    given = coco_content()
    for suffix in ('.json', '.npz'):
        _, whole, _ = run(Remap('coco', 'mpii'), given, suffix)
        _, parts, _ = run(Remap('coco', 'mpii'), given, suffix, count=1)
        np.testing.assert_equal(parts, whole)


def test_annotations_to_mpii(run):
    summary, rows, path = run(Remap('coco', 'mpii'), coco_content())

    assert summary.written == 'MPII json'
    assert [row['annotation_id'] for row in rows] == [11, 12, 14]
    assert '1 crowd regions and rows of other categories' in summary.notes[0]
    k = MPII.index('left_wrist')
    x, y = place(1, COCO_JOINTS.index('left_wrist'))
    assert rows[1]['joints'][k] == [x + 1, y + 1]
    assert rows[1]['image'] == '001.jpg'
    assert rows[1]['joints_vis'][k] == 1
    assert rows[1]['joints_sigma'][k] == (k + 1) / 4
    top = MPII.index('head_top')
    assert (rows[1]['joints'][top], rows[1]['joints_vis'][top]) == ([-1, -1], 0)
    pelvis = MPII.index('pelvis')
    assert rows[1]['joints_origin'][pelvis] == 'derived'
    assert rows[2]['joints_vis'] == [0] * len(MPII)

    truth = read_truth(path).truth
    np.testing.assert_array_equal(truth.keypoints[1, k], [x, y])
    # The square around the box 10, 20, 30.5, 40: 40 px around (25.25, 40).
    np.testing.assert_allclose(truth.boxes[1], [5.25, 20, 45.25, 60], atol=1e-3)


def test_mpiis_dataset_reads_what_was_coco(run):
    from hpemap_mm.datasets import MpiiDataset

    _, _, path = run(Remap('coco', 'mpii'), coco_content())
    persons = MpiiDataset(ann_file=str(path), test_mode=True, pipeline=[])
    person = persons.get_data_info(1)
    k = MPII.index('right_knee')
    np.testing.assert_allclose(
        person['keypoints'][0, k], place(1, COCO_JOINTS.index('right_knee')), atol=1e-4
    )
    assert person['num_keypoints'] == person['keypoints_visible'].sum() == 14


def test_cocos_dataset_reads_what_was_coco(run):
    from mmpose.datasets import AicDataset

    _, _, path = run(Remap('coco', 'aic'), coco_content())
    persons = AicDataset(ann_file=str(path), test_mode=False, pipeline=[])
    assert len(persons) == 2
    k = AIC.index('right_knee')
    np.testing.assert_allclose(
        persons.get_data_info(0)['keypoints'][0, k], place(0, COCO_JOINTS.index('right_knee'))
    )


def test_annotations_to_npz(run):
    _, arrays, path = run(Remap('coco', 'mpii'), coco_content(), '.npz')

    assert arrays['ids'].tolist() == [11, 12, 13, 14]
    assert arrays['image_ids'].tolist() == [1, 1, 2, 3]
    assert arrays['crowd'].tolist() == [False, False, True, False]
    assert arrays['base'] == 0
    assert arrays['keypoints'].dtype == np.float64
    there = arrays['answered']
    assert (np.isnan(arrays['keypoints']).all(-1) == ~there).all()
    assert not there[2:].any()
    assert arrays['origins'].dtype == np.uint8
    assert arrays['origin_names'].tolist() == list(ORIGINS)
    assert arrays['joints'].tolist() == list(MPII.joints)
    assert arrays['skeleton'] == 'mpii'
    np.testing.assert_allclose(arrays['radius_95'][there], 2 * arrays['sigmas'][there])
    np.testing.assert_allclose(
        arrays['radius_50'][there], arrays['radius_95'][there] * 0.5 / 0.95, rtol=1e-6
    )
    assert {'radius_80'} <= arrays.keys()
    read = read_predictions(path, representation='mpii').predictions
    assert read.ids.tolist() == [11, 12, 13, 14]


def test_without_calibration_there_are_no_regions(run):
    remap = Remap('coco', 'mpii', calibrated=False)
    summary, arrays, _ = run(remap, coco_content(), '.npz')
    assert summary.median_sigma is None
    assert not [name for name in arrays if name.startswith('radius')]
    _, rows, _ = run(remap, coco_content())
    assert rows[0]['joints_sigma'] == [None] * len(MPII)
    assert 'joints_radius_95' not in rows[0]


def test_other_categories_stay_as_they_are(run):
    given = coco_content()
    bicycle = {'id': 2, 'name': 'bicycle', 'supercategory': 'vehicle'}
    ride = {'id': 99, 'image_id': 1, 'category_id': 2, 'bbox': [1, 2, 3, 4]}
    given['categories'].insert(0, bicycle)
    given['annotations'].insert(1, ride)
    summary, written, _ = run(Remap('coco', 'aic'), given)

    assert written['annotations'][1] == ride
    assert written['categories'][0] == bicycle
    assert written['categories'][1]['keypoints'] == list(AIC.joints)
    assert summary.persons == 4
    assert summary.notes == ('1 annotations of other categories are not translated',)
    _, arrays, _ = run(Remap('coco', 'aic'), given, '.npz')
    assert arrays['ids'].tolist() == [11, 12, 13, 14]


def test_a_file_without_categories_gets_one(run):
    given = coco_content()
    del given['categories']
    for row in given['annotations']:
        del row['category_id']
    _, written, path = run(Remap('coco', 'aic'), given)
    assert {row['category_id'] for row in written['annotations']} == {1}
    assert [(c['id'], c['name']) for c in written['categories']] == [(1, 'person')]
    read_truth(path)


def test_results_to_results(run):
    given = results_content()
    remap = Remap('coco', 'aic')
    summary, rows, path = run(remap, given)

    assert summary.written == 'COCO results'
    ((keypoints, scores),) = remap.seen
    np.testing.assert_allclose(scores[0], np.arange(17) / 20)
    assert np.isnan(keypoints[:, 0]).all()  # its confidence is 0
    for before, after in zip(given, rows, strict=True):
        assert {k: after[k] for k in ('image_id', 'score')} == {
            k: before[k] for k in ('image_id', 'score')
        }
    k, top = AIC.index('left_wrist'), AIC.index('head_top')
    table = numbers(rows[2], AIC)
    x, y = place(2, COCO_JOINTS.index('left_wrist'))
    # 1/20 to 16/20: their mean.
    np.testing.assert_allclose(table[k], [x, y, 8.5 / 20])
    assert table[top].tolist() == [0, 0, 0]
    assert read_predictions(path, representation='aic').predictions.scores.tolist() == [
        0.25,
        0.5,
        0.75,
    ]


def test_pycocotools_loads_results(run, tmp_path):
    _, written, path = run(Remap('coco', 'aic'), coco_content())
    _, _, results = run(Remap('coco', 'aic'), [{**row, 'image_id': 1} for row in results_content()])
    with contextlib.redirect_stdout(io.StringIO()):
        found = COCO(str(path)).loadRes(str(results))
    assert len(found.getAnnIds()) == 3


def test_results_to_npz_and_to_a_target_without_images(run):
    given = [{**row, 'annotation_id': 5 + i} for i, row in enumerate(results_content())]
    _, arrays, _ = run(Remap('coco', 'mpii'), given, '.npz')
    assert arrays['ids'].tolist() == [5, 6, 7]
    assert arrays['image_ids'].tolist() == [7, 8, 9]
    assert arrays['scores'].tolist() == [0.25, 0.5, 0.75]
    # MPII's own format needs names of images.
    summary, rows, _ = run(Remap('coco', 'mpii'), given)
    assert summary.written == 'COCO results'
    assert rows[0]['annotation_id'] == 5


def test_persons_without_confidence_are_told(run):
    given = results_content()
    given[1]['keypoints'][2::3] = [0] * 17
    summary, rows, _ = run(Remap('coco', 'aic'), given)
    assert summary.without == 1
    assert summary.notes == ('1 persons have no joint with a confidence above 0',)
    assert not numbers(rows[1], AIC).any()


@pytest.mark.parametrize('name', ['train2017', 'val2017'])
def test_real_annotations(run, shared_data, name):
    source = shared_data / 'coco_subset' / f'person_keypoints_{name}.json'
    before = read_truth(source).truth
    summary, rows, path = run(Remap('coco', 'mpii'), source)
    after = read_truth(path).truth

    assert summary.persons == len(before) == len(after) == len(rows)
    assert after.image_names == before.image_names
    for joint in ('left_wrist', 'right_ankle'):
        a, b = COCO_JOINTS.index(joint), MPII.index(joint)
        valid = before.valid[:, a]
        assert (after.valid[:, b] == valid).all()
        np.testing.assert_allclose(after.keypoints[valid, b], before.keypoints[valid, a], atol=1e-3)


@pytest.mark.parametrize(
    ('file', 'source', 'target'),
    [
        ('aic/test_aic.json', 'aic', 'mpii'),
        ('crowdpose/test_crowdpose.json', 'crowdpose', 'coco'),
        ('ochuman/test_ochuman.json', 'ochuman', 'aic'),
        ('halpe/test_halpe.json', 'halpe', 'coco'),
        ('coco/test_coco_wholebody.json', 'coco_wholebody', 'coco'),
        ('posetrack18/annotations/test_posetrack18_val.json', 'posetrack18', 'coco'),
        ('jhmdb/test_jhmdb_sub1.json', 'jhmdb', 'coco'),
    ],
)
def test_the_fields_own_files(run, shared_data, file, source, target):
    given = shared_data / 'real' / file
    if not given.is_file():
        pytest.skip(f'no {file}')
    content = json.loads(given.read_text())
    summary, written, path = run(Remap(source, target), given)
    assert summary.answered > 0
    kept = copy.copy(written['annotations'] if isinstance(written, dict) else written)
    if isinstance(written, dict):
        assert [row['id'] for row in kept] == [row['id'] for row in content['annotations']]
        assert written['images'] == content['images']
    assert read_truth(path, skeleton=target).truth.valid.any()
