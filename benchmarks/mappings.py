"""Does a mapping exist? The tables of docs/findings/translations.md, from what tools/test.py wrote.

python benchmarks/mappings.py DIR/scores.json [DIR/scores.json ...]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from _common import publish, table


def main() -> None:
    """Read, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('scores', nargs='+', type=Path)
    args = parser.parse_args()
    parts, results = [], {}
    for file in args.scores:
        scores = json.loads(file.read_text(encoding='utf-8'))
        for found in scores['mapping'].values():
            title = f'{found["source"]} to {found["target"]}'
            if title in results:
                continue  # the first file that has a pair of skeletons speaks for it
            results[title] = found
            parts.append(f'## {title}, {scores["config"]}\n\n{joints(found)}')
    publish('mappings', 'Does a mapping exist?', '\n\n'.join(parts), results)


def joints(found: dict[str, Any]) -> str:
    """One row for each joint of the target."""
    rows = []
    names: list[str] = []
    for joint, own in found['joints'].items():
        names = names or [name for name in own['ways'] if name != 'remap']
        rows.append(
            [
                joint,
                own['relation'],
                *(shown(own['ways'].get(name)) for name in ('remap', *names)),
                shown(own['constant']),
                number(own['noise']['median']),
                '-' if own['explained'] is None else f'{100 * own["explained"]:.0f}%',
                own['verdict'],
            ]
        )
    head = ['joint', 'ontology', 'remap', *names, 'constant', 'noise', 'explained', 'verdict']
    unit = 'head sizes' if found['unit'] == 'head' else "the joints' extent"
    return table(head, rows) + f'\n\nMedian errors in {unit}, with 95% intervals.'


def shown(errors: dict[str, Any] | None) -> str:
    """Median with its interval."""
    if errors is None or errors['median']['value'] is None:
        return '-'
    median = errors['median']
    if median['low'] is None:
        return number(median['value'])
    return f'{number(median["value"])} [{number(median["low"])}, {number(median["high"])}]'


def number(value: float | None) -> str:
    """Three digits."""
    return '-' if value is None else f'{value:.3f}'


if __name__ == '__main__':
    main()
