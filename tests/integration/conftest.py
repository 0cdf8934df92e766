"""Small worlds and a tiny config, made once for all integration tests."""

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for pair_files

TINY = """
_base_ = ['{base}/recipes/micro_8e.py', '{base}/datasets/mannequin.py']

skeletons = ['coco', 'mpii', 'aic', 'lsp']
{kind}
# A network of seconds, with dropout, so that a resumed run must draw the same masks.
_backbone = dict(
    _delete_=True,
    type='hpemap_mm.ViTPoseBackbone',
    arch=dict(embed_dim=32, depth=2, num_heads=2),
    img_size=(96, 128),
    drop_path_rate=0.3,
)
_head = dict(
    _delete_=True,
    type='hpemap_mm.SimpleHeatmapHead',
    in_channels=32,
    loss=dict(type='KeypointMSELoss', use_target_weight=True),
    decoder={{{{_base_.codec}}}},
)
{model}
train_dataloader = dict(
    batch_size=8, num_workers=1, persistent_workers=False,
    dataset=dict(samples_per_epoch=24{space}),
)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = dict(num_workers=0, persistent_workers=False)
train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=4)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts=2))
"""

MULTIHEAD = """
model = dict(
    type='hpemap_mm.MultiHeadPoseEstimator',
    skeletons=skeletons,
    backbone=_backbone,
    neck=None,
    head=_head,
)
"""

UNION = """
model = dict(
    type='hpemap_mm.JointSpacePoseEstimator',
    joint_space=joint_space,
    backbone=_backbone,
    neck=None,
    head=_head,
)
"""


@pytest.fixture(scope='session')
def mannequin(tmp_path_factory) -> Path:
    """Twenty-four images of mannequins."""
    from hpemap_mm.datasets.mannequin import generate

    folder = tmp_path_factory.mktemp('data') / 'mannequin'
    generate(folder, images=24, seed=3, progress=False)
    return folder


@pytest.fixture
def tiny_config(tmp_path, project_root, mannequin, monkeypatch):
    """Write a config of a network that trains in seconds: ``tiny_config('multihead')``."""
    monkeypatch.setenv('HPEMAP_MANNEQUIN', str(mannequin))

    def write(kind: str = 'multihead') -> Path:
        union = kind == 'union'
        path = tmp_path / f'{kind}.py'
        path.write_text(
            TINY.format(
                base=project_root / 'configs' / '_base_',
                kind="joint_space = dict(kind='union', skeletons=skeletons)" if union else '',
                model=UNION if union else MULTIHEAD,
                space=', joint_space=joint_space' if union else '',
            )
        )
        return path

    return write


@pytest.fixture(scope='session')
def pair_files(tmp_path_factory) -> Path:
    """Keypoint pairs of 300 persons, laid out as the configs of translators read them."""
    from pair_files import write_pair_files

    return write_pair_files(tmp_path_factory.mktemp('pairs') / 'data')


@pytest.fixture
def tool_here(project_root):
    """Run a tool in this process: ``tool_here('train', CONFIG, ...)`` gives its exit status."""

    def run(name, *arguments):
        path = project_root / 'tools' / f'{name}.py'
        spec = importlib.util.spec_from_file_location(f'tool_{name}', path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main([str(argument) for argument in arguments])

    return run
