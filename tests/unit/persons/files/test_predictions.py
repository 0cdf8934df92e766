"""Predictions read exactly as the file says, or refused with the row and the reason."""

import io

import numpy as np
import pytest
import scipy.io

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files import read_predictions, read_truth
from hpemap_mm.skeletons import JointSpace, get_skeleton


def read(path, truth=None, representation='coco', **options):
    return read_predictions(path, representation=representation, truth=truth, **options)


def problems_of(path, truth=None, **options):
    with pytest.raises(DataError) as caught:
        read(path, truth, **options)
    assert caught.value.problems
    assert all(str(path) in problem.where for problem in caught.value.problems)
    assert all(problem.fix for problem in caught.value.problems)
    return caught.value.problems


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.fixture
def keypoints():
    return np.random.default_rng(0).normal(100, 30, (3, 17, 2))


# --- COCO results


def test_detections(write, results, truth):
    file = read(write(results), truth)

    assert (file.kind, file.base, file.notes) == (
        'COCO results json',
        0,
        ('1 of 3 images have no detection',),
    )
    found = file.predictions
    assert found.ids is None
    assert found.name == 'file'
    assert found.image_ids.tolist() == [1, 1, 2]
    assert found.scores.tolist() == [0.9, 0.8, 0.7]
    assert found.keypoints[1, 3].tolist() == [203.25, 55.5]
    assert found.keypoint_scores[2, 4] == 0.54


def test_the_origin_is_an_argument(write, results):
    path = write(results)

    one = read(path, base=1)

    assert one.base == 1
    np.testing.assert_array_equal(one.predictions.keypoints, read(path).predictions.keypoints - 1)
    with pytest.raises(ValueError, match='0 or 1; got 2'):
        read(path, base=2)


@pytest.mark.parametrize('key', ['annotation_id', 'instance_id', 'id'])
def test_rows_that_name_their_person(write, results, truth, key):
    for row, person in zip(results, (12, 11, 13), strict=True):
        row[key] = person
        del row['image_id']

    found = read(write(results), truth).predictions

    assert found.ids.tolist() == [12, 11, 13]
    assert found.image_ids.tolist() == [1, 1, 2]


def test_persons_that_nobody_predicted_are_told(write, results, truth):
    for row, person in zip(results, (12, 11, 13), strict=True):
        row['annotation_id'] = person

    file = read(write(results[:2]), truth)

    assert file.notes == ('1 of 3 persons were not predicted: their joints count as wrong',)


def test_an_id_that_numbers_the_detections_is_no_person(write, results, truth):
    for i, row in enumerate(results):
        row['id'] = i + 1

    file = read(write(results), truth)

    assert file.predictions.ids is None
    assert "'id' is no person of the truth" in file.notes[0]


def test_an_id_that_may_be_either_is_refused_until_told(write, results, truth):
    for row, number in zip(results, (10, 11, 12), strict=True):
        row['id'] = number
    path = write(results)

    first, *others = problems_of(path, truth)

    assert 'row 0 (image 1, id 10)' in first.where
    assert "pairing 'detections'" in first.fix
    assert len(others) == 1  # 12 is in image 1, the row says 2
    assert read(path, truth, pairing='detections').predictions.ids is None
    assert 'has no person 10' in problems_of(path, truth, pairing='ids')[0].what


def test_equal_scores_are_told(write, results):
    for row in results:
        row['score'] = 1.0

    assert read(write(results)).notes == ('all scores are 1: AP has nothing to sort by',)


@pytest.mark.parametrize(
    ('change', 'what'),
    [
        (lambda row: row.pop('keypoints'), "has no 'keypoints'"),
        (lambda row: row.pop('score'), "has no 'score'"),
        (lambda row: row.pop('image_id'), "has no 'image_id'"),
        (lambda row: row.update(score=None), "'score' is None, not a number"),
        (lambda row: row.update(score='0.5'), "'score' is '0.5', not a number"),
        (lambda row: row.update(score=True), "'score' is True, not a number"),
        (lambda row: row.update(score=[0.5]), "'score' is [0.5], not a number"),
        (lambda row: row.update(score=float('nan')), "'score' is nan"),
        (lambda row: row.update(score=10**400), "'score' has the number 1000"),
        (lambda row: row.update(image_id='1'), "'image_id' is '1', not an integer"),
        (lambda row: row.update(image_id=1.0), "'image_id' is 1.0, not an integer"),
        (lambda row: row.update(image_id=True), "'image_id' is True, not an integer"),
        (lambda row: row.update(image_id=2**63), 'beyond 64 bits'),
        (lambda row: row.update(image_id=99), 'has no image 99'),
        (lambda row: row.update(category_id=2), "'category_id' is 2, elsewhere 1"),
        (lambda row: row.update(category_id=None), "'category_id' is None"),
        (lambda row: row.update(keypoints=None), "'keypoints' is None, not a list"),
        (lambda row: row.update(keypoints={}), "'keypoints' is {}, not a list"),
        (lambda row: row['keypoints'].pop(), 'has 50 numbers, not 51'),
        (lambda row: row['keypoints'].append(1), 'has 52 numbers, not 51'),
        (lambda row: row['keypoints'].__setitem__(4, 'x'), "is 'x' at place 4, not a number"),
        (lambda row: row['keypoints'].__setitem__(4, [1]), 'is [1] at place 4, not a number'),
        (lambda row: row['keypoints'].__setitem__(4, False), 'is False at place 4'),
        (lambda row: row['keypoints'].__setitem__(4, float('nan')), 'left_eye is at (201.25, nan)'),
        (lambda row: row['keypoints'].__setitem__(3, float('inf')), 'left_eye is at (inf, '),
        (lambda row: row['keypoints'].__setitem__(3, -2e6), 'farther than 1e+06 px'),
        (lambda row: row['keypoints'].__setitem__(3, 10**400), 'has the number 1000'),
        (lambda row: row['keypoints'].__setitem__(5, float('nan')), 'score of a joint is nan'),
    ],
)
def test_a_row_at_fault_is_named(write, results, truth, change, what):
    change(results[1])

    problems = problems_of(write(results), truth)

    assert len(problems) == 1
    assert 'row 1' in problems[0].where
    assert what in problems[0].what


def test_a_row_that_is_no_object(write, results):
    (problem,) = problems_of(write([results[0], [1, 2], results[2], None]))[:1]

    assert 'row 1' in problem.where
    assert problem.what == 'is [1, 2], not an object'


def test_keys_that_occur_twice(write):
    path = write('[{"image_id": 1, "keypoints": [], "score": 0.5, "score": 0.9}]')

    (problem,) = problems_of(path)
    assert problem.what == "has ['score'] more than once"


def test_all_problems_at_once_and_equal_ones_together(write, results):
    for row in results:
        row['keypoints'] = row['keypoints'][:-3]
    del results[2]['score']

    count, score = problems_of(write(results))

    assert 'rows 0 (image 1), 1 (image 1), 2 (image 2)' in count.where
    assert count.what == "'keypoints' has 48 numbers, not 51"
    assert '16 joints have mpii' in count.fix
    assert 'row 2 (image 2)' in score.where


def test_x_and_y_alone_are_recognised(write, results):
    for row in results:
        row['keypoints'] = row['keypoints'][: 2 * 17]

    assert 'x, y alone' in problems_of(write(results))[0].fix


def test_a_copied_detection_is_named(write, results):
    (problem,) = problems_of(write([*results, results[1]]))

    assert 'row 3 (image 1)' in problem.where
    assert problem.what == 'repeats row 1'


def test_a_person_predicted_twice_or_unknown_or_elsewhere(write, results, truth):
    for row, person in zip(results, (11, 11, 99), strict=True):
        row['annotation_id'] = person

    twice, unknown = problems_of(write(results), truth)

    assert 'row 1 (image 1, id 11)' in twice.where
    assert 'already in row 0' in twice.what
    assert 'row 2' in unknown.where
    assert 'has no person 99' in unknown.what

    for row, person in zip(results, (11, 13, 12), strict=True):
        row['annotation_id'] = person
    one, other = problems_of(write(results), truth)
    assert one.what == 'person 13 is in image 2, the row says 1'
    assert other.what == 'person 12 is in image 1, the row says 2'


@pytest.mark.parametrize(
    ('content', 'what'),
    [
        ([], 'is an empty list'),
        ({}, 'is an object with nothing'),
        ({'results': []}, 'is an object with results'),
        ({'images': [], 'annotations': []}, 'holds annotations'),
        ([{}], "has no 'keypoints'"),
    ],
)
def test_what_is_no_file_of_predictions(write, content, what):
    assert what in problems_of(write(content))[0].what


def test_joint_spaces_are_representations_too(write, results):
    space = JointSpace.union('coco', 'mpii')
    for row in results:
        row['keypoints'] += [1.0, 2.0, 0.5] * (len(space) - 17)

    found = read(write(results), representation=space).predictions

    assert found.representation is space
    assert found.keypoints[0, -1].tolist() == [1.0, 2.0]


# --- npz


def test_npz_by_row(tmp_path, keypoints, truth):
    file = read(npz(tmp_path / 'x.npz', keypoints=keypoints), truth)

    assert (file.kind, file.base) == ('npz', 0)
    assert file.predictions.ids.tolist() == [11, 12, 13]
    assert file.predictions.image_ids.tolist() == [1, 1, 2]
    assert np.isnan(file.predictions.keypoint_scores).all()
    assert file.notes[0] == "row i is the truth's person i"
    assert file.notes[1].startswith('no scores')
    np.testing.assert_array_equal(file.predictions.keypoints, keypoints)


def test_npz_by_id_with_everything(tmp_path, keypoints, truth):
    scores = np.random.default_rng(1).random((3, 17, 1))
    path = npz(
        tmp_path / 'x.npz',
        keypoints=np.concatenate([keypoints, scores], -1).astype(np.float32),
        scores=[0.1, 0.2, 0.3],
        ids=[13, 11, 12],
        base=1,
    )

    file = read(path, truth)

    assert file.base == 1
    assert file.notes == ()
    assert file.predictions.image_ids.tolist() == [2, 1, 1]
    np.testing.assert_allclose(file.predictions.keypoints, keypoints - 1, atol=1e-4)
    np.testing.assert_allclose(file.predictions.keypoint_scores, scores[..., 0], atol=1e-6)
    assert 'leave base out' in problems_of(path, truth, base=0)[0].fix


def test_npz_of_detections(tmp_path, keypoints, truth):
    path = npz(tmp_path / 'x.npz', keypoints=keypoints, image_ids=[1, 2, 2], scores=[1, 2, 3.0])

    file = read(path, truth)

    assert file.predictions.ids is None
    assert 'taken as detections' in file.notes[0]


@pytest.mark.parametrize(
    ('arrays', 'where', 'what'),
    [
        ({'keypoints': np.zeros((3, 16, 2))}, '', 'has shape (3, 16, 2)'),
        ({'keypoints': np.zeros((3, 17, 4))}, '', 'has shape (3, 17, 4)'),
        ({'keypoints': np.zeros((3, 34))}, '', 'has shape (3, 34)'),
        ({'keypoints': np.zeros(())}, '', 'has shape ()'),
        ({'keypoints': np.zeros((0, 17, 2))}, '', 'is empty'),
        ({'keypoints': np.zeros((2, 17, 2))}, '', 'has 2 rows'),
        ({'keypoints': np.zeros((3, 17, 2), complex)}, '', 'holds complex128'),
        ({'keypoints': np.zeros((3, 17, 2), 'U5')}, '', 'holds <U5'),
        ({'keypoints': np.zeros((3, 17, 2), bool)}, '', 'holds bool'),
        ({'keypoints': np.array([None, 1])}, '', 'pickled Python objects'),
        ({'keypoints': np.zeros((3, 17, 2), [('a', 'f4')])}, '', "holds [('a', '<f4')]"),
        ({'scores': [1, np.nan, 3]}, 'row 1 (id 12)', 'the score is nan'),
        ({'scores': [1, 2]}, '', "'scores' has shape (2,)"),
        ({'scores': [[1, 2, 3.0]]}, '', "'scores' has shape (1, 3)"),
        ({'scores': ['a', 'b', 'c']}, '', "'scores' holds <U1"),
        ({'ids': [1.0, 2.0, 3.0]}, '', "'ids' holds float64"),
        ({'ids': np.array([1, 2, 2**63], np.uint64)}, '', 'beyond 64 bits'),
        ({'ids': [11, 12, 12]}, 'row 2 (id 12)', 'person 12 is already in row 1'),
        ({'ids': [11, 12, 14]}, 'row 2 (id 14)', 'has no person 14'),
        ({'ids': [11, 12, 13], 'image_ids': [1, 2, 2]}, 'row 1', 'person 12 is in image 1'),
        ({'image_ids': [1, 2, 2]}, '', "has 'image_ids' but no 'scores'"),
        ({'image_ids': [1, 2, 9], 'scores': [1, 2, 3.0]}, 'row 2', 'has no image 9'),
        ({'keypoint_scores': np.zeros((3, 16))}, '', "'keypoint_scores' has shape (3, 16)"),
        ({'keypoint_scores': np.full((3, 17), np.nan)}, 'row', 'score of a joint is nan'),
        ({'score': [1, 2, 3.0]}, '', "holds 'score'"),
        ({'image_id': [1, 1, 2]}, '', "holds 'image_id'"),
        ({'base': 2}, '', "'base' is 2"),
        ({'base': 0.5}, '', "'base' is 0.5"),
        ({'base': [0, 1]}, '', "'base' is [0, 1]"),
    ],
)
def test_arrays_at_fault(tmp_path, keypoints, truth, arrays, where, what):
    path = npz(tmp_path / 'x.npz', **{'keypoints': keypoints, **arrays})

    problem = problems_of(path, truth)[0]

    assert where in problem.where
    assert what in problem.what


@pytest.mark.parametrize('value', [np.nan, np.inf, -2e6])
def test_an_impossible_coordinate_names_row_and_joint(tmp_path, keypoints, truth, value):
    keypoints[2, 6, 1] = keypoints[2, 7, 0] = value

    (problem,) = problems_of(npz(tmp_path / 'x.npz', keypoints=keypoints), truth)

    assert 'row 2 (id 13)' in problem.where
    assert 'right_shoulder is at' in problem.what
    assert 'and 1 more joints' in problem.what


def test_a_long_double_that_overflows_is_not_finite(tmp_path, keypoints, truth):
    wide = keypoints.astype(np.longdouble)
    if np.finfo(np.longdouble).max <= np.finfo(np.float64).max:
        pytest.skip('long doubles are doubles here')
    wide[0, 0, 0] = np.longdouble('1e400')

    assert 'nose is at (inf' in problems_of(npz(tmp_path / 'x.npz', keypoints=wide), truth)[0].what


def test_npz_needs_keypoints(tmp_path):
    (problem,) = problems_of(npz(tmp_path / 'x.npz', scores=[1, 2], poses=[3]))

    assert problem.what == "has no 'keypoints': it holds poses, scores"


def test_arrays_that_are_not_read_are_told(tmp_path, keypoints, truth):
    path = npz(tmp_path / 'x.npz', keypoints=keypoints, heatmaps=np.zeros(3), ids=[11, 12, 13])

    assert read(path, truth).notes[0] == 'not read: heatmaps'


def test_npz_without_a_truth(tmp_path, keypoints):
    file = read(npz(tmp_path / 'x.npz', keypoints=keypoints))

    assert file.predictions.ids.tolist() == [0, 1, 2]
    assert file.notes[0] == 'row i is a person of its own'


# --- MPII's mat


def mat(path, **variables):
    scipy.io.savemat(path, variables)
    return path


def test_mat_counts_from_one(tmp_path, keypoints, truth):
    file = read(mat(tmp_path / 'x.mat', preds=keypoints), truth)

    assert (file.kind, file.base) == ('MPII mat', 1)
    np.testing.assert_array_equal(file.predictions.keypoints, keypoints - 1)
    assert file.predictions.ids.tolist() == [11, 12, 13]
    zero = read(mat(tmp_path / 'x.mat', preds=keypoints), truth, base=0)
    np.testing.assert_array_equal(zero.predictions.keypoints, keypoints)


@pytest.mark.parametrize(
    ('variables', 'what'),
    [
        ({'pred': np.zeros((3, 17, 2))}, "has no 'preds': it holds pred"),
        ({'pos_gt_src': np.zeros((16, 2, 3))}, 'holds the truth'),
        ({'preds': np.zeros((17, 2, 3))}, 'has shape (17, 2, 3)'),
        ({'preds': np.zeros((4, 17, 2))}, 'has 4 rows'),
        ({'preds': {'keypoints': np.zeros((3, 17, 2))}}, 'is a struct'),
        ({'preds': np.full((3, 17, 2), np.nan)}, 'nose is at (nan, nan), and 16 more joints'),
        ({'preds': np.zeros((3, 17, 2), bool)}, 'holds bool'),
    ],
)
def test_mats_at_fault(tmp_path, truth, variables, what):
    assert what in problems_of(mat(tmp_path / 'x.mat', **variables), truth)[0].what


# --- real files


def test_real_mats_and_npz_pair_with_mpii(shared_data):
    folder = shared_data / 'mpii'
    val = read_truth(folder / 'mpii_val.json').truth
    resnet = read(folder / 'resnet50_mpii16_on_mpii_val.mat', val, 'mpii').predictions
    published = scipy.io.loadmat(folder / 'resnet50_mpii16_on_mpii_val.mat')['preds']
    np.testing.assert_allclose(resnet.keypoints, published - 1.0, atol=1e-4)
    np.testing.assert_array_equal(resnet.ids, val.ids)

    (problem,) = problems_of(folder / 'resnet50_mpii16_on_mpii_val.mat', val)
    assert 'mpii: name the right one' in problem.fix
    (problem,) = problems_of(folder / 'vitpose-b_coco17_on_mpii_train_part.npz', val)
    assert 'has 19955 rows' in problem.what


def test_a_file_of_boxes_is_refused(shared_data):
    path = shared_data / 'real' / 'coco' / 'test_coco_det_AP_H_56.json'

    (problem,) = problems_of(path)

    assert "has no 'keypoints'" in problem.what
    assert 'and 113 more' in problem.where


def test_a_pickle_in_npz_clothing_is_never_run(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.array([get_skeleton('coco')], dtype=object), allow_pickle=True)
    (tmp_path / 'x.npz').write_bytes(buffer.getvalue())

    assert 'single .npy' in problems_of(tmp_path / 'x.npz')[0].what
