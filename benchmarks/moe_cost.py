"""What do ViTPose++'s experts cost, against the dense model of the same size?

Training step (forward, backward, AdamW) and inference of ViTPose, in turn, in one process: dense,
with 3 and with 6 experts, and with the published form that computes every expert for every token
and masks. Every batch is divided between the experts. The dense model has the same heads.

    python benchmarks/moe_cost.py [--arch B] [--batch 12]
"""

from __future__ import annotations

import argparse
import gc
from typing import Any

import torch
from _common import in_turn, publish, ratio, summary, table
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from hpemap_mm.models import ViTPoseBackbone, ViTPoseMoEBackbone
from hpemap_mm.models.backbones import moe

COUNTS = (3, 6)


class EveryExpert(moe.ExpertMlp):
    """The published form: all experts for all tokens, of which a mask keeps one."""

    def forward(self, x: Tensor, groups: Any, rows: Tensor | None = None) -> Tensor:
        """(N, T, C); the samples are sorted by expert."""
        hidden = self.act(self.fc1(x))
        indices = x.new_zeros(len(x), 1, 1, dtype=torch.long)
        for expert, start, stop in groups:
            indices[start:stop] = expert
        own: Any = 0
        for number, expert in enumerate(self.experts):
            own = own + expert(hidden) * (indices == number)
        return torch.cat([self.fc2(hidden), own], -1)


def build(arch: str, experts: int, *, every: bool = False) -> nn.Module:
    """A backbone; all of its kinds are timed with the same loss on its feature map."""
    torch.manual_seed(0)
    if experts == 1:
        model: nn.Module = ViTPoseBackbone(arch)
    else:
        model = ViTPoseMoEBackbone(arch, experts=[f'dataset_{i}' for i in range(experts)])
    if every:
        for block in model.blocks:
            block.mlp.__class__ = EveryExpert
    return model.to('cuda' if torch.cuda.is_available() else 'cpu')


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--arch', default='B', choices=list('SBLH'))
    parser.add_argument('--batch', type=int, default=12)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--amp', action='store_true', help='autocast, for a GPU')
    args = parser.parse_args()
    init_default_scope('mmpose')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    images = torch.randn(args.batch, 3, 256, 192, device=device)
    kinds = {'dense': (1, False)}
    for count in COUNTS:
        kinds[f'{count} experts'] = (count, False)
        kinds[f'{count} experts, all computed'] = (count, True)
    models = {name: build(args.arch, count, every=every) for name, (count, every) in kinds.items()}
    optimizers = {k: torch.optim.AdamW(m.parameters(), lr=1e-5) for k, m in models.items()}
    grid = models['dense'].grid
    target = torch.randn(args.batch, models['dense'].out_channels, *grid[::-1], device=device)

    def run(name: str, *, training: bool) -> None:
        model, (count, _) = models[name].train(training), kinds[name]
        chosen = () if count == 1 else ([i % count for i in range(args.batch)],)
        with (
            torch.set_grad_enabled(training),
            torch.autocast(device, torch.bfloat16, enabled=args.amp),
        ):
            (maps,) = model(images, *chosen)
            if not training:
                return
            loss = (maps.float() - target).square().mean()
        loss.backward()
        optimizers[name].step()
        # Five models' gradients at once would not fit a small machine.
        optimizers[name].zero_grad(set_to_none=True)
        gc.collect()

    rows, results = [], {}
    for what, training in (('training step', True), ('inference', False)):
        seconds = in_turn(
            {name: lambda name=name, t=training: run(name, training=t) for name in kinds},
            rounds=args.rounds,
        )
        for name in kinds:
            factor = ratio(seconds[name], seconds['dense'])
            results.setdefault(what, {})[name] = {**summary(seconds[name]), 'ratio': factor}
            rows.append(
                [
                    what,
                    name,
                    f'{1000 * summary(seconds[name])["median"]:.0f} ms',
                    f'{factor["median"]:.3f}',
                    f'{factor["min"]:.3f} to {factor["max"]:.3f}',
                ]
            )
    text = table([f'ViTPose-{args.arch} backbone', '', 'time', 'over dense', 'spread'], rows)
    publish(
        f'moe_cost_{args.arch.lower()}',
        'A mixture of experts against the dense backbone',
        text
        + f'\n\nBatch of {args.batch}, divided between the experts; {args.rounds} rounds in turn. '
        'Goal of the experts: at most 1.05 of dense.',
        {'arch': args.arch, 'batch': args.batch, 'rounds': args.rounds, **results},
    )


if __name__ == '__main__':
    main()
