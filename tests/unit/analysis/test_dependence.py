import json
from dataclasses import replace

import numpy as np
import pytest

from hpemap_mm.analysis.dependence import find_dependences, without_side
from hpemap_mm.analysis.frames import person_sizes
from hpemap_mm.evaluation import Truth
from hpemap_mm.evaluation.bootstrap import image_weights
from hpemap_mm.skeletons import get_skeleton


def dependences_of(found):
    truth = found.truth
    return find_dependences(found, person_sizes(truth), image_weights(len(truth.images), 200))


def part(dependences, start):
    return next(p for p in dependences.parts if p.on.startswith(start))


def medians(bins):
    return {found.name: found.median for found in bins}


def test_larger_errors_in_smaller_persons(people, lay_beside):
    """Errors of 3 px, whatever the size: 0.1 of the smallest, 0.023 of the largest."""
    truth = people(noise=0.0).truth()
    points = truth.keypoints + [3.0, 0.0]
    found = part(dependences_of(lay_beside(truth, points)), 'size of the person (head size)')
    assert len(found.bins) == 5
    assert found.bins[0].name.startswith('below ')
    assert found.bins[-1].name.endswith('px or more')
    values = [b.median for b in found.bins]
    assert values == sorted(values, reverse=True)
    lowest = np.quantile(truth.head_sizes, 0.2)
    smallest = truth.head_sizes[truth.head_sizes < lowest]
    assert values[0] == pytest.approx(3 / np.median(smallest), rel=0.01)
    assert all(b.low <= b.median <= b.high for b in found.bins)


def test_errors_by_how_a_person_faces(people, lay_beside):
    world = people(noise=0.0)
    truth = world.truth()
    error = np.select([world.turn > 0.5, world.turn < -0.5], [0.1, 0.2], 0.4)
    points = truth.keypoints + (error * truth.head_sizes)[:, None, None] * [0.0, 1.0]
    found = part(dependences_of(lay_beside(truth, points)), 'how the person faces')
    expected = {'front': 0.1, 'back': 0.2, 'side': 0.4}
    assert medians(found.bins) == {k: pytest.approx(v) for k, v in expected.items()}
    assert medians(found.joints['wrist']) == {k: pytest.approx(v) for k, v in expected.items()}


def test_far_errors_are_counted(people, lay_beside):
    truth = people(noise=0.0, turned={1.0: 1.0}).truth()
    points = truth.keypoints.copy()
    points[::4] += 0.6 * truth.head_sizes[::4, None, None] * np.array([1.0, 0.0])
    (front,) = part(dependences_of(lay_beside(truth, points)), 'how the person faces').bins
    assert front.far == pytest.approx(0.25, abs=0.01)
    assert front.far_low < 0.25 < front.far_high
    assert front.median == 0


def test_foreshortened_limbs(people, lay_beside):
    """Forearms of a fifth of the persons point at the camera; there the wrist is off."""
    world = people(count=600, turned={1.0: 1.0}, pose=0.02)
    truth = world.truth()
    points = truth.keypoints.copy()
    wrist, elbow = (truth.skeleton.index(f'left_{j}') for j in ('wrist', 'elbow'))
    short = np.arange(600) % 5 == 0
    points[short, wrist] += 0.9 * (points[short, elbow] - points[short, wrist])
    truth = replace(truth, keypoints=points)
    predicted = points.copy()
    predicted[short, wrist, 0] += 0.3 * truth.head_sizes[short]
    found = part(dependences_of(lay_beside(truth, predicted)), 'length of the limb')
    by_bin = medians(found.joints['wrist'])
    assert by_bin['0% to 25%'] == pytest.approx(0.3)
    assert by_bin['75% or more'] == 0
    assert set(found.joints) == {'elbow', 'wrist', 'knee', 'ankle'}


def test_leaning_and_inverted_persons(people, lay_beside):
    world = people(count=500, lean=0.0, turned={1.0: 1.0})
    truth = world.truth()
    turned = truth.keypoints.copy()
    for rows, degrees in ((slice(0, 100), 180), (slice(100, 200), 70)):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turned[rows] = turned[rows] @ np.array([[c, s], [-s, c]])
    truth = replace(truth, keypoints=turned)
    found = part(dependences_of(lay_beside(truth, turned)), 'how the trunk leans')
    assert {b.name: b.n // 16 for b in found.bins} == {
        'upright': 300,
        'leaning': 100,
        'inverted': 100,
    }


def test_what_cannot_be_looked_at_is_said(lay_beside):
    skeleton = get_skeleton('h36m')
    rng = np.random.default_rng(0)
    truth = Truth.build(
        name='t',
        skeleton=skeleton,
        keypoints=rng.uniform(0, 500, (40, len(skeleton), 2)),
        visible=np.ones((40, len(skeleton))),
        areas=np.full(40, 900.0),
    )
    found = dependences_of(lay_beside(truth, truth.keypoints))
    assert set(found.skipped) == {'how the person faces', 'how the trunk leans'}
    assert part(found, 'size of the person (square root of the area)').bins[0].n > 0
    json.dumps(found.to_json(), allow_nan=False)


def test_names_without_sides():
    assert [without_side(n) for n in ('left_hip', 'right_eye', 'nose')] == ['hip', 'eye', 'nose']
