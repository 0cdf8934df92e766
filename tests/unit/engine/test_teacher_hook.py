"""A run of a taught model, stopped after an epoch and resumed, ends in the same weights."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from hpemap_mm.engine import PoseRunner
from hpemap_mm.models.consistency import Teacher


class Numbers(Dataset):
    """Eight numbers."""

    metainfo: dict = {}

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {'x': torch.tensor([float(index) / 8])}


class Pupil(nn.Module):
    """Learns a constant, and to agree with its teacher."""

    def __init__(self, taught=True):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        nn.init.constant_(self.layer.weight, 1.0)
        nn.init.constant_(self.layer.bias, 0.0)
        self.teacher = Teacher(momentum=0.9, ramp=2) if taught else None

    def forward(self, x, mode='loss'):
        return self.layer(x)

    def train_step(self, data, optim_wrapper):
        x = torch.stack(list(data['x']))
        loss = (self.layer(x) - 3).square().mean()
        if self.teacher is not None:
            self.teacher.follow(self)
            with torch.no_grad():
                wanted = self.teacher.module.layer(x)
            loss = loss + (self.layer(x) - wanted).square().mean()
        optim_wrapper.update_params(loss)
        return {'loss': loss.detach()}


@pytest.fixture(autouse=True)
def registered():
    DATASETS.register_module(module=Numbers, force=True)
    MODELS.register_module(module=Pupil, force=True)


def run(work_dir, epochs, *, runner=PoseRunner, taught=True, **options):
    config = Config(
        dict(
            model=dict(type='Pupil', taught=taught),
            work_dir=str(work_dir),
            train_dataloader=dict(
                dataset=dict(type='Numbers'),
                sampler=dict(type='DefaultSampler', shuffle=False),
                batch_size=2,
                num_workers=0,
            ),
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05)),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
            custom_hooks=[
                dict(type='hpemap_mm.PlainCheckpointHook'),
                dict(type='hpemap_mm.TeacherHook'),
            ],
            experiment_name=f'{work_dir.name}_{epochs}_{len(options)}',
            log_level='WARNING',
            **options,
        )
    )
    built = runner.from_cfg(config)
    built.train()
    return built.model


def weights(model):
    own = model.state_dict()
    return {**own, **{f't.{k}': v for k, v in model.teacher.state_dict()['weights'].items()}}


@pytest.mark.parametrize('runner', [PoseRunner, Runner], ids=['ours', 'mmengine'])
def test_resumed_bit_for_bit(tmp_path, runner):
    whole = run(tmp_path / 'whole', 3, runner=runner)
    run(tmp_path / 'part', 1, runner=runner)
    resumed = run(tmp_path / 'part', 3, runner=runner, resume=True)
    assert resumed.teacher.steps == whole.teacher.steps == 12
    expected, found = weights(whole), weights(resumed)
    for key, value in expected.items():
        assert torch.equal(found[key], value), key
    saved = torch.load(tmp_path / 'whole' / 'epoch_3.pth', weights_only=True)
    assert set(saved['state_dict']) == {'layer.weight', 'layer.bias'}
    assert saved['teacher']['steps'] == 12


def test_starting_from_weights_takes_no_teacher_along(tmp_path):
    run(tmp_path / 'first', 1)
    path = str(tmp_path / 'first' / 'epoch_1.pth')
    model = run(tmp_path / 'second', 1, load_from=path)
    assert model.teacher.steps == 4  # its own four steps


def test_a_checkpoint_without_a_teacher(tmp_path, capfd):
    run(tmp_path / 'run', 1, taught=False)
    saved = torch.load(tmp_path / 'run' / 'epoch_1.pth', weights_only=True)
    assert 'teacher' not in saved
    model = run(tmp_path / 'run', 2, resume=True)
    assert model.teacher.steps == 4
    assert 'has no teacher' in ''.join(capfd.readouterr())
