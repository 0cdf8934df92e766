"""Figures as plain data: bars with intervals, offsets on a body, clouds of errors.

Values are frozen and know nothing of html. Numbers may be None or NaN where they are not known.
A value whose unit is ``'%'`` is a *fraction* (0.882), shown in per cent (88.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpemap_mm.analysis.report.values import (
    RELATIONS,
    check_choice,
    check_interval,
    freeze,
    number,
    tidy,
)


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
        check_choice(f'Relation of joint {self.joint!r}', self.relation, RELATIONS)


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
        radius: Half the width of a panel; by default it holds 9 in 10 of all points.
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
