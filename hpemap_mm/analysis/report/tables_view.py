"""Tables whose columns sort."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpemap_mm.analysis.report.blocks import Column, Table
from hpemap_mm.analysis.report.frame import Numbering, framed, scrolled
from hpemap_mm.analysis.report.markup import Markup, count_text, el, name_text
from hpemap_mm.analysis.report.values import interval_text, number, shown

#: Tables with more rows scroll inside the page.
TALL = 30


def table_view(table: Table, numbering: Numbering) -> Markup:
    """The block's html."""
    label = f'Table {numbering.next("table")}'
    return framed('table', label, table.title, table.lead, sortable(table), table.note)


def sortable(table: Table) -> Markup:
    """The table alone."""
    columns = [c for c in table.columns if isinstance(c, Column)]
    digits = [_digits(column, [row[i] for row in table.rows]) for i, column in enumerate(columns)]
    head = el(
        'tr',
        {},
        *(
            el(
                'th',
                {'scope': 'col', 'class': None if c.kind == 'text' else 'num', 'aria-sort': 'none'},
                el('button', {'type': 'button', 'title': c.about or None}, c.name),
            )
            for c in columns
        ),
    )
    rows = [
        el(
            'tr',
            {},
            *(_cell(value, c, d) for value, c, d in zip(row, columns, digits, strict=True)),
        )
        for row in table.rows
    ]
    html = el('table', {'class': 'sortable'}, el('thead', {}, head), el('tbody', {}, *rows))
    return scrolled(table.title, html, tall=len(rows) > TALL)


def _digits(column: Column, values: list[Any]) -> int | None:
    if column.digits is not None or column.kind != 'number':
        return column.digits
    whole = all(v is None or isinstance(v, (int, np.integer)) for v in values)
    return 0 if whole else None


def _cell(value: Any, column: Column, digits: int | None) -> Markup:
    if column.kind == 'text':
        words = {None: '', True: 'yes', False: 'no'}
        text = words[value] if value is None or isinstance(value, bool) else str(value)
        return el('td', {'data-v': text}, name_text(text))
    value, low, high = value if isinstance(value, (tuple, list)) else (value, None, None)
    what = f'Column {column.name!r}'
    value, low, high = (number(v, what) for v in (value, low, high))
    unit = '%' if column.kind == 'percent' else ''
    interval = interval_text(low, high, unit, digits)
    return el(
        'td',
        {'class': 'num', 'data-v': '' if value is None else repr(value)},
        '\N{EN DASH}' if value is None else _text(value, unit, digits),
        el('small', {}, interval) if interval else None,
    )


def _text(value: float, unit: str, digits: int | None) -> str:
    whole = digits == 0 and not unit
    return count_text(round(value)) if whole else shown(value, unit, digits)
