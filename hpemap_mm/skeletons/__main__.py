"""``python -m hpemap_mm.skeletons``: print skeletons, joint spaces and mappings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hpemap_mm.skeletons.joint_space import JointSpace
from hpemap_mm.skeletons.layout import PRESETS
from hpemap_mm.skeletons.table import catalog_table, joint_table, mapping_table

EXAMPLES = """examples:
  python -m hpemap_mm.skeletons                          the known skeletons and presets
  python -m hpemap_mm.skeletons mpii                     the joints of one
  python -m hpemap_mm.skeletons coco mpii aic            their union
  python -m hpemap_mm.skeletons mpii aic --merge near    with head tops and necks as one
  python -m hpemap_mm.skeletons coco mpii --apart hip    with hips of their own
  python -m hpemap_mm.skeletons coco mpii --kind concat  every joint of both
  python -m hpemap_mm.skeletons --preset seed-21         as in checkpoints elsewhere
  python -m hpemap_mm.skeletons coco mpii --mapping      what of MPII follows from COCO
"""


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog='python -m hpemap_mm.skeletons',
        description='Print the joints of skeletons, and of the spaces made of several.',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('skeletons', nargs='*', metavar='SKELETON', help='e.g. coco mpii aic')
    parser.add_argument('--kind', choices=['union', 'concat'], default='union')
    parser.add_argument(
        '--merge',
        default='same',
        metavar='same|near|GROUP,...',
        help='what a union makes one: joints that are the same (default), all near ones too, '
        'or the near groups named, e.g. head_top,neck',
    )
    parser.add_argument(
        '--apart',
        default='',
        metavar='JOINT,...',
        help='joints that a union keeps apart for each skeleton, e.g. shoulder,hip',
    )
    parser.add_argument('--preset', metavar='NAME', help=f'one of {", ".join(PRESETS)}')
    parser.add_argument(
        '--mapping', action='store_true', help='of two skeletons: how the second follows'
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 2 for what the user got wrong."""
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        print(_text(args))
    except (KeyError, ValueError) as error:
        parser.error(str(error.args[0] if error.args else error))
    except (ModuleNotFoundError, FileNotFoundError) as error:
        parser.exit(1, f'{parser.prog}: {error}\n')
    return 0


def _text(args: argparse.Namespace) -> str:
    if args.preset and (args.skeletons or args.mapping):
        raise ValueError('--preset says which skeletons: leave out skeletons and --mapping')
    if args.preset:
        return joint_table(JointSpace.preset(args.preset))
    if not args.skeletons:
        return catalog_table()
    if args.mapping:
        if len(args.skeletons) != 2:
            raise ValueError('--mapping takes two skeletons: from and to')
        return mapping_table(*args.skeletons)
    apart = [name for name in args.apart.split(',') if name]
    if args.kind == 'concat':
        if args.merge != 'same' or apart:
            raise ValueError('--merge and --apart are for unions: a concat merges nothing')
        return joint_table(JointSpace.concat(*args.skeletons))
    merge = args.merge if args.merge in ('same', 'near') else args.merge.split(',')
    return joint_table(JointSpace.union(*args.skeletons, merge=merge, apart=apart))


if __name__ == '__main__':
    sys.exit(main())
