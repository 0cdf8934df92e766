"""Translators are fitted, trained, calibrated, validated and tested by MMEngine's runner."""

import importlib.util
import json

import numpy as np
import pytest
import torch
from translator_worlds import COCO, MPII, SCALE, TinyNet, TinyRemap, TinyShift, write_world

from hpemap_mm.engine import find_resumable, read_checkpoint
from hpemap_mm.engine.launch import load_config
from hpemap_mm.engine.runner import PoseRunner
from hpemap_mm.errors import DataError

CONFIG = """
default_scope = 'mmpose'
custom_imports = dict(imports=['hpemap_mm'], allow_failed_imports=False)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50),
    checkpoint=dict(type='CheckpointHook', interval=10, max_keep_ckpts=2),
)
custom_hooks = [
    dict(type='hpemap_mm.IterationSeedHook'),
    dict(type='hpemap_mm.PlainCheckpointHook'),
    dict(type='hpemap_mm.CrossMatrixHook'),
]
randomness = dict(seed=0)
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
model = dict(type={model!r}, source='coco', target='mpii')
pairs = dict(
    type='hpemap_mm.KeypointPairs',
    source=dict(file='{folder}/coco.npz', skeleton='coco', kind='predictions'),
    target=dict(file='{folder}/mpii.npz', skeleton='mpii', kind='truth'),
    split=dict(dev=0.3, test=0.3, seed=0),
)
loader = dict(
    batch_size=64, num_workers=0, collate_fn=dict(type='hpemap_mm.as_is'),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
train_dataloader = dict(
    loader, sampler=dict(type='DefaultSampler', shuffle=True), dataset=dict(pairs, part='train')
)
val_dataloader = dict(loader, dataset=dict(pairs, part='dev'))
test_dataloader = dict(loader, dataset=dict(pairs, part='test', name='world'))
val_cfg = dict(type='hpemap_mm.TranslatorValLoop')
val_evaluator = []
test_cfg = dict(
    type='hpemap_mm.TranslatorTestLoop',
    baselines=[dict(type='hpemap_mm.TinyRemap')],
    corruptions=[dict(name='30% missing', missing=0.3)],
)
test_evaluator = dict(type='hpemap_mm.CrossEvaluator', replicates=50, measures=dict(oks=False))
"""
FITTED = """
train_cfg = dict(type='hpemap_mm.FitLoop')
optim_wrapper = dict()
"""
TRAINED = """
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.5))
custom_hooks.append(dict(type='hpemap_mm.CalibrationHook'))
default_hooks['checkpoint'].update(save_best='pckh@0.1', rule='greater', save_last=True)
"""


@pytest.fixture
def config(tmp_path):
    """Writes a config of a model and the world: ``config(model, text)`` gives its path."""
    write_world(tmp_path)

    def write(model, text):
        path = tmp_path / f'{model.__name__.lower()}.py'
        name = f'hpemap_mm.{model.__name__}'
        path.write_text(CONFIG.format(model=name, folder=tmp_path) + text)
        return path

    return write


def runner_of(path, folder, **options):
    loaded = load_config(path, options=options or None, work_dir=str(folder))
    return PoseRunner.from_cfg(loaded)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """The environment is not looked at, which takes seconds."""
    monkeypatch.setattr(PoseRunner, '_log_env', lambda self, env_cfg: None)


@pytest.fixture
def tool(project_root):
    """``tool('test', arguments)`` runs tools/test.py in this process."""

    def run(name, *arguments):
        spec = importlib.util.spec_from_file_location(
            f'tool_{name}', project_root / 'tools' / f'{name}.py'
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main([str(argument) for argument in arguments])

    return run


@pytest.mark.parametrize('model', [TinyRemap, TinyShift])
def test_what_is_fitted_ends_in_a_calibrated_checkpoint(config, tmp_path, model):
    runner = runner_of(config(model, FITTED), tmp_path / 'run')
    runner.train()

    last = find_resumable(tmp_path / 'run')
    assert last.name == 'epoch_1.pth'
    weights = read_checkpoint(last)['state_dict']
    gains = weights['calibration.gains']
    assert torch.isfinite(gains[[MPII.index('left_knee'), MPII.index('right_knee')]]).all()
    if model is TinyShift:
        # The world lies 6 px to the right of what the ontology says.
        assert weights['shifts'][MPII.index('left_knee')].tolist() == pytest.approx([6, 0], abs=0.5)
        # What is left is noise of 2 px a side: as wide as the scale that the model tells.
        assert gains[MPII.index('left_knee')] == pytest.approx(2 / SCALE, abs=0.2)


def test_a_finished_fit_is_resumed_without_harm(config, tmp_path):
    path = config(TinyShift, FITTED)
    runner_of(path, tmp_path / 'run').train()
    before = read_checkpoint(tmp_path / 'run' / 'epoch_1.pth')['state_dict']

    again = load_config(path, work_dir=str(tmp_path / 'run'))
    again.resume, again.load_from = True, str(tmp_path / 'run' / 'epoch_1.pth')
    again.experiment_name = 'again'
    model = PoseRunner.from_cfg(again).train()

    assert torch.equal(model.shifts, before['shifts'])
    assert torch.equal(
        model.calibration.gains.nan_to_num(), before['calibration.gains'].nan_to_num()
    )


def test_every_checkpoint_of_a_training_is_calibrated(config, tmp_path):
    runner = runner_of(config(TinyNet, TRAINED), tmp_path / 'run')
    model = runner.train()

    assert model.fitted == len(runner.train_dataloader.dataset)
    last = find_resumable(tmp_path / 'run')
    assert last.name == 'epoch_3.pth'
    (best,) = (tmp_path / 'run').glob('best_pckh@0.1_epoch_*.pth')
    for file in (last, best):
        gains = read_checkpoint(file)['state_dict']['calibration.gains']
        assert torch.isfinite(gains[MPII.index('left_knee')])

    again = load_config(config(TinyNet, TRAINED), work_dir=str(tmp_path / 'run'))
    again.resume, again.load_from, again.experiment_name = True, str(last), 'again'
    model = PoseRunner.from_cfg(again).train()
    assert model.fitted == 0
    assert torch.isfinite(model.calibration.gains[MPII.index('left_knee')])


def test_averaged_weights_are_calibrated(config, tmp_path):
    text = TRAINED + "custom_hooks.append(dict(type='EMAHook', momentum=0.05))\n"
    runner_of(config(TinyNet, text), tmp_path / 'run').train()

    checkpoint = read_checkpoint(tmp_path / 'run' / 'epoch_3.pth')
    model = TinyNet(source='coco', target='mpii')
    model.load_state_dict(checkpoint['state_dict'])
    told = model.calibration.gains.clone()
    runner = runner_of(config(TinyNet, text), tmp_path / 'other')
    model.calibrate(runner.val_loop.dataloader.dataset.pairs)
    assert torch.allclose(model.calibration.gains, told, equal_nan=True)


def test_without_a_validation_set_nothing_can_be_calibrated(config, tmp_path):
    text = FITTED + 'val_dataloader = val_cfg = val_evaluator = None\n'
    runner = runner_of(config(TinyShift, text), tmp_path / 'run')
    with pytest.raises(DataError, match='calibrated'):
        runner.train()


def test_the_test_tool_prints_and_writes_everything(config, tmp_path, tool, capsys):
    path = config(TinyShift, FITTED)
    assert tool('train', path, '--work-dir', tmp_path / 'run') == 0
    out = tmp_path / 'out'
    checkpoint = tmp_path / 'run' / 'epoch_1.pth'
    assert tool('test', path, checkpoint, '--out', out, '--dump-predictions') == 0

    printed = capsys.readouterr().out
    for text in ('coco~tinyshift', 'coco~tinyremap', 'world+30%-missing', 'Regions', 'verdict'):
        assert text in printed
    scores = json.loads((out / 'scores.json').read_text())
    matrix = scores['matrix']
    assert matrix['representations'] == ['coco', 'coco~tinyremap', 'coco~tinyshift']
    assert matrix['datasets'] == ['world', 'world+30%-missing']
    cells = {(c['representation'], c['dataset']): c for c in matrix['cells']}
    value = {key: c['figures']['PCKh@0.1']['value'] for key, c in cells.items()}
    assert value['coco~tinyshift', 'world'] > value['coco~tinyremap', 'world'] + 0.2
    assert value['coco', 'world+30%-missing'] < value['coco', 'world']
    # Remap answers all but the head top, which counts as wrong on the same joints.
    same = scores['same_joints']['world']['PCKh@0.5']
    assert same['coco~tinyremap'] == {'all': pytest.approx(13 / 14), 'shared': 1.0}
    assert same['coco~tinyshift']['all'] == pytest.approx(1.0, abs=0.01)
    coverage = scores['uncertainty']['world']['coverage']
    assert coverage['0.8']['value'] == pytest.approx(0.8, abs=0.06)
    joints = scores['mapping']['world']['joints']
    assert joints['left_knee']['ways']['tinyshift']['median']['value'] < 0.1
    assert joints['left_knee']['relation'] == 'same'
    assert 'world+30%-missing' not in scores['mapping']
    report = (out / 'report.html').read_text()
    assert 'How sure' in report and 'Does a mapping exist' in report
    names = {file.name for file in (out / 'predictions').iterdir()}
    assert names == {
        *('world.truth.npz', 'world.coco.npz'),
        *('world+30%-missing.truth.npz', 'world+30%-missing.coco.npz'),
    }
    missing = np.load(out / 'predictions' / 'world+30%-missing.coco.npz')
    assert 0.25 < 1 - missing['answered'].mean() < 0.35
    assert not (out / 'pictures').exists()
    assert len(COCO) == missing['answered'].shape[1]
