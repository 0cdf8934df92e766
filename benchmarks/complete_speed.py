"""How fast does tools/complete_dataset.py go, and how much memory does it take?

Speed: persons a second of a whole completion (annotations read, calibrated, images loaded and
cropped by workers, predicted, completed, all files written; no page) against the bare forward pass
of the same model: raw heatmaps of ready batches of the same size, with as many threads, and of the
mirror images too where the model has a flip test. In turn, in one process, the forward pass before
and after each completion. Where the machine has other work to do, the processes beside the model
cost it time, so the processor time of the process with the model is told, too.

Memory: the peak of what the tool and its children hold together (Linux's PSS, which counts shared
pages once), while annotations are read and afterwards, for growing numbers of persons; with a
network of nothing, as memory is no matter of the weights.

    python benchmarks/complete_speed.py [--persons 2000] [--rounds 3] [--memory 1000 10000 100000]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import torch
from _common import publish, ratio, summary, table
from mmengine.registry import init_default_scope

import hpemap_mm  # noqa: F401 - prepares MMPose
from hpemap_mm.apis import load_model
from hpemap_mm.datasets.mannequin import generate
from hpemap_mm.engine.completion_progress import Watch
from hpemap_mm.engine.completion_run import Completion
from hpemap_mm.engine.completion_settings import read_settings
from hpemap_mm.models import AnsweringPoseEstimator
from hpemap_mm.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """
_base_ = ['{base}']
{model}
completion = dict(
    entries=dict(
        _delete_=True,
        persons=dict(
            skeleton='coco',
            dataset=dict(
                type='CocoDataset',
                data_root='{world}',
                ann_file='{name}',
                data_prefix=dict(img='images/train/'),
            ),
        ),
    ),
    batch_size={batch},
)
"""
#: A network that takes no time, to see what the rest takes.
NOTHING = """
model = dict(
    backbone=dict(
        _delete_=True,
        type='hpemap_mm.ViTPoseBackbone',
        arch=dict(embed_dim=16, depth=1, num_heads=1),
        img_size=(96, 128),
    ),
    neck=None,
    head=dict(
        _delete_=True,
        type='hpemap_mm.SimpleHeatmapHead',
        in_channels=16,
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder={{_base_.codec}},
    ),
    test_cfg=dict(flip_test=False),
)
"""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add('--config', type=Path, default=ROOT / 'configs/completion/complete_mannequin.py')
    add('--persons', type=int, default=2000)
    add('--rounds', type=int, default=3, help='0 for no speed')
    add('--batch', type=int, default=32)
    add('--threads', type=int, default=1)
    add('--workers', type=int, default=2)
    add('--images', type=int, default=120, help='of mannequins, which are repeated')
    add('--memory', type=int, nargs='*', default=[1000, 10_000, 100_000], metavar='PERSONS')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / 'world'
        generate(world, images=args.images, seed=1, progress=False)
        os.environ['HPEMAP_MANNEQUIN'] = str(world)
        speeds = speed(Path(folder), world, args) if args.rounds else {}
        memories = [memory(Path(folder), world, count, args) for count in args.memory]
    if speeds:
        publish(
            'complete_speed', 'Completing datasets: speed', speed_text(speeds), {'speed': speeds}
        )
    if memories:
        publish(
            'complete_memory',
            'Completing datasets: memory',
            memory_text(memories),
            {'memory': memories},
        )


def written_config(folder: Path, world: Path, persons: int, args: Any, model: str = '') -> Path:
    """A config of ``persons`` persons: those of the world again and again, with ids of their own.

    Images are repeated as entries of the file, so that a reader meets as many as there would be.
    """
    content = json.loads((world / 'coco' / 'train.json').read_text())
    content['annotations'] = [a for a in content['annotations'] if a['num_keypoints']]
    images, annotations = [], []
    count = len(content['images'])
    for turn in range(-(-persons // len(content['annotations']))):
        images += [{**image, 'id': image['id'] + turn * 10**6} for image in content['images']]
        for annotation in content['annotations']:
            if len(annotations) < persons:
                annotations.append(
                    {
                        **annotation,
                        'id': len(annotations) + 1,
                        'image_id': annotation['image_id'] + turn * 10**6,
                    }
                )
    name = f'repeated_{persons}.json'
    assert count and len(annotations) == persons
    (world / name).write_text(json.dumps({**content, 'images': images, 'annotations': annotations}))
    path = folder / f'config_{persons}_{bool(model)}.py'
    path.write_text(
        CONFIG.format(base=args.config, world=world, name=name, batch=args.batch, model=model)
    )
    return path


def weights_of(config: Any, path: Path) -> Path:
    """Weights as they are drawn: how fast a network is does not depend on them."""
    init_default_scope('mmpose')
    torch.manual_seed(0)
    torch.save({'state_dict': MODELS.build(config.model).state_dict()}, path)
    return path


# -- speed ----------------------------------------------------------------------------------


def speed(folder: Path, world: Path, args: Any) -> dict[str, Any]:
    """Both in turn."""
    path = written_config(folder, world, args.persons, args)
    config, _ = read_settings(path, [])
    checkpoint = weights_of(config, folder / 'weights.pth')
    config, settings = read_settings(path, [str(checkpoint)], threads=args.threads)
    torch.set_num_threads(args.threads)
    model = load_model(config, checkpoint)
    device = next(model.parameters()).device
    width, height = config.codec.input_size
    crops = torch.randint(0, 256, (args.batch, 3, height, width)).float()
    crops = (crops.to(device) - 127) / 128
    bare: list[float] = []
    whole: list[float] = []
    streams: list[float] = []
    costs: dict[str, list[float]] = {'bare': [], 'whole': []}

    def measure_bare() -> tuple[float, float]:
        torch.set_num_threads(args.threads)
        count = max(args.persons // 4, args.batch)
        used = time.process_time()
        rate = bare_speed(model, crops, persons=count)
        return rate, 1e3 * (time.process_time() - used) / count

    before = measure_bare()
    for number in range(args.rounds + 1):
        begun, used = time.perf_counter(), time.process_time()
        outcome = Completion(
            settings,
            folder / f'out_{number}',
            workers=args.workers,
            page=False,
            watch=Watch(silent=True),
        ).run()
        whole.append(args.persons / (time.perf_counter() - begun))
        costs['whole'].append(1e3 * (time.process_time() - used) / args.persons)
        assert outcome.rate is not None
        streams.append(outcome.rate)
        shutil.rmtree(folder / f'out_{number}')
        # A machine that drifts is as fast in between as before and after, on the average.
        after = measure_bare()
        bare.append((before[0] + after[0]) / 2)
        costs['bare'].append((before[1] + after[1]) / 2)
        before = after
        sys.stderr.write(
            f'round {number} of {args.rounds}: {bare[-1]:.1f} bare, {streams[-1]:.1f} streamed, '
            f'{whole[-1]:.1f} persons/s end to end\n'
        )
    # The first round warms up.
    for measured in (bare, whole, streams, *costs.values()):
        del measured[0]
    return {
        'persons': args.persons,
        'batch': args.batch,
        'threads': args.threads,
        'workers': args.workers,
        'flip_test': bool(model.test_cfg.get('flip_test')),
        'bare': summary(bare),
        'streamed': summary(streams),
        'whole': summary(whole),
        'streamed_over_bare': ratio(streams, bare),
        'whole_over_bare': ratio(whole, bare),
        'cpu_ms': {name: summary(values) for name, values in costs.items()},
        'cpu_bare_over_whole': ratio(costs['bare'], costs['whole']),
    }


@torch.inference_mode()
def bare_speed(model: AnsweringPoseEstimator, crops: torch.Tensor, *, persons: int) -> float:
    """Persons a second of the network alone."""
    flip = bool(model.test_cfg.get('flip_test'))
    batches = -(-persons // len(crops))
    begun = time.perf_counter()
    for _ in range(batches):
        model(crops, None, mode='tensor')
        if flip:
            model(crops.flip(-1), None, mode='tensor')
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return batches * len(crops) / (time.perf_counter() - begun)


def speed_text(found: dict[str, Any]) -> str:
    """The speeds as a table."""
    if not found:
        return ''
    rows = []
    for name, key in (
        ('forward pass alone', 'bare'),
        ('predicted, completed and written in parts', 'streamed'),
        ('end to end', 'whole'),
    ):
        rate = found[key]
        spread = f'{rate["min"]:.1f} to {rate["max"]:.1f}'
        relative = found.get(f'{key}_over_bare')
        share = (
            ''
            if relative is None
            else f'{relative["median"]:.3f} ({relative["min"]:.3f} to {relative["max"]:.3f})'
        )
        rows.append([name, f'{rate["median"]:.1f}', spread, share])
    about = (
        f'{found["persons"]} persons in batches of {found["batch"]}, {found["threads"]} thread(s), '
        f'{found["workers"]} workers, flip test {"on" if found["flip_test"] else "off"}.'
    )
    head = ['', 'persons/s', 'spread', 'of the forward pass']
    cpu = found['cpu_ms']
    note = (
        f'Processor time of the process with the model: {cpu["bare"]["median"]:.2f} ms a person '
        f'for the forward pass, {cpu["whole"]["median"]:.2f} ms for all that it does: '
        f'{found["cpu_bare_over_whole"]["median"]:.3f} of it.'
    )
    return f'{about}\n\n{table(head, rows)}\n\n{note}'


# -- memory ---------------------------------------------------------------------------------


def memory(folder: Path, world: Path, persons: int, args: Any) -> dict[str, Any]:
    """Peaks of one run in a process of its own, in MB."""
    path = written_config(folder, world, persons, args, NOTHING)
    config, _ = read_settings(path, [])
    checkpoint = weights_of(config, folder / 'nothing.pth')
    out = folder / f'memory_{persons}'
    tool = str(ROOT / 'tools' / 'complete_dataset.py')
    arguments = [str(path), str(checkpoint), '--out', str(out), '--no-page']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, '-W', 'ignore', tool, *arguments, '--workers', str(args.workers)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        peaks = {'reading': 0.0, 'running': 0.0, 'main': 0.0}
        done = threading.Event()
        threading.Thread(target=lambda: (process.wait(), done.set()), daemon=True).start()
        while not done.wait(0.25):
            phase = 'running' if (out / 'plan.json').exists() else 'reading'
            tree = family(process.pid)
            peaks[phase] = max(peaks[phase], sum(map(held, tree)))
            peaks['main'] = max(peaks['main'], held(process.pid))
        if process.returncode:
            raise SystemExit(f'the tool ended with status {process.returncode}')
    result = {
        'persons': persons,
        'seconds': time.perf_counter() - begun,
        'annotations_mb': (world / f'repeated_{persons}.json').stat().st_size / 1e6,
        'written_mb': sum(f.stat().st_size for f in out.rglob('*') if f.is_file()) / 1e6,
        **peaks,
    }
    sys.stderr.write(f'{json.dumps(result)}\n')
    shutil.rmtree(out)
    (world / f'repeated_{persons}.json').unlink()
    return result


def family(pid: int) -> list[int]:
    """A process and those that it started."""
    try:
        children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    except OSError:
        return [pid]
    return [pid, *(member for child in children for member in family(int(child)))]


def held(pid: int) -> float:
    """MB that a process holds, its share of shared pages included."""
    try:
        text = Path(f'/proc/{pid}/smaps_rollup').read_text()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith('Pss:')) / 1e3


def memory_text(found: list[dict[str, Any]]) -> str:
    """The memories as a table."""
    rows = [
        [
            f'{row["persons"]:,}',
            f'{row["annotations_mb"]:.1f}',
            f'{row["written_mb"]:.1f}',
            f'{row["reading"]:.0f}',
            f'{row["running"]:.0f}',
            f'{row["main"]:.0f}',
            f'{row["seconds"]:.0f}',
        ]
        for row in found
    ]
    head = [
        *('persons', 'annotations (MB)', 'written (MB)', 'peak while annotations are read (MB)'),
        *('peak afterwards, all processes (MB)', 'peak of the main process (MB)', 'seconds'),
    ]
    return table(head, rows) if rows else ''


if __name__ == '__main__':
    main()
