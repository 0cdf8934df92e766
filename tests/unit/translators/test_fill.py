import numpy as np
import pytest
import torch
from translator_people import COCO, mirrored, people, sizes_of

from hpemap_mm.translators import fill as module
from hpemap_mm.translators.fill import RIDGE, PoseFill
from hpemap_mm.translators.frame import frame
from hpemap_mm.translators.mirror import X, Y, mirror_matrix

MIRROR = mirror_matrix(COCO.flip_indices, (X, Y))
SIZE = 2 * len(COCO)


def tensors(points):
    valid = np.isfinite(points).all(-1)
    filled = torch.tensor(np.where(valid[..., None], points, 0.0)).permute(2, 1, 0).contiguous()
    return filled, torch.from_numpy(valid.T.copy())


def filled(fill, points):
    """(N, K, 2) in double precision."""
    return fill.double()(*tensors(points)).permute(2, 1, 0).numpy()


def local(points):
    """(N, V) in the persons' frames: all x, then all y."""
    given, valid = tensors(points)
    centres, sizes = frame(given, valid)
    return ((given - centres) / sizes).flatten(0, 1).T.numpy()


def planted(seed=0):
    """A mean and a covariance that tell no left from right."""
    rng = np.random.default_rng(seed)
    mean, root = rng.normal(0, 1, SIZE), rng.normal(0, 0.2, (SIZE, SIZE))
    covariance = root @ root.T + 0.05 * np.eye(SIZE)
    fill = PoseFill(COCO).double()
    fill.mean.copy_(torch.tensor((mean + MIRROR @ mean) / 2))
    fill.covariance.copy_(torch.tensor((covariance + MIRROR @ covariance @ MIRROR.T) / 2))
    return fill


def conditional(mean, covariance, values, known):
    """The mean of a Gaussian, given some of its values."""
    gain = covariance[np.ix_(~known, known)] @ np.linalg.inv(covariance[np.ix_(known, known)])
    done = values.copy()
    done[~known] = mean[~known] + gain @ (values[known] - mean[known])
    return done


def test_what_is_there_is_left_alone():
    points = people(COCO, 20, missing=0.4)
    given, valid = tensors(points)
    copies = given.clone(), valid.clone()
    found = filled(planted(), points)

    known = np.isfinite(points)
    np.testing.assert_array_equal(found[known], points[known])
    assert np.isfinite(found).all()
    assert torch.equal(given, copies[0]) and torch.equal(valid, copies[1])


def test_missing_ones_are_the_gaussians_mean_given_the_others():
    fill, points = planted(), people(COCO, 25, missing=0.4)
    mean, covariance = fill.mean.numpy(), fill.covariance.numpy()
    found = filled(fill, points)

    for person, got in zip(points, found, strict=True):
        there = np.isfinite(person).all(-1)
        done, valid = np.where(there[:, None], person, 0.0), there
        for _ in range(2):  # the frame of the joints that are there, then that of all
            given = torch.tensor(done.T[..., None])
            centre, size = frame(given, torch.from_numpy(valid)[:, None])
            centre, size = centre[:, 0, 0].numpy(), float(size)
            values = ((done - centre) / size).T.ravel()
            guess = conditional(mean, covariance, values, np.tile(there, 2))
            guess = guess.reshape(2, -1).T * size + centre
            done = np.where(there[:, None], person, guess)
            valid = np.ones(len(COCO), bool)
        np.testing.assert_allclose(got, done, rtol=1e-9)


def test_before_it_is_fitted_missing_joints_go_to_the_centre():
    points = np.full((1, len(COCO), 2), np.nan)
    points[0, [COCO.index('left_hip'), COCO.index('right_hip')]] = (0, 0), (10, 4)
    found = filled(PoseFill(COCO), points)
    np.testing.assert_allclose(found[0, COCO.index('nose')], (5, 2))


def test_persons_without_any_joint_stay_zero():
    points = people(COCO, 3)
    points[1] = np.nan
    assert not filled(PoseFill(COCO), points)[1].any()


def test_moments_of_complete_persons_are_numpys():
    points = people(COCO, 400)
    fill = PoseFill(COCO)
    fill.fit(points)

    values = local(points)
    both = np.concatenate([values, values @ MIRROR.T])
    np.testing.assert_allclose(fill.mean, both.mean(0), atol=2e-6)
    # Mirror images have the same covariance about the common mean, so this is that of both.
    deviation = both - both.mean(0)
    wanted = deviation.T @ deviation / len(both) + RIDGE * np.eye(SIZE)
    np.testing.assert_allclose(fill.covariance, wanted, atol=2e-5)


def test_what_is_missing_keeps_its_spread():
    """The step of expectation: means and the mean covariance, given what is known."""
    fill, values = planted(), torch.tensor(local(people(COCO, 25)))
    known = np.tile(np.random.default_rng(0).random((25, len(COCO))) > 0.4, 2)
    found, rest = fill._given(values, torch.from_numpy(known))

    mean, covariance = fill.mean.numpy(), fill.covariance.numpy()
    wanted = np.zeros((SIZE, SIZE))
    for row, there in enumerate(known):
        done = conditional(mean, covariance, values[row].numpy(), there)
        np.testing.assert_allclose(found[row], done, rtol=1e-9)
        across = covariance[np.ix_(~there, there)]
        inner = np.linalg.solve(covariance[np.ix_(there, there)], across.T)
        wanted[np.ix_(~there, ~there)] += covariance[np.ix_(~there, ~there)] - across @ inner
    np.testing.assert_allclose(rest, wanted / 25, atol=1e-12)


def test_spread_is_not_lost_with_the_joints(monkeypatch):
    """Without the covariance of what is missing it would shrink with every round."""
    points = people(COCO, 600, 1)
    wrists = [COCO.index('left_wrist'), COCO.index('right_wrist')]
    points[::2, wrists] = np.nan
    kept, shrunk = PoseFill(COCO), PoseFill(COCO)
    kept.fit(points)
    given = shrunk._given
    monkeypatch.setattr(shrunk, '_given', lambda *values: (given(*values)[0], 0.0))
    shrunk.fit(points)
    spreads = [float(fill.covariance.diagonal()[wrists].mean()) for fill in (kept, shrunk)]
    assert spreads[0] > 1.1 * spreads[1]


def test_incomplete_persons_teach_almost_the_same():
    complete = people(COCO, 1500, 1)
    partly = np.where(np.isnan(people(COCO, 1500, 2, missing=0.3)), np.nan, complete)
    fills = {}
    for name, points in (('complete', complete), ('partly', partly)):
        fills[name] = PoseFill(COCO)
        fills[name].fit(points)

    fresh = people(COCO, 300, 3)
    holes = np.where(np.isnan(people(COCO, 300, 4, missing=0.3)), np.nan, fresh)
    lost = np.isnan(holes).any(-1)
    errors = {}
    for name, fill in (('none', PoseFill(COCO)), *fills.items()):
        off = np.linalg.norm(filled(fill, holes) - fresh, axis=-1) / sizes_of(fresh)[:, None]
        errors[name] = np.median(off[lost])
    assert errors['partly'] < 0.25 * errors['none']
    assert errors['partly'] < 1.15 * errors['complete']


def test_it_tells_no_left_from_right():
    fill = PoseFill(COCO)
    fill.fit(people(COCO, 200, missing=0.2))
    points = people(COCO, 40, 5, missing=0.4) - (300, 200)

    found = filled(fill, mirrored(points, COCO, 3.0))
    wanted = mirrored(filled(fill, points), COCO, 3.0)

    assert np.abs((found - wanted) / sizes_of(points)[:, None, None]).max() < 1e-5
    np.testing.assert_allclose(MIRROR @ fill.mean.numpy(), fill.mean, atol=1e-7)


def test_only_so_many_persons_are_looked_at(monkeypatch):
    monkeypatch.setattr(module, 'PERSONS', 50)
    points, means = people(COCO, 120), []
    for seed in (0, 0, 1):
        fill = PoseFill(COCO)
        fill.fit(points, seed=seed)
        means.append(fill.mean)
    assert torch.equal(means[0], means[1]) and not torch.equal(means[0], means[2])


def test_nobody_to_learn_from():
    points = np.full((5, len(COCO), 2), np.nan)
    points[:, :2] = 1.0
    with pytest.raises(ValueError, match='no person has three joints'):
        PoseFill(COCO).fit(points)
