"""Take a model to where it runs: python tools/export.py CHECKPOINT OUT [--config CONFIG].

OUT.onnx: the model with one output per skeleton, any batch size, and a description of its input
and outputs in the file's metadata. It is compared with PyTorch before it is written.

OUT.pth with --skeleton NAME: that skeleton alone, as a checkpoint of plain MMPose 1.x.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hpemap_mm  # noqa: F401 - prepares MMPose before anything imports it
from hpemap_mm.commandline import relative_to_here, run_tool
from hpemap_mm.errors import DataError, Problem

if TYPE_CHECKING:
    from hpemap_mm.deployment import ExportReport
    from hpemap_mm.models import AnsweringPoseEstimator

#: Options of one of the two kinds of output only, and what they are unless given.
ONNX_ONLY = {
    'skeletons': None,
    'input': 'normalized',
    'decode': 'outside',
    'flip_test': False,
    'rounds': 5,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, load, write, and tell what was written."""
    args = _parser().parse_args(argv)
    suffix = _checked_suffix(args)

    import torch

    from hpemap_mm.apis import load_model
    from hpemap_mm.checkpoints import check_target

    check_target(args.out, sources=[args.checkpoint])
    if args.threads:
        torch.set_num_threads(args.threads)
    model = load_model(args.config, args.checkpoint, device='cpu')
    if suffix == '.pth':
        _split(model, args)
    else:
        _export(model, args)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', type=Path, help='weights of a trained or converted model')
    parser.add_argument('out', type=Path, help='.onnx, or .pth with --skeleton')
    parser.add_argument(
        '--config',
        type=Path,
        help='config of the model; may be left out where the checkpoint brings its own, as those '
        'of tools/convert_checkpoint.py do',
    )
    parser.add_argument(
        '--skeleton', metavar='NAME', help='for a .pth: the skeleton that is split off'
    )
    onnx = parser.add_argument_group('ONNX')
    onnx.add_argument(
        '--skeletons',
        nargs='+',
        metavar='NAME',
        help="outputs, of a joint space also 'space' (default: every skeleton)",
    )
    onnx.add_argument(
        '--input',
        choices=['normalized', 'raw'],
        help="normalized (default): (pixel - mean) / std in the network's channel order, as MMPose "
        'deploys; raw: BGR pixels 0..255, as OpenCV reads them, normalised in the graph',
    )
    onnx.add_argument(
        '--decode',
        choices=['outside', 'inside'],
        help='outside (default): heatmaps (N, K, h, w); inside: (N, K, 3), x and y in pixels of '
        "the network's input and the score, by UDP's refinement in the graph",
    )
    onnx.add_argument(
        '--flip-test',
        action='store_true',
        help='average over the mirrored images in the graph, which doubles its work',
    )
    onnx.add_argument(
        '--rounds', type=_count, help='of timing, of which the median is told (default 5; 0: none)'
    )
    text = "of both when timing (default, and 0: PyTorch's choice)"
    onnx.add_argument('--threads', type=_count, help=text)
    parser.set_defaults(**ONNX_ONLY)
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f'must be 0 or more, got {value}')
    return value


def _checked_suffix(args: argparse.Namespace) -> str:
    """The suffix of the output, which decides what is written.

    Raises:
        DataError: It is none of the two, or an option is of the other one.
    """
    suffix = args.out.suffix
    where = relative_to_here(args.out)
    if suffix == '.onnx':
        wrong = ['--skeleton'] if args.skeleton else []
        fix = 'use --skeletons for the outputs of an ONNX file'
    elif suffix == '.pth':
        given = (name for name, default in ONNX_ONLY.items() if getattr(args, name) != default)
        wrong = ['--' + name.replace('_', '-') for name in given]
        fix = 'leave it out, or write an .onnx file'
    else:
        what = f'it is not said what to write: the suffix is {suffix!r}'
        raise DataError([Problem(where, what, 'name it .onnx, or .pth with --skeleton NAME')])
    problems = [Problem(where, f'{option} is not for a {suffix} file', fix) for option in wrong]
    if suffix == '.pth' and not args.skeleton:
        what = 'it is not said which skeleton to split off'
        problems.append(Problem(where, what, 'name it by --skeleton NAME'))
    if problems:
        raise DataError(problems)
    return suffix


def _split(model: AnsweringPoseEstimator, args: argparse.Namespace) -> None:
    from hpemap_mm.deployment import split_skeleton

    report = split_skeleton(model, args.skeleton, args.out)
    print(f'{relative_to_here(report.file)}: {report.skeleton}, {report.joints} joints')
    print(f'{report.file.stat().st_size / 1e6:.1f} MB, for MMPose 1.x with mmpretrain')
    if report.config is None:
        print('MMPose has no config of this size: change the backbone of a td-hm_ViTPose one.')
        return
    print('MMPose loads it with configs/body_2d_keypoint/topdown_heatmap/coco/' + report.config)
    if report.options:
        options = ' '.join(f'{k}={_as_option(v)}' for k, v in report.options.items())
        print(f'and --cfg-options {options}')


def _as_option(value: object) -> str:
    """A value as MMEngine's --cfg-options reads it."""
    return f'[{",".join(map(str, value))}]' if isinstance(value, list) else str(value)


def _export(model: AnsweringPoseEstimator, args: argparse.Namespace) -> None:
    from hpemap_mm.deployment import export_onnx

    report = export_onnx(
        model,
        args.out,
        skeletons=args.skeletons,
        input_kind=args.input,
        decode=args.decode,
        flip_test=args.flip_test,
        rounds=args.rounds,
    )
    _tell(report)
    if model.test_cfg.get('flip_test') and not args.flip_test:
        print("The config's flip test is not in the graph; --flip-test puts it there.")


def _tell(report: ExportReport) -> None:
    info = report.metadata.input
    for path in report.files:
        print(f'{relative_to_here(path)}: {path.stat().st_size / 1e6:.1f} MB')
    if len(report.files) > 1:
        print('The weights are too large for one ONNX file: keep the two files together.')
    values = 'pixels 0..255' if info.kind == 'raw' else '(pixel - mean) / std'
    print(f'images: (N, 3, {info.size[1]}, {info.size[0]}) float32, {info.color}, {values}')
    print('Against PyTorch, largest relative error over batches of 1 and 8:')
    for name, output in report.metadata.outputs.items():
        error = report.errors[name]
        line = f'  {name}: {len(output.joints)} joints, {output.kind}, {error.largest:.1e}'
        print(line + ('' if error.pixels is None else f' ({error.pixels:.1e} px)'))
    for count, seconds in report.seconds.items():
        pytorch, runtime = (1000 * seconds[name] for name in ('pytorch', 'onnxruntime'))
        print(
            f'Batch of {count}: PyTorch {pytorch:.1f} ms, ONNX Runtime {runtime:.1f} ms '
            f'(CPU, {report.threads} threads)'
        )


if __name__ == '__main__':
    run_tool(main)
