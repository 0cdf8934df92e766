"""The cross matrix as a report: what a reader wants to know first, then the details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hpemap_mm.analysis import report
from hpemap_mm.analysis.matrix_text import headline
from hpemap_mm.evaluation.bring import Comparison, overview
from hpemap_mm.evaluation.cross import Cell, CrossMatrix
from hpemap_mm.evaluation.figures import Figure, JointFigure

#: The figure that the heat map shows first where the datasets' own figures differ.
_COMMON = ('PCK@0.1_bbox', 'PCK@0.2_torso', 'PCK@0.05_bbox', 'AP')
#: What figures mean, by the start of their names.
_ABOUT = {
    'PCKh-AUC': "area under PCKh's curve from 0 to 0.5 head sizes",
    'PCKh@': 'joints within this share of the head size (MPII; pelvis and thorax apart)',
    'PCK@': 'joints within this share of the longer side of the box, or of the torso',
    'AP': "average precision over OKS 0.5 to 0.95, COCO's protocol",
    'AR': "average recall over OKS 0.5 to 0.95, COCO's protocol",
    'AIC-score': "AI Challenger's own score: best similarity of any prediction, visible joints",
    'AP_easy': "AP of images with little crowding, CrowdPose's protocol",
    'AP_medium': "AP of images with some crowding, CrowdPose's protocol",
    'AP_hard': "AP of images with much crowding, CrowdPose's protocol",
    'KS': 'mean keypoint similarity of all annotated joints',
}
#: Parts of notes without which figures may mislead.
_MISLEADING = ('as wrong', 'nothing to sort by')
NOTE = (
    'Persons that were not predicted, and joints that a representation could answer but did not, '
    'count as wrong. Joints that it cannot answer are not compared. No non-maximum suppression '
    'is applied.'
)


def matrix_report(
    matrix: CrossMatrix,
    *,
    title: str,
    pictures: Mapping[str, Sequence[report.Picture]] | None = None,
    about: report.About | None = None,
    flags: Sequence[report.Flag] = (),
    more: Sequence[report.Section] = (),
) -> report.Report:
    """Put a matrix into a report.

    Args:
        matrix: The figures.
        title: What was asked, e.g. the model's name.
        pictures: Of persons, by dataset.
        about: What produced the figures.
        flags: What the reader must not miss, beside what the cells' notes say.
        more: Sections that follow the joints.
    """
    main = main_metric(matrix)
    sections = [
        report.Section(
            title='The matrix',
            lead='Each row is what was predicted, each column a dataset and its annotation.',
            blocks=[_heat_map(matrix, main), _own_figures(matrix)],
        ),
        *(_joints_section(matrix, dataset) for dataset in matrix.datasets if _has(matrix, dataset)),
        *more,
    ]
    shown = {dataset: found for dataset, found in (pictures or {}).items() if found}
    if shown:
        sections.append(_pictures_section(shown))
    sections.append(_method_section(matrix))
    warnings = [
        report.Flag(note, 'warning')
        for note in _notes(matrix)
        if any(part in note for part in _MISLEADING)
    ]
    return report.Report(
        title=title,
        answer=answer(matrix),
        sections=sections,
        flags=[*flags, *warnings],
        about=about or report.About(),
    )


def main_metric(matrix: CrossMatrix) -> str:
    """The datasets' own figure where they have one in common, else one that all can have."""
    own = {headline(matrix, dataset) for dataset in matrix.datasets} - {''}
    if len(own) == 1:
        return own.pop()
    return next(
        (name for name in _COMMON if name in matrix.metrics), next(iter(matrix.metrics), '')
    )


def answer(matrix: CrossMatrix) -> str:
    """The matrix in a sentence or two."""
    cells = [cell for cell in matrix if cell.figures]
    parts = []
    for dataset in matrix.datasets:
        name = headline(matrix, dataset)
        of_dataset = [cell for cell in cells if cell.dataset == dataset and name in cell.figures]
        if not of_dataset:
            continue
        own = [cell for cell in of_dataset if cell.representation == cell.skeleton]
        best = max(own or of_dataset, key=lambda cell: cell.figures[name].value)
        value = f'{100 * best.figures[name].value:.1f}'
        via = '' if own else f' from {best.representation}'
        parts.append(f'{name} {value}% on {dataset}{via}')
    if not parts:
        return 'Nothing could be compared; the cells say why.'
    several = len(matrix.representations) > 1
    rows = f'{len(matrix.representations)} representations' if several else 'One representation'
    columns = f'{len(matrix.datasets)} dataset{"s" if len(matrix.datasets) > 1 else ""}'
    empty = sum(1 for cell in matrix if not cell.figures)
    gaps = f' {empty} of the cells compare nothing and say why.' if empty else ''
    return f'{rows} on {columns}: {"; ".join(parts)}.{gaps}'


def _has(matrix: CrossMatrix, dataset: str) -> bool:
    return any(cell.figures for cell in matrix if cell.dataset == dataset)


def _heat_map(matrix: CrossMatrix, main: str) -> report.Matrix:
    names = [main, *(name for name in matrix.metrics if name != main)] if main else ['PCK']
    columns = {dataset: [c for c in matrix if c.dataset == dataset] for dataset in matrix.datasets}
    return report.Matrix(
        title='Representations x datasets',
        metrics=[report.Metric(name, about=_about(name)) for name in names],
        representations=matrix.representations,
        datasets=matrix.datasets,
        cells={key: report_cell(cell, names) for key, cell in matrix.cells.items()},
        dataset_notes={
            dataset: f'{cells[0].skeleton}, {cells[0].persons} persons'
            for dataset, cells in columns.items()
            if cells
        },
        note=_interval(matrix),
    )


def report_cell(cell: Cell, metrics: Sequence[str]) -> report.Cell:
    """A cell as the report's heat map takes it, which offers these metrics."""
    notes = [overview(cell.comparisons)] if cell.compared else []
    if cell.predicted < cell.persons and cell.figures:
        notes.append(f'{cell.predicted} of {cell.persons} persons predicted')
    if cell.left_over:
        notes.append(f'{cell.left_over} detections belong to nobody')
    figures = {
        name: _figure(figure, joints=len(cell.compared)) for name, figure in cell.figures.items()
    }
    for name, why in cell.missing.items():
        if figures and name in metrics:
            figures.setdefault(name, report.Figure(reason=why))
    return report.Cell(
        figures=figures,
        relations={c.joint: c.relation for c in cell.comparisons},
        per_joint={
            name: {joint: _joint_figure(figure) for joint, figure in whole.per_joint.items()}
            for name, whole in cell.figures.items()
            if whole.per_joint
        },
        reason=cell.reason,
        notes=[*notes, *cell.notes],
    )


def _figure(figure: Figure, *, joints: int) -> report.Figure:
    low, high = _ends(figure)
    return report.Figure(
        value=figure.value, low=low, high=high, joints=joints, instances=figure.instances
    )


def _joint_figure(figure: JointFigure) -> report.JointFigure:
    low, high = _ends(figure)
    return report.JointFigure(value=figure.value, low=low, high=high, n=figure.joints)


def _bar(comparison: Comparison, figure: JointFigure) -> report.Bar:
    low, high = _ends(figure)
    return report.Bar(
        label=comparison.joint,
        value=figure.value,
        low=low,
        high=high,
        n=figure.joints,
        note=_relation(comparison),
    )


def _ends(figure: Figure | JointFigure) -> tuple[float | None, float | None]:
    known = np.isfinite([figure.value, figure.low, figure.high]).all()
    return (figure.low, figure.high) if known else (None, None)


def _own_figures(matrix: CrossMatrix) -> report.Table:
    rows = []
    for cell in matrix:
        name = headline(matrix, cell.dataset)
        figure = cell.figures.get(name)
        value = None if figure is None else (figure.value, *_ends(figure))
        rows.append(
            (
                cell.dataset,
                cell.representation,
                name,
                value,
                len(cell.compared),
                figure.instances if figure else 0,
                cell.reason or overview(cell.comparisons),
            )
        )
    return report.Table(
        title='Each dataset in its own figure',
        columns=[
            'dataset',
            'predicted',
            'figure',
            report.Column('value', 'percent', about='with its 95% interval'),
            report.Column('joints', 'number', about='of the dataset that are compared'),
            report.Column('persons', 'number', about='with at least one of them scored'),
            'compared',
        ],
        rows=rows,
    )


def _joints_section(matrix: CrossMatrix, dataset: str) -> report.Section:
    cells = [c for c in matrix if c.dataset == dataset and c.figures]
    of_joints = [
        n for n in matrix.metrics if any(c.figures[n].per_joint for c in cells if n in c.figures)
    ]
    name = headline(matrix, dataset)
    if name not in of_joints:
        name = next((n for n in ('KS', *_COMMON) if n in of_joints), next(iter(of_joints), ''))
    series = {
        cell.representation: [
            _bar(comparison, figure)
            for comparison in cell.compared
            if (figure := cell.figures[name].per_joint.get(comparison.joint)) is not None
        ]
        for cell in cells
        if name in cell.figures
    }
    blocks: list[report.Block] = []
    if any(series.values()):
        blocks.append(report.Bars(title=name, series=series, limits=(0.0, 1.0), lead=_about(name)))
    return report.Section(title=f'{dataset}: joint by joint', blocks=blocks)


def _relation(comparison: Comparison) -> str:
    note = '' if comparison.exact else comparison.note
    return f'{comparison.relation}: {note}' if note else comparison.relation


def _pictures_section(pictures: Mapping[str, Sequence[report.Picture]]) -> report.Section:
    return report.Section(
        title='Pictures',
        lead='The truth on the left, then what each representation says of the same person. Left '
        'limbs are blue, right ones orange. Chosen among persons with six joints or more.',
        blocks=[
            report.Pictures(title=dataset, pictures=found) for dataset, found in pictures.items()
        ],
    )


def _method_section(matrix: CrossMatrix) -> report.Section:
    return report.Section(
        title='How this was computed',
        blocks=[report.Text(paragraphs=[_interval(matrix), NOTE], points=_notes(matrix))],
        folded=True,
    )


def _notes(matrix: CrossMatrix) -> list[str]:
    """The cells' notes, each once, with the dataset that it is about."""
    return list(dict.fromkeys(f'{cell.dataset}: {note}' for cell in matrix for note in cell.notes))


def _interval(matrix: CrossMatrix) -> str:
    if not matrix.replicates:
        return 'Without intervals.'
    return (
        f'Intervals are the middle 95% of {matrix.replicates} bootstrap replicates over images '
        f'(seed {matrix.seed}).'
    )


def _about(name: str) -> str:
    found = [text for start, text in _ABOUT.items() if name.startswith(start)]
    return _ABOUT.get(name) or next(iter(found), '')
