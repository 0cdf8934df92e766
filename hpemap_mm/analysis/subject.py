"""What is analysed: one file of predictions beside the annotation of the same persons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpemap_mm.evaluation.aligned import Aligned
from hpemap_mm.evaluation.bring import Comparison
from hpemap_mm.evaluation.cross import CrossEvaluation
from hpemap_mm.persons.arrays import Array, Predictions, Truth


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """Predictions, the annotation, and both laid beside each other.

    Attributes:
        name: Short, e.g. ``'vitpose-b (coco) on mpii_val'``.
        predictions: As they were made, in their own representation.
        aligned: In the truth's skeleton, beside the truth.
        comparisons: How each of the truth's joints is answered.
    """

    name: str
    predictions: Predictions
    aligned: Aligned
    comparisons: tuple[Comparison, ...]

    @classmethod
    def build(
        cls,
        truth: Truth,
        predictions: Predictions,
        *,
        name: str = '',
        evaluation: CrossEvaluation | None = None,
    ) -> Subject:
        """Bring the predictions into the truth's skeleton, and pair them with the persons.

        Args:
            truth: The annotated persons.
            predictions: With the persons' ids, or detections (which are matched by OKS).
            name: Of the subject; made of both names where empty.
            evaluation: How representations meet; by default as the cross evaluator does.

        Raises:
            ValueError: The ids do not fit the truth, or detections meet persons without areas.
        """
        evaluation = evaluation or CrossEvaluation()
        brought = evaluation.bring(truth, predictions)
        short = f'{predictions.name} ({predictions.representation.name}) on {truth.name}'
        return cls(
            name=name or short,
            predictions=predictions,
            aligned=evaluation.align(truth, brought),
            comparisons=brought.comparisons,
        )

    @property
    def truth(self) -> Truth:
        """The annotated persons."""
        return self.aligned.truth

    @property
    def relations(self) -> dict[str, str]:
        """Truth's joint -> how it is answered."""
        return {c.joint: c.relation for c in self.comparisons}

    @property
    def as_predicted(self) -> Array:
        """(N, J, 2) predictions in their own representation, row by person; NaN for none."""
        rows = self.aligned.sources
        shape = (len(rows), len(self.predictions.representation), 2)
        points = np.full(shape, np.nan)
        found = rows >= 0
        points[found] = self.predictions.keypoints[rows[found]]
        if self.predictions.answered is not None:
            points[found] = np.where(
                self.predictions.answered[rows[found]][..., None], points[found], np.nan
            )
        return points
