"""How processes of a completion are started."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

#: Added to the niceness of processes beside the model's; 5 is a third of its weight.
_NICER = 5


def start_method() -> str:
    """``'fork'`` where there is one: a process then need not import everything anew."""
    return 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'


def process_context() -> Any:
    """The context of multiprocessing that starts processes so."""
    return multiprocessing.get_context(start_method())


def step_back() -> None:
    """Give way to the process with the model, where both want one core: all wait for that one."""
    if hasattr(os, 'nice'):
        os.nice(_NICER)
