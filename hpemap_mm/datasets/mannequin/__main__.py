"""``python -m hpemap_mm.datasets.mannequin OUT``: make the default dataset."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .contact_sheet import contact_sheet
from .generate import generate


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and generate; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='python -m hpemap_mm.datasets.mannequin',
        description='Make a small dataset of people annotated as COCO, MPII, AIC and LSP do.',
    )
    parser.add_argument('out', type=Path, help='folder to make')
    parser.add_argument('--images', type=int, default=600, help='photographs (default 600)')
    parser.add_argument('--seed', type=int, default=0, help='default 0')
    parser.add_argument('--workers', type=int, default=1, help='processes (default 1)')
    parser.add_argument('--force', action='store_true', help='replace another generated dataset')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    parser.add_argument('--contact-sheet', type=Path, help='also draw a picture of some of them')
    args = parser.parse_args(argv)
    started = time.monotonic()
    try:
        manifest = generate(
            args.out,
            images=args.images,
            seed=args.seed,
            workers=args.workers,
            force=args.force,
            progress=not args.quiet,
        )
        if args.contact_sheet:
            contact_sheet(args.out, args.contact_sheet)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{args.out}: ready after {time.monotonic() - started:.1f} s')
    for split, count in manifest.images.items():
        people = ', '.join(f'{name} {n}' for name, n in manifest.persons[split].items())
        print(f'  {split}: {count} images; persons: {people}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
