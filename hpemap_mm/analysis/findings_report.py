"""The findings as a report: the answer, the flags, then each analysis with its figures."""

from __future__ import annotations

import numpy as np

from hpemap_mm.analysis import report
from hpemap_mm.analysis.distributions import AxisLaw, Laws
from hpemap_mm.analysis.findings import Analysis, Findings
from hpemap_mm.analysis.findings_text import all_flags, answer
from hpemap_mm.analysis.mixture import Mixed
from hpemap_mm.analysis.offset_blocks import offset_blocks, offset_table
from hpemap_mm.analysis.taxonomy import FOUND, KINDS, WELL
from hpemap_mm.evaluation.bootstrap import METHOD
from hpemap_mm.persons.arrays import Array
from hpemap_mm.skeletons import Skeleton

#: Errors of a joint that are drawn.
_DRAWN = 400
OFFSETS_LEAD = (
    'Where the predictions’ joints lie, seen from the annotated ones. A shift of the whole image '
    'is removed; what is left belongs to the body: outwards (away from its middle) and down.'
)
LAWS_NOTE = (
    'D is Kolmogorov’s distance: by how much a statement of the kind “so many errors lie below '
    'x” is wrong. Up to 0.05 a law counts as Gaussian, whatever a test says: with this many errors '
    'every test rejects every law.'
)
KINDS_NOTE = (
    'Ronchi and Perona, ICCV 2017, by keypoint similarity: good from '
    f'{WELL:g} on the joint itself, jitter from {FOUND:g}; inversion: on the opposite joint; swap: '
    'on another person’s; other joint: on another one of the person itself; miss: on nothing.'
)


def findings_report(
    analysis: Analysis,
    *,
    skeleton: Skeleton,
    title: str,
    about: report.About | None = None,
    seed: int = 0,
) -> report.Report:
    """Put an analysis into a report.

    Args:
        analysis: The findings.
        skeleton: Of the main subject's truth.
        title: What was asked.
        about: What produced the findings.
        seed: Of the choice of errors that are drawn.
    """
    main = analysis.main
    marks = [report.Flag(text, level) for level, text in all_flags(analysis)]
    sections = [
        _offsets_section(analysis, skeleton),
        _laws_section(main, seed),
        _kinds_section(analysis),
        _mixtures_section(analysis),
        _derivations_section(main),
        _dependence_section(main),
        _method_section(analysis),
    ]
    return report.Report(
        title=title,
        answer=answer(analysis),
        sections=[section for section in sections if section.blocks],
        flags=marks,
        about=about or report.About(),
    )


def _offsets_section(analysis: Analysis, skeleton: Skeleton) -> report.Section:
    main = analysis.main
    blocks: list[report.Block] = []
    if main.offsets is not None and main.offsets.joints:
        blocks += offset_blocks(main.offsets, skeleton, main.name)
    for difference in analysis.differences:
        name = f'{main.name}, beyond {difference.other}'
        if difference.offsets is None:
            blocks.append(report.Text(f'Not subtracted: {difference.reason}.', title=name))
        elif difference.offsets.joints:
            blocks += offset_blocks(difference.offsets, skeleton, name)
    for other in analysis.subjects[1:]:
        if other.offsets is not None and other.offsets.joints:
            blocks.append(offset_table(other.offsets, f'{other.name}, by itself'))
    if not blocks and 'offsets' in main.missing:
        blocks.append(report.Text(main.missing['offsets']))
    return report.Section(
        title='Is the same joint the same point?', blocks=blocks, lead=OFFSETS_LEAD
    )


def _laws_section(findings: Findings, seed: int) -> report.Section:
    blocks: list[report.Block] = []
    laws = findings.body_laws or findings.laws
    errors = findings.body_errors if findings.body_laws else findings.errors
    if laws.joints:
        blocks.append(_clouds(laws, errors, seed))
    for found in (findings.laws, findings.body_laws):
        if found is not None and found.joints:
            blocks.append(_laws_table(found))
    counts = findings.laws.verdicts()
    lead = ', '.join(f'{count} of {len(findings.laws.joints)} {v}' for v, count in counts.items())
    return report.Section(title='How errors are distributed', blocks=blocks, lead=lead)


def _clouds(laws: Laws, errors: Array, seed: int) -> report.Clouds:
    rng = np.random.default_rng(seed)
    clouds = []
    for law in laws.joints:
        points = errors[:, laws.order.index(law.joint)]
        points = points[np.isfinite(points).all(1)]
        if len(points) > _DRAWN:
            points = points[rng.choice(len(points), _DRAWN, replace=False)]
        clouds.append(
            report.Cloud(
                joint=law.joint,
                points=points,
                center=(law.x.median, law.y.median),
                covariance=law.covariance,
                n=law.n,
                note=f'{law.tail:.1%} beyond 5 sigma',
            )
        )
    return report.Clouds(
        title='Error clouds',
        clouds=clouds,
        unit=laws.unit,
        lead=f'Frame: {laws.frame}. The ellipse is the core of the errors.',
    )


def _laws_table(laws: Laws) -> report.Table:
    def median(law: AxisLaw) -> object:
        known = np.isfinite([law.low, law.high]).all()
        return (law.median, law.low, law.high) if known else law.median

    return report.Table(
        title=f'In the frame of the {laws.frame}',
        columns=[
            'joint',
            'law',
            report.Column('errors', 'number'),
            report.Column('median x', 'number', 3),
            report.Column('median y', 'number', 3),
            report.Column('sigma x', 'number', 3, 'robust: 1.48 x the median deviation'),
            report.Column('sigma y', 'number', 3, 'robust: 1.48 x the median deviation'),
            report.Column('beyond 5', 'percent', about='sigmas; of a Gaussian 0.0001'),
            report.Column('kurtosis', 'number', 0, 'excess, of the worse axis; of a Gaussian 0'),
            report.Column('D', 'number', 3, 'to the Gaussian of mean and deviation'),
            report.Column('D, core', 'number', 3, 'to the Gaussian of median and sigma'),
            report.Column('Student', 'number', 1, 'degrees of freedom that fit the worse axis'),
        ],
        rows=[
            (
                law.joint,
                law.verdict,
                law.n,
                median(law.x),
                median(law.y),
                law.x.sigma,
                law.y.sigma,
                law.tail,
                max(law.x.excess_kurtosis, law.y.excess_kurtosis),
                max(law.x.distance_moments, law.y.distance_moments),
                max(law.x.distance_robust, law.y.distance_robust),
                min(law.x.student_degrees, law.y.student_degrees),
            )
            for law in laws.joints
        ],
        lead=f'In {laws.unit}.',
        note=LAWS_NOTE,
    )


def _kinds_section(analysis: Analysis) -> report.Section:
    blocks: list[report.Block] = []
    main = analysis.main
    if main.kinds is not None:
        wrong = [kind for kind in KINDS if kind not in ('good', 'jitter')]
        series = {
            kind.replace('_', ' '): [
                report.Bar(
                    label=joint.joint,
                    value=joint.rates[kind].value,
                    low=_known(joint.rates[kind].low),
                    high=_known(joint.rates[kind].high),
                    n=joint.n,
                )
                for joint in main.kinds.joints
            ]
            for kind in wrong
        }
        blocks.append(report.Bars(title='Gross errors', series=series, lead='Share of joints.'))
    for subject in analysis.subjects:
        if subject.kinds is not None:
            blocks.append(_kinds_table(subject))
    if not blocks and 'taxonomy' in main.missing:
        blocks.append(report.Text(main.missing['taxonomy']))
    return report.Section(title='What kind of errors', blocks=blocks, lead=KINDS_NOTE)


def _kinds_table(findings: Findings) -> report.Table:
    assert findings.kinds is not None
    rows = []
    for joint in (*findings.kinds.joints, findings.kinds.all_joints):
        confused = ', '.join(f'{name} {rate:.1%}' for name, rate in joint.confused_with.items())
        rates = [
            (r.value, r.low, r.high) if np.isfinite(r.low) else r.value
            for r in (joint.rates[kind] for kind in KINDS)
        ]
        rows.append((joint.joint, joint.n, *rates, confused))
    return report.Table(
        title=findings.name,
        columns=[
            'joint',
            report.Column('predicted', 'number'),
            *(report.Column(kind.replace('_', ' '), 'percent') for kind in KINDS),
            'confused with',
        ],
        rows=rows,
        note=f'Sigmas: {findings.kinds.sigma_source}. {findings.kinds.unpredicted} joints of '
        'persons that were not predicted are left out.',
    )


def _mixtures_section(analysis: Analysis) -> report.Section:
    blocks: list[report.Block] = []
    for subject in analysis.subjects:
        found = subject.mixtures
        rows = [_mixed_row(mixed, 'mixed') for mixed in found.pairs]
        rows += [_mixed_row(mixed, 'highest of the others') for mixed in found.highest]
        blocks.append(
            report.Table(
                title=subject.name,
                columns=[
                    'joint',
                    'sign',
                    'other',
                    report.Column('rate', 'percent'),
                    report.Column('persons', 'number'),
                    'judged',
                ],
                rows=rows,
                lead=found.cause.text if found.cause else '',
                note=f'Pairs that could be judged: {found.looked_at["lands on"]} by landing on, '
                f'{found.looked_at["coincides"]} by coinciding.',
            )
        )
    lead = 'Joints whose predictions are partly those of another one, as by wrong flip pairs.'
    return report.Section(title='Mixtures', blocks=blocks, lead=lead)


def _mixed_row(mixed: Mixed, judged: str) -> tuple[object, ...]:
    known = np.isfinite([mixed.low, mixed.high]).all()
    rate = (mixed.rate, mixed.low, mixed.high) if known else mixed.rate
    return (mixed.joint, mixed.sign, mixed.other, rate, mixed.n, judged)


def _derivations_section(findings: Findings) -> report.Section:
    rows = [
        (
            d.joint,
            'computed' if d.derived else 'clicked',
            ' + '.join(f'{w:g} {s}' for w, s in zip(d.weights, d.sources, strict=True)),
            d.residual,
            d.residual_95,
            d.spread,
            d.n,
        )
        for d in sorted(findings.derivations.joints, key=lambda d: d.residual)
    ]
    table = report.Table(
        title=f'Nearest points on other joints, in {findings.derivations.unit}',
        columns=[
            'joint',
            'is',
            'nearest',
            report.Column('off', 'number', 3, 'in the median person'),
            report.Column('95% below', 'number', 3),
            report.Column('nearest joint', 'number', 3, 'distance to it, in the median person'),
            report.Column('persons', 'number'),
        ],
        rows=rows,
    )
    lead = (
        '. '.join(d.text for d in findings.derivations.derived) or 'None was computed from others'
    )
    return report.Section(
        title='Joints that were computed', blocks=[table] if rows else [], lead=f'{lead}.'
    )


def _dependence_section(findings: Findings) -> report.Section:
    blocks: list[report.Block] = []
    for part in findings.dependences.parts:
        series = {
            'all joints': part.bins,
            **{joint: bins for joint, bins in part.joints.items() if len(part.joints) <= 4},
        }
        blocks.append(
            report.Bars(
                title=part.on,
                unit=findings.dependences.unit,
                digits=3,
                series={
                    name: [
                        report.Bar(
                            label=b.name,
                            value=b.median,
                            low=_known(b.low),
                            high=_known(b.high),
                            n=b.n,
                            note=f'{b.far:.1%} beyond 0.5',
                        )
                        for b in bins
                    ]
                    for name, bins in series.items()
                },
            )
        )
    return report.Section(
        title='On what the error depends', blocks=blocks, lead='Median length of the error.'
    )


def _method_section(analysis: Analysis) -> report.Section:
    points = [
        f'{subject.name}: {name}: {why}'
        for subject in analysis.subjects
        for name, why in subject.missing.items()
    ]
    for subject in analysis.subjects:
        about = ', '.join(f'{k.replace("_", " ")} {v}' for k, v in subject.about.items())
        points.append(f'{subject.name}: {about}')
    text = (
        f'Intervals: {METHOD}, {analysis.replicates} replicates, seed {analysis.seed}. Errors are '
        f'divided by {analysis.main.sizes.unit}.'
    )
    return report.Section(
        title='How this was computed',
        blocks=[report.Text(paragraphs=text, points=points)],
        folded=True,
    )


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
