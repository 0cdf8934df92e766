"""Are copies of photographs found, and nothing else?

All photographs of the data folder (HPEMAP_DATA, default ../shared/data) are searched together with
copies of some of them, changed as photographs change on their way from one dataset to another:

- re-encoded: JPEG of quality 30 to 90
- resized: to 0.3 to 1.5 times its size
- cropped 10 %: 5 % of width and height cut off on each side
- cropped 5 %: 5 % of width and height in total, divided between the sides at random
- mirrored: left for right
- and any two of these that are not both crops

What is not re-encoded on purpose is written as JPEG of quality 95. A copy is found if it is in the
group of its source. Each other photograph in that group is a false find, unless it is itself a
duplicate of the source: the data have some, which a search of the originals alone finds; LOOKED_AT
lists those that a person has looked at.

    python benchmarks/duplicates.py [--each 40] [--search 200000] [--workers 2]
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from _common import publish, table
from PIL import Image, ImageOps

from hpemap_mm.completion.duplicates.compare import SAME
from hpemap_mm.completion.duplicates.finder import find_duplicates
from hpemap_mm.completion.duplicates.hashing import BYTES, VIEWS
from hpemap_mm.completion.duplicates.search import find_candidates
from hpemap_mm.completion.duplicates.sources import Source, make_source
from hpemap_mm.datasets.duplicates import Duplicates, Member

DATA = Path(os.environ.get('HPEMAP_DATA') or Path(__file__).resolve().parents[2] / 'shared/data')
FOLDERS = ('lspet', 'coco_subset', 'real')
RECALL_GOAL, PRECISION_GOAL = 0.95, 0.99

#: Duplicates among the originals that a person looked at, and found to be one photograph each.
LOOKED_AT = frozenset(
    {
        ('coco_subset/val2017/000000000785.jpg', 'real/coco/000000000785.jpg'),
        ('coco_subset/val2017/000000040083.jpg', 'real/coco/000000040083.jpg'),
        ('coco_subset/val2017/000000196141.jpg', 'real/coco/000000196141.jpg'),
        ('lspet/images/im01195.jpg', 'lspet/images/im02494.jpg'),
        ('lspet/images/im01583.jpg', 'lspet/images/im07303.jpg'),
        ('lspet/images/im01803.jpg', 'lspet/images/im03959.jpg'),
        ('lspet/images/im03153.jpg', 'lspet/images/im09695.jpg'),
    }
)

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def resized(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    scale = rng.uniform(0.3, 1.5)
    size = [max(1, round(side * scale)) for side in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.BICUBIC)


def cropped_on_each_side(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return crop(image, (0.05, 0.05, 0.05, 0.05))


def cropped_in_total(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    left, top = rng.uniform(0, 0.05, 2)
    return crop(image, (left, top, 0.05 - left, 0.05 - top))


def crop(image: Image.Image, shares: tuple[float, float, float, float]) -> Image.Image:
    left, top, right, bottom = (
        round(share * side) for share, side in zip(shares, image.size * 2, strict=True)
    )
    return image.crop((left, top, image.width - right, image.height - bottom))


def mirrored(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.mirror(image)


#: In the order in which they are applied; re-encoding is how the file is written.
CHANGES: dict[str, Change] = {
    'cropped 10 %': cropped_on_each_side,
    'cropped 5 %': cropped_in_total,
    'mirrored': mirrored,
    'resized': resized,
}
ENCODED = 're-encoded'
KINDS = tuple(
    kinds
    for count in (1, 2)
    for kinds in itertools.combinations((ENCODED, *CHANGES), count)
    if sum('cropped' in kind for kind in kinds) < 2
)


def main() -> None:
    """Plant, search, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--each', type=int, default=40, help='copies of each kind')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--search', type=int, default=200_000, help='hashes of the timed search')
    parser.add_argument('--workers', type=int, default=1)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    paths = sorted(str(p) for f in FOLDERS for p in (DATA / f).rglob('*.jpg'))
    originals = make_source('train', 'originals', str(DATA), paths)
    with tempfile.TemporaryDirectory() as folder:
        copies, planted = plant(originals, Path(folder), args.each, args.seed)
        cache = Path(folder) / 'hashes.sqlite'
        start = time.perf_counter()
        alone = find_duplicates([originals], within=True, cache=cache, workers=args.workers)
        seconds = time.perf_counter() - start
        found = find_duplicates([originals, copies], within=True, cache=cache, workers=args.workers)
    truth = source_groups(alone)
    rows, results = score(found, planted, truth)
    among = {tuple(sorted(m.image for m in group)) for group in alone.groups}
    search = time_search(args.search, args.workers)
    text = words(len(paths), rows, results, among, alone, seconds, search, args.workers)
    publish(
        'duplicates',
        'Copies found among real photographs',
        text,
        {
            'photographs': len(paths),
            'seconds': seconds,
            'among_originals': sorted(among),
            'looked_at': len(among & LOOKED_AT),
            'search': search,
            **results,
        },
    )


def plant(
    originals: Source, folder: Path, each: int, seed: int
) -> tuple[Source, dict[str, tuple[str, str]]]:
    """Write copies of photographs, none of which is copied twice.

    Returns:
        The copies, and their name -> (name of the original, kind).
    """
    rng = np.random.default_rng(seed)
    names = list(originals.files)
    chosen = rng.choice(len(names), each * len(KINDS), replace=False)
    planted = {}
    for i, at in enumerate(chosen):
        kinds = KINDS[i % len(KINDS)]
        with Image.open(originals.files[names[at]]) as file:
            image = file.convert('RGB')
        for kind, change in CHANGES.items():
            if kind in kinds:
                image = change(image, rng)
        quality = int(rng.integers(30, 91)) if ENCODED in kinds else 95
        name = f'{i:05d}.jpg'
        image.save(folder / name, quality=quality)
        planted[name] = (names[at], ', '.join(kinds))
    paths = [str(folder / name) for name in planted]
    return make_source('val', 'copies', str(folder), paths), planted


def source_groups(alone: Duplicates) -> dict[str, frozenset[str]]:
    """Name of an original -> it and its duplicates among the originals, where it has any."""
    groups = [frozenset(m.image for m in group) for group in alone.groups]
    return {name: group for group in groups for name in group}


def score(
    found: Duplicates, planted: dict[str, tuple[str, str]], truth: dict[str, frozenset[str]]
) -> tuple[list[list[str]], dict]:
    """Which copies are in their source's group, and what else is there."""
    group_of: dict[Member, tuple[Member, ...]] = {m: g for g in found.groups for m in g}
    counts = {', '.join(kinds): [0, 0] for kinds in KINDS}
    hands = right = false = 0
    for copy, (source, kind) in planted.items():
        group = group_of.get(Member('val', 'copies', copy), ())
        same = truth.get(source, frozenset({source}))
        # Other copies of the source's duplicates are what they are copies of.
        stands_for = {planted[m.image][0] if m.split == 'val' else m.image for m in group}
        counts[kind][0] += 1
        hit = source in stands_for
        counts[kind][1] += hit
        false += len(stands_for - same)
        pairs = [p for p in found.pairs if copy in (p.first.image, p.second.image)]
        if hit and len(group) == 2:
            hands += 1
            right += (pairs[0].kind == 'mirrored') == ('mirrored' in kind)
    hits = sum(hit for _, hit in counts.values())
    total = len(planted)
    rows = [
        [kind, str(n), f'{100 * hit / n:.1f} % ({n - hit} missed)']
        for kind, (n, hit) in counts.items()
    ]
    scores = [p.score for p in found.pairs if p.leaks]
    results = {
        'planted': total,
        'found': hits,
        'recall': hits / total,
        'false': false,
        'precision': hits / max(1, hits + false),
        'by_kind': {kind: {'planted': n, 'found': hit} for kind, (n, hit) in counts.items()},
        'right_hand': right / max(1, hands),
        'least_score': min(scores, default=None),
        'best_not_counted': max((p.score for p in found.alike), default=None),
    }
    return rows, results


def time_search(count: int, workers: int) -> dict[str, float]:
    """Seconds and memory of a search through random hashes."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 256, (count, len(VIEWS), BYTES), np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    find_candidates(bits, workers=workers)
    seconds = time.perf_counter() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        'photographs': count,
        'seconds': seconds,
        'comparisons_per_second': 3 * count**2 / seconds,
        'hashes_mb': bits.nbytes / 1e6,
        'more_memory_mb': grown / 1e3,
    }


def words(
    photographs: int,
    rows: list[list[str]],
    results: dict,
    among: set[tuple[str, ...]],
    alone: Duplicates,
    seconds: float,
    search: dict[str, float],
    workers: int,
) -> str:
    goal = results['recall'] >= RECALL_GOAL and results['precision'] >= PRECISION_GOAL
    total = ['all', str(results['planted']), f'{100 * results["recall"]:.2f} %']
    per = 1000 * seconds / photographs
    minutes = search['seconds'] / 60
    return '\n\n'.join(
        [
            table(['change', 'planted', 'found'], [*rows, total]),
            f'Recall {results["recall"]:.4f}, precision {results["precision"]:.4f} '
            f'({results["false"]} false finds) among {photographs:,} photographs and '
            f'{results["planted"]} copies. Goal: {RECALL_GOAL} and {PRECISION_GOAL}; '
            f'{"reached" if goal else "NOT reached"}.',
            f'Told rightly whether it is mirrored: {100 * results["right_hand"]:.1f} %. '
            f'Correlation of details: {results["least_score"]:.3f} in the copy that is least like '
            f'its source, counted from {SAME} on, {results["best_not_counted"]:.3f} in the best of '
            'those that are not counted.',
            f'Among the originals alone: {len(among)} groups of duplicates, of which '
            f'{len(among & LOOKED_AT)} were looked at, all of them one photograph; '
            f'{len(alone.alike)} pairs that are alike without being counted.',
            f'Time: {per:.1f} ms a photograph, hashing, searching and comparing, on {workers} '
            f'threads. A search through {search["photographs"]:,} random hashes: {minutes:.1f} '
            f'minutes, {search["comparisons_per_second"] / 1e9:.2f} thousand million comparisons a '
            f'second; the hashes are {search["hashes_mb"]:.0f} MB, the search needs '
            f'{search["more_memory_mb"]:.0f} MB more.',
        ]
    )


if __name__ == '__main__':
    main()
