"""Folders that are either complete or absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.files import naming
from hpemap_mm.persons.files.streams.paths import new_folders


def check_folder(out: Path) -> Path:
    """Check a folder's name before anything is read; returns it.

    A folder with something in it is never replaced: it may hold somebody's only images.

    Raises:
        DataError: It is a file, lies in one, or is there and not empty.
    """
    above = next(folder for folder in (out, *out.absolute().parents) if os.path.lexists(folder))
    if not above.is_dir():
        raise DataError([Problem(str(out), f'{above} is no folder', 'name a folder')])
    if out.is_dir() and any(out.iterdir()):
        what = 'is there already, with files in it'
        raise DataError([Problem(str(out), what, 'name another folder, or remove this one')])
    return out


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """Yield a new folder beside ``out`` that takes its place on success.

    On an exception it is removed, with the folders above ``out`` that had to be made.
    """
    target = Path(os.path.abspath(out))
    partial = target.with_name(f'.{target.name}.{os.getpid()}.partial')
    with new_folders(target), naming(target, partial):
        partial.mkdir(parents=True)
        try:
            yield partial
            if target.is_dir():  # empty: Windows does not rename over it
                target.rmdir()
            os.rename(partial, target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
