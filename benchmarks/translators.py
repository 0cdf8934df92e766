"""How good are the translators from COCO to MPII, beside one another?

Trains every row anew, in turn, with several seeds, on ViTPose-B's COCO predictions for persons of
MPII train (split by image), and scores them on the test part that nothing was tuned on: PCKh over
MPII's 14 joints (an unanswered joint is wrong), clean, with 30% of the source's joints missing,
and with 10% of them thrown about; how well the uncertainty is calibrated.

    HPEMAP_DATA=... python benchmarks/translators.py [--seeds 3] [--rows remap affine residual]
    HPEMAP_DATA=... python benchmarks/translators.py --bounds   # what more data or size would give
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from _common import publish, table

from hpemap_mm.apis import load_translator
from hpemap_mm.engine.launch import load_config
from hpemap_mm.evaluation.pckh import counted_joints, pckh
from hpemap_mm.files import write_json
from hpemap_mm.registry import DATASETS
from hpemap_mm.skeletons import correspondences, get_skeleton
from hpemap_mm.translators.corruption import Corruption
from hpemap_mm.translators.source_shift import SourceShift

CONFIGS = 'configs/translators'
#: Rows of the table: config and checkpoint, whether the seed matters, more options.
ROWS = {
    'remap': ('remap_coco-to-mpii', 'epoch_1', False),
    'affine': ('affine_coco-to-mpii', 'epoch_1', False),
    'mlp': ('mlp_60e_coco-to-mpii', 'epoch_60', True),
    'residual': ('residual_60e_coco-to-mpii', 'epoch_60', True),
    'acae': ('acae_60e_coco-mpii-crowdpose-lsp', 'epoch_60', True),
}
CONDITIONS = {
    'clean': None,
    '30% missing': Corruption(name='30% missing', missing=0.3),
    '10% thrown': Corruption(name='10% thrown', thrown=0.1),
}
WORK = Path('work_dirs') / 'benchmark_translators'


def main() -> None:
    """Train, score, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=list(ROWS))
    parser.add_argument('--once', nargs='*', choices=ROWS, default=[], help='rows of one seed only')
    parser.add_argument('--bounds', action='store_true')
    parser.add_argument('--keep', action='store_true', help='take what an earlier run trained')
    args = parser.parse_args()
    if args.bounds:
        return bounds(keep=args.keep)
    pairs = test_pairs()
    found: dict[str, list[dict[str, Any]]] = {}
    for row in args.rows:
        config, checkpoint, seeded = ROWS[row]
        for seed in range(args.seeds if seeded and row not in args.once else 1):
            options = {'randomness.seed': seed}
            folder, seconds = train(config, f'{row}_{seed}', options, keep=args.keep)
            result = score(config, folder / f'{checkpoint}.pth', pairs)
            found.setdefault(row, []).append({'seed': seed, 'seconds': seconds, **result})
    publish('translators', 'Translators from COCO to MPII', report(found, pairs), {'rows': found})
    return None


def train(
    config: str, name: str, options: dict[str, Any], *, keep: bool = False
) -> tuple[Path, float]:
    """Train in a process of its own, as a user would: work dir and seconds."""
    folder = WORK / name
    clock = folder / 'seconds.json'
    if keep and clock.is_file():
        return folder, json.loads(clock.read_text(encoding='utf-8'))
    command = [sys.executable, '-W', 'ignore', 'tools/train.py', f'{CONFIGS}/{config}.py']
    command += ['--work-dir', str(folder), '--cfg-options']
    command += [f'{key}={value}' for key, value in options.items()]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f'{" ".join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}')
    sys.stderr.write(f'{name}: {seconds:.0f} s\n')
    write_json(clock, seconds)
    return folder, seconds


def test_pairs() -> Any:
    """The test part, as it is in the file: its sideways shift is the translators' affair."""
    config = load_config(f'{CONFIGS}/remap_coco-to-mpii.py')
    return DATASETS.build(config.test_dataloader.dataset).pairs


def answers(
    config: str, checkpoint: Path, keypoints: np.ndarray, options: dict[str, Any] | None = None
) -> Any:
    """What a checkpoint says; the autoencoder was trained without the file's shift."""
    path = load_config(f'{CONFIGS}/{config}.py', options=options)
    if config != ROWS['acae'][0]:
        return load_translator(path, checkpoint)(keypoints)
    translator = load_translator(path, checkpoint, source='coco', target='mpii')
    return translator(file_shift().corrected(keypoints))


@cache
def file_shift() -> SourceShift:
    """The sideways shift of the file, measured on the training part."""
    config = load_config(f'{CONFIGS}/remap_coco-to-mpii.py')
    pairs = DATASETS.build(config.train_dataloader.dataset).pairs
    shift = SourceShift()
    shift.fit(pairs.source, pairs.target.skeleton, pairs.keypoints, pairs.target_points)
    return shift


def score(
    config: str, checkpoint: Path, pairs: Any, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Figures of one checkpoint under every condition, in per cent."""
    truth = pairs.target
    counted = counted_joints(truth.skeleton)
    shared = [record.relation == 'same' for record in correspondences(pairs.source, truth.skeleton)]
    result: dict[str, Any] = {}
    for name, corruption in CONDITIONS.items():
        keypoints = pairs.keypoints if corruption is None else corruption(pairs.keypoints, 0)
        answer = answers(config, checkpoint, keypoints, options)
        found = pckh(
            np.where(answer.answered[..., None], answer.keypoints, np.nan),
            truth.keypoints,
            truth.valid,
            truth.head_sizes,
            truth.skeleton,
        )
        joints = dict(
            zip(truth.skeleton.joints, (100 * found.per_joint(0.5)).tolist(), strict=True)
        )
        own = found.correct(0.5)[:, shared].sum() / found.scored[:, shared].sum()
        result[name] = {
            'pckh@0.5': 100 * found.mean(0.5),
            'pckh@0.1': 100 * found.mean(0.1),
            'shared@0.5': 100 * float(own),
            'joints@0.5': joints,
            **uncertainty(answer, found, truth, counted),
        }
    return result


def uncertainty(answer: Any, found: Any, truth: Any, counted: np.ndarray) -> dict[str, float]:
    """Coverage of regions, and PCKh@0.5 of the surest nine tenths; in per cent."""
    if answer.radii is None:
        return {}
    distance = np.linalg.norm(answer.keypoints - truth.keypoints, axis=-1)
    known = truth.valid & answer.answered & np.isfinite(answer.sigmas)
    result = {
        f'coverage@{level}': 100 * float((distance <= answer.radius(level / 100))[known].mean())
        for level in (50, 80, 95)
    }
    # Sure in the person's own size, which needs no truth: the extent of the answer.
    extent = np.nanmax(answer.keypoints, 1) - np.nanmin(answer.keypoints, 1)
    doubt = answer.sigmas / np.linalg.norm(extent, axis=-1)[:, None]
    usable = found.scored & counted & np.isfinite(doubt)
    kept = usable & (doubt <= np.quantile(doubt[usable], 0.9))
    correct = found.correct(0.5)
    result['all@0.5'] = 100 * float(correct[usable].mean())
    result['surest90@0.5'] = 100 * float(correct[kept].mean())
    return result


def report(found: dict[str, list[dict[str, Any]]], pairs: Any) -> str:
    """The tables."""

    def mean(runs: list[dict[str, Any]], *keys: str) -> str:
        values = []
        for run in runs:
            value: Any = run
            for key in keys:
                value = value.get(key) if isinstance(value, dict) else None
            if value is None or value != value:
                return '-'
            values.append(value)
        spread = f' ± {statistics.stdev(values):.2f}' if len(values) > 1 else ''
        return f'{statistics.mean(values):.2f}{spread}'

    head = ['', '@0.5', '@0.1', 'shared 12 @0.5', 'head_top @0.5', 'upper_neck @0.5', 'training, s']
    rows = [
        [
            name,
            mean(runs, 'clean', 'pckh@0.5'),
            mean(runs, 'clean', 'pckh@0.1'),
            mean(runs, 'clean', 'shared@0.5'),
            mean(runs, 'clean', 'joints@0.5', 'head_top'),
            mean(runs, 'clean', 'joints@0.5', 'upper_neck'),
            f'{statistics.median(run["seconds"] for run in runs):.0f}',
        ]
        for name, runs in found.items()
    ]
    text = table(head, rows)
    rows = [
        [name, *(mean(runs, c, f) for c in list(CONDITIONS)[1:] for f in ('pckh@0.5', 'pckh@0.1'))]
        for name, runs in found.items()
    ]
    head = ['', '30% missing @0.5', '@0.1', '10% thrown @0.5', '@0.1']
    text += '\n\nWith a damaged source:\n\n' + table(head, rows)
    rows = [
        [name, condition]
        + [mean(runs, condition, f'coverage@{level}') for level in (50, 80, 95)]
        + [mean(runs, condition, key) for key in ('all@0.5', 'surest90@0.5')]
        for name, runs in found.items()
        for condition in CONDITIONS
    ]
    head = ['', 'source', 'in 50%', 'in 80%', 'in 95%', 'answered @0.5', 'surest 90% @0.5']
    text += '\n\nRegions (share of joints within them), and what is left of doubt:\n\n'
    text += table(head, rows)
    if 'remap' in found:
        text += '\n\n' + against_remap(found)
    shape = f'{len(pairs)} persons of {len(np.unique(pairs.target.image_ids))} images'
    return (
        f'{text}\n\nTest part: {shape}. PCKh in per cent; means and standard deviations of seeds.'
    )


def against_remap(found: dict[str, list[dict[str, Any]]]) -> str:
    """Shared joints, each against plain remap at 0.5."""
    skeleton = get_skeleton('mpii')
    records = correspondences('coco', 'mpii')
    shared = [
        joint for joint, r in zip(skeleton.joints, records, strict=True) if r.relation == 'same'
    ]
    base = found['remap'][0]['clean']['joints@0.5']
    rows = []
    for name, runs in found.items():
        if name == 'remap':
            continue
        gains = {
            joint: statistics.mean(run['clean']['joints@0.5'][joint] for run in runs) - base[joint]
            for joint in shared
        }
        worst = min(gains, key=lambda joint: gains[joint])
        rows.append([name, f'{worst} {gains[worst]:+.2f}', str(sum(g < 0 for g in gains.values()))])
    head = ['', 'worst shared joint against remap @0.5', 'joints below remap']
    return table(head, rows)


def bounds(*, keep: bool) -> None:
    """What the residual network would gain by data, size and company; and by being told."""
    pairs = test_pairs()
    config, checkpoint, _ = ROWS['residual']
    cases: dict[str, dict[str, Any]] = {
        'a quarter of the images': {'train_dataloader.dataset.limit': 0.25},
        'half of the images': {'train_dataloader.dataset.limit': 0.5},
        'all images': {},
        'twice the width': {'model.width': 192},
        'four layers of 192': {'model.width': 192, 'model.depth': 4},
    }
    rows, results = [], {}
    members = []
    for number, (name, options) in enumerate(cases.items()):
        options = {'randomness.seed': 0, **options}
        folder, _ = train(config, f'bounds_{number}', options, keep=keep)
        found = score(config, folder / f'{checkpoint}.pth', pairs, options)['clean']
        members.append(
            answers(config, folder / f'{checkpoint}.pth', pairs.keypoints, options).keypoints
        )
        results[name] = {key: found[key] for key in ('pckh@0.5', 'pckh@0.1')}
    truth = pairs.target
    told = {
        'the last three together (mean)': np.mean(members[2:], axis=0),
        'told the median error of each person': members[2]
        - np.nanmedian(
            np.where(truth.valid[..., None], members[2] - truth.keypoints, np.nan),
            axis=1,
            keepdims=True,
        ),
    }
    for name, keypoints in told.items():
        found = pckh(keypoints, truth.keypoints, truth.valid, truth.head_sizes, truth.skeleton)
        results[name] = {f'pckh@{t}': 100 * found.mean(t) for t in (0.5, 0.1)}
    rows = [[name, f'{r["pckh@0.5"]:.2f}', f'{r["pckh@0.1"]:.2f}'] for name, r in results.items()]
    text = table(['residual, one seed', '@0.5', '@0.1'], rows)
    text += (
        "\n\nThe last row is no translator: each person's answer is moved by the median of its own "
        'errors, which nobody knows. What is left is different for each joint of a person.'
    )
    publish('translators_bounds', 'What bounds the translation from COCO to MPII', text, results)


if __name__ == '__main__':
    main()
