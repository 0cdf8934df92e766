import numpy as np
import torch

from hpemap_mm.translators.networks import REACH, features, in_frame

#: One person of three joints, the last one missing: (2, 3, 1).
POINTS = torch.tensor([[[12.0], [10.0], [0.0]], [[20.0], [26.0], [0.0]]])
VALID = torch.tensor([[True], [True], [False]])
CENTRE = torch.tensor([[[10.0]], [[20.0]]])


def test_coordinates_in_sizes():
    local = in_frame(POINTS, VALID, CENTRE, torch.tensor([2.0]))
    np.testing.assert_allclose(local[..., 0], [[1, 0, 0], [0, 3, 0]])


def test_all_there_or_not_is_one_formula():
    valid = torch.ones(3, 1, dtype=torch.bool)
    local = in_frame(POINTS, valid, CENTRE, torch.tensor([2.0]))
    np.testing.assert_allclose(local[..., 0], [[1, 0, -5], [0, 3, -10]])


def test_persons_without_size_stay_finite():
    assert torch.isfinite(in_frame(POINTS, VALID, CENTRE, torch.zeros(1))).all()


def test_features_are_x_y_and_mask():
    local = in_frame(POINTS, VALID, CENTRE, torch.tensor([2.0]))
    # At distance r a joint is drawn in by 1 / sqrt(1 + (r / 4)^2): 3 becomes 3 * 4 / 5.
    found = features(local, VALID)[:, 0]
    np.testing.assert_allclose(found, [1 / np.sqrt(17 / 16), 0, 0, 0, 2.4, 0, 1, 1, 0], rtol=1e-6)


def test_no_joint_is_farther_than_the_reach():
    local = torch.tensor([[[300.0], [4000.0]], [[-400.0], [0.0]]])
    x, y, there = features(local, torch.ones(2, 1, dtype=torch.bool)).view(3, 2)

    assert (torch.hypot(x, y) <= REACH).all() and (torch.hypot(x, y) > 0.99 * REACH).all()
    np.testing.assert_allclose(y[0] / x[0], -4 / 3, rtol=1e-5)
    assert there.all()
