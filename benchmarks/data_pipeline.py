"""How many training samples does one core prepare in a second?

The whole way from a file to a packed sample (reading, decoding, flip, half body, rotation, crop,
targets), on one process with one thread, for the pipeline of ViTPose (256x192) and the small one
(128x96), with and without a joint space.

    python benchmarks/data_pipeline.py [--samples 300] [--rounds 5]
"""

from __future__ import annotations

import argparse

import cv2
import torch
from _common import in_turn, publish, summary, table
from mmengine.config import Config
from mmengine.registry import init_default_scope

from hpemap_mm.registry import DATASETS

DATA = 'configs/_base_/datasets/mannequin.py'
PIPELINES = {
    '256x192': 'configs/_base_/pipelines/udp_256x192.py',
    '128x96': 'configs/_base_/pipelines/udp_128x96.py',
}
UNION = dict(kind='union', skeletons=['coco', 'mpii', 'aic', 'lsp'])


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--samples', type=int, default=300)
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    init_default_scope('mmpose')
    base = Config.fromfile(DATA).train_dataloader.dataset
    cases, made = {}, {}
    for size, path in PIPELINES.items():
        for space in (None, UNION):
            name = f'{size}, {"union" if space else "own skeletons"}'
            pipeline = Config.fromfile(path).train_pipeline
            made[name] = DATASETS.build({**base, 'pipeline': pipeline, 'joint_space': space})
            made[name].indices_carry_epoch()
            cases[name] = lambda dataset=made[name]: [dataset[i] for i in range(args.samples)]
    seconds = in_turn(cases, rounds=args.rounds)
    rows = []
    for name, found in seconds.items():
        rates = summary([args.samples / second for second in found])
        rows.append([name, f'{rates["median"]:.0f}', f'{rates["min"]:.0f} to {rates["max"]:.0f}'])
    text = table(['pipeline', 'samples/s per core', 'spread'], rows)
    publish(
        'data_pipeline',
        'Training samples per second and core',
        text + f'\n\nMannequin images of 320x240, {args.samples} samples a round.',
        {'samples': args.samples, 'seconds': {k: summary(v) for k, v in seconds.items()}},
    )


if __name__ == '__main__':
    main()
