"""How long does tools/evaluate.py take for all persons of COCO val, and how much memory?

The whole command, from starting Python to the written report: a COCO-results json of 6,352
persons (the annotation with seeded noise, some persons left out, found twice, or mirrored)
against COCO's annotation (2,346 images; areas 0.53 x the box's), all figures with intervals of
1,000 bootstrap replicates. Detections are matched by OKS; the same persons are then scored by
their ids, too.

    python benchmarks/evaluate_speed.py [--rounds 5]

Needs ``coco/coco2017_keypoints.npz`` in the folder that HPEMAP_DATA names, or in ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import publish, summary, table

from hpemap_mm.skeletons import get_skeleton

ROOT = Path(__file__).resolve().parents[1]
#: What the command may take.
SECONDS, MEGABYTES = 20.0, 1000.0


def main() -> None:
    """Write the files, run the command in turn, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    data = Path(os.environ.get('HPEMAP_DATA', ROOT.parent / 'shared' / 'data'))
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        persons = write_files(data / 'coco' / 'coco2017_keypoints.npz', folder)
        for number in range(args.rounds):
            for case in ('detections', 'ids'):
                found.setdefault(case, []).append(run(folder, case))
                sys.stderr.write(f'round {number + 1} of {args.rounds}, {case}\n')
    rows, results = [], {}
    for case, runs in found.items():
        seconds, megabytes = (summary(column) for column in zip(*runs, strict=True))
        results[case] = {'seconds': seconds, 'megabytes': megabytes}
        rows.append(
            [
                {'detections': 'detections, matched by OKS', 'ids': 'persons by their ids'}[case],
                f'{seconds["median"]:.1f} ({seconds["min"]:.1f} to {seconds["max"]:.1f})',
                f'{megabytes["max"]:.0f}',
            ]
        )
    text = table(['predictions', 'seconds', 'peak memory, MB'], rows)
    limits = f'Wanted: under {SECONDS:g} s and {MEGABYTES:g} MB on two cores.'
    publish(
        'evaluate_speed',
        f'tools/evaluate.py on {persons:,} persons of COCO val',
        f'{text}\n\nThe whole command, with 1,000 bootstrap replicates and the report. {limits}',
        {'persons': persons, 'rounds': args.rounds, **results},
    )


def write_files(source: Path, folder: Path) -> int:
    """Write truth.json, detections.json and ids.json; gives the number of persons."""
    with np.load(source) as file:
        keypoints = file['val2017_kpts'].astype(float)
        boxes, image_ids, sizes = (file[f'val2017_{k}'] for k in ('bbox', 'image_id', 'wh'))
    skeleton = get_skeleton('coco')
    count = len(keypoints)
    areas = 0.53 * boxes[:, 2] * boxes[:, 3]
    truth = {
        'images': [
            {'id': int(i), 'width': int(w), 'height': int(h), 'file_name': f'{i:012d}.jpg'}
            for i, (w, h) in dict(zip(image_ids.tolist(), sizes.tolist(), strict=True)).items()
        ],
        'annotations': [
            {
                'id': row + 1,
                'image_id': int(image_ids[row]),
                'category_id': 1,
                'iscrowd': 0,
                'keypoints': keypoints[row].ravel().tolist(),
                'num_keypoints': int((keypoints[row, :, 2] > 0).sum()),
                'bbox': boxes[row].tolist(),
                'area': float(areas[row]),
            }
            for row in range(count)
        ],
        'categories': [{'id': 1, 'name': 'person', 'keypoints': list(skeleton.joints)}],
    }
    (folder / 'truth.json').write_text(json.dumps(truth))

    rng = np.random.default_rng(0)
    spread = skeleton.sigmas * np.sqrt(areas)[:, None] * rng.lognormal(0, 0.7, (count, 1))
    found = keypoints[..., :2] + rng.normal(size=(count, 17, 2)) * spread[..., None]
    mirrored = rng.random(count) < 0.03
    found[mirrored] = found[mirrored][:, skeleton.flip_indices]
    score = 1 / (1 + spread.mean(1) / np.sqrt(areas) * 10)
    table3 = np.concatenate([found, rng.uniform(0.2, 1, (count, 17, 1))], -1)
    rows = [
        {
            'image_id': int(image_ids[row]),
            'category_id': 1,
            'keypoints': np.round(table3[row], 2).ravel().tolist(),
            'score': float(score[row]),
        }
        for row in range(count)
    ]
    kept = np.flatnonzero(rng.random(count) > 0.03).tolist()
    twice = rng.choice(count, count // 20, replace=False).tolist()
    again = [{**rows[row], 'score': 0.9 * rows[row]['score']} for row in twice]
    (folder / 'detections.json').write_text(json.dumps([rows[row] for row in kept] + again))
    by_id = [{**rows[row], 'annotation_id': row + 1} for row in kept]
    (folder / 'ids.json').write_text(json.dumps(by_id))
    return count


#: Runs a script and says at its end how much memory it had at most. (What a parent is told of a
#: child's maximum counts the parent's own memory from before the child's program was loaded.)
MEASURED = """
import atexit, resource, runpy, sys
def peak():
    try:
        with open('/proc/self/status') as file:
            kilobytes = next(line for line in file if line.startswith('VmHWM')).split()[1]
    except FileNotFoundError:
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kilobytes /= 1024 if sys.platform == 'darwin' else 1
    sys.stderr.write(f'peak {float(kilobytes) * 1.024e-3}')
atexit.register(peak)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def run(folder: Path, case: str) -> tuple[float, float]:
    """Seconds and peak resident megabytes of one run of the command."""
    command = [sys.executable, '-c', MEASURED, str(ROOT / 'tools' / 'evaluate.py')]
    command += [str(folder / f'{case}.json'), str(folder / 'truth.json')]
    command += ['--from', 'coco', '--to', 'coco', '--out', str(folder / case)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f'{" ".join(command)} failed:\n{done.stderr}')
    return seconds, float(done.stderr.rsplit('peak ', 1)[1])


if __name__ == '__main__':
    main()
