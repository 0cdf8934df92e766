import json

import numpy as np
import pytest

from hpemap_mm.analysis.taxonomy import (
    GOOD,
    INVERSION,
    JITTER,
    KINDS,
    MISS,
    OTHER_JOINT,
    SWAP,
    classify,
    taxonomy,
)
from hpemap_mm.evaluation import Truth, pair
from hpemap_mm.evaluation.bootstrap import image_weights
from hpemap_mm.skeletons import get_skeleton

COCO = get_skeleton('coco')
AREA = 10_000.0


def world(points, image_ids, visible=None, areas=None, **more):
    points = np.asarray(points, float)
    visible = np.full(points.shape[:2], 2) if visible is None else visible
    return Truth.build(
        name='w',
        skeleton=COCO,
        keypoints=points,
        visible=visible,
        image_ids=image_ids,
        areas=np.full(len(points), AREA) if areas is None else areas,
        **more,
    )


def reach(joint, similarity):
    """The distance in pixels at which a joint has this keypoint similarity."""
    sigma = COCO.sigmas[COCO.index(joint)]
    return np.sqrt(-2 * (2 * sigma) ** 2 * AREA * np.log(similarity))


@pytest.fixture
def two():
    """Two persons in one image, all joints 500 px apart from each other."""
    grid = np.array([[500.0 * i, 500.0 * j] for j in range(2) for i in range(17)])
    return world(grid.reshape(2, 17, 2), [0, 0])


def at(truth, lay_beside, joint, point):
    """The kind of one joint of the first person, everything else being right."""
    points = truth.keypoints.copy()
    points[0, COCO.index(joint)] = point
    kinds = classify(lay_beside(truth, points), COCO.sigmas)
    return kinds.codes[0, COCO.index(joint)], kinds.other[0, COCO.index(joint)]


@pytest.mark.parametrize(
    ('similarity', 'kind'),
    [(0.99, GOOD), (0.86, GOOD), (0.84, JITTER), (0.51, JITTER), (0.49, MISS)],
)
def test_by_distance(two, lay_beside, similarity, kind):
    point = two.keypoints[0, COCO.index('left_knee')] + [0, reach('left_knee', similarity)]
    assert at(two, lay_beside, 'left_knee', point) == (kind, -1)


def test_on_another_joint(two, lay_beside):
    def truth(person, joint):
        return two.keypoints[person, COCO.index(joint)]

    assert at(two, lay_beside, 'left_knee', truth(0, 'right_knee')) == (INVERSION, -1)
    assert at(two, lay_beside, 'left_knee', truth(1, 'left_knee')) == (SWAP, -1)
    assert at(two, lay_beside, 'left_knee', truth(1, 'right_knee')) == (SWAP, -1)
    ankle = COCO.index('left_ankle')
    assert at(two, lay_beside, 'left_knee', truth(0, 'left_ankle')) == (OTHER_JOINT, ankle)
    assert at(two, lay_beside, 'left_knee', truth(1, 'left_ankle')) == (MISS, -1)


def test_the_nearest_wins(lay_beside):
    """0.9 on the joint itself is an inversion where the opposite joint is at 0.95 (the paper)."""
    points = np.arange(17)[:, None] * [500.0, 0.0]
    left, right = COCO.index('left_hip'), COCO.index('right_hip')
    points[right] = points[left] + [reach('left_hip', 0.9) + reach('left_hip', 0.95), 0]
    truth = world(points[None], [0])
    point = points[left] + [reach('left_hip', 0.9), 0]
    assert at(truth, lay_beside, 'left_hip', point) == (INVERSION, -1)


def test_joints_and_persons_that_do_not_count(two, lay_beside):
    visible = two.visible.copy()
    visible[0, 3] = 0
    truth = world(two.keypoints, [0, 0], visible, crowd=[False, True])
    compared = np.ones(17, bool)
    compared[5] = False
    codes = classify(lay_beside(truth, truth.keypoints, compared), COCO.sigmas).codes
    assert codes[0, [3, 5]].tolist() == [-1, -1]
    assert (codes[1] == -1).all()
    assert (np.delete(codes[0], [3, 5]) == GOOD).all()


def by_the_papers_code(truth, points, sigmas):
    """A loop after coco-analyze's `_find_kpt_errors`: own, others, then the same flipped."""
    flip = COCO.flip_indices
    codes = np.full(truth.valid.shape, -1)
    for row in range(len(truth)):
        others = [
            i for i in range(len(truth)) if truth.image_ids[i] == truth.image_ids[row] and i != row
        ]
        order = [row, *others]
        for k in range(17):
            if not truth.valid[row, k]:
                continue
            scores = []
            for flipped in (False, True):
                for i in order:
                    j = flip[k] if flipped else k
                    d = ((points[row, k] - truth.keypoints[i, j]) ** 2).sum()
                    e = np.exp(-d / (2 * (2 * sigmas[k]) ** 2 * truth.areas[i]))
                    scores.append(e if truth.valid[i, j] else -1)
            best, which = max(scores), int(np.argmax(scores))
            if best < 0.5:
                codes[row, k] = MISS
            elif which == 0:
                codes[row, k] = GOOD if best >= 0.85 else JITTER
            else:
                codes[row, k] = INVERSION if which == len(order) else SWAP
    return codes


@pytest.mark.parametrize('seed', range(5))
def test_random_worlds_against_the_papers_code(seed, lay_beside):
    rng = np.random.default_rng(seed)
    truth = world(
        rng.uniform(0, 150, (30, 17, 2)),
        rng.integers(8, size=30),
        rng.integers(3, size=(30, 17)),
        rng.uniform(2000, 20_000, 30),
    )
    points = truth.keypoints + rng.normal(0, 12, truth.keypoints.shape)
    codes = classify(lay_beside(truth, points), COCO.sigmas).codes.copy()
    assert len(np.unique(codes)) >= 6  # a world that has every kind
    codes[codes == OTHER_JOINT] = MISS
    np.testing.assert_array_equal(codes, by_the_papers_code(truth, points, COCO.sigmas))


def test_rates_of_planted_errors(people, lay_beside):
    """One left wrist in five is put on the right one, one nose in ten far away."""
    truth = people(skeleton='coco', count=600, turned={1.0: 1.0}).truth()
    points = truth.keypoints.copy()
    left, right, nose = (COCO.index(j) for j in ('left_wrist', 'right_wrist', 'nose'))
    points[::5, left] = truth.keypoints[::5, right]
    points[::10, nose] += 5000
    found = taxonomy(
        lay_beside(truth, points),
        COCO.sigmas,
        image_weights(len(truth.images), 300),
        source='COCO',
    )
    by_joint = {joint.joint: joint for joint in found.joints}
    inverted = by_joint['left_wrist'].rates['inversion']
    assert inverted.value == pytest.approx(0.2)
    assert 0.15 < inverted.low < 0.2 < inverted.high < 0.25
    assert by_joint['left_wrist'].confused_with == {'right_wrist': pytest.approx(0.2)}
    assert by_joint['nose'].rates['miss'].value == pytest.approx(0.1)
    assert by_joint['right_ankle'].rates['good'].value == 1
    for joint in (*found.joints, found.all_joints):
        assert sum(rate.value for rate in joint.rates.values()) == pytest.approx(1)
        assert tuple(joint.rates) == KINDS
    json.dumps(found.to_json(), allow_nan=False)


def test_persons_who_were_not_predicted_are_counted_apart(two, as_predictions):
    predicted = as_predictions(two, two.keypoints)
    first = type(predicted).build(
        name='m',
        representation=COCO,
        keypoints=predicted.keypoints[:1],
        image_ids=[0],
        ids=predicted.ids[:1],
    )
    found = taxonomy(pair(two, first), COCO.sigmas, image_weights(1, 10), source='COCO')
    assert (found.unpredicted, found.all_joints.n) == (17, 17)


def test_persons_without_an_area_are_refused(two, lay_beside):
    truth = world(two.keypoints, [0, 0], areas=[np.nan, 5.0])
    with pytest.raises(ValueError, match='1 predicted persons have no area'):
        classify(lay_beside(truth, truth.keypoints), COCO.sigmas)
    with pytest.raises(ValueError, match='17 positive numbers'):
        classify(lay_beside(two, two.keypoints), COCO.sigmas[:3])
