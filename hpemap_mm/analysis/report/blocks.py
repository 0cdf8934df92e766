"""What a section of a report can hold, as plain data: matrix, bars, offsets, clouds, and so on.

Values are frozen and know nothing of html. Numbers may be None or NaN where they are not known.
A value whose unit is ``'%'`` is a *fraction* (0.882), shown in per cent (88.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from hpemap_mm.analysis.report.values import check_interval, freeze, number, tidy

Relation = Literal['same', 'near', 'derived', 'none']
RELATIONS: tuple[str, ...] = ('same', 'near', 'derived', 'none')
COLUMN_KINDS = ('text', 'number', 'percent')
PICTURE_GROUPS = ('best', 'worst', 'random')


def _choice(what: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f'{what} must be one of {list(choices)}, got {value!r}')


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
            ``'same'``, ``'near'``, ``'derived'`` or ``'none'``.
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
            _choice(f'Relation of joint {joint!r}', relation, RELATIONS)
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


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar.

    Attributes:
        label: Mostly a joint.
        value: Its length; None where not known.
        low: Lower end of the 95% interval.
        high: Upper end.
        n: Count behind it.
        note: A remark, e.g. the joint's relation.
    """

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    note: str = ''

    def __post_init__(self) -> None:
        tidy(self, ('value', 'low', 'high'))
        check_interval(self, self.value, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Horizontal bars with intervals, e.g. one for each joint; several series stand in pairs.

    Attributes:
        title: Heading.
        series: Bars by the name of their series (a model, a dataset, a kind of error). Series
            may lack labels that others have.
        unit: ``'%'`` for fractions.
        limits: Ends of the axis; by default from 0 (or the smallest) to a round number.
        digits: Decimals shown.
        lead: A sentence above.
        note: Small print below.
    """

    title: str
    series: Mapping[str, Sequence[Bar]]
    unit: str = '%'
    limits: tuple[float, float] | None = None
    digits: int | None = None
    lead: str = ''
    note: str = ''

    def __post_init__(self) -> None:
        object.__setattr__(self, 'series', {k: tuple(v) for k, v in self.series.items()})
        if not self.series:
            raise ValueError(f'Bars {self.title!r} need at least one series')
        for name, bars in self.series.items():
            labels = [bar.label for bar in bars]
            twice = sorted({label for label in labels if labels.count(label) > 1})
            if twice:
                raise ValueError(f'Series {name!r} of bars {self.title!r} has {twice} twice')

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order in which they first occur."""
        return tuple(dict.fromkeys(bar.label for bars in self.series.values() for bar in bars))


@dataclass(frozen=True, kw_only=True)
class Offset:
    """By how much a joint's predictions (or another definition of it) lie off.

    Attributes:
        joint: Its name, a key of :attr:`Offsets.positions`.
        x: Head sizes, towards the person's own left: to the right of a figure seen from the front.
        y: Head sizes, down the trunk.
        low_x: Lower end of the 95% interval of x.
        high_x: Upper end.
        low_y: Lower end of the 95% interval of y.
        high_y: Upper end.
        relation: How the two joints are related.
        claimed: Whether the offset is claimed to be one of definition (it exceeds what the
            control explains); None where there was no control.
        n: Persons behind it.
        note: A remark.
    """

    joint: str
    x: float
    y: float
    low_x: float | None = None
    high_x: float | None = None
    low_y: float | None = None
    high_y: float | None = None
    relation: str = 'same'
    claimed: bool | None = None
    n: int | None = None
    note: str = ''

    def __post_init__(self) -> None:
        tidy(self, ('x', 'y', 'low_x', 'high_x', 'low_y', 'high_y'))
        if self.x is None or self.y is None:
            raise ValueError(f'The offset of {self.joint!r} is not known: leave the joint out')
        check_interval(self, self.x, self.low_x, self.high_x)
        check_interval(self, self.y, self.low_y, self.high_y)
        _choice(f'Relation of joint {self.joint!r}', self.relation, RELATIONS)


@dataclass(frozen=True, kw_only=True)
class Offsets:
    """Arrows on a standing body seen from the front, and their table.

    Attributes:
        title: Heading.
        offsets: The arrows.
        positions: For each joint where it is drawn, (x, y) in head sizes, y downwards, x to the
            person's left; see :func:`hpemap_mm.analysis.report.standing_body`.
        links: Pairs of joints that are joined by a line.
        silhouette: Draw a body behind the joints; only sensible for positions of `standing_body`.
        magnify: How many times longer than life arrows are drawn; by default a round number that
            makes the longest about one head size.
        lead: A sentence above.
        note: Small print below.
    """

    title: str
    offsets: Sequence[Offset]
    positions: Mapping[str, tuple[float, float]]
    links: Sequence[tuple[str, str]] = ()
    silhouette: bool = True
    magnify: float | None = None
    lead: str = ''
    note: str = ''

    def __post_init__(self) -> None:
        freeze(self, 'offsets', 'links')
        unplaced = {o.joint for o in self.offsets} - set(self.positions)
        unplaced |= {joint for link in self.links for joint in link} - set(self.positions)
        if unplaced:
            raise ValueError(f'Offsets {self.title!r}: no position for {sorted(unplaced)}')


@dataclass(frozen=True, kw_only=True, eq=False)
class Cloud:
    """The errors of one joint.

    Attributes:
        joint: Its name.
        points: (n, 2) x, y in the unit of :class:`Clouds`; at most some hundreds are drawn.
        center: The middle of the ellipse, e.g. the median.
        covariance: (2, 2) of the fitted core; None for no ellipse.
        n: Persons behind it; by default the number of points.
        note: A remark under the panel, e.g. the tails' share.
    """

    joint: str
    points: npt.ArrayLike
    center: tuple[float, float] = (0.0, 0.0)
    covariance: npt.ArrayLike | None = None
    n: int | None = None
    note: str = ''

    def __post_init__(self) -> None:
        points = np.asarray(self.points, float).reshape(-1, 2)
        points = points[np.isfinite(points).all(axis=1)]
        object.__setattr__(self, 'points', points)
        object.__setattr__(self, 'n', len(points) if self.n is None else int(self.n))
        x, y = (number(v, 'Cloud.center') for v in self.center)
        if x is None or y is None:
            raise ValueError(f'The cloud of {self.joint!r} has no center')
        object.__setattr__(self, 'center', (x, y))
        if self.covariance is not None:
            matrix = np.asarray(self.covariance, float).reshape(2, 2)
            if not np.isfinite(matrix).all() or np.linalg.eigvalsh(matrix).min() < -1e-12:
                raise ValueError(f'The covariance of {self.joint!r} is not one: {matrix.tolist()}')
            object.__setattr__(self, 'covariance', matrix)


@dataclass(frozen=True, kw_only=True)
class Clouds:
    """Small panels of errors, one for each joint, all on one scale.

    Attributes:
        title: Heading.
        clouds: The panels.
        unit: Of the points, in words.
        radius: Half the width of a panel; by default it holds 95 in 100 of all points.
        rings: Radii of the circles drawn for scale.
        lead: A sentence above.
        note: Small print below.
    """

    title: str
    clouds: Sequence[Cloud]
    unit: str = 'head sizes'
    radius: float | None = None
    rings: Sequence[float] = (0.1, 0.5)
    lead: str = ''
    note: str = ''

    def __post_init__(self) -> None:
        freeze(self, 'clouds', 'rings')


@dataclass(frozen=True, kw_only=True, repr=False)
class Picture:
    """One picture.

    Attributes:
        jpeg: The bytes of a JPEG or PNG file; see :func:`hpemap_mm.analysis.report.encode_picture`.
        caption: What it shows.
        group: ``'best'``, ``'worst'`` or ``'random'``.
        score: What it was chosen by.
        score_name: What that is, e.g. ``'OKS'``.
    """

    jpeg: bytes
    caption: str
    group: str = 'random'
    score: float | None = None
    score_name: str = ''

    def __post_init__(self) -> None:
        tidy(self, ('score',))
        _choice('Picture.group', self.group, PICTURE_GROUPS)
        if not self.jpeg.startswith((b'\xff\xd8\xff', b'\x89PNG')):
            raise ValueError(f'Picture {self.caption!r} is neither JPEG nor PNG')


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures, by group: the best, the worst, some at random.

    Attributes:
        title: Heading.
        pictures: In the order in which they are shown within their group.
        lead: A sentence above.
        note: Small print below.
    """

    title: str
    pictures: Sequence[Picture]
    lead: str = ''
    note: str = ''

    def __post_init__(self) -> None:
        freeze(self, 'pictures')


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Heading.
        kind: ``'text'``, ``'number'`` or ``'percent'`` (fractions, shown in per cent).
        digits: Decimals; by default 0 for whole numbers, 1 for per cent, else 3.
        about: What it means, shown with the heading.
    """

    name: str
    kind: str = 'text'
    digits: int | None = None
    about: str = ''

    def __post_init__(self) -> None:
        _choice(f'Kind of column {self.name!r}', self.kind, COLUMN_KINDS)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that its reader can sort.

    Attributes:
        title: Heading.
        columns: Names stand for text.
        rows: One value for each column: text, a number, None, or (value, low, high) with an
            interval.
        lead: A sentence above.
        note: Small print below.
    """

    title: str
    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Any]]
    lead: str = ''
    note: str = ''

    def __post_init__(self) -> None:
        columns = tuple(c if isinstance(c, Column) else Column(c) for c in self.columns)
        object.__setattr__(self, 'columns', columns)
        object.__setattr__(self, 'rows', tuple(tuple(row) for row in self.rows))
        for i, row in enumerate(self.rows):
            if len(row) != len(columns):
                raise ValueError(
                    f'Row {i} of table {self.title!r} has {len(row)} values for '
                    f'{len(columns)} columns'
                )


@dataclass(frozen=True)
class Text:
    """Plain paragraphs, then plain points.

    Attributes:
        paragraphs: One text, or several.
        points: A list below them.
        title: Heading, if any.
    """

    paragraphs: str | Sequence[str] = ()
    points: Sequence[str] = ()
    title: str = ''

    def __post_init__(self) -> None:
        paragraphs = [self.paragraphs] if isinstance(self.paragraphs, str) else self.paragraphs
        object.__setattr__(self, 'paragraphs', tuple(paragraphs))
        freeze(self, 'points')


Block = Matrix | Bars | Offsets | Clouds | Pictures | Table | Text
