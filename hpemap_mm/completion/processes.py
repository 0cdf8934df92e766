"""How processes of a completion are started."""

from __future__ import annotations

import multiprocessing
from typing import Any


def start_method() -> str:
    """``'fork'`` where there is one: a process then need not import everything anew."""
    return 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'


def process_context() -> Any:
    """The context of multiprocessing that starts processes so."""
    return multiprocessing.get_context(start_method())
