"""Write a translator on its own: python tools/publish_translator.py CONFIG CHECKPOINT OUT.

What :func:`hpemap_mm.apis.pretrained_translator` reads: the weights and the model's config, without
the optimizer and the logs. ``make weights`` makes those that come with hpemap_mm.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

import hpemap_mm  # noqa: F401 - prepares MMPose before anything imports it
from hpemap_mm.commandline import relative_to_here, run_tool
from hpemap_mm.engine import read_checkpoint
from hpemap_mm.engine.launch import load_config
from hpemap_mm.files import atomic_path
from hpemap_mm.version import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, check that the weights fit, write."""
    parser = argparse.ArgumentParser(description="Write a translator's weights on their own.")
    parser.add_argument('config', type=Path, help='a config of configs/translators')
    parser.add_argument('checkpoint', type=Path, help='what tools/train.py made of it')
    parser.add_argument('out', type=Path, help='.pth')
    parser.add_argument(
        '--for-any-detector',
        action='store_true',
        help="do not take off the sideways shift of the training file's detector",
    )
    args = parser.parse_args(argv)

    from hpemap_mm.apis import load_translator

    config = load_config(args.config)
    load_translator(config, args.checkpoint)  # every weight fits, or an error says which does not
    model = config.model.to_dict()
    if args.for_any_detector:
        model['correct_shift'] = False
    weights = read_checkpoint(args.checkpoint)['state_dict']
    meta = {
        'model': model,
        'config': args.config.stem,
        'hpemap_mm': __version__,
    }
    with atomic_path(args.out) as partial:
        torch.save({'state_dict': dict(weights), 'meta': meta}, partial)
    print(f'{relative_to_here(args.out)}: {args.out.stat().st_size / 1e6:.2f} MB')
    return 0


if __name__ == '__main__':
    run_tool(main)
