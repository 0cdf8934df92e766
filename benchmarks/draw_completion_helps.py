"""Draw docs/images/completion-helps.png from what completion_helps.py measured.

python benchmarks/draw_completion_helps.py [--results FILE.json] [--out FILE.png]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use('Agg')
from matplotlib import pyplot as plt

from hpemap_mm.files import atomic_path

ROOT = Path(__file__).resolve().parents[1]
#: Panels: heading of the figure, title, what it says.
PANELS = (
    ('COCO @0.1 bbox', "COCO's photographs", 'answered as COCO'),
    ('LSPET @0.1 bbox', "LSPET's photographs", 'answered as LSP'),
    ('COCO from lsp @0.1 bbox', "COCO's photographs", 'answered as LSP'),
    ('LSPET from coco @0.1 bbox', "LSPET's photographs", 'answered as COCO'),
)
#: One dataset alone; no difference shown; better and worse than what the arm is compared with.
GREY, BLUE, BETTER, WORSE = '#767676', '#33658a', '#2a7f3f', '#b3402a'


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add('--results', type=Path, default=ROOT / 'benchmarks' / 'results' / 'completion_helps.json')
    add('--out', type=Path, default=ROOT / 'docs' / 'images' / 'completion-helps.png')
    args = parser.parse_args()
    found = json.loads(args.results.read_text(encoding='utf-8'))
    figure = draw(found['figures'], found['differences'])
    with atomic_path(args.out) as partial:
        figure.savefig(partial, format='png', dpi=150)
    print(args.out)


def draw(figures: dict[str, Any], differences: dict[str, Any]) -> plt.Figure:
    """A panel for each question, a row for each arm."""
    arms = list(figures)
    against = {key.split(' - ')[0]: (key.split(' - ')[1], value) for key, value in
               differences.items()}  # fmt: skip
    figure, axes = plt.subplots(
        1, len(PANELS), figsize=(12, 0.9 + 0.42 * len(arms)), sharey=True, layout='constrained'
    )
    for axis, (heading, title, answer) in zip(axes, PANELS, strict=True):
        for row, arm in enumerate(arms):
            value = figures[arm].get(heading)
            if value is None:
                axis.text(0.03, row, 'does not answer', va='center', fontsize=8, color=GREY,
                          transform=axis.get_yaxis_transform())  # fmt: skip
                continue
            colour = GREY if arm.endswith('alone') else BLUE
            if arm in against:
                gap = against[arm][1].get(heading)
                if gap is not None and gap['low'] > 0:
                    colour = BETTER
                elif gap is not None and gap['high'] < 0:
                    colour = WORSE
            low, mid, high = (100 * value[key] for key in ('low', 'value', 'high'))
            axis.plot([low, high], [row, row], color=colour, lw=2, solid_capstyle='butt')
            axis.plot(mid, row, 'o', color=colour, ms=6)
            axis.annotate(f'{mid:.1f}', (mid, row), (0, 6), textcoords='offset points',
                          ha='center', fontsize=8, color=colour)  # fmt: skip
        axis.set_title(f'{title}\n{answer}', fontsize=10)
        axis.set_xlabel('PCK@0.1 of the box, %', fontsize=9)
        axis.tick_params(labelsize=8)
        axis.tick_params(axis='y', left=False)
        axis.grid(axis='x', alpha=0.3)
        for side in ('top', 'right', 'left'):
            axis.spines[side].set_visible(False)
    axes[0].set_yticks(range(len(arms)), [label(arm, against) for arm in arms], fontsize=9)
    axes[0].set_ylim(len(arms) - 0.5, -0.7)
    figure.supxlabel(
        'Green: better than what the arm is compared with (in brackets), red: worse, by intervals '
        'of the difference without 0. Blue: no difference shown. Grey: one dataset alone.',
        fontsize=8.5,
    )
    return figure


def label(arm: str, against: dict[str, Any]) -> str:
    """An arm's name with what it is compared with."""
    return f'{arm} (vs. {against[arm][0]})' if arm in against else arm


if __name__ == '__main__':
    main()
