"""How good are completed joints, where the whole truth is known?

Mannequins are annotated in one of four skeletons each, and their truth is known in all four. The
model of the demo is trained on the annotations of one world of them. Translators are affine, fitted
on the whole truth of that world's training part (as others are on data from elsewhere). Of another
world every second group of photographs calibrates the model, the others are completed and judged:
for each skeleton and source the median error, PCK, coverage at the threshold, and whether the
uncertainties hold; and the fusion against its best single source, with intervals over photographs.

    python benchmarks/completion_mannequin.py [--images 960] [--work-dir work_dirs/completion]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from _common import publish, table
from _completion import COLUMNS, batches, figures, links_of, rows_of, shown
from mmengine.config import Config

from hpemap_mm.apis import load_model
from hpemap_mm.completion.calibration import PredictionCalibration
from hpemap_mm.completion.candidates import PersonBatch
from hpemap_mm.completion.completer import Completer
from hpemap_mm.evaluation.bootstrap import image_weights, percentile_interval
from hpemap_mm.persons import Truth as PersonTruth
from hpemap_mm.persons.provenance import PROVENANCE, SOURCES
from hpemap_mm.registry import DATASETS
from hpemap_mm.skeletons import get_skeleton
from hpemap_mm.translators.affine import AffineTranslator
from hpemap_mm.translators.pairs import Pairs

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'configs/multihead/multihead_micro_12e_mannequin_128x96.py'
SKELETONS = ('coco', 'mpii', 'aic', 'lsp')
GAINS = ('PCK@0.05', 'PCK@0.1', 'mean error')


def _run(*command: object) -> None:
    subprocess.run([sys.executable, '-W', 'ignore', *map(str, command)], check=True, cwd=ROOT)


def world(folder: Path, images: int, seed: int) -> Path:
    """Mannequins, made where they are not there yet."""
    data = folder / (f'mannequin_{images}' + (f'_seed{seed}' if seed else ''))
    if not (data / 'manifest.json').exists():
        _run('-m', 'hpemap_mm.datasets.mannequin', data, '--images', images, '--seed', seed)
    return data


def trained(folder: Path, data: Path, images: int) -> Path:
    """The demo's model, trained where it is not there yet."""
    work = folder / f'model_{images}'
    last = work / 'epoch_12.pth'
    if not last.exists():
        _run('tools/train.py', CONFIG, '--work-dir', work, '--resume', '--cfg-options',
             *_options(data))  # fmt: skip
    return last


def _options(data: Path) -> list[str]:
    config = Config.fromfile(CONFIG)
    return [
        f'{loader}.dataset.entries.{name}.dataset.data_root={data.absolute()}'
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader')
        for name in config[loader].dataset.entries
    ]


class Truth:
    """All skeletons of all annotated persons, found by their own annotation."""

    def __init__(self, file: Path) -> None:
        with np.load(file) as arrays:
            self.arrays = {key: arrays[key] for key in arrays.files}
        self.by_image: dict[str, list[int]] = {}
        for row, name in enumerate(self.arrays['image']):
            self.by_image.setdefault(str(name), []).append(row)

    def find(self, batch: PersonBatch, infos: list) -> np.ndarray:
        """Row of each person: that of its image whose joints are the annotated ones."""
        found = []
        joints = self.arrays[batch.skeleton.name][..., :2]
        for points, info in zip(batch.keypoints, infos, strict=True):
            rows = self.by_image[Path(info['img_path']).name]
            apart = [np.nanmax(np.abs(joints[row] - points)) for row in rows]
            best = int(np.argmin(apart))
            if apart[best] > 1.5:
                raise ValueError(f'{info["img_path"]}: no truth within 1.5 px: {apart[best]:.1f}')
            found.append(rows[best])
        return np.array(found)


def fitted(truth: Truth) -> list[AffineTranslator]:
    """A translator for every pair, fitted on half of the persons and calibrated on the others."""
    found = []
    for source in SKELETONS:
        for target in SKELETONS:
            if source == target:
                continue
            given, wanted = truth.arrays[source], truth.arrays[target]
            pairs = Pairs(
                name=target,
                source=get_skeleton(source),
                keypoints=np.where(given[..., 2:] > 0, given[..., :2], np.nan),
                scores=None,
                target=PersonTruth.build(
                    name=target,
                    skeleton=get_skeleton(target),
                    keypoints=wanted[..., :2],
                    visible=wanted[..., 2],
                ),
                matching=None,
            )
            rows = np.arange(len(given))
            translator = AffineTranslator(source=source, target=target)
            translator.fit(pairs.take(rows % 2 == 0))
            translator.calibrate(pairs.take(rows % 2 == 1))
            found.append(translator.eval())
    return found


def main() -> None:
    """Train where needed, complete, judge, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--images', type=int, default=960)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/completion'))
    parser.add_argument('--max-std', type=float, default=0.05)
    args = parser.parse_args()
    data = world(args.work_dir, args.images, 0)
    checkpoint = trained(args.work_dir, data, args.images)
    fresh = world(args.work_dir, args.images, 1)
    config = Config.fromfile(CONFIG)
    entries = config.train_dataloader.dataset.entries
    for name in entries:
        entries[name].dataset.data_root = str(fresh)
    model = load_model(config, checkpoint)
    # Persons of the other world's training part, prepared as for a test.
    dataset = DATASETS.build({**config.val_dataloader.dataset, 'entries': entries})
    truth = Truth(fresh / 'truth' / 'train.npz')
    translators = fitted(Truth(data / 'truth' / 'train.npz'))

    calibrating, judged = [], []
    for entry in dataset.entries:
        for batch, predictions, infos in batches(model, entry, dataset, SKELETONS):
            number = np.array([int(Path(info['img_path']).stem) for info in infos])
            even = (number // 24) % 2 == 0
            part, given = rows_of(batch, predictions, np.flatnonzero(even))
            calibrating.append((part, given))
            odd = np.flatnonzero(~even)
            part, given = rows_of(batch, predictions, odd)
            judged.append((part, given, truth.find(part, [infos[i] for i in odd]), number[odd]))
    calibration = PredictionCalibration.fit(calibrating)
    errors = judge(calibration, translators, judged, truth, args.max_std)
    text, results = report(errors)
    publish(
        'completion_mannequin',
        'Completed joints against the whole truth',
        text
        + f'\n\nThreshold: a standard deviation of {args.max_std:g} of the size (square root of '
        'the area). Errors in per cent of the size; `fused` is all sources by their uncertainties, '
        '`chosen` what the completed dataset has: derived joints are kept as they are, but for '
        '`derived weighed` (keep_derived=False).'
        f'\n\n{links_of(calibration)}',
        {
            'images': args.images,
            'max_std': args.max_std,
            'calibration': calibration.to_json(),
            'results': results,
        },
    )


def judge(
    calibration: Any, translators: list, judged: list, truth: Truth, max_std: float
) -> dict[str, dict]:
    """By skeleton and source: errors and standard deviations in sizes, joint by joint."""
    plain = PredictionCalibration(heads=calibration.heads)
    given = dict(skeletons=SKELETONS, translators=translators, calibration=calibration)
    completer = Completer(**given, max_std=max_std)
    # These translators were fitted on annotations like these, and know better than a copy.
    everything = Completer(**given, max_std=np.inf, keep_derived=False)
    weighing = Completer(**given, max_std=max_std, keep_derived=False)
    alone = Completer(skeletons=SKELETONS, calibration=plain, max_std=np.inf)
    untranslated = Completer(skeletons=SKELETONS, calibration=calibration, max_std=max_std)
    found: dict[str, dict] = {}
    for batch, predictions, rows, photographs in judged:
        done = completer.complete(batch, predictions)
        raw = alone.complete(batch, predictions)
        without = untranslated.complete(batch, predictions)
        weighed = weighing.complete(batch, predictions)
        for name in SKELETONS:
            if name == batch.skeleton.name:
                continue
            real = truth.arrays[name][rows][..., :2]
            inside = truth.arrays[name][rows][..., 2] > 0

            def add(source: str, points: Any, stds: Any, name: str = name, real: Any = real,
                    inside: Any = inside, sizes: Any = batch.sizes) -> None:  # fmt: skip
                error = np.linalg.norm(points - real, axis=-1) / sizes[:, None]
                cell = found.setdefault(name, {}).setdefault(source, ([], []))
                cell[0].append(np.where(inside & np.isfinite(stds), error, np.nan).ravel())
                cell[1].append((stds / sizes[:, None]).ravel())

            for source in SOURCES:
                add(source, *done.candidates[name][source])
            add('predicted, not anchored', *raw.candidates[name]['predicted'])
            whole = everything.complete(batch, predictions).joints[name]
            add('fused', whole.keypoints, whole.stds)
            joints = done.joints[name]
            add('chosen', joints.keypoints, joints.stds)
            for word, other in (('no translators', without), ('derived weighed', weighed)):
                add(f'chosen, {word}', other.joints[name].keypoints, other.joints[name].stds)
            for code, word in enumerate(PROVENANCE):
                if word != 'none':
                    kept = joints.provenance == code
                    add(
                        f'chosen: {word}',
                        np.where(kept[..., None], joints.keypoints, np.nan),
                        np.where(kept, joints.stds, np.nan),
                    )
            known = found[name].setdefault('inside', ([], []))
            known[0].append(inside.ravel().astype(float))
            known[1].append(np.repeat(photographs, inside.shape[1]))
    return found


def report(found: dict[str, dict]) -> tuple[str, dict]:
    """A table over skeletons and sources, and the fusion against the best of them."""
    rows, results, against = [], {}, []
    for name, sources in found.items():
        known, photographs = map(np.concatenate, sources.pop('inside'))
        for source, (errors, stds) in sources.items():
            error, std = np.concatenate(errors), np.concatenate(stds)
            own = figures(error, std, known.sum())
            if own is None:
                continue
            fused = np.concatenate(sources['fused'][0])
            there = np.isfinite(error) & np.isfinite(std)
            own['fused there, median'] = float(np.median(fused[there]))
            own['fused there, PCK@0.05'] = float((fused[there] < 0.05).mean())
            results.setdefault(name, {})[source] = own
            if source in SOURCES:
                gap = gains(error, fused, photographs)
                own['fused minus this'] = gap
                cells = ('{:+.2f} [{:+.2f}, {:+.2f}]'.format(*gap[key]) for key in GAINS)
                against.append([name, source, str(own['joints']), *cells])
            rows.append([name, source, *(shown(own, key, digits) for _, key, digits in columns())])
    heads = ['skeleton', 'source', *(heading for heading, *_ in columns())]
    text = (
        'The fusion minus each source, joint for joint where the source says something: PCK in '
        'points, the mean error in per cent of the size (less is better); 95% intervals of a '
        'bootstrap over photographs:'
    )
    second = table(['skeleton', 'source', 'joints', *GAINS], against)
    return f'{table(heads, rows)}\n\n{text}\n\n{second}', results


def gains(error: np.ndarray, fused: np.ndarray, photographs: np.ndarray) -> dict[str, Any]:
    """Fused minus a source, with intervals."""
    there = np.isfinite(error) & np.isfinite(fused)
    error, fused = error[there], fused[there]
    numbers, places = np.unique(photographs[there], return_inverse=True)
    weights = image_weights(len(numbers), 2000, seed=0).astype(float)
    weights = np.concatenate([np.ones((1, len(numbers))), weights])
    count = np.bincount(places, minlength=len(numbers))
    result = {}
    for key, gap in (
        ('PCK@0.05', (fused < 0.05).astype(float) - (error < 0.05)),
        ('PCK@0.1', (fused < 0.1).astype(float) - (error < 0.1)),
        ('mean error', fused - error),
    ):
        values = 100 * (weights @ np.bincount(places, gap, len(numbers))) / (weights @ count)
        result[key] = [float(values[0]), *map(float, percentile_interval(values[1:]))]
    return result


def columns() -> list[tuple[str, str, int]]:
    """Beside each figure, that of the fused joint at the same places."""
    found = []
    for heading, key, digits in COLUMNS:
        found.append((heading, key, digits))
        if key in ('median', 'PCK@0.05'):
            found.append(('(fused there)', f'fused there, {key}', digits))
    return found


if __name__ == '__main__':
    main()
