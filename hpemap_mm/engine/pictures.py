"""Predictions drawn on the photographs, in every skeleton."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.utils import track_iter_progress

from hpemap_mm.apis import answering, poses_of
from hpemap_mm.datasets import MultiSkeletonDataset
from hpemap_mm.engine.images import read_image, write_image
from hpemap_mm.models import AnsweringPoseEstimator
from hpemap_mm.skeletons import get_skeleton
from hpemap_mm.visualization import Pose, crop_to, grid, pose_panel, row
from hpemap_mm.visualization.draw import Image


def draw_predictions(
    model: AnsweringPoseEstimator, dataset: MultiSkeletonDataset, folder: Path, *, per_entry: int
) -> int:
    """Draw some persons of every entry: the truth, then what each skeleton answers.

    Writes ``<entry>_<row>.jpg`` for each person, and ``overview.jpg`` with the first two of
    every entry.

    Args:
        model: The model, not wrapped for distributed runs.
        dataset: In test mode.
        folder: Where the pictures go.
        per_entry: Persons of each entry, evenly spread over it.

    Returns:
        The number of persons drawn.
    """
    model.eval()
    chosen = []
    first = 0
    for entry, length in dataset.lens.items():
        rows = np.unique(np.linspace(0, length - 1, min(per_entry, length)).astype(int))
        chosen += [(entry, int(number), first + int(number)) for number in rows]
        first += length
    overview: dict[str, list[Image]] = {}
    with torch.inference_mode(), answering(model, 'all'):
        for entry, number, index in track_iter_progress(chosen):
            (sample,) = model.test_step(pseudo_collate([dataset[index]]))
            picture = _draw(sample, entry)
            write_image(folder / f'{entry}_{number:06d}.jpg', picture)
            overview.setdefault(entry, []).append(picture)
    rows_shown = [picture for pictures in overview.values() for picture in pictures[:2]]
    write_image(folder / 'overview.jpg', grid(rows_shown))
    return len(chosen)


def _draw(sample: object, entry: str) -> Image:
    truth = sample.gt_instances  # type: ignore[attr-defined]
    meta = sample.metainfo  # type: ignore[attr-defined]
    picture, offset, scale = crop_to(read_image(meta['img_path']), truth.bboxes)
    size = scale * float(np.ptp(truth.bboxes[0].reshape(2, 2), axis=0).max())
    own = get_skeleton(meta['skeleton'])
    visible = np.asarray(truth.keypoints_visible, float).reshape(1, len(own), -1)[0, :, 0]
    poses: Sequence[tuple[str, Pose, str]] = [
        (own.name, Pose(np.asarray(truth.keypoints)[0], visible), f'truth ({entry})'),
        *(
            (name, pose, name)
            for name, pose in poses_of(sample.pred_by_skeleton).items()  # type: ignore[attr-defined]
        ),
    ]
    return row(
        [
            pose_panel(
                picture,
                [pose.moved(offset, scale)],
                get_skeleton(name),
                title,
                f'{len(get_skeleton(name))} joints',
                size=size,
            )
            for name, pose, title in poses
        ]
    )
