"""Convert anybody's ViTPose weights: python tools/convert_checkpoint.py SRC DST [--to mmpose].

Reads ViTPose, ViTPose++, MMPose 1.x, Hugging Face, MAE, timm and our own files without executing
anything in them, tells what it found, and writes for hpemap_mm (as its models are trained and
tested here), MMPose, Hugging Face or ViTPose. ``--inspect`` only tells.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from torch import Tensor, nn

import hpemap_mm  # noqa: F401 - prepares MMPose before anything imports it
from hpemap_mm import checkpoints
from hpemap_mm.checkpoints import HF_FILES, KINDS, PoseWeights
from hpemap_mm.commandline import relative_to_here, run_tool
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.files import write_json
from hpemap_mm.version import __version__

TARGETS = ('hpemap', 'mmpose', 'hf', 'vitpose')
#: Input of ViTPose (w, h), to which a backbone of square images is brought.
USUAL_INPUT = (192, 256)
SUFFIXES = ('.pth', '.pt', '.bin', '.safetensors')


class Output(NamedTuple):
    """What is to be written, and what is to be said about it."""

    tensors: Mapping[str, Tensor]
    meta: dict[str, Any]
    lines: Sequence[str] = ()
    unused: Mapping[str, str] = {}
    json: Mapping[str, dict[str, Any]] = {}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, read, tell, convert, write."""
    args = build_parser().parse_args(argv)
    config = None
    if args.config is not None:
        config = config_of(args.config)
    target = check_options(args)
    # A config describes the target where that is a model of ours, and the source elsewhere.
    fills = config is not None and args.to == 'hpemap' and not args.inspect
    source_model = built(config.model, args.config) if config and not fills else None
    loaded = checkpoints.load_pose_weights(
        args.src,
        kind=args.source,
        num_heads=args.num_heads,
        source_grid=args.source_grid,
        skeletons=args.skeletons,
        space=space_of(args.space),
        # Experts of the file are named; a dense file gets them, see below.
        experts=args.experts,
        model=source_model,
    )
    print(relative_to_here(args.src))
    for line in checkpoints.describe(loaded.found, loaded.weights):
        print(f'  {line}')
    for note in loaded.notes:
        print(f'  note       {note}')
    if args.inspect:
        if loaded.question is not None:
            print(f'  question   {loaded.question.problems[0]}')
        return 0
    assert target is not None
    weights, lines, unused = shaped(
        loaded.known(), args, dense=not loaded.found.experts, fills=fills
    )
    if fills:
        assert config is not None
        output = for_config(weights, config, args)
    else:
        output = {'hpemap': for_us, 'mmpose': for_mmpose, 'hf': for_hf, 'vitpose': for_vitpose}[
            args.to
        ](weights, target)
    write(target, output)
    print(relative_to_here(args.dst))
    print(f'  written    {checkpoints.counts(output.tensors)}, for {args.to}')
    for reason, names in checkpoints.by_reason({**unused, **output.unused}).items():
        print(f'  not used   {checkpoints.some(names, 8)}: {reason}')
    for line in (*lines, *output.lines):
        print(f'  {line}')
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(description="Convert anybody's ViTPose weights.")
    add = parser.add_argument
    add('src', type=Path, metavar='SRC', help='.pth, .bin, .safetensors, or a Hugging Face folder')
    add('dst', type=Path, metavar='DST', nargs='?', help='.pth or .safetensors; a folder for hf')
    kinds = ('auto', *KINDS)
    add('--from', dest='source', choices=kinds, default='auto', help='what SRC is (default: auto)')
    add('--to', choices=TARGETS, default='hpemap', help='whose weights to write (default: hpemap)')
    add('--inspect', action='store_true', help='only tell what SRC is')
    add(
        '--config',
        metavar='CONFIG',
        help='the model to fill; with --inspect or another --to, the one that SRC is of',
    )
    add(
        '--skeletons',
        nargs='+',
        metavar='NAME',
        help='of the heads, in the order of SRC; name=skeleton gives a head another name',
    )
    add('--space', help='joint space of the one head: seed-21, bmp-23, union:coco,mpii, ...')
    add('--skeleton', metavar='NAME', help='only this one: its head, and its expert made dense')
    add('--keep-experts', action='store_true', help='with --skeleton: keep all experts')
    add('--expert', metavar='NAME', help='the expert to make dense, or to begin new ones from')
    add(
        '--experts',
        nargs='+',
        metavar='NAME',
        help='names of the experts of SRC, in its order; of a dense SRC: make these from it',
    )
    size = dict(nargs=2, type=int, metavar=('W', 'H'))
    add('--input-size', **size, help='pixels; resizes the position embedding')
    add('--source-grid', **size, help='patches of SRC, where their number is ambiguous')
    add('--num-heads', type=int, metavar='N', help='attention heads, where SRC does not tell')
    return parser


def check_options(args: argparse.Namespace) -> Path | None:
    """Before anything is read: options that fit together, a place to write to; that file."""

    def refuse(what: str, fix: str) -> None:
        raise DataError([Problem('options', what, fix)])

    if args.source_grid is not None:
        args.source_grid = tuple(args.source_grid)
    for name in ('num_heads', 'source_grid', 'input_size'):
        given = getattr(args, name)
        if given is not None and min(given if isinstance(given, Sequence) else [given]) < 1:
            refuse(f'--{name.replace("_", "-")} {given}', 'pass whole numbers from 1')
    if args.inspect:
        return None
    if args.dst is None:
        refuse('there is no DST', 'name the file to write, or pass --inspect')
    if args.skeleton and args.expert:
        refuse('--skeleton and --expert both choose an expert', 'pass one of them')
    if args.input_size and (args.config and args.to == 'hpemap'):
        refuse('--config says the input size already', 'leave --input-size out')
    if args.config and args.to != 'hpemap' and (args.skeletons or args.space):
        refuse('--config says the heads of SRC already', 'leave --skeletons and --space out')
    target: Path = args.dst
    is_file = target.suffix in SUFFIXES and not target.is_dir()
    if args.to == 'hf' and not is_file:
        target = target / HF_FILES[0]
    elif args.to == 'hf' and target.name != HF_FILES[0]:
        fix = f'name a folder, or {target.with_name(HF_FILES[0])}'
        refuse(f'transformers reads folders, and DST {args.dst} is a file', fix)
    elif target.suffix not in SUFFIXES:
        refuse(f'DST {args.dst} has no suffix of weights', 'name it .pth or .safetensors')
    names = HF_FILES if args.to == 'hf' else (target.name,)
    source = args.src
    sources = [source, *source.glob('*')] if source.is_dir() else [source]
    for path in map(target.with_name, names):
        checkpoints.check_target(path, sources=sources)
        if path.is_dir():
            raise DataError([Problem(str(path), 'is a folder', 'choose another DST')])
    if args.to == 'hf':
        checkpoints.check_hf_folder(target.parent)
    return target


def config_of(path: str) -> Config:
    """A config with a model in it."""
    from hpemap_mm.engine.launch import load_config

    try:
        config = load_config(path)
    except DataError:
        raise
    except Exception as error:  # a config is a program, which may raise anything
        what = f'cannot be read as a config: {error!r}'
        raise DataError([Problem(path, what, 'correct the file or its _base_')]) from error
    if not isinstance(config.get('model'), Mapping):
        what = 'has no dict called model, as a config of MMPose has'
        raise DataError([Problem(path, what, 'name the config of a pose model, see configs/')])
    return config


def space_of(text: str | None) -> str | dict[str, Any] | None:
    """A joint space from the command line: a preset, or ``union:coco,mpii``."""
    if text is None or ':' not in text:
        return text
    kind, _, names = text.partition(':')
    if kind not in ('union', 'concat'):
        what = f'--space {text}'
        raise DataError([Problem('options', what, 'name a preset, union:A,B or concat:A,B')])
    return {'kind': kind, 'skeletons': names.split(',')}


def built(model: Any, where: object) -> nn.Module:
    """The model of a config, on the meta device; a config's mistakes as messages."""
    try:
        return checkpoints.build_on_meta(model)
    except DataError:
        raise
    except Exception as error:
        # A config may name any class, which may raise anything.
        text = str(error.args[0]) if error.args else type(error).__name__
        what = f'no model can be built from it: {" ".join(text.split())}'
        raise DataError([Problem(str(where), what, 'see tools/check_config.py')]) from error


def shaped(
    weights: PoseWeights, args: argparse.Namespace, *, dense: bool, fills: bool
) -> tuple[PoseWeights, list[str], dict[str, str]]:
    """The weights as the options want them, what was done, and what is no longer there."""
    lines: list[str] = []
    unused: dict[str, str] = {}
    size = args.input_size or (None if weights.heads or fills else USUAL_INPUT)
    if size is not None and tuple(size) != weights.input_size:
        patch = weights.arch.patch_size
        if size[0] % patch or size[1] % patch:
            what = f'input of {size[0]} x {size[1]}'
            raise DataError([Problem('options', what, f'use multiples of {patch}')])
        old = weights.input_size
        weights = weights.resized((size[0] // patch, size[1] // patch))
        lines.append(
            f'resized    position embedding from {old[0]} x {old[1]} '
            f'to {size[0]} x {size[1]} pixels'
        )
    before = weights
    try:
        if args.skeleton:
            why = f'--skeleton {args.skeleton} leaves it out'
            weights = weights.only(args.skeleton, keep_experts=args.keep_experts)
            unused = gone(before, weights, why)
            if before.experts and not weights.experts:
                lines.append(f'dense      the expert of {args.skeleton} is now part of the MLPs')
                ((name, head),) = weights.heads.items()
                kept = before.expert_of(name, str(head.skeleton))
                unused |= checkpoints.unused_experts(before.experts, [kept], why)
        elif args.expert and not fills:
            weights = weights.collapsed(args.expert)
            unused = gone(before, weights, 'it was trained with another expert')
            kept, why = before.expert_of(args.expert), f'--expert {args.expert} leaves it out'
            unused |= checkpoints.unused_experts(before.experts, [kept], why)
            lines.append(f'dense      expert {args.expert} is now part of the MLPs')
        if args.experts and dense:
            weights = weights.with_experts(args.experts)
            lines.append(f'experts    {", ".join(args.experts)}: made from the MLPs')
    except (KeyError, ValueError) as error:
        raise DataError([Problem('options', str(error.args[0]), 'choose another')]) from error
    return weights, lines, unused


def gone(before: PoseWeights, after: PoseWeights, why: str) -> dict[str, str]:
    """Heads, and joints of a joint space, that are no longer there."""
    unused = checkpoints.unused_heads(before.heads, after.heads, why)
    for name, head in before.heads.items():
        if head.space is not None:
            rows = {i for own in after.skeletons for i in head.space.indices(own).tolist()}
            unused.pop(f'head {name}', None)
            if len(rows) < head.joints:
                unused[f'{head.joints - len(rows)} joints of head {name}'] = why
    return unused


def for_us(weights: PoseWeights, target: Path) -> Output:
    """Weights for hpemap_mm, with the config of the model."""
    lines = [f'heads      {checkpoints.heads_of(weights.heads)}']
    meta = meta_of(weights)
    if not weights.heads:
        lines.append(
            f'to use     train from it: --cfg-options load_from={relative_to_here(target)}'
        )
        return Output(checkpoints.to_hpemap(weights), meta, lines)
    meta['model'] = checkpoints.model_config(weights)
    tensors = checkpoints.to_hpemap(weights)
    # What cannot be built is not written.
    checkpoints.pose_weights_of(built(meta['model'], 'the result'), tensors, where='the result')
    folder = Path(__file__).resolve().parents[1] / 'configs'
    same = [relative_to_here(path) for path in checkpoints.configs_like(weights, folder)]
    lines.append(f'config     {", ".join(same) or "none of configs/ has this model"}')
    lines.append(
        f'to use     python tools/demo.py IMAGE --checkpoint {relative_to_here(target)}'
        f'{f" --config {same[0]}" if same else ""}'
    )
    return Output(tensors, meta, lines)


def for_config(weights: PoseWeights, config: Any, args: argparse.Namespace) -> Output:
    """Weights for the model of a config: every tensor of it is in the file."""
    model = built(config.model, args.config)
    fitted = checkpoints.fit(weights, model, expert=args.expert, where=args.src)
    lines = [f'note       {note}' for note in fitted.notes]
    tensors = dict(fitted.tensors)
    if fitted.initial:
        seed = config.get('randomness', {}).get('seed') or 0
        state = checkpoints.initial_model(config.model, seed=seed).state_dict()
        tensors = checkpoints.of_one_type({n: tensors.get(n, state[n]) for n in state}, lines)
        parts = dict.fromkeys('.'.join(name.split('.')[:2]) for name in fitted.initial)
        lines.append(
            f'initial    {len(fitted.initial)} tensors are not in SRC and keep the initial '
            f'values of the config: {checkpoints.some(list(parts), 8)}'
        )
    complete = checkpoints.pose_weights_of(model, tensors)
    lines.append(f'heads      {checkpoints.heads_of(complete.heads)}')
    lines.append(f'to use     --config {args.config} --checkpoint {relative_to_here(args.dst)}')
    meta = {**meta_of(complete), 'config': Path(args.config).stem}
    meta['model'] = checkpoints.without_files(config.model.to_dict())
    # Readers of the file ask it for the input size.
    meta['model']['backbone'].setdefault('img_size', list(complete.input_size))
    return Output(tensors, meta, lines, fitted.unused)


def for_mmpose(weights: PoseWeights, target: Path) -> Output:
    """One skeleton for stock MMPose 1.x."""
    tensors = checkpoints.to_mmpose(weights)
    name, options = checkpoints.mmpose_config(weights)
    words = ' '.join(f'{key}={value}'.replace(' ', '') for key, value in options.items())
    lines = [f'heads      {checkpoints.heads_of(weights.heads)}']
    lines.append(f'config     {name or "MMPose has none of this size"}')
    if words:
        lines.append(f'           with --cfg-options {words}')
    return Output(tensors, {**meta_of(weights), **checkpoints.mmpose_meta(weights)}, lines)


def for_hf(weights: PoseWeights, target: Path) -> Output:
    """One skeleton for transformers, with its config beside it."""
    tensors, config = checkpoints.to_hf(weights)
    lines = [f'heads      {checkpoints.heads_of(weights.heads)}']
    if weights.experts:
        pairs = ', '.join(f'{i} {name}' for i, name in enumerate(weights.experts))
        lines.append(f'experts    dataset_index: {pairs}')
    lines.append(
        'to use     transformers.VitPoseForPoseEstimation.from_pretrained('
        f"'{relative_to_here(target.parent)}')"
    )
    files = dict(zip(HF_FILES[1:], (config, checkpoints.hf_processor(weights)), strict=True))
    meta = {**meta_of(weights), **checkpoints.statement(weights)}
    return Output(tensors, meta, lines, json=files)


def for_vitpose(weights: PoseWeights, target: Path) -> Output:
    """All heads for ViTPose's own code."""
    tensors = checkpoints.to_vitpose(weights)
    lines = [f'heads      {checkpoints.heads_of(weights.heads)}, in this order']
    if weights.experts:
        lines.append(f"experts    {', '.join(weights.paired().experts)}: each head's in its place")
        users: dict[str, list[str]] = {}
        for name in weights.heads:
            users.setdefault(weights.experts[weights.experts_of(name)[0]], []).append(name)
        for expert, names in users.items():
            if len(names) > 1:
                lines.append(f'note       expert {expert} is written once for each of {names}')
    meta = {**meta_of(weights), **checkpoints.statement(weights.paired())}
    return Output(tensors, meta, lines)


def meta_of(weights: PoseWeights) -> dict[str, Any]:
    """What every file that is written says about itself."""
    pipeline = {'input_size': list(weights.input_size), 'codec': checkpoints.codec(weights)}
    return {'written_by': f'hpemap_mm {__version__}', 'pipeline': pipeline}


def write(target: Path, output: Output) -> None:
    """All files, each whole or not at all; the weights last."""
    for name, content in output.json.items():
        path = target.with_name(name)
        try:
            write_json(path, content)
        except OSError as error:
            what = f'cannot be written ({error})'
            raise DataError([Problem(str(path), what, 'choose another DST')]) from error
    checkpoints.write_weights(target, output.tensors, output.meta)


if __name__ == '__main__':
    run_tool(main)
