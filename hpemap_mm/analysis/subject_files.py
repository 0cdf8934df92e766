"""Subjects of an analysis, read from files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hpemap_mm.analysis.evaluate_files import representation_of, skeleton_of
from hpemap_mm.analysis.frames import person_sizes
from hpemap_mm.analysis.subject import Subject
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.evaluation.cross import CrossEvaluation
from hpemap_mm.persons.files import read_predictions, read_truth
from hpemap_mm.persons.files.predictions import Pairing


@dataclass(frozen=True, kw_only=True)
class SubjectFiles:
    """Where a subject is, and how it is read.

    Attributes:
        predictions: COCO-results json, npz or MPII-style mat.
        truth: COCO-style json, MPII's json or scoring file, LSP's npz, npz.
        source: What the predictions are in: a skeleton, a preset, ``union(coco,mpii)``, ...
        target: The skeleton of the annotations.
        base: Coordinate of the first pixel in the predictions; the kind's convention where None.
        truth_base: Likewise of the annotations.
        gt_mat: MPII's scoring file, for its json.
        pairing: Whether rows with ids are persons that were asked for, or detections.
    """

    predictions: Path
    truth: Path
    source: str
    target: str
    base: int | None = None
    truth_base: int | None = None
    gt_mat: Path | None = None
    pairing: Pairing | None = None

    def read(
        self,
        *,
        evaluation: CrossEvaluation | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> tuple[Subject, tuple[str, ...]]:
        """Read both files, and lay them beside each other.

        Returns:
            The subject, and what its reader must know of how the files were read.

        Raises:
            DataError: With all problems of a file, each with its row and what to do.
        """
        tell = progress or (lambda text: None)
        representation, skeleton = representation_of(self.source), skeleton_of(self.target)
        tell(f'reading {self.truth.name}')
        annotated = read_truth(
            self.truth, skeleton=skeleton, base=self.truth_base, gt_mat=self.gt_mat
        )
        tell(f'reading {self.predictions.name}')
        predicted = read_predictions(
            self.predictions,
            representation=representation,
            truth=annotated.truth,
            base=self.base,
            pairing=self.pairing,
        )
        tell('laying both beside each other')
        try:
            person_sizes(annotated.truth)
            subject = Subject.build(annotated.truth, predicted.predictions, evaluation=evaluation)
        except ValueError as error:
            fix = 'add head sizes, areas or boxes to the annotation'
            raise DataError([Problem(str(self.truth), str(error), fix)]) from error
        if not subject.aligned.compared.any():
            what = f'has no joint that {self.source} answers'
            raise DataError([Problem(str(self.truth), what, 'check --from and --to')])
        notes = (
            f'{self.truth.name}: {annotated.kind}, first pixel at {annotated.base}',
            f'{self.predictions.name}: {predicted.kind}, first pixel at {predicted.base}',
            *(f'{self.truth.name}: {note}' for note in annotated.notes),
            *(f'{self.predictions.name}: {note}' for note in predicted.notes),
        )
        return subject, notes
