"""What all blocks share: their frame with caption and small print, and numbers of figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hpemap_mm.analysis.report.markup import Markup, el, markup


@dataclass
class Numbering:
    """Counts figures, tables and ids while a page is built."""

    counts: Counter[str] = field(default_factory=Counter)

    def next(self, what: str) -> int:
        """1, 2, 3, ... for each `what`."""
        self.counts[what] += 1
        return self.counts[what]


def framed(
    kind: str, label: str, title: str, lead: str, body: Markup, note: str = '', *, ident: str = ''
) -> Markup:
    """A block: its number and title, a sentence, the body, small print.

    Args:
        kind: Css class.
        label: E.g. ``'Figure 3'``; empty for none.
        title: Heading.
        lead: A sentence; may be empty.
        body: The figure.
        note: Small print; may be empty.
        ident: Element id, if any.
    """
    heading = el(
        'h3', {'class': 'title'}, el('span', {'class': 'label'}, label) if label else None, title
    )
    caption = [heading, el('p', {}, lead) if lead else None]
    return el(
        'figure',
        {'class': f'block {kind}', 'id': ident or None},
        el('figcaption', {}, *caption),
        body,
        el('p', {'class': 'note'}, markup(note)) if note else None,
    )


def scrolled(label: str, content: Markup, *, tall: bool = False) -> Markup:
    """Content that scrolls inside the page where it is too wide (or too tall)."""
    return el(
        'div',
        {
            'class': 'scroll tall' if tall else 'scroll',
            'role': 'region',
            'aria-label': label,
            'tabindex': '0',
        },
        content,
    )
