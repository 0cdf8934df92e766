"""Regions that hold what they promise, and regions that do not."""

import json

import numpy as np
import pytest

from hpemap_mm.analysis.uncertainty import extents, find_uncertainty
from hpemap_mm.evaluation.bootstrap import image_weights

JOINTS = ('a', 'b', 'c')


@pytest.fixture
def world():
    """Three joints of 1,000 persons; joint c is four times as hard, and known to be."""
    rng = np.random.default_rng(0)
    truth = np.array([[0.0, 0.0], [100.0, 0.0], [50.0, 80.0]]) + rng.uniform(0, 9, (1000, 1, 2))
    sigmas = np.tile([2.0, 2.0, 8.0], (1000, 1))
    radii = {p: sigmas * np.sqrt(-2 * np.log(1 - p)) for p in (0.5, 0.8, 0.95)}
    return {
        'joints': JOINTS,
        'truth': truth,
        'valid': np.ones((1000, 3), bool),
        'answer': truth + sigmas[..., None] * rng.normal(size=truth.shape),
        'sigmas': sigmas,
        'radii': radii,
        'sizes': np.full(1000, 10.0),
        'threshold': 0.5,
        'figure': 'PCKh@0.5',
        'counted': np.ones(3, bool),
        'image_ids': np.arange(1000) // 2,
        'images': np.arange(500),
        'weights': image_weights(500, 100),
    }


def test_a_gaussian_is_covered_as_promised(world):
    found = find_uncertainty('t', **world)
    for probability, figure in found.coverage.items():
        assert figure.value == pytest.approx(probability, abs=0.03)
        assert figure.low < figure.value < figure.high
        assert set(figure.per_joint) == set(JOINTS)
    assert found.median_sigma == {'a': 2.0, 'b': 2.0, 'c': 8.0}


def test_regions_that_are_too_small_show(world):
    radii = {p: r / 2 for p, r in world['radii'].items()}
    found = find_uncertainty('t', **{**world, 'radii': radii})
    # The radius of the 95% region, halved, holds 1 - 0.05^(1/4).
    assert found.coverage[0.95].value == pytest.approx(1 - 0.05**0.25, abs=0.03)


def test_the_surest_are_better_and_nothing_of_the_truth_chose_them(world):
    chosen = find_uncertainty('t', **world).selection
    # Half of joint c is worse than 5 px mostly; 300 of its 1,000 persons are left out.
    assert (chosen.everything.joints, chosen.surest.joints, chosen.others.joints) == (
        *(3000, 2700),
        300,
    )
    assert chosen.surest.value > chosen.everything.value > chosen.others.value
    # Whoever moves the truth changes figures, and not the choice.
    other = {**world, 'truth': world['truth'] + 1000.0}
    moved = find_uncertainty('t', **other).selection
    assert moved.everything.value == 0
    assert moved.surest.per_joint['c'].joints == chosen.surest.per_joint['c'].joints


def test_joints_that_do_not_count_and_joints_without_an_answer(world):
    world['counted'] = np.array([True, True, False])
    world['answer'][:200, 0] = np.nan
    world['sigmas'][:200, 0] = np.nan
    chosen = find_uncertainty('t', **world).selection
    assert chosen.everything.joints == 2000
    # Those 200 are wrong, and the least sure.
    assert chosen.others.value == 0 and chosen.others.joints == 200
    assert chosen.surest.value > 0.9


def test_without_calibration_nothing_is_promised(world):
    found = find_uncertainty('t', **{**world, 'radii': {}})
    assert found.selection is None and not found.coverage
    json.dumps(found.to_json(), allow_nan=False)
    json.dumps(find_uncertainty('t', **world).to_json(), allow_nan=False)


def test_extents():
    square = np.array([[[0, 0], [2, 0], [2, 2], [0, 2.0]]])
    assert extents(square).tolist() == [1.0]
    with_gap = np.concatenate([square, np.full((1, 1, 2), np.nan)], axis=1)
    assert extents(with_gap).tolist() == [1.0]
    assert np.isnan(extents(np.full((1, 3, 2), np.nan)))[0]
