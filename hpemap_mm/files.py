"""Files that are either complete or absent."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: The system's numbers for "there is no room to write".
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place on success.

    The directory is made where it is missing. On an exception the temporary file is removed and
    ``path`` stays as it was. The suffix is kept, so that writers which look at it still work.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f'.{target.stem}.{os.getpid()}.partial{target.suffix}')
    try:
        with naming(target, partial):
            yield partial
            os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def naming(target: Path, partial: Path) -> Iterator[None]:
    """Let errors of the system name ``target``, and not what stands for it until it is complete.

    A full disk names no file at all.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in NO_ROOM:
            error.filename = str(target)
        elif isinstance(error.filename, str | Path) and partial.name in Path(error.filename).parts:
            error.filename = str(error.filename).replace(partial.name, target.name)
        raise


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` as indented json, atomically; NaN and infinities are refused."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(value, indent=2, allow_nan=False) + '\n', encoding='utf-8')
