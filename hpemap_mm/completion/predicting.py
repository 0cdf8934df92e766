"""What a model says of crops, in all of its skeletons, as arrays.

Dimensions: N persons of a batch, K joints of a skeleton.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from hpemap_mm.completion.candidates import Predicted
from hpemap_mm.completion.crops import Crops, Views
from hpemap_mm.models import AnsweringPoseEstimator
from hpemap_mm.skeletons import get_skeleton

Array = npt.NDArray[np.floating]


def predict(model: AnsweringPoseEstimator, crops: Crops, views: Views) -> dict[str, Predicted]:
    """What a model says of a batch.

    Args:
        model: In evaluation mode, answering in 'all'.
        crops: The batch.
        views: Its crops by the model's pipeline.

    Returns:
        By name of the skeleton. Of several heads in one skeleton, the first. NaN where a person
        could not be cropped.
    """
    samples = [_sample(crops, views, place) for place in range(len(views.images))]
    with torch.inference_mode():
        data = model.data_preprocessor({'inputs': views.images, 'data_samples': samples}, False)
        answered = model.predict(data['inputs'], data['data_samples'])
    bad = list(crops.faults)
    found: dict[str, Predicted] = {}
    for answer in model.all_answers:
        name = model.representation(answer)
        if name in found:
            continue
        instances = [sample.pred_by_skeleton[answer] for sample in answered]
        points = np.concatenate([np.asarray(i.keypoints, np.float64) for i in instances])
        scores = np.concatenate([np.asarray(i.keypoint_scores, np.float64) for i in instances])
        points[bad], scores[bad] = np.nan, np.nan
        found[name] = Predicted(skeleton=get_skeleton(name), keypoints=points, scores=scores)
    return found


def _sample(crops: Crops, views: Views, place: int) -> PoseDataSample:
    """What a model needs to know of a crop to answer in pixels of the image."""
    sample = PoseDataSample(
        metainfo={
            'dataset_name': crops.entry,
            'skeleton': crops.skeleton,
            'input_size': views.size,
            'input_center': views.centers[place],
            'input_scale': views.scales[place],
        }
    )
    # MMPose hands boxes through.
    sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
    return sample


def arrays_of(
    parts: Sequence[dict[str, Predicted]],
) -> dict[str, tuple[Array, Array]]:
    """Keypoints and scores of several batches, one after the other, by skeleton's name."""
    return {
        name: (
            np.concatenate([part[name].keypoints for part in parts]),
            np.concatenate([part[name].scores for part in parts]),
        )
        for name in parts[0]
    }
