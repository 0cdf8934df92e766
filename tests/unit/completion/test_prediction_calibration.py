import json

import numpy as np
import pytest

from hpemap_mm.completion.anchoring import ErrorField
from hpemap_mm.completion.calibration import HeadCalibration, PredictionCalibration
from hpemap_mm.completion.candidates import PersonBatch, Predicted, sizes_of
from hpemap_mm.completion.links import MEDIAN_RADIUS, residuals
from hpemap_mm.skeletons import annotator_stds, correspondences, get_skeleton

COCO = get_skeleton('coco')


def world(count=600, seed=0, share=0.7, reach=0.3, skeleton=COCO):
    """Persons whose prediction errors follow a known law: 0.02 sizes at score 1, 0.1 at 0."""
    rng = np.random.default_rng(seed)
    joints = len(skeleton)
    sizes = rng.uniform(60, 300, count)
    places = rng.uniform(0, 1.4, (count, joints, 2))
    scores = rng.uniform(0, 1, (count, joints))
    stds = 0.1 - 0.08 * scores
    stds[:, skeleton.index('left_hip')] *= 2
    stds[:, skeleton.index('right_hip')] *= 2
    covariance = ErrorField(share=share, reach=reach).covariance(places, stds)
    drawn = np.linalg.cholesky(covariance) @ rng.normal(size=(count, joints, 2))
    truth = (places + drawn) * sizes[:, None, None]
    visibility = np.where(rng.random((count, joints)) < 0.8, 2, 0).astype(np.uint8)
    truth[visibility == 0] = np.nan
    batch = PersonBatch(
        skeleton=skeleton,
        keypoints=truth,
        visibility=visibility,
        bboxes=np.tile([0.0, 0, 10, 10], (count, 1)),
        sizes=sizes,
    )
    predicted = Predicted(skeleton=skeleton, keypoints=places * sizes[:, None, None], scores=scores)
    return batch, predicted, stds


def test_the_law_is_found_again():
    batch, predicted, stds = world()
    calibration = PredictionCalibration.fit([(batch, {'coco': predicted})])
    found = calibration.heads['coco'].stds(predicted.scores)
    inner = np.abs(predicted.scores - 0.5) < 0.4
    ratio = (found / stds)[inner]
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert np.quantile(np.abs(ratio - 1), 0.9) < 0.25
    gains = calibration.heads['coco'].gains
    hip, knee = COCO.index('left_hip'), COCO.index('left_knee')
    assert gains[hip] == gains[COCO.index('right_hip')] > 1.5 * gains[knee]
    link = calibration.links['coco']['coco']
    assert link.field.share == pytest.approx(0.7, abs=0.11)
    assert 0.2 <= link.field.reach <= 0.4
    assert link.gain == pytest.approx(1, abs=0.1)


def test_errors_without_anything_in_common_get_no_share():
    batch, predicted, _ = world(share=0.0)
    links = PredictionCalibration.fit([(batch, {'coco': predicted})]).links
    assert links['coco']['coco'].field.share == 0


def test_half_of_the_errors_are_within_the_median_radius():
    rng = np.random.default_rng(0)
    errors = np.abs(rng.standard_t(2, (400, len(COCO)))) * 0.05
    head = HeadCalibration.fit(COCO, errors, rng.uniform(size=errors.shape))
    inside = errors < head.stds(np.full(errors.shape, 0.5)) * MEDIAN_RADIUS
    assert inside.mean() == pytest.approx(0.5, abs=0.02)


def test_it_survives_json():
    batch, predicted, _ = world(count=60)
    calibration = PredictionCalibration.fit([(batch, {'coco': predicted})])
    again = PredictionCalibration.from_json(json.loads(json.dumps(calibration.to_json())))
    scores = predicted.scores
    np.testing.assert_array_equal(
        again.heads['coco'].stds(scores), calibration.heads['coco'].stds(scores)
    )
    assert again.links == calibration.links
    with pytest.raises(ValueError, match='no calibration'):
        PredictionCalibration.from_json({'heads': {}})


def test_a_head_is_less_sure_on_the_persons_of_another_dataset():
    """LSP's head, three times as far off on COCO's persons: told by the joints that both have."""
    lsp = get_skeleton('lsp')
    at_home, told, _ = world(share=0.0, skeleton=lsp)
    abroad, own, _ = world(share=0.0, seed=1)
    head = HeadCalibration.fit(lsp, np.linalg.norm(residuals(at_home, told), axis=-1), told.scores)
    rng = np.random.default_rng(2)
    scores = rng.uniform(0, 1, (len(abroad), len(lsp)))
    points = rng.uniform(0, 400, (*scores.shape, 2))
    sizes = abroad.sizes[:, None]
    off = 3 * head.stds(scores)[..., None] * rng.normal(size=points.shape) * sizes[..., None]
    shared = 0
    for place, record in enumerate(correspondences(COCO, lsp, near=False)):
        if record.relation == 'same':
            points[:, place] = abroad.keypoints[:, record.sources[0]] + off[:, place]
            shared += 1
    assert 0 < shared < len(lsp)
    foreign = Predicted(skeleton=lsp, keypoints=points, scores=scores)
    calibration = PredictionCalibration.fit(
        [(at_home, {'lsp': told}), (abroad, {'coco': own, 'lsp': foreign})]
    )
    assert calibration.links['coco']['lsp'].field.share <= 0.1
    assert calibration.links['coco']['lsp'].gain == pytest.approx(3, rel=0.1)
    # LSP's persons were only predicted in their own skeleton.
    assert calibration.links['lsp'].keys() == {'lsp'}
    there = np.isfinite(points).all(-1)
    found = calibration.estimate(abroad, foreign, own)[1]
    expected = 3 * calibration.heads['lsp'].stds(scores) * sizes
    np.testing.assert_allclose(found[there], expected[there], rtol=0.15)


def test_errors_that_go_together_across_heads_are_found():
    """Two heads with the same error at the same place: the annotation corrects the other one."""
    lsp = get_skeleton('lsp')
    batch, own, _ = world(share=0.9)
    at_home, told, _ = world(share=0.9, skeleton=lsp, seed=1)
    points = np.random.default_rng(2).uniform(0, 400, (len(batch), len(lsp), 2))
    for place, record in enumerate(correspondences(COCO, lsp, near=False)):
        if record.relation == 'same':
            points[:, place] = own.keypoints[:, record.sources[0]]
    other = Predicted(skeleton=lsp, keypoints=points, scores=np.full(points.shape[:2], 0.5))
    calibration = PredictionCalibration.fit(
        [(batch, {'coco': own, 'lsp': other}), (at_home, {'lsp': told})]
    )
    assert calibration.links['coco']['lsp'].field.share >= 0.5


def test_errors():
    batch, predicted, _ = world(count=40)
    mpii = get_skeleton('mpii')
    other = Predicted(
        skeleton=mpii, keypoints=np.zeros((40, len(mpii), 2)), scores=np.zeros((40, len(mpii)))
    )
    with pytest.raises(ValueError, match='nothing to calibrate on'):
        PredictionCalibration.fit([(batch, {'mpii': other})])
    with pytest.raises(ValueError, match='at least 30'):
        HeadCalibration.fit(COCO, np.full((40, len(COCO)), np.nan), predicted.scores)


def test_annotators_stds_are_cocos_per_axis():
    # COCO's sigma of the nose is 0.026: the root mean square distance, over both axes.
    assert annotator_stds(COCO)[COCO.index('nose')] == pytest.approx(0.026 / np.sqrt(2))
    assert annotator_stds(get_skeleton('lsp')).min() > 0


def test_sizes_take_the_area_where_it_is_known():
    boxes = np.array([[0.0, 0, 10, 20], [0, 0, 10, 20]])
    expected = [15, np.sqrt(0.53 * 200)]
    np.testing.assert_allclose(sizes_of(boxes, np.array([225, np.nan])), expected)
    np.testing.assert_allclose(sizes_of(boxes), [expected[1]] * 2)
