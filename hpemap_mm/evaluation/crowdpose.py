"""CrowdPose's protocol: COCO's figures on 0.53 x box areas, and AP by how crowded an image is.

Follows crowdposetools' ``cocoeval.py`` (Li et al., "CrowdPose: Efficient Crowded Scenes Pose
Estimation and A New Benchmark", CVPR 2019; xtcocotools' ``keypoints_crowd`` is the same). The paper
says that crowding 0 to 0.1 is easy; the code that made everybody's numbers says below 0.2, and
is followed here. It prints no medium and large persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpemap_mm.evaluation.oks import OKSResult, evaluate_oks, weighted_ap
from hpemap_mm.persons.arrays import Array, IntArray, Predictions, Truth

#: The nine figures, in crowdposetools' order.
CROWDPOSE_LINES = (
    *('AP', 'AP50', 'AP75', 'AR', 'AR50', 'AR75'),
    *('AP_easy', 'AP_medium', 'AP_hard'),
)
#: Crowd index from which an image is medium, and hard.
MEDIUM_FROM, HARD_FROM = 0.2, 0.8

#: AP by how crowded an image is.
LEVELS = ('AP_easy', 'AP_medium', 'AP_hard')


@dataclass(frozen=True, kw_only=True, eq=False)
class CrowdPoseResult:
    """CrowdPose's figures.

    Attributes:
        lines: The nine figures by name (:data:`CROWDPOSE_LINES`), in [0, 1]; NaN where no person
            counts.
        images: How many images each of the three levels has.
        levels: (I,) of each image of ``Truth.images``: 0 easy, 1 medium, 2 hard.
        oks: COCO's figures for all images, and what they rest on.
    """

    lines: Mapping[str, float]
    images: Mapping[str, int]
    levels: IntArray
    oks: OKSResult


def crowding_levels(truth: Truth) -> IntArray:
    """How crowded each image of ``truth.images`` is: 0 easy, 1 medium, 2 hard; (I,).

    Raises:
        ValueError: An image's crowd index is unknown.
    """
    unknown = [image for image in truth.images.tolist() if image not in truth.crowd_index]
    if unknown:
        raise ValueError(
            f'{truth.name}: {len(unknown)} images have no crowd index, e.g. {unknown[:5]}; '
            "CrowdPose's json has 'crowdIndex' in each of its images"
        )
    index = np.array([truth.crowd_index[image] for image in truth.images.tolist()], float)
    return np.digitize(index, [MEDIUM_FROM, HARD_FROM])


def evaluate_crowdpose(
    truth: Truth,
    predictions: Predictions,
    *,
    sigmas: npt.ArrayLike | None = None,
    max_detections: int = 20,
    joints: npt.ArrayLike | None = None,
) -> CrowdPoseResult:
    """CrowdPose's nine figures.

    Args:
        truth: The annotated persons, with boxes and crowd indices.
        predictions: See :func:`hpemap_mm.evaluation.oks.evaluate_oks`, as the others.
        sigmas: See there.
        max_detections: See there.
        joints: See there.

    Raises:
        ValueError: See there; or an image's crowd index is unknown.
    """
    levels = crowding_levels(truth)
    oks = evaluate_oks(
        truth,
        predictions,
        sigmas=sigmas,
        max_detections=max_detections,
        joints=joints,
        areas='box',
    )
    weights = np.ones((1, len(levels)), np.float32)
    lines = {name: float(v[0]) for name, v in weighted_crowdpose(oks, levels, weights).items()}
    lines |= {name: oks.lines[name] for name in CROWDPOSE_LINES if name in oks.lines}
    counts = np.bincount(levels, minlength=len(LEVELS)).tolist()
    return CrowdPoseResult(
        lines=lines, images=dict(zip(LEVELS, counts, strict=True)), levels=levels, oks=oks
    )


def weighted_crowdpose(
    result: OKSResult, levels: IntArray, image_weights: npt.ArrayLike
) -> dict[str, Array]:
    """The nine figures of resampled datasets, for intervals.

    Args:
        result: Of the dataset.
        levels: (I,) from :func:`crowding_levels`.
        image_weights: (B, I) from :func:`hpemap_mm.evaluation.bootstrap.image_weights`.

    Returns:
        By name (:data:`CROWDPOSE_LINES`): (B,).
    """
    weights = np.asarray(image_weights, np.float32)
    every = weighted_ap(result, weights)
    lines = {name: every[name] for name in CROWDPOSE_LINES if name in every}
    for level, name in enumerate(LEVELS):
        lines[name] = weighted_ap(result, weights * (levels == level))['AP']
    return lines
