import numpy as np
import pytest

from hpemap_mm.translators.splits import PARTS, Split, limited, positions

IMAGES = np.arange(20_000) * 7


def test_parts_are_all_images_once_in_the_shares_asked_for():
    split = Split(dev=0.06, test=0.10, seed=3)
    masks = np.stack([split.mask(IMAGES, part) for part in PARTS])

    assert (masks.sum(0) == 1).all()
    np.testing.assert_allclose(masks.mean(1), [0.84, 0.06, 0.10], atol=0.006)
    assert split.mask(IMAGES, 'all').all()


def test_persons_of_one_image_stay_together():
    persons = np.repeat(IMAGES[:500], 3)
    masks = Split(dev=0.3, test=0.3).mask(persons, 'test').reshape(-1, 3)

    assert (masks == masks[:, :1]).all() and masks.any() and not masks.all()


def test_a_part_does_not_depend_on_the_other_persons():
    split = Split()
    whole = dict(zip(IMAGES.tolist(), split.mask(IMAGES, 'dev').tolist(), strict=True))
    some = IMAGES[::-1][::17]

    assert split.mask(some, 'dev').tolist() == [whole[image] for image in some.tolist()]


def test_a_part_stays_what_it_is_for_ever():
    # Literals: another hash, another order of the parts or another salt would leak test images
    # into the training of models that are in use already.
    places = positions([139, 285, 632], '0')

    np.testing.assert_allclose(places, [0.798987714419, 0.285169251723, 0.700299875697], atol=1e-12)
    assert positions([139], '0')[0] == positions([7, 139, 8], '0')[1]


def test_the_test_part_does_not_depend_on_the_size_of_the_dev_part():
    one, two = Split(dev=0.06), Split(dev=0.30)

    assert (one.mask(IMAGES, 'test') == two.mask(IMAGES, 'test')).all()


def test_seeds_give_independent_splits():
    one, two = (Split(test=0.2, seed=seed).mask(IMAGES, 'test') for seed in (0, 1))

    assert (one & two).mean() == pytest.approx(0.04, abs=0.006)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'dev': -0.1}, 'dev is a share'),
        ({'test': 1.1}, 'test is a share'),
        ({'test': '0.1'}, 'test is a share'),
        ({'dev': 0.6, 'test': 0.6}, 'more than all'),
    ],
)
def test_shares_that_are_none(options, message):
    with pytest.raises(ValueError, match=message):
        Split(**options)


def test_an_unknown_part():
    with pytest.raises(ValueError, match='part is one of'):
        Split().mask(IMAGES, 'val')


def test_limits_are_of_images_and_nested():
    persons = np.repeat(IMAGES[:100], 3)
    few, more, half = (limited(persons, limit, 5) for limit in (10, 30, 0.5))

    assert (few.sum(), more.sum(), half.sum()) == (30, 90, 150)
    assert (few <= more).all() and (more <= half).all()
    assert (limited(persons, 10, 6) != few).any()
    assert limited(persons, 1.0, 5).all() and limited(persons, 1000, 5).all()


@pytest.mark.parametrize('limit', [0, -1, 0.0, 1.5, True, '3', float('nan')])
def test_limits_that_are_none(limit):
    with pytest.raises(ValueError, match='limit is'):
        limited(IMAGES, limit, 0)
