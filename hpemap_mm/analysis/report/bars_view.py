"""Bars with intervals as html: they keep their type size at any width of the page."""

from __future__ import annotations

from collections.abc import Sequence

from hpemap_mm.analysis.report.figures import Bar, Bars
from hpemap_mm.analysis.report.frame import Numbering, framed
from hpemap_mm.analysis.report.markup import Markup, count_text, el, name_text
from hpemap_mm.analysis.report.scale import Axis, axis
from hpemap_mm.analysis.report.values import interval_text, shown

#: From so many rows on, they are set in two columns where there is room.
TWO_COLUMNS = 25
#: Series colours that the style sheet has.
SERIES_COLOURS = 4


def bars_view(bars: Bars, numbering: Numbering) -> Markup:
    """The block's html."""
    legend = None
    if len(bars.series) > 1:
        keys = [
            el('li', {'class': f's{i % SERIES_COLOURS}'}, el('i', {'class': 'swatch'}), name)
            for i, name in enumerate(bars.series)
        ]
        legend = el('ul', {'class': 'legend'}, *keys)
    body = Markup.join_all([legend, bar_rows(bars)])
    label = f'Figure {numbering.next("figure")}'
    return framed('bars-block', label, bars.title, bars.lead, body, bars.note)


def bar_rows(bars: Bars) -> Markup:
    """The rows alone, with their axis."""
    values = [
        value
        for series in bars.series.values()
        for bar in series
        for value in (bar.value, bar.low, bar.high)
        if value is not None
    ]
    limits = bars.limits
    if (
        limits is None
        and bars.unit == '%'
        and values
        and 0.5 < max(values) <= 1
        and min(values) >= 0
    ):
        limits = (0.0, 1.0)
    scale = axis(values, limits)
    series = [{bar.label: bar for bar in row} for row in bars.series.values()]
    labels = bars.labels
    half = (len(labels) + 1) // 2 if len(labels) >= TWO_COLUMNS else len(labels)
    parts = [labels[:half], labels[half:]] if half < len(labels) else [labels]
    lists = [_list(part, series, bars, scale) for part in parts]
    return el('div', {'class': 'bars two' if len(lists) == 2 else 'bars'}, *lists)


def _list(labels: Sequence[str], series: list[dict[str, Bar]], bars: Bars, scale: Axis) -> Markup:
    rows = [
        el(
            'li',
            {},
            el('span', {'class': 'label'}, name_text(label)),
            el(
                'span',
                {'class': 'tracks'},
                *(_bar(row.get(label), i, bars, scale) for i, row in enumerate(series)),
            ),
        )
        for label in labels
    ]
    digits = max(0, scale.digits - 2) if bars.unit == '%' else scale.digits
    ticks = [
        el(
            'span',
            {'style': f'left:{100 * scale.place(tick):.2f}%'},
            shown(tick, bars.unit, digits),
        )
        for tick in scale.ticks
    ]
    axis_row = el(
        'li',
        {'class': 'axis', 'aria-hidden': 'true'},
        el('span', {'class': 'label'}, 'per cent' if bars.unit == '%' else bars.unit),
        el('span', {'class': 'tracks'}, el('span', {'class': 'ticks'}, *ticks)),
    )
    step = 100 / (len(scale.ticks) - 1)
    return el('ul', {'style': f'--step:{step:.4f}%'}, *rows, axis_row)


def _bar(bar: Bar | None, series: int, bars: Bars, scale: Axis) -> Markup:
    kind = f'bar s{series % SERIES_COLOURS}'
    if bar is None or bar.value is None:
        note = bar.note if bar is not None and bar.note else 'not measured'
        return el(
            'span', {'class': f'{kind} none'}, el('span', {'class': 'track'}), el('em', {}, note)
        )
    zero, end = scale.place(0.0), scale.place(bar.value)
    start, width = min(zero, end), abs(end - zero)
    fill = el('i', {'class': 'fill', 'style': f'left:{100 * start:.2f}%;width:{100 * width:.2f}%'})
    whisker = None
    if bar.low is not None and bar.high is not None:
        low, high = scale.place(bar.low), scale.place(bar.high)
        style = f'left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%'
        whisker = el('i', {'class': 'whisker', 'style': style})
    interval = interval_text(bar.low, bar.high, bars.unit, bars.digits)
    tip = [f'{bar.label}: {shown(bar.value, bars.unit, bars.digits)}']
    tip += [f'95% interval {interval}'] if interval else []
    tip += [f'n = {count_text(bar.n)}'] if bar.n is not None else []
    tip += [bar.note] if bar.note else []
    return el(
        'span',
        {'class': kind, 'data-tip': '\n'.join(tip)},
        el('span', {'class': 'track'}, fill, whisker),
        el(
            'span',
            {'class': 'value'},
            el('b', {}, shown(bar.value, bars.unit, bars.digits)),
            el('small', {}, interval) if interval else None,
        ),
    )
