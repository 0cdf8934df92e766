"""Regions hold what they promise on persons that come after, whatever the law of the errors is."""

import numpy as np
import pytest
from translator_people import MPII

from hpemap_mm.translators.calibration import LEAST, Calibration
from hpemap_mm.translators.translation import LEVELS, MEDIAN_RADIUS, Translation

FLIPS = MPII.flip_indices
SIZE = len(MPII)


def errors(count, seed):
    """Heavy-tailed distances (N, D) px, in scales that know the persons but not the joints."""
    rng = np.random.default_rng(seed)
    scales = np.exp(rng.normal(2, 1, (count, SIZE)))
    factors = np.linspace(0.2, 3, SIZE)
    factors = (factors + factors[FLIPS]) / 2
    tails = np.linalg.norm(rng.standard_t(2, (count, SIZE, 2)), axis=-1)
    return tails * factors * scales, scales


def translation(calibration, scales):
    """What a translator with these scales would answer."""
    return Translation(
        skeleton=MPII,
        keypoints=np.zeros((*scales.shape, 2)),
        sigmas=scales * calibration.gains.numpy(),
        origins=np.full(scales.shape, 3, np.uint8),
        radii=calibration.table(),
    )


@pytest.mark.parametrize('seed', [0, 1])
def test_coverage_of_fresh_errors(seed):
    calibration = Calibration(SIZE)
    calibration.fit(*errors(2000, seed), FLIPS)
    distances, scales = errors(10_000, 100 + seed)
    found = translation(calibration, scales)

    for level in (0.1, 0.5, 0.8, 0.95, 0.99, 0.995):
        covered = (distances <= found.radius(level)).mean(0)
        # Of 2,000 calibrated (middle joints have no partner) and 10,000 counted persons.
        error = np.sqrt(level * (1 - level) * (1 / 2000 + 1 / 10_000))
        assert np.abs(covered - level).max() < 4 * error, level


def test_quantiles_by_hand():
    calibration = Calibration(SIZE)
    scales = np.full((99, SIZE), 2.0)
    middle = MPII.index('pelvis')
    distances = np.full((99, SIZE), np.nan)
    distances[:, middle] = 2.0 * np.arange(1, 100)[::-1]  # 1 .. 99 in scales
    calibration.fit(distances, scales, FLIPS)

    # Of 99 + 1 exchangeable ones half lie below the 50th, 95% below the 95th.
    assert float(calibration.gains[middle]) == pytest.approx(50 / MEDIAN_RADIUS)
    found = translation(calibration, scales)
    assert found.radius(0.5)[0, middle] == pytest.approx(100)
    for level in LEVELS[:-2]:
        assert found.radius(level)[0, middle] == pytest.approx(200 * level)
    assert np.isnan(np.delete(found.radius(0.5), middle, axis=1)).all()


def test_a_joint_and_its_mirror_image_share_theirs():
    distances, scales = errors(300, 0)
    left, right = MPII.index('left_wrist'), MPII.index('right_wrist')
    distances[:, left] *= 5
    one, other = Calibration(SIZE), Calibration(SIZE)
    one.fit(distances, scales, FLIPS)
    other.fit(distances[:, FLIPS], scales[:, FLIPS], FLIPS)

    for found in (one, other):
        np.testing.assert_array_equal(found.gains[FLIPS.tolist()], found.gains)
        np.testing.assert_array_equal(found.radii[FLIPS.tolist()], found.radii)
    np.testing.assert_array_equal(one.gains, other.gains)
    pooled = np.concatenate([(distances / scales)[:, [left, right]]]).ravel()
    assert float(one.gains[left]) * MEDIAN_RADIUS == pytest.approx(np.median(pooled), rel=0.02)


def test_radii_grow_with_the_probability():
    calibration = Calibration(SIZE)
    calibration.fit(*errors(500, 3), FLIPS)
    assert (np.diff(calibration.table(), axis=1) >= 0).all()
    assert calibration.table()[:, LEVELS.index(0.5)] == pytest.approx(MEDIAN_RADIUS)


def test_what_is_not_known_does_not_count():
    distances, scales = errors(400, 4)
    some = distances[:300].copy()
    more = np.concatenate([some, np.full((100, SIZE), np.nan)])
    scales[350:] = 0.0  # and nobody divides by it
    one, other = Calibration(SIZE), Calibration(SIZE)
    one.fit(some, scales[:300], FLIPS)
    other.fit(more, scales, FLIPS)
    np.testing.assert_array_equal(one.radii, other.radii)


def test_too_few_persons():
    calibration = Calibration(SIZE)
    distances, scales = errors(LEAST - 1, 5)
    calibration.fit(distances, scales, FLIPS)

    # Joints of two sides have twice as many; those on the middle line not enough.
    alone = np.array([FLIPS[joint] == joint for joint in range(SIZE)])
    assert 0 < alone.sum() < SIZE
    np.testing.assert_array_equal(np.isnan(calibration.gains), alone)
    np.testing.assert_array_equal(
        np.isnan(translation(calibration, scales).radius(0.9)).all(0), alone
    )

    calibration.fit(distances[:10], scales[:10], FLIPS)
    assert calibration.table() is None
    with pytest.raises(ValueError, match='not calibrated'):
        translation(calibration, scales).radius(0.9)


def test_exact_answers_have_a_scale_too():
    calibration = Calibration(SIZE)
    calibration.fit(np.zeros((200, SIZE)), np.ones((200, SIZE)), FLIPS)
    assert (calibration.gains > 0).all() and (calibration.radii == 0).all()


def test_it_is_kept_with_the_weights():
    one, other = Calibration(SIZE), Calibration(SIZE)
    one.fit(*errors(200, 6), FLIPS)
    other.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(other.table(), one.table())
