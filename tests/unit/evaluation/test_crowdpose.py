"""CrowdPose's nine figures, against COCO's on the images of each level."""

import json

import numpy as np
import pytest

from hpemap_mm.evaluation import Predictions, Truth
from hpemap_mm.evaluation.bootstrap import image_weights
from hpemap_mm.evaluation.crowdpose import (
    CROWDPOSE_LINES,
    crowding_levels,
    evaluate_crowdpose,
    weighted_crowdpose,
)
from hpemap_mm.evaluation.oks import evaluate_oks
from hpemap_mm.skeletons import get_skeleton

CROWDPOSE = get_skeleton('crowdpose')
#: Crowding of images 1 to 6: on, below and above the two bounds of crowdposetools.
CROWDING = {1: 0.0, 2: 0.1999, 3: 0.2, 4: 0.7999, 5: 0.8, 6: 1.0}


def world(**arguments):
    rng = np.random.default_rng(0)
    count, joints = 40, len(CROWDPOSE)
    side = rng.uniform(40, 200, count)
    corner = rng.uniform(0, 400, (count, 2))
    keypoints = corner[:, None] + rng.random((count, joints, 2)) * side[:, None, None]
    image_ids = np.arange(count) % 6 + 1
    truth = Truth.build(
        **{
            'name': 'crowd',
            'skeleton': CROWDPOSE,
            'keypoints': keypoints,
            'visible': rng.integers(0, 3, (count, joints)),
            'image_ids': image_ids,
            'boxes': np.c_[corner, corner + side[:, None]],
            'crowd_index': CROWDING,
            **arguments,
        }
    )
    spread = rng.choice([0.01, 0.06, 0.3], count) * side
    found = Predictions.build(
        name='model',
        representation=CROWDPOSE,
        keypoints=keypoints + rng.normal(0, 1, keypoints.shape) * spread[:, None, None],
        image_ids=image_ids,
        scores=rng.random(count),
    )
    return truth, found


def of_images(truth, found, images):
    """The world reduced to some images."""
    rows = np.isin(truth.image_ids, images)
    few = Truth.build(
        name='few',
        skeleton=CROWDPOSE,
        **{
            name: getattr(truth, name)[rows]
            for name in ('keypoints', 'visible', 'image_ids', 'boxes')
        },
        images=images,
    )
    inside = np.isin(found.image_ids, images)
    return few, Predictions.build(
        name='few',
        representation=CROWDPOSE,
        **{name: getattr(found, name)[inside] for name in ('keypoints', 'image_ids', 'scores')},
    )


def test_levels_of_images_on_the_bounds():
    truth, _ = world()
    assert crowding_levels(truth).tolist() == [0, 0, 1, 1, 2, 2]


def test_each_level_is_coco_s_ap_over_its_images_with_box_areas():
    truth, found = world()

    result = evaluate_crowdpose(truth, found)

    assert set(result.lines) == set(CROWDPOSE_LINES)
    for level, images in (('easy', [1, 2]), ('medium', [3, 4]), ('hard', [5, 6])):
        expected = evaluate_oks(*of_images(truth, found, images), areas='box').lines['AP']
        assert result.lines[f'AP_{level}'] == pytest.approx(expected, abs=1e-6)
        assert result.images[f'AP_{level}'] == 2
    levels = [result.lines[f'AP_{level}'] for level in ('easy', 'medium', 'hard')]
    assert len(set(levels)) == 3
    everything = evaluate_oks(truth, found, areas='box')
    assert result.lines['AP'] == everything.lines['AP']
    assert result.lines['AR75'] == everything.lines['AR75']


def test_intervals_come_from_the_same_replicates():
    truth, found = world()
    result = evaluate_crowdpose(truth, found)
    weights = np.r_[np.ones((1, 6), np.float32), image_weights(6, 50)]

    lines = weighted_crowdpose(result.oks, result.levels, weights)

    for name in CROWDPOSE_LINES:
        assert lines[name][0] == pytest.approx(result.lines[name], abs=1e-6)
    # A replicate without a hard image has no figure for it.
    without = weights[:, 4:].sum(1) == 0
    assert without.any()
    assert np.array_equal(np.isnan(lines['AP_hard']), without)


def test_images_without_a_crowd_index_are_refused():
    truth, found = world(crowd_index={1: 0.5})
    with pytest.raises(ValueError, match=r'5 images have no crowd index, e.g. \[2, 3'):
        evaluate_crowdpose(truth, found)


def test_real_annotations_answered_by_themselves_are_perfect(shared_data):
    file = shared_data / 'real' / 'crowdpose' / 'test_crowdpose.json'
    content = json.loads(file.read_text())
    rows = content['annotations']
    keypoints = np.array([row['keypoints'] for row in rows], float).reshape(len(rows), -1, 3)
    boxes = np.array([row['bbox'] for row in rows])
    truth = Truth.build(
        name='real',
        skeleton=CROWDPOSE,
        keypoints=keypoints[..., :2],
        visible=keypoints[..., 2],
        ids=[row['id'] for row in rows],
        image_ids=[row['image_id'] for row in rows],
        boxes=np.c_[boxes[:, :2], boxes[:, :2] + boxes[:, 2:]],
        crowd=[row['iscrowd'] for row in rows],
        crowd_index={image['id']: image['crowdIndex'] for image in content['images']},
    )
    labelled = truth.take(truth.valid.any(1))
    found = Predictions.build(
        name='truth',
        representation=CROWDPOSE,
        keypoints=labelled.keypoints,
        image_ids=labelled.image_ids,
        ids=labelled.ids,
    )
    result = evaluate_crowdpose(truth, found)
    assert result.images == {'AP_easy': 0, 'AP_medium': 2, 'AP_hard': 0}
    assert result.lines['AP'] == result.lines['AR'] == 1
    assert result.lines['AP_medium'] == pytest.approx(1)
    assert np.isnan(result.lines['AP_hard'])
