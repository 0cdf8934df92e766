"""The shell around PCK: routing by entry, skeletons that must agree, joints without label."""

import numpy as np
import pytest

from hpemap_mm.evaluation.metrics import MultiSkeletonPCK
from hpemap_mm.skeletons import get_skeleton


def sample(entry, skeleton, *, off=0.0, hidden=(), number=0, **meta):
    """One person of 100 px whose predictions are ``off`` pixels to the right."""
    joints = len(get_skeleton(skeleton))
    truth = np.stack([np.arange(joints) * 3.0 + 1, np.arange(joints) % 5 * 7.0 + 1], -1)[None]
    visible = np.ones((1, joints))
    for name in hidden:
        visible[0, get_skeleton(skeleton).index(name)] = 0
    return {
        'dataset_name': entry,
        'skeleton': skeleton,
        'pred_skeleton': skeleton,
        'id': number,
        'gt_instances': {
            'keypoints': truth,
            'keypoints_visible': visible,
            'bboxes': np.array([[0.0, 0.0, 50.0, 100.0]]),
        },
        'pred_instances': {'keypoints': truth + np.array([off, 0.0])},
        **meta,
    }


def evaluate(samples, **arguments):
    metric = MultiSkeletonPCK(**{'thresholds': {'bbox': [0.05, 0.1]}, **arguments})
    metric.process(None, samples)
    return metric.evaluate(len(samples)), metric


def test_each_entry_is_scored_in_its_own_skeleton():
    scores, metric = evaluate(
        [
            sample('a', 'coco', off=4.0),
            sample('b', 'coco', off=7.0),
            sample('c', 'mpii', off=20.0, number=1),
        ]
    )
    assert scores == {
        'a/PCK@0.05_bbox': 1.0,
        'a/PCK@0.1_bbox': 1.0,
        'b/PCK@0.05_bbox': 0.0,
        'b/PCK@0.1_bbox': 1.0,
        'c/PCK@0.05_bbox': 0.0,
        'c/PCK@0.1_bbox': 0.0,
    }
    assert metric.table['c']['skeleton'] == 'mpii'
    assert metric.table['c']['metrics']['PCK@0.1_bbox']['joints'] == 16


def test_errors_may_be_divided_by_the_head():
    one = sample('a', 'mpii', off=6.0)
    one['gt_instances']['head_sizes'] = np.array([12.0], np.float32)
    scores, _ = evaluate([one], thresholds={'head': [0.5, 0.49]})
    assert scores == {'a/PCK@0.5_head': 1.0, 'a/PCK@0.49_head': 0.0}
    with pytest.raises(ValueError, match='no head_sizes'):
        evaluate([sample('a', 'mpii')], thresholds={'head': [0.5]})


def test_animals_have_no_torso():
    samples = [sample('a', 'coco', off=4.0), sample('b', 'ap10k', off=7.0)]
    scores, metric = evaluate(samples, thresholds={'bbox': [0.05], 'torso': [0.2]})
    assert list(scores) == ['a/PCK@0.05_bbox', 'a/PCK@0.2_torso', 'b/PCK@0.05_bbox']
    assert scores['b/PCK@0.05_bbox'] == 0.0
    assert list(metric.table['b']['metrics']) == ['PCK@0.05_bbox']


def test_hidden_joints_do_not_count():
    _, metric = evaluate([sample('a', 'coco', hidden=['nose', 'left_eye'])])
    figures = metric.table['a']['metrics']['PCK@0.05_bbox']
    assert figures['joints'] == 15
    assert figures['per_joint']['nose'] == {'pck': None, 'joints': 0}


def test_an_answer_in_another_skeleton_is_refused():
    with pytest.raises(ValueError, match='annotated in coco and answered in mpii'):
        evaluate([sample('a', 'coco', pred_skeleton='mpii')])


def test_only_the_named_entries():
    scores, _ = evaluate([sample('a', 'coco'), sample('b', 'coco')], entries=['b'])
    assert {key.split('/')[0] for key in scores} == {'b'}


def test_the_same_person_twice_is_refused():
    with pytest.raises(ValueError, match='twice'):
        evaluate([sample('a', 'coco', number=3), sample('a', 'coco', number=3)])


def test_an_unknown_normalizer_lists_the_known():
    with pytest.raises(ValueError, match="'bbox', 'torso'"):
        MultiSkeletonPCK(thresholds={'height': [0.1]})
