"""Every skeleton of every person: python tools/complete_dataset.py CONFIG [CHECKPOINT] --out DIR.

For every annotated person of every entry: the annotation as it is, what follows from it, what a
translator makes of it, and what a model says from the image.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hpemap_mm  # noqa: F401 - prepares MMPose before anything imports it
from hpemap_mm.commandline import relative_to_here, run_tool
from hpemap_mm.engine.launch import LAUNCHERS
from hpemap_mm.errors import DataError, Problem

#: Signals that end the tool, with a folder that it goes on with. Windows lacks the last one.
STOPPING = ('SIGINT', 'SIGTERM', 'SIGHUP')


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, complete, say what came out."""
    args = build_parser().parse_args(argv)
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError:
        what, fix = 'is not installed, and completed.parquet needs it', 'pip install pyarrow'
        raise DataError([Problem('pyarrow', what, fix)]) from None
    from hpemap_mm.engine.completion_ranks import ranks_of
    from hpemap_mm.engine.completion_run import Completion
    from hpemap_mm.engine.completion_settings import read_settings

    ranks = ranks_of(args.launcher)
    config, settings = read_settings(
        args.config,
        args.checkpoints,
        options=args.cfg_options,
        threads=args.threads,
        shard_size=args.shard_size,
    )
    workers = args.workers
    if workers is None:
        loader = config.get('val_dataloader', {})
        workers = max(1, min(loader.get('num_workers', 2), os.cpu_count() or 1))
    with stopping(args.out), disk_errors(args.out):
        outcome = Completion(
            settings,
            args.out,
            config_text=lambda: config.pretty_text,
            ranks=ranks,
            workers=workers,
            page=not args.no_page,
        ).run()
    if ranks.first:
        tell(outcome, settings, args.out)
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(
        description='Give every annotated person of every entry every skeleton, each joint with '
        'its provenance and standard deviation.',
        epilog='DIR gets a COCO-style json for each skeleton, completed.parquet, index.html and '
        'calibration.json. Where it was stopped, the same command goes on, to the same bytes. '
        'On several GPUs or machines: torchrun ... --launcher pytorch, with a DIR that all see.',
    )
    add = parser.add_argument
    add('config', type=Path, help="a model's config with completion=dict(...): configs/completion")
    text = (
        "weights of the config's model, or CONFIG.py:FILE for weights of another's; of several "
        'models the mean is taken, by uncertainty; without any nothing is predicted'
    )
    add('checkpoints', metavar='checkpoint', nargs='*', help=text)
    add('--out', type=Path, metavar='DIR', required=True, help='a new folder, or one to go on with')
    text = 'processes that load images ahead of the model; 0 for none (default: as the val loader)'
    add('--workers', type=int, metavar='N', help=text)
    text = (
        'threads of the model on a CPU (default 1). They change the last bits of what is '
        'predicted, so a run goes on only with as many as it began with. To use more cores with '
        'the same bytes, start more processes by torchrun'
    )
    add('--threads', type=int, default=1, metavar='N', help=text)
    text = 'persons that are written, and lost by a kill, at a time, in whole batches (default 512)'
    add('--shard-size', type=int, default=512, metavar='N', help=text)
    add('--no-page', action='store_true', help='leave index.html out')
    text = 'pytorch under torchrun, slurm under srun (default: one process)'
    add('--launcher', choices=LAUNCHERS, default='none', help=text)
    text = 'override the config, as in completion.max_std=0.1'
    add('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help=text)
    return parser


@contextmanager
def stopping(out: Path) -> Iterator[None]:
    """Let signals that end the tool raise, and say that it can go on."""
    hint = f'{relative_to_here(out)} is kept: the same command goes on where this one stopped\n'

    def stop(number: int, frame: Any) -> None:
        for known in before:  # not again while processes are being ended
            signal.signal(known, signal.SIG_IGN)
        sys.stderr.write(hint)
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
def disk_errors(out: Path) -> Iterator[None]:
    """Tell a full disk as what it is."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        fix = 'make room; the same command goes on where this one stopped'
        where = str(error.filename or out)
        raise DataError([Problem(where, f'there is no room: {error.strerror}', fix)]) from error


def tell(outcome: Any, settings: Any, out: Path) -> None:
    """A few lines on what came out."""
    from hpemap_mm.persons.provenance import NONE, PROVENANCE

    plan = outcome.plan
    print(f'{plan.persons} persons of {len(plan.entries)} entries, {plan.images} images')
    if outcome.tally is None:
        print(f'complete already: {relative_to_here(out)}')
        return
    for name in settings.skeletons:
        counts = outcome.tally.joints(name).sum(axis=0)
        total = counts.sum()
        filled = 100 * (total - counts[NONE]) / total
        kinds = ', '.join(
            f'{100 * counts[code] / total:.1f}% {kind}'
            for code, kind in enumerate(PROVENANCE)
            if code != NONE and counts[code]
        )
        print(f'{name}: {filled:.1f}% of the joints ({kinds or "none"})')
    if plan.left_out:
        listed = relative_to_here(out / 'left_out.tsv')
        noun = 'person is' if plan.left_out == 1 else 'persons are'
        print(f'{plan.left_out} annotated {noun} not in it: {listed} says why')
    if outcome.unread:
        listed = relative_to_here(out / 'unread.tsv')
        print(f'{outcome.unread} persons without a prediction, their images are bad: {listed}')
    if outcome.rate is not None:
        print(f'{outcome.rate:.0f} persons a second')
    print(f'written: {relative_to_here(out)}')


if __name__ == '__main__':
    run_tool(main)
