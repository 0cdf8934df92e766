"""Several ways to the same joints, beside each other: the ontology, the baselines, a translator.

The cells of a matrix compare what each way can answer. Where ways differ in that, their means are
of different joints; here all are scored on the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hpemap_mm.evaluation.cross import Cell, CrossMatrix
from hpemap_mm.evaluation.figures import NAN, JointFigure
from hpemap_mm.evaluation.pckh import NOT_IN_MEAN


@dataclass(frozen=True, kw_only=True)
class WaysTable:
    """A metric of one dataset.

    Attributes:
        dataset: Its name.
        metric: E.g. ``'PCKh@0.5'``.
        ways: The matrix' rows that have it.
        joints: By joint, the figure of each way; a way that does not answer a joint is left out.
        everything: By way, the mean over all joints; one that is not answered counts as wrong.
        shared: By way, the mean over the joints that the source has itself.
    """

    dataset: str
    metric: str
    ways: tuple[str, ...]
    joints: Mapping[str, Mapping[str, JointFigure]]
    everything: Mapping[str, float]
    shared: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The means alone: the matrix has the joints."""
        return {way: {'all': self.everything[way], 'shared': self.shared[way]} for way in self.ways}


def compare_ways(matrix: CrossMatrix, dataset: str, metric: str) -> WaysTable | None:
    """Score all rows of a dataset on the same joints; None where no row has the metric.

    Means are weighted by the joints' counts; MPII's PCKh leaves pelvis and thorax out of them.

    Args:
        matrix: With the ontology's row and those of translators.
        dataset: One of its datasets.
        metric: One that has figures of joints.
    """
    cells = {cell.representation: cell for cell in matrix if cell.dataset == dataset}
    cells = {
        row: cell
        for row, cell in cells.items()
        if metric in cell.figures and cell.figures[metric].per_joint
    }
    if not cells:
        return None
    names = [c.joint for c in next(iter(cells.values())).comparisons]
    joints = {
        joint: {row: figure for row, cell in cells.items() if (figure := _of(cell, metric, joint))}
        for joint in names
    }
    counts = {
        joint: max((figure.joints for figure in row.values()), default=0)
        for joint, row in joints.items()
        if not (metric.startswith('PCKh') and joint in NOT_IN_MEAN)
    }
    own = {c.joint for cell in cells.values() for c in cell.comparisons if c.relation == 'same'}
    common = {joint: count for joint, count in counts.items() if joint in own}
    return WaysTable(
        dataset=dataset,
        metric=metric,
        ways=tuple(cells),
        joints=joints,
        everything={row: _mean(row, joints, counts) for row in cells},
        shared={row: _mean(row, joints, common) for row in cells},
    )


def _of(cell: Cell, metric: str, joint: str) -> JointFigure | None:
    return cell.figures[metric].per_joint.get(joint)


def _mean(
    way: str, joints: Mapping[str, Mapping[str, JointFigure]], counts: Mapping[str, int]
) -> float:
    total = sum(counts.values())
    earned = sum(
        joints[joint][way].value * count for joint, count in counts.items() if way in joints[joint]
    )
    return earned / total if total else NAN
