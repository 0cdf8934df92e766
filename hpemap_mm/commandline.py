"""What every tool needs, and no more: errors as messages, paths as a person types them.

The standard library only, so that a tool that only reads files starts at once.
"""

from __future__ import annotations

import gc
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from hpemap_mm.errors import DataError
from hpemap_mm.version import __version__


def run_tool(main: Callable[[Sequence[str] | None], int]) -> None:
    """Run a tool's main; a user's mistake ends in its message, not in a traceback.

    With ``HPEMAP_DEBUG=1`` in the environment the traceback is shown.
    """
    try:
        status = main(None)
        leave_process_group()
    except DataError as error:
        if os.environ.get('HPEMAP_DEBUG'):
            raise
        sys.stderr.write(f'error: {error}\n')
        status = 1
    except KeyboardInterrupt:
        sys.stderr.write('interrupted\n')
        status = 130
    sys.exit(status)


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
