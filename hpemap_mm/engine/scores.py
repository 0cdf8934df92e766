"""The scores of an evaluation: one table for a person, one json for programs."""

from __future__ import annotations

import io
import os
from typing import Any

import mmengine
import torch
from mmengine.evaluator import Evaluator
from rich.console import Console
from rich.table import Table

from hpemap_mm.evaluation.metrics import MultiSkeletonPCK
from hpemap_mm.files import write_json
from hpemap_mm.version import __version__


def score_tables(evaluator: Evaluator) -> dict[str, dict[str, Any]]:
    """The detailed results of the last evaluation, by entry."""
    return {
        entry: row
        for metric in evaluator.metrics
        if isinstance(metric, MultiSkeletonPCK)
        for entry, row in metric.table.items()
    }


def render(tables: dict[str, dict[str, Any]], title: str) -> str:
    """Dataset x metric as text, figures in per cent."""
    names = list(dict.fromkeys(name for row in tables.values() for name in row['metrics']))
    table = Table(title=title, title_justify='left')
    for heading in ('dataset', 'skeleton'):
        table.add_column(heading)
    for heading in ('persons', 'joints', *names):
        table.add_column(heading, justify='right')
    for entry, row in tables.items():
        figures = row['metrics']
        scored = max((figure['joints'] for figure in figures.values()), default=0)
        cells = [_percent(figures.get(name)) for name in names]
        table.add_row(entry, row['skeleton'], str(row['persons']), str(scored), *cells)
    console = Console(width=max(80, 46 + 18 * len(names)), record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def write_scores(
    path: str | os.PathLike[str], tables: dict[str, dict[str, Any]], **about: Any
) -> None:
    """Write the scores with what produced them."""
    write_json(
        path,
        {
            **about,
            'versions': {
                'hpemap_mm': __version__,
                'torch': torch.__version__,
                'mmengine': mmengine.__version__,
            },
            'entries': _without_nan(tables),
        },
    )


def _percent(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return '-'
    return 'no joints' if figure['joints'] == 0 else f'{100 * figure["mean"]:.1f}'


def _without_nan(value: Any) -> Any:
    """NaN as null: json has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, float) and value != value:
        return None
    return value
