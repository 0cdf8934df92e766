"""Truth read exactly as the file says, in 0-based pixels, or refused with the row and why."""

import numpy as np
import pytest
import scipy.io

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files import read_truth
from hpemap_mm.skeletons import get_skeleton, register_skeleton, unregister_skeleton


def problems_of(path, **options):
    with pytest.raises(DataError) as caught:
        read_truth(path, **options)
    assert all(problem.fix for problem in caught.value.problems)
    return caught.value.problems


# --- COCO's json


def test_coco(write, coco):
    file = read_truth(write(coco, 'tiny.json'))
    truth = file.truth

    assert (file.kind, file.base, file.notes) == ('COCO json', 0, ())
    assert (truth.name, truth.skeleton) == ('tiny', get_skeleton('coco'))
    assert truth.ids.tolist() == [11, 12, 13]
    assert truth.image_ids.tolist() == [1, 1, 2]
    assert truth.images.tolist() == [1, 2, 3]
    assert truth.image_names[3] == '003.jpg'
    assert truth.keypoints[1, 5].tolist() == [205.0, 60.0]
    assert truth.visible[0].tolist() == [0, 1, *[2] * 15]
    assert truth.boxes[2].tolist() == [20.0, 20.0, 50.0, 60.0]
    assert truth.areas.tolist() == [700.5] * 3
    assert np.isnan(truth.head_sizes).all()
    assert not truth.crowd.any()
    assert truth.crowd_index == {}


def test_the_origin_moves_joints_and_boxes_together(write, coco):
    path = write(coco)
    zero, one = read_truth(path).truth, read_truth(path, base=1).truth

    np.testing.assert_array_equal(one.keypoints[one.valid], zero.keypoints[zero.valid] - 1)
    np.testing.assert_array_equal(one.boxes, zero.boxes - 1)
    np.testing.assert_array_equal(one.areas, zero.areas)
    assert (one.keypoints[~one.valid] == 0).all()


def test_areas_crowds_and_crowding(write, coco):
    del coco['annotations'][0]['area']
    del coco['annotations'][1]['area'], coco['annotations'][1]['bbox']
    coco['annotations'][2]['iscrowd'] = True
    for image, index in zip(coco['images'], (0.05, 0.9), strict=False):
        image['crowdIndex'] = index

    file = read_truth(write(coco))

    assert file.truth.areas[0] == pytest.approx(0.53 * 30 * 40)
    assert np.isnan(file.truth.areas[1])
    assert np.isnan(file.truth.boxes[1]).all()
    assert file.notes == (
        'areas: 0.53 x the box for 1 of 3 persons without one',
        'areas: unknown for 1 of 3 persons (no OKS)',
    )
    assert file.truth.crowd.tolist() == [False, False, True]
    assert file.truth.crowd_index == {1: 0.05, 2: 0.9}


def test_unannotated_joints_may_hold_anything(write, coco):
    coco['annotations'][0]['keypoints'][:3] = [float('nan'), 1e9, 0]

    assert read_truth(write(coco)).truth.keypoints[0, 0].tolist() == [0.0, 0.0]


def test_other_categories_are_left_out(write, coco):
    coco['categories'].insert(0, {'id': 7, 'name': 'dog'})
    coco['annotations'].insert(0, {'id': 5, 'image_id': 1, 'category_id': 7})

    file = read_truth(write(coco))

    assert file.truth.ids.tolist() == [11, 12, 13]
    assert file.notes == ('1 annotations of other categories are left out',)
    coco['annotations'][2]['keypoints'] = None
    assert 'entry 2' in problems_of(write(coco))[0].where


def annotation(**values):
    return lambda content: content['annotations'][1].update(values)


def image(**values):
    return lambda content: content['images'][1].update(values)


@pytest.mark.parametrize(
    ('change', 'where', 'what'),
    [
        (lambda c: c.pop('images'), '', "'images' is None"),
        (lambda c: c.pop('annotations'), '', "'annotations' is None"),
        (lambda c: c.update(annotations=[]), '', "'annotations' is []"),
        (lambda c: c.update(images={}), '', "'images' is {}"),
        (lambda c: c['images'].append(None), 'image 3', 'is None, not an object'),
        (image(id=1), 'image 1', 'id 1 is already in image 0'),
        (image(id='2'), 'image 1', "'id' is '2', not an integer"),
        (image(file_name=5), 'image 1', "'file_name' is 5"),
        (image(file_name='a\udfff'), 'image 1', "'file_name' is 'a\\udfff'"),
        (image(crowdIndex=1.5), 'image 1', "'crowdIndex' is 1.5"),
        (image(crowdIndex='high'), 'image 1', "'crowdIndex' is 'high'"),
        (lambda c: c['annotations'].append(3), 'annotation 3', 'is 3, not an object'),
        (annotation(id=11), 'annotation 1 (id 11', 'id 11 is already in annotation 0'),
        (annotation(id=2.0), 'annotation 1', "'id' is 2.0, not an integer"),
        (annotation(image_id=9), 'annotation 1 (id 12', 'image_id 9 is not among the images'),
        (annotation(image_id=None), 'annotation 1', "'image_id' is None, not an integer"),
        (annotation(category_id=9), 'annotation 1', "'category_id' is 9"),
        (annotation(keypoints=[1, 2, 2]), 'annotation 1', 'has 3 numbers, not 51'),
        (annotation(keypoints='x'), 'annotation 1', "is 'x', not a list"),
        (annotation(keypoints=[1, 2, 3] * 17), 'annotation 1', 'visibility of nose is 3'),
        (annotation(keypoints=[1, 2, -1] * 17), 'annotation 1', 'visibility of nose is -1'),
        (annotation(keypoints=[1, float('nan'), 2] * 17), 'annotation 1', 'nose is at (1, nan)'),
        (annotation(keypoints=[1, 2, float('nan')] * 17), 'annotation 1', 'nose is nan'),
        (annotation(keypoints=[1, 1e7, 2] * 17), 'annotation 1', 'farther than'),
        (annotation(bbox=[1, 2, 3]), 'annotation 1', "'bbox' has 3 numbers, not 4"),
        (annotation(bbox=[1, 2, 3, float('inf')]), 'annotation 1', "'bbox' holds inf"),
        (annotation(bbox=[1, 2, 3, 1e300]), 'annotation 1', 'reaches farther'),
        (annotation(area=-1), 'annotation 1', "'area' is -1"),
        (annotation(area=None), 'annotation 1', "'area' is None, not a number"),
        (annotation(iscrowd=2), 'annotation 1', "'iscrowd' is 2"),
        (annotation(iscrowd='0'), 'annotation 1', "'iscrowd' is '0'"),
    ],
)
def test_a_coco_row_at_fault_is_named(write, coco, change, where, what):
    change(coco)
    path = write(coco)

    (problem,) = problems_of(path)

    assert str(path) in problem.where
    assert where in problem.where
    assert what in problem.what


def test_repeated_keys_in_a_truth(write):
    (problem,) = problems_of(write('{"images": [], "annotations": [], "images": [{"id": 1}]}'))[:1]
    assert problem.what == "has ['images'] more than once"


# --- which skeleton


def test_the_wrong_skeleton_is_refused_by_the_files_own_names(write, coco):
    path = write(coco)

    assert "names the joints of 'coco'" in problems_of(path, skeleton='posetrack18')[0].what
    assert '17 joints have coco' in problems_of(path, skeleton='mpii')[0].fix
    assert read_truth(path, skeleton='ochuman').truth.skeleton.name == 'ochuman'


def test_a_file_without_names_needs_a_skeleton(write, coco):
    del coco['categories']
    path = write(coco)

    (problem,) = problems_of(path)
    assert problem.what == 'has 17 joints without names: no known skeleton'
    assert 'coco' in problem.fix
    assert read_truth(path, skeleton='coco').notes == ()


def test_strange_names_are_told(write, coco):
    coco['categories'][0]['keypoints'] = [f'point {k}' for k in range(17)]

    file = read_truth(write(coco), skeleton='coco')

    assert file.notes == ("the file's own names of the joints are not those of coco",)


def test_a_skeleton_of_ones_own(write, coco):
    joints = ['nib', 'cap', 'clip']
    own = register_skeleton(
        {
            'dataset_name': 'pen',
            'keypoint_info': {i: {'name': joint, 'id': i} for i, joint in enumerate(joints)},
            'skeleton_info': {},
            'sigmas': [],
        },
        canonical={},
    )
    try:
        for person in coco['annotations']:
            person['keypoints'] = [1, 2, 2] * 3
        coco['categories'][0]['keypoints'] = joints
        assert read_truth(write(coco)).truth.skeleton == own
    finally:
        unregister_skeleton('pen')


# --- MPII


def test_mpii_json_counts_from_one(write, mpii):
    file = read_truth(write(mpii))
    truth, skeleton = file.truth, get_skeleton('mpii')

    assert (file.kind, file.base, truth.skeleton) == ('MPII json', 1, skeleton)
    assert truth.ids.tolist() == [0, 1, 2]
    assert truth.image_ids.tolist() == [7, 7, 9]
    assert truth.image_names == {7: '000000007.jpg', 9: '000000009.jpg'}
    assert truth.keypoints[1, 5].tolist() == [205.0, 60.0]
    assert truth.visible[0].tolist() == [2] * 15 + [0]
    assert truth.keypoints[0, -1].tolist() == [0.0, 0.0]
    # 200 x 0.5 px around (201, 301) - 1 + (0, 15 x 0.5)
    assert truth.boxes[0].tolist() == [150.0, 257.5, 250.0, 357.5]
    assert truth.areas[0] == pytest.approx(0.53 * 100 * 100)
    # joints k and k + 1 are (1, 2) apart
    assert truth.head_sizes[2] == pytest.approx(0.75 * 5**0.5)
    assert 'not the official head boxes' in ' '.join(file.notes)


def test_mpii_without_head_or_centre(write, mpii):
    mpii[1]['joints_vis'][get_skeleton('mpii').index('head_top')] = 0
    mpii[2]['center'], mpii[2]['scale'] = [-1, -1], -1

    file = read_truth(write(mpii))

    assert np.isnan(file.truth.head_sizes).tolist() == [False, True, False]
    assert np.isnan(file.truth.boxes[2]).all()
    assert np.isnan(file.truth.areas).tolist() == [False, False, True]
    assert 'head sizes: unknown for 1 of 3 persons (no PCKh)' in file.notes


def scoring(path, rows, *, shift=0.0, head=(30.0, 40.0), **changes):
    """MPII's scoring file of the same persons; the head box's diagonal is 50 px."""
    points = np.array([row['joints'] for row in rows]) + shift
    missing = np.array([row['joints_vis'] for row in rows]) == 0
    boxes = np.zeros((2, 2, len(rows)))
    boxes[1] = np.array(head)[:, None]
    variables = {
        'pos_gt_src': np.where(missing[..., None], 0, points).transpose(1, 2, 0),
        'jnt_missing': missing.T.astype(np.uint8),
        'headboxes_src': boxes,
        **changes,
    }
    scipy.io.savemat(path, {k: v for k, v in variables.items() if v is not None})
    return path


def test_the_scoring_file_alone(tmp_path, write, mpii):
    alone = read_truth(scoring(tmp_path / 'gt.mat', mpii))
    json = read_truth(write(mpii, 'x.json'))

    assert (alone.kind, alone.base) == ('MPII scoring mat', 1)
    np.testing.assert_array_equal(alone.truth.keypoints, json.truth.keypoints)
    np.testing.assert_array_equal(alone.truth.visible, json.truth.visible)
    np.testing.assert_allclose(alone.truth.head_sizes, 0.6 * 50)
    assert alone.truth.image_ids.tolist() == [0, 1, 2]
    assert 'every person is taken as an image of its own' in alone.notes[0]


@pytest.mark.parametrize('name', ['set_val_gt.mat', 'gt_set_val.mat', 'set_gt_val.mat'])
def test_a_scoring_file_beside_the_json_is_followed(tmp_path, write, mpii, name):
    path = write(mpii, 'set_val.json')
    many = mpii * 40  # one joint of 1,800 elsewhere is the truth's; a tenth would be another file
    write(many, 'set_val.json')
    moved = [{**row, 'joints': [list(point) for point in row['joints']]} for row in many]
    moved[0]['joints'][2] = [0.0, 0.0]
    scoring(tmp_path / name, moved)

    file = read_truth(path)

    assert file.truth.keypoints[0, 2].tolist() == [-1.0, -1.0]
    np.testing.assert_allclose(file.truth.head_sizes, 30.0)
    assert file.truth.image_ids[:3].tolist() == [7, 7, 9]
    assert file.notes[:2] == (
        '1 joints lie elsewhere in the two files, 0 are annotated in one only: '
        'the scoring file is taken',
        f'joints and head sizes: {name}',
    )


def test_a_scoring_file_of_others_is_refused(tmp_path, write, mpii):
    path = write(mpii, 'x.json')

    shifted = scoring(tmp_path / 'shifted.mat', mpii, shift=1)
    assert 'joints elsewhere' in problems_of(path, gt_mat=shifted)[0].what
    shorter = scoring(tmp_path / 'shorter.mat', mpii[:2])
    assert 'has 2 persons' in problems_of(path, gt_mat=shorter)[0].what
    assert 'is json' in problems_of(path, gt_mat=path)[0].what
    with pytest.raises(DataError, match='gt_mat goes with an MPII json'):
        read_truth(shorter, gt_mat=shorter)
    # The same joints, 0-based in the json.
    good = scoring(tmp_path / 'good.mat', mpii)
    for row in mpii:
        row['joints'] = [[x - 1, y - 1] for x, y in row['joints']]
    path = write(mpii, 'x.json')
    assert "json's right base" in problems_of(path, gt_mat=good)[0].fix
    assert read_truth(path, base=0, gt_mat=good).truth.keypoints[1, 5].tolist() == [205.0, 60.0]


@pytest.mark.parametrize(
    ('changes', 'where', 'what'),
    [
        ({'jnt_missing': None}, '', "has no 'jnt_missing'"),
        ({'pos_gt_src': np.zeros((14, 2, 3))}, '', 'has shape (14, 2, 3)'),
        ({'pos_gt_src': np.zeros((3, 16, 2))}, '', 'has shape (3, 16, 2)'),
        ({'pos_gt_src': np.zeros((16, 2, 0))}, '', 'is empty'),
        ({'pos_gt_src': np.full((16, 2, 3), np.nan)}, 'person', 'right_ankle is at (nan, nan)'),
        ({'jnt_missing': np.zeros((16, 2))}, '', "'jnt_missing' has shape (16, 2)"),
        ({'jnt_missing': np.full((16, 3), 2)}, 'persons 0, 1, 2', 'neither 0 nor 1'),
        ({'headboxes_src': np.zeros((2, 2, 3))}, 'persons 0, 1, 2', 'has a head of 0 px'),
        ({'headboxes_src': np.full((2, 2, 3), np.inf)}, 'person', 'has a head of nan px'),
    ],
)
def test_a_scoring_file_at_fault(tmp_path, mpii, changes, where, what):
    path = scoring(tmp_path / 'gt.mat', mpii, **changes)

    problem = problems_of(path)[0]

    assert where in problem.where
    assert what in problem.what


def row(**values):
    return lambda rows: rows[1].update(values)


@pytest.mark.parametrize(
    ('change', 'what'),
    [
        (row(joints=None), "'joints' is None"),
        (row(joints=[[1, 2]] * 15), "'joints' has 15 parts, not 16"),
        (row(joints=[[1, 2, 3]] * 16), 'has 3 numbers in one of its parts, not 2'),
        (row(joints=[1, 2] * 8), "'joints' holds 1"),
        (row(joints=[[1, float('nan')]] * 16), 'right_ankle is at (1, nan), and 14 more joints'),
        (row(joints_vis=[1] * 15), "'joints_vis' has 15 numbers, not 16"),
        (row(joints_vis=[2] * 16), "'joints_vis' is [2, 2"),
        (row(joints_vis=[True] * 16), 'is True at place 0'),
        (row(center='x'), "'center' is 'x'"),
        (row(center=[1e9, 0]), "'center' and 'scale' are [1000000000.0, 0.0]"),
        (row(scale=-3), "'center' and 'scale' are [201.0, 301.0] and -3"),
        (row(scale=float('nan')), "'scale' is nan"),
        (row(image=5), "'image' is 5"),
        (row(image=''), "'image' is ''"),
        (row(image='\ud800'), "'image' is '\\ud800'"),
    ],
)
def test_an_mpii_row_at_fault_is_named(write, mpii, change, what):
    change(mpii)

    (problem,) = problems_of(write(mpii))

    assert 'row 1 (image' in problem.where
    assert what in problem.what


def test_images_without_numbers_are_counted(write, mpii):
    mpii[2]['image'] = 'b.jpg'

    truth = read_truth(write(mpii)).truth

    assert truth.image_ids.tolist() == [0, 0, 1]
    assert truth.image_names == {0: '000000007.jpg', 1: 'b.jpg'}


# --- npz


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def lsp_arrays():
    joints = np.zeros((3, 14, 3), np.float32)
    joints[..., 0] = np.arange(14)
    joints[..., 1] = 2 * np.arange(14)
    joints[..., 2] = 1
    joints[0, 0, 2] = 0
    joints[0, 1] = -5, 3, 1
    joints[2, :, 2] = 0
    return {'image': np.array(['a.jpg', 'b.jpg', 'a.jpg']), 'joints': joints}


def test_lsp(tmp_path):
    file = read_truth(npz(tmp_path / 'lsp.npz', **lsp_arrays()))
    truth = file.truth

    assert (file.kind, file.base, truth.skeleton.name) == ('LSP npz', 0, 'lsp')
    assert truth.image_ids.tolist() == [0, 1, 0]
    assert truth.image_names == {0: 'a.jpg', 1: 'b.jpg'}
    assert truth.visible[0].tolist() == [0, 0, *[2] * 12]
    assert not truth.valid[2].any()
    # 0..13 wide, 0..26 high, 1.2 times about the middle
    np.testing.assert_allclose(truth.boxes[1], [-1.3, -2.6, 14.3, 28.6])
    assert np.isnan(truth.boxes[2]).all()
    assert 'unknown for 1 of 3' in file.notes[-1]


def test_plain_arrays(tmp_path):
    points = np.arange(3 * 26 * 2.0).reshape(3, 26, 2)
    visible = np.full((3, 26), 2)
    visible[1, 3] = 0
    points[1, 3] = np.nan
    file = read_truth(
        npz(
            tmp_path / 'x.npz',
            keypoints=points,
            visible=visible,
            ids=[5, 6, 7],
            image_ids=[1, 1, 4],
            images=[1, 3, 4],
            boxes=[[0, 0, 10, 20], [1, 1, 2, 2], [np.nan] * 4],
            head_sizes=[1, 2, np.nan],
            crowd=[0, 0, 1],
            base=1,
        )
    )
    truth = file.truth

    assert (file.kind, file.base, truth.skeleton.name) == ('npz', 1, 'halpe')
    np.testing.assert_array_equal(truth.keypoints[truth.valid], points[visible > 0] - 1)
    assert truth.boxes[0].tolist() == [-1, -1, 9, 19]
    assert truth.areas[:2].tolist() == pytest.approx([0.53 * 200, 0.53])
    assert truth.images.tolist() == [1, 3, 4]
    assert truth.crowd.tolist() == [False, False, True]


def test_persons_of_one_photograph_by_its_name(tmp_path):
    names = ['b.jpg', 'ä.jpg', 'b.jpg']

    truth = read_truth(npz(tmp_path / 'x.npz', keypoints=np.ones((3, 16, 2)), image=names)).truth

    assert truth.image_ids.tolist() == [0, 1, 0]
    assert truth.image_names == {0: 'b.jpg', 1: 'ä.jpg'}


def test_plain_arrays_with_the_visibility_as_third_column(tmp_path):
    table = np.full((2, 17, 3), 2.0)
    table[0, 4, 2] = 0
    path = npz(tmp_path / 'x.npz', keypoints=table)

    truth = read_truth(path, skeleton='coco').truth

    assert truth.visible[0, 4] == 0
    assert 'may be coco, ochuman, posetrack18, h36m' in problems_of(path)[0].what


@pytest.mark.parametrize(
    ('arrays', 'where', 'what'),
    [
        ({'keypoints': np.zeros((2, 17, 2))}, '', 'has shape (2, 17, 2)'),
        ({'keypoints': np.zeros((0, 16, 2))}, '', 'has shape (0, 16, 2)'),
        ({'keypoints': np.zeros(5)}, '', 'has shape (5,)'),
        ({'keypoints': np.zeros((2, 16, 2), 'U3')}, '', 'holds <U3'),
        ({'keypoints': np.full((2, 16, 2), np.nan)}, 'persons 0, 1', '16 joints are NaN'),
        ({'keypoints': np.full((2, 16, 2), np.inf)}, 'persons 0, 1', 'is at (inf, inf)'),
        ({'keypoints': np.full((2, 16, 3), 3)}, 'persons 0, 1', 'has the visibility 3'),
        ({'keypoints': np.ones((2, 16, 3)), 'visible': np.ones((2, 16))}, '', 'third column'),
        ({'visible': np.ones((2, 15))}, '', "'visible' has shape (2, 15)"),
        ({'ids': [1, 1]}, 'person 1', 'id 1 is already in person 0'),
        ({'ids': [1.5, 2]}, '', "'ids' holds float64"),
        ({'image_ids': [1, 2, 3]}, '', "'image_ids' has shape (3,)"),
        ({'image_ids': [1, 2], 'images': [1]}, 'person 1', 'image 2 is not among the images'),
        ({'image': [1, 2]}, '', "'image' has shape (2,) of int64"),
        ({'boxes': [[0, 0, 1, 1], [300, 200, 50, 80]]}, 'person 1', 'has the box [300.0'),
        ({'boxes': [[0, 0, 1, 1], [0, 0, 1, np.inf]]}, 'person 1', "has inf in 'boxes'"),
        ({'areas': [1, -1]}, 'person 1', "has -1 in 'areas'"),
        ({'head_sizes': [0, 1]}, 'person 0', "has 0 in 'head_sizes'"),
        ({'crowd': ['a', 'b']}, '', "'crowd' holds <U1"),
        ({'base': 3}, '', "'base' is 3"),
        ({'head_size': [1, 2]}, '', "holds 'head_size'"),
    ],
)
def test_plain_arrays_at_fault(tmp_path, arrays, where, what):
    path = npz(tmp_path / 'x.npz', **{'keypoints': np.ones((2, 16, 2)), **arrays})

    problem = problems_of(path, skeleton='mpii')[0]

    assert where in problem.where
    assert what in problem.what


@pytest.mark.parametrize('code', [0x7FFFFFFF, 0x110000, 0xD800, 0xDFFF])
def test_names_that_are_no_text(tmp_path, code):
    names = np.full((2, 1), code, np.uint32).view('U1')[:, 0]
    path = npz(tmp_path / 'x.npz', keypoints=np.ones((2, 16, 2)), image=names)

    assert "'image' holds numbers that are no characters" in problems_of(path)[0].what


@pytest.mark.parametrize(
    ('content', 'what'),
    [
        ([{'image_id': 1, 'keypoints': [], 'score': 1}], 'is a file of predictions'),
        ([], 'is an empty list'),
        ([1], "neither COCO's json"),
        ({'info': 1}, "neither COCO's json"),
    ],
)
def test_what_is_no_truth(write, content, what):
    assert what in problems_of(write(content))[0].what


def test_arrays_that_are_no_truth(tmp_path):
    what = problems_of(npz(tmp_path / 'x.npz', val2017_kpts=[1], wh=[2]))[0].what

    assert what == "has neither 'keypoints' nor LSP's 'joints': it holds val2017_kpts, wh"


# --- real files


@pytest.mark.parametrize(
    ('file', 'skeleton', 'persons', 'joints'),
    [
        ('coco_subset/person_keypoints_val2017.json', 'coco', 367, 3829),
        ('real/coco/test_coco.json', 'coco', 14, 181),
        ('real/aic/test_aic.json', 'aic', 9, 101),
        ('real/crowdpose/test_crowdpose.json', 'crowdpose', 5, 47),
        ('real/humanart/test_humanart.json', 'coco', 4, 61),
        ('real/jhmdb/test_jhmdb_sub1.json', 'jhmdb', 3, 45),
        ('real/mpii/test_mpii.json', 'mpii', 5, 76),
        ('real/ochuman/test_ochuman.json', 'coco', 5, 73),
        ('real/posetrack18/annotations/test_posetrack18_val.json', 'posetrack18', 14, 182),
        ('lspet/lspet_val.npz', 'lsp', 506, 6470),
        ('mpii/mpii_train_part.json', 'mpii', 19955, 297651),
    ],
)
def test_real_files_say_what_they_are(shared_data, file, skeleton, persons, joints):
    truth = read_truth(shared_data / file).truth

    assert truth.skeleton.name == skeleton
    assert len(truth) == persons
    assert int(truth.valid.sum()) == joints


def test_real_crowding(shared_data):
    truth = read_truth(shared_data / 'real/crowdpose/test_crowdpose.json').truth

    assert truth.crowd_index == {106848: 0.33, 103319: 0.39}


def test_real_files_in_several_parts(shared_data):
    whole = read_truth(
        shared_data / 'real/coco/test_coco_wholebody.json', skeleton='coco_wholebody'
    ).truth
    body = read_truth(shared_data / 'real/coco/test_coco.json').truth
    halpe = read_truth(shared_data / 'real/halpe/test_halpe.json', skeleton='halpe')

    np.testing.assert_array_equal(whole.keypoints[:, :17], body.keypoints)
    assert whole.valid[:, 17:].any()
    np.testing.assert_array_equal(halpe.truth.keypoints[:, :17], body.keypoints)
    assert halpe.notes[0] == "the first 26 of the file's 136 joints are read"


def test_real_mpii_follows_its_scoring_file(shared_data):
    with_json = read_truth(shared_data / 'mpii/mpii_val.json')
    alone = read_truth(shared_data / 'mpii/mpii_gt_val.mat')

    np.testing.assert_array_equal(with_json.truth.keypoints, alone.truth.keypoints)
    np.testing.assert_array_equal(with_json.truth.head_sizes, alone.truth.head_sizes)
    assert len(with_json.truth.images) == 2729
    assert with_json.notes[0].startswith('13 joints lie elsewhere')


def test_the_stand_in_for_head_sizes_is_mpiis(shared_data, tmp_path):
    """0.75 x |upper_neck - head_top| equals the official size for nearly everyone."""
    copy = tmp_path / 'val.json'  # without the scoring file beside it
    copy.write_bytes((shared_data / 'mpii/mpii_val.json').read_bytes())
    stand_in = read_truth(copy).truth.head_sizes
    official = read_truth(shared_data / 'mpii/mpii_gt_val.mat').truth.head_sizes

    known = ~np.isnan(stand_in)
    assert known.mean() > 0.99
    ratio = stand_in[known] / official[known]
    assert np.percentile(np.abs(ratio - 1), 90) < 1e-4
