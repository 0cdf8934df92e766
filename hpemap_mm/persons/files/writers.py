"""Predicted persons to files that the readers, and other people's tools, understand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from hpemap_mm.files import atomic_path
from hpemap_mm.persons.arrays import Predictions

SUFFIXES = ('.json', '.npz')


def write_predictions(path: str | os.PathLike[str], predictions: Predictions) -> Path:
    """Write a COCO-results json or an npz, by the suffix; complete or not at all.

    Numbers keep all their digits, 0-based. In json persons that were given as boxes have their id
    as ``annotation_id``, and joints without a confidence get 1, as COCO's results do; an npz
    leaves ``keypoint_scores`` out where there are none. An npz says which joints were predicted
    (``answered``) where not all were.

    Returns:
        The path.

    Raises:
        ValueError: The suffix is another, there is nobody to write, only some joints have a
            confidence, or joints were not predicted, which a json cannot say.
    """
    target = Path(path)
    if target.suffix not in SUFFIXES:
        raise ValueError(f'{target}: predictions are written to {" or ".join(SUFFIXES)}')
    if not len(predictions):
        raise ValueError(f'{target}: no predicted person to write')
    answered = predictions.answered
    if target.suffix == '.json' and answered is not None and not answered.all():
        raise ValueError(
            f"{target}: {int((~answered).sum())} joints were not predicted, which COCO's results "
            'cannot say; write an npz'
        )
    unknown = np.isnan(predictions.keypoint_scores)
    if unknown.any() and not unknown.all():
        raise ValueError(f'{target}: {int(unknown.sum())} joints have no confidence, others have')
    with atomic_path(target) as partial:
        if target.suffix == '.json':
            partial.write_text(json.dumps(_rows(predictions), allow_nan=False), encoding='utf-8')
        else:
            np.savez_compressed(partial, **_arrays(predictions, with_scores=not unknown.any()))
    return target


def _rows(predictions: Predictions) -> list[dict[str, Any]]:
    confidences = np.nan_to_num(predictions.keypoint_scores, nan=1.0)
    table = np.concatenate([predictions.keypoints, confidences[..., None]], axis=-1)
    rows = [
        {'image_id': image, 'category_id': 1, 'keypoints': numbers, 'score': score}
        for image, numbers, score in zip(
            predictions.image_ids.tolist(),
            table.reshape(len(predictions), -1).tolist(),
            predictions.scores.tolist(),
            strict=True,
        )
    ]
    if predictions.ids is not None:
        for row, person in zip(rows, predictions.ids.tolist(), strict=True):
            row['annotation_id'] = person
    return rows


def _arrays(predictions: Predictions, *, with_scores: bool) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        'keypoints': predictions.keypoints,
        'scores': predictions.scores,
        'image_ids': predictions.image_ids,
        'base': np.int64(0),
    }
    if with_scores:
        arrays['keypoint_scores'] = predictions.keypoint_scores
    if predictions.ids is not None:
        arrays['ids'] = predictions.ids
    if predictions.answered is not None:
        arrays['answered'] = predictions.answered
    return arrays
