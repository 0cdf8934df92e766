"""Killed at many random moments and run again: does the same folder come out, byte for byte?

A small world of mannequins and a small network, in shards of eight persons. Each time the tool is
started, killed by SIGKILL (itself only: its children must end by themselves) at a moment between
its start and the end of an undisturbed run, started again, and every file compared.

    python benchmarks/complete_kill.py [--moments 20] [--seed 0]
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from _common import publish, table
from mmengine.config import Config
from mmengine.registry import init_default_scope

import hpemap_mm  # noqa: F401 - prepares MMPose
from hpemap_mm.datasets.mannequin import generate
from hpemap_mm.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests' / 'integration'))

from completion_runs import Server, digests  # noqa: E402

CONFIG = """
_base_ = ['{base}']
model = dict(
    backbone=dict(
        _delete_=True,
        type='hpemap_mm.ViTPoseBackbone',
        arch=dict(embed_dim=32, depth=2, num_heads=2),
        img_size=(96, 128),
    ),
    neck=None,
    head=dict(
        _delete_=True,
        type='hpemap_mm.SimpleHeatmapHead',
        in_channels=32,
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder={{{{_base_.codec}}}},
    ),
)
completion = dict(batch_size=4)
"""


def main() -> None:
    """Kill, compare, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--moments', type=int, default=20)
    parser.add_argument('--images', type=int, default=200)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, results = measure(Path(folder), args)
    same = sum(result['same'] for result in results)
    killed = sum(result['status'] == -9 for result in results)
    text = (
        f'{same} of {len(results)} resumed runs gave the bytes of an undisturbed one; {killed} of '
        f'them were killed before they were done.\n\n'
        + table(['moment', 'what there was', 'shards', 'same bytes'], rows)
    )
    publish('complete_kill', 'A completion that is killed and resumed', text, {'runs': results})
    if same < len(results):
        raise SystemExit(1)


def measure(folder: Path, args: Any) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """Rows of the table, and the same as plain values."""
    world = folder / 'world'
    generate(world, images=args.images, seed=3, progress=False)
    base = ROOT / 'configs' / 'completion' / 'complete_mannequin.py'
    config, weights = folder / 'config.py', folder / 'weights.pth'
    config.write_text(CONFIG.format(base=base))
    init_default_scope('mmpose')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config).model)
    torch.save({'state_dict': model.state_dict()}, weights)

    server = Server(ROOT, HPEMAP_MANNEQUIN=str(world))
    log = folder / 'log.txt'

    def run(out: Path, kill_after: float | None = None) -> tuple[int, float]:
        arguments = (config, weights, '--out', out, '--shard-size', 8)
        return server.run(*arguments, log=log, kill_after=kill_after)

    try:
        status, took = run(folder / 'whole')
        assert status == 0, log.read_text()
        expected = digests(folder / 'whole')
        rng = random.Random(args.seed)
        rows, results = [], []
        for number in range(args.moments):
            out, moment = folder / 'out', rng.uniform(0, took)
            status, _ = run(out, moment)
            left, shards = state(out)
            resumed, _ = run(out)
            same = resumed == 0 and digests(out) == expected
            shutil.rmtree(out, ignore_errors=True)
            share = f'{moment:.2f} s of {took:.1f}'
            rows.append([share, left, str(shards), 'yes' if same else 'NO'])
            results.append(
                {'moment': moment, 'of': took, 'status': status, 'left': left, 'shards': shards,
                 'same': same}
            )  # fmt: skip
            sys.stderr.write(f'{number + 1} of {args.moments}: {rows[-1]}\n')
    finally:
        server.close()
    return rows, results


def state(out: Path) -> tuple[str, int]:
    """What a killed run had come to, in words, and its shards."""
    shards = len(list((out / 'parts' / 'shards').glob('0*')))
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    for name, words in (
        ('index.html', 'all but the end'),
        ('coco.json', 'some of the files'),
        ('calibration.json', 'calibrated'),
        ('plan.json', 'planned'),
        ('parts', 'begun'),
    ):
        if name in names:
            return words, shards
    return 'nothing', shards


if __name__ == '__main__':
    main()
