"""Score a model and draw its predictions: python tools/test.py CONFIG CHECKPOINT."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import hpemap_mm  # noqa: F401 - prepares MMPose before anything imports it
from hpemap_mm.commandline import relative_to_here, run_tool
from hpemap_mm.engine.launch import add_run_arguments, load_config


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, test, print the table, write scores.json and the pictures."""
    parser = argparse.ArgumentParser(description='Score a pose model, draw its predictions.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='weights, as train.py writes them')
    parser.add_argument('--out', metavar='DIR', help='(default: work_dirs/CONFIG/test)')
    parser.add_argument(
        '--pictures', type=int, default=6, metavar='N', help='per dataset, 0 for none (default 6)'
    )
    add_run_arguments(parser)
    args = parser.parse_args(argv)

    from mmengine.dist import is_main_process

    from hpemap_mm.engine import PoseRunner
    from hpemap_mm.engine.pictures import draw_predictions
    from hpemap_mm.engine.scores import render, score_tables, write_scores

    config = load_config(args.config, options=args.cfg_options, launcher=args.launcher)
    out = Path(args.out or Path(config.work_dir) / 'test')
    config.work_dir = str(out)
    config.resume, config.load_from = False, args.checkpoint

    runner = PoseRunner.from_cfg(config)
    runner.test()
    if is_main_process():
        tables = score_tables(runner.test_evaluator)
        print(render(tables, 'PCK in per cent, each dataset in its own skeleton'))
        scores = out / 'scores.json'
        write_scores(scores, tables, config=args.config, checkpoint=args.checkpoint)
        print(f'scores:   {relative_to_here(scores)}')
        if args.pictures:
            folder = out / 'pictures'
            model = getattr(runner.model, 'module', runner.model)
            count = draw_predictions(
                model, runner.test_dataloader.dataset, folder, per_entry=args.pictures
            )
            print(f'pictures: {relative_to_here(folder)} ({count})')
    return 0


if __name__ == '__main__':
    run_tool(main)
