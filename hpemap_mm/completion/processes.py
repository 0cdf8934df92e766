"""How processes of a completion are started."""

from __future__ import annotations

import gc
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
    """Begin a process beside the one with the model.

    It gives way to that one where both want one core, as all wait for it. And it leaves the objects
    that the fork brought along alone: garbage collection would copy their pages one by one.
    """
    gc.freeze()
    if hasattr(os, 'nice'):
        os.nice(_NICER)
