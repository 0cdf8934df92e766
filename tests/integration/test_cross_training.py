"""A training that is watched, and whose best weights are kept, by cells of the cross matrix."""

import json
import os
import subprocess
import sys

import pytest
import torch

from hpemap_mm.errors import DataError

pytestmark = pytest.mark.slow

CROSS = """
val_evaluator = dict(
    _delete_=True,
    type='hpemap_mm.CrossEvaluator',
    replicates=0,
    on_nan='wrong',
    keys={keys},
)
train_cfg['val_interval'] = 1
default_hooks['checkpoint'].update(save_best={best!r}, rule='greater')
"""
BEST = 'mannequin_lsp_val/coco->lsp/PCK@0.2_torso'
FILE = 'best_mannequin_lsp_val_coco-to-lsp_PCK@0.2_torso_epoch_'


@pytest.fixture
def train(project_root, tiny_config, tmp_path):
    """Train with CROSS: ``train(epochs, best, keys)`` gives the finished process."""

    def run(epochs=2, *, best=BEST, keys=('*->lsp/PCK@0.2_torso',), more=(), kind='multihead'):
        config = tiny_config(kind)
        config.write_text(config.read_text() + CROSS.format(best=best, keys=list(keys)))
        tool = [sys.executable, '-W', 'ignore', str(project_root / 'tools' / 'train.py')]
        options = ['--cfg-options', f'train_cfg.max_epochs={epochs}']
        return subprocess.run(
            [*tool, str(config), '--work-dir', str(tmp_path / 'run'), *more, *options],
            capture_output=True,
            text=True,
            env={**os.environ, 'OMP_NUM_THREADS': '1'},
        )

    return run


def logged(folder):
    """The figures of each validation, from the json log of the newest run."""
    newest = max(folder.glob('*/vis_data'), key=lambda p: p.parent.name)
    rows = [json.loads(line) for line in (newest / 'scalars.json').read_text().splitlines()]
    return [row for row in rows if BEST in row]


@pytest.mark.timeout(600)
def test_the_best_checkpoint_by_a_cell(train, tmp_path):
    done = train(2)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    folder = tmp_path / 'run'

    validations = logged(folder)
    assert len(validations) == 2
    # The chosen cells, and no other.
    assert {key for key in validations[0] if '->' in key} == {
        f'mannequin_lsp_val/{name}->lsp/PCK@0.2_torso' for name in ('coco', 'mpii', 'aic', 'lsp')
    }
    values = [row[BEST] for row in validations]
    best = 2 if values[1] > values[0] else 1
    assert [p.name for p in folder.glob('best_*')] == [f'{FILE}{best}.pth']
    # The whole matrix is in the log as a table, every dataset in its own figure.
    assert 'mpii: PCKh@0.5' in done.stdout
    assert done.stdout.count('cross matrix') == 2

    weights = torch.load(folder / f'{FILE}{best}.pth', weights_only=True)
    assert weights['message_hub']['runtime_info']['best_score'] == pytest.approx(max(values))

    # A resumed run knows the best so far, and where it is.
    done = train(3, more=['--resume'])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    values += [row[BEST] for row in logged(folder)]
    assert len(values) == 3
    best = values.index(max(values)) + 1
    assert [p.name for p in folder.glob('best_*')] == [f'{FILE}{best}.pth']


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'keys': ['mannequin_lsp_val/halpe->lsp/*']}, ['CrossEvaluator.keys', 'halpe->lsp']),
        ({'best': 'mannequin_lsp_val/coco->lsp/PCK@0.3_torso'}, ['save_best', '0.3_torso']),
        ({'best': 'mannequin_lsp_val/coco->mpii/AP', 'keys': ['*']}, ['save_best', 'coco->mpii']),
    ],
)
def test_a_key_that_can_never_occur_ends_the_run_before_it_begins(
    tool_here, tiny_config, tmp_path, options, expected
):
    chosen = {'best': BEST, 'keys': ['*->lsp/PCK@0.2_torso'], **options}
    config = tiny_config('multihead')
    config.write_text(config.read_text() + CROSS.format(**chosen))
    with pytest.raises(DataError) as caught:
        tool_here('train', config, '--work-dir', tmp_path / 'run')
    assert not list((tmp_path / 'run').glob('*.pth'))
    for text in [*expected, BEST.partition('/PCK')[0]]:
        assert text in str(caught.value)
