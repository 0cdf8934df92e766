"""What the cross evaluation needs of a data sample that MMEngine hands out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpemap_mm.persons.arrays import Array


def gathered(sample: Mapping[str, Any], representations: Mapping[str, str]) -> dict[str, Any]:
    """One sample in plain arrays.

    Args:
        sample: Of one annotated person, with what the model answered.
        representations: Skeleton of an answer, by the answer's name, where it is not that.

    Raises:
        ValueError: The sample is annotated in a joint space, has not one person, or does not say
            what it is in.
    """
    who = f'Sample {sample.get("id")} of {sample["dataset_name"]}'
    if sample.get('joint_space'):
        raise ValueError(
            f'{who} is annotated in {sample["joint_space"]}. Leave ToJointSpace out of test '
            'pipelines.'
        )
    truth = sample['gt_instances']
    keypoints = np.asarray(truth['keypoints'], np.float32)[..., :2]
    if len(keypoints) != 1:
        raise ValueError(f'{who} has {len(keypoints)} persons; top-down samples have one each')
    visible = np.asarray(truth['keypoints_visible'])
    visible = visible.reshape(*keypoints.shape[:2], -1)[..., 0]
    visible = _with_occlusion(visible, sample.get('raw_ann_info'))
    by_name = sample.get('pred_by_skeleton')
    if by_name is None:
        if 'pred_skeleton' not in sample:
            raise ValueError(
                f'{who}: the model does not say in which skeleton it answers (pred_skeleton); use '
                "one of hpemap_mm's estimators"
            )
        by_name = {sample['pred_skeleton']: sample['pred_instances']}
    answers = {}
    for name, found in by_name.items():
        predicted = np.asarray(found.get('keypoints'), np.float32)[..., :2]
        if len(predicted) != 1:
            raise ValueError(f'{who} is answered with {len(predicted)} persons in {name}, not one')
        scores = found.get('keypoint_scores')
        answers[name] = {
            'skeleton': representations.get(name, name),
            'keypoints': predicted,
            'scores': np.ones(predicted.shape[:2], np.float32)
            if scores is None
            else np.asarray(scores, np.float32).reshape(predicted.shape[:2]),
        }
    return {
        'entry': sample['dataset_name'],
        'skeleton': sample['skeleton'],
        'id': sample.get('id'),
        'img_id': sample.get('img_id'),
        'img_path': str(sample.get('img_path') or ''),
        'crowd_index': sample.get('crowd_index'),
        'keypoints': keypoints,
        'visible': visible,
        'boxes': np.asarray(truth['bboxes'], np.float32).reshape(-1, 4),
        'areas': _optional(truth, 'areas'),
        'head_sizes': _optional(truth, 'head_sizes'),
        'box_scores': np.ones(1, np.float32)
        if truth.get('bbox_scores') is None
        else np.asarray(truth['bbox_scores'], np.float32).reshape(-1),
        'answers': answers,
    }


def _with_occlusion(visible: Array, annotation: Any) -> Array:
    """1 for occluded joints and 2 for visible ones; MMPose's readers make both 1."""
    if isinstance(annotation, list | tuple):
        annotation = annotation[0] if len(annotation) == 1 else None
    raw = annotation.get('keypoints') if isinstance(annotation, Mapping) else None
    if raw is None or np.size(raw) != 3 * visible.size:
        return visible
    told = np.asarray(raw, float).reshape(*visible.shape, 3)[..., 2]
    return np.where((visible > 0) & (told == 2), 2, visible)


def _optional(instances: Mapping[str, Any], key: str) -> Array:
    value = instances.get(key)
    return np.full(1, np.nan) if value is None else np.asarray(value, np.float64).reshape(-1)
