"""Choosing some of many figures by their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

#: How many keys an error lists.
_SHOWN = 30


def choose_keys(
    patterns: Sequence[str], available: Sequence[str], *, why: Mapping[str, str] | None = None
) -> list[str]:
    """The keys that the patterns name, in the order of ``available``.

    Args:
        patterns: Keys, or patterns with ``*``, ``?`` and ``[abc]``, as in
            ``'*/coco->*/PCK@0.2_torso'``.
        available: What there is to choose from.
        why: Why keys that one may expect are not there, by key.

    Raises:
        KeyError: A pattern names nothing; lists what there is, the most similar first.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        found = [key for key in available if key == pattern or fnmatchcase(key, pattern)]
        if not found:
            raise KeyError(_nothing(pattern, available, why or {}))
        chosen.update(found)
    return [key for key in available if key in chosen]


def _nothing(pattern: str, available: Sequence[str], why: Mapping[str, str]) -> str:
    reasons = [f'{key}: {text}' for key, text in why.items() if fnmatchcase(key, pattern)]
    if reasons:
        return f'{pattern!r} has no value ({"; ".join(reasons[:5])})'
    close = get_close_matches(pattern, available, n=3, cutoff=0.5)
    listed = [*close, *(key for key in available if key not in close)]
    more = f' and {len(listed) - _SHOWN} more' if len(listed) > _SHOWN else ''
    return f'No figure is called {pattern!r}. Available: {", ".join(listed[:_SHOWN])}{more}'
