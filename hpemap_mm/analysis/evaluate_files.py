"""Predictions in a file against annotations in a file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.evaluation.cross import CrossEvaluation, CrossMatrix
from hpemap_mm.persons.arrays import Representation
from hpemap_mm.persons.files import PredictionsFile, TruthFile, read_predictions, read_truth
from hpemap_mm.persons.files.predictions import Pairing
from hpemap_mm.skeletons import JointSpace, Skeleton, get_skeleton, list_skeletons
from hpemap_mm.skeletons.layout import PRESETS

PathLike = str | os.PathLike[str]
_SPACE = re.compile(r'(union|concat)\((.+)\)')


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluated:
    """What came out.

    Attributes:
        matrix: One representation on one dataset.
        truth: What was read.
        predictions: What was read.
    """

    matrix: CrossMatrix
    truth: TruthFile
    predictions: PredictionsFile


def evaluate_files(
    predictions: PathLike,
    truth: PathLike,
    *,
    source: str,
    target: str,
    evaluation: CrossEvaluation,
    base: int | None = None,
    truth_base: int | None = None,
    gt_mat: PathLike | None = None,
    pairing: Pairing | None = None,
    progress: Callable[[str], None] | None = None,
) -> Evaluated:
    """Read both files and compare them.

    Args:
        predictions: COCO-results json, npz or MPII-style mat.
        truth: COCO-style json, MPII's json or scoring file, LSP's npz, npz.
        source: What the predictions are in; see :func:`representation_of`.
        target: The skeleton of the annotations.
        evaluation: How they are compared; its translators must go from ``source`` to ``target``.
        base: Coordinate of the first pixel in the predictions; the kind's convention where None.
        truth_base: Likewise of the annotations.
        gt_mat: MPII's scoring file, for its json.
        pairing: Whether rows with ids are persons that were asked for, or detections.
        progress: Told what is being done.

    Raises:
        DataError: With all problems of a file, each with its row and what to do.
    """
    tell = progress or (lambda text: None)
    representation, skeleton = representation_of(source), skeleton_of(target)
    _check_translators(evaluation, representation, skeleton)
    tell(f'reading {Path(truth).name}')
    annotated = read_truth(truth, skeleton=skeleton, base=truth_base, gt_mat=gt_mat)
    tell(f'reading {Path(predictions).name}')
    predicted = read_predictions(
        predictions,
        representation=representation,
        truth=annotated.truth,
        base=base,
        pairing=pairing,
    )
    _check_sizes(annotated, predicted)
    tell('comparing')
    name = annotated.truth.name
    matrix = evaluation.matrix(
        [annotated.truth],
        {name: [predicted.predictions]},
        notes={name: _notes(annotated, predicted)},
    )
    return Evaluated(matrix=matrix, truth=annotated, predictions=predicted)


def representation_of(text: str) -> Representation:
    """A skeleton, a preset, or a space as ``union(coco,mpii)`` or ``concat(coco,mpii)``.

    Raises:
        DataError: There is none of that name; lists those that there are.
    """
    if text in PRESETS:
        return JointSpace.preset(text)
    found = _SPACE.fullmatch(text.replace(' ', ''))
    if found is None:
        return skeleton_of(text, more=(*PRESETS, 'union(coco,mpii)', 'concat(coco,mpii)'))
    members = [skeleton_of(name) for name in found[2].split(',')]
    try:
        return (JointSpace.union if found[1] == 'union' else JointSpace.concat)(*members)
    except (ValueError, KeyError) as error:
        raise DataError([Problem(text, str(error.args[0]), 'name other skeletons')]) from error


def skeleton_of(text: str, *, more: tuple[str, ...] = ()) -> Skeleton:
    """A skeleton by its name.

    Raises:
        DataError: There is none of that name; lists those that there are.
    """
    try:
        return get_skeleton(text)
    except KeyError:
        known = ', '.join([*list_skeletons(), *more])
        problem = Problem(repr(text), 'is no representation', f'known are {known}')
        raise DataError([problem]) from None


def _check_translators(
    evaluation: CrossEvaluation, source: Representation, target: Skeleton
) -> None:
    """Each goes from the predictions to the truth, and no two have one name."""
    problems = ProblemList()
    names = [translator.name for translator in evaluation.translators]
    for translator in evaluation.translators:
        ends = (translator.source.name, translator.target.name)
        if ends != (source.name, target.name):
            problems.add(
                f'translator {translator.name!r}',
                f'goes from {ends[0]} to {ends[1]}, wanted is {source.name} to {target.name}',
                'name another translator',
            )
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add(
            f'translator {name!r}',
            f'is the name of {names.count(name)} translators',
            'give them different names in their configs: model=dict(name=...)',
        )
    problems.raise_if_any()


def _check_sizes(annotated: TruthFile, predicted: PredictionsFile) -> None:
    """Detections are matched by OKS, which needs areas."""
    truth, problems = annotated.truth, ProblemList()
    if predicted.predictions.ids is not None:
        return
    scored = ~truth.crowd & truth.valid.any(1)
    without = scored & ~(truth.areas > 0)
    if without.any():
        listed = ', '.join(str(i) for i in truth.ids[without][:5])
        problems.add(
            truth.source or truth.name,
            f'{int(without.sum())} persons have neither an area nor a box (ids {listed}), and the '
            'predictions are detections, which are matched by OKS',
            "add areas or boxes to the annotation, or the persons' ids to the predictions",
        )
    problems.raise_if_any()


def _notes(annotated: TruthFile, predicted: PredictionsFile) -> list[str]:
    found = predicted.predictions
    pairing = 'detections, matched by OKS' if found.ids is None else 'persons by their ids'
    return [
        f'truth: {annotated.kind}, first pixel at {annotated.base}',
        f'predictions: {predicted.kind}, first pixel at {predicted.base}; {pairing}',
        'NMS: none applied here',
        *(f'truth: {note}' for note in annotated.notes),
        *(f'predictions: {note}' for note in predicted.notes),
    ]
