"""Predicted persons from a file of any of the kinds in use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.arrays import Predictions, Representation, Truth
from hpemap_mm.persons.files.content import Content, load
from hpemap_mm.persons.files.names import check_base, check_names
from hpemap_mm.persons.files.predictions_arrays import (
    MAT_ARRAYS,
    PREDICTION_ARRAYS,
    read_prediction_arrays,
)
from hpemap_mm.persons.files.predictions_coco import read_results
from hpemap_mm.persons.files.rows import listed
from hpemap_mm.skeletons import as_skeleton

#: The kinds of files, and the coordinate of the first pixel that each has by convention.
PREDICTION_KINDS = {'COCO results json': 0, 'npz': 0, 'MPII mat': 1}

#: How predicted persons belong to annotated ones.
Pairing = Literal['ids', 'detections']


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionsFile:
    """What was read, and how.

    Attributes:
        predictions: The predicted persons, 0-based.
        kind: One of :data:`PREDICTION_KINDS`.
        base: Coordinate of the first pixel in the file, which was subtracted.
        notes: What a reader of results should know, e.g. persons that nobody predicted.
    """

    predictions: Predictions
    kind: str
    base: int
    notes: tuple[str, ...]


def read_predictions(
    path: str | os.PathLike[str],
    *,
    representation: Representation | str,
    truth: Truth | None = None,
    name: str | None = None,
    base: int | None = None,
    pairing: Pairing | None = None,
) -> PredictionsFile:
    """Read predicted persons; the kind of file is told by its content.

    - COCO-results json: a list of ``{"image_id", "keypoints": [x, y, score, ...], "score"}``.
      Rows are detections, unless each has the annotated person's id as ``annotation_id`` or
      ``instance_id``, or as an ``id`` that the truth knows;
    - npz: ``keypoints`` (M, J, 2), or (M, J, 3) with confidences; ``keypoint_scores`` (M, J),
      ``answered`` (M, J), true where a joint was predicted, ``scores`` (M,), ``image_ids`` (M,),
      ``ids`` (M,) and ``base`` are optional. With ``ids`` rows are these persons; with
      ``image_ids`` alone they are detections, which need ``scores``; with neither row i is the
      truth's person i;
    - MPII-style mat: ``preds`` (M, J, 2), where row i is the truth's person i.

    Args:
        path: The file.
        representation: The skeleton or joint space that it is in. It is never guessed.
        truth: What it is to be scored against: ids, images and numbers of rows are checked.
        name: Of the model, in results; by default the file's, without its suffix.
        base: Coordinate of the first pixel, 0 or 1; by default the kind's convention (or, in an
            npz, its own ``base``). It is never guessed from the coordinates.
        pairing: ``'ids'`` or ``'detections'`` where a json's ``id`` would say otherwise.

    Raises:
        DataError: With all problems found, each with the file, the row and what to do.
        KeyError: The skeleton is unknown.
        ValueError: ``base`` or ``pairing`` is none of its values.
    """
    check_base(base)
    if pairing not in (None, 'ids', 'detections'):
        raise ValueError(f"pairing is 'ids' or 'detections', got {pairing!r}")
    if isinstance(representation, str):
        representation = as_skeleton(representation)
    content = load(path, {*PREDICTION_ARRAYS, *MAT_ARRAYS})
    kind = _kind(content)
    notes: list[str] = []
    if kind == 'npz':
        base, notes = check_names(content, PREDICTION_ARRAYS, base)
    first = PREDICTION_KINDS[kind] if base is None else base
    name = name or Path(path).stem
    if kind == 'COCO results json':
        predictions, more = read_results(
            content.path,
            content.value,
            representation=representation,
            truth=truth,
            name=name,
            base=first,
            pairing=pairing,
        )
    else:
        predictions, more = read_prediction_arrays(
            content.path,
            content.arrays,
            representation=representation,
            truth=truth,
            name=name,
            base=first,
        )
    return PredictionsFile(predictions=predictions, kind=kind, base=first, notes=(*notes, *more))


def _kind(content: Content) -> str:
    """One of :data:`PREDICTION_KINDS`."""
    names, value = sorted(content.names), content.value
    fix = 'name the file with the predictions'
    if content.kind == 'npz':
        if 'keypoints' in names:
            return 'npz'
        what = f"has no 'keypoints': it holds {listed(names)}"
        fix = f'it may hold {", ".join(PREDICTION_ARRAYS)}'
    elif content.kind == 'mat':
        if 'preds' in names:
            return 'MPII mat'
        if 'pos_gt_src' in names:
            what = "is MPII's scoring file, which holds the truth"
        else:
            what = f"has no 'preds': it holds {listed(names)}"
    elif isinstance(value, list):
        return 'COCO results json'
    elif {'annotations', 'images'} & value.keys():
        what = 'holds annotations (images, annotations)'
    else:
        what = f'is an object with {listed(list(value))}'
        fix = 'write a list of {"image_id", "keypoints", "score"}'
    raise DataError([Problem(content.path, what, fix)])
