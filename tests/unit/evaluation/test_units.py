"""What errors are measured in, by what is known of the persons."""

from dataclasses import replace

import numpy as np
import pytest

from hpemap_mm.evaluation import Truth
from hpemap_mm.evaluation.units import unit_of
from hpemap_mm.skeletons import get_skeleton


def truth(**about):
    """Four persons whose joints span 100 x 16 px."""
    points = np.zeros((4, 16, 2))
    points[:, :, 0] = np.linspace(0, 100, 16)
    points[:, :, 1] = np.arange(16) + 1
    return Truth.build(
        name='t',
        skeleton=get_skeleton('mpii'),
        keypoints=points,
        visible=np.full((4, 16), 2),
        **about,
    )


@pytest.mark.parametrize(
    ('about', 'name', 'size', 'figure'),
    [
        ({'head_sizes': [20.0] * 4, 'boxes': [[0, 0, 50, 90]] * 4}, 'head', 20, 'PCKh@0.5'),
        # A head size of one in four is no unit for a dataset.
        (
            {'head_sizes': [20.0] + [np.nan] * 3, 'boxes': [[0, 0, 50, 90]] * 4},
            *('bbox', 90, 'PCK@0.1_bbox'),
        ),
        ({}, 'extent', 100, 'PCK@0.1_extent'),
    ],
)
def test_the_best_unit_that_most_persons_have(about, name, size, figure):
    unit = unit_of(truth(**about))
    assert (unit.name, unit.label) == (name, figure)
    assert unit.sizes.tolist() == [size] * 4


def test_a_person_without_joints_has_no_extent():
    visible = np.full((4, 16), 2)
    visible[2] = 0
    world = replace(truth(), visible=visible)
    assert np.isnan(unit_of(world).sizes).tolist() == [False, False, True, False]
