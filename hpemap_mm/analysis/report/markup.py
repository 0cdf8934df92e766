"""Html from Python, escaped by construction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Self

Attributes = Mapping[str, 'str | int | float | bool | None']
_VOID = frozenset({'br', 'hr', 'img', 'input', 'link', 'meta', 'wbr'})
#: Characters that html does not allow, and those that would turn the text around them.
_UNSHOWN = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]')


class Markup(str):
    """Text that is html already."""

    __slots__ = ()

    @classmethod
    def join_all(cls, parts: Iterable[str | None]) -> Self:
        """One piece of markup of many; plain strings are escaped, None is nothing."""
        return cls(''.join(markup(part) for part in parts if part is not None))


def markup(text: str) -> Markup:
    """Text as html: escaped, unless it is markup."""
    if isinstance(text, Markup):
        return text
    return Markup(escape(_UNSHOWN.sub('\N{REPLACEMENT CHARACTER}', text), quote=True))


def el(tag: str, attributes: Attributes | None = None, *children: str | None) -> Markup:
    """An element.

    Args:
        tag: Its name.
        attributes: Escaped; True is a bare attribute, None and False leave it out.
        children: Markup, or text that is escaped; None is nothing.
    """
    words = [tag]
    for name, value in (attributes or {}).items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            words.append(f'{name}="{markup(str(value))}"')
    opening = f'<{" ".join(words)}>'
    if tag in _VOID:
        return Markup(opening)
    return Markup(f'{opening}{Markup.join_all(children)}</{tag}>')


def name_text(name: str) -> Markup:
    """An identifier that may be broken after ``_``, ``/``, ``-`` and ``.``."""
    return Markup(re.sub(r'([_/.\-])(?=\w)', r'\1<wbr>', markup(name)))


def count_text(count: int | None) -> str:
    """A count with thin spaces between thousands."""
    return '' if count is None else f'{count:,}'.replace(',', '\N{NARROW NO-BREAK SPACE}')
