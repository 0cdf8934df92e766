"""What the benchmarks of completion share: persons with a model's predictions, and figures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from _common import table
from mmengine.dataset import pseudo_collate

from hpemap_mm.apis import answering
from hpemap_mm.completion.calibration import PredictionCalibration
from hpemap_mm.completion.candidates import PersonBatch, Predicted, sizes_of
from hpemap_mm.completion.links import MEDIAN_RADIUS
from hpemap_mm.skeletons import get_skeleton

BATCH = 64
#: Of figures(): heading, key, digits after the point.
COLUMNS = [
    ('coverage %', 'coverage', 1),
    ('median error', 'median', 2),
    ('PCK@0.05', 'PCK@0.05', 2),
    ('PCK@0.1', 'PCK@0.1', 2),
    ('within 50%', 'within 50%', 1),
    ('within 95%', 'within 95%', 1),
]


def batches(
    model: Any, entry: str, dataset: Any, skeletons: Sequence[str]
) -> Iterator[tuple[PersonBatch, dict[str, Predicted], list[dict[str, Any]]]]:
    """Persons of an entry with what the model says of them in all skeletons, and their infos."""
    skeleton = dataset.skeleton_of(entry)
    rows = [i for i in range(len(dataset)) if dataset.entry_of(i) == entry]
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        infos = [dataset.get_data_info(i) for i in part]
        visible = np.concatenate([info['keypoints_visible'] for info in infos])
        visibility = np.where(visible > 0, 2, 0).astype(np.uint8)
        keypoints = np.concatenate([info['keypoints'] for info in infos]).astype(float)
        keypoints[visibility == 0] = np.nan
        boxes = np.concatenate([info['bbox'] for info in infos]).astype(float)
        batch = PersonBatch(
            skeleton=skeleton,
            keypoints=keypoints,
            visibility=visibility,
            bboxes=boxes,
            sizes=sizes_of(boxes),
        )
        with torch.inference_mode(), answering(model, 'all'):
            answers = model.test_step(pseudo_collate([dataset[i] for i in part]))
        predictions = {
            name: Predicted(
                skeleton=get_skeleton(name),
                keypoints=np.concatenate(
                    [np.asarray(a.pred_by_skeleton[name].keypoints, float) for a in answers]
                ),
                scores=np.concatenate(
                    [np.asarray(a.pred_by_skeleton[name].keypoint_scores, float) for a in answers]
                ),
            )
            for name in skeletons
        }
        yield batch, predictions, infos


def rows_of(batch: PersonBatch, predictions: dict, rows: np.ndarray) -> tuple[PersonBatch, dict]:
    """Some persons of a batch."""
    return batch.take(rows), {name: p.take(rows) for name, p in predictions.items()}


def figures(errors: np.ndarray, stds: np.ndarray, joints: float) -> dict[str, float] | None:
    """How good completed joints are.

    Args:
        errors: Distances to the truth, in sizes of the person; NaN where there is none.
        stds: Standard deviations that were told, likewise.
        joints: Joints whose truth is known.

    Returns:
        None where nothing was told.
    """
    there = np.isfinite(errors) & np.isfinite(stds)
    if not there.any():
        return None
    error, std = errors[there], stds[there]
    return {
        'joints': int(there.sum()),
        'coverage': float(there.sum() / joints),
        'median': float(np.median(error)),
        'PCK@0.05': float((error < 0.05).mean()),
        'PCK@0.1': float((error < 0.1).mean()),
        'within 50%': float((error < MEDIAN_RADIUS * std).mean()),
        'within 95%': float((error < np.sqrt(-2 * np.log(0.05)) * std).mean()),
    }


def shown(found: dict[str, float], key: str, digits: int) -> str:
    """A figure in per cent."""
    return f'{100 * found[key]:.{digits}f}'


def drawn(name: str, share: float) -> bool:
    """Whether an image is of a part of all; told by its name, the same everywhere."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) < share * 2**32


def links_of(calibration: PredictionCalibration) -> str:
    """How far annotations correct predictions, as a table."""
    rows = [
        [annotated, wanted, f'{link.field.share:g}', f'{link.field.reach:g}', f'{link.gain:.2f}']
        for annotated, by_wanted in calibration.links.items()
        for wanted, link in by_wanted.items()
    ]
    text = table(['annotated', 'predicted', 'share', 'reach (sizes)', 'factor'], rows)
    return f'How far the errors on annotated joints correct predictions:\n\n{text}'
