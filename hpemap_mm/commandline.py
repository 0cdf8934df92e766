"""What every tool needs, and no more: errors as messages, paths as a person types them.

The standard library only, so that a tool that only reads files starts at once.
"""

from __future__ import annotations

import errno
import gc
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TextIO

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.version import __version__

#: What to do about a file that cannot be used, by the system's number of the fault.
FIXES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), 'free some space, or choose another folder'),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS), 'choose another folder, or change its rights'
    ),
    errno.EFBIG: 'allow larger files (ulimit -f), or choose another disk',
    errno.ENOENT: 'check the name',
    errno.ENOTDIR: 'a file stands where a folder is needed: choose another folder',
    errno.EISDIR: 'name a file in it',
    errno.ENAMETOOLONG: 'choose a shorter name',
    errno.EMFILE: 'allow more open files (ulimit -n), or use fewer workers',
}
#: What a shell says of a program that wrote to a pipe nobody reads: 128 + SIGPIPE.
BROKEN_PIPE = 141


def run_tool(main: Callable[[Sequence[str] | None], int]) -> None:
    """Run a tool's main; a user's mistake ends in its message, not in a traceback.

    So does what the system refuses: a full disk, a folder that may not be written to. With
    ``HPEMAP_DEBUG=1`` in the environment the traceback is shown. Where nobody reads the output any
    more, as in ``... | head``, the tool ends without a word.
    """
    status: int | str | None
    try:
        status = main(None)
        leave_process_group()
    except SystemExit as end:  # argparse's: what it printed is still to be written out
        status = end.code
    except DataError as error:
        if os.environ.get('HPEMAP_DEBUG'):
            raise
        status = _end(f'error: {error}', 1)
    except KeyboardInterrupt:
        status = _end('interrupted', 130)
    except OSError as error:
        status = _refused(error, 'a file')
    try:
        sys.stdout.flush()  # here, and not while Python shuts down, which says so at length
    except OSError as error:
        status = status or _refused(error, 'standard output')
        _silence(sys.stdout)
    sys.exit(status)


def _refused(error: OSError, where: str) -> int:
    """Say what the system refused, and what to do; the exit status.

    Args:
        error: What it says.
        where: What it is about, if it does not name a file.
    """
    if isinstance(error, BrokenPipeError) and _is_broken(sys.stdout):
        return BROKEN_PIPE
    if os.environ.get('HPEMAP_DEBUG'):
        raise error
    names = {str(name): None for name in (error.filename, error.filename2) if name is not None}
    what = error.strerror or f'{type(error).__name__}: {error}'
    fix = FIXES.get(error.errno or 0, 'HPEMAP_DEBUG=1 shows where')
    return _end(f'error: {DataError([Problem(" -> ".join(names) or where, what, fix)])}', 1)


def _end(message: str, status: int) -> int:
    """Say a last word, if anybody listens; the exit status."""
    try:
        sys.stderr.write(f'{message}\n')
    except OSError:
        _silence(sys.stderr)
    return status


def _is_broken(stream: TextIO) -> bool:
    """Whether nobody reads a stream any more."""
    try:
        stream.write('\n')
        stream.flush()
    except OSError:
        return True
    return False


def _silence(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere, so that Python's end does not fail on it."""
    with suppress(OSError):  # a stream of a notebook has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def leave_process_group() -> None:
    """Leave the distributed run that this process is in, if any, when all its work is done.

    A thread of gloo's that still holds a tensor while Python shuts down aborts the process, and
    torchrun calls a run failed that had succeeded (pytorch/pytorch#190489). The group's threads
    end with the last object that holds the group, so call it where the model is no longer held.
    """
    distributed = sys.modules.get('torch.distributed')
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return
    distributed.destroy_process_group()
    gc.collect()  # DistributedDataParallel holds the group, and a runner is full of cycles


def relative_to_here(path: str | os.PathLike[str]) -> str:
    """A path as a person at this shell would type it."""
    path = Path(path)
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def versions() -> dict[str, str]:
    """Of what figures depend on, as installed."""
    found = {'python': platform.python_version(), 'hpemap_mm': __version__}
    for package in ('numpy', 'scipy', 'faster-coco-eval'):
        found[package] = metadata.version(package)
    return found


def command_line() -> str:
    """The running command, as it could be typed again: ``python tools/test.py CONFIG ...``."""
    return shlex.join(['python', *([relative_to_here(sys.argv[0])] if sys.argv[0] else ())]) + (
        f' {shlex.join(sys.argv[1:])}' if sys.argv[1:] else ''
    )
