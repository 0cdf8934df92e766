import numpy as np
import pytest
import torch
from translator_people import COCO, people, sizes_of

from hpemap_mm.translators.frame import REACH, frame, frame_of


def frame_by_numpy(points, valid, rounds):
    """Of one person: (K, 2), (K,)."""
    points = points[valid]
    weights = np.ones(len(points))
    for _ in range(rounds):
        centre = np.average(points, axis=0, weights=weights)
        squared = np.square(points - centre).sum(1)
        size = np.sqrt(np.average(squared, weights=weights) / 2)
        weights = 1 / (1 + (np.sqrt(squared) / (REACH * np.sqrt(2) * size)) ** 4)
    return centre, size


def given(points):
    valid = torch.from_numpy(np.isfinite(points).all(-1))
    return torch.from_numpy(np.nan_to_num(points)), valid


def test_two_joints_by_hand():
    centres, sizes = frame_of(torch.tensor([[[0.0, 5.0], [2.0, 5.0]]]), torch.ones(1, 2) > 0)
    # Both are 1 from the centre: a mean square of 1/2 along each axis.
    np.testing.assert_allclose(centres, [[1, 5]])
    np.testing.assert_allclose(sizes, [np.sqrt(0.5)])


def test_one_round_is_the_mean():
    points = people(COCO, 30, missing=0.4)
    local, valid = given(points)

    centres, sizes = frame(local.permute(2, 1, 0), valid.T, rounds=1)

    np.testing.assert_allclose(centres[:, 0].T, np.nanmean(points, 1))
    np.testing.assert_allclose(sizes, sizes_of(points))


@pytest.mark.parametrize('rounds', [2, 3])
def test_more_rounds_against_numpy(rounds):
    points = people(COCO, 30, missing=0.4)
    points[::2, 0] += 400
    local, valid = given(points)
    centres, sizes = frame(local.permute(2, 1, 0), valid.T, rounds)

    for row, person in enumerate(points):
        centre, size = frame_by_numpy(person, valid[row].numpy(), rounds)
        np.testing.assert_allclose(centres[:, 0, row], centre)
        np.testing.assert_allclose(sizes[row], size)


def test_what_stands_at_missing_joints_does_not_matter():
    local, valid = given(people(COCO, 10, missing=0.4))
    other = torch.where(valid[..., None], local, 1e4)
    for found, wanted in zip(frame_of(other, valid), frame_of(local, valid), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_joint_that_was_thrown_counts_little():
    points = people(COCO, 50)
    thrown = points.copy()
    thrown[:, COCO.index('left_wrist')] += 500
    (before, size), (after, grown) = frame_of(*given(points)), frame_of(*given(thrown))

    moved = np.linalg.norm(after - before, axis=-1)
    plain = np.linalg.norm(thrown.mean(1) - points.mean(1), axis=-1)
    assert (moved < 0.3 * plain).all()
    assert (grown < 1.5 * size).all() and (sizes_of(thrown) > 2 * size.numpy()).all()


def test_nobody_and_joints_in_one_place():
    points = torch.full((2, 17, 2), 7.0)
    valid = torch.tensor([[False] * 17, [True] * 17])
    centres, sizes = frame_of(points, valid)

    np.testing.assert_allclose(centres, [[0, 0], [7, 7]])
    np.testing.assert_allclose(sizes, [0, 0])
