"""What a section of a report can hold, as plain data; here pictures, tables and text.

Values are frozen and know nothing of html. Numbers may be None or NaN where they are not known.
A value whose unit is ``'%'`` is a *fraction* (0.882), shown in per cent (88.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpemap_mm.analysis.report.figures import Bars, Clouds, Offsets
from hpemap_mm.analysis.report.matrix import Matrix
from hpemap_mm.analysis.report.values import check_choice, freeze, tidy

COLUMN_KINDS = ('text', 'number', 'percent')
PICTURE_GROUPS = ('best', 'worst', 'random')


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
        check_choice('Picture.group', self.group, PICTURE_GROUPS)
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
        check_choice(f'Kind of column {self.name!r}', self.kind, COLUMN_KINDS)


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
