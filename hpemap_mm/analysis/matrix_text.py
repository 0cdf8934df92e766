"""The cross matrix as tables for a terminal and for logs."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from hpemap_mm.evaluation.bring import overview
from hpemap_mm.evaluation.cross import Cell, CrossMatrix
from hpemap_mm.evaluation.figures import Figure, JointFigure

_CELL_WIDTH = 24


def headline(matrix: CrossMatrix, dataset: str) -> str:
    """The figure that a dataset is known by; empty where no cell has one.

    PCKh@0.5 where there are head sizes (MPII), AP where the skeleton has sigmas of its own (COCO
    and its kin), else PCK over the torso (LSP), else whatever there is.
    """
    cells = [cell for cell in matrix if cell.dataset == dataset]
    names = [name for name in matrix.metrics if any(name in cell.figures for cell in cells)]
    borrowed = any(note.startswith('sigmas: stand-ins') for cell in cells for note in cell.notes)
    wanted = [name for name in names if name.startswith('PCKh@')]
    wanted += [] if borrowed else [name for name in names if name == 'AP']
    wanted += [name for name in names if name.endswith('_torso')]
    return next(iter([*wanted, *names]), '')


def render_matrix(matrix: CrossMatrix, *, title: str = '') -> str:
    """Representations x datasets, each dataset in its own figure, in per cent.

    A cell says the value with its 95% interval, how its joints are compared, and on how many
    persons it rests; an empty cell says why.
    """
    table = Table()
    table.add_column('predicted')
    shown = {dataset: headline(matrix, dataset) for dataset in matrix.datasets}
    for dataset in matrix.datasets:
        skeleton = next(cell.skeleton for cell in matrix if cell.dataset == dataset)
        heading = f'{dataset}\n{skeleton}: {shown[dataset] or "nothing"}'
        table.add_column(heading, max_width=max(_CELL_WIDTH, len(dataset)), overflow='fold')
    for row in matrix.representations:
        cells = [matrix.cells[row, dataset] for dataset in matrix.datasets]
        texts = [_cell(cell, shown[cell.dataset]) for cell in cells]
        table.add_row(row, *texts, end_section=True)
    widest = max((len(row) for row in matrix.representations), default=0)
    return _text(table, title, 14 + widest + (_CELL_WIDTH + 8) * len(matrix.datasets))


def render_figures(cells: Sequence[Cell], metrics: Sequence[str], *, title: str = '') -> str:
    """All figures of some cells, in per cent with their intervals."""
    table = Table()
    table.add_column('figure')
    for cell in cells:
        table.add_column(cell.key, justify='right')
    table.add_column('joints', justify='right')
    table.add_column('persons', justify='right')
    for name in metrics:
        figures = [cell.figures.get(name) for cell in cells]
        known = [figure for figure in figures if figure is not None]
        why = [cell.reason or cell.missing.get(name, '') for cell in cells]
        if not known and not any(why):
            continue
        values = [
            f'- ({reason})' if figure is None and reason else figure_text(figure)
            for figure, reason in zip(figures, why, strict=True)
        ]
        joints = max((figure.joints for figure in known), default=0)
        persons = max((figure.instances for figure in known), default=0)
        table.add_row(name, *values, str(joints or '-'), str(persons))
    return _text(table, title, 50 + 40 * len(cells))


def render_joints(cell: Cell, metrics: Sequence[str], *, title: str = '') -> str:
    """The figures of each joint of a cell, and how it is compared."""
    names = [name for name in metrics if name in cell.figures and cell.figures[name].per_joint]
    table = Table()
    for heading in ('joint', 'compared as', 'made of'):
        table.add_column(heading)
    table.add_column('scored', justify='right')
    for name in names:
        table.add_column(name, justify='right')
    for comparison in cell.comparisons:
        figures = [cell.figures[name].per_joint.get(comparison.joint) for name in names]
        scored = max((figure.joints for figure in figures if figure is not None), default=0)
        doubt = '' if comparison.exact or comparison.relation in ('none', 'translated') else ' *'
        table.add_row(
            comparison.joint,
            comparison.relation + doubt,
            ', '.join(comparison.sources) or '-',
            str(scored or '-'),
            *(figure_text(figure) for figure in figures),
        )
    text = _text(table, title, 70 + 22 * len(names))
    notes = dict.fromkeys(
        f'* {c.note}' for c in cell.compared if c.note and c.relation != 'translated'
    )
    return '\n'.join([text.rstrip('\n'), *notes]) + '\n'


def figure_text(figure: Figure | JointFigure | None) -> str:
    """``61.0 [58.2, 63.9]`` in per cent; a dash where there is none."""
    if figure is None or figure.value != figure.value:
        return '-'
    if figure.low != figure.low:
        return f'{100 * figure.value:.1f}'
    return f'{100 * figure.value:.1f} [{100 * figure.low:.1f}, {100 * figure.high:.1f}]'


def _cell(cell: Cell, metric: str) -> str:
    if cell.reason:
        return f'- {cell.reason}'
    figure = cell.figures.get(metric)
    if figure is None:
        return f'- {cell.missing.get(metric, "no value")}'
    joints = overview(cell.comparisons)
    return f'{figure_text(figure)}\n{joints}\n{figure.instances} persons'


def _text(table: Table, title: str, width: int) -> str:
    console = Console(width=max(80, width), file=io.StringIO(), record=True)
    if title:  # the table's own would be folded to its width
        console.print(title, highlight=False)
    console.print(table)
    return console.export_text()
