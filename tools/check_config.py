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


def main(argv: Sequence[str] | None = None) -> int:
    """Check, print what was found; the exit status is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        description='Say what a config will do: files, persons, joints, memory, samples. '
        'Prints every fault at once; the exit status is 1 if there is any.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--out', metavar='PICTURE', help='augmented samples (default: work_dirs/CONFIG/samples.jpg)'
    )
    add_run_arguments(parser)
    args = parser.parse_args(argv)

    from hpemap_mm.engine.check import check_config

    config = load_config(args.config, options=args.cfg_options)
    picture = Path(args.out or Path(config.work_dir) / 'samples.jpg')
    report = check_config(config, picture)
    _print_files(report)
    _print_joints(report)
    _print_memory(report)
    if report.picture is not None:
        print(f'augmented training samples with their targets: {report.picture}\n')
    if len(report.problems) == 0:
        print('No fault found.')
        return 0
    print(f'{len(report.problems)} faults:')
    for problem in report.problems:
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


if __name__ == '__main__':
    run_tool(main)
