import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from translator_people import COCO, CROWDPOSE, MPII, pairs_of, people, sizes_of

from hpemap_mm.translators import affine
from hpemap_mm.translators.affine import AffineTranslator, fit_weights, start_weights
from hpemap_mm.translators.remap import RemapTranslator


def planted(seed=0, target=MPII):
    """(D, S) weights that sum to 1 and treat both sides alike."""
    weights = np.random.default_rng(seed).normal(0, 0.3, (len(target), len(COCO)))
    weights += weights[target.flip_indices][:, COCO.flip_indices]
    return weights + (1 - weights.sum(1, keepdims=True)) / len(COCO)


def tied(weights, target=MPII):
    return np.abs(weights - weights[target.flip_indices][:, COCO.flip_indices]).max()


def local(count, seed=0):
    points = people(COCO, count, seed)
    return (points - points.mean(1, keepdims=True)) / sizes_of(points)[:, None, None]


def test_it_starts_from_the_remap():
    points = people(COCO, 10)
    translator = AffineTranslator(source=COCO, target=MPII)
    found, remap = translator(points), RemapTranslator(source=COCO, target=MPII)(points)
    known = remap.answered
    np.testing.assert_allclose(found.keypoints[known], remap.keypoints[known], rtol=1e-6)
    head = found.keypoints[:, MPII.index('head_top')]
    np.testing.assert_allclose(head, points.mean(1), rtol=1e-6)
    assert (found.origins == 3).all()


@pytest.mark.parametrize('target', [MPII, CROWDPOSE])
def test_planted_weights_are_found(target):
    weights, points = planted(target=target), people(COCO, 1000, noise=20)
    translator = AffineTranslator(source=COCO, target=target)
    translator.fit(pairs_of(COCO, points, target, weights @ points))
    # But for the pull towards the remap, of one person in 1,000.
    np.testing.assert_allclose(translator.weights, weights, atol=0.01)

    fresh = people(COCO, 50, 1, noise=20)
    off = np.linalg.norm(translator(fresh).keypoints - weights @ fresh, axis=-1)
    assert (off / sizes_of(fresh)[:, None]).max() < 0.01


def test_without_the_pull_to_the_remap_they_are_exact(monkeypatch):
    monkeypatch.setattr(affine, 'RIDGE', 0.0)
    weights, points = planted(), local(300)
    found = fit_weights(points, weights @ points, COCO, MPII)
    np.testing.assert_allclose(found, weights, atol=1e-8)


def test_a_fifth_of_gross_outliers_does_no_harm():
    rng = np.random.default_rng(3)
    weights, points = planted(), people(COCO, 600, noise=20)
    truth = weights @ points + rng.normal(0, 0.5, (600, len(MPII), 2))
    wrong = rng.random(truth.shape[:2]) < 0.2
    clean = truth.copy()
    truth[wrong] += rng.normal(40, 100, (int(wrong.sum()), 2))
    fits = {}
    for name, given in (('clean', clean), ('spoilt', truth)):
        fits[name] = AffineTranslator(source=COCO, target=MPII)
        fits[name].fit(pairs_of(COCO, points, MPII, given))

    fresh = people(COCO, 200, 4, noise=20)
    errors = {
        name: np.linalg.norm(fit(fresh).keypoints - weights @ fresh, axis=-1).mean()
        for name, fit in fits.items()
    }
    # Plain least squares is off by pixels, of people of 50 px.
    plain = np.stack(
        [np.linalg.lstsq(flat(points), flat(truth)[:, j], rcond=None)[0] for j in range(len(MPII))]
    )
    errors['plain'] = np.linalg.norm(plain @ fresh - weights @ fresh, axis=-1).mean()
    assert errors['spoilt'] < 1.5 * errors['clean'] < 0.5
    assert errors['plain'] > 10 * errors['spoilt']


def flat(points):
    """(2 N, K)."""
    return points.transpose(0, 2, 1).reshape(-1, points.shape[1])


@pytest.mark.parametrize('ridge', [0.0, 1.0])
def test_one_side_of_a_law_with_light_tails_is_least_squares(monkeypatch, ridge):
    """Against numpy: the constraint put in by hand, mirror images as persons of their own."""
    monkeypatch.setattr(affine, 'FREEDOM', 1e12)
    monkeypatch.setattr(affine, 'RIDGE', ridge)
    rng, points = np.random.default_rng(0), local(300)
    truth = planted() @ points + rng.normal(0, 0.2, (300, len(MPII), 2))
    found, start = fit_weights(points, truth, COCO, MPII), start_weights(COCO, MPII)

    side = np.array([-1, 1])
    both = np.concatenate([points, points[:, COCO.flip_indices] * side])
    answers = np.concatenate([truth, truth[:, MPII.flip_indices] * side])
    for joint in (MPII.index('left_hip'), MPII.index('right_hip'), MPII.index('head_top')):
        # Weights that sum to 1: the last one is what the others leave.
        basis = np.concatenate([np.eye(16), -np.ones((1, 16))])
        base = np.append(np.zeros(16), 1.0)
        equations = np.concatenate([flat(both), np.sqrt(ridge) * np.eye(17)])
        right = np.concatenate([flat(answers)[:, joint], np.sqrt(ridge) * start[joint]])
        free = np.linalg.lstsq(equations @ basis, right - equations @ base, rcond=None)[0]
        np.testing.assert_allclose(found[joint], base + basis @ free, atol=1e-7)


def test_no_other_weights_are_likelier(monkeypatch):
    """Against scipy's minimum of the Student law with the scale that was found."""
    monkeypatch.setattr(affine, 'RIDGE', 0.0)
    rng, points = np.random.default_rng(0), local(150)
    truth = planted() @ points + 0.1 * rng.standard_t(2, (150, len(MPII), 2))
    joint = MPII.index('head_top')
    found = fit_weights(points, truth, COCO, MPII)[joint]
    both = np.concatenate([points, points[:, COCO.flip_indices] * (-1, 1)])
    answers = np.concatenate([truth[:, joint], truth[:, joint] * (-1, 1)])
    scale = np.median(np.square(found @ both - answers).sum(-1))

    def loss(free):
        squared = np.square(np.append(free, 1 - free.sum()) @ both - answers).sum(-1)
        return np.log1p(squared / (affine.FREEDOM * scale)).sum()

    best = minimize(loss, found[:-1], method='BFGS')
    assert loss(found[:-1]) == pytest.approx(best.fun, rel=1e-6)


def test_rows_sum_to_one_and_both_sides_are_tied():
    points = people(COCO, 200, missing=0.2)
    truth = people(MPII, 200)
    truth[:, MPII.index('left_elbow')] += 9  # one side only
    translator = AffineTranslator(source=COCO, target=MPII)
    translator.fit(pairs_of(COCO, points, MPII, truth))
    weights = translator.weights.double().numpy()
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert tied(weights) < 1e-6
    assert np.abs(weights - start_weights(COCO, MPII)).max() > 0.05


def test_what_is_hardly_annotated_stays_as_the_ontology_has_it():
    points, truth = people(COCO, 100), people(MPII, 100)
    wrists = [MPII.index('left_wrist'), MPII.index('right_wrist')]
    truth[6:, wrists] = np.nan  # six persons are twelve wrists, fewer than COCO's joints
    translator = AffineTranslator(source=COCO, target=MPII)
    translator.fit(pairs_of(COCO, points, MPII, truth))
    start = torch.tensor(start_weights(COCO, MPII))
    assert torch.equal(translator.weights[wrists], start[wrists])
    assert not torch.equal(translator.weights, start)


def test_missing_joints_are_filled_in():
    weights, points = planted(), people(COCO, 600)
    translator = AffineTranslator(source=COCO, target=MPII)
    translator.fit(pairs_of(COCO, points, MPII, weights @ points))
    fresh = people(COCO, 100, 1)
    holes = fresh.copy()
    holes[:, COCO.index('left_ear')] = np.nan
    off = np.linalg.norm(translator(holes).keypoints - weights @ fresh, axis=-1)
    assert translator(holes).answered.all()
    assert np.median(off / sizes_of(fresh)[:, None]) < 0.1


def test_persons_without_joints_teach_nothing():
    points, truth = people(COCO, 100), people(MPII, 100)
    more = np.concatenate([points, np.full((5, 17, 2), np.nan), np.ones((5, 17, 2))])
    truths = np.concatenate([truth, people(MPII, 10, 9)])
    one, other = (AffineTranslator(source=COCO, target=MPII) for _ in range(2))
    one.fit(pairs_of(COCO, points, MPII, truth))
    other.fit(pairs_of(COCO, more[:105], MPII, truths[:105]))
    torch.testing.assert_close(one.weights, other.weights)
    other.fit(pairs_of(COCO, more, MPII, truths))
    assert torch.isfinite(other.weights).all()


def test_it_is_kept_with_the_weights():
    one, other = (AffineTranslator(source=COCO, target=MPII) for _ in range(2))
    one.fit(pairs_of(COCO, people(COCO, 100), MPII, people(MPII, 100, 2)))
    other.load_state_dict(one.state_dict())
    points = people(COCO, 10, 3, missing=0.3)
    np.testing.assert_array_equal(other(points).keypoints, one(points).keypoints)
