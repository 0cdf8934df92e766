"""The matrix as plain data: representations x datasets, with the details of each cell.

Values are frozen and know nothing of html. Numbers may be None or NaN where they are not known.
A value whose unit is ``'%'`` is a *fraction* (0.882), shown in per cent (88.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from hpemap_mm.analysis.report.values import RELATIONS, check_choice, check_interval, freeze, tidy


@dataclass(frozen=True)
class Metric:
    """What a figure measures.

    Attributes:
        name: As shown and as keyed in :class:`Cell`, e.g. ``'PCKh@0.5'``.
        unit: ``'%'`` for fractions shown in per cent; otherwise what is printed after the value.
        higher_is_better: Which end of the scale is good.
        limits: The ends of the colour scale; by default 0 and 1 for ``'%'`` and otherwise 0 and
            the largest value.
        about: One line on the definition.
        digits: Decimals shown; by default 1 for ``'%'``, else 3.
    """

    name: str
    unit: str = '%'
    higher_is_better: bool = True
    limits: tuple[float, float] | None = None
    about: str = ''
    digits: int | None = None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a cell.

    Attributes:
        value: The figure; None where it could not be computed (say why in ``reason``).
        low: Lower end of its 95% interval.
        high: Upper end.
        joints: Joints that were compared.
        instances: Persons that were scored.
        images: Images that they are on.
        reason: Why there is no value.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    joints: int | None = None
    instances: int | None = None
    images: int | None = None
    reason: str = ''

    def __post_init__(self) -> None:
        tidy(self, ('value', 'low', 'high'))
        check_interval(self, self.value, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class JointFigure:
    """The figure of one joint.

    Attributes:
        value: The figure; None where it could not be computed.
        low: Lower end of its 95% interval.
        high: Upper end.
        n: How often the joint was scored.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None

    def __post_init__(self) -> None:
        tidy(self, ('value', 'low', 'high'))
        check_interval(self, self.value, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One representation on one dataset.

    Attributes:
        figures: By metric.
        relations: For each joint of the dataset's skeleton how the representation answers it:
            ``'same'``, ``'near'``, ``'derived'``, ``'translated'`` or ``'none'``.
        per_joint: By metric, then by joint.
        reason: Why the cell compares nothing; empty where it does.
        notes: Remarks for its reader, e.g. how boxes were had.
    """

    figures: Mapping[str, Figure] = field(default_factory=dict)
    relations: Mapping[str, str] = field(default_factory=dict)
    per_joint: Mapping[str, Mapping[str, JointFigure]] = field(default_factory=dict)
    reason: str = ''
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        freeze(self, 'notes')
        for joint, relation in self.relations.items():
            check_choice(f'Relation of joint {joint!r}', relation, RELATIONS)
        if not self.figures and not self.reason:
            raise ValueError('A cell without figures needs a reason')

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From plain dicts with this class's keys, down to those of the figures."""
        per_joint = {
            metric: {joint: JointFigure(**figure) for joint, figure in joints.items()}
            for metric, joints in values.get('per_joint', {}).items()
        }
        figures = {name: Figure(**figure) for name, figure in values.get('figures', {}).items()}
        return cls(**{**values, 'figures': figures, 'per_joint': per_joint})


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """(Representation predicted) x (dataset's truth), as a heat map with a switch for the metric.

    Attributes:
        title: Heading.
        metrics: What the switch offers, the first one shown; names stand for fractions in per
            cent of which more is better.
        representations: The rows.
        datasets: The columns.
        cells: By (representation, dataset), every one of them: a cell that compares nothing has
            a reason.
        dataset_notes: A short remark under a column's heading, e.g. its skeleton and size.
        lead: A sentence above.
        note: Small print below.
    """

    title: str
    metrics: Sequence[Metric | str]
    representations: Sequence[str]
    datasets: Sequence[str]
    cells: Mapping[tuple[str, str], Cell]
    dataset_notes: Mapping[str, str] = field(default_factory=dict)
    lead: str = ''
    note: str = ''

    def __post_init__(self) -> None:
        freeze(self, 'representations', 'datasets')
        metrics = tuple(m if isinstance(m, Metric) else Metric(m) for m in self.metrics)
        object.__setattr__(self, 'metrics', metrics)
        wanted = {(r, d) for r in self.representations for d in self.datasets}
        if not metrics or set(self.cells) != wanted:
            raise ValueError(
                f'Matrix {self.title!r} needs a metric and exactly one cell for each pair of '
                f'representation and dataset; missing {sorted(wanted - set(self.cells))}, '
                f'unexpected {sorted(set(self.cells) - wanted)}'
            )
        known = {metric.name for metric in metrics}
        used = {name for cell in self.cells.values() for name in (*cell.figures, *cell.per_joint)}
        if not used <= known:
            raise ValueError(f'Cells have figures for {sorted(used - known)}, metrics: {known}')
