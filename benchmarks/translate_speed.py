"""How many persons a second do the translators translate, in batches?

Random persons of full skeletons, float32 arrays in and out (points, uncertainty, origins), in
turn, so that a machine that drifts slows all of them.

    python benchmarks/translate_speed.py [--persons 200000] [--rounds 7]
"""

from __future__ import annotations

import argparse

import numpy as np
from _common import in_turn, publish, summary, table

from hpemap_mm.engine.launch import load_config
from hpemap_mm.registry import MODELS
from hpemap_mm.translators import registered  # noqa: F401 - registers

CONFIGS = ('remap', 'affine', 'residual_60e', 'mlp_60e')


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--persons', type=int, default=200_000)
    parser.add_argument('--rounds', type=int, default=7)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    cases = {}
    for name in CONFIGS:
        config = load_config(f'configs/translators/{name}_coco-to-mpii.py').model
        # Speed does not depend on the weights, nor on a shift of nothing; both are left as built.
        model = MODELS.build({**config, 'correct_shift': False})
        model.calibration.gains.fill_(1.0)
        points = rng.normal(300, 80, (args.persons, len(model.source), 2)).astype(np.float32)
        cases[name] = lambda model=model, points=points: model(points)
    seconds = in_turn(cases, rounds=args.rounds, warmup=2)
    rows, results = [], {}
    for name, found in seconds.items():
        rates = summary([args.persons / second / 1e6 for second in found])
        results[name] = rates
        spread = f'{rates["min"]:.2f} to {rates["max"]:.2f}'
        rows.append([name, f'{rates["median"]:.2f}', spread])
    text = table(['translator', 'million persons/s', 'spread'], rows)
    publish('translate_speed', 'Translating in batches', text, {'millions': results})


if __name__ == '__main__':
    main()
