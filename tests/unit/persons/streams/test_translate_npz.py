"""Arrays through a translator."""

import numpy as np
import pytest
from stream_worlds import Remap

from hpemap_mm.persons.arrays import Predictions
from hpemap_mm.persons.files import read_predictions, write_predictions
from hpemap_mm.skeletons import get_skeleton

AIC, COCO, MPII = map(get_skeleton, ('aic', 'coco', 'mpii'))
WRIST = 'left_wrist'


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform(0, 100, (5, len(COCO), 2))


@pytest.fixture
def save(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / 'in.npz', **arrays)
        return tmp_path / 'in.npz'

    return write


@pytest.mark.parametrize('dtype', [np.float32, np.float64, np.int16, np.float16, '>f4'])
def test_precision_is_kept(run, save, points, dtype):
    given = points.astype(dtype)
    _, arrays, _ = run(Remap('coco', 'mpii'), save(keypoints=given), '.npz', count=2)
    kept = np.float32 if np.dtype(dtype) == np.float32 else np.float64
    assert arrays['keypoints'].dtype == kept
    np.testing.assert_array_equal(
        arrays['keypoints'][:, MPII.index(WRIST)], given[:, COCO.index(WRIST)]
    )
    assert 'base' not in arrays


@pytest.mark.parametrize(
    'how', ['nan', 'third', 'scores', 'keypoint_scores', 'visible', 'answered']
)
def test_joints_that_are_missing(run, save, points, how):
    k = COCO.index(WRIST)
    flags = np.ones((5, len(COCO)))
    flags[1, k] = 0
    given = {
        'nan': {'keypoints': np.where(flags[..., None] > 0, points, np.nan)},
        'third': {'keypoints': np.concatenate([points, 2 * flags[..., None]], axis=-1)},
        'visible': {'keypoints': points, 'visible': 2 * flags.astype(np.uint8)},
        'answered': {'keypoints': points, 'answered': flags > 0},
    }.get(how, {'keypoints': points, how: flags / 2})
    remap = Remap('coco', 'mpii')
    summary, arrays, _ = run(remap, save(**given), '.npz')

    there = arrays['answered'][:, MPII.index(WRIST)]
    assert there.tolist() == [True, False, True, True, True]
    ((keypoints, scores),) = remap.seen
    assert np.isnan(keypoints[1, k]).all()
    if how in ('third', 'scores', 'keypoint_scores'):
        assert (scores[1, k], scores[0, k]) == (0, 2 if how == 'third' else 0.5)
    else:
        assert scores is None


def test_what_is_known_of_persons_goes_through(run, save, points):
    known = {
        'ids': np.arange(5) + 7,
        'image_ids': np.arange(5) // 2,
        'image': np.array(list('aabbc')),
        'scores': np.linspace(0.1, 0.5, 5),
        'boxes': np.ones((5, 4)),
        'areas': np.full(5, np.nan),
        'head_sizes': np.arange(5.0),
        'crowd': np.zeros(5, bool),
    }
    summary, arrays, _ = run(
        Remap('coco', 'mpii'),
        save(keypoints=points, base=1, extra=np.ones(3), **known),
        '.npz',
        count=2,
    )
    for name, value in known.items():
        np.testing.assert_array_equal(arrays[name], value)
        assert arrays[name].dtype == value.dtype
    assert arrays['base'] == 1
    assert summary.notes == ('not read: extra',)


def test_it_reads_our_own_predictions_and_we_read_its(run, tmp_path, points):
    predictions = Predictions.build(
        name='x',
        representation=COCO,
        keypoints=points,
        ids=np.arange(5),
        image_ids=np.arange(5),
        keypoint_scores=np.full((5, len(COCO)), 0.5),
    )
    source = write_predictions(tmp_path / 'own.npz', predictions)
    _, _, path = run(Remap('coco', 'mpii'), source, '.npz')
    read = read_predictions(path, representation='mpii').predictions
    np.testing.assert_array_equal(
        read.keypoints[:, MPII.index(WRIST)], points[:, COCO.index(WRIST)]
    )
    assert read.answered is not None
    assert not read.answered[:, MPII.index('head_top')].any()


def test_a_result_is_an_input(run, save, points):
    _, first, path = run(Remap('coco', 'mpii'), save(keypoints=points), '.npz')
    summary, second, _ = run(Remap('mpii', 'coco'), path, '.npz')
    k = COCO.index(WRIST)
    np.testing.assert_array_equal(second['keypoints'][:, k], points[:, k])
    assert summary.answered == 5 * 12


def test_arrays_to_results(run, save, points):
    given = save(
        keypoints=points,
        keypoint_scores=np.full((5, len(COCO)), 0.5),
        scores=np.arange(5) / 8,
        image_ids=np.arange(5) + 3,
        ids=np.arange(5) + 20,
        base=1,
    )
    summary, rows, path = run(Remap('coco', 'mpii'), given)
    assert summary.written == 'COCO results'
    assert [row['image_id'] for row in rows] == [3, 4, 5, 6, 7]
    assert [row['annotation_id'] for row in rows] == [20, 21, 22, 23, 24]
    assert [row['score'] for row in rows] == [0, 0.125, 0.25, 0.375, 0.5]
    table = np.reshape([row['keypoints'] for row in rows], (5, len(MPII), 3))
    found = table[:, MPII.index(WRIST)]
    np.testing.assert_allclose(found[:, :2], points[:, COCO.index(WRIST)] - 1, atol=5.1e-5)
    assert (found[:, 2] == 0.5).all()


def test_without_a_base_json_says_what_it_took(run, save, points):
    summary, rows, _ = run(Remap('coco', 'aic'), save(keypoints=points))
    assert 'does not name its first pixel' in summary.notes[0]
    assert [(row['image_id'], row['score']) for row in rows] == [(i, 1) for i in range(5)]
    summary, again, _ = run(Remap('coco', 'aic'), save(keypoints=points + 1), base=1)
    assert summary.notes == ()
    np.testing.assert_allclose(again[4]['keypoints'], rows[4]['keypoints'], atol=1.1e-4)


def test_compressed_arrays(run, tmp_path, points):
    np.savez_compressed(tmp_path / 'small.npz', keypoints=points)
    _, arrays, _ = run(Remap('coco', 'mpii'), tmp_path / 'small.npz', '.npz', count=2)
    assert arrays['keypoints'].shape == (5, len(MPII), 2)


def test_progress_goes_up_to_all_bytes(run, save, points):
    told = []
    run(
        Remap('coco', 'mpii'),
        save(keypoints=points),
        '.npz',
        count=2,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (points.nbytes, points.nbytes)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_the_median_sigma(run, save, points):
    summary, arrays, _ = run(Remap('coco', 'mpii'), save(keypoints=points), '.npz')
    sigmas = arrays['sigmas'][arrays['answered']]
    assert summary.median_sigma == pytest.approx(np.median(sigmas), rel=0.15)
    middle = np.sort(sigmas)[(len(sigmas) + 1) // 2 - 1]
    assert summary.median_sigma == pytest.approx(middle, rel=0.01)


def test_real_predictions(run, shared_data):
    source = shared_data / 'mpii' / 'vitpose-b_coco17_on_mpii_train_part.npz'
    _, arrays, _ = run(Remap('coco', 'mpii'), source, '.npz')
    with np.load(source) as given:
        np.testing.assert_array_equal(
            arrays['keypoints'][:, MPII.index(WRIST)], given['keypoints'][:, COCO.index(WRIST)]
        )
