"""What is written is read back to the last digit."""

from dataclasses import replace

import numpy as np
import pytest

from hpemap_mm.errors import DataError
from hpemap_mm.evaluation import Predictions
from hpemap_mm.persons.files import read_predictions, write_predictions
from hpemap_mm.skeletons import get_skeleton


def predictions(*, ids=None, keypoint_scores=True):
    rng = np.random.default_rng(3)
    return Predictions.build(
        name='x',
        representation=get_skeleton('coco'),
        keypoints=rng.normal(100, 30, (4, 17, 2)),
        keypoint_scores=rng.random((4, 17)) if keypoint_scores else None,
        scores=rng.random(4),
        image_ids=[1, 1, 2, 3],
        ids=ids,
    )


@pytest.mark.parametrize('suffix', ['.json', '.npz'])
@pytest.mark.parametrize('ids', [None, [4, 2, 9, 1]])
def test_round_trip(tmp_path, suffix, ids):
    before = predictions(ids=ids)

    path = write_predictions(tmp_path / 'new' / f'x{suffix}', before)
    after = read_predictions(path, representation='coco').predictions

    for key in ('keypoints', 'keypoint_scores', 'scores', 'image_ids'):
        np.testing.assert_array_equal(getattr(after, key), getattr(before, key))
    assert (after.ids is None) == (ids is None)
    assert ids is None or after.ids.tolist() == ids
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_joints_without_a_confidence(tmp_path):
    before = predictions(keypoint_scores=False)

    arrays = read_predictions(
        write_predictions(tmp_path / 'x.npz', before), representation='coco'
    ).predictions
    rows = read_predictions(
        write_predictions(tmp_path / 'x.json', before), representation='coco'
    ).predictions

    assert np.isnan(arrays.keypoint_scores).all()
    assert (rows.keypoint_scores == 1).all()


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match='.json or .npz'):
        write_predictions(tmp_path / 'x.csv', predictions())
    with pytest.raises(ValueError, match='1 joints have no confidence'):
        some = predictions()
        some.keypoint_scores[2, 3] = np.nan
        write_predictions(tmp_path / 'x.json', some)
    nobody = Predictions.build(
        name='x',
        representation=get_skeleton('coco'),
        keypoints=np.zeros((0, 17, 2)),
        image_ids=[],
        scores=[],
    )
    with pytest.raises(ValueError, match='no predicted person'):
        write_predictions(tmp_path / 'x.json', nobody)
    assert not list(tmp_path.iterdir())


def test_missing_joints_stay_missing_or_are_refused(tmp_path):
    answered = np.ones((4, 17), bool)
    answered[1, 5:9] = False
    before = replace(predictions(ids=[4, 2, 9, 1]), answered=answered)

    path = write_predictions(tmp_path / 'x.npz', before)
    after = read_predictions(path, representation='coco').predictions
    np.testing.assert_array_equal(after.answered, answered)
    np.testing.assert_array_equal(after.keypoints[answered], before.keypoints[answered])

    with pytest.raises(ValueError, match='4 joints were not predicted'):
        write_predictions(tmp_path / 'x.json', before)
    arrays = dict(np.load(path))
    # Somebody else's file may have NaN where nothing was predicted, and nowhere else.
    arrays['keypoints'][~answered] = np.nan
    np.savez(tmp_path / 'y.npz', **arrays)
    other = read_predictions(tmp_path / 'y.npz', representation='coco').predictions
    assert np.isfinite(other.keypoints).all()
    np.savez(tmp_path / 'z.npz', **{**arrays, 'answered': answered * 2})
    with pytest.raises(DataError, match='0 and 1'):
        read_predictions(tmp_path / 'z.npz', representation='coco')
