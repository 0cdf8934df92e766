"""Names of arrays in a file, and the first pixel's coordinate among them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from hpemap_mm.errors import ProblemList
from hpemap_mm.persons.files.content import Content
from hpemap_mm.persons.files.rows import listed, show

#: How alike an unknown name must be to a known one to be taken for a slip.
SLIP = 0.8


def check_base(base: int | None) -> None:
    """Check the argument of the readers.

    Raises:
        ValueError: It is neither 0 nor 1 (nor None).
    """
    if base is not None and (isinstance(base, bool) or base not in (0, 1)):
        raise ValueError(f'base is the coordinate of the first pixel, 0 or 1; got {base!r}')


def check_names(
    content: Content, known: Sequence[str], base: int | None
) -> tuple[int | None, list[str]]:
    """The first pixel's coordinate as argument or file say, and notes on arrays left unread.

    Args:
        content: The file.
        known: The names that a reader reads.
        base: What the caller says; the file's own ``base`` must not contradict.

    Raises:
        DataError: A name looks like a slip, or ``base`` is wrong.
    """
    problems = ProblemList()
    unknown = [name for name in content.names if name not in known]
    for name in unknown:
        close = get_close_matches(name, [k for k in known if k not in content.names], 1, SLIP)
        if close:
            problems.add(content.path, f'holds {name!r}', f'is {close[0]!r} meant? Rename it')
    if 'base' in content.arrays:
        array = content.arrays['base']
        own = array.item() if array.size == 1 and array.dtype.kind in 'iu' else None
        if own not in (0, 1):
            problems.add(content.path, f"'base' is {show(array.tolist())}", 'save 0 or 1')
        elif base is not None and base != own:
            problems.add(
                content.path, f"says 'base' is {own}, not {base}", 'leave base out, or correct one'
            )
        else:
            base = own
    problems.raise_if_any()
    return base, [f'not read: {listed(unknown)}'] if unknown else []
