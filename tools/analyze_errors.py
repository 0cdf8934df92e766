"""What errors say: python tools/analyze_errors.py PREDICTIONS TRUTH --from coco --to mpii."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from hpemap_mm.analysis.analyze import Settings, analyze
from hpemap_mm.analysis.findings import Analysis
from hpemap_mm.analysis.findings_text import render_analysis
from hpemap_mm.analysis.frames import NORMALISERS
from hpemap_mm.analysis.subject_files import SubjectFiles
from hpemap_mm.commandline import command_line, relative_to_here, run_tool, versions
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.evaluation.cross import CrossEvaluation
from hpemap_mm.files import write_json
from hpemap_mm.skeletons import Skeleton

PIXEL = 'coordinate of the first pixel in {} (default: by convention 0; 1 in .mat and MPII json)'


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, analyse, print a summary, write analysis.json and report.html."""
    args = build_parser().parse_args(argv)
    files, against, controls = files_of(args)
    evaluation = CrossEvaluation(near=args.near, derived=args.derived)
    console = Console(stderr=True)
    with console.status('') as status:
        read = [
            one.read(evaluation=evaluation, progress=status.update)
            for one in (files, *([against] if against else []), *controls)
        ]
        subjects = [subject for subject, _ in read]
        notes = list(dict.fromkeys(note for _, some in read for note in some))
        try:
            analysis = analyze(
                subjects[0],
                against=subjects[1] if against else None,
                controls=subjects[2 if against else 1 :],
                settings=Settings(
                    replicates=args.replicates,
                    seed=args.seed,
                    size=args.size,
                    progress=status.update,
                ),
            )
        except ValueError as error:
            fix = f'choose another --size ({", ".join(("auto", *NORMALISERS))})'
            raise DataError([Problem(str(args.truth), str(error), fix)]) from error
    print(render_analysis(analysis))
    for note in notes:
        print(f'- {note}')
    out = args.out or Path('work_dirs') / 'analyze_errors' / args.predictions.stem
    figures = out / 'analysis.json'
    about = {'command': command_line(), 'versions': versions(), 'notes': notes}
    write_json(figures, {**about, **analysis.to_json()})
    print(f'analysis: {relative_to_here(figures)}')
    if args.report:
        page = write_page(out / 'report.html', analysis, subjects[0].truth.skeleton, args, notes)
        print(f'report:   {relative_to_here(page)}')
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description='Say what the errors of predictions are: offsets of definition, laws, kinds, '
        'mixtures of joints.'
    )
    add = parser.add_argument
    add('predictions', type=Path, help='COCO-results json, .npz, or MPII-style .mat')
    add('truth', type=Path, help='COCO-style json, MPII json or scoring .mat, LSP or plain .npz')
    add('--from', dest='source', required=True, help='what the predictions are in, e.g. coco')
    add('--to', dest='target', required=True, help='what the truth is annotated in, e.g. mpii')
    _add_reading(parser, '', 'the predictions', 'the truth')
    add('--pairing', choices=('ids', 'detections'), help='what rows with an id are')
    group = parser.add_argument_group('side by side with another dataset or model')
    group.add_argument('--against', type=Path, nargs=2, metavar=('PREDICTIONS', 'TRUTH'))
    group.add_argument('--against-from', metavar='REPRESENTATION', help='(default: as --from)')
    group.add_argument('--against-to', metavar='SKELETON', help='(default: as --to)')
    _add_reading(group, 'against-', 'those predictions', 'that truth')
    group = parser.add_argument_group(
        "control: predictions in a dataset's own definition, best by the same network and decoder"
    )
    group.add_argument(
        '--control',
        nargs=3,
        action='append',
        default=[],
        metavar=('PREDICTIONS', 'TRUTH', 'SKELETON'),
        help='may be given several times; the first one decides what is claimed',
    )
    _add_reading(group, 'control-', 'their predictions', 'their truths')
    flag = argparse.BooleanOptionalAction
    add('--near', action=flag, default=True, help='let joints of another definition stand in')
    add('--derived', action=flag, default=True, help='derive joints, as a pelvis from two hips')
    add('--size', choices=('auto', *NORMALISERS), default='auto', help='what errors are divided by')
    add('--replicates', type=int, default=1000, metavar='B', help='of the bootstrap (default 1000)')
    add('--seed', type=int, default=0, help='of the bootstrap (default 0)')
    add('--out', type=Path, metavar='DIR', help='(default: work_dirs/analyze_errors/PREDICTIONS)')
    add('--report', action=flag, default=True, help='write report.html')
    return parser


def _add_reading(
    parser: argparse._ActionsContainer, prefix: str, predictions: str, truth: str
) -> None:
    add = parser.add_argument
    add(f'--{prefix}base', type=int, choices=(0, 1), help=PIXEL.format(predictions))
    add(f'--{prefix}truth-base', type=int, choices=(0, 1), help=PIXEL.format(truth))
    if prefix != 'control-':
        add(f'--{prefix}gt-mat', type=Path, metavar='MAT', help="MPII's scoring file, for its json")


def files_of(
    args: argparse.Namespace,
) -> tuple[SubjectFiles, SubjectFiles | None, list[SubjectFiles]]:
    """The subject, the one beside it, the controls.

    Raises:
        DataError: Options for a second subject without the subject.
    """
    files = SubjectFiles(
        predictions=args.predictions,
        truth=args.truth,
        source=args.source,
        target=args.target,
        base=args.base,
        truth_base=args.truth_base,
        gt_mat=args.gt_mat,
        pairing=args.pairing,
    )
    against = None
    if args.against:
        against = SubjectFiles(
            predictions=args.against[0],
            truth=args.against[1],
            source=args.against_from or args.source,
            target=args.against_to or args.target,
            base=args.against_base,
            truth_base=args.against_truth_base,
            gt_mat=args.against_gt_mat,
        )
    elif args.against_from or args.against_to:
        raise DataError([Problem('--against-from, --against-to', 'need --against', 'name files')])
    controls = [
        SubjectFiles(
            predictions=Path(predictions),
            truth=Path(truth),
            source=skeleton,
            target=skeleton,
            base=args.control_base,
            truth_base=args.control_truth_base,
        )
        for predictions, truth, skeleton in args.control
    ]
    return files, against, controls


def write_page(
    path: Path,
    analysis: Analysis,
    skeleton: Skeleton,
    args: argparse.Namespace,
    notes: Sequence[str],
) -> Path:
    """Write the report, and its figures as json beside it."""
    from hpemap_mm.analysis.findings_report import findings_report
    from hpemap_mm.analysis.report import About, write_report

    page = findings_report(
        analysis,
        skeleton=skeleton,
        title=f'Errors of {args.predictions.name} on {args.truth.name}',
        about=About(
            command=command_line(),
            date=datetime.now(UTC).isoformat(timespec='seconds'),
            versions=versions(),
            files={'predictions': str(args.predictions), 'truth': str(args.truth)},
            notes=notes,
        ),
    )
    return write_report(path, page)


if __name__ == '__main__':
    run_tool(main)
