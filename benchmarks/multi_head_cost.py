"""What do three skeletons cost, against one, with the same backbone?

Training step and inference (with flip test and decoding) of a ViTPose with one decoder (COCO) and
with three (COCO, MPII, AIC), in turn, in one process. The multi-head model trains on a batch
divided between the three; at inference it answers every person in all three skeletons.

    python benchmarks/multi_head_cost.py [--arch B] [--decoder classic] [--batch 9]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from _common import in_turn, publish, ratio, summary, table
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import KEYPOINT_CODECS
from mmpose.structures import PoseDataSample

from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import get_skeleton

THREE = ('coco', 'mpii', 'aic')
CONFIG = 'configs/multihead/multihead_vitpose-{}_8xb128-210e_coco-mpii-aic_256x192.py'


def sample(skeleton: str, codec: Any, rng: np.random.Generator) -> PoseDataSample:
    """A person with all joints, as the pipelines pack one."""
    joints = get_skeleton(skeleton)
    size = np.array(codec.input_size, float)
    keypoints = rng.uniform(0.1, 0.9, (1, len(joints), 2)) * size
    visible = np.ones((1, len(joints)), np.float32)
    encoded = codec.encode(keypoints.astype(np.float32), visible)
    labels = InstanceData(keypoint_weights=torch.from_numpy(encoded['keypoint_weights']))
    found = PoseDataSample(
        metainfo={
            'skeleton': skeleton,
            'dataset_name': skeleton,
            'flip_indices': joints.flip_indices.tolist(),
            'input_size': codec.input_size,
            'input_center': size / 2,
            'input_scale': size,
        }
    )
    found.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
    found.gt_instance_labels = labels
    found.gt_fields = PixelData(heatmaps=torch.from_numpy(encoded['heatmaps']))
    return found


def build(config: Config, skeletons: tuple[str, ...]) -> torch.nn.Module:
    """A model with one decoder for each skeleton."""
    model = MODELS.build({**config.model, 'skeletons': list(skeletons)})
    if torch.cuda.is_available():
        model = model.cuda()
    return model


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--arch', default='B', choices=list('SBLH'))
    parser.add_argument('--decoder', default='classic', choices=['classic', 'simple'])
    parser.add_argument('--batch', type=int, default=9)
    parser.add_argument('--rounds', type=int, default=7)
    args = parser.parse_args()
    init_default_scope('mmpose')
    torch.manual_seed(0)
    config = Config.fromfile(CONFIG.format(args.arch.lower()))
    head = {'classic': 'ClassicHeatmapHead', 'simple': 'SimpleHeatmapHead'}[args.decoder]
    config.model.head = {
        'type': f'hpemap_mm.{head}',
        **{key: config.model.head[key] for key in ('in_channels', 'loss', 'decoder')},
    }
    codec = KEYPOINT_CODECS.build(config.codec)
    rng = np.random.default_rng(0)
    width, height = codec.input_size
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    images = torch.randn(args.batch, 3, height, width, device=device)
    models = {'one': build(config, ('coco',)), 'three': build(config, THREE)}
    optimizers = {k: torch.optim.AdamW(m.parameters(), lr=1e-5) for k, m in models.items()}
    batches = {
        'one': [sample('coco', codec, rng).to(device) for _ in range(args.batch)],
        'three': [sample(THREE[i % 3], codec, rng).to(device) for i in range(args.batch)],
    }

    def train(name: str) -> None:
        model = models[name].train()
        total, _ = model.parse_losses(model.loss(images, batches[name]))
        optimizers[name].zero_grad()
        total.backward()
        optimizers[name].step()

    def infer(name: str) -> None:
        model = models[name].eval()
        model.answer = 'own' if name == 'one' else 'all'
        with torch.inference_mode():
            model.predict(images, batches[name])

    cases = {
        f'{what} {name}': lambda run=run, name=name: run(name)
        for what, run in (('training step', train), ('inference', infer))
        for name in models
    }
    seconds = in_turn(cases, rounds=args.rounds)
    rows, results = [], {}
    for what in ('training step', 'inference'):
        one, three = seconds[f'{what} one'], seconds[f'{what} three']
        factor = ratio(three, one)
        results[what] = {'one': summary(one), 'three': summary(three), 'ratio': factor}
        rows.append(
            [
                what,
                f'{1000 * summary(one)["median"]:.0f} ms',
                f'{1000 * summary(three)["median"]:.0f} ms',
                f'{factor["median"]:.3f}',
                f'{factor["min"]:.3f} to {factor["max"]:.3f}',
            ]
        )
    text = table(
        [f'ViTPose-{args.arch}, {args.decoder}', '1 skeleton', '3 skeletons', 'ratio', 'spread'],
        rows,
    )
    publish(
        f'multi_head_cost_{args.arch.lower()}_{args.decoder}',
        'Three skeletons from one backbone, against one',
        text + f'\n\nBatch of {args.batch}, {args.rounds} rounds in turn. Goal: at most 1.25.',
        {
            'arch': args.arch,
            'decoder': args.decoder,
            'batch': args.batch,
            'rounds': args.rounds,
            **results,
        },
    )


if __name__ == '__main__':
    main()
