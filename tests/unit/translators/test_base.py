"""What callers may give, and what they get: the same for all translators."""

import threading

import numpy as np
import pytest
import torch
from translator_people import COCO, MPII, people

from hpemap_mm.translators import base
from hpemap_mm.translators.affine import AffineTranslator
from hpemap_mm.translators.base import Answer, KeypointTranslator
from hpemap_mm.translators.remap import RemapTranslator
from hpemap_mm.translators.residual import ResidualTranslator

WRIST = MPII.index('left_wrist')
CASES = {
    'remap': RemapTranslator,
    'affine': AffineTranslator,
    'residual': lambda **options: ResidualTranslator(width=16, **options),
}


def made(name='remap', **options):
    translator = CASES[name](source=COCO, target=MPII, **options)
    translator.calibration.gains.fill_(0.5)
    translator.calibration.guessed_gains.fill_(0.7)
    return translator


def same(found, wanted, **close):
    np.testing.assert_allclose(found.keypoints, wanted.keypoints, **close)
    np.testing.assert_allclose(found.sigmas, wanted.sigmas, **close)
    np.testing.assert_array_equal(found.origins, wanted.origins)
    flags = [
        np.zeros(a.sigmas.shape, bool) if a.guessed is None else a.guessed for a in (found, wanted)
    ]
    np.testing.assert_array_equal(*flags)


def column_major(points):
    return np.asfortranarray(points)


def read_only(points):
    copy = points.copy()
    copy.setflags(write=False)
    return copy


def strided(points):
    wide = np.full((2 * len(points), len(COCO) + 3, 3), -5.0)
    wide[::2, 1:-2, :2] = points
    return wide[::2, 1:-2, :2]


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize(
    'form',
    [
        column_major,
        read_only,
        strided,
        np.ndarray.tolist,
        torch.from_numpy,
        lambda p: torch.from_numpy(p).requires_grad_(),
        lambda p: torch.from_numpy(p.copy()).permute(1, 0, 2).contiguous().permute(1, 0, 2),
        lambda p: p.astype('>f8'),
        lambda p: p.astype(np.longdouble),
    ],
)
def test_any_form_of_the_same_numbers(name, form):
    translator, points = made(name), people(COCO, 7, missing=0.2)
    same(translator(form(points)), translator(points))


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('dtype', [np.int64, np.int16, np.uint16, np.float16, np.float32])
def test_any_kind_of_numbers(name, dtype):
    translator = made(name)
    points = np.round(people(COCO, 7))
    found = translator(points.astype(dtype))
    assert found.keypoints.dtype == (np.float32 if dtype == np.float32 else np.float64)
    assert found.sigmas.dtype == np.float32 and found.origins.dtype == np.uint8
    same(found, translator(points), rtol=1e-6)


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('missing', [0.0, 0.4])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('count', [1, 9])
def test_what_is_given_is_left_alone(name, missing, dtype, count):
    points = people(COCO, count, missing=missing).astype(dtype)
    scores = np.random.default_rng(0).random(points.shape[:2])
    copies = points.copy(), scores.copy()
    translator = made(name, min_score=0.3, correct_shift=True)
    translator.shift.share.fill_(0.1)
    for answer in (translator(points), translator(points, scores)):
        answer.keypoints[:] = -1  # nor are the answers views of it
    np.testing.assert_array_equal(points, copies[0])
    np.testing.assert_array_equal(scores, copies[1])


@pytest.mark.parametrize('name', CASES)
def test_nobody(name):
    found = made(name)(np.empty((0, len(COCO), 2)), np.empty((0, len(COCO))))
    assert len(found) == 0
    assert found.keypoints.shape == (0, len(MPII), 2)
    assert found.sigmas.shape == found.origins.shape == (0, len(MPII))


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('missing', [0.0, 0.3])
@pytest.mark.parametrize('scored', [False, True])
def test_many_are_translated_as_one_by_one(name, missing, scored, monkeypatch):
    monkeypatch.setattr(base, 'CHUNK', 8)
    translator, points = made(name, min_score=0.2), people(COCO, 19, missing=missing)
    points[9] = np.nan
    scores = np.random.default_rng(0).random(points.shape[:2]) if scored else None
    whole = translator(points, scores)
    for row in range(len(points)):
        rows = slice(row, row + 1)
        one = translator(points[rows], None if scores is None else scores[rows])
        same(one, whole.take(rows), rtol=1e-5, atol=1e-4)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('missing', [0.0, 0.3])
def test_threads_change_nothing(name, missing, monkeypatch, two_threads):
    translator, points = made(name), people(COCO, 150, missing=missing)
    wanted = translator(points)
    monkeypatch.setattr(base, 'CHUNK', 7)
    same(translator(points), wanted, rtol=1e-5, atol=1e-4)

    begun = []
    later = threading.Thread(target=lambda: begun.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert torch.get_num_threads() == begun[0] == 2


def test_what_goes_wrong_in_a_thread_is_told(monkeypatch, two_threads):
    monkeypatch.setattr(base, 'CHUNK', 7)
    points = people(COCO, 150)
    points[140, 2] = np.inf
    translator = made().train()
    with pytest.raises(ValueError, match='a coordinate is infinite'):
        translator(points)
    assert translator.training and torch.get_num_threads() == 2


def test_more_persons_than_a_chunk_has():
    translator, points = made(), people(COCO, base.CHUNK + 10)
    whole = translator(points)
    same(translator(points[-15:]), whole.take(slice(-15, None)), rtol=1e-6)
    assert whole.answered[:, WRIST].all()


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize(('left', 'answers'), [(0, False), (1, False), (2, True)])
def test_two_joints_are_the_least(name, left, answers):
    points = np.full((2, len(COCO), 2), np.nan)
    chosen = [COCO.index('left_wrist'), COCO.index('left_hip')][:left]
    points[0, chosen] = np.array([(10.0, 20.0), (30.0, 60.0)])[:left]
    points[1] = people(COCO, 1)[0]
    found = made(name)(points)

    assert found.answered[1, WRIST] and found.answered[0, WRIST] == answers
    if not answers:
        assert not found.answered[0].any()
        assert np.isnan(found.sigmas[0]).all() and not found.origins[0].any()


@pytest.mark.parametrize('name', CASES)
def test_all_joints_in_one_place_are_no_person(name):
    points = people(COCO, 3)
    points[1] = points[1, 0]
    found = made(name)(points)

    # An answer would be there, with a sigma of 0: as sure as can be, of nothing.
    assert not found.answered[1].any()
    assert np.isnan(found.sigmas[1]).all() and not found.origins[1].any()
    assert found.answered[[0, 2], WRIST].all()


@pytest.mark.parametrize('name', CASES)
def test_scores_at_or_below_the_least_count_as_missing(name):
    points, scores = people(COCO, 4), np.full((4, len(COCO)), 0.9)
    lost = COCO.index('left_wrist'), COCO.index('right_knee')
    scores[0, lost[0]], scores[1, lost[1]] = 0.3, 0.1
    scores[2, lost[0]] = 0.3 + 1e-6
    holes = points.copy()
    holes[0, lost[0]] = holes[1, lost[1]] = np.nan

    translator = made(name, min_score=0.3)
    for given in (scores, torch.from_numpy(scores), scores.tolist(), np.asfortranarray(scores)):
        same(translator(points, given), translator(holes))
    spoilt = points.copy()
    spoilt[0, lost[0]] = -1e6
    same(translator(spoilt, scores), translator(holes))


def test_by_default_joints_of_score_zero_are_missing():
    points, scores = people(COCO, 1), np.full((1, len(COCO)), 0.001)
    scores[0, COCO.index('left_wrist')] = 0
    found = made()(points, scores)
    assert not found.answered[0, WRIST] and found.answered[0, MPII.index('right_wrist')]
    assert made()(points).answered[0, WRIST]


def test_half_a_coordinate_is_none():
    points = people(COCO, 1)
    points[0, COCO.index('left_wrist'), 1] = np.nan
    assert not made()(points).answered[0, WRIST]


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('value', [np.inf, -np.inf])
@pytest.mark.parametrize('scored', [False, True])
@pytest.mark.parametrize('missing', [0.0, 0.3])
def test_infinite_coordinates_are_refused(name, value, scored, missing):
    points = people(COCO, 5, missing=missing)
    points[3, 2, 0] = value
    with pytest.raises(ValueError, match='a coordinate is infinite; missing joints are NaN'):
        made(name)(points, np.ones((5, len(COCO))) if scored else None)


def test_infinities_that_cancel_are_refused():
    points = people(COCO, 2)
    points[0, 0, 0], points[1, 0, 0] = np.inf, -np.inf
    with pytest.raises(ValueError, match='infinite'):
        made()(points)


@pytest.mark.parametrize(
    'shape', [(17, 2), (3, 16, 2), (3, 17, 3), (3, 17), (1, 3, 17, 2), (0,), (34,)]
)
def test_wrong_shapes(shape):
    with pytest.raises(
        ValueError, match=r'remap reads coco: keypoints are \(persons, 17, 2\), got'
    ):
        made()(np.zeros(shape))


@pytest.mark.parametrize('shape', [(3, 16), (17,), (3, 17, 1), (2, 17)])
def test_wrong_scores(shape):
    with pytest.raises(ValueError, match=r'scores are \(3, 17\), got'):
        made()(people(COCO, 3), np.ones(shape))


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_scores_are_numbers(value):
    scores = np.ones((3, 17))
    scores[1, 2] = value
    with pytest.raises(ValueError, match='a score is not finite; give 0'):
        made()(people(COCO, 3), scores)


def test_nothing_is_sure_before_calibration():
    found = RemapTranslator(source=COCO, target=MPII)(people(COCO, 3))
    assert np.isnan(found.sigmas).all() and found.radii is None
    assert found.answered[:, WRIST].all()


def test_guesses_are_told_and_have_gains_of_their_own():
    """A joint is guessed if its own source joints are missing; one that has none, if any is."""
    points = people(COCO, 2)
    points[0, COCO.index('left_hip')] = np.nan
    translator = made('affine')
    found = translator(points)
    names = {joint for joint, guess in zip(MPII.joints, found.guessed[0], strict=True) if guess}
    assert names == {'left_hip', 'pelvis', 'head_top'}
    assert not found.guessed[1].any()
    assert translator(points[1:]).guessed is None
    size = found.sigmas[0, WRIST] / 0.5
    np.testing.assert_allclose(found.sigmas[0], size * np.where(found.guessed[0], 0.7, 0.5))


def test_units_are_left_out_in_training_only():
    translator = ResidualTranslator(source=COCO, target=MPII, width=16, dropout=0.9)
    for parameter in translator.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    points = people(COCO, 5)
    wanted = translator.eval()(points)
    translator.train()
    same(translator(points), wanted)
    assert translator.training and translator.network.training


def test_it_goes_on_training_after_a_failure():
    translator = made('residual').train()

    def fails(points, valid):
        raise RuntimeError('no')

    translator.answer = fails
    with pytest.raises(RuntimeError):
        translator(people(COCO, 5))
    assert translator.training


def test_the_skeletons_may_be_named():
    translator = RemapTranslator(source='coco', target='mpii')
    assert (translator.source, translator.target) == (COCO, MPII)
    with pytest.raises(KeyError, match='coca'):
        RemapTranslator(source='coca', target='mpii')


def test_a_core_works_near_the_origin_and_its_gaps_are_no_answers():
    class Core(KeypointTranslator):
        def answer(self, points_2SN, valid_SN):
            self.seen = points_2SN
            found = torch.zeros(2, len(self.target), points_2SN.shape[-1])
            found[:, 0] = torch.inf
            return Answer(found, torch.ones(found.shape[1:]))

    translator = Core(source=COCO, target=MPII, name='core')
    points = people(COCO, 3, missing=0.2) + 1e6
    found = translator(points)
    assert translator.seen.dtype == torch.float32 and translator.seen.abs().max() < 300
    # The answer 0 is where the mean of the joints is.
    np.testing.assert_allclose(found.keypoints[:, 1], np.nanmean(points, 1), rtol=1e-12)
    assert np.isnan(found.keypoints[:, 0]).all() and not found.origins[:, 0].any()
    with pytest.raises(NotImplementedError, match='core is fitted, not trained'):
        translator(torch.zeros(1, 17, 2), target=torch.zeros(1, 16, 2), mode='loss')
