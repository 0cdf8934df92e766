"""A dataset into another format: python tools/convert_dataset.py SRC OUT --from coco --to yolo.

Reads and writes COCO's json (MMPose's, and those of tools/complete_dataset.py), MPII's json as
MMPose has it, and Ultralytics' YOLO-pose folders. What the target cannot say is told at the end.
CVAT and FiftyOne read and write COCO's keypoints and YOLO-pose themselves.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.progress import TimeRemainingColumn as RemainingColumn

from hpemap_mm.commandline import relative_to_here, run_tool
from hpemap_mm.persons.interchange import FORMATS, Report, convert_dataset

#: The end of --help.
EXAMPLE = """\
Both splits of COCO, of its folder coco, for Ultralytics:
  python tools/convert_dataset.py coco coco-yolo --from coco --to yolo --link-images \\
    --splits train=annotations/person_keypoints_train2017.json \\
             val=annotations/person_keypoints_val2017.json \\
    --images train=train2017 val=val2017
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, convert, say what came out and what did not."""
    args = build_parser().parse_args(argv)
    for name in ('SIGTERM', 'SIGHUP'):  # ended from outside, it leaves nothing behind
        if hasattr(signal, name):  # Windows lacks the second
            signal.signal(getattr(signal, name), lambda number, frame: sys.exit(128 + number))
    with bars() as progress:
        report = convert_dataset(
            args.source,
            args.out,
            source_format=args.source_format,
            target_format=args.target_format,
            skeleton=args.skeleton,
            splits=args.splits,
            images=args.images,
            provenance=args.provenance,
            place='link' if args.link_images else 'copy' if args.copy_images else None,
            base=args.base,
            half_pixel=True if args.half_pixel else None,
            overwrite=args.overwrite,
            progress=progress,
        )
    tell(report, args.out)
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter,  # the example can be pasted
        description='Convert a dataset of persons. OUT is complete or absent; images stay as they\n'
        'are, and where they are.',
        epilog=EXAMPLE,
    )
    add = parser.add_argument
    add('source', type=Path, metavar='SRC', help='a json, a folder of them, or a YOLO folder')
    add('out', type=Path, metavar='OUT', help='.json, or a folder: of YOLO, or a json a split')
    add('--from', dest='source_format', choices=FORMATS, required=True, help='what SRC is')
    add('--to', dest='target_format', choices=FORMATS, required=True, help='what OUT is to be')
    add('--skeleton', metavar='NAME', type=skeleton, help='what SRC is in (default: as it says)')
    text = 'the splits; of jsons NAME=FILE in the folder SRC (default: all of a YOLO folder)'
    add('--splits', nargs='+', default=[], metavar='NAME', help=text)
    text = 'folder of the images, or NAME=DIR for each split, in the current folder or in the '
    text += 'folder SRC (in both: say which, by its full path); their sizes are read and compared'
    add('--images', nargs='+', default=[], metavar='DIR', help=text)
    text = 'of a completed dataset: keep joints of these only, e.g. gt derived'
    add('--provenance', nargs='+', default=[], metavar='NAME', help=text)
    images = parser.add_mutually_exclusive_group()
    text = 'links to them into OUT (Ultralytics repairs a cut-off JPEG in place: then copy)'
    images.add_argument('--link-images', action='store_true', help=text)
    images.add_argument('--copy-images', action='store_true', help='copies of them into OUT')
    text = 'coordinate of the first pixel in a json (default: 1 in MPII json, else 0)'
    add('--base', type=int, choices=(0, 1), help=text)
    text = 'YOLO keypoints count from the edge of the first pixel (default: from its centre, as '
    add('--half-pixel', action='store_true', help=f"{text} Ultralytics' own labels of COCO do)")
    add('--overwrite', action='store_true', help='replace OUT if it is a json that is there')
    return parser


def skeleton(name: str) -> Any:
    """A skeleton from the command line."""
    from hpemap_mm.skeletons import get_skeleton

    try:
        return get_skeleton(name)
    except KeyError as error:
        raise argparse.ArgumentTypeError(str(error.args[0])) from None


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar for each stage, on stderr; what moves them."""
    columns = (
        *(TextColumn('{task.description}'), BarColumn()),
        *(TaskProgressColumn(), RemainingColumn()),
    )
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    if not shown.console.is_terminal:
        yield None
        return
    tasks: dict[str, TaskID] = {}

    def move(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = shown.add_task(stage, total=total)
        shown.update(tasks[stage], completed=done, total=total)

    with shown:
        yield move


def tell(report: Report, out: Path) -> None:
    """What was converted, what the target does not have, and what it has otherwise."""
    print(f'{report.skeleton}: {report.source} to {report.written}')
    for name, images in report.images.items():
        persons, joints = report.persons[name], report.joints[name]
        print(f'{name}: {images} images, {persons} persons, {joints} labelled joints taken')
    for loss in report.losses:
        print(f'- lost: {loss}')
    for note in report.notes:
        print(f'- note: {note}')
    print(f'written: {relative_to_here(out)}')


if __name__ == '__main__':
    run_tool(main)
