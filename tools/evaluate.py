"""Score a file of predictions: python tools/evaluate.py PREDICTIONS TRUTH --from coco --to mpii."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from hpemap_mm.analysis.evaluate_files import Evaluated, evaluate_files
from hpemap_mm.analysis.matrix_text import headline, render_figures, render_joints
from hpemap_mm.commandline import command_line, relative_to_here, run_tool, versions
from hpemap_mm.errors import ProblemList
from hpemap_mm.evaluation.bring import Translator
from hpemap_mm.evaluation.cross import CrossEvaluation
from hpemap_mm.files import write_json

PIXEL = 'coordinate of the first pixel in {} (default: by convention 0; 1 in .mat and MPII json)'


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, compare, print the tables, write scores.json and report.html."""
    args = build_parser().parse_args(argv)
    out = args.out or Path('work_dirs') / 'evaluate' / args.predictions.stem
    check_folders(args.images, out)
    evaluation = CrossEvaluation(
        near=args.near,
        derived=args.derived,
        approximate=args.approximate,
        replicates=args.replicates,
        translators=tuple(load_translators(args.translator)),
    )
    with Console(stderr=True).status('') as status:
        done = evaluate_files(
            args.predictions,
            args.truth,
            source=args.source,
            target=args.target,
            evaluation=evaluation,
            base=args.base,
            truth_base=args.truth_base,
            gt_mat=args.gt_mat,
            pairing=args.pairing,
            progress=status.update,
        )
    print_tables(done)
    scores = out / 'scores.json'
    about = {
        **files_of(args),
        'command': command_line(),
        'versions': versions(),
    }
    write_json(scores, {**about, 'matrix': done.matrix.to_json()})
    print(f'scores: {relative_to_here(scores)}')
    if args.report:
        print(
            f'report: {relative_to_here(write_page(out / "report.html", done, evaluation, args))}'
        )
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description='Score predictions in one representation against annotations in another.'
    )
    add = parser.add_argument
    add('predictions', type=Path, help='COCO-results json, .npz, or MPII-style .mat')
    add('truth', type=Path, help='COCO-style json, MPII json or scoring .mat, LSP or plain .npz')
    add('--from', dest='source', required=True, help='what the predictions are in, e.g. coco')
    add('--to', dest='target', required=True, help='what the truth is annotated in, e.g. mpii')
    add('--base', type=int, choices=(0, 1), help=PIXEL.format('the predictions'))
    add('--truth-base', type=int, choices=(0, 1), help=PIXEL.format('the truth'))
    add('--gt-mat', type=Path, metavar='MAT', help="MPII's scoring file, for its json's head sizes")
    add('--pairing', choices=('ids', 'detections'), help='what rows with an id are')
    add('--images', type=Path, metavar='DIR', help='photographs, for pictures in the report')
    add(
        '--pictures',
        type=count,
        default=3,
        metavar='N',
        help='best, worst, random (default 3 each)',
    )
    flag = argparse.BooleanOptionalAction
    add('--near', action=flag, default=True, help='let joints of another definition stand in')
    add('--derived', action=flag, default=True, help='derive joints, as a pelvis from two hips')
    add('--approximate', action='store_true', help='also derivations that are estimates')
    text = 'of the bootstrap, 0 for no intervals (default 1000)'
    add(
        '--translator',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='also through this translator, as a row of its own; may be given several times',
    )
    add('--replicates', type=count, default=1000, metavar='B', help=text)
    add('--out', type=Path, metavar='DIR', help='(default: work_dirs/evaluate/PREDICTIONS)')
    add('--report', action=flag, default=True, help='write report.html')
    return parser


def check_folders(images: Path | None, out: Path) -> None:
    """Before the work is done, not after it."""
    problems = ProblemList()
    if images is not None and not images.is_dir():
        problems.add(images, 'is no folder', 'name that of the images')
    if out.exists() and not out.is_dir():
        problems.add(out, 'is a file', 'name another folder as --out')
    problems.raise_if_any()


def load_translators(given: Sequence[Sequence[str]]) -> Iterator[Translator]:
    """The translators of the command line; torch is imported for them alone."""
    if not given:
        return
    from hpemap_mm.apis import load_translator

    for config, checkpoint in given:
        yield load_translator(config, checkpoint)


def files_of(args: argparse.Namespace) -> dict[str, str]:
    """What is read, by role."""
    files = {'predictions': str(args.predictions), 'truth': str(args.truth)}
    for number, (config, checkpoint) in enumerate(args.translator, 1):
        files[f'translator {number}'] = f'{config}, {checkpoint}'
    return files


def count(text: str) -> int:
    """A number of things."""
    if int(text) < 0:
        raise ValueError(text)
    return int(text)


def print_tables(done: Evaluated) -> None:
    """All figures, the joints, and what a reader must know."""
    cells = list(done.matrix)
    print(render_figures(cells, done.matrix.metrics, title='In per cent, with 95% intervals'))
    for cell in cells:
        if cell.reason:
            print(f'{cell.key}: {cell.reason}\n')
        else:
            own = headline(done.matrix, cell.dataset)
            names = dict.fromkeys([own, 'PCK@0.1_bbox', 'KS'])
            of_row = f' of {cell.key}' if len(cells) > 1 else ''
            print(render_joints(cell, list(names), title=f'Joint by joint{of_row}'))
    print_same_joints(done, headline(done.matrix, cells[0].dataset))
    # Another way to the same joints may pair detections with other persons.
    for text in dict.fromkeys(
        f'{cell.predicted} of {cell.persons} persons predicted, {cell.left_over} left over'
        for cell in cells
    ):
        print(text)
    for note in dict.fromkeys(note for cell in cells for note in cell.notes):
        print(f'- {note}')


def print_same_joints(done: Evaluated, metric: str) -> None:
    """With a translator, all ways on the same joints."""
    if len(done.matrix.representations) < 2:
        return
    from hpemap_mm.analysis.translation_views import render_ways
    from hpemap_mm.analysis.ways import compare_ways

    name = done.truth.truth.name
    tables = [compare_ways(done.matrix, name, m) for m in (metric, 'PCK@0.1_bbox', 'KS')]
    print(render_ways([table for table in tables if table is not None][:1]))


def write_page(
    path: Path, done: Evaluated, evaluation: CrossEvaluation, args: argparse.Namespace
) -> Path:
    """Write the report, with pictures where there are photographs."""
    from hpemap_mm.analysis.matrix_report import matrix_report
    from hpemap_mm.analysis.report import About, Flag, write_report

    truth, pictures, flags = done.truth.truth, {}, []
    if args.images is not None:
        from hpemap_mm.analysis.person_pictures import FolderReader, draw_persons

        read = FolderReader(args.images)
        pictures[truth.name] = draw_persons(
            evaluation, truth, [done.predictions.predictions], each=args.pictures, read=read
        )
        if read.missing:
            shown = ', '.join(read.missing[:3])
            flags.append(Flag(f'{len(read.missing)} images are not there: {shown}', 'note'))
    report = matrix_report(
        done.matrix,
        title=f'{args.predictions.name} on {args.truth.name}',
        pictures=pictures,
        flags=flags,
        about=About(
            command=command_line(),
            date=datetime.now(UTC).isoformat(timespec='seconds'),
            versions=versions(),
            files=files_of(args),
        ),
    )
    return write_report(path, report)


if __name__ == '__main__':
    run_tool(main)
