"""Do targets, routing, flips and decoding agree on real files? An overfit, and called so.

A multi-head, a union and a concat model are each trained on a few annotated photographs of COCO,
MPII and AIC, and scored on the same photographs, each dataset in its own skeleton.

    python benchmarks/overfit_real.py [--work-dir work_dirs/overfit]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from _common import publish, table

ROOT = Path(__file__).resolve().parents[1]
ENTRIES = ('real_coco', 'real_mpii', 'real_aic')
METRIC = 'PCK@0.05_bbox'
GOAL = 0.95


def main() -> None:
    """Train and score the three, print the table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/overfit'))
    args = parser.parse_args()
    rows, results = [], {}
    for kind in ('multihead', 'union', 'concat'):
        config = f'configs/{kind}/{kind}_micro_40e_real_128x128.py'
        work_dir = args.work_dir.absolute() / kind
        start = time.perf_counter()
        _tool('train', config, '--work-dir', work_dir)
        seconds = time.perf_counter() - start
        _tool('test', config, work_dir / 'epoch_40.pth', '--out', work_dir / 'test')
        entries = json.loads((work_dir / 'test' / 'scores.json').read_text())['entries']
        scores = {entry: entries[entry]['metrics'][METRIC]['mean'] for entry in ENTRIES}
        results[kind] = {'seconds': seconds, 'scores': scores}
        rows.append(
            [kind, *(f'{100 * scores[entry]:.1f}' for entry in ENTRIES), f'{seconds / 60:.1f} min']
        )
    reached = all(s >= GOAL for arm in results.values() for s in arm['scores'].values())
    notes = (
        f'{METRIC} in per cent on the 12, 5 and 9 persons that were trained on: an overfit. '
        f'Goal: {100 * GOAL:.0f} everywhere; {"reached" if reached else "NOT reached"}.'
    )
    publish(
        'overfit_real',
        'An overfit on real photographs of three datasets',
        table(['model', 'COCO', 'MPII', 'AIC', 'training'], rows) + f'\n\n{notes}',
        {'metric': METRIC, 'goal': GOAL, 'models': results},
    )


def _tool(name: str, *arguments: object) -> None:
    command = [sys.executable, '-W', 'ignore', str(ROOT / 'tools' / f'{name}.py')]
    subprocess.run([*command, *map(str, arguments)], check=True, env=os.environ, cwd=ROOT)


if __name__ == '__main__':
    main()
