"""The report as one html file, with the same figures as json beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hpemap_mm.analysis.report.bars_view import bars_view
from hpemap_mm.analysis.report.blocks import Pictures, Table, Text
from hpemap_mm.analysis.report.clouds_view import clouds_view
from hpemap_mm.analysis.report.document import About, Flag, Report, Section
from hpemap_mm.analysis.report.figures import Bars, Clouds, Offsets
from hpemap_mm.analysis.report.frame import Numbering
from hpemap_mm.analysis.report.gallery_view import gallery_view
from hpemap_mm.analysis.report.markup import Markup, el, markup, name_text
from hpemap_mm.analysis.report.matrix import Matrix
from hpemap_mm.analysis.report.matrix_view import matrix_view
from hpemap_mm.analysis.report.offsets_view import offsets_view
from hpemap_mm.analysis.report.plain import to_plain
from hpemap_mm.analysis.report.tables_view import table_view
from hpemap_mm.files import atomic_path
from hpemap_mm.version import __version__

FLAG_WORDS = {'warning': 'Warning', 'note': 'Note'}


def render(report: Report, *, json_name: str = '') -> str:
    """The page's html: styles, script and pictures are inside, and its policy forbids the rest.

    Args:
        report: What to show.
        json_name: File name of the figures beside the page, to be linked to.
    """
    numbering = Numbering()
    sections = [_section(i, section, numbering) for i, section in enumerate(report.sections, 1)]
    script = _asset('page.js')
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    head = el(
        'head',
        {},
        el('meta', {'charset': 'utf-8'}),
        el('meta', {'http-equiv': 'Content-Security-Policy', 'content': policy}),
        el('meta', {'name': 'viewport', 'content': 'width=device-width, initial-scale=1'}),
        el('meta', {'name': 'color-scheme', 'content': 'light dark'}),
        el('meta', {'name': 'referrer', 'content': 'no-referrer'}),
        el('meta', {'name': 'generator', 'content': f'hpemap_mm {__version__}'}),
        el('link', {'rel': 'icon', 'href': 'data:,'}),
        el('title', {}, report.title),
        el('style', {}, Markup(_asset('page.css') + _switch_rules(report))),
    )
    body = el(
        'body',
        {},
        _header(report),
        _contents(report),
        el('main', {}, *sections, _about(report.about, json_name)),
        el('div', {'id': 'tip', 'role': 'tooltip', 'hidden': True}),
        el('dialog', {'id': 'enlarged', 'aria-label': 'Picture'}),
        el('script', {}, Markup(script)),
    )
    return f'<!doctype html>\n{el("html", {"lang": "en"}, head, body)}\n'


def write_report(path: str | os.PathLike[str], report: Report) -> Path:
    """Write the page, and its figures as json beside it.

    Both files are complete or absent; folders are made.

    Args:
        path: Of the page, ``*.html``; the json has the same name with ``.json``.
        report: What to write.

    Returns:
        The page's path.

    Raises:
        ValueError: If the path does not end in ``.html``, or the report has infinite numbers.
    """
    target = Path(path)
    if target.suffix != '.html':
        raise ValueError(f'A report is an .html file, got {str(target)!r}')
    beside = target.with_suffix('.json')
    figures = json.dumps(to_plain(report), indent=1, allow_nan=False, ensure_ascii=False)
    page = render(report, json_name=beside.name)
    _write(beside, figures + '\n')
    _write(target, page)
    return target


def _write(target: Path, text: str) -> None:
    with atomic_path(target) as partial:
        # A file name that is no unicode reaches Python as surrogates: shown as question marks.
        partial.write_bytes(text.encode('utf-8', errors='replace'))


@cache
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding='utf-8')


def _switch_rules(report: Report) -> str:
    """Style that hides what belongs to the metrics of a matrix which are not chosen."""
    blocks = [block for section in report.sections for block in section.blocks]
    most = max((len(block.metrics) for block in blocks if isinstance(block, Matrix)), default=0)
    return ''.join(
        f'.matrix:has(.k{k}:checked) .metric:not([data-k="{k}"]){{display:none}}\n'
        for k in range(most)
    )


def _header(report: Report) -> Markup:
    made = [
        f'hpemap_mm {__version__}',
        *([_readable(report.about.date)] if report.about.date else []),
    ]
    return el(
        'header',
        {},
        el('p', {'class': 'kicker'}, ' \N{MIDDLE DOT} '.join(made)),
        el('h1', {}, report.title),
        el('p', {'class': 'answer'}, report.answer) if report.answer else None,
        *map(_flag, report.flags),
    )


def _readable(date: str) -> str:
    """A moment of ISO 8601 to the minute; anything else as it is."""
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        return date
    zone = ' UTC' if moment.utcoffset() == timedelta(0) else ''
    return f'{moment:%Y-%m-%d %H:%M}{zone}' if 'T' in date else date


def _contents(report: Report) -> Markup:
    links = [
        el('li', {}, el('a', {'href': f'#section-{i}'}, section.title))
        for i, section in enumerate(report.sections, 1)
    ]
    links.append(el('li', {}, el('a', {'href': '#about'}, 'About this report')))
    return el('nav', {'aria-label': 'Contents'}, el('ol', {}, *links))


def _flag(flag: Flag) -> Markup:
    word = el('b', {}, FLAG_WORDS[flag.level])
    return el(
        'p', {'class': f'flag flag-{flag.level}', 'role': 'note'}, word, el('span', {}, flag.text)
    )


def _section(number: int, section: Section, numbering: Numbering) -> Markup:
    heading = el('h2', {}, el('span', {'class': 'number'}, str(number)), section.title)
    content = [
        el('p', {'class': 'lead'}, section.lead) if section.lead else None,
        *map(_flag, section.flags),
        *(_block(block, numbering) for block in section.blocks),
    ]
    ident = f'section-{number}'
    if section.folded:
        return el('section', {'id': ident}, el('details', {}, el('summary', {}, heading), *content))
    return el('section', {'id': ident}, heading, *content)


_VIEWS: dict[type, Callable[[Any, Numbering], Markup]] = {
    Bars: bars_view,
    Clouds: clouds_view,
    Matrix: matrix_view,
    Offsets: offsets_view,
    Pictures: gallery_view,
    Table: table_view,
}


def _block(block: Any, numbering: Numbering) -> Markup:
    if isinstance(block, Text):
        points = el('ul', {}, *(el('li', {}, point) for point in block.points))
        return el(
            'div',
            {'class': 'prose'},
            el('h3', {}, block.title) if block.title else None,
            *(el('p', {}, paragraph) for paragraph in block.paragraphs),
            points if block.points else None,
        )
    if type(block) not in _VIEWS:
        raise TypeError(
            f'{block!r} is no block of a report; these are {sorted(k.__name__ for k in _VIEWS)}'
        )
    return _VIEWS[type(block)](block, numbering)


def _about(about: About, json_name: str) -> Markup:
    def pairs(title: str, values: dict[str, str]) -> Markup | None:
        if not values:
            return None
        items = [
            part
            for key, value in values.items()
            for part in (el('dt', {}, key), el('dd', {}, name_text(str(value))))
        ]
        return Markup(el('h3', {}, title) + el('dl', {}, *items))

    link = None
    if json_name:
        link = el(
            'p',
            {},
            'The figures of this page for programs: ',
            el('a', {'href': quote(json_name, errors='replace')}, json_name),
        )
    notes = el('ul', {}, *(el('li', {}, note) for note in about.notes)) if about.notes else None
    content = [
        link,
        el('h3', {}, 'Command') if about.command else None,
        el('pre', {'tabindex': '0'}, about.command) if about.command else None,
        pairs('Files', dict(about.files)),
        el('h3', {}, 'Notes') if about.notes else None,
        notes,
        pairs('Versions', dict(about.versions)),
        el('h3', {}, 'Config') if about.config else None,
        el('pre', {'class': 'config', 'tabindex': '0'}, markup(about.config))
        if about.config
        else None,
    ]
    heading = el('h2', {}, 'About this report')
    return el('section', {'id': 'about'}, el('details', {}, el('summary', {}, heading), *content))
