"""Numbers as the report's data classes hold them: finite, or None where there is none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, SupportsFloat

#: Text of a missing number.
MISSING = 'n/a'
Unit = str
#: How a joint follows from those of another skeleton.
RELATIONS = ('same', 'near', 'derived', 'translated', 'none')


def number(value: SupportsFloat | None, what: str) -> float | None:
    """A float; None for None and NaN, which both mean "not known".

    Raises:
        ValueError: For an infinite value; names it as `what`.
    """
    if value is None:
        return None
    result = float(value)
    if math.isnan(result):
        return None
    if math.isinf(result):
        raise ValueError(f'{what} is {result}: it must be finite, or NaN where not known')
    return result


def tidy(instance: Any, names: Iterable[str]) -> None:
    """Bring the named attributes of a frozen dataclass to :func:`number`'s form."""
    for name in names:
        what = f'{type(instance).__name__}.{name}'
        object.__setattr__(instance, name, number(getattr(instance, name), what))


def freeze(instance: Any, *names: str) -> None:
    """Make the named sequences of a frozen dataclass tuples."""
    for name in names:
        object.__setattr__(instance, name, tuple(getattr(instance, name)))


def check_interval(
    instance: Any, value: float | None, low: float | None, high: float | None
) -> None:
    """Refuse an interval with one end, or upside down.

    A percentile interval need not contain its estimate, so that is not asked for.

    Raises:
        ValueError: Saying which.
    """
    name = type(instance).__name__
    if (low is None) != (high is None):
        raise ValueError(f'{name}: an interval needs both ends, got low={low}, high={high}')
    if low is not None and high is not None and low > high:
        raise ValueError(f'{name}: the interval [{low}, {high}] is upside down')
    if value is None and low is not None:
        raise ValueError(f'{name}: an interval [{low}, {high}] without a value')


def check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is none of the choices.

    Raises:
        ValueError: Naming `what`, and the choices.
    """
    if value not in choices:
        raise ValueError(f'{what} must be one of {list(choices)}, got {value!r}')


def shown(value: float | None, unit: Unit, digits: int | None = None) -> str:
    """A number as a reader wants it, without its unit.

    Args:
        value: The number; a fraction where the unit is ``'%'``.
        unit: ``'%'`` is shown in per cent; anything else as it is.
        digits: Decimals; by default 1 for ``'%'`` and 3 otherwise.
    """
    if value is None:
        return MISSING
    if digits is None:
        digits = 1 if unit == '%' else 3
    text = f'{100 * value if unit == "%" else value:.{digits}f}'
    if float(text) == 0:
        text = text.lstrip('-')
    return text.replace('-', '\N{MINUS SIGN}')


def interval_text(low: float | None, high: float | None, unit: Unit, digits: int | None) -> str:
    """An interval as ``low to high``, or with a dash where no sign can be mistaken for it."""
    if low is None or high is None:
        return ''
    first, last = shown(low, unit, digits), shown(high, unit, digits)
    dash = ' to ' if '\N{MINUS SIGN}' in first + last else '\N{EN DASH}'
    return f'{first}{dash}{last}'
