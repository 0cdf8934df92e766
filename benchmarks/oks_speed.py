"""COCO's ten figures on all 6,352 persons of COCO val 2017: this package beside pycocotools.

From arrays to numbers, in turn in one process, on the same persons and predictions (the truth with
seeded noise; some persons left out, some found twice, some with left and right swapped). The npz
holds no areas: 0.53 x box stands in, for both. A run whose numbers differ by more than 1e-6
publishes nothing.

    HPEMAP_DATA=... python benchmarks/oks_speed.py
"""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import in_turn, publish, ratio, summary, table
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from hpemap_mm.evaluation import Predictions, Truth
from hpemap_mm.evaluation.bootstrap import image_weights, percentile_interval
from hpemap_mm.evaluation.oks import COCO_LINES, evaluate_oks, weighted_ap
from hpemap_mm.skeletons import get_skeleton

OURS, ALL, EVALUATE, INTERVALS = (
    'hpemap_mm: arrays to ten numbers',
    'pycocotools: arrays to ten numbers',
    'pycocotools: evaluate and accumulate alone',
    'hpemap_mm: 1,000 replicates of the ten numbers',
)


def read_truth(file: Path) -> Truth:
    labels = np.load(file)
    keypoints, boxes = labels['val2017_kpts'], labels['val2017_bbox'].astype(float)
    return Truth.build(
        name='coco_val2017',
        skeleton=get_skeleton('coco'),
        keypoints=keypoints[..., :2],
        visible=keypoints[..., 2],
        image_ids=labels['val2017_image_id'],
        boxes=np.c_[boxes[:, :2], boxes[:, :2] + boxes[:, 2:]],
        areas=0.53 * boxes[:, 2] * boxes[:, 3],
    )


def predict(truth: Truth, seed: int) -> Predictions:
    """What a model of middling quality might say."""
    rng = np.random.default_rng(seed)
    count = len(truth)
    spread = rng.choice([0.01, 0.03, 0.06, 0.2], count, p=[0.5, 0.3, 0.15, 0.05])
    spread = spread * np.sqrt(truth.areas)
    keypoints = truth.keypoints + rng.normal(0, 1, truth.keypoints.shape) * spread[:, None, None]
    swapped = rng.random(count) < 0.05
    keypoints[swapped] = keypoints[swapped][:, truth.skeleton.flip_indices]
    rows = np.r_[np.flatnonzero(rng.random(count) > 0.06), rng.choice(count, 500)]
    return Predictions.build(
        name='noisy',
        representation=truth.skeleton,
        keypoints=keypoints[rows] + rng.normal(0, 1, (len(rows), *keypoints.shape[1:])),
        image_ids=truth.image_ids[rows],
        scores=rng.random(len(rows)).round(3),
    )


def as_coco(truth: Truth, found: Predictions) -> COCOeval:
    """The arrays as pycocotools wants them, through its own loadRes."""
    boxes = np.c_[truth.boxes[:, :2], truth.boxes[:, 2:] - truth.boxes[:, :2]].tolist()
    labels = np.concatenate([truth.keypoints, truth.visible[..., None]], -1)
    counts = truth.valid.sum(1).tolist()
    annotated = COCO()
    annotated.dataset = {
        'images': [{'id': image} for image in truth.images.tolist()],
        'categories': [{'id': 1, 'name': 'person'}],
        'annotations': [
            {
                'id': row + 1,
                'image_id': image,
                'category_id': 1,
                'keypoints': keypoints,
                'num_keypoints': counts[row],
                'bbox': boxes[row],
                'area': area,
                'iscrowd': 0,
            }
            for row, (image, keypoints, area) in enumerate(
                zip(
                    truth.image_ids.tolist(),
                    labels.reshape(len(truth), -1).tolist(),
                    truth.areas.tolist(),
                    strict=True,
                )
            )
        ],
    }
    annotated.createIndex()
    points = np.concatenate([found.keypoints, np.ones((*found.keypoints.shape[:2], 1))], -1)
    detected = annotated.loadRes(
        [
            {'image_id': image, 'category_id': 1, 'keypoints': keypoints, 'score': score}
            for image, keypoints, score in zip(
                found.image_ids.tolist(),
                points.reshape(len(found), -1).tolist(),
                found.scores.tolist(),
                strict=True,
            )
        ]
    )
    return COCOeval(annotated, detected, 'keypoints')


def quietly(call: Callable[[], Any]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return call()


def count(evaluator: COCOeval) -> None:
    evaluator.evaluate()
    evaluator.accumulate()


def ten_numbers(truth: Truth, found: Predictions) -> np.ndarray:
    evaluator = as_coco(truth, found)
    count(evaluator)
    evaluator.summarize()
    return evaluator.stats


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--seed', type=int, default=0)
    arguments = parser.parse_args()
    folder = os.environ.get('HPEMAP_DATA')
    if not folder:
        parser.error('HPEMAP_DATA must name the folder with coco/coco2017_keypoints.npz')
    truth = read_truth(Path(folder) / 'coco' / 'coco2017_keypoints.npz')
    found = predict(truth, arguments.seed)

    result = evaluate_oks(truth, found)
    expected = quietly(lambda: ten_numbers(truth, found))
    ours = np.array([result.lines[name] for name in COCO_LINES])
    difference = float(np.abs(ours - expected).max())
    if not difference <= 1e-6:
        sys.exit(f'the figures differ by {difference}: {ours} and {expected}')

    ready = quietly(lambda: as_coco(truth, found))
    weights = image_weights(len(truth.images))
    seconds = in_turn(
        {
            OURS: lambda: evaluate_oks(truth, found),
            ALL: lambda: quietly(lambda: ten_numbers(truth, found)),
            EVALUATE: lambda: quietly(lambda: count(ready)),
            INTERVALS: lambda: weighted_ap(result, weights),
        },
        rounds=arguments.rounds,
    )
    intervals = {
        name: [float(end) for end in percentile_interval(values)]
        for name, values in weighted_ap(result, weights).items()
    }
    faster = {name: ratio(seconds[name], seconds[OURS]) for name in (ALL, EVALUATE)}
    rows = []
    for name, values in seconds.items():
        s = summary(values)
        times = faster.get(name)
        rows.append(
            (
                name,
                f'{1e3 * s["median"]:.0f} ({1e3 * s["min"]:.0f} to {1e3 * s["max"]:.0f})',
                f'{times["median"]:.1f} ({times["min"]:.1f} to {times["max"]:.1f})'
                if times
                else '',
            )
        )
    figures = [
        (name, f'{value:.6f}', f'{them:.6f}', '{:.4f} to {:.4f}'.format(*intervals[name]))
        for name, value, them in zip(COCO_LINES, ours, expected, strict=True)
    ]
    text = '\n\n'.join(
        [
            f'{len(truth):,} persons and {len(found):,} detections in {len(truth.images):,} '
            f'images. Median and range of {arguments.rounds} rounds, in turn. Greatest '
            f'difference of the ten figures: {difference:.1e}.',
            table(('', 'ms', 'times as long as hpemap_mm'), rows),
            table(('', 'hpemap_mm', 'pycocotools', '95% interval over images'), figures),
        ]
    )
    publish(
        'oks_speed',
        "COCO's ten figures on COCO val 2017",
        text,
        {
            'persons': len(truth),
            'detections': len(found),
            'images': len(truth.images),
            'seconds': seconds,
            'times_as_long': faster,
            'greatest_difference': difference,
            'figures': dict(zip(COCO_LINES, ours.tolist(), strict=True)),
            'intervals': intervals,
        },
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
