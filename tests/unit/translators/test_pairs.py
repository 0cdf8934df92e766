import json

import numpy as np
import pytest
from scipy.io import savemat

from hpemap_mm.errors import DataError
from hpemap_mm.skeletons import get_skeleton
from hpemap_mm.translators.pairs import Side, read_pairs

COCO, MPII = get_skeleton('coco'), get_skeleton('mpii')


def figure(person, skeleton):
    """A person of 100 x 100 px; joints of one name lie in one place in every skeleton."""
    offsets = [(hash_of(joint) % 101, hash_of(joint) // 101 % 101) for joint in skeleton.joints]
    return np.array(offsets, float) + (300 * person, 50)


def hash_of(joint):
    return sum(ord(c) * 31**i for i, c in enumerate(joint))


def mpii_json(path, persons, *, images=None):
    rows = []
    for i, person in enumerate(persons):
        points = figure(person, MPII) + 1
        vis = [1] * len(MPII)
        vis[MPII.index('pelvis')] = 0
        points[MPII.index('pelvis')] = -1
        rows.append(
            {
                'image': f'{(images or persons)[i]:09d}.jpg',
                'joints': points.tolist(),
                'joints_vis': vis,
                'center': [300.0 * person + 51, 86.0],
                'scale': 1.0,
            }
        )
    path.write_text(json.dumps(rows))
    return str(path)


def coco_json(path, persons, *, ids=None, images=None, crowd=()):
    annotations = []
    for i, person in enumerate(persons):
        flags = np.full(17, 2)
        flags[COCO.index('left_ear')] = 0
        annotations.append(
            {
                'id': (ids or persons)[i],
                'image_id': (images or persons)[i],
                'category_id': 1,
                'bbox': [300 * person, 50, 100, 100],
                'area': 5000.0,
                'iscrowd': int(person in crowd),
                'keypoints': np.column_stack([figure(person, COCO), flags]).ravel().tolist(),
            }
        )
    shown = sorted({a['image_id'] for a in annotations})
    value = {
        'images': [{'id': i, 'file_name': f'{i:09d}.jpg'} for i in shown],
        'annotations': annotations,
        'categories': [{'id': 1, 'name': 'person', 'keypoints': list(COCO.joints)}],
    }
    path.write_text(json.dumps(value))
    return str(path)


def points(persons, skeleton=COCO):
    return np.stack([figure(person, skeleton) for person in persons])


def test_predictions_in_npz_and_mpiis_json_by_rows(tmp_path, caplog):
    np.savez(tmp_path / 'p.npz', keypoints=points([3, 1]) + 1)
    target = mpii_json(tmp_path / 'm.json', [3, 1])

    pairs = read_pairs(
        dict(file=str(tmp_path / 'p.npz'), skeleton='coco', base=1),
        dict(file=target, skeleton='mpii'),
    )

    assert len(pairs) == 2 and pairs.name == pairs.target.name == 'm'
    assert (pairs.source.name, pairs.target.skeleton.name) == ('coco', 'mpii')
    np.testing.assert_allclose(pairs.keypoints, points([3, 1]))
    assert pairs.scores is None
    expected = points([3, 1], MPII)
    expected[:, MPII.index('pelvis')] = np.nan
    np.testing.assert_allclose(pairs.target_points, expected)
    assert pairs.target.image_ids.tolist() == [3, 1] and pairs.knows_images
    assert np.isfinite(pairs.target.areas).all() and np.isfinite(pairs.target.head_sizes).all()
    np.testing.assert_allclose(pairs.matching.distances, 0, atol=1e-9)
    assert str(pairs.matching) == '2 pairs of 2 and 2 persons (rows)'


def test_taking_keeps_rows_together(tmp_path):
    np.savez(
        tmp_path / 'p.npz',
        keypoints=points([3, 1, 2]),
        keypoint_scores=np.ones((3, 17)) * [[0.3], [0.1], [0.2]],
    )
    pairs = read_pairs(
        dict(file=str(tmp_path / 'p.npz'), skeleton='coco'),
        dict(file=mpii_json(tmp_path / 'm.json', [3, 1, 2]), skeleton='mpii'),
        name='mine',
    )

    some = pairs.take([2, 0])

    assert some.name == 'mine' and len(some) == 2
    np.testing.assert_array_equal(some.keypoints, pairs.keypoints[[2, 0]])
    np.testing.assert_allclose(some.scores[:, 0], [0.2, 0.3])
    assert some.target.image_ids.tolist() == [2, 3]
    np.testing.assert_array_equal(some.target_points, pairs.target_points[[2, 0]])
    assert len(pairs.take(pairs.target.image_ids == 1)) == 1


def test_annotations_by_ids(tmp_path):
    source = coco_json(tmp_path / 'c.json', [5, 6, 7], crowd=[7])
    rows = points([7, 6, 9])
    np.savez(tmp_path / 'p.npz', keypoints=rows, ids=[7, 6, 9], image_ids=[7, 6, 9])

    pairs = read_pairs(
        dict(file=source, skeleton='coco'),
        dict(file=str(tmp_path / 'p.npz'), skeleton='coco', kind='predictions'),
        match='ids',
    )

    # Person 7 is a crowd; 5 and 9 are in one file only.
    assert pairs.target.ids.tolist() == [6] and pairs.matching.crowd == 1
    assert np.isnan(pairs.keypoints[0, COCO.index('left_ear')]).all()
    assert np.isfinite(pairs.keypoints).all(-1).sum() == 16
    # The target was predicted: all joints count, and what the truth knows is kept.
    assert (pairs.target.visible == 2).all()
    assert pairs.target.areas.tolist() == [5000.0]
    np.testing.assert_allclose(pairs.target.boxes, [[1800, 50, 1900, 150]])


def test_detections_by_position_in_images_of_one_name(tmp_path):
    detections = [
        {'image_id': image, 'category_id': 1, 'score': 0.9, 'keypoints': keypoints}
        for image, person in ((1, 2), (1, 1), (4, 4))
        for keypoints in [np.column_stack([figure(person, COCO) + 3, np.ones(17)]).ravel().tolist()]
    ]
    (tmp_path / 'd.json').write_text(json.dumps(detections))
    target = mpii_json(tmp_path / 'm.json', [1, 2, 3], images=[1, 1, 3])

    pairs = read_pairs(
        dict(file=str(tmp_path / 'd.json'), skeleton='coco'),
        dict(file=target, skeleton='mpii'),
        match='position',
    )

    assert pairs.matching.source_rows.tolist() == [1, 0]
    assert pairs.matching.target_rows.tolist() == [0, 1]
    assert pairs.scores.tolist() == [[1.0] * 17] * 2
    side = np.sqrt(0.53) * 200  # of MPII's square, 200 x scale
    np.testing.assert_allclose(pairs.matching.distances, np.hypot(3, 3) / side)


def test_arrays_of_other_names(tmp_path):
    left = np.concatenate([points([1, 2]), np.full((2, 17, 1), 2.0)], axis=-1).astype(np.int16)
    left[0, 4, 2] = 0
    left[0, 4, :2] = 0
    np.savez(
        tmp_path / 'both.npz',
        a=left,
        b=points([1, 2], MPII),
        image=[10, 11],
        person=[7, 8],
        box=[[300, 50, 100, 200], [600, 50, 0, 0]],
    )
    file = str(tmp_path / 'both.npz')

    pairs = read_pairs(
        dict(file=file, skeleton='coco', array='a', image_ids='image', boxes='box'),
        dict(file=file, skeleton='mpii', array='b', ids='person'),
    )

    assert np.isnan(pairs.keypoints[0, 4]).all() and np.isfinite(pairs.keypoints[1]).all()
    assert pairs.target.ids.tolist() == [7, 8]
    # The target's arrays name no images, and have no areas: the source's do.
    assert pairs.target.image_ids.tolist() == [10, 11] and pairs.knows_images
    np.testing.assert_allclose(pairs.target.areas, [0.53 * 20_000, np.nan])
    assert np.isnan(pairs.target.head_sizes).all()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'array': 'c'}, "has no 'c': it holds a, b"),
        ({'array': 'b'}, 'has shape'),
        ({'array': 'a', 'image_ids': 'b'}, "'b' holds float64"),
        ({'array': 'a', 'image_ids': 'short'}, "'short' has shape"),
        ({'array': 'bad'}, 'person 1: .*visibility that is not 0, 1 or 2'),
        ({'array': 'nan'}, 'person 0: nose is at'),
    ],
)
def test_arrays_at_fault(tmp_path, options, message):
    good = np.concatenate([points([1, 2]), np.full((2, 17, 1), 2.0)], axis=-1)
    bad, nan = good.copy(), good.copy()
    bad[1, 3, 2], nan[0, 0, 0] = 0.5, np.nan
    path = tmp_path / 'x.npz'
    np.savez(path, a=good, b=points([1, 2], MPII), short=[1], bad=bad, nan=nan)

    with pytest.raises(DataError, match=message):
        read_pairs(dict(file=str(path), skeleton='coco', **options), 'same')


def test_a_truth_may_be_its_own_target(tmp_path):
    file = coco_json(tmp_path / 'c.json', [1, 2])

    for target in ('same', None):
        pairs = read_pairs(dict(file=file, skeleton='coco'), target)
        np.testing.assert_array_equal(pairs.keypoints, pairs.target_points)
        assert np.isnan(pairs.keypoints[:, COCO.index('left_ear')]).all()
    with pytest.raises(ValueError, match='need a truth'):
        read_pairs(dict(file=file, skeleton='coco', kind='predictions'), 'same')
    with pytest.raises(ValueError, match="target is a side, None or 'same'"):
        read_pairs(dict(file=file, skeleton='coco'), 'self')


def test_reversed_pairs(tmp_path):
    np.savez(
        tmp_path / 'p.npz', keypoints=points([3, 1]), answered=np.arange(34).reshape(2, 17) > 0
    )
    pairs = read_pairs(
        dict(file=str(tmp_path / 'p.npz'), skeleton='coco'),
        dict(file=mpii_json(tmp_path / 'm.json', [3, 1]), skeleton='mpii'),
    )

    back = pairs.reversed()

    assert (back.source.name, back.target.skeleton.name) == ('mpii', 'coco')
    np.testing.assert_array_equal(back.keypoints, pairs.target_points)
    np.testing.assert_array_equal(back.target_points, pairs.keypoints)
    assert back.target.visible.tolist() == [[0] + [2] * 16, [2] * 17]  # one was not predicted
    for attribute in ('ids', 'image_ids', 'boxes', 'areas', 'head_sizes'):
        np.testing.assert_array_equal(
            getattr(back.target, attribute), getattr(pairs.target, attribute)
        )


def test_kinds_are_told_by_the_file_where_that_is_sure(tmp_path):
    target = dict(file=mpii_json(tmp_path / 'm.json', [1, 2]), skeleton='mpii')
    savemat(tmp_path / 'p.mat', {'preds': points([1, 2]) + 1})
    np.savez(tmp_path / 't.npz', keypoints=points([1, 2]), visible=np.full((2, 17), 2))
    np.savez(tmp_path / 'u.npz', keypoints=np.concatenate([points([1, 2]), np.ones((2, 17, 1))], 2))

    predicted = read_pairs(dict(file=str(tmp_path / 'p.mat'), skeleton='coco'), target)
    annotated = read_pairs(dict(file=str(tmp_path / 't.npz'), skeleton='coco'), target)
    np.testing.assert_allclose(predicted.keypoints, annotated.keypoints)
    unsure = dict(file=str(tmp_path / 'u.npz'), skeleton='coco')
    with pytest.raises(DataError, match="say kind='truth' or kind='predictions'"):
        read_pairs(unsure, target)
    assert read_pairs({**unsure, 'kind': 'truth'}, target).scores is None
    assert read_pairs({**unsure, 'kind': 'predictions'}, target).scores is not None


def test_files_that_are_not_there(tmp_path):
    mpii_json(tmp_path / 'm.json', [1])

    with pytest.raises(DataError, match='is not there -> did you mean'):
        read_pairs(dict(file=str(tmp_path / 'n.json'), skeleton='mpii'), 'same')


@pytest.mark.parametrize(
    ('side', 'message'),
    [
        ({'file': 'x'}, "needs 'file' and 'skeleton'"),
        ({'file': 'x', 'skeleton': 'coco', 'bases': 1}, 'takes .*base'),
        ({'file': 'x', 'skeleton': 'coco', 'kind': 'gt'}, 'kind is one of'),
        ({'file': 'x', 'skeleton': 'coco', 'base': 2}, 'base is'),
        ({'file': 'x', 'skeleton': 'coco', 'image_ids': 'i'}, 'go with array='),
        ('x.json', "needs 'file'"),
    ],
)
def test_sides_at_fault(side, message):
    with pytest.raises(ValueError, match=message):
        Side.of(side)


def test_real_coco_predictions_of_mpii(shared_data):
    folder = shared_data / 'mpii'
    pairs = read_pairs(
        dict(file=str(folder / 'vitpose-b_coco17_on_mpii_train_part.npz'), skeleton='coco', base=1),
        dict(file=str(folder / 'mpii_train_part.json'), skeleton='mpii'),
    )

    assert str(pairs.matching) == '19,955 pairs of 19,955 and 19,955 persons (rows)'
    # A pixel too many or too few in one of the bases would be seen here.
    elbows = [s.index(j) for s, j in ((COCO, 'left_elbow'), (MPII, 'left_elbow'))]
    shift = pairs.target_points[:, elbows[1]] - pairs.keypoints[:, elbows[0]]
    assert np.abs(np.nanmedian(shift, axis=0)).max() < 1
    assert np.nanmedian(pairs.matching.distances) == pytest.approx(0.036, abs=0.001)


def test_real_persons_of_coco_and_wholebody(shared_data):
    coco = next((shared_data / 'real' / 'coco').rglob('*coco.json'))
    whole = next((shared_data / 'real' / 'coco').rglob('*wholebody*.json'))
    sides = (
        dict(file=str(coco), skeleton='coco'),
        dict(file=str(whole), skeleton='coco_wholebody'),
    )

    by_ids = read_pairs(*sides, match='ids')
    by_position = read_pairs(*sides, match='position')

    assert len(by_ids) >= len(by_position) > 5
    of_ids = dict(zip(by_ids.matching.target_rows, by_ids.matching.source_rows, strict=True))
    found = zip(by_position.matching.target_rows, by_position.matching.source_rows, strict=True)
    assert all(of_ids[target] == source for target, source in found)


def test_mpiis_scoring_file_and_json_by_position_is_refused(shared_data):
    folder = shared_data / 'mpii'

    with pytest.raises(DataError, match='mpii_gt_val.mat: does not say which image'):
        read_pairs(
            dict(file=str(folder / 'mpii_val.json'), skeleton='mpii'),
            dict(file=str(folder / 'mpii_gt_val.mat'), skeleton='mpii'),
            match='position',
        )
    pairs = read_pairs(
        dict(file=str(folder / 'mpii_val.json'), skeleton='mpii'),
        dict(file=str(folder / 'mpii_gt_val.mat'), skeleton='mpii'),
    )
    # The scoring file names no images; the json of the same persons does.
    assert len(np.unique(pairs.target.image_ids)) < len(pairs) == 2958
