"""Where a result may be written: never over what is read, and not over what is there unasked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hpemap_mm.errors import ProblemList

#: Kinds of files that are written, told by the suffix.
SUFFIXES = ('.json', '.npz')


def check_paths(
    out: str | os.PathLike[str],
    inputs: Sequence[str | os.PathLike[str]],
    *,
    overwrite: bool = False,
) -> Path:
    """Check a file's name before anything is read.

    Args:
        out: The file to be written.
        inputs: Files that must stay as they are, under whatever name: links, hard links and
            other spellings are seen through.
        overwrite: Whether a file that is there may be replaced.

    Returns:
        ``out``.

    Raises:
        DataError: The suffix is another, it is a folder or lies in a file, it is one of the
            inputs, or it is there and may not be replaced.
    """
    target = Path(out)
    problems = ProblemList()
    if target.suffix.lower() not in SUFFIXES:
        what = f'has the suffix {target.suffix!r}'
        problems.add(target, what, f'name a file that ends in {" or ".join(SUFFIXES)}')
    for path in inputs:
        if _same(target, Path(path)):
            problems.add(target, f'is the input {path}', 'name another file for the result')
    problems.raise_if_any()
    above = next(folder for folder in target.absolute().parents if os.path.lexists(folder))
    if target.is_dir():
        problems.add(target, 'is a folder', 'name a file in it')
    elif not above.is_dir():
        problems.add(target, f'{above} is no folder', 'name a file in a folder')
    elif os.path.lexists(target) and not overwrite:
        problems.add(target, 'is there already', 'name another file, or ask for --overwrite')
    problems.raise_if_any()
    return target


@contextmanager
def new_folders(out: Path) -> Iterator[None]:
    """Remove the folders that were made for a file where nothing came of it."""
    missing = [folder for folder in out.absolute().parents if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # never made, or somebody else uses it
                folder.rmdir()
        raise


def _same(first: Path, second: Path) -> bool:
    """Whether two names are of one file; hard links are."""
    try:
        return os.path.samefile(first, second)
    except OSError:  # one of them is not there
        return first.resolve() == second.resolve()
