"""Findings in words and as tables for a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from hpemap_mm.analysis.distributions import GAUSSIAN_LIMIT
from hpemap_mm.analysis.findings import Analysis, Findings
from hpemap_mm.analysis.mixture import Mixtures
from hpemap_mm.analysis.offset_values import Estimate, Offsets
from hpemap_mm.analysis.taxonomy import KINDS
from hpemap_mm.skeletons.ontology import flip_name

#: A shift of all joints that is worth a remark, in sizes.
NOTEWORTHY = 0.01


def answer(analysis: Analysis) -> str:
    """The findings in two or three sentences."""
    main = analysis.main
    parts = []
    offsets, held = final_offsets(analysis)
    if offsets is not None and offsets.joints:
        parts.append(offsets_sentence(offsets, main, held))
    else:
        parts.append('No offset of definition is claimed: no joint could be held against others.')
    parts.append(gaussian_sentence(main))
    if main.mixtures.pairs:
        parts.append(mixture_sentence(main.mixtures))
    return ' '.join(parts)


def final_offsets(analysis: Analysis) -> tuple[Offsets | None, str]:
    """The offsets that claims rest on: beyond those of a control, where there is one; whose."""
    for difference in analysis.differences:
        if difference.role == 'control' and difference.offsets is not None:
            return difference.offsets, difference.other
    return analysis.main.offsets, ''


def all_flags(analysis: Analysis) -> list[tuple[str, str]]:
    """The flags of every subject; of controls, only what bears on the subtraction."""
    found = [(level, text) for level, text in flags(analysis.main)]
    for other in analysis.subjects[1:]:
        told = flags(other, computed=other.about['dataset'] != analysis.main.about['dataset'])
        found += [(level, f'{other.name}: {text}') for level, text in told]
    return found


def flags(findings: Findings, *, computed: bool = True) -> list[tuple[str, str]]:
    """What a reader must not miss: ('warning' or 'note', a sentence).

    Args:
        findings: Of one subject.
        computed: Tell of joints that were computed, too.
    """
    found: list[tuple[str, str]] = []
    if findings.mixtures.pairs:
        found.append(('warning', mixture_sentence(findings.mixtures)))
    about = findings.about
    if about['predicted'] < about['persons']:
        text = f'{about["persons"] - about["predicted"]} of {about["persons"]} persons were not '
        found.append(('warning', f'{text}predicted: the errors say nothing of them.'))
    shift = findings.shift
    if shift is not None and shift.wrong_origin:
        x, y = shift.origin
        found.append(
            (
                'warning',
                f'All predictions are off by {x.value:+.1f}, {y.value:+.1f} px whatever the '
                "person's size: was one of the files read with the wrong first pixel (0 or 1)?",
            )
        )
    if findings.offsets is not None and findings.offsets.shift:
        x, y = findings.offsets.shift
        for axis, estimate, words in (
            ('x', x, ('to the right', 'to the left')),
            ('y', y, ('downwards', 'upwards')),
        ):
            if estimate.beyond(NOTEWORTHY):
                found.append(
                    (
                        'note',
                        f'All joints are shifted {words[estimate.value < 0]} in the image by '
                        f'{abs(estimate.value):.3f} {findings.sizes.unit} '
                        f'({axis}: {interval(estimate)}): the decoder or the flip test. It is '
                        'removed from the offsets.',
                    )
                )
    for derivation in findings.derivations.derived if computed else ():
        found.append(('note', f'In {about["dataset"]}, {derivation.text}.'))
    return found


def mixture_sentence(mixtures: Mixtures) -> str:
    """Which joints are mixed, and what would do that."""
    opposite = all({pair.joint, pair.other} == _sides(pair.joint) for pair in mixtures.pairs)
    what = 'Left/right mixture' if opposite else 'Left/right mixture, and of other joints'
    text = f'{what}: {", ".join(mixtures.joints)}'
    if mixtures.cause is not None:
        others = [j for j in mixtures.cause.joints if j not in mixtures.joints]
        more = f' (which would also mix {", ".join(others)})' if others else ''
        return f'{text}; {mixtures.cause.text}{more}.'
    return f'{text}. No known flip pairs explain it: the network may confuse them.'


def _sides(joint: str) -> set[str]:
    """The joint and its opposite one, by name."""
    return {joint, flip_name(joint)}


def offsets_sentence(offsets: Offsets, findings: Findings, control: str = '') -> str:
    """Which joints are the same point, and which are not."""
    about = findings.about
    verdicts = offsets.by_verdict()
    what = f'{about["representation"]} and {about["skeleton"]}'
    against = f', beyond the offsets of {control}' if control else ''
    moved = []
    for o in offsets.joints:
        if o.verdict == 'differs':
            moved.append(f'{o.joint} ({o.reason.partition(",")[0]})')
    if moved:
        text = f'Not the same point in {what}{against}: {", ".join(moved)} {offsets.unit}.'
    else:
        text = f'No joint is claimed to be another point in {what}{against}.'
    if verdicts['same']:
        text += f' The same: {", ".join(verdicts["same"])}.'
    return text


def gaussian_sentence(findings: Findings) -> str:
    """Whether errors are Gaussian."""
    laws = findings.laws.joints
    if not laws:
        return 'Too few errors to describe their distribution.'
    gaussian = findings.laws.verdicts().get('Gaussian', 0)
    degrees = sorted(min(law.x.student_degrees, law.y.student_degrees) for law in laws)
    tails = sorted(law.tail for law in laws)
    if gaussian == len(laws):
        return f"All {len(laws)} joints' errors are Gaussian (D <= {GAUSSIAN_LIMIT:g})."
    return (
        f"{gaussian or 'None'} of {len(laws)} joints' errors are Gaussian: "
        f'{tails[0]:.1%} to {tails[-1]:.1%} lie beyond 5 robust sigmas, and Student laws with '
        f'{degrees[0]:.1f} to {degrees[-1]:.1f} degrees of freedom fit.'
    )


def interval(estimate: Estimate | None, digits: int = 3) -> str:
    """``+0.049 [+0.046, +0.051]``; a dash where there is none."""
    if estimate is None:
        return '-'
    low, high = f'{estimate.low:+.{digits}f}', f'{estimate.high:+.{digits}f}'
    return f'{estimate.value:+.{digits}f} [{low}, {high}]'


def render_analysis(analysis: Analysis) -> str:
    """The findings as a terminal shows them: sentences, then short tables."""
    lines = [answer(analysis), '']
    lines += [f'{level}: {text}' for level, text in all_flags(analysis)] + ['']
    main = analysis.main
    if main.offsets is not None and main.offsets.joints:
        title = f'Offsets in {main.sizes.unit}: {main.name}'
        lines.append(render_offsets(main.offsets, title))
    for difference in analysis.differences:
        if difference.offsets is None:
            lines.append(f'Not subtracted: {difference.other}: {difference.reason}\n')
            continue
        lines.append(render_offsets(difference.offsets, f'Beyond those of {difference.other}'))
    lines.append(render_errors(main))
    return '\n'.join(lines)


def render_offsets(offsets: Offsets, title: str) -> str:
    """One line for each joint or pair."""
    table = Table()
    for heading in ('joint', 'compared as'):
        table.add_column(heading)
    for heading in ('outwards', 'down', 'seen'):
        table.add_column(heading, justify='right')
    table.add_column('verdict')
    for o in offsets.joints:
        table.add_row(
            o.joint,
            o.relation,
            interval(o.outwards),
            interval(o.down),
            ' + '.join(str(v.n) for v in o.views.values()),
            o.verdict,
        )
    return text_of(table, title, 110)


def render_errors(findings: Findings) -> str:
    """One line for each joint: its law and the kinds of its errors."""
    table = Table()
    table.add_column('joint')
    columns = ('errors', 'median x', 'median y', 'sigma', 'beyond 5', 'Student')
    kinds: Sequence[str] = KINDS if findings.kinds else ()
    for heading in (*columns, *kinds):
        table.add_column(heading.replace('_', ' '), justify='right')
    table.add_column('law')
    of_joint = {j.joint: j for j in findings.kinds.joints} if findings.kinds else {}
    for law in findings.laws.joints:
        found = of_joint.get(law.joint)
        rates = [f'{found.rates[kind].value:.1%}' if found else '-' for kind in kinds]
        table.add_row(
            law.joint,
            str(law.n),
            f'{law.x.median:+.3f}',
            f'{law.y.median:+.3f}',
            f'{(law.x.sigma * law.y.sigma) ** 0.5:.3f}',
            f'{law.tail:.1%}',
            f'{min(law.x.student_degrees, law.y.student_degrees):.1f}',
            *rates,
            law.verdict,
        )
    return text_of(table, f'Errors in {findings.sizes.unit} ({findings.laws.frame})', 170)


def text_of(table: Table, title: str, width: int) -> str:
    """A table as text."""
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(title, highlight=False)
    console.print(table)
    return console.export_text()
