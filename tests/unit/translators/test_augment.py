import numpy as np
import pytest

from hpemap_mm.skeletons import get_skeleton
from hpemap_mm.translators.augment import (
    AUGMENTATIONS,
    Batch,
    DropJoints,
    Flip,
    Jitter,
    Rotate,
    Scale,
    SwapSides,
    ThrowJoints,
    build_augmentations,
)

COCO, MPII = get_skeleton('coco'), get_skeleton('mpii')
ALL = [
    DropJoints(share=0.5),
    Flip(probability=1.0),
    Jitter(scale=0.1),
    Rotate(degrees=30),
    Scale(low=0.5, high=2.0),
    SwapSides(probability=1.0),
    ThrowJoints(share=0.5),
]


def rng(seed=0):
    return np.random.default_rng(seed)


def batch(count=500, *, seed=7, missing=0.0):
    """Persons of 17 and 16 joints around (1000, 500), 100 px wide."""
    numbers = rng(seed)
    sides = [(1000, 500) + 100 * numbers.standard_normal((count, len(s), 2)) for s in (COCO, MPII)]
    for points in sides:
        points[numbers.random(points.shape[:2]) < missing] = np.nan
    return Batch(*(points.astype(np.float32) for points in sides), COCO, MPII)


def known(points):
    return ~np.isnan(points[..., 0])


@pytest.mark.parametrize('augmentation', ALL, ids=lambda a: type(a).__name__)
def test_what_all_augmentations_keep(augmentation):
    given = batch(missing=0.2)
    copies = given.keypoints.copy(), given.target.copy()

    done = augmentation(given, rng(1))
    again = augmentation(given, rng(1))
    other = augmentation(given, rng(2))

    np.testing.assert_array_equal(given.keypoints, copies[0])  # the input is left alone
    np.testing.assert_array_equal(given.target, copies[1])
    np.testing.assert_array_equal(done.keypoints, again.keypoints)
    assert not np.array_equal(done.keypoints, given.keypoints, equal_nan=True)
    for points, before in ((done.keypoints, given.keypoints), (done.target, given.target)):
        assert points.dtype == np.float32 and points.shape == before.shape
        assert (np.isnan(points[..., 0]) == np.isnan(points[..., 1])).all()
    assert (known(done.target).sum(1) == known(given.target).sum(1)).all()
    if not isinstance(augmentation, Flip):  # which leaves nothing to chance at probability 1
        assert not np.array_equal(done.keypoints, other.keypoints, equal_nan=True)


@pytest.mark.parametrize('augmentation', ALL, ids=lambda a: type(a).__name__)
def test_persons_without_joints_stay_so(augmentation):
    given = batch(3)
    given.keypoints[1] = np.nan

    done = augmentation(given, rng())

    assert np.isnan(done.keypoints[1]).all()
    assert np.isfinite(done.target).all()


@pytest.mark.parametrize('name', sorted(set(AUGMENTATIONS)))
def test_probability_zero_changes_nothing(name):
    options = {
        'DropJoints': {'share': 1.0},
        'Jitter': {'scale': 1.0},
        'Rotate': {'degrees': 90},
        'Scale': {'low': 2.0, 'high': 3.0},
        'ThrowJoints': {'share': 1.0},
    }
    (augmentation,) = build_augmentations(
        [dict(type=name, probability=0.0, **options.get(name, {}))]
    )
    given = batch(20, missing=0.1)

    done = augmentation(given, rng())

    np.testing.assert_allclose(done.keypoints, given.keypoints, atol=2e-4)
    np.testing.assert_allclose(done.target, given.target, atol=2e-4)


def test_dropped_joints_are_a_uniform_share_and_two_are_left():
    done = DropJoints(share=0.4)(batch(20_000), rng())
    lost = (~known(done.keypoints)).mean(1)

    assert lost.mean() == pytest.approx(0.2, abs=0.005)
    assert lost.max() == pytest.approx(0.4, abs=1 / 17)
    # Every joint is as likely as any other.
    np.testing.assert_allclose((~known(done.keypoints)).mean(0), 0.2, atol=0.015)
    np.testing.assert_array_equal(done.target, batch(20_000).target)

    some = DropJoints(share=1.0, probability=0.25)(batch(20_000, missing=0.5), rng())
    had, has = (known(b.keypoints).sum(1) for b in (batch(20_000, missing=0.5), some))
    assert (has >= np.minimum(had, 2)).all() and (has[had > 2] == 2).any()
    changed = has < had
    assert 0.15 < changed.mean() < 0.25


def test_persons_of_two_joints_lose_none():
    given = batch(50)
    given.keypoints[:, 2:] = np.nan

    assert (known(DropJoints(share=1.0)(given, rng()).keypoints).sum(1) == 2).all()
    assert (ThrowJoints(share=1.0)(given, rng()).keypoints[:, :2] == given.keypoints[:, :2]).all()


def test_thrown_joints_land_within_reach():
    given = batch(5_000, missing=0.1)
    low, high = np.nanmin(given.keypoints, 1), np.nanmax(given.keypoints, 1)
    middle, half = (low + high) / 2, (high - low) / 2

    done = ThrowJoints(share=0.2, reach=2.0)(given, rng())
    thrown = known(given.keypoints) & (done.keypoints != given.keypoints).any(-1)
    place = np.abs(done.keypoints - middle[:, None])[thrown] / np.repeat(
        half, thrown.sum(1), axis=0
    )

    assert (known(done.keypoints) == known(given.keypoints)).all()
    assert thrown.sum() / known(given.keypoints).sum() == pytest.approx(0.1, abs=0.005)
    assert 1.95 < place.max() <= 2.001 and place.mean() == pytest.approx(1.0, abs=0.03)


def test_jitter_is_bivariate_student_in_sizes_and_sigmas():
    given = batch(4_000)
    given.keypoints[:] = (1000, 500)
    given.keypoints[:, ::2, 0] += 30  # nine of 17 joints: the size is 30 sqrt(9/17 8/17)
    size = 30 * np.sqrt(9 * 8) / 17

    done = Jitter(scale=0.1, freedom=4.0)(given, rng())
    factors = COCO.sigmas / COCO.sigmas.mean()
    errors = (done.keypoints - given.keypoints) / (0.1 * size * factors[:, None])

    # Student's t of 4 degrees of freedom: quartiles at +-0.7407, 97.5% at 2.776.
    for axis in (0, 1):
        quantiles = np.quantile(errors[..., axis], [0.25, 0.5, 0.75, 0.975])
        np.testing.assert_allclose(quantiles, [-0.7407, 0, 0.7407, 2.776], atol=0.05)
    # Both axes are far off together, but not correlated.
    assert np.corrcoef(np.abs(errors[..., 0]).ravel(), np.abs(errors[..., 1]).ravel())[0, 1] > 0.1
    assert abs(np.corrcoef(*np.clip(errors.reshape(-1, 2), -5, 5).T)[0, 1]) < 0.02


def test_jitter_may_be_gaussian():
    given = batch(2_000)

    done = Jitter(scale=0.1, freedom=float('inf'))(given, rng())
    local = given.keypoints - given.keypoints.mean(1, keepdims=True)
    size = np.sqrt((local**2).sum(-1).mean(1))
    errors = (done.keypoints - given.keypoints) / (0.1 * size[:, None, None])
    errors /= (COCO.sigmas / COCO.sigmas.mean())[:, None]

    assert errors.std() == pytest.approx(1.0, abs=0.02)
    assert np.quantile(errors, 0.975) == pytest.approx(1.96, abs=0.04)


def test_sides_are_exchanged_in_the_source_only():
    given = batch(2_000)
    done = SwapSides(probability=0.5, whole=0.4, share=0.0)(given, rng())
    whole = (done.keypoints == given.keypoints[:, COCO.flip_indices]).all((1, 2))
    same = (done.keypoints == given.keypoints).all((1, 2))

    assert (whole | same).all() and whole.mean() == pytest.approx(0.2, abs=0.03)
    assert done.target is given.target

    parts = SwapSides(probability=1.0, whole=0.0, share=0.25)(given, rng())
    left, right = np.array(COCO.flip_pairs).T
    swapped = (parts.keypoints[:, left] == given.keypoints[:, right]).all(-1)
    np.testing.assert_array_equal(
        swapped, (parts.keypoints[:, right] == given.keypoints[:, left]).all(-1)
    )
    np.testing.assert_allclose(swapped.mean(0), 0.25, atol=0.04)
    nose = COCO.index('nose')
    np.testing.assert_array_equal(parts.keypoints[:, nose], given.keypoints[:, nose])


def test_rotation_turns_both_sides_about_the_sources_centre():
    source, target = np.zeros((1, 17, 2)), np.zeros((1, 16, 2))
    source[0, 0] = (17, 0)  # the centre is (1, 0)
    target[0, 0] = (1, 2)

    class Quarter:
        def standard_normal(self, count):
            return np.ones(count)

    done = Rotate(degrees=90)(Batch(source, target, COCO, MPII), Quarter())

    # y points down: (x, y) turns into (-y, x), clockwise on the screen.
    np.testing.assert_allclose(done.keypoints[0, 0], (1, 16), atol=1e-6)
    np.testing.assert_allclose(done.keypoints[0, 1], (1, -1), atol=1e-6)
    np.testing.assert_allclose(done.target[0, 0], (-1, 0), atol=1e-6)


def test_rotation_and_scale_keep_the_shape():
    given = batch(300, missing=0.2)
    turned = Rotate(degrees=60, law='uniform')(given, rng())
    grown = Scale(low=0.5, high=2.0)(given, rng())

    def lengths(b):
        whole = np.concatenate([b.keypoints, b.target], axis=1)
        return np.linalg.norm(whole - np.roll(whole, 1, axis=1), axis=-1)

    np.testing.assert_allclose(lengths(turned), lengths(given), rtol=1e-4, atol=2e-3)
    factors = lengths(grown) / lengths(given)
    assert np.nanmax(np.nanmax(factors, 1) - np.nanmin(factors, 1)) < 0.01
    means = np.nanmean(factors, 1)
    assert means.min() < 0.6 and means.max() > 1.8
    assert np.log2(means).mean() == pytest.approx(0.0, abs=0.1)


def test_flips_mirror_and_rename():
    given = batch(200, missing=0.2)

    done = Flip(probability=1.0)(given, rng())

    for side, skeleton in (('keypoints', COCO), ('target', MPII)):
        before, after = getattr(given, side), getattr(done, side)
        left, right = skeleton.index('left_wrist'), skeleton.index('right_wrist')
        np.testing.assert_array_equal(after[:, left, 1], before[:, right, 1])
        centre = np.nanmean(given.keypoints[..., 0], 1)
        np.testing.assert_allclose(after[:, left, 0], 2 * centre - before[:, right, 0], rtol=1e-5)
    twice = Flip(probability=1.0)(done, rng())
    np.testing.assert_allclose(twice.keypoints, given.keypoints, atol=1e-3)
    np.testing.assert_allclose(twice.target, given.target, atol=1e-3)


def test_half_of_the_persons_are_flipped():
    given = batch(4_000)
    flipped = (Flip()(given, rng()).target != given.target).any((1, 2))

    assert flipped.mean() == pytest.approx(0.5, abs=0.03)


def test_both_sides_may_be_one_skeleton_and_float64():
    points = batch(10).keypoints.astype(np.float64)

    done = Flip(probability=1.0)(Batch(points, points, COCO, COCO), rng())

    np.testing.assert_array_equal(done.keypoints, done.target)
    assert Rotate(degrees=10)(done, rng()).keypoints.dtype == np.float64


def test_building_from_configs():
    own = Flip()

    built = build_augmentations([dict(type='Jitter', scale=0.02), own])

    assert built == (Jitter(scale=0.02), own)
    with pytest.raises(KeyError, match="Unknown augmentation 'Blur'.*DropJoints"):
        build_augmentations([dict(type='Blur')])


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (dict(type='DropJoints'), "DropJoints: .*'share'"),
        (dict(type='DropJoints', share=0.1, part=2), 'DropJoints takes'),
        (dict(type='DropJoints', share=1.2), r'share of DropJoints is in \[0, 1\], got 1.2'),
        (dict(type='ThrowJoints', share=0.1, reach=0), 'reach of ThrowJoints is above 0'),
        (dict(type='Jitter', scale=-1), 'scale of Jitter is above 0'),
        (dict(type='Jitter', scale=float('nan')), 'scale of Jitter is above 0'),
        (dict(type='Jitter', scale='much'), 'Jitter: '),
        (dict(type='SwapSides', probability=-0.1), 'probability of SwapSides'),
        (dict(type='Rotate', degrees=20, law='cauchy'), 'law of Rotate'),
        (dict(type='Scale', low=2.0, high=1.0), 'low of Scale is 2.0, above high'),
        (dict(type='Flip', probability=float('nan')), 'probability of Flip'),
    ],
)
def test_meaningless_parameters(config, message):
    with pytest.raises(ValueError, match=message):
        build_augmentations([config])
