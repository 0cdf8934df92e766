"""Find every fault of a config before it is trained: python tools/check_config.py CONFIG."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hpemap_mm  # noqa: F401 - prepares MMPose before anything imports it
from hpemap_mm.commandline import run_tool
from hpemap_mm.engine.launch import add_run_arguments, load_config

if TYPE_CHECKING:
    from hpemap_mm.engine.check import ConfigReport
    from hpemap_mm.engine.check_translator import PairsReport, TranslatorReport
    from hpemap_mm.errors import ProblemList


def main(argv: Sequence[str] | None = None) -> int:
    """Check, print what was found; the exit status is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        description='Say what a config will do: files, persons, joints, memory, samples. '
        'Prints every fault at once; the exit status is 1 if there is any.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--out',
        metavar='PICTURE',
        help='augmented samples (default: work_dirs/CONFIG/samples.jpg); translators see no images',
    )
    add_run_arguments(parser)
    args = parser.parse_args(argv)

    from hpemap_mm.engine.check import check_config
    from hpemap_mm.engine.check_translator import check_translator, is_translator_config

    config = load_config(args.config, options=args.cfg_options)
    if is_translator_config(config):
        found = check_translator(config)
        _print_pairs(found)
        print('No picture: a translator sees no images.\n')
        return _print_problems(found.problems)
    picture = Path(args.out or Path(config.work_dir) / 'samples.jpg')
    report = check_config(config, picture)
    _print_files(report)
    _print_joints(report)
    _print_memory(report)
    if report.picture is not None:
        print(f'augmented training samples with their targets: {report.picture}\n')
    return _print_problems(report.problems)


def _print_problems(problems: ProblemList) -> int:
    """Print every fault; the exit status."""
    if len(problems) == 0:
        print('No fault found.')
        return 0
    print(f'{len(problems)} fault{"s" if len(problems) > 1 else ""}:')
    for problem in problems:
        print(f'  - {problem.where}\n      {problem.what}\n      fix: {problem.fix}')
    return 1


def _print_files(report: ConfigReport) -> None:
    print('Data')
    for split, entries in report.entries.items():
        for entry in entries:
            mark = 'FAULT' if entry.problems else 'ok'
            facts = entry.facts
            found = f'{facts.persons} persons, {len(facts.images)} images' if facts else 'not read'
            skeleton = f'{entry.skeleton or "?"} ({entry.joints} joints)'
            print(f'  {mark:5}  {split:5}  {entry.name:26}  {skeleton:18}  {found}')
            if facts:
                print(f'                {facts.path}')
                for note in facts.notes:
                    print(f'                note: {note}')
    print()


def _print_joints(report: ConfigReport) -> None:
    space = report.space
    if space is None:
        return
    kind = 'the joint space' if report.shared_space else 'heads of their own; as a union'
    print(f'Joints ({kind}): {space.name}, {len(space)} joints; persons labelled, by entry')
    names = list(report.supervision)
    width = max([len(joint) for joint in space.joints] + [5])
    print('   #  ' + 'joint'.ljust(width) + ''.join(f'  {name:>10}' for name in names))
    for j, joint in enumerate(space.joints):
        counts = [report.supervision[name][j] for name in names]
        cells = ''.join(
            f'  {count:>{max(10, len(n))}}' for n, count in zip(names, counts, strict=True)
        )
        print(f'  {j:>2}  {joint.ljust(width)}{cells}')
    print()


def _print_memory(report: ConfigReport) -> None:
    memory = report.memory
    if memory is None:
        return
    mib = 2**20
    print(
        f'Memory: {memory.parameters / 1e6:.1f} M parameters; weights, gradients and AdamW '
        f'{memory.weights / mib:.0f} MiB; activations {memory.activations / mib:.1f} MiB a sample; '
        f'a batch of {memory.batch_size}: about {memory.batch / mib:.0f} MiB\n'
    )


def _print_pairs(report: TranslatorReport) -> None:
    print('Pairs')
    told: set[tuple[str, ...]] = set()
    for part in report.pairs:
        name, pairs = f'{part.split:5}  {part.name:20}', part.pairs
        if pairs is None:
            print(f'  FAULT  {name}  not read')
        else:
            way = f'{pairs.source.name} -> {pairs.target.skeleton.name}'
            images = len(set(pairs.target.image_ids.tolist()))
            of_images = f', {images:,} images' if pairs.knows_images else ''
            print(f'  ok     {name}  {way:20}  {part.part:5}  {len(pairs):,} pairs{of_images}')
        if part.files in told:
            continue
        told.add(part.files)
        for file in part.files:
            print(f'           {file}{"" if Path(file).is_file() else " (is not there)"}')
        if pairs is not None:
            for note in (str(pairs.matching), *pairs.notes):
                print(f'           {note}')
    print()
    for part in report.pairs:
        if part.split == 'train' and part.pairs is not None:
            _print_pair_joints(part)
    if report.parameters is not None:
        print(f'Model: {report.parameters:,} parameters to be trained by gradients')
    for remark in report.remarks:
        print(f'Remark: {remark}')


def _print_pair_joints(part: PairsReport) -> None:
    """Joints of the target and of the source, in training."""
    pairs = part.pairs
    assert pairs is not None
    count, target, source = len(pairs), pairs.target.skeleton.name, pairs.source.name
    print(f'Joints of {part.name}, {source} -> {target}, in training; persons who have them')
    width = max(len(joint) for joint in (*pairs.source.joints, *pairs.target.skeleton.joints))
    for fact in part.target_joints:
        of = f' from {", ".join(fact.sources)}' if fact.relation in ('derived', 'estimate') else ''
        of = f' to {", ".join(fact.sources)}' if fact.relation == 'near' else of
        share = f'{fact.known:>8,}  {fact.known / count:6.1%}'
        print(f'  {target:10}  {fact.joint.ljust(width)}  {share}  {fact.relation}{of}')
    missing = [fact for fact in part.source_joints if fact.known < count]
    for fact in missing:
        share = f'{count - fact.known:>8,}  {1 - fact.known / count:6.1%}'
        print(f'  {source:10}  {fact.joint.ljust(width)}  {share}  missing in the source')
    if not missing:
        print(f'  {source:10}  the source has every joint of everybody')
    if part.shift is not None:
        shift = round(part.shift, 4) + 0.0  # no -0
        print(f'  sideways shift of the file read as source: {shift:+.4f} sizes')
    print()


if __name__ == '__main__':
    run_tool(main)
