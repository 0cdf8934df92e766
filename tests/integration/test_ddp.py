"""Two processes train as one does, also where a rank's batch lacks a dataset."""

import json
import os
import subprocess
import sys
import textwrap

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from hpemap_mm.registry import MODELS

pytestmark = pytest.mark.slow

# Each rank takes half of the batch: rank 0 has only COCO's persons, rank 1 COCO's and MPII's.
WORKER = """
import json, os, sys
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch.nn.parallel import DistributedDataParallel

import hpemap_mm
from hpemap_mm.commandline import leave_process_group
from hpemap_mm.engine.launch import load_config
from hpemap_mm.registry import DATASETS, MODELS


def train():
    world = int(os.environ.get('WORLD_SIZE', 1))
    rank = int(os.environ.get('RANK', 0))
    config = load_config(sys.argv[1], launcher='pytorch' if world > 1 else 'none')
    init_default_scope('mmpose')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.backbone.eval()  # no drop path: the ranks draw other masks than one process
    dataset = DATASETS.build(config.train_dataloader.dataset)
    dataset.indices_carry_epoch()
    names = ['coco'] * 5 + ['mpii'] * 3
    pool = {name: [] for name in set(names)}
    for i in range(4 * len(dataset)):  # four epochs
        for name in pool:
            if name in dataset.entry_of(i):
                pool[name].append(i)
    indices = [pool[name][k] for k, name in enumerate(names)]
    share = len(indices) // world
    batch = pseudo_collate([dataset[i] for i in indices[rank * share:(rank + 1) * share]])
    data = model.data_preprocessor(batch, training=True)
    wrapped = DistributedDataParallel(model) if world > 1 else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for step in range(3):
        total, _ = model.parse_losses(wrapped(**data, mode='loss'))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        value = total.detach().clone()
        if world > 1:
            dist.all_reduce(value)
        losses.append(value.item() / world)
    weights = {k: v.double().sum().item() for k, v in model.state_dict().items()}
    return rank, losses, weights


def gloo_threads():
    names = [path.read_text() for path in Path('/proc/self/task').glob('*/comm')]
    return sum('gloo' in name for name in names)


rank, losses, weights = train()
during = gloo_threads()
leave_process_group()
if rank == 0:
    threads = {'during': during, 'after': gloo_threads()}
    found = {'losses': losses, 'weights': weights, 'threads': threads}
    Path(sys.argv[2]).write_text(json.dumps(found))
"""


TIED_AND_TAUGHT = """
model['consistency'] = dict(type='ontology', weight=0.5)
model['teacher'] = dict(momentum=0.9, weight=0.5, min_score=1e-6)
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize('more', ['', TIED_AND_TAUGHT], ids=['plain', 'tied-and-taught'])
def test_two_ranks_equal_one_process(more, tiny_config, tmp_path):
    config = tiny_config('multihead')
    config.write_text(config.read_text() + more)
    script = tmp_path / 'worker.py'
    script.write_text(textwrap.dedent(WORKER))
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    results = {}
    torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2']
    for name, launcher in (('one', []), ('two', torchrun)):
        out = tmp_path / f'{name}.json'
        done = subprocess.run(
            [sys.executable, *launcher, str(script), str(config), str(out)],
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        results[name] = json.loads(out.read_text())
    assert results['two']['losses'] == pytest.approx(results['one']['losses'], rel=1e-5)
    assert results['two']['losses'][2] != results['two']['losses'][0]
    if sys.platform == 'linux':  # a thread that is left may abort the process when it ends
        assert results['two']['threads']['during'] > 0
        assert results['two']['threads']['after'] == 0
    for name, value in results['one']['weights'].items():
        assert results['two']['weights'][name] == pytest.approx(value, rel=1e-5, abs=1e-4), name


@pytest.mark.timeout(300)
def test_train_runs_under_torchrun(project_root, tiny_config, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--standalone',
            '--nproc-per-node',
            '2',
            str(project_root / 'tools' / 'train.py'),
            str(tiny_config('multihead')),
            '--launcher',
            'pytorch',
            '--work-dir',
            str(tmp_path / 'run'),
            '--cfg-options',
            'train_cfg.max_epochs=1',
            'train_cfg.val_interval=1',
            # Two persons a rank and step: some batch lacks some dataset.
            'train_dataloader.batch_size=2',
        ],
        capture_output=True,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (tmp_path / 'run' / 'epoch_1.pth').exists()
    assert 'mannequin_lsp_val' in done.stdout


@pytest.mark.timeout(300)
def test_two_ranks_give_the_matrix_of_one(project_root, tiny_config, tmp_path):
    config = tiny_config('multihead')
    init_default_scope('mmpose')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config).model)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'weights.pth')
    torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2']
    scores = {}
    for name, launcher, more in (
        ('one', [], []),
        ('two', torchrun, ['--launcher', 'pytorch']),
    ):
        tool = [str(project_root / 'tools' / 'test.py'), str(config), str(tmp_path / 'weights.pth')]
        options = ['--pictures', '0', '--report-pictures', '0', '--out', str(tmp_path / name)]
        done = subprocess.run(
            [sys.executable, *launcher, *tool, *options, *more],
            capture_output=True,
            text=True,
            env={**os.environ, 'OMP_NUM_THREADS': '1'},
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert done.stdout.count('mpii: PCKh@0.5') == 1
        scores[name] = json.loads((tmp_path / name / 'scores.json').read_text())
    values = {
        name: {
            (cell['representation'], cell['dataset'], metric): figure['value']
            for cell in found['matrix']['cells']
            for metric, figure in cell['figures'].items()
        }
        for name, found in scores.items()
    }
    assert len(values['one']) > 100
    assert values['two'] == pytest.approx(values['one'], abs=1e-6)
