"""A small world of two datasets and two representations, for what shows matrices."""

import numpy as np

from hpemap_mm.evaluation import Predictions, Truth
from hpemap_mm.evaluation.cross import CrossEvaluation
from hpemap_mm.skeletons import correspondences, get_skeleton, transfer_matrix

EVALUATION = CrossEvaluation(replicates=50)


def pose(skeleton):
    """A pose of COCO's joints in another skeleton; (K, 2) px."""
    j = np.arange(17)
    found = np.stack([10 + 5.0 * j, 20 + 17.0 * (j % 4)], -1)
    return transfer_matrix(correspondences('coco', skeleton, approximate=True), 17) @ found


def truth_of(skeleton, name, persons=6, **about):
    keypoints = np.repeat(pose(skeleton)[None], persons, 0)
    return Truth.build(
        name=name,
        skeleton=get_skeleton(skeleton),
        keypoints=keypoints,
        **{
            'visible': np.full(keypoints.shape[:2], 2),
            'image_ids': np.arange(persons) // 2,
            'boxes': np.tile([0.0, 0, 100, 100], (persons, 1)),
            'areas': np.full(persons, 5300.0),
            'head_sizes': np.full(persons, 20.0 if skeleton == 'mpii' else np.nan),
            'image_names': {i: f'{i}.jpg' for i in range(persons)},
            **about,
        },
    )


def predictions_of(skeleton, truth):
    """Person i is predicted 3 i px to the right: the first best, the last worst."""
    keypoints = np.repeat(pose(skeleton)[None], len(truth), 0)
    keypoints[..., 0] += 3.0 * np.arange(len(truth))[:, None]
    return Predictions.build(
        name=skeleton,
        representation=get_skeleton(skeleton),
        keypoints=keypoints,
        image_ids=truth.image_ids,
        ids=truth.ids,
    )


def world():
    """COCO's and MPII's skeletons on one dataset of each, and LSP's without predictions."""
    truths = [truth_of('coco', 'c'), truth_of('mpii', 'm'), truth_of('lsp', 'l')]
    predictions = {
        truth.name: [predictions_of(name, truth) for name in ('coco', 'mpii')]
        for truth in truths[:2]
    }
    return truths, predictions


def matrix_of(**options):
    truths, predictions = world()
    evaluation = CrossEvaluation(**{'replicates': 50, **options})
    return evaluation.matrix(truths, predictions, notes={'m': ['1 person counts as wrong']})
