"""Rows grouped by image, on a world of five rows."""

import numpy as np
import pytest

from hpemap_mm.evaluation.by_image import by_image

IMAGES = np.array([30, 10, 20])
OF_ROW = np.array([20, 10, 20, 30, 20])


def test_rows_come_by_image_and_by_falling_value():
    groups = by_image(OF_ROW, IMAGES, name='x', falling=np.array([0.5, 0.1, 0.9, 0.2, 0.5]))
    assert groups.order.tolist() == [1, 2, 0, 4, 3]  # equal values in their order
    assert groups.counts.tolist() == [1, 3, 1]
    assert groups.image.tolist() == [0, 1, 1, 1, 2]
    assert groups.place.tolist() == [0, 0, 1, 2, 0]
    assert groups.first(2).order.tolist() == [1, 2, 0, 3]
    assert groups.first(2).counts.tolist() == [1, 2, 1]


def test_pairs_are_all_of_one_image():
    own = by_image(OF_ROW, IMAGES, name='x')
    other = by_image(np.array([20, 30, 20]), IMAGES, name='y')
    left, right = own.pairs(other)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [
        *[(0, 0), (0, 2), (2, 0), (2, 2), (4, 0), (4, 2)],
        (3, 1),
    ]


def test_some_rows_only():
    groups = by_image(OF_ROW, IMAGES, name='x', rows=np.array([4, 1]))
    assert groups.order.tolist() == [1, 4]
    assert groups.counts.tolist() == [1, 1, 0]


def test_unknown_images_are_named():
    with pytest.raises(ValueError, match='x: images 11, 40 are not among the 3'):
        by_image(np.array([10, 40, 11]), IMAGES, name='x')
