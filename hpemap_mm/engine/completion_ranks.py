"""The processes of one completion: who is who, who waits for whom, and no two of one kind.

They agree by files in a folder that all of them see, so that any may be stopped at any time and
none waits for a message that will not come.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hpemap_mm.errors import DataError, Problem

Found = TypeVar('Found')

#: Environment variables with a process's number, their count, and its number on its machine.
_VARIABLES = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
}
_STARTERS = {'pytorch': 'torchrun --nproc-per-node N', 'slurm': 'srun -n N python'}
#: Seconds between looks at the folder.
LOOK = 0.5


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is.

    Attributes:
        number: From 0; the first one plans, calibrates and merges.
        count: How many there are.
        local: Number on its machine, which is that of its GPU.
    """

    number: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that plans, calibrates and merges."""
        return self.number == 0


def ranks_of(launcher: str) -> Ranks:
    """What the launcher says of this process.

    Raises:
        DataError: The process was not started by it.
    """
    if launcher == 'none':
        return Ranks()
    try:
        return Ranks(*(int(os.environ[name]) for name in _VARIABLES[launcher]))
    except (KeyError, ValueError):
        what = f'{_VARIABLES[launcher][0]} is not set: the process was not started by its launcher'
        fix = f'run `{_STARTERS[launcher]} tools/complete_dataset.py ... --launcher {launcher}`'
        raise DataError([Problem(f'--launcher {launcher}', what, fix)]) from None


@contextmanager
def claimed(folder: Path, ranks: Ranks) -> Iterator[None]:
    """Let no other process of this number work in a folder.

    The claim ends with the process, however that ends; its children do not hold it.

    Raises:
        DataError: Another one does.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f'process-{ranks.number}.lock'
    with path.open('w') as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            what = f'another process (number {ranks.number}) is completing into this folder'
            fix = 'wait for it, stop it, or name another --out; for several at once use torchrun'
            raise DataError([Problem(str(folder.parent), what, fix)]) from None
        yield


def wait_for(look: Callable[[], Found | None]) -> Found:
    """Look until there is something."""
    while (found := look()) is None:
        time.sleep(LOOK)
    return found
