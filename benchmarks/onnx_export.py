"""An exported ONNX file against the PyTorch model: how far off, and how fast?

ViTPose with three skeletons (COCO, MPII, AIC), dense and with an expert for each, random weights:
exported as tools/export.py does, then both run on the same images, in turn, in one process.

    python benchmarks/onnx_export.py [--arch B] [--rounds 7] [--decode outside]
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from _common import in_turn, publish, ratio, summary, table
from mmengine.config import Config
from mmengine.registry import init_default_scope

from hpemap_mm.deployment import ExportReport, check, export_onnx
from hpemap_mm.deployment.graph import PoseGraph
from hpemap_mm.registry import MODELS

THREE = ('coco', 'mpii', 'aic')
CONFIG = 'configs/multihead/multihead_vitpose-{}_8xb128-210e_coco-mpii-aic_256x192.py'


def build(arch: str, *, experts: bool) -> Any:
    """The model of our config, or the same with a mixture of experts as its backbone."""
    config = Config.fromfile(CONFIG.format(arch.lower()))
    backbone = config.model.backbone.to_dict()
    # Nothing is trained here: pretrained files that the config may name are not needed.
    backbone.pop('init_cfg', None)
    if experts:
        backbone.update(type='hpemap_mm.ViTPoseMoEBackbone', experts=THREE)
    torch.manual_seed(0)
    return MODELS.build({**config.model.to_dict(), 'backbone': backbone}).eval()


def measure(
    model: Any, report: ExportReport, rounds: int
) -> tuple[list[list[str]], dict[str, Any]]:
    """Rows of the table (batch, PyTorch, ONNX Runtime, ratio, spread), and the figures."""
    info, outputs = report.metadata.input, report.metadata.outputs
    flip_test = report.metadata.flip_test
    graph = PoseGraph(model, outputs=outputs, input_info=info, flip_test=flip_test).eval()
    session = check.session_of(report.files[0], threads=torch.get_num_threads())
    rows, results = [], {}
    for count in check.BATCHES:
        images = check.check_images(count, info)['smooth']
        cases = {
            'pytorch': partial(graph, images),
            'onnxruntime': partial(check.run_session, session, images),
        }
        with torch.inference_mode():
            seconds = in_turn(cases, rounds=rounds)
        factor = ratio(seconds['onnxruntime'], seconds['pytorch'])
        results[str(count)] = {k: summary(v) for k, v in seconds.items()} | {'ratio': factor}
        rows.append(
            [
                str(count),
                *(f'{1000 * summary(seconds[k])["median"]:.0f} ms' for k in cases),
                f'{factor["median"]:.2f}',
                f'{factor["min"]:.2f} to {factor["max"]:.2f}',
            ]
        )
    return rows, results


def main() -> None:
    """Export, measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--arch', default='B', choices=list('SBLH'))
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--decode', default='outside', choices=['outside', 'inside'])
    args = parser.parse_args()
    init_default_scope('mmpose')
    rows, errors, results = [], [], {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ('dense', 'experts'):
            model = build(args.arch, experts=kind == 'experts')
            out = Path(folder) / f'{kind}.onnx'
            report = export_onnx(model, out, decode=args.decode, rounds=0)
            size = sum(path.stat().st_size for path in report.files)
            own, figures = measure(model, report, args.rounds)
            rows += [[kind, *row] for row in own]
            error = {name: found.largest for name, found in report.errors.items()}
            errors.append([kind, *(f'{error[n]:.1e}' for n in THREE), f'{size / 1e6:.0f} MB'])
            results[kind] = {'error': error, 'bytes': size, 'seconds': figures}
    name = f'ViTPose-{args.arch}, decoded {args.decode}'
    accuracy = table([f'{name}: relative error', *THREE, 'file'], errors)
    header = [f'{name}: time', 'batch', 'PyTorch', 'ONNX Runtime', 'ratio', 'spread']
    note = (
        'Error: largest difference over the largest value of the output, over batches of 1 and 8, '
        f'noise and smooth images; at most {check.TOLERANCE:.0e} is accepted.\n\n'
        f'Time: {args.rounds} rounds in turn, heatmaps of three skeletons; with experts that is '
        'three passes of the backbone. Ratio: ONNX Runtime over PyTorch, round by round.'
    )
    publish(
        f'onnx_export_{args.arch.lower()}_{args.decode}',
        'ONNX Runtime against PyTorch',
        f'{accuracy}\n\n{table(header, rows)}\n\n{note}',
        {'arch': args.arch, 'decode': args.decode, 'rounds': args.rounds, **results},
    )


if __name__ == '__main__':
    main()
