"""How good are completed joints on real persons, where part of the truth is known?

Three checks, each of the completer that tools/complete_dataset.py runs:

- CrowdPose: persons labelled in COCO and CrowdPose. From the COCO labels to CrowdPose's head and
  neck, on persons that the translator was not trained on.
- Halpe: four COCO images that Halpe annotated too. From the COCO labels to what Halpe knows of the
  head (neck and hips are compared where the file has them).
- Photographs: a model with a COCO and an LSP head, trained on the training parts of coco_subset
  and lspet. Of each person of the validation parts some of the annotated joints are hidden, and
  completed from the others and the image, in the person's own skeleton and in the others'. Every
  second image of the validation parts, told by a hash of its name, calibrates the model instead.

    HPEMAP_DATA=... python benchmarks/completion_real.py [--work-dir work_dirs/completion_real]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _common import publish, table
from _completion import COLUMNS, batches, drawn, figures, links_of, rows_of, shown

import hpemap_mm  # noqa: F401 - prepares MMPose
from hpemap_mm.apis import load_model, load_translator, pretrained_translator
from hpemap_mm.completion.calibration import PredictionCalibration
from hpemap_mm.completion.candidates import PersonBatch, sizes_of
from hpemap_mm.completion.completer import CompletedBatch, Completer
from hpemap_mm.datasets import MultiSkeletonDataset
from hpemap_mm.engine.launch import load_config
from hpemap_mm.persons.provenance import PROVENANCE, SOURCES
from hpemap_mm.registry import DATASETS
from hpemap_mm.skeletons import Skeleton, correspondences, get_skeleton
from hpemap_mm.translators.base import KeypointTranslator

ROOT = Path(__file__).resolve().parents[1]
CROWDPOSE = 'configs/translators/residual_60e_coco-to-crowdpose.py'
MODEL = 'configs/multihead/multihead_micro_8e_coco-subset_lspet_128x128.py'
#: Of the annotated joints of a photograph's person.
HIDDEN = 0.25
#: By row of a table: errors and standard deviations in sizes, and how many joints are known.
Found = dict[tuple[str, ...], tuple[list[np.ndarray], list[np.ndarray], list[int]]]


def main() -> None:
    """Train what is not there yet, complete, judge, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/completion_real'))
    parser.add_argument('--max-std', type=float, default=0.1)
    args = parser.parse_args()
    crowdpose = load_translator(
        ROOT / CROWDPOSE, trained(CROWDPOSE, args.work_dir / 'coco-to-crowdpose', 'epoch_60')
    )
    checkpoint = trained(MODEL, args.work_dir / 'model', 'epoch_8')
    parts = {
        'CrowdPose': crowdpose_pairs(crowdpose, args.max_std),
        'Halpe': halpe([crowdpose, pretrained_translator('coco', 'mpii')], args.max_std),
        'Photographs': photographs(checkpoint, args.max_std),
    }
    texts, results = [], {}
    for name, (head, found, note) in parts.items():
        text, results[name] = report(head, found)
        texts.append(f'## {name}\n\n{text}\n\n{note}')
    publish(
        'completion_real',
        'Completed joints of real persons',
        '\n\n'.join(texts)
        + '\n\nErrors in per cent of the size (square root of the area, or of 0.53 x the box where '
        'no area is known). `chosen` is what a completed dataset would have at a threshold of '
        f'{args.max_std:g} of the size; the other sources are shown wherever they say anything.',
        {'max_std': args.max_std, 'hidden': HIDDEN, 'results': results},
    )


def trained(config: str, folder: Path, last: str) -> Path:
    """A checkpoint, trained where it is not there yet."""
    path = folder.absolute() / f'{last}.pth'
    if not path.exists():
        command = [sys.executable, '-W', 'ignore', 'tools/train.py', config, '--resume']
        subprocess.run([*command, '--work-dir', str(path.parent)], check=True, cwd=ROOT)
    return path


# -- the same persons in two skeletons --------------------------------------------------------


def crowdpose_pairs(translator: KeypointTranslator, max_std: float) -> tuple[list[str], Found, str]:
    """Head and neck of CrowdPose from COCO's labels."""
    loaded = load_config(ROOT / CROWDPOSE)
    pairs = DATASETS.build(loaded.test_dataloader.dataset).pairs
    batch = batch_of(pairs.source, pairs.keypoints)
    truth = pairs.target_points
    found: Found = {}
    completers = [Completer(skeletons=['crowdpose'], translators=[translator], max_std=std)
                  for std in (np.inf, max_std)]  # fmt: skip
    whole, chosen = (completer.complete(batch) for completer in completers)
    shared = [r.relation == 'same' for r in correspondences('coco', 'crowdpose', near=False)]
    for joint, name in enumerate(get_skeleton('crowdpose').joints):
        row = 'limbs (the same labels)' if shared[joint] else name
        add_sources(found, (row,), whole, chosen, truth, batch, 'crowdpose', [joint], [joint])
    images = len(np.unique(pairs.target.image_ids))
    note = f'{len(batch)} persons of {images} images, which nothing was trained or calibrated on.'
    return ['joint'], found, note


def halpe(
    translators: Sequence[KeypointTranslator], max_std: float
) -> tuple[list[str], Found, str]:
    """Halpe's head (neck, hips) from COCO's labels, by other datasets' heads."""
    dataset = MultiSkeletonDataset(
        {
            'halpe': {
                'skeleton': 'halpe',
                'dataset': {
                    'type': 'HalpeDataset',
                    'data_root': str(data_root() / 'real'),
                    'ann_file': 'halpe/test_halpe.json',
                    'data_prefix': {'img': 'coco/'},
                },
            }
        },
        test_mode=True,
    )
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    skeleton, coco = get_skeleton('halpe'), get_skeleton('coco')
    points = np.concatenate([info['keypoints'] for info in infos]).astype(float)
    points[np.concatenate([info['keypoints_visible'] for info in infos]) == 0] = np.nan
    own = [r.sources[0] for r in correspondences(skeleton, coco, near=False)]
    boxes = np.concatenate([info['bbox'] for info in infos]).astype(float)
    batch = batch_of(coco, points[:, own], boxes)
    found: Found = {}
    known: set[str] = set()
    asked = ('head', 'neck', 'hip')
    for translator in translators:
        target = translator.target
        completers = [Completer(skeletons=[target], translators=[translator], max_std=std)
                      for std in (np.inf, max_std)]  # fmt: skip
        whole, chosen = (completer.complete(batch) for completer in completers)
        for place, record in enumerate(correspondences(target, skeleton, derived=False)):
            if record.joint not in asked or not record.sources:
                continue
            if not np.isfinite(points[:, place]).any():
                continue
            known.add(record.joint)
            (source,) = record.sources
            row = (record.joint, f'{target.name}: {target.joints[source]}')
            add_sources(found, row, whole, chosen, points, batch, target.name, [source], [place])
    missing = [joint for joint in asked if joint not in known]
    note = f'{len(batch)} persons of four images.'
    if missing:
        note += f' The file annotates {" and ".join(missing)} of none of them.'
    note += " The joints that stand in for Halpe's are `near` ones: other datasets' definitions."
    return ['Halpe', 'completed as'], found, note


def batch_of(
    skeleton: Skeleton, keypoints: np.ndarray, boxes: np.ndarray | None = None
) -> PersonBatch:
    """Persons; boxes around the joints where there are none."""
    if boxes is None:
        boxes = np.concatenate([np.nanmin(keypoints, 1), np.nanmax(keypoints, 1)], axis=-1)
    visibility = np.where(np.isfinite(keypoints).all(-1), 2, 0).astype(np.uint8)
    return PersonBatch(
        skeleton=skeleton,
        keypoints=keypoints,
        visibility=visibility,
        bboxes=boxes,
        sizes=sizes_of(boxes),
    )


# -- photographs ------------------------------------------------------------------------------


def photographs(checkpoint: Path, max_std: float) -> tuple[list[str], Found, str]:
    """Joints that were hidden, from the others and the image."""
    config = load_config(ROOT / MODEL)
    model = load_model(config, checkpoint)
    dataset = DATASETS.build(config.val_dataloader.dataset)
    heads = list(config.skeletons)
    calibrating, judged = [], []
    for entry in dataset.entries:
        for batch, predictions, infos in batches(model, entry, dataset, heads):
            calibrates = np.array([drawn(Path(i['img_path']).name, 0.5) for i in infos])
            some = batch.labelled.sum(1) >= 2
            part, given = rows_of(batch, predictions, np.flatnonzero(calibrates & some))
            calibrating.append((part, given))
            judged.append((entry, *rows_of(batch, predictions, np.flatnonzero(~calibrates & some))))
    calibration = PredictionCalibration.fit(calibrating)
    skeletons = [*heads, 'mpii']
    completers = [
        Completer(
            skeletons=skeletons,
            translators=[pretrained_translator('coco', 'mpii')],
            calibration=calibration,
            max_std=std,
        )
        for std in (np.inf, max_std)
    ]
    plain = PredictionCalibration(heads=calibration.heads)
    alone = Completer(skeletons=heads, calibration=plain, max_std=np.inf)
    found: Found = {}
    random = np.random.default_rng(0)
    for entry, batch, predictions in judged:
        hidden = hide(batch, random)
        shown_points = np.where(hidden[..., None], np.nan, batch.keypoints)
        given = PersonBatch(
            skeleton=batch.skeleton,
            keypoints=shown_points,
            visibility=np.where(hidden, 0, batch.visibility).astype(np.uint8),
            bboxes=batch.bboxes,
            sizes=batch.sizes,
        )
        truth = np.where(hidden[..., None], batch.keypoints, np.nan)
        whole, chosen = (completer.complete(given, predictions) for completer in completers)
        raw = alone.complete(given, predictions)
        for name in skeletons:
            records = correspondences(batch.skeleton, name, near=False)
            same = [(i, r.sources[0]) for i, r in enumerate(records) if r.relation == 'same']
            if not same:
                continue
            places, own = map(list, zip(*same, strict=True))
            row = (entry, name)
            add_sources(found, row, whole, chosen, truth, batch, name, places, own)
            if name in heads:
                points, stds = raw.candidates[name]['predicted']
                key = (*row, 'predicted, not anchored')
                add(found, key, points, stds, truth, batch, places, own)
    count = sum(len(batch) for _, batch, _ in judged)
    note = (
        f'{count} persons, a quarter of whose annotated joints (at least one) were hidden; every '
        'row is about hidden joints, in skeletons that have the same joint. The LSP head was '
        "calibrated on LSPET and the COCO head on coco_subset only: on each other's photographs "
        f'their uncertainties rest on the joints that both have.\n\n{links_of(calibration)}'
    )
    return ['photographs', 'in'], found, note


def hide(batch: PersonBatch, random: np.random.Generator) -> np.ndarray:
    """(N, K) of the annotated joints a quarter, at least one and not all."""
    drawn_at = np.where(batch.labelled, random.random(batch.labelled.shape), np.inf)
    rank = drawn_at.argsort(1).argsort(1)
    counts = batch.labelled.sum(1)
    some = np.clip(np.round(HIDDEN * counts), 1, np.maximum(counts - 1, 0))
    return batch.labelled & (rank < some[:, None])


def data_root() -> Path:
    """The folder of the data."""
    return Path(load_config(ROOT / MODEL).data_roots.samples)


# -- figures ----------------------------------------------------------------------------------


def add_sources(
    found: Found,
    row: tuple[str, ...],
    whole: CompletedBatch,
    chosen: CompletedBatch,
    truth: np.ndarray,
    batch: PersonBatch,
    name: str,
    places: list[int],
    own: list[int],
) -> None:
    """What each source, their fusion and the choice say, against (N, K, 2) of the truth."""
    for source in SOURCES:
        add(found, (*row, source), *whole.candidates[name][source], truth, batch, places, own)
    for key, joints in (('fused', whole.joints[name]), ('chosen', chosen.joints[name])):
        add(found, (*row, key), joints.keypoints, joints.stds, truth, batch, places, own)
    joints = chosen.joints[name]
    for code, word in enumerate(PROVENANCE):
        if word not in ('none', 'gt'):
            stds = np.where(joints.provenance == code, joints.stds, np.nan)
            key = (*row, f'chosen: {word}')
            add(found, key, joints.keypoints, stds, truth, batch, places, own)


def add(
    found: Found,
    key: tuple[str, ...],
    points: np.ndarray,
    stds: np.ndarray,
    truth: np.ndarray,
    batch: PersonBatch,
    places: list[int],
    own: list[int],
) -> None:
    """Errors of some joints, in sizes."""
    sizes = batch.sizes[:, None]
    error = np.linalg.norm(points[:, places] - truth[:, own], axis=-1) / sizes
    errors, spreads, counts = found.setdefault(key, ([], [], []))
    errors.append(error.ravel())
    spreads.append((stds[:, places] / sizes).ravel())
    counts.append(int(np.isfinite(truth[:, own]).all(-1).sum()))


def report(head: list[str], found: Found) -> tuple[str, dict[str, Any]]:
    """A table, and the same as values."""
    rows, results = [], {}
    for key, (errors, stds, counts) in found.items():
        own = figures(np.concatenate(errors), np.concatenate(stds), sum(counts))
        if own is None:
            continue
        results[' | '.join(key)] = own
        cells = (shown(own, k, digits) for _, k, digits in COLUMNS)
        rows.append([*key, str(own['joints']), *cells])
    return table([*head, 'source', 'joints', *(h for h, *_ in COLUMNS)], rows), results


if __name__ == '__main__':
    main()
