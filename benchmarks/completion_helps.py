"""Does one dataset with every representation help, on photographs that were not trained on?

The same network, number of steps and batch size for every arm: each dataset alone; a multi-head
and a union model on both; the union model on the *completed* data; the multi-head model with tied
heads; the union model with a teacher. Each arm is trained by tools/train.py and tested by
tools/test.py on the two validation sets, for several seeds. The data is completed, once for each
seed, by tools/complete_dataset.py with the multi-head model of that seed.

Nothing that is tested on is used before. A part of the training images, told by a hash of their
names, is held out of the training of every arm: the uncertainty of the model that completes is
calibrated on it.

What is done is not done again, and an arm that was stopped goes on from its last epoch.

    python benchmarks/completion_helps.py [--work-dir work_dirs/completion_helps] [--large]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import publish, table

from hpemap_mm.evaluation.bootstrap import image_sums, image_weights, percentile_interval
from hpemap_mm.evaluation.pck import box_sizes, scaled_errors, torso_sizes
from hpemap_mm.files import atomic_path, write_json
from hpemap_mm.skeletons import get_skeleton, transfer

ROOT = Path(__file__).resolve().parents[1]
#: Training images in a thousand that calibrate.
HELD_OUT = 150
#: Joints that are less sure than this, in sizes of the person, are left empty. High, as the weights
#: of the loss follow the uncertainty.
MAX_STD = 0.15


@dataclass(frozen=True)
class Entry:
    """A training set and the validation set that belongs to it."""

    skeleton: str
    train: str
    val: str
    dataset: str
    file: str
    images: str
    val_file: str
    val_images: str


ENTRIES = (
    Entry(
        'coco',
        'coco_subset_train',
        'coco_subset_val',
        'CocoDataset',
        'coco_subset/person_keypoints_train2017.json',
        'coco_subset/train2017/',
        'coco_subset/person_keypoints_val2017.json',
        'coco_subset/val2017/',
    ),
    Entry(
        'lsp',
        'lspet_train',
        'lspet_val',
        'hpemap_mm.LspDataset',
        'lspet/lspet_train.npz',
        'lspet/images/',
        'lspet/lspet_val.npz',
        'lspet/images/',
    ),
)


@dataclass(frozen=True)
class Arm:
    """What is trained: a config, on the training sets of these skeletons."""

    config: str
    skeletons: tuple[str, ...] = ('coco', 'lsp')
    completed: bool = False


ARMS = {
    'COCO alone': Arm('single/single_micro_8e_coco-subset_128x128.py', ('coco',)),
    'LSPET alone': Arm('single/single_micro_8e_lspet_128x128.py', ('lsp',)),
    'multi-head': Arm('multihead/multihead_micro_8e_coco-subset_lspet_128x128.py'),
    'union': Arm('union/union_micro_8e_coco-subset_lspet_128x128.py'),
    'union, completed data': Arm(
        'union/union-completed_micro_8e_coco-subset_lspet_128x128.py', completed=True
    ),
    'multi-head, tied': Arm('multihead/multihead-tied_micro_8e_coco-subset_lspet_128x128.py'),
    'union, taught': Arm('union/union-taught_micro_8e_coco-subset_lspet_128x128.py'),
    'multi-head, tied and taught': Arm(
        'multihead/multihead-taught_micro_8e_coco-subset_lspet_128x128.py'
    ),
}
DEFAULT = [name for name in ARMS if name != 'multi-head, tied and taught']
#: What each arm is compared with.
AGAINST = {
    'union': 'multi-head',
    'union, completed data': 'union',
    'multi-head, tied': 'multi-head',
    'union, taught': 'union',
    'multi-head, tied and taught': 'multi-head',
}
#: Entry, representation, what the error is divided by, threshold.
FIGURES = [
    (entry.val, entry.skeleton, kind, threshold)
    for entry in ENTRIES
    for kind, threshold in (('bbox', 0.05), ('bbox', 0.1), ('torso', 0.2))
]
CROSS = [('coco_subset_val', 'lsp', 'bbox', 0.1), ('lspet_val', 'coco', 'bbox', 0.1)]
NAMES = {'coco_subset_val': 'COCO', 'lspet_val': 'LSPET'}


@dataclass(frozen=True)
class Recipe:
    """How long everything is trained."""

    epochs: int
    steps: int
    batch: int
    seeds: int


SMALL = Recipe(epochs=3, steps=100, batch=16, seeds=3)
LARGE = Recipe(epochs=40, steps=100, batch=64, seeds=5)


# -- the data ------------------------------------------------------------------------------


def held_out(name: str) -> bool:
    """Whether an image calibrates instead of training; by its name, the same everywhere."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 1000 < HELD_OUT


def split(data: Path, folder: Path) -> dict[str, dict[str, Path]]:
    """Write each training set's two parts as files of its own.

    Returns:
        Skeleton -> 'train' or 'calibration' -> file.
    """
    found: dict[str, dict[str, Path]] = {}
    for entry in ENTRIES:
        source = data / entry.file
        parts = {
            part: folder / f'{entry.train}_{part}{source.suffix}'
            for part in ('train', 'calibration')
        }
        found[entry.skeleton] = parts
        for part, path in parts.items():
            if not path.exists():
                with atomic_path(path) as partial:
                    _write_part(source, partial, part == 'calibration')
    return found


def _write_part(source: Path, target: Path, calibration: bool) -> None:
    if source.suffix == '.npz':
        with np.load(source) as file:
            chosen = np.array([held_out(str(n)) == calibration for n in file['image']])
            np.savez(target, image=file['image'][chosen], joints=file['joints'][chosen])
        return
    content = json.loads(source.read_text())
    images = [i for i in content['images'] if held_out(i['file_name']) == calibration]
    ids = {image['id'] for image in images}
    persons = [a for a in content['annotations'] if a['image_id'] in ids]
    target.write_text(json.dumps({**content, 'images': images, 'annotations': persons}))


def persons(path: Path) -> int:
    """Persons in a file."""
    if path.suffix == '.npz':
        with np.load(path) as file:
            return len(file['image'])
    return len(json.loads(path.read_text())['annotations'])


# -- an arm --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """An arm with a seed, and where everything is."""

    name: str
    seed: int
    recipe: Recipe
    data: Path
    parts: dict[str, dict[str, Path]]
    folder: Path

    @property
    def arm(self) -> Arm:
        """What is trained."""
        return ARMS[self.name]

    @property
    def home(self) -> Path:
        """Its folder."""
        return self.folder / f'seed{self.seed}' / self.name.replace(',', '').replace(' ', '-')

    @property
    def completed(self) -> Path:
        """This seed's completed data."""
        return self.folder / f'seed{self.seed}' / 'completed'

    @property
    def checkpoint(self) -> Path:
        """The last one."""
        return self.home / f'epoch_{self.recipe.epochs}.pth'

    @property
    def config(self) -> Path:
        """Its config file."""
        return ROOT / 'configs' / self.arm.config

    def options(self) -> list[str]:
        """What is changed in the config."""
        recipe, train = self.recipe, 'train_dataloader.dataset.entries'
        options = [
            f'randomness.seed={self.seed}',
            f'train_cfg.max_epochs={recipe.epochs}',
            # Tested once, at the end.
            f'train_cfg.val_begin={recipe.epochs + 1}',
            f'param_scheduler.1.end={recipe.epochs}',
            f'train_dataloader.batch_size={recipe.batch}',
            f'train_dataloader.dataset.samples_per_epoch={recipe.steps * recipe.batch}',
        ]
        for entry in ENTRIES:
            if entry.skeleton not in self.arm.skeletons:
                # Every arm is tested on both.
                test = f'test_dataloader.dataset.entries.{entry.val}'
                options += [
                    f'{test}.skeleton={entry.skeleton}',
                    f'{test}.dataset.type={entry.dataset}',
                    f'{test}.dataset.data_root={self.data}',
                    f'{test}.dataset.ann_file={entry.val_file}',
                    f'{test}.dataset.data_prefix.img={entry.val_images}',
                ]
            elif self.arm.completed:
                options += [f'{train}.{entry.train}.dataset.completed={self.completed}']
            else:
                file = self.parts[entry.skeleton]['train']
                options += [f'{train}.{entry.train}.dataset.ann_file={file}']
        return options

    def run(self) -> dict[str, Any]:
        """Train and test, unless that is done; gives the times."""
        done = self.home / 'arm.json'
        if done.exists():
            return json.loads(done.read_text())
        print(f'== {self.name}, seed {self.seed}', flush=True)
        if self.arm.completed:
            self.complete()
        options = ['--cfg-options', *self.options()]
        resumed = any(self.home.glob('epoch_*.pth'))
        start = time.perf_counter()
        self._tool('train', self.config, '--work-dir', self.home, '--resume', *options)
        seconds = None if resumed else time.perf_counter() - start
        shown = 4 if self.seed == 0 else 0
        more = ['--pictures', shown, '--report-pictures', shown, '--dump-predictions']
        out = self.home / 'test'
        self._tool('test', self.config, self.checkpoint, '--out', out, *more, *options)
        arm = {'training_seconds': seconds}
        write_json(done, arm)
        return arm

    def complete(self) -> None:
        """Complete the training data with this seed's multi-head model."""
        maker = Job('multi-head', self.seed, self.recipe, self.data, self.parts, self.folder)
        if not maker.checkpoint.exists():
            maker.run()
        config = self.folder / f'seed{self.seed}' / 'complete.py'
        with atomic_path(config) as partial:
            partial.write_text(self._completion_config())
        where = ['--out', self.completed, '--threads', torch.get_num_threads()]
        self._tool('complete_dataset', config, maker.checkpoint, *where)

    def _completion_config(self) -> str:
        entries, calibration = {}, {}
        for entry in ENTRIES:
            for names, part, name in (
                (entries, 'train', entry.train),
                (calibration, 'calibration', f'{entry.train}_calibration'),
            ):
                names[name] = {
                    'skeleton': entry.skeleton,
                    'dataset': {
                        'type': entry.dataset,
                        'data_root': str(self.data),
                        'ann_file': str(self.parts[entry.skeleton][part]),
                        'data_prefix': {'img': entry.images},
                    },
                }
        completion = {
            '_delete_': True,
            'skeletons': [entry.skeleton for entry in ENTRIES],
            'entries': entries,
            'calibration': calibration,
            'max_std': MAX_STD,
        }
        base = str(ROOT / 'configs' / 'completion' / 'complete_coco-subset_lspet.py')
        return f'_base_ = [{base!r}]\n\ncompletion = {completion!r}\n'

    def _tool(self, name: str, *arguments: object) -> None:
        command = [sys.executable, '-W', 'ignore', str(ROOT / 'tools' / f'{name}.py')]
        environment = {**os.environ, 'HPEMAP_DATA': str(self.data)}
        subprocess.run([*command, *map(str, arguments)], check=True, env=environment, cwd=ROOT)

    def sums(self, figure: tuple[str, str, str, float]) -> tuple[np.ndarray, np.ndarray] | None:
        """(I,) correct and scored joints of each image; None where the arm does not answer."""
        entry, representation, kind, threshold = figure
        folder = self.home / 'test' / 'predictions'
        path = folder / f'{entry}.{representation}.npz'
        if not path.exists():
            return None
        with np.load(folder / f'{entry}.truth.npz') as truth, np.load(path) as predicted:
            skeleton = get_skeleton(next(e.skeleton for e in ENTRIES if e.val == entry))
            order = {int(i): row for row, i in enumerate(predicted['ids'])}
            rows = [order[int(i)] for i in truth['ids']]
            points = predicted['keypoints'][rows].astype(float)
            answered = np.isfinite(points).all(-1)
            if representation != skeleton.name:
                points, answered, _ = transfer(
                    representation, skeleton, points, answered, near=False, derived=False
                )
            valid = (truth['visible'] > 0) & answered
            size = (
                box_sizes(truth['boxes'])
                if kind == 'bbox'
                else torso_sizes(truth['keypoints'], truth['visible'] > 0, skeleton)
            )
            errors = scaled_errors(points, np.nan_to_num(truth['keypoints']), valid, size)
            ids, images = truth['image_ids'], truth['images']
            right, scored = (errors <= threshold).sum(1), np.isfinite(errors).sum(1)
            return image_sums(right, ids, images), image_sums(scored, ids, images)


# -- the figures ---------------------------------------------------------------------------


def replicates(jobs: Sequence[Job], figure: tuple, draws: np.ndarray) -> np.ndarray | None:
    """(1 + B,) the figure, and in each replicate: of drawn images and drawn seeds.

    All arms get the same draws, so that their differences have intervals.

    Args:
        jobs: One arm, all seeds.
        figure: What is computed.
        draws: (B, S) seeds of each replicate.
    """
    found = [job.sums(figure) for job in jobs]
    if any(one is None for one in found):
        return None
    right, scored = (np.stack(x).astype(float) for x in zip(*found, strict=True))
    weights = image_weights(right.shape[1], len(draws), seed=1).astype(float)
    weights = np.concatenate([np.ones((1, right.shape[1])), weights])
    by_seed = (weights @ right.T) / (weights @ scored.T)
    chosen = np.concatenate([np.arange(len(jobs))[None], draws])
    return np.take_along_axis(by_seed, chosen, 1).mean(1)


def cell(values: np.ndarray | None) -> str:
    """A figure in per cent, with its interval."""
    if values is None:
        return '-'
    low, high = percentile_interval(values[1:])
    return f'{100 * values[0]:.1f} [{100 * low:.1f}, {100 * high:.1f}]'


def difference(values: np.ndarray | None, others: np.ndarray | None) -> str:
    """A difference in per cent, with its interval."""
    if values is None or others is None:
        return '-'
    gap = values - others
    low, high = percentile_interval(gap[1:])
    return f'{100 * gap[0]:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]'


def heading(figure: tuple[str, str, str, float]) -> str:
    """A column's heading."""
    entry, representation, kind, threshold = figure
    own = next(e.skeleton for e in ENTRIES if e.val == entry)
    way = '' if representation == own else f' from {representation}'
    return f'{NAMES[entry]}{way} @{threshold:g} {kind}'


def main() -> None:
    """Run every arm, print the tables, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add('--work-dir', type=Path, default=Path('work_dirs/completion_helps'))
    add('--large', action='store_true', help='more and larger steps, and more seeds, for a GPU')
    for name in ('epochs', 'steps', 'batch', 'seeds'):
        text = f'instead of {getattr(SMALL, name)}, or with --large {getattr(LARGE, name)}'
        add(f'--{name}', type=int, help=text)
    add(
        '--arms', nargs='+', choices=list(ARMS), default=DEFAULT, help='(default: all but the last)'
    )
    add('--replicates', type=int, default=2000, help='of the bootstrap')
    add('--name', default='completion_helps', help='of the results')
    args = parser.parse_args()
    recipe = LARGE if args.large else SMALL
    given = {n: getattr(args, n) for n in ('epochs', 'steps', 'batch', 'seeds')}
    recipe = Recipe(**{n: getattr(recipe, n) if v is None else v for n, v in given.items()})

    data = Path(os.environ.get('HPEMAP_DATA', ROOT.parent / 'shared' / 'data')).absolute()
    folder = args.work_dir.absolute() / f'{recipe.epochs}x{recipe.steps}x{recipe.batch}'
    parts = split(data, folder / 'data')
    jobs = {
        name: [Job(name, seed, recipe, data, parts, folder) for seed in range(recipe.seeds)]
        for name in args.arms
    }
    arms = {name: [] for name in args.arms}
    for seed in range(recipe.seeds):
        for name in args.arms:
            arms[name].append(jobs[name][seed].run())
    draws = np.random.default_rng(0).integers(recipe.seeds, size=(args.replicates, recipe.seeds))
    figures = [*FIGURES, *CROSS]
    found = {
        name: {heading(f): replicates(jobs[name], f, draws) for f in figures} for name in args.arms
    }
    publish(
        args.name,
        'One dataset with every representation, against the datasets as they are',
        report(found, arms, recipe, parts),
        {
            'recipe': vars(recipe),
            'arms': arms,
            'figures': {n: {h: summary(v) for h, v in row.items()} for n, row in found.items()},
            'differences': {
                f'{name} - {other}': {
                    h: None
                    if v is None or found[other][h] is None
                    else summary(v - found[other][h])
                    for h, v in found[name].items()
                }
                for name, other in AGAINST.items()
                if name in found and other in found
            },
        },
    )


def summary(values: np.ndarray | None) -> dict[str, float] | None:
    """Value and interval."""
    if values is None:
        return None
    low, high = percentile_interval(values[1:])
    return {'value': float(values[0]), 'low': float(low), 'high': float(high)}


def report(
    found: dict[str, dict[str, np.ndarray | None]],
    arms: dict[str, list[dict[str, Any]]],
    recipe: Recipe,
    parts: dict[str, dict[str, Path]],
) -> str:
    """The tables and what they say."""
    own, cross = [heading(f) for f in FIGURES], [heading(f) for f in CROSS]
    rows = []
    for name, row in found.items():
        times = [a['training_seconds'] for a in arms[name] if a['training_seconds'] is not None]
        minutes = f'{statistics.median(times) / 60:.1f} min' if times else '-'
        rows.append([name, *(cell(row[h]) for h in own), minutes])
    headings = (*own, *cross)
    gaps = [
        [f'{name} - {other}', *(difference(found[name][h], found[other][h]) for h in headings)]
        for name, other in AGAINST.items()
        if name in found and other in found
    ]
    crossed = [[name, *(cell(row[h]) for h in cross)] for name, row in found.items()]
    counts = {
        name: [persons(parts[e.skeleton][name]) for e in ENTRIES]
        for name in ('train', 'calibration')
    }
    note = (
        f'PCK in per cent, mean of {recipe.seeds} seed(s), and a 95% interval of a bootstrap over '
        'test images and seeds together (of few seeds the spread is known badly). '
        f'{recipe.epochs * recipe.steps} steps of {recipe.batch} persons for every arm: two '
        'datasets share them, so each of them is seen half as often as alone. Trained on '
        f'{counts["train"][0]} persons of COCO and {counts["train"][1]} of LSPET, tested on 367 '
        'and 506 others, with the boxes of the truth and a flip test. '
        f'{counts["calibration"][0]} and {counts["calibration"][1]} more persons, of training '
        'images told by a hash of their names, were held out of every training, and calibrate the '
        'uncertainty of the model that completes: the multi-head model of the same seed.'
    )
    text = [table(['arm', *own, 'training'], rows)]
    if gaps:
        text += [
            'Differences; one whose interval is without 0 is no accident of seeds or images:',
            table(['difference', *headings], gaps),
        ]
    text += [
        'The joints that COCO and LSP share, answered in the skeleton that the photograph is *not* '
        'annotated in:',
        table(['arm', *cross], crossed),
        note,
    ]
    return '\n\n'.join(text)


if __name__ == '__main__':
    main()
