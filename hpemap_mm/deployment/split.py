"""One skeleton of a model as a checkpoint of plain MMPose."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpemap_mm.checkpoints import (
    mmpose_config,
    mmpose_meta,
    pose_weights_of,
    to_mmpose,
    write_weights,
)
from hpemap_mm.checkpoints.sound import check_tensors
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.models import AnsweringPoseEstimator


@dataclass(frozen=True, kw_only=True)
class SplitReport:
    """What was written.

    Attributes:
        file: The checkpoint.
        skeleton: Its skeleton.
        joints: K.
        config: Name of MMPose's own config that loads it; None where MMPose has none of its size.
        options: What to pass to it as ``--cfg-options``.
    """

    file: Path
    skeleton: str
    joints: int
    config: str | None
    options: Mapping[str, Any]


def split_skeleton(
    model: AnsweringPoseEstimator, skeleton: str, out: str | os.PathLike[str]
) -> SplitReport:
    """Write one skeleton of a ViTPose as a dense single-head checkpoint of MMPose 1.x.

    Its head alone (out of a joint space, its joints' rows) and, of a mixture of experts, its
    expert. Stock MMPose needs mmpretrain to build the backbone.

    Args:
        model: A multi-head or joint-space estimator with a ViTPose backbone and ViTPose's decoders.
        skeleton: One of its heads, or of its space's skeletons.
        out: The ``.pth`` file.

    Raises:
        DataError: The model is another, it has no such skeleton or weights that are not
            finite, or the file cannot be written.
    """
    weights = pose_weights_of(model)
    try:
        weights = weights.only(skeleton)
    except KeyError as error:
        what, fix = f'the model has no skeleton {skeleton!r}', str(error.args[0])
        raise DataError([Problem('--skeleton', what, fix)]) from error
    (head,) = weights.heads.values()
    config, options = mmpose_config(weights)
    tensors = to_mmpose(weights)
    check_tensors(Path(out), tensors)
    write_weights(out, tensors, mmpose_meta(weights))
    return SplitReport(
        file=Path(out),
        skeleton=head.representation,
        joints=head.joints,
        config=config,
        options=options,
    )
