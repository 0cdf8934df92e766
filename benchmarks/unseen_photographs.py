"""Does learning two datasets together help, on photographs that were not trained on?

The same network, number of steps and batch size for every arm: a multi-head, a union and a concat
model on COCO's subset and Leeds Sports Pose Extended together, and each dataset alone. Each is
trained by tools/train.py and scored by tools/test.py on the two validation sets. An arm that is
done is not run again, and one that was stopped goes on from its last epoch.

    python benchmarks/unseen_photographs.py [--work-dir work_dirs/unseen] [--epochs 6] [--seeds 1]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from _common import publish, table

ROOT = Path(__file__).resolve().parents[1]
ARMS = {
    'COCO alone': 'single/single_micro_8e_coco-subset_128x128.py',
    'LSPET alone': 'single/single_micro_8e_lspet_128x128.py',
    'multi-head': 'multihead/multihead_micro_8e_coco-subset_lspet_128x128.py',
    'union': 'union/union_micro_8e_coco-subset_lspet_128x128.py',
    'concat': 'concat/concat_micro_8e_coco-subset_lspet_128x128.py',
}
COLUMNS = [
    (entry, metric)
    for entry in ('coco_subset_val', 'lspet_val')
    for metric in ('PCK@0.05_bbox', 'PCK@0.1_bbox', 'PCK@0.2_torso')
]


def run_arm(name: str, work_dir: Path, epochs: int, seed: int) -> dict[str, object]:
    """Train and test one arm, unless that is done; gives its scores and its training time."""
    done = work_dir / 'arm.json'
    if done.exists():
        return json.loads(done.read_text())
    config = ROOT / 'configs' / ARMS[name]
    options = [
        '--cfg-options',
        f'randomness.seed={seed}',
        f'train_cfg.max_epochs={epochs}',
        f'train_cfg.val_interval={epochs}',
        f'param_scheduler.1.end={epochs}',
    ]
    print(f'== {name}, seed {seed}: training', flush=True)
    start = time.perf_counter()
    resumed = any(work_dir.glob('epoch_*.pth'))
    _tool('train', config, '--work-dir', work_dir, '--resume', *options)
    seconds = None if resumed else time.perf_counter() - start
    checkpoint = work_dir / f'epoch_{epochs}.pth'
    _tool('test', config, checkpoint, '--out', work_dir / 'test', '--pictures', 4)
    scores = json.loads((work_dir / 'test' / 'scores.json').read_text())['entries']
    arm = {
        'seconds': seconds,
        'scores': {
            entry: {name: figures['mean'] for name, figures in row['metrics'].items()}
            for entry, row in scores.items()
        },
    }
    done.write_text(json.dumps(arm, indent=2))
    return arm


def _tool(name: str, *arguments: object) -> None:
    command = [sys.executable, '-W', 'ignore', str(ROOT / 'tools' / f'{name}.py')]
    subprocess.run([*command, *map(str, arguments)], check=True, env=os.environ, cwd=ROOT)


def main() -> None:
    """Run every arm, print the table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/unseen'))
    parser.add_argument('--epochs', type=int, default=6, help='of 100 steps of 16 persons')
    parser.add_argument('--seeds', type=int, default=1)
    parser.add_argument(
        '--arms',
        nargs='+',
        choices=list(ARMS),
        default=[name for name in ARMS if name != 'concat'],
        help='(default: all but concat)',
    )
    args = parser.parse_args()
    results: dict[str, list[dict[str, object]]] = {name: [] for name in args.arms}
    for seed in range(args.seeds):
        for name in args.arms:
            folder = (
                args.work_dir.absolute() / f'{args.epochs}e_seed{seed}' / name.replace(' ', '-')
            )
            results[name].append(run_arm(name, folder, args.epochs, seed))
    rows = []
    for name, arms in results.items():
        times = [arm['seconds'] for arm in arms if arm['seconds'] is not None]
        cells = [
            _cell([arm['scores'].get(entry, {}).get(metric) for arm in arms])
            for entry, metric in COLUMNS
        ]
        rows.append([name, *cells, f'{statistics.median(times) / 60:.1f} min' if times else '-'])
    short = [
        f'{"COCO" if entry.startswith("coco") else "LSPET"} {metric.replace("PCK", "")}'
        for entry, metric in COLUMNS
    ]
    notes = (
        f'PCK in per cent on {len(COLUMNS) // 2} thresholds for each validation set (367 persons '
        f'of COCO, 506 of LSPET; boxes of the truth, flip test); {100 * args.epochs} steps of 16 '
        f'persons, {args.seeds} seed(s)'
        + (', mean and half of the range' if args.seeds > 1 else '')
        + '. Two datasets share the steps, so each of them is seen half as often as alone.'
    )
    publish(
        'unseen_photographs',
        'Two datasets together, against each alone, on unseen photographs',
        table(['arm', *short, 'training'], rows) + f'\n\n{notes}',
        {'epochs': args.epochs, 'seeds': args.seeds, 'arms': results},
    )


def _cell(values: list[float | None]) -> str:
    if any(value is None for value in values):
        return '-'
    mean = f'{100 * statistics.fmean(values):.1f}'
    return mean if len(values) == 1 else f'{mean} ± {50 * (max(values) - min(values)):.1f}'


if __name__ == '__main__':
    main()
