"""COCO's ten figures: by hand where they can be, and against pycocotools everywhere else."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from hpemap_mm.evaluation import Predictions, Truth
from hpemap_mm.evaluation.bootstrap import image_weights
from hpemap_mm.evaluation.oks import COCO_LINES, evaluate_oks, weighted_ap
from hpemap_mm.skeletons import get_skeleton

SKELETON = get_skeleton('coco')
K = len(SKELETON)


def by_pycocotools(truth, found, *, sigmas=None, areas=None):
    """The ten numbers of pycocotools for the same persons; -1 as NaN."""
    boxes = np.c_[truth.boxes[:, :2], truth.boxes[:, 2:] - truth.boxes[:, :2]]
    areas = truth.areas if areas is None else areas
    with contextlib.redirect_stdout(io.StringIO()):
        annotated, detected = COCO(), COCO()
        head = {
            'images': [{'id': image} for image in truth.images.tolist()],
            'categories': [{'id': 1, 'name': 'person'}],
        }
        annotated.dataset = {
            **head,
            'annotations': [
                {
                    'id': row + 1,
                    'image_id': int(truth.image_ids[row]),
                    'category_id': 1,
                    'keypoints': np.c_[truth.keypoints[row], truth.visible[row]].ravel().tolist(),
                    'num_keypoints': int(truth.valid[row].sum()),
                    'bbox': boxes[row].tolist(),
                    'area': float(areas[row]),
                    'iscrowd': int(truth.crowd[row]),
                }
                for row in range(len(truth))
            ],
        }
        annotated.createIndex()
        results = [
            {
                'image_id': int(found.image_ids[row]),
                'category_id': 1,
                'keypoints': np.c_[found.keypoints[row], np.ones(K_of(found))].ravel().tolist(),
                'score': float(found.scores[row]),
            }
            for row in range(len(found))
        ]
        if results:
            detected = annotated.loadRes(results)
        else:  # loadRes wants at least one
            detected.dataset = {**head, 'annotations': []}
            detected.createIndex()
        evaluator = COCOeval(annotated, detected, 'keypoints')
        evaluator.params.kpt_oks_sigmas = np.array(
            truth.skeleton.sigmas if sigmas is None else sigmas
        )
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return np.where(evaluator.stats < 0, np.nan, evaluator.stats)


def K_of(found):  # noqa: N802 - the number of joints
    return found.keypoints.shape[1]


def random_world(seed):
    """Persons and detections with everything that makes COCO's rules differ from simpler ones."""
    rng = np.random.default_rng(seed)
    skeleton = get_skeleton(['coco', 'mpii', 'aic', 'crowdpose', 'halpe'][seed % 5])
    joints, images = len(skeleton), np.arange(1, 26) * 7
    of_image = rng.permutation(images[:20])[rng.integers(0, 20, 60)]  # five without persons
    side = rng.choice([20.0, 60.0, 200.0], 60)  # small, medium, large persons
    corner = rng.uniform(0, 300, (60, 2))
    keypoints = corner[:, None] + rng.uniform(0, 1, (60, joints, 2)) * side[:, None, None]
    if seed % 2:
        keypoints = keypoints.round()
    visible = rng.integers(0, 3, (60, joints))
    visible[rng.random(60) < 0.1] = 0
    truth = Truth.build(
        name='world',
        skeleton=skeleton,
        keypoints=keypoints,
        visible=visible,
        ids=rng.permutation(60) + 100,
        image_ids=of_image,
        boxes=np.c_[corner, corner + side[:, None]],
        areas=side**2 * rng.uniform(0.3, 1, 60),
        crowd=rng.random(60) < 0.1,
        images=rng.permutation(images),
    )
    # Some persons never, some twice, some exactly, some as another person; strays; a crowd of
    # detections in one image; images without any.
    rows = rng.choice(60, 90)
    spread = rng.choice([0.0, 0.03, 0.08, 0.3], 90) * side[rows]
    found = keypoints[rows] + rng.normal(0, 1, (90, joints, 2)) * spread[:, None, None]
    stray = rng.uniform(0, 500, (40, joints, 2))
    where = np.r_[of_image[rows], np.full(30, images[3]), rng.choice(images, 10)]
    predictions = Predictions.build(
        name='model',
        representation=skeleton,
        keypoints=np.r_[found, stray],
        image_ids=where,
        scores=rng.integers(0, 12, 130) / 12 if seed % 3 else rng.random(130),
    )
    return truth, predictions


@pytest.mark.parametrize('seed', range(25))
def test_random_worlds_equal_pycocotools(seed):
    truth, found = random_world(seed)

    result = evaluate_oks(truth, found)

    expected = by_pycocotools(truth, found)
    assert list(result.lines) == list(COCO_LINES)
    assert np.array(list(result.lines.values())) == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert 0.02 < result.lines['AP'] < 0.9, 'a world in which nothing or everything is found'
    assert result.left_out > 0


def test_the_worlds_hold_what_they_should():
    worlds = [random_world(seed) for seed in range(25)]
    assert {truth.skeleton.name for truth, _ in worlds} >= {'coco', 'mpii', 'aic', 'crowdpose'}
    for truth, found in worlds:
        assert len(set(truth.images) - set(truth.image_ids)) >= 5
        assert (~truth.valid.any(1)).any()
        assert set(truth.images) - set(found.image_ids)
    assert sum(truth.crowd.any() for truth, _ in worlds) > 20
    assert any(len(set(found.scores)) < 20 for _, found in worlds)


def one_image(places, *, ids=None, **arguments):
    """Persons of 100 x 100 px whose joints all lie at one place each, in one image."""
    places = np.asarray(places, float).reshape(-1, 2)
    points = np.repeat(places[:, None], K, axis=1)
    return Truth.build(
        **{
            'name': 'val',
            'skeleton': SKELETON,
            'keypoints': points,
            'visible': np.full(points.shape[:2], 2),
            'image_ids': np.ones(len(points), int),
            'boxes': np.c_[places - 50, places + 50],
            'areas': np.full(len(points), 1e4),
            'images': [1],
            **arguments,
        }
    )


def detections(places, scores, **arguments):
    places = np.asarray(places, float).reshape(-1, 2)
    return Predictions.build(
        **{
            'name': 'model',
            'representation': SKELETON,
            'keypoints': np.repeat(places[:, None], K, axis=1),
            'image_ids': np.ones(len(places), int),
            'scores': scores,
            **arguments,
        }
    )


def test_one_of_two_persons_found_by_hand():
    # Precision is 1 up to recall 0.5: at 51 of the 101 recalls.
    result = evaluate_oks(one_image([(0, 0), (400, 0)]), detections([(0, 0)], [1.0]))
    assert result.lines['AP'] == pytest.approx(51 / 101)
    assert result.lines['AR'] == 0.5
    assert result.lines['AP_L'] == pytest.approx(51 / 101)
    assert np.isnan(result.lines['AP_M'])
    assert (result.persons, result.ignored, result.images, result.detections) == (2, 0, 1, 1)
    assert result.found.tolist() == [0, -1]
    assert result.nms == 'none applied here'


def test_a_surer_wrong_detection_halves_the_precision():
    truth = one_image([(0, 0)])
    right, wrong = (0, 0), (400, 0)
    assert evaluate_oks(truth, detections([right, wrong], [0.9, 0.8])).lines['AP'] == 1
    assert evaluate_oks(truth, detections([right, wrong], [0.8, 0.9])).lines['AP'] == 0.5


def test_detections_of_a_crowd_or_in_the_box_of_a_bare_person_are_not_wrong():
    visible = np.full((3, K), 2)
    visible[2] = 0
    truth = one_image([(0, 0), (1000, 0), (2000, 0)], crowd=[0, 1, 0], visible=visible)
    found = detections([(1000, 0), (1000, 0), (2090, 0), (0, 0)], [0.9, 0.8, 0.7, 0.6])
    result = evaluate_oks(truth, found)
    assert result.lines['AP'] == 1
    assert (result.persons, result.ignored) == (1, 2)
    assert result.found.tolist() == [3, -1, -1]
    # Without a box nothing is known to lie in it.
    boxes = truth.boxes.copy()
    boxes[2] = np.nan
    without = one_image(
        [(0, 0), (1000, 0), (2000, 0)], crowd=[0, 1, 0], visible=visible, boxes=boxes
    )
    assert evaluate_oks(without, found).lines['AP'] == 0.5


def test_only_the_best_of_an_image_count():
    truth = one_image([(0, 0)])
    found = detections([(900, 0)] * 20 + [(0, 0)], np.linspace(1, 0.5, 21))
    result = evaluate_oks(truth, found)
    assert (result.lines['AR'], result.left_out) == (0, 1)
    assert evaluate_oks(truth, found, max_detections=21).lines['AR'] == 1
    with pytest.raises(ValueError, match='max_detections'):
        evaluate_oks(truth, found, max_detections=0)


def test_per_joint_similarity_of_the_persons_that_were_found():
    truth = one_image([(0, 0), (5000, 0)])
    found = detections([(0, 0)], [1.0])
    keypoints = found.keypoints.copy()
    nose, hip = SKELETON.index('nose'), SKELETON.index('left_hip')
    keypoints[0, nose, 0] = 2 * SKELETON.sigmas[nose] * 100  # one of COCO's k x s
    result = evaluate_oks(truth, detections([(0, 0)], [1.0], keypoints=keypoints))
    assert result.per_joint[nose] == pytest.approx(np.exp(-0.5))
    assert result.per_joint[hip] == 1
    assert result.per_joint_counts.tolist() == [1] * K


def test_joints_that_are_not_compared_may_hold_anything():
    compared = np.array(['hip' not in joint for joint in SKELETON.joints])
    truth, found = random_world(0)
    keypoints = np.where(compared[:, None], found.keypoints, 1e9)
    changed = Predictions.build(
        name='model',
        representation=SKELETON,
        keypoints=keypoints,
        image_ids=found.image_ids,
        scores=found.scores,
    )
    result = evaluate_oks(truth, changed, joints=compared)
    assert result.lines == evaluate_oks(truth, found, joints=compared).lines
    assert result.lines != evaluate_oks(truth, found).lines
    assert np.isnan(result.per_joint[~compared]).all()
    assert np.isfinite(result.per_joint[compared]).all()


def test_scored_on_some_joints_equals_pycocotools_on_a_skeleton_of_these():
    compared = np.array(['hip' not in joint for joint in SKELETON.joints])
    truth, found = random_world(5)
    fewer = truth.visible.copy()
    fewer[:, ~compared] = 0
    hidden = Truth.build(
        **{
            name: getattr(truth, name)
            for name in ('name', 'skeleton', 'keypoints', 'ids', 'image_ids', 'boxes', 'areas')
        },
        visible=fewer,
        crowd=truth.crowd,
        images=truth.images,
    )
    # Hips where another joint is, so that the extent of a detection is that of the others.
    keypoints = found.keypoints.copy()
    keypoints[:, ~compared] = keypoints[:, :1]
    same = Predictions.build(
        name='m', representation=SKELETON, keypoints=keypoints, image_ids=found.image_ids,
        scores=found.scores,
    )  # fmt: skip
    labelled = fewer.any(1) | truth.crowd  # bare persons are fitted by all joints in pycocotools
    result = evaluate_oks(hidden.take(labelled), found, joints=compared)
    expected = by_pycocotools(hidden.take(labelled), same)
    assert list(result.lines.values()) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_nothing_predicted_is_0_and_nobody_annotated_is_not_a_figure():
    nothing = detections(np.zeros((0, 2)), np.zeros(0))
    nobody = one_image(np.zeros((0, 2)), areas=np.zeros(0))
    missed = evaluate_oks(one_image([(0, 0)]), nothing)
    assert (missed.lines['AP'], missed.lines['AR']) == (0, 0)
    assert np.isnan(missed.per_joint).all()
    for found in (nothing, detections([(0, 0)], [1.0])):
        assert np.isnan(list(evaluate_oks(nobody, found).lines.values())).all()
    weights = np.ones((2, 1))
    assert weighted_ap(missed, weights)['AP'].tolist() == [0, 0]
    assert np.isnan(weighted_ap(evaluate_oks(nobody, nothing), weights)['AP']).all()


def test_not_a_number_never_gets_as_far_as_a_score():
    with pytest.raises(ValueError, match='finite'):
        detections([(np.nan, np.nan)], [1.0])
    with pytest.raises(ValueError, match='finite'):
        detections([(0, 0)], [np.nan])


@pytest.mark.parametrize(
    ('truth', 'arguments', 'message'),
    [
        ({'areas': [np.nan]}, {}, "areas='box'"),
        ({'areas': [np.inf]}, {}, 'no annotated area'),
        ({'boxes': np.full((1, 4), np.nan)}, {'areas': 'box'}, 'no box area'),
        ({}, {'areas': 'bbox'}, "'annotated' or 'box'"),
        ({}, {'sigmas': np.ones(3)}, '17 positive numbers'),
        ({}, {'joints': np.zeros(K)}, 'at least one'),
        ({'images': [1, 2], 'image_ids': [2]}, {'found': {'image_ids': [3]}}, 'images 3 are not'),
        ({}, {'found': {'representation': get_skeleton('ochuman')}}, None),
        (
            {},
            {'found': {'representation': get_skeleton('aic'), 'keypoints': np.zeros((1, 14, 2))}},
            'bring it there',
        ),
    ],
)
def test_what_cannot_be_judged_is_refused(truth, arguments, message):
    found = detections([(0, 0)], [1.0], **arguments.pop('found', {}))
    if message is None:  # the same joints by another name
        assert evaluate_oks(one_image([(0, 0)], **truth), found).lines['AP'] == 1
        return
    with pytest.raises(ValueError, match=message):
        evaluate_oks(one_image([(0, 0)], **truth), found, **arguments)


def resampled(truth, found, counts):
    """The dataset in which each image really occurs as often as it is counted."""
    parts = []
    number = 0
    for image, count in zip(truth.images.tolist(), counts.astype(int).tolist(), strict=True):
        for _ in range(count):
            number += 1
            parts.append((number, truth.image_ids == image, found.image_ids == image))

    def gather(values, which):
        return np.concatenate([values[part[which]] for part in parts])

    def numbers(which):
        return np.concatenate([np.full(part[which].sum(), part[0]) for part in parts])

    return Truth.build(
        name='again',
        skeleton=truth.skeleton,
        **{
            name: gather(getattr(truth, name), 1)
            for name in ('keypoints', 'visible', 'boxes', 'areas', 'crowd')
        },
        image_ids=numbers(1),
        images=np.arange(1, number + 1),
    ), Predictions.build(
        name='again',
        representation=truth.skeleton,
        keypoints=gather(found.keypoints, 2),
        scores=gather(found.scores, 2),
        image_ids=numbers(2),
    )


@pytest.mark.parametrize('seed', [0, 3, 6])  # worlds without ties
def test_weights_give_the_figures_of_the_dataset_that_they_stand_for(seed):
    truth, found = random_world(seed)
    result = evaluate_oks(truth, found)
    weights = image_weights(len(truth.images), 5, seed=seed)

    lines = weighted_ap(result, weights)

    for row, counts in enumerate(weights):
        expected = by_pycocotools(*resampled(truth, found, counts))
        actual = [lines[name][row] for name in COCO_LINES]
        assert actual == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize('seed', range(10))
def test_weights_of_1_give_the_dataset_s_own_figures(seed):
    truth, found = random_world(seed)
    result = evaluate_oks(truth, found)
    lines = weighted_ap(result, np.ones((1, len(truth.images))))
    assert {name: values[0] for name, values in lines.items()} == pytest.approx(
        result.lines, abs=1e-6, nan_ok=True
    )


def test_weights_must_be_counts_of_images():
    result = evaluate_oks(one_image([(0, 0)]), detections([(0, 0)], [1.0]))
    for weights, message in (
        (np.ones((1, 2)), r'\(B, 1\)'),
        (np.full((1, 1), 0.5), 'whole'),
        (np.full((1, 1), -1), 'whole'),
    ):
        with pytest.raises(ValueError, match=message):
            weighted_ap(result, weights)


def noisy(truth, rng):
    """Predictions for a real dataset: most persons, of all qualities; some twice, some swapped."""
    count = len(truth)
    size = np.sqrt(0.53 * (truth.boxes[:, 2:] - truth.boxes[:, :2]).prod(1))
    spread = rng.choice([0.01, 0.04, 0.1, 0.3], count) * size
    keypoints = truth.keypoints + rng.normal(0, 1, truth.keypoints.shape) * spread[:, None, None]
    swapped = rng.random(count) < 0.1
    keypoints[swapped] = keypoints[swapped][:, truth.skeleton.flip_indices]
    rows = np.r_[np.flatnonzero(rng.random(count) > 0.06), rng.choice(count, 400)]
    return Predictions.build(
        name='noisy',
        representation=truth.skeleton,
        keypoints=keypoints[rows] + rng.normal(0, 1, (len(rows), *keypoints.shape[1:])),
        image_ids=truth.image_ids[rows],
        scores=rng.random(len(rows)).round(2),
    )


def test_coco_val_equals_pycocotools(shared_data):
    labels = np.load(shared_data / 'coco' / 'coco2017_keypoints.npz')
    keypoints, boxes = labels['val2017_kpts'], labels['val2017_bbox'].astype(float)
    truth = Truth.build(
        name='coco_val',
        skeleton=SKELETON,
        keypoints=keypoints[..., :2],
        visible=keypoints[..., 2],
        image_ids=labels['val2017_image_id'],
        boxes=np.c_[boxes[:, :2], boxes[:, :2] + boxes[:, 2:]],
    )
    assert len(truth) == 6352
    found = noisy(truth, np.random.default_rng(0))

    result = evaluate_oks(truth, found, areas='box')

    expected = by_pycocotools(truth, found, areas=0.53 * boxes[:, 2] * boxes[:, 3])
    assert list(result.lines.values()) == pytest.approx(expected, abs=1e-6)
    assert 0.2 < result.lines['AP'] < 0.8
