"""Score a model on every dataset, in every skeleton: python tools/test.py CONFIG CHECKPOINT."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hpemap_mm  # noqa: F401 - prepares MMPose before anything imports it
from hpemap_mm.commandline import command_line, relative_to_here, run_tool
from hpemap_mm.engine.launch import add_run_arguments, load_config
from hpemap_mm.errors import DataError, Problem

if TYPE_CHECKING:
    from mmengine.runner import Runner


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, test, print the matrix, write scores.json, the report and the pictures."""
    parser = argparse.ArgumentParser(description='Score a pose model, draw its predictions.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='weights, as train.py writes them')
    parser.add_argument('--out', metavar='DIR', help='(default: work_dirs/CONFIG/test)')
    parser.add_argument(
        '--pictures', type=int, default=6, metavar='N', help='per dataset, 0 for none (default 6)'
    )
    parser.add_argument(
        '--report-pictures',
        type=int,
        default=3,
        metavar='N',
        help='best, worst and random persons of each dataset in report.html (default 3 each)',
    )
    parser.add_argument(
        '--dump-predictions',
        action='store_true',
        help='write predictions/, which tools/evaluate.py reads',
    )
    add_run_arguments(parser)
    args = parser.parse_args(argv)

    from mmengine.dist import is_main_process

    from hpemap_mm.engine import CrossMatrixHook, PoseRunner
    from hpemap_mm.engine.pictures import draw_predictions
    from hpemap_mm.engine.progress import ProgressHook
    from hpemap_mm.engine.scores import cross_evaluators, score_tables
    from hpemap_mm.models import AnsweringPoseEstimator

    config = load_config(args.config, options=args.cfg_options, launcher=args.launcher)
    out = Path(args.out or Path(config.work_dir) / 'test')
    config.work_dir = str(out)
    config.resume, config.load_from = False, args.checkpoint

    runner = PoseRunner.from_cfg(config)
    if len(cross_evaluators(runner.test_evaluator)) > 1:
        what = 'test_evaluator has several CrossEvaluators; a report is of one'
        raise DataError([Problem(args.config, what, 'give one for all entries')])
    if not any(isinstance(hook, CrossMatrixHook) for hook in runner.hooks):
        runner.register_hook(CrossMatrixHook())
    progress = ProgressHook()
    runner.register_hook(progress)
    try:
        runner.test()
    finally:
        progress.close()
    if is_main_process():
        tables = score_tables(runner.test_evaluator)
        _publish(runner, tables, out, args)
        model = getattr(runner.model, 'module', runner.model)
        # A translator sees no photographs.
        if args.pictures and isinstance(model, AnsweringPoseEstimator):
            folder = out / 'pictures'
            count = draw_predictions(
                model, runner.test_dataloader.dataset, folder, per_entry=args.pictures
            )
            print(f'pictures: {relative_to_here(folder)} ({count})')
    return 0


def _publish(runner: Runner, tables: dict, out: Path, args: argparse.Namespace) -> None:
    """Print the tables; write scores.json, report.html and predictions/."""
    from hpemap_mm.analysis.matrix_text import render_matrix
    from hpemap_mm.engine.run_report import write_test_report
    from hpemap_mm.engine.scores import cross_evaluators, dump_predictions, render, write_scores
    from hpemap_mm.engine.translator_scores import Findings

    findings = getattr(runner.test_loop, 'findings', None)
    translates = findings is not None
    findings = findings or Findings()
    metrics = cross_evaluators(runner.test_evaluator)
    for metric in metrics:
        if metric.matrix is not None:
            title = 'In per cent, with 95% intervals over images; each dataset in its own figure'
            print(render_matrix(metric.matrix, title=title))
    if translates:
        print(findings.render())
    if tables:
        print(render(tables, 'PCK in per cent, each dataset in its own skeleton'))
    scores = out / 'scores.json'
    matrix = metrics[0].matrix if metrics else None
    about = {'config': args.config, 'checkpoint': args.checkpoint, **findings.to_json()}
    write_scores(scores, tables, matrix=matrix, **about)
    print(f'scores:   {relative_to_here(scores)}')
    if not metrics:
        return
    if args.dump_predictions:
        folder = out / 'predictions'
        written = dump_predictions(folder, metrics[0])
        print(f'predictions: {relative_to_here(folder)} ({len(written)} files)')
    page = write_test_report(
        out / 'report.html',
        metrics[0],
        title=f'{Path(args.config).stem} on {len(metrics[0].truths)} datasets',
        each=0 if translates else args.report_pictures,
        command=command_line(),
        config=runner.cfg.pretty_text,
        files={'config': str(args.config), 'checkpoint': str(args.checkpoint)},
        more=findings.sections(),
        **({'notes': ()} if translates else {}),
    )
    print(f'report:   {relative_to_here(page)}')


if __name__ == '__main__':
    run_tool(main)
