"""What is found out about translators, as tables for a terminal and as sections of a report."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from hpemap_mm.analysis import report
from hpemap_mm.analysis.mappings import VERDICTS, Errors, JointMapping, MappingTable
from hpemap_mm.analysis.matrix_text import figure_text
from hpemap_mm.analysis.uncertainty import KEPT, PROBABILITIES, Uncertainty
from hpemap_mm.analysis.ways import WaysTable
from hpemap_mm.evaluation.figures import Figure, JointFigure

RANKED = (
    f'The surest {KEPT:.0%} are chosen by sigma over the extent of the answered person, '
    'so by nothing of the truth.'
)

SAME_JOINTS = (
    'all ways on the same joints; where a way does not answer a joint, it is wrong in the last row'
)


def render_ways(tables: Sequence[WaysTable]) -> str:
    """Metrics of one dataset, all ways on the same joints, in per cent."""
    if not tables:
        return ''
    shown = Table()
    shown.add_column('joint')
    for table in tables:
        for way in table.ways:
            shown.add_column(f'{way}\n{table.metric}', justify='right')
    for joint in tables[0].joints:
        values = [figure_text(t.joints[joint].get(way)) for t in tables for way in t.ways]
        shown.add_row(joint, *values)
    shown.add_section()
    for name, part in (('source has them', 'shared'), ('all joints', 'everything')):
        means = [getattr(t, part)[way] for t in tables for way in t.ways]
        shown.add_row(name, *('-' if np.isnan(v) else f'{100 * v:.1f}' for v in means))
    count = sum(len(table.ways) for table in tables)
    return _text(shown, f'{tables[0].dataset}: {SAME_JOINTS}', 30 + 24 * count)


def render_uncertainties(found: Mapping[str, Uncertainty]) -> str:
    """Coverage and selection of each dataset, in per cent; empty where nothing was calibrated."""
    table = Table()
    table.add_column('Regions that promise')
    for probability in PROBABILITIES:
        table.add_column(f'{probability:.0%}', justify='right')
    for heading in ('all joints', f'surest {KEPT:.0%}', 'the others'):
        table.add_column(heading, justify='right')
    for dataset, own in found.items():
        chosen = own.selection
        if chosen is None:
            continue
        held = [figure_text(own.coverage[p]) if p in own.coverage else '-' for p in PROBABILITIES]
        kept = [figure_text(f) for f in (chosen.everything, chosen.surest, chosen.others)]
        table.add_row(f'{own.translator} on {dataset}\n{chosen.figure} on the right', *held, *kept)
    if not table.rows:
        return ''
    return _text(table, f'How sure: joints within their region, in per cent. {RANKED}', 190)


def render_mapping(dataset: str, found: MappingTable) -> str:
    """One row for each joint: errors by way between noise and constant guess, and a verdict."""
    table = Table()
    table.add_column('joint')
    table.add_column('ontology')
    table.add_column('noise', justify='right')
    for way in (*found.ways, 'constant'):
        table.add_column(f'{way}\n{found.figure}', justify='right')
    table.add_column('explained', justify='right')
    table.add_column('verdict')
    for joint in found.joints:
        ways = [joint.ways.get(way) for way in found.ways]
        table.add_row(
            joint.joint,
            joint.relation,
            _plain(joint.floor),
            *(_errors(errors) for errors in (*ways, joint.constant)),
            '-' if np.isnan(joint.explained) else f'{100 * joint.explained:.0f}%',
            joint.verdict,
        )
    title = (
        f'Does a mapping exist? {found.source} -> {found.target} on {dataset}: median error in '
        f'{_unit(found)}, {found.figure} in per cent'
    )
    notes = [*found.notes, *(f'{name}: {text}' for name, text in VERDICTS.items())]
    shown = _text(table, title, 60 + 34 * (len(found.ways) + 1))
    return '\n'.join([shown.rstrip('\n'), *(f'- {note}' for note in notes)]) + '\n'


def ways_section(tables: Sequence[WaysTable]) -> report.Section | None:
    """Of a report: the means of all datasets and metrics; None where there is none."""
    if not tables:
        return None
    rows = [
        (table.dataset, table.metric, way, table.everything[way], table.shared[way])
        for table in tables
        for way in table.ways
    ]
    columns: list[report.Column | str] = [
        *('dataset', 'figure', 'way'),
        report.Column('all joints', 'percent', about='a joint that is not answered is wrong'),
        report.Column('source has them', 'percent', about='joints that both skeletons have'),
    ]
    return report.Section(
        title='The same joints',
        lead='The matrix compares what each way answers; here all are scored on the same joints.',
        blocks=[report.Table(title='Means over joints', columns=columns, rows=rows)],
    )


def uncertainty_section(found: Mapping[str, Uncertainty]) -> report.Section | None:
    """Of a report; None where nothing was calibrated."""
    known = {dataset: own for dataset, own in found.items() if own.selection is not None}
    if not known:
        return None
    rows, joints = [], []
    for dataset, own in known.items():
        assert own.selection is not None
        chosen = own.selection
        rows.append(
            (
                dataset,
                own.translator,
                *(_value(own.coverage.get(p)) for p in PROBABILITIES),
                chosen.figure,
                *(_value(f) for f in (chosen.everything, chosen.surest, chosen.others)),
            )
        )
        for joint, sigma in own.median_sigma.items():
            held = [own.coverage[p].per_joint.get(joint) for p in own.coverage]
            count = next((figure.joints for figure in held if figure is not None), 0)
            joints.append((dataset, joint, sigma, *(_value(f) for f in held), count))
    regions = [
        report.Column(f'{p:.0%} region', 'percent', about='joints within it') for p in PROBABILITIES
    ]
    return report.Section(
        title='How sure the translator is',
        lead='Do the regions hold the share of the joints that they promise?',
        blocks=[
            report.Table(
                title='Coverage, and what the surest joints are worth',
                columns=[
                    *('dataset', 'translator'),
                    *regions,
                    'figure',
                    *(
                        report.Column(name, 'percent')
                        for name in ('all joints', f'surest {KEPT:.0%}', 'the others')
                    ),
                ],
                rows=rows,
                note=RANKED,
            ),
            report.Table(
                title='Joint by joint',
                columns=[
                    *('dataset', 'joint'),
                    report.Column('median sigma', 'number', digits=2, about='px'),
                    *regions,
                    report.Column('joints', 'number'),
                ],
                rows=joints,
            ),
        ],
    )


def mapping_section(found: Mapping[str, MappingTable]) -> report.Section | None:
    """Of a report; None where there is none."""
    if not found:
        return None
    return report.Section(
        title='Does a mapping exist?',
        lead="How much of each joint the source's joints determine: the error between what two "
        'annotators differ by and what a guess that knows the frame alone is off by.',
        blocks=[
            *(_mapping_table(dataset, table) for dataset, table in found.items()),
            report.Text(
                title='How to read it',
                points=[
                    *dict.fromkeys(note for table in found.values() for note in table.notes),
                    *(f'{name}: {text}' for name, text in VERDICTS.items()),
                ],
            ),
        ],
    )


def _mapping_table(dataset: str, found: MappingTable) -> report.Table:
    columns: list[report.Column | str] = ['joint', 'ontology', 'verdict']
    columns += [
        report.Column('explained', 'percent', about="1 - best error over the constant guess's"),
        report.Column('noise', 'number', about='median distance of two annotators'),
    ]
    columns += [report.Column(way, 'number', about='median error') for way in found.ways]
    columns.append(report.Column('constant', 'number', about='median error of a constant guess'))
    columns.append(report.Column('persons', 'number'))
    return report.Table(
        title=f'{found.source} to {found.target}, on {dataset}',
        lead=f'Median errors in {_unit(found)}; shares of correct joints are above.',
        columns=columns,
        rows=[_mapping_row(joint, found) for joint in found.joints],
    )


def _mapping_row(joint: JointMapping, found: MappingTable) -> tuple[object, ...]:
    ways = (*(joint.ways.get(way) for way in found.ways), joint.constant)
    values = [None if errors is None else _value(errors.median) for errors in ways]
    persons = joint.constant.found.joints if joint.constant else 0
    return (
        *(joint.joint, joint.relation, joint.verdict, joint.explained, joint.floor),
        *values,
        persons,
    )


def _value(figure: Figure | JointFigure | None) -> tuple[float | None, ...] | None:
    if figure is None:
        return None
    known = np.isfinite([figure.value, figure.low, figure.high]).all()
    return (figure.value, figure.low, figure.high) if known else (figure.value, None, None)


def _errors(errors: Errors | None) -> str:
    if errors is None:
        return '-'
    median = errors.median
    ends = '' if np.isnan(median.low) else f' [{median.low:.3f}, {median.high:.3f}]'
    return f'{median.value:.3f}{ends} {100 * errors.found.value:.1f}'


def _plain(value: float) -> str:
    return '-' if np.isnan(value) else f'{value:.3f}'


def _unit(found: MappingTable) -> str:
    return {'head': 'head sizes', 'bbox': "the box's longer side"}.get(
        found.unit, "the longer side of the joints' extent"
    )


def _text(table: Table, title: str, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(title, highlight=False)
    console.print(table)
    return console.export_text()
