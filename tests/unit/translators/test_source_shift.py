import numpy as np
import pytest
import torch
from translator_people import COCO, CROWDPOSE, MPII, mirrored, pairs_of, people, sizes_of

from hpemap_mm.skeletons import correspondences
from hpemap_mm.translators.frame import frame_of
from hpemap_mm.translators.remap import RemapTranslator
from hpemap_mm.translators.source_shift import SourceShift


def sizes(points):
    valid = torch.from_numpy(np.isfinite(points).all(-1))
    return frame_of(torch.from_numpy(np.nan_to_num(points)), valid)[1].numpy()


def world(share, count=400, *, missing=0.0, target=MPII, noise=1.0):
    """The source lies to the right of the truth by this share of its size, in x only."""
    points = people(COCO, count, missing=missing)
    truth = RemapTranslator(source=COCO, target=target)(points).keypoints
    truth += noise * np.random.default_rng(1).standard_normal(truth.shape)
    points[..., 0] += share * sizes(points)[:, None]
    return points, truth


def fitted(points, truth, target=MPII):
    shift = SourceShift()
    shift.fit(COCO, target, points, truth)
    return shift


@pytest.mark.parametrize('share', [0.03, -0.02, 0.0])
@pytest.mark.parametrize('missing', [0.0, 0.3])
def test_a_planted_shift_is_found_and_taken_off(share, missing):
    points, truth = world(share, missing=missing)
    shift = fitted(points, truth)
    assert float(shift.share) == pytest.approx(share, abs=0.001)

    found = shift.corrected(points)
    np.testing.assert_allclose(found, people(COCO, 400, missing=missing), atol=0.1)
    np.testing.assert_array_equal(found[..., 1], points[..., 1])


def test_without_noise_it_is_exact():
    assert float(fitted(*world(0.05, 50, noise=0.0)).share) == pytest.approx(0.05, rel=1e-4)


def test_what_is_not_annotated_and_what_is_wrong_hardly_count():
    points, truth = world(0.03)
    truth[::3, MPII.index('left_wrist')] = np.nan
    truth[::5, ::3] += 500
    assert float(fitted(points, truth).share) == pytest.approx(0.03, abs=0.002)


def test_only_joints_that_are_the_same_are_looked_at():
    points, truth = world(0.03)
    same = [r.relation == 'same' for r in correspondences(COCO, MPII, True, True, True)]
    truth[:, ~np.array(same)] += 1000
    assert float(fitted(points, truth).share) == pytest.approx(0.03, abs=0.001)


def test_up_and_down_is_none_of_its_business():
    points, truth = world(0.0)
    truth[..., 1] += 20
    assert float(fitted(points, truth).share) == pytest.approx(0.0, abs=0.001)


def test_before_it_is_fitted_it_moves_nothing():
    points, _ = world(0.05)
    np.testing.assert_array_equal(SourceShift().corrected(points), points)


def test_missing_joints_stay_zero():
    shift = SourceShift()
    shift.share.fill_(0.1)
    points = torch.tensor([[[10.0], [30.0], [0.0]], [[0.0], [0.0], [0.0]]])
    found = shift(points, torch.tensor([[True], [True], [False]]))
    # Size: a mean square distance of 100, half along each axis.
    step = 0.1 * np.sqrt(50)
    np.testing.assert_allclose(found[0, :, 0], [10 - step, 30 - step, 0], rtol=1e-6)
    assert not found[1].any()


def test_a_translator_takes_it_off_where_that_is_wanted():
    points, truth = world(0.05, target=CROWDPOSE)
    pairs = pairs_of(COCO, points, CROWDPOSE, truth)
    errors = {}
    for correct in (False, True):
        translator = RemapTranslator(source=COCO, target=CROWDPOSE, correct_shift=correct)
        translator.fit(pairs)
        assert float(translator.shift.share) == pytest.approx(0.05 * correct, abs=0.001)
        off = translator(points).keypoints - truth
        errors[correct] = np.nanmedian(off[..., 0] / sizes_of(points)[:, None])
    assert errors[True] == pytest.approx(0.0, abs=0.002)
    assert errors[False] == pytest.approx(0.05, abs=0.01)


def test_training_sees_what_translating_sees():
    translator = RemapTranslator(source=COCO, target=MPII, correct_shift=True)
    translator.shift.share.fill_(0.05)
    points = people(COCO, 5, missing=0.2)
    prepared, valid = translator.prepared(torch.tensor(points, dtype=torch.float32))

    wanted = translator.shift.corrected(points)
    np.testing.assert_allclose(prepared.permute(2, 1, 0), np.nan_to_num(wanted), rtol=1e-5)
    np.testing.assert_array_equal(valid.T, np.isfinite(points).all(-1))


def test_it_belongs_to_the_picture_not_to_the_person():
    """So with it answers are not mirrored: the reason why it can be left out."""
    translator = RemapTranslator(source=COCO, target=MPII, correct_shift=True)
    translator.shift.share.fill_(0.05)
    points = people(COCO, 5)
    found = translator(mirrored(points, COCO)).keypoints
    wanted = mirrored(translator(points).keypoints, MPII)
    off = np.nanmean(found[..., 0] - wanted[..., 0], 1) / sizes(points)
    np.testing.assert_allclose(off, -0.1, atol=1e-4)


def test_nothing_in_common():
    points, truth = world(0.03, 50)

    with pytest.raises(ValueError, match='no labelled joint in common'):
        fitted(points, np.full_like(truth, np.nan))
