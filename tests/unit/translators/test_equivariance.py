"""Answers move, grow and are mirrored with the person: to 1e-5 of its size, for any weights."""

import functools

import numpy as np
import pytest
import torch
from translator_people import COCO, CROWDPOSE, MPII, mirrored, pairs_of, people, sizes_of

from hpemap_mm.translators.acae import ACAETranslator
from hpemap_mm.translators.affine import AffineTranslator
from hpemap_mm.translators.mlp import MLPTranslator
from hpemap_mm.translators.remap import RemapTranslator
from hpemap_mm.translators.residual import ResidualTranslator

EXACT = 1e-5


def randomised(module, seed=0):
    """Every weight at random, those that start at zero too; corrections of a limb's length."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            fan = parameter.shape[-1] if parameter.ndim > 1 else 10
            noise = torch.randn(parameter.shape, generator=generator) / fan**0.5
            parameter.add_(noise * (0.2 if 'last_' in name else 0.5))
    return module.eval()


def calibrated(translator):
    """Gains at random, but one for both sides, as calibration gives them."""
    generator = torch.Generator().manual_seed(1)
    mirror = translator.target.flip_indices.tolist()
    for known in (translator.calibration.gains, translator.calibration.guessed_gains):
        gains = torch.rand(len(mirror), generator=generator) + 0.5
        known.copy_((gains + gains[mirror]) / 2)
    return translator


def fitted_affine(source, target):
    truth = people(target, 300, 5) + np.random.default_rng(0).normal(0, 3, (300, len(target), 2))
    translator = AffineTranslator(source=source, target=target)
    translator.fit(pairs_of(source, people(source, 300, 5, missing=0.2), target, truth))
    return translator


def residual(source=COCO, target=MPII, **options):
    translator = ResidualTranslator(source=source, target=target, **options)
    translator.fit(pairs_of(source, people(source, 300, 5), target, people(target, 300, 5)))
    return randomised(translator)


def acae(source, target, **options):
    whole = ACAETranslator(skeletons=['coco', 'mpii', 'crowdpose', 'lsp'], **options)
    truth = people(MPII, 300, 5)
    whole.fit([pairs_of(s, people(s, 300, 5), MPII, truth) for s in whole.skeletons])
    return randomised(whole).between(source, target)


BUILD = {
    'remap': lambda: RemapTranslator(source=COCO, target=MPII),
    'remap-back': lambda: RemapTranslator(source=MPII, target=COCO),
    'affine': lambda: fitted_affine(COCO, MPII),
    'affine-back': lambda: fitted_affine(MPII, COCO),
    'affine-crowdpose': lambda: fitted_affine(COCO, CROWDPOSE),
    'residual': lambda: residual(width=96, depth=2),
    'residual-1': lambda: residual(width=24, depth=1),
    'residual-4': lambda: residual(width=32, depth=4),
    'residual-dropout': lambda: residual(width=32, depth=3, dropout=0.3),
    'residual-back': lambda: residual(MPII, COCO, width=48),
    'residual-crowdpose': lambda: residual(COCO, CROWDPOSE, width=48),
    'acae': lambda: acae('coco', 'mpii'),
    'acae-unseen': lambda: acae('lsp', 'crowdpose', width=24, depth=3),
    'acae-itself': lambda: acae('mpii', 'mpii', width=24, depth=1),
    'acae-affine': lambda: acae('coco', 'mpii', width=0),
}


@functools.cache
def built(name):
    return calibrated(BUILD[name]())


def off(found, wanted, sizes):
    """The greatest distance, of keypoints or sigmas, in sizes; both answer the same joints."""
    np.testing.assert_array_equal(np.isnan(found.keypoints), np.isnan(wanted.keypoints))
    np.testing.assert_array_equal(np.isnan(found.sigmas), np.isnan(wanted.sigmas))
    np.testing.assert_array_equal(found.origins, wanted.origins)
    distances = np.linalg.norm(found.keypoints - wanted.keypoints, axis=-1) / sizes[:, None]
    sigmas = np.abs(found.sigmas - wanted.sigmas) / sizes[:, None]
    return max(np.nanmax(distances), np.nanmax(sigmas))


def moved(answer, factor, offset):
    return type(answer)(
        skeleton=answer.skeleton,
        keypoints=answer.keypoints.astype(np.float64) * factor + offset,
        sigmas=answer.sigmas * factor,
        origins=answer.origins,
    )


def reflected(answer, axis):
    flips = answer.skeleton.flip_indices
    return type(answer)(
        skeleton=answer.skeleton,
        keypoints=mirrored(answer.keypoints.astype(np.float64), answer.skeleton, axis),
        sigmas=answer.sigmas[:, flips],
        origins=answer.origins[:, flips],
    )


def worlds(skeleton):
    """Persons, a factor and an offset, at random but for the extremes."""
    rng = np.random.default_rng(0)
    for number in range(24):
        dtype = (np.float32, np.float64)[number % 2]
        points = people(skeleton, 6, number, missing=(0.0, 0.3, 0.6)[number % 3])
        factor = 10.0 ** (rng.uniform(-2, 2), -2, 2)[number // 2 % 3]
        yield points.astype(dtype), factor, factor * rng.uniform(-500, 500, 2)


@pytest.mark.parametrize('name', BUILD)
def test_translation_and_scale(name):
    translator = built(name)
    for points, factor, offset in worlds(translator.source):
        found = translator((points * factor + offset).astype(points.dtype))
        wanted = moved(translator(points), factor, offset)

        assert found.keypoints.dtype == points.dtype
        error = off(found, wanted, factor * sizes_of(points))
        assert error < EXACT, (factor, offset, points.dtype)


@pytest.mark.parametrize('name', BUILD)
def test_flips_about_any_axis(name):
    translator = built(name)
    for given, factor, (axis, _) in worlds(translator.source):
        points = (given * factor).astype(given.dtype)
        found = translator(mirrored(points, translator.source, axis))
        error = off(found, reflected(translator(points), axis), sizes_of(points))
        assert error < EXACT, (factor, axis, points.dtype)


@pytest.mark.parametrize('name', BUILD)
@pytest.mark.parametrize('missing', [0.0, 0.4])
def test_far_from_the_origin(name, missing):
    translator = built(name)
    points = people(translator.source, 40, 3, missing=missing)
    offset = np.array([1.1e5, -0.9e5])

    near, far = translator(points), translator(points + offset)
    flipped = translator(mirrored(points + offset, translator.source, 0.0))

    assert off(far, moved(near, 1.0, offset), sizes_of(points)) < EXACT
    assert off(flipped, reflected(far, 0.0), sizes_of(points)) < EXACT


@pytest.mark.parametrize('name', ['remap', 'remap-back', 'affine', 'acae-affine'])
def test_affine_combinations_turn_with_complete_persons(name):
    translator = built(name)
    points = people(translator.source, 40, 4)
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])

    found, wanted = translator(points @ turn.T), translator(points).keypoints @ turn.T

    error = np.linalg.norm(found.keypoints - wanted, axis=-1) / sizes_of(points)[:, None]
    assert np.nanmax(error) < EXACT


def test_a_plain_network_is_not_mirrored():
    """So that the tests above can fail."""
    translator = calibrated(randomised(MLPTranslator(source=COCO, target=MPII, width=64, depth=4)))
    points = people(COCO, 20, 1)
    answer, sizes = translator(points), sizes_of(points)

    assert off(translator(points * 3 + 7), moved(answer, 3, 7), 3 * sizes) < EXACT
    assert off(translator(mirrored(points, COCO, 5.0)), reflected(answer, 5.0), sizes) > 0.01


def test_nor_is_one_whose_weights_differ_from_side_to_side():
    translator = fitted_affine(COCO, MPII)
    calibrated(translator)
    translator.weights[MPII.index('left_hip'), COCO.index('left_hip')] += 0.1
    points = people(COCO, 20, 1) - (300, 200)

    found = translator(mirrored(points, COCO, 5.0))

    assert off(found, reflected(translator(points), 5.0), sizes_of(points)) > 0.01


def test_random_weights_matter():
    """Or the tests would look at the remap alone."""
    points = people(COCO, 20, 1)
    plain = RemapTranslator(source=COCO, target=MPII)(points).keypoints
    for name in ('residual', 'acae', 'residual-dropout'):
        apart = np.linalg.norm(built(name)(points).keypoints - plain, axis=-1)
        assert np.nanmedian(apart / sizes_of(points)[:, None]) > 0.05
