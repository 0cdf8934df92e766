"""Find images that are in two places: python tools/find_duplicates.py CONFIG [--out DIR]."""

from __future__ import annotations

import argparse
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import hpemap_mm  # noqa: F401 - prepares MMPose before anything imports it
from hpemap_mm.commandline import command_line, relative_to_here, run_tool
from hpemap_mm.engine.launch import load_config
from hpemap_mm.errors import DataError, Problem

if TYPE_CHECKING:
    from hpemap_mm.completion.duplicates.sources import Source
    from hpemap_mm.datasets.duplicates import Duplicates

SPLITS = ('train', 'val', 'test')
#: What the tool writes into its folder.
LIST, PAGE, CACHE = 'duplicates.json', 'report.html', 'hashes.sqlite'
#: Rows of what cannot be read that the terminal shows.
SHOWN = 10

Tell = Callable[[str, int, int], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Search, print what was found, write the list and the page.

    The exit status is 1 with ``--fail-on-leak`` if an image is trained on and evaluated on.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.config is None and not args.images:
        parser.error('name a CONFIG, or --images FOLDER')

    from hpemap_mm.completion.duplicates.finder import find_duplicates

    out, sources = args.out, find_sources(args)
    if out is None:
        out = Path('work_dirs') / 'duplicates' / (args.config.stem if args.config else 'images')
    with told_of_cache(out / CACHE), bar() as tell:
        found = find_duplicates(
            sources,
            within=args.within,
            cache=out / CACHE,
            workers=args.workers,
            progress=tell,
        )
        write(out, found, sources, args, tell)
    show(found, sources)
    print(f'list:   {relative_to_here(out / LIST)}')
    print(f'report: {relative_to_here(out / PAGE)}')
    return int(args.fail_on_leak and bool(found.leaked))


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description='Find images that are in two entries of a config, or in training and in '
        'evaluation: the same bytes, re-encoded, resized, cropped by a twentieth, mirrored.',
        epilog='Writes duplicates.json, which MultiSkeletonDataset(exclude=...) reads, and '
        'report.html, which shows them. A second run only hashes what has changed.',
    )
    add = parser.add_argument
    add('config', type=Path, nargs='?', help='config file, whose dataloaders are searched')
    add('--out', type=Path, metavar='DIR', help='default: work_dirs/duplicates/CONFIG')
    add('--splits', nargs='+', choices=SPLITS, default=SPLITS, help='default: all there are')
    add('--within', action='store_true', help='also compare images of one entry with each other')
    text = 'folders to search, too, or instead; each counts as an entry'
    add('--images', nargs='+', default=[], metavar='FOLDER', help=text)
    text = 'threads (default: one for each core, at most 8)'
    add('--workers', type=_positive, default=min(8, os.cpu_count() or 1), metavar='N', help=text)
    text = 'most pairs of a kind that report.html shows (default: 40)'
    add('--pictures', type=_positive, default=40, metavar='N', help=text)
    text = 'exit status 1 if an image is in train, and in val or test'
    add('--fail-on-leak', action='store_true', help=text)
    from mmengine.config import DictAction

    text = 'override the config'
    add('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help=text)
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'must be at least 1, got {value}')
    return value


def find_sources(args: argparse.Namespace) -> list[Source]:
    """The images of the config's splits, and of the folders."""
    from mmengine.registry import init_default_scope

    from hpemap_mm.completion.duplicates.sources import (
        nothing_to_search,
        sources_of_config,
        sources_of_folders,
    )

    sources = []
    if args.config is not None:
        config = load_config(args.config, options=args.cfg_options)
        init_default_scope(config.get('default_scope', 'mmpose'))
        loaders = {split: config.get(f'{split}_dataloader') or {} for split in SPLITS}
        datasets = {s: loaders[s]['dataset'] for s in args.splits if 'dataset' in loaders[s]}
        if not datasets:
            raise nothing_to_search(args.splits)
        sources += sources_of_config(dict(sorted(datasets.items(), key=_in_order)))
    return sources + sources_of_folders(args.images)


def _in_order(item: tuple[str, Any]) -> int:
    return SPLITS.index(item[0])


@contextmanager
def bar() -> Iterator[Tell]:
    """A bar on stderr, and what moves it."""
    shown = Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not Console(stderr=True).is_terminal,
    )
    task = shown.add_task('reading annotations', total=None)

    def tell(what: str, done: int, total: int) -> None:
        if shown.tasks[0].description != what:
            shown.reset(task, description=what)
        shown.update(task, completed=done, total=total)

    with shown:
        yield tell


@contextmanager
def told_of_cache(path: Path) -> Iterator[None]:
    """Faults of the disk under the hashes as messages; what is in them stays as it was."""
    try:
        yield
    except (sqlite3.OperationalError, DataError) as error:
        cause = error.__cause__ if isinstance(error, DataError) else error
        if not isinstance(cause, sqlite3.OperationalError):
            raise
        fix = 'free some space there, end other runs that use it, or choose another folder (--out)'
        raise DataError([Problem(str(path), f'cannot be used: {cause}', fix)]) from cause


def write(
    out: Path, found: Duplicates, sources: Sequence[Source], args: argparse.Namespace, tell: Tell
) -> None:
    """The list and the page."""
    from hpemap_mm.analysis.report import About
    from hpemap_mm.completion.duplicates import compare, search
    from hpemap_mm.datasets.duplicates import write_duplicates
    from hpemap_mm.engine.duplicates_report import write_duplicates_report
    from hpemap_mm.engine.scores import versions

    facts = {'command': command_line(), 'versions': versions()}
    settings = {
        'low_radius': search.LOW_RADIUS,
        'radius': search.RADIUS,
        'least_correlation': compare.SAME,
        'least_overlap': compare.LEAST_OVERLAP,
    }
    write_duplicates(out / LIST, found, {**facts, 'settings': settings})
    about = About(
        **facts,
        date=datetime.now(UTC).isoformat(timespec='seconds'),
        files={'list': relative_to_here(out / LIST)},
        notes=[f'{name}: {value}' for name, value in settings.items()],
    )
    files = files_of(sources)
    write_duplicates_report(
        out / PAGE, found, files, each=args.pictures, about=about, progress=tell
    )


def files_of(sources: Sequence[Source]) -> dict[tuple[str, str], Any]:
    """(split, entry) -> name of an image -> its path."""
    return {(s.place.split, s.place.entry): s.files for s in sources}


def show(found: Duplicates, sources: Sequence[Source]) -> None:
    """What was found; leaks first, and what cannot be read last."""
    from hpemap_mm.completion.duplicates.counts import common_images, leaked_images
    from hpemap_mm.engine.duplicates_report import answer

    for (_, entry), count in leaked_images(found).items():
        print(f'LEAK: {count} images of training entry {entry!r} are in val or test, too')
    if found.leaked:
        print(f"      train without them: train_dataloader.dataset.exclude='.../{LIST}'")
    print(answer(found))
    common = common_images(found, files_of(sources))
    if common:
        table = Table()
        for name in ('', 'first', 'second'):
            table.add_column(name)
        for name in ('images of the first', 'of the second', 'the same files'):
            table.add_column(name, justify='right')
        for row in common:
            counts = map(str, (row.of_first, row.of_second, row.same_file))
            table.add_row('LEAK' if row.leaks else '', str(row.first), str(row.second), *counts)
        Console(width=max(100, Console().width)).print(table)
    for what, remarks in (
        ('cannot be read, and were not compared', found.unreadable),
        ('show nothing to compare: by their bytes only', found.by_bytes_only),
    ):
        if remarks:
            print(f'{len(remarks)} images {what}:')
        for member, remark in list(remarks.items())[:SHOWN]:
            print(f'  {member.split} {member.entry}: {member.image}: {remark}')
        if len(remarks) > SHOWN:
            print(f'  ... and {len(remarks) - SHOWN} more, in {LIST}')


if __name__ == '__main__':
    run_tool(main)
