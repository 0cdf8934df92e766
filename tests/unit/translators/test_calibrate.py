import numpy as np
import pytest
from translator_people import COCO, CROWDPOSE, MPII, pairs_of, people

from hpemap_mm.translators.affine import AffineTranslator
from hpemap_mm.translators.calibrate import DAMAGE
from hpemap_mm.translators.remap import RemapTranslator


def pairs(count=400, seed=0, *, target=MPII, error=5.0):
    """Truth that is the remap, and an error of a law with heavy tails."""
    points = people(COCO, count, seed, missing=0.1)
    truth = RemapTranslator(source=COCO, target=target)(points).keypoints
    truth += error * np.random.default_rng(seed + 1).standard_t(3, truth.shape)
    return pairs_of(COCO, points, target, truth)


def covered(translator, given, level):
    answer = translator(given.keypoints)
    distances = np.linalg.norm(answer.keypoints - given.target_points, axis=-1)
    known = np.isfinite(distances)
    return (distances <= answer.radius(level))[known].mean()


def test_regions_hold_what_they_promise():
    translator = RemapTranslator(source=COCO, target=MPII)
    translator.calibrate(pairs())
    for level in (0.5, 0.8, 0.95):
        assert covered(translator, pairs(400, 10), level) == pytest.approx(level, abs=0.025)


def test_and_so_for_joints_that_are_guessed():
    """By one whose guesses are far worse than its other answers."""
    given, fresh = (pairs(600, seed, error=1.0) for seed in (0, 10))
    translator = AffineTranslator(source=COCO, target=MPII)
    translator.calibrate(given)
    points = DAMAGE(fresh.keypoints, 7)
    answer = translator(points)
    inside = np.linalg.norm(answer.keypoints - fresh.target_points, axis=-1) <= answer.radius(0.8)
    known = np.isfinite(fresh.target_points).all(-1) & answer.answered
    for guessed in (False, True):
        chosen = known & (answer.guessed == guessed)
        assert chosen.sum() > 500
        assert inside[chosen].mean() == pytest.approx(0.8, abs=0.03)
    gains = translator.calibration.gains, translator.calibration.guessed_gains
    known = MPII.index('left_knee')
    assert gains[1][known] > 3 * gains[0][known]


def test_again_gives_the_same():
    """Scales, not sigmas of the calibration before, are calibrated."""
    translator = RemapTranslator(source=COCO, target=MPII)
    found = []
    for _ in range(2):
        translator.calibrate(pairs())
        found.append(translator.calibration.gains.clone())
    np.testing.assert_array_equal(found[0], found[1])


def test_several_pairs_are_pooled_and_others_are_not_looked_at():
    one, other = (RemapTranslator(source=COCO, target=MPII) for _ in range(2))
    whole = pairs()
    parts = [whole.take(np.arange(150)), pairs(target=CROWDPOSE, error=90.0)]
    one.calibrate(whole)
    other.calibrate([*parts, whole.take(np.arange(150, 400))])
    # In other chunks, so the last digit may differ.
    np.testing.assert_allclose(one.calibration.radii, other.calibration.radii, rtol=1e-5)


def test_scores_count_as_they_do_when_translating():
    given = pairs()
    wrist = COCO.index('left_wrist')
    scores = np.ones(given.keypoints.shape[:2])
    scores[:, wrist] = 0.0
    spoilt = given.keypoints.copy()
    spoilt[:, wrist] += 1000
    one, other = (RemapTranslator(source=COCO, target=MPII) for _ in range(2))
    without = given.keypoints.copy()
    without[:, wrist] = np.nan
    one.calibrate(pairs_of(COCO, spoilt, MPII, given.target_points, scores=scores))
    other.calibrate(pairs_of(COCO, without, MPII, given.target_points))
    np.testing.assert_array_equal(one.calibration.radii, other.calibration.radii)


def test_no_pairs_of_its_skeletons():
    translator = RemapTranslator(source=COCO, target=MPII)
    with pytest.raises(ValueError, match=r"from coco to mpii; no pairs .* among \['people'\]"):
        translator.calibrate([pairs(target=CROWDPOSE)])


def test_after_a_failure_it_is_as_before():
    translator = RemapTranslator(source=COCO, target=MPII)
    translator.calibrate(pairs())
    before = translator.calibration.gains.clone()
    broken = pairs(20, seed=3)
    broken.keypoints[0, 0] = np.inf
    with pytest.raises(ValueError, match='infinite'):
        translator.calibrate(broken)
    np.testing.assert_array_equal(translator.calibration.gains, before)
