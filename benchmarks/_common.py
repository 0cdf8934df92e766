"""What the benchmarks share: the machine in words, tables, results as files."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from hpemap_mm.files import atomic_path, write_json
from hpemap_mm.version import __version__

RESULTS = Path(__file__).resolve().parent / 'results'


def about() -> dict[str, Any]:
    """Versions and size of the machine; nothing that names it."""
    return {
        'hpemap_mm': __version__,
        'torch': torch.__version__,
        'python': platform.python_version(),
        'cores': os.cpu_count(),
        'threads': torch.get_num_threads(),
        'gpu': torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def in_turn(
    cases: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int = 1
) -> dict[str, list[float]]:
    """Seconds of each case, the cases in turn, so that a drifting machine slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(warmup + rounds):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number >= warmup:
                seconds[name].append(time.perf_counter() - start)
        _progress(number + 1, warmup + rounds)
    return seconds


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> dict[str, float]:
    """Median and spread of the ratio, pair by pair."""
    ratios = sorted(a / b for a, b in zip(numerator, denominator, strict=True))
    return {'median': statistics.median(ratios), 'min': ratios[0], 'max': ratios[-1]}


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Median and spread."""
    return {'median': statistics.median(seconds), 'min': min(seconds), 'max': max(seconds)}


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    text = [[str(cell) for cell in line] for line in (header, *rows)]
    widths = [max(len(line[i]) for line in text) for i in range(len(header))]
    lines = [
        '| ' + ' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + ' |'
        for line in text
    ]
    rule = '|' + '|'.join('-' * (width + 2) for width in widths) + '|'
    return '\n'.join([lines[0], rule, *lines[1:]])


def publish(name: str, title: str, text: str, results: Mapping[str, Any]) -> None:
    """Print the table, write ``results/<name>.md`` and ``.json``."""
    print(text)
    machine = about()
    command = f'python benchmarks/{Path(sys.argv[0]).name} {" ".join(sys.argv[1:])}'.strip()
    facts = ', '.join(f'{key} {value}' for key, value in machine.items() if value is not None)
    page = f'# {title}\n\n`{command}`\n\n{facts}\n\n{text}\n'
    with atomic_path(RESULTS / f'{name}.md') as partial:
        partial.write_text(page, encoding='utf-8')
    write_json(RESULTS / f'{name}.json', {'command': command, 'machine': machine, **results})


def _progress(done: int, total: int) -> None:
    end = '\n' if done == total else '\r'
    sys.stderr.write(f'round {done} of {total}{end}')
    sys.stderr.flush()
