"""Pairs and models brought together for the validation and the test of translators."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from translator_worlds import COCO, MPII, SCALE, TinyRemap, TinyShift, write_world

from hpemap_mm.engine.translator_scores import (
    frames_of,
    pairs_of,
    predictions_of,
    test_sets,
    translator_for,
    validation_figures,
    ways_of,
)
from hpemap_mm.errors import DataError
from hpemap_mm.translators.corruption import Corruption
from hpemap_mm.translators.pairs import read_pairs


@pytest.fixture
def pairs(tmp_path):
    write_world(tmp_path, persons=100)
    return read_pairs(
        {'file': str(tmp_path / 'coco.npz'), 'skeleton': 'coco', 'kind': 'predictions'},
        {'file': str(tmp_path / 'mpii.npz'), 'skeleton': 'mpii', 'kind': 'truth'},
    )


def test_pairs_of_whatever_has_some(pairs):
    one = SimpleNamespace(pairs=pairs)
    assert pairs_of(one) == (pairs,)
    assert pairs_of(SimpleNamespace(datasets=[one, one])) == (pairs, pairs)
    assert pairs_of(SimpleNamespace(entries=[one])) == (pairs,)
    with pytest.raises(DataError, match='no pairs'):
        pairs_of(SimpleNamespace())


def test_the_model_between_the_skeletons(pairs):
    model = TinyRemap(source='coco', target='mpii')
    assert translator_for(model, pairs) is model
    several = SimpleNamespace(between=lambda source, target: (source, target))
    assert translator_for(several, pairs) == ('coco', 'mpii')
    with pytest.raises(DataError, match='go from coco to mpii, the model from mpii to coco'):
        translator_for(TinyRemap(source='mpii', target='coco'), pairs)


def test_baselines_come_first_and_the_model_is_there_once(pairs):
    remap = {'type': 'hpemap_mm.TinyRemap'}
    model = TinyShift(source='coco', target='mpii')
    assert [way.name for way in ways_of(model, pairs, [remap])] == ['tinyremap', 'tinyshift']
    itself = TinyRemap(source='coco', target='mpii')
    assert ways_of(itself, pairs, [remap]) == [itself]
    other = {**remap, 'source': 'mpii', 'target': 'coco'}
    assert ways_of(model, pairs, [other]) == [model]


def test_a_corruption_is_a_dataset_of_its_own(pairs):
    whole, worse = test_sets([pairs], [Corruption(name='30% missing', missing=0.3)], seed=5)
    assert (whole.pairs.target.name, worse.pairs.target.name) == ('mpii', 'mpii+30%-missing')
    np.testing.assert_array_equal(whole.pairs.target.keypoints, worse.pairs.target.keypoints)
    assert worse.notes == [*whole.notes, f'source joints: {worse.corruption}']
    predictions = predictions_of(worse.pairs)
    assert predictions.answered.mean() == pytest.approx(0.7, abs=0.05)
    assert predictions_of(pairs).answered is None
    assert predictions.ids.tolist() == pairs.target.ids.tolist()


def test_confidences_make_the_score_of_a_person(pairs):
    scores = np.full(pairs.keypoints.shape[:2], 0.5)
    points = pairs.keypoints.copy()
    points[0, 0] = np.nan
    found = predictions_of(replace(pairs, keypoints=points, scores=scores))
    assert found.keypoint_scores[0, :2].tolist() == [0.0, 0.5]
    assert found.scores.tolist() == [0.5] * 100


def test_validation_figures(pairs):
    model = TinyRemap(source='coco', target='mpii')
    figures = validation_figures(model, [pairs])
    # All but the head top lie 6 px (0.2 heads) to the right; pelvis and thorax do not count.
    assert figures['pckh@0.5'] == pytest.approx(13 / 14, abs=0.001)
    assert figures['pckh@0.1'] < 0.2
    model = TinyShift(source='coco', target='mpii')
    model.fit(pairs)
    assert validation_figures(model, [pairs])['pckh@0.1'] > 0.5
    no_heads = replace(pairs, target=replace(pairs.target, head_sizes=np.full(100, np.nan)))
    assert validation_figures(model, [no_heads]).keys() == {'pck@0.1', 'pck@0.05'}


def test_several_pairs_have_a_mean_and_figures_of_their_own(pairs):
    model = TinyRemap(source='coco', target='mpii')
    other = replace(pairs, name='other', keypoints=np.full_like(pairs.keypoints, np.nan))
    figures = validation_figures(model, [pairs, other])
    assert figures['other/pckh@0.5'] == 0
    assert figures['pckh@0.5'] == pytest.approx(figures['mpii/pckh@0.5'] / 2)


def test_calibration_is_of_the_pairs_that_fit(pairs):
    model = TinyShift(source='coco', target='mpii')
    model.fit(pairs)
    model.calibrate([pairs, pairs.reversed()])
    knee = MPII.index('left_knee')
    # Noise of 2 px a side in scales of 2 px.
    assert float(model.calibration.gains[knee]) == pytest.approx(2 / SCALE, abs=0.25)
    with pytest.raises(ValueError, match='no pairs to calibrate'):
        model.calibrate(pairs.reversed())
    assert np.isfinite(model(pairs.keypoints).radius(0.8)[:, knee]).all()


def test_frames_lie_where_the_persons_are():
    points = np.full((3, len(COCO), 2), np.nan)
    points[0] = points[1] = np.random.default_rng(0).normal(0, 10, (len(COCO), 2))
    points[1] += 1e7
    centres, sizes = frames_of(points)
    np.testing.assert_allclose(centres[1] - centres[0], 1e7, atol=1e-3)
    assert sizes[1] == pytest.approx(sizes[0], rel=1e-3)
    assert np.isnan(centres[2]).all() and np.isnan(sizes[2])
