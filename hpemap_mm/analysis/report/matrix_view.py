"""The matrix as a heat map: a table for each metric, a switch, and details of every cell."""

from __future__ import annotations

from hpemap_mm.analysis.report.bars_view import bar_rows
from hpemap_mm.analysis.report.figures import Bar, Bars
from hpemap_mm.analysis.report.frame import Numbering, framed, scrolled
from hpemap_mm.analysis.report.markup import Markup, count_text, el, markup, name_text
from hpemap_mm.analysis.report.matrix import Cell, Figure, Matrix, Metric
from hpemap_mm.analysis.report.scale import heat
from hpemap_mm.analysis.report.values import RELATIONS, interval_text, shown

RELATION_WORDS = {
    'same': 'the same joint',
    'near': 'near: another definition',
    'derived': 'derived from others',
    'translated': 'by a translator',
    'none': 'not answered',
}
#: How joints are answered by something else than themselves.
INEXACT = ('near', 'derived', 'translated')


def matrix_view(matrix: Matrix, numbering: Numbering) -> Markup:
    """The block's html.

    Every metric's table and every cell's details are in the page; the switch is a group of radio
    buttons that the style sheet obeys, so all of it works without a script.
    """
    ident = f'matrix-{numbering.next("matrix")}'
    metrics = [m for m in matrix.metrics if isinstance(m, Metric)]
    tables = [_table(matrix, metric, k, ident) for k, metric in enumerate(metrics)]
    details = el(
        'details',
        {'class': 'cells'},
        el('summary', {}, 'Every cell in detail'),
        *(
            _details(matrix, metrics, i, j, ident)
            for i in range(len(matrix.representations))
            for j in range(len(matrix.datasets))
        ),
    )
    body = Markup.join_all(
        [
            _switch(metrics, ident) if len(metrics) > 1 else None,
            *tables,
            el('div', {'class': 'pane', 'aria-live': 'polite', 'hidden': True}),
            details,
        ]
    )
    label = f'Figure {numbering.next("figure")}'
    return framed('matrix', label, matrix.title, matrix.lead, body, matrix.note, ident=ident)


def _switch(metrics: list[Metric], ident: str) -> Markup:
    options = [
        el(
            'label',
            {},
            el(
                'input',
                {
                    'type': 'radio',
                    'name': f'{ident}-metric',
                    'class': f'k{k}',
                    'value': k,
                    'checked': k == 0,
                    'autocomplete': 'off',
                },
            ),
            el('span', {}, metric.name),
        )
        for k, metric in enumerate(metrics)
    ]
    return el('fieldset', {'class': 'switch'}, el('legend', {}, 'Metric'), *options)


def _limits(matrix: Matrix, metric: Metric) -> tuple[float, float]:
    if metric.limits is not None:
        return metric.limits
    if metric.unit == '%':
        return 0.0, 1.0
    figures = [cell.figures.get(metric.name) for cell in matrix.cells.values()]
    return 0.0, max([f.value for f in figures if f and f.value is not None], default=1.0) or 1.0


def _table(matrix: Matrix, metric: Metric, k: int, ident: str) -> Markup:
    head = el(
        'tr',
        {},
        el(
            'td',
            {'class': 'corner'},
            el('span', {}, 'predicted as \N{DOWNWARDS ARROW}'),
            el('span', {}, 'judged on \N{RIGHTWARDS ARROW}'),
        ),
        *(
            el(
                'th',
                {'scope': 'col'},
                name_text(dataset),
                el('small', {}, matrix.dataset_notes[dataset])
                if dataset in matrix.dataset_notes
                else None,
            )
            for dataset in matrix.datasets
        ),
    )
    limits = _limits(matrix, metric)
    rows = [
        el(
            'tr',
            {},
            el('th', {'scope': 'row'}, name_text(representation)),
            *(_cell(matrix, metric, limits, i, j, ident) for j, _ in enumerate(matrix.datasets)),
        )
        for i, representation in enumerate(matrix.representations)
    ]
    style = f'--columns:{len(matrix.datasets)}'
    table = el(
        'table', {'class': 'heat', 'style': style}, el('thead', {}, head), el('tbody', {}, *rows)
    )
    return el(
        'div',
        {'class': 'metric', 'data-k': k},
        scrolled(f'{matrix.title}: {metric.name}', table),
        _legend(metric, limits, matrix),
    )


def _legend(metric: Metric, limits: tuple[float, float], matrix: Matrix) -> Markup:
    stops = [i / 8 for i in range(9)]
    blocks = []
    for stop in stops:
        place = stop if metric.higher_is_better else 1 - stop
        (light, _), (dark, _) = heat(place), heat(place, dark=True)
        blocks.append(el('i', {'style': f'--c:{light};--d:{dark}'}))
    unit = ' per cent' if metric.unit == '%' else f' {metric.unit}'
    digits = 0 if metric.unit == '%' else None
    ends = [shown(end, metric.unit, digits) for end in limits]
    better = 'higher is better' if metric.higher_is_better else 'lower is better'
    inexact = any(
        relation in INEXACT
        for cell in matrix.cells.values()
        for relation in cell.relations.values()
    )
    return el(
        'p',
        {'class': 'key'},
        el('b', {}, metric.name),
        el(
            'span',
            {'class': 'scale'},
            ends[0],
            el('span', {'class': 'ramp', 'aria-hidden': 'true'}, *blocks),
            f'{ends[1]}{unit}',
        ),
        el('span', {}, better),
        el('span', {}, 'small: 95% interval; joints compared'),
        el('span', {}, '\N{DAGGER} some near, derived or translated') if inexact else None,
        el('span', {'class': 'about'}, metric.about) if metric.about else None,
    )


def _joints(cell: Cell, figure: Figure) -> tuple[str, str]:
    """``'12/16'`` with a dagger where not all are the same joint, and that in words."""
    if figure.joints is None:
        return '', ''
    total = len(cell.relations)
    short = f'{figure.joints}/{total}' if total else f'{figure.joints}'
    words = f'{figure.joints} of {total} joints' if total else f'{figure.joints} joints'
    counts = {r: sum(v == r for v in cell.relations.values()) for r in INEXACT}
    extra = [f'{count} {relation}' for relation, count in counts.items() if count]
    if extra:
        return f'{short}\N{DAGGER}', f'{words} ({", ".join(extra)})'
    return short, words


def _cell(
    matrix: Matrix, metric: Metric, limits: tuple[float, float], i: int, j: int, ident: str
) -> Markup:
    representation, dataset = matrix.representations[i], matrix.datasets[j]
    cell = matrix.cells[representation, dataset]
    figure = cell.figures.get(metric.name, Figure())
    target = f'{ident}-{i}-{j}'
    where = f'{representation} on {dataset}'
    if figure.value is None:
        reason = figure.reason or cell.reason or f'no {metric.name} here'
        link = {
            'href': f'#{target}',
            'data-tip': f'{where}\n{reason}',
            'aria-label': f'{where}: {reason}',
        }
        return el(
            'td',
            {'class': 'empty'},
            el('a', link, el('span', {'class': 'v'}, '\N{EN DASH}'), el('small', {}, reason)),
        )
    place = (figure.value - limits[0]) / (limits[1] - limits[0])
    place = place if metric.higher_is_better else 1 - place
    (light, ink), (dark, dark_ink) = heat(place), heat(place, dark=True)
    value = shown(figure.value, metric.unit, metric.digits)
    interval = interval_text(figure.low, figure.high, metric.unit, metric.digits)
    short, words = _joints(cell, figure)
    tip = [where, f'{metric.name} {value}' + (f' (95%: {interval})' if interval else '')]
    tip += [words] if words else []
    tip += [f'{count_text(figure.instances)} persons'] if figure.instances is not None else []
    tip += [f'{count_text(figure.images)} images'] if figure.images is not None else []
    return el(
        'td',
        {'style': f'--c:{light};--i:{ink};--d:{dark};--e:{dark_ink}'},
        el(
            'a',
            {
                'href': f'#{target}',
                'data-tip': '\n'.join(tip),
                'aria-label': '; '.join(tip),
            },
            el('span', {'class': 'v'}, value),
            el('small', {}, interval) if interval else None,
            el('small', {'class': 'j'}, short) if short else None,
        ),
    )


def _details(matrix: Matrix, metrics: list[Metric], i: int, j: int, ident: str) -> Markup:
    representation, dataset = matrix.representations[i], matrix.datasets[j]
    cell = matrix.cells[representation, dataset]
    parts: list[Markup | None] = [
        el(
            'h4',
            {},
            name_text(representation),
            el('span', {'class': 'muted'}, ' on '),
            name_text(dataset),
        ),
        el('p', {'class': 'reason'}, cell.reason) if cell.reason else None,
        el(
            'div',
            {},
            _figures_table(cell, metrics),
            *(el('p', {'class': 'note'}, note) for note in cell.notes),
            _relations(cell),
        ),
    ]
    charts = [_by_joint(cell, metric, k) for k, metric in enumerate(metrics)]
    if any(charts):
        parts.append(el('div', {'class': 'of-joints'}, *charts))
    kind = 'cell-details has-joints' if any(charts) else 'cell-details'
    return el('article', {'class': kind, 'id': f'{ident}-{i}-{j}'}, *parts)


def _by_joint(cell: Cell, metric: Metric, k: int) -> Markup | None:
    per_joint = cell.per_joint.get(metric.name)
    if not per_joint:
        return None
    rows = [
        Bar(
            label=joint,
            value=f.value,
            low=f.low,
            high=f.high,
            n=f.n,
            note='' if cell.relations.get(joint, 'same') == 'same' else cell.relations[joint],
        )
        for joint, f in per_joint.items()
    ]
    bars = Bars(title=metric.name, series={'': rows}, unit=metric.unit, digits=metric.digits)
    heading = el('h5', {}, f'{metric.name} by joint')
    return el('div', {'class': 'metric', 'data-k': k}, heading, bar_rows(bars))


def _figures_table(cell: Cell, metrics: list[Metric]) -> Markup | None:
    if not cell.figures:
        return None
    rows = []
    for metric in metrics:
        figure = cell.figures.get(metric.name)
        if figure is None:
            continue
        if figure.value is None:
            rows.append(
                el(
                    'tr',
                    {},
                    el('th', {'scope': 'row'}, metric.name),
                    el('td', {'colspan': 4, 'class': 'text'}, figure.reason or cell.reason or '-'),
                )
            )
            continue
        numbers = (
            el('b', {}, shown(figure.value, metric.unit, metric.digits)),
            markup(interval_text(figure.low, figure.high, metric.unit, metric.digits)),
            markup('' if figure.joints is None else str(figure.joints)),
            markup(count_text(figure.instances)),
        )
        rows.append(
            el(
                'tr',
                {},
                el('th', {'scope': 'row'}, metric.name),
                *(el('td', {}, value) for value in numbers),
            )
        )
    headings = ('', 'value', '95% interval', 'joints', 'persons')
    head = el('tr', {}, *(el('th', {'scope': 'col'}, heading) for heading in headings))
    table = el('table', {'class': 'small'}, el('thead', {}, head), el('tbody', {}, *rows))
    return scrolled('Figures', table)


def _relations(cell: Cell) -> Markup | None:
    if not cell.relations:
        return None
    items = []
    for relation in RELATIONS:
        joints = [joint for joint, r in cell.relations.items() if r == relation]
        if joints:
            term = el('dt', {}, f'{RELATION_WORDS[relation]} ({len(joints)})')
            items += [term, el('dd', {}, ', '.join(joints))]
    return el('dl', {'class': 'relations'}, *items)
