"""Train a model: python tools/train.py CONFIG."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import hpemap_mm  # noqa: F401 - prepares MMPose before anything imports it
from hpemap_mm.commandline import relative_to_here, run_tool
from hpemap_mm.engine.launch import add_run_arguments, load_config, use_amp


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, build the runner, train, print the scores."""
    parser = argparse.ArgumentParser(description='Train a pose model.')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='for logs and checkpoints (default: work_dirs/CONFIG)')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint; without one, from the newest in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    add_run_arguments(parser)
    args = parser.parse_args(argv)

    from mmengine.dist import is_main_process

    from hpemap_mm.engine import PoseRunner, find_resumable
    from hpemap_mm.engine.scores import render, score_tables

    config = load_config(
        args.config, options=args.cfg_options, launcher=args.launcher, work_dir=args.work_dir
    )
    if args.amp:
        use_amp(config)
    if args.resume is not None:
        checkpoint = find_resumable(config.work_dir) if args.resume == 'auto' else Path(args.resume)
        if checkpoint is None:
            print(f'nothing to resume in {config.work_dir}: training starts from the beginning')
        else:
            config.resume, config.load_from = True, str(checkpoint)

    runner = PoseRunner.from_cfg(config)
    runner.train()
    if is_main_process():
        tables = score_tables(runner.val_evaluator) if runner.val_loop is not None else {}
        if tables:
            print(render(tables, 'Validation after the last epoch, PCK in per cent'))
        last = find_resumable(runner.work_dir)
        if last is not None:
            print(f'checkpoint: {relative_to_here(last)}')
    return 0


if __name__ == '__main__':
    run_tool(main)
