import numpy as np
import pytest
import torch
from scipy.stats import multivariate_t

from hpemap_mm.translators.losses import FLOOR, floored, mean_squared, student


def world(count=40, joints=3, seed=0):
    """Answers, truth (none missing), log-scales and log-freedoms; float64."""
    rng = np.random.default_rng(seed)
    found, wanted = rng.normal(size=(2, 2, joints, count))
    scales = rng.normal(-2, 1, (joints, count))
    freedom = np.log([0.7, 3.0, 50.0])
    return [torch.tensor(value) for value in (found, wanted, scales, freedom)]


def test_mean_square_by_hand():
    found = torch.tensor([[[1.0, 5.0]], [[2.0, 5.0]]])
    wanted = torch.tensor([[[0.0, torch.nan]], [[0.0, 5.0]]])  # half of a joint is none
    # One joint, off by (1, 2): (1 + 4) / 2 along an axis.
    assert float(mean_squared(found, wanted)) == 2.5


def test_student_against_scipy():
    found, wanted, scales, freedom = world()
    total = 0.0
    for joint in range(3):
        for person in range(40):
            variance = np.exp(2 * float(scales[joint, person])) + FLOOR**2
            law = multivariate_t(
                found[:, joint, person], variance * np.eye(2), df=float(freedom[joint].exp())
            )
            total -= law.logpdf(wanted[:, joint, person])

    # The constant is log(2 pi), whatever the degrees of freedom are.
    constant = np.log(2 * np.pi)
    assert float(student(found, wanted, scales, freedom)) == pytest.approx(total / 120 - constant)


def test_scales_have_a_floor():
    np.testing.assert_allclose(floored(torch.tensor([-50.0, 0.0])), [FLOOR**2, 1 + FLOOR**2])
    found, _, scales, freedom = world()
    exact = student(found, found, scales - 100, freedom)
    assert float(exact) == pytest.approx(2 * np.log(FLOOR))


def test_mean_is_over_what_is_annotated():
    found, wanted, scales, freedom = world()
    some = wanted.clone()
    some[:, :, 10:] = torch.nan

    for loss in (mean_squared, lambda f, w: student(f, w, scales[:, : f.shape[-1]], freedom)):
        part = loss(found[..., :10], wanted[..., :10])
        torch.testing.assert_close(loss(found, some), part)


@pytest.mark.parametrize('lost', ['some', 'all'])
def test_joints_without_annotation_give_no_gradient(lost):
    found, wanted, scales, freedom = (value.requires_grad_() for value in world())
    wanted = wanted.detach().clone()
    wanted[:, 1, 5] = torch.nan
    if lost == 'all':
        wanted[:] = torch.nan

    (student(found, wanted, scales, freedom) + mean_squared(found, wanted)).backward()

    for value in (found, scales, freedom):
        assert torch.isfinite(value.grad).all()
    unknown = torch.isnan(wanted).any(0)
    assert not found.grad[:, unknown].any() and not scales.grad[unknown].any()
    assert found.grad[:, ~unknown].all() and scales.grad[~unknown].all()


def test_scales_of_what_is_not_annotated_may_run_away():
    found, wanted, scales, freedom = world()
    wanted[:, 1] = torch.nan
    expected = student(found, wanted, scales, freedom)
    scales[1] = 1000.0  # whose square no number holds
    scales.requires_grad_()
    loss = student(found, wanted, scales, freedom)
    loss.backward()
    torch.testing.assert_close(loss, expected)
    assert torch.isfinite(scales.grad).all()


def test_outliers_pull_less_and_less():
    found = torch.zeros(2, 1, 1)
    pulls = []
    for distance in (0.1, 1.0, 1000.0):
        given = found.clone().requires_grad_()
        wanted = torch.full((2, 1, 1), distance)
        student(given, wanted, torch.full((1, 1), np.log(0.1)), torch.tensor([1.0])).backward()
        pulls.append(float(given.grad.norm()))
    assert pulls[0] > pulls[1] > 100 * pulls[2]
