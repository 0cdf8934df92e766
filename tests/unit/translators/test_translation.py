from dataclasses import replace

import numpy as np
import pytest
from translator_people import MPII

from hpemap_mm.translators.translation import LEVELS, MEDIAN_RADIUS, Translation

SIZE = len(MPII)


def translation(count=3, *, calibrated=True):
    """Sigmas 1, 2, 3 px by person; radii of a Rayleigh law for all joints but the last."""
    keypoints = np.arange(count * SIZE * 2, dtype=float).reshape(count, SIZE, 2)
    sigmas = np.repeat(np.arange(1.0, count + 1)[:, None], SIZE, 1)
    radii = np.tile(np.sqrt(-2 * np.log1p(-np.array(LEVELS))), (SIZE, 1))
    radii[-1] = np.nan
    return Translation(
        skeleton=MPII,
        keypoints=keypoints,
        sigmas=sigmas,
        origins=np.full((count, SIZE), 3, np.uint8),
        radii=radii if calibrated else None,
    )


def test_answered():
    found = translation()
    found.keypoints[1, 2, 0] = np.nan
    wanted = np.ones((3, SIZE), bool)
    wanted[1, 2] = False
    np.testing.assert_array_equal(found.answered, wanted)
    assert len(found) == 3


def test_radii_are_in_sigmas():
    radius = translation().radius(0.5)
    np.testing.assert_allclose(radius[:, 0], MEDIAN_RADIUS * np.array([1, 2, 3]))
    assert np.isnan(radius[:, -1]).all()
    # Of a two-dimensional Gaussian 95% lie within 2.45 standard deviations.
    np.testing.assert_allclose(translation().radius(0.95)[0, 0], 2.4477, rtol=4e-3)


def test_between_levels_and_at_the_ends():
    found = translation()
    low, high = found.radius(LEVELS[3]), found.radius(LEVELS[4])
    middle = found.radius((LEVELS[3] + LEVELS[4]) / 2)
    np.testing.assert_allclose(middle, (low + high) / 2)
    assert not found.radius(0.0)[:, :-1].any()
    np.testing.assert_allclose(found.radius(0.995)[1, 0], 2 * np.sqrt(-2 * np.log(0.005)))


@pytest.mark.parametrize('probability', [-0.01, 0.996, 1.0, 95, float('nan')])
def test_probabilities_out_of_reach(probability):
    with pytest.raises(ValueError, match=r'probability must be in \[0, 0.995\], got'):
        translation().radius(probability)


def test_nothing_was_calibrated():
    with pytest.raises(ValueError, match='not calibrated'):
        translation(calibrated=False).radius(0.5)


def test_guesses_have_radii_of_their_own():
    plain = translation()
    guessed = np.zeros((3, SIZE), bool)
    guessed[1, 4] = True
    found = replace(plain, guessed=guessed, guessed_radii=3 * plain.radii)
    wanted = plain.radius(0.8)
    wanted[1, 4] *= 3
    np.testing.assert_allclose(found.radius(0.8), wanted)
    part = found.take([1, 0])
    np.testing.assert_allclose(part.radius(0.8), wanted[[1, 0]])

    # Where nobody of a part is guessed, it does not say so.
    sure = replace(plain, guessed_radii=found.guessed_radii)
    for parts in ([sure, found], [found, sure]):
        rows = [id(p) == id(found) for p in parts]
        joined = Translation.concatenate(parts)
        np.testing.assert_array_equal(joined.guessed.reshape(2, 3, SIZE)[rows], [guessed])
        assert joined.guessed.sum() == 1
    assert Translation.concatenate([sure, sure]).guessed is None


@pytest.mark.parametrize('rows', [[2, 0], slice(1, 3), np.array([True, False, True])])
def test_taking_persons(rows):
    whole = translation()
    part = whole.take(rows)
    np.testing.assert_array_equal(part.keypoints, whole.keypoints[rows])
    np.testing.assert_array_equal(part.sigmas, whole.sigmas[rows])
    np.testing.assert_array_equal(part.origins, whole.origins[rows])
    assert part.skeleton is MPII and part.radii is whole.radii
    assert len(part) == 2 and part.answered.shape == (2, SIZE)


def test_parts_make_the_whole():
    whole = translation()
    joined = Translation.concatenate([whole.take([0]), whole.take([]), whole.take([1, 2])])
    for name in ('keypoints', 'sigmas', 'origins', 'radii'):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
