"""Keypoints into another skeleton: python tools/translate.py CONFIG CHECKPOINT IN OUT.

IN is COCO's json (annotations or results), MPII's json, or an .npz; OUT ends in .json or .npz.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from hpemap_mm.commandline import relative_to_here, run_tool
from hpemap_mm.persons.files.streams import Summary, check_paths, translate_file
from hpemap_mm.persons.files.streams.bytes import open_binary

#: Signals that end the tool, with nothing left behind. Windows lacks the last one.
STOPPING = ('SIGINT', 'SIGTERM', 'SIGHUP')


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, translate, say what came out."""
    args = build_parser().parse_args(argv)
    # Before anything heavy is loaded, and before a checkpoint is written over.
    check_paths(args.out, [args.source, args.config, args.checkpoint], overwrite=args.overwrite)
    open_binary(str(args.source)).close()
    with cleaning_up():
        translator, names = load(args)
        with bar() as progress:
            summary = translate_file(
                translator,
                args.source,
                args.out,
                origin_names=names,
                base=args.base,
                overwrite=args.overwrite,
                images=args.images,
                progress=progress,
            )
    tell(summary, translator, args.out)
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description='Translate keypoints from one skeleton into another, with uncertainty.',
        epilog='Files may be larger than memory. OUT is complete or absent; with .json it is in '
        "the target's own format, with .npz it holds keypoints, sigmas, origins and radii.",
    )
    add = parser.add_argument
    add('config', type=Path, help='a config of configs/translators')
    add('checkpoint', type=Path, help='what tools/train.py made of it')
    add('source', type=Path, metavar='in', help='COCO json, COCO results, MPII json or .npz')
    add('out', type=Path, help='.json or .npz')
    text = '{} skeleton, for translators of several (default: as the config says)'
    add('--from', dest='skeleton', metavar='SKELETON', help=text.format("IN's"))
    add('--to', dest='target', metavar='SKELETON', help=text.format("OUT's"))
    text = (
        'coordinate of the first pixel in IN (default: 1 in MPII json, else 0; .npz to .npz as is)'
    )
    add('--base', type=int, choices=(0, 1), help=text)
    add('--images', type=Path, metavar='DIR', help='photographs, for their sizes (MPII to COCO)')
    add('--overwrite', action='store_true', help='replace OUT if it is there')
    return parser


def load(args: argparse.Namespace) -> tuple[Any, Sequence[str]]:
    """The translator, and the names of what its joints come from."""
    from hpemap_mm.apis import load_translator
    from hpemap_mm.translators.translation import ORIGINS

    translator = load_translator(
        args.config, args.checkpoint, source=args.skeleton, target=args.target
    )
    return translator, ORIGINS


@contextmanager
def cleaning_up() -> Iterator[None]:
    """Let signals that end the tool raise, so that unfinished files are removed."""

    def stop(number: int, frame: Any) -> None:
        for known in before:  # not again while files are being removed
            signal.signal(known, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.stderr.write(f'stopped by {signal.Signals(number).name}\n')
        sys.exit(128 + number)

    before: dict[int, Any] = {}
    for name in STOPPING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def bar() -> Iterator[Any]:
    """A bar on stderr; what moves it."""
    columns = (
        *(TextColumn('translating'), BarColumn(), DownloadColumn()),
        *(TransferSpeedColumn(), TimeRemainingColumn()),
    )
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    task = shown.add_task('', total=None)
    if not shown.console.is_terminal:
        yield None
        return
    with shown:
        yield lambda done, total: shown.update(task, completed=done, total=total)


def tell(summary: Summary, translator: Any, out: Path) -> None:
    """A few lines on what was translated."""
    print(
        f'{translator.name}: {translator.source.name} to {translator.target.name}, '
        f'{summary.kind} to {summary.written}'
    )
    without = f', {summary.without} without an answer' if summary.without else ''
    print(f'{summary.persons} persons{without}')
    total = summary.persons * summary.joints
    share = f' ({100 * summary.answered / total:.1f}%)' if total else ''
    kinds = ', '.join(f'{count} {name}' for name, count in summary.origins.items())
    print(f'{summary.answered} of {total} joints answered{share}: {kinds or "none"}')
    sigma = summary.median_sigma
    known = 'not known: the translator was not calibrated' if sigma is None else f'{sigma:.3g} px'
    print(f'median sigma: {known}')
    for note in summary.notes:
        print(f'- {note}')
    print(f'written: {relative_to_here(out)}')


if __name__ == '__main__':
    run_tool(main)
