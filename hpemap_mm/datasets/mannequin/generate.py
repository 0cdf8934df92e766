"""Makes the whole dataset, at once or not at all."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2

from .scene import Photo, render
from .writers import DATASETS, WRITERS, Shot, write_truth

#: Raised whenever the same arguments would give other files.
VERSION = 1
SPLITS = ('train', 'val')
_MANIFEST = 'manifest.json'


@dataclass(frozen=True)
class Manifest:
    """What a generated dataset consists of; written to ``manifest.json``.

    Attributes:
        generator: Name and version of the generator.
        arguments: What determines the files: images, seed, image_size, val_fraction.
        images: Photographs per split.
        persons: Annotated persons per split and dataset.
    """

    generator: str
    arguments: dict[str, Any]
    images: dict[str, int]
    persons: dict[str, dict[str, int]]


def _arguments(
    images: int, seed: int, image_size: tuple[int, int], val_fraction: float
) -> dict[str, Any]:
    if images < len(DATASETS):
        raise ValueError(f'images must be at least {len(DATASETS)}, one per dataset; got {images}')
    if seed < 0:
        raise ValueError(f'seed must not be negative; got {seed}')
    if not 0 <= val_fraction < 1:
        raise ValueError(f'val_fraction must be in [0, 1); got {val_fraction}')
    if min(image_size) < 96 or len(image_size) != 2:
        raise ValueError(f'image_size must be (width, height), each at least 96; got {image_size}')
    return {
        'images': int(images),
        'seed': int(seed),
        'image_size': [int(v) for v in image_size],
        'val_fraction': str(Fraction(val_fraction).limit_denominator(1000)),
    }


def split_of(index: int, val_fraction: float) -> str:
    """The split of photograph ``index``, whatever the number of photographs.

    Blocks of one photograph per dataset go to ``val`` evenly, every sixth by default, so both
    splits are divided between all datasets.
    """
    share = Fraction(val_fraction).limit_denominator(1000)
    block = index // len(DATASETS)
    return 'val' if math.floor((block + 1) * share) > math.floor(block * share) else 'train'


def _take(seed: int, index: int, size: tuple[int, int], path: str) -> tuple[int, Photo]:
    """Render one photograph to ``path`` and return it without its pixels."""
    photo = render(seed, index, size)
    if not cv2.imwrite(path, photo.image, [cv2.IMWRITE_JPEG_QUALITY, photo.quality]):
        raise OSError(f'could not write {path}')
    return index, Photo(photo.image[:0], photo.quality, photo.persons)


def _take_all(jobs: list[tuple[int, int, tuple[int, int], str]], workers: int) -> Iterator[Any]:
    if workers <= 1:
        for job in jobs:
            yield _take(*job)
        return
    columns = zip(*jobs, strict=True)
    with ProcessPoolExecutor(workers, mp_context=get_context('spawn')) as pool:
        yield from pool.map(_take, *columns, chunksize=8)


class _Progress:
    """A bar on stderr: redrawn on a terminal, a line every tenth elsewhere."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self.total, self.shown, self.done = total, shown, 0
        self.terminal = sys.stderr.isatty()

    def step(self) -> None:
        """One photograph more."""
        self.done += 1
        tenth = self.done * 10 // self.total > (self.done - 1) * 10 // self.total
        if not self.shown or not (self.terminal or tenth):
            return
        filled = self.done * 30 // self.total
        bar = '#' * filled + '.' * (30 - filled)
        end = '\n' if not self.terminal or self.done == self.total else ''
        start = '\r' if self.terminal else ''
        sys.stderr.write(f'{start}mannequins [{bar}] {self.done}/{self.total}{end}')
        sys.stderr.flush()


def read_manifest(out_dir: str | Path) -> Manifest | None:
    """The manifest of a dataset folder, or None where there is none.

    Raises:
        ValueError: If there is one that cannot be read.
    """
    path = Path(out_dir) / _MANIFEST
    if not path.is_file():
        return None
    try:
        return Manifest(**json.loads(path.read_text(encoding='utf-8')))
    except (json.JSONDecodeError, TypeError) as error:
        raise ValueError(f'{path} is not a manifest of the mannequins: {error}') from error


def _existing(out: Path, arguments: dict[str, Any], force: bool) -> Manifest | None:
    """The finished dataset at ``out`` if it is the wanted one; None if there is room for it."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    manifest = read_manifest(out)
    if manifest is None or not manifest.generator.startswith('hpemap_mm.datasets.mannequin'):
        raise FileExistsError(
            f'{out} exists and was not made by this generator; it will not be replaced. '
            'Choose another folder.'
        )
    if force:
        return None
    if manifest.arguments == arguments and manifest.generator == _generator():
        return manifest
    raise FileExistsError(
        f'{out} holds another dataset: {manifest.generator} {manifest.arguments}; wanted '
        f'{_generator()} {arguments}. Choose another folder, or force (--force) to replace it.'
    )


def _generator() -> str:
    return f'hpemap_mm.datasets.mannequin {VERSION}'


def generate(
    out_dir: str | Path,
    *,
    images: int = 600,
    seed: int = 0,
    image_size: tuple[int, int] = (320, 240),
    val_fraction: float = 1 / 6,
    progress: bool = True,
    workers: int = 1,
    force: bool = False,
) -> Manifest:
    """Make the dataset: photographs, four datasets' annotations and the truth.

    The same arguments give the same bytes, on one version of OpenCV and numpy; photograph i
    depends on ``seed`` and i only. The folder appears when all of it is there.

    Layout::

        images/{train,val}/000001.jpg ...
        coco/{split}.json  aic/{split}.json  lsp/{split}.npz
        mpii/{split}.json  mpii/{split}_gt.mat
        truth/{split}.npz  manifest.json

    Args:
        out_dir: Folder to make; its parents are made too.
        images: Number of photographs over both splits; annotated by each dataset in turn.
        seed: Of everything random.
        image_size: Width and height in pixels.
        val_fraction: Share of the photographs that goes to ``val``.
        progress: Whether to draw a bar on stderr.
        workers: Processes that render; 1 renders in this one.
        force: Replace another dataset of this generator at ``out_dir``.

    Returns:
        The manifest; of the dataset that is already there if it has the same arguments.

    Raises:
        ValueError: For arguments out of range.
        FileExistsError: If ``out_dir`` holds something else.
    """
    arguments = _arguments(images, seed, image_size, val_fraction)
    size = (int(image_size[0]), int(image_size[1]))
    out = Path(out_dir)
    found = _existing(out, arguments, force)
    if found is not None:
        return found

    out.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f'.{out.name}.', dir=out.parent))
    try:
        manifest = _fill(stage, arguments, size, val_fraction, progress, workers)
        stage.chmod(0o777 & ~_umask())
        _move_into_place(stage, out)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    return manifest


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _move_into_place(stage: Path, out: Path) -> None:
    if not out.exists():
        stage.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f'.{out.name}.old.', dir=out.parent))
    out.rename(old / out.name)
    stage.rename(out)
    shutil.rmtree(old)


def _fill(
    stage: Path,
    arguments: dict[str, Any],
    size: tuple[int, int],
    val_fraction: float,
    progress: bool,
    workers: int,
) -> Manifest:
    total, seed = arguments['images'], arguments['seed']
    names = [f'{index + 1:06d}.jpg' for index in range(total)]
    splits = [split_of(index, val_fraction) for index in range(total)]
    for split in SPLITS:
        (stage / 'images' / split).mkdir(parents=True)
    jobs = [
        (seed, index, size, str(stage / 'images' / splits[index] / names[index]))
        for index in range(total)
    ]
    bar = _Progress(total, shown=progress)
    shots: dict[str, list[Shot]] = {split: [] for split in SPLITS}
    for index, photo in _take_all(jobs, workers):
        shots[splits[index]].append(Shot(index, names[index], size, photo.persons))
        bar.step()

    persons: dict[str, dict[str, int]] = {}
    for split, taken in shots.items():
        persons[split] = {}
        for name, write in WRITERS.items():
            own = [shot for shot in taken if shot.dataset == name]
            write(stage / name, split, own)
            persons[split][name] = sum(len(shot.persons) for shot in own)
        write_truth(stage / 'truth' / f'{split}.npz', taken)
    counts = {split: len(taken) for split, taken in shots.items()}
    manifest = Manifest(_generator(), arguments, counts, persons)
    text = json.dumps(asdict(manifest), indent=2) + '\n'
    (stage / _MANIFEST).write_text(text, encoding='utf-8')
    return manifest
