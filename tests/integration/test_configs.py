"""Every config in the tree builds its model and its datasets, and says what it can only once."""

import ast
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import PARAM_SCHEDULERS, init_default_scope
from mmengine.runner import Runner

import hpemap_mm  # noqa: F401 - prepares MMPose
from hpemap_mm.checkpoints import model_config_of, without_files
from hpemap_mm.engine.translator_scores import pairs_of, translator_for
from hpemap_mm.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
)
from hpemap_mm.skeletons import JointSpace, get_skeleton
from hpemap_mm.skeletons.catalog import mmpose_metainfo_folder

CONFIGS = sorted(
    path
    for path in (Path(__file__).parents[2] / 'configs').rglob('*.py')
    if '_base_' not in path.parts
)
TRANSLATORS = [path for path in CONFIGS if path.parent.name == 'translators']
OF_IMAGES = [path for path in CONFIGS if path not in TRANSLATORS]


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpose')


def test_there_are_configs():
    names = {path.stem for path in CONFIGS}
    for kind in ('multihead', 'union', 'concat'):
        for size in 'sblh':
            for data in ('coco-mpii', 'coco-mpii-aic'):
                assert f'{kind}_vitpose-{size}_8xb128-210e_{data}_256x192' in names
    for size in 'sblh':
        assert f'single_vitpose-{size}_8xb64-210e_coco_256x192' in names
        for data in ('coco-mpii-aic', 'coco-mpii-aic-ap10k-apt36k-wholebody'):
            assert f'moe_vitpose-{size}_8xb128-210e_{data}_256x192' in names
    for pair in ('coco-to-mpii', 'mpii-to-coco', 'coco-to-crowdpose'):
        for kind in ('remap', 'affine', 'residual_60e'):
            assert f'{kind}_{pair}' in names


def test_no_config_takes_the_place_of_mmposes_metainfo():
    """MMPose looks for `configs/_base_/datasets/NAME.py` in the working directory first."""
    ours = {path.name for path in (CONFIGS[0].parents[1] / '_base_' / 'datasets').iterdir()}
    theirs = {path.name for path in mmpose_metainfo_folder().iterdir()}
    assert 'coco-2017.py' in ours and 'coco.py' in theirs
    assert ours.isdisjoint(theirs)


@pytest.mark.parametrize('path', OF_IMAGES, ids=lambda path: path.stem)
def test_config_builds(path, monkeypatch):
    config = Config.fromfile(path)
    # The model, without its memory: a ViTPose-H takes 2.5 GB. Weights of a file cannot be read
    # into that; that they are read is tested with the backbone.
    config.model.backbone.pop('pretrained_file', None)
    with torch.device('meta'):
        model = MODELS.build(config.model)
    if 'neck' not in config.model:
        # A converted file carries it, and whoever reads that builds it.
        carried = without_files(config.model.to_dict())
        assert model_config_of({'model': carried}, where=path) == carried

    skeletons = [get_skeleton(name) for name in config.skeletons]
    if 'joint_space' in config:
        space = JointSpace.from_config(config.joint_space)
        assert config.train_dataloader.dataset.joint_space == config.joint_space
        assert {s.name for s in space.skeletons} == set(config.skeletons)
        wanted = len(space)
    else:
        wanted = sum(len(skeleton) for skeleton in skeletons)
    widths = [
        tensor.shape[0]
        for name, tensor in model.state_dict().items()
        if name.endswith('final_layer.weight')
    ]
    assert sum(widths) == wanted

    for split in ('train', 'val', 'test'):
        loader = config[f'{split}_dataloader']
        dataset = DATASETS.build({**loader.dataset, 'lazy_init': True})
        found = {s.name for name in dataset.entries for s in dataset.skeletons_of(name)}
        # A test may judge a model on datasets in other skeletons than its own.
        assert found >= set(config.skeletons) if split == 'test' else found == set(config.skeletons)
        Compose(loader.dataset.pipeline)
        assert DATA_SAMPLERS.get(loader.sampler.type) is not None
        if split != 'train':
            assert METRICS.build(config[f'{split}_evaluator']) is not None
    constructor = config.optim_wrapper.get('constructor')
    if constructor is not None:
        assert OPTIM_WRAPPER_CONSTRUCTORS.get(constructor) is not None
    for scheduler in config.param_scheduler:
        assert PARAM_SCHEDULERS.get(scheduler.type) is not None


@pytest.mark.parametrize('size', 'sblh')
@pytest.mark.parametrize('data', ['coco-mpii-aic', 'coco-mpii-aic-ap10k-apt36k-wholebody'])
def test_experts_go_by_the_datasets_skeletons(size, data):
    config = Config.fromfile(config_named(f'moe_vitpose-{size}_8xb128-210e_{data}_256x192'))
    with torch.device('meta'):
        backbone = MODELS.build(config.model.backbone)
    assert backbone.experts == tuple(config.skeletons) == tuple(config.model.skeletons)
    if 'wholebody' in data:  # ViTPose++'s order, in which its checkpoints number the experts
        assert config.skeletons == ['coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody']
    # ViTPose++: vitPose+_{small,base,large,huge}_coco+aic+mpii+ap10k+apt36k+wholebody_256x192_udp
    width, drop_path, decay = {
        's': (96, 0.1, 0.8),
        'b': (192, 0.3, 0.75),
        'l': (256, 0.5, 0.8),
        'h': (320, 0.55, 0.8),
    }[size]
    assert backbone.expert_width == width
    assert backbone.arch.drop_path_rate == drop_path
    assert config.optim_wrapper.paramwise_cfg.layer_decay_rate == decay
    assert config.optim_wrapper.optimizer.lr == 1e-3
    assert config.train_dataloader.batch_size == 128


@pytest.mark.parametrize(
    ('size', 'theirs'), zip('sblh', ('small', 'base', 'large', 'huge'), strict=True)
)
def test_a_single_vitpose_has_mmposes_recipe(size, theirs):
    folder = mmpose_metainfo_folder().parents[1] / 'body_2d_keypoint' / 'topdown_heatmap' / 'coco'
    wanted = Config.fromfile(folder / f'td-hm_ViTPose-{theirs}_8xb64-210e_coco-256x192.py')
    ours = Config.fromfile(config_named(f'single_vitpose-{size}_8xb64-210e_coco_256x192'))
    with torch.device('meta'):
        backbone = MODELS.build(ours.model.backbone)
    layers = wanted.optim_wrapper.paramwise_cfg
    assert ours.optim_wrapper.optimizer == wanted.optim_wrapper.optimizer
    assert ours.optim_wrapper.clip_grad == wanted.optim_wrapper.clip_grad
    assert ours.optim_wrapper.paramwise_cfg.layer_decay_rate == layers.layer_decay_rate
    assert backbone.num_layers == layers.num_layers
    assert backbone.arch.drop_path_rate == wanted.model.backbone.drop_path_rate
    assert ours.param_scheduler == wanted.param_scheduler
    assert ours.auto_scale_lr.base_batch_size == wanted.auto_scale_lr.base_batch_size
    assert ours.train_dataloader.batch_size == wanted.train_dataloader.batch_size
    for key in ('max_epochs', 'val_interval'):
        assert ours.train_cfg[key] == wanted.train_cfg[key]
    assert ours.codec == wanted.codec
    assert ours.model.test_cfg == wanted.model.test_cfg
    assert ours.model.data_preprocessor == wanted.model.data_preprocessor
    # The head, but for its width, which follows from the skeleton.
    assert {**ours.model.head, 'out_channels': len(get_skeleton('coco'))} == wanted.model.head


def config_named(stem):
    return next(path for path in CONFIGS if path.stem == stem)


@pytest.mark.parametrize('path', TRANSLATORS, ids=lambda path: path.stem)
def test_translator_config_builds_and_takes_a_step(path, pair_files, monkeypatch):
    monkeypatch.setenv('HPEMAP_DATA', str(pair_files))
    config = Config.fromfile(path)
    torch.manual_seed(0)
    model = MODELS.build(config.model)

    images = {}
    for split in ('train', 'val', 'test'):
        loader = config[f'{split}_dataloader']
        pairs = pairs_of(DATASETS.build(loader.dataset))
        for part in pairs:
            translator = translator_for(model, part)
            # Data, model and name tell the same story.
            assert {part.source.name, part.target.skeleton.name} <= named_in(path)
            assert translator.target is part.target.skeleton
        files = {part.target.source: set() for part in pairs}
        for part in pairs:
            files[part.target.source] |= set(part.target.image_ids.tolist())
        images[split] = files
        assert LOOPS.get(config[f'{split}_cfg'].type) is not None
        if split == 'train':
            model.fit(pairs[0] if len(pairs) == 1 else pairs)
    for one, other in combinations(images.values(), 2):
        assert not any(one[file] & other[file] for file in one.keys() & other.keys())
    for hook in config.custom_hooks:
        assert HOOKS.get(hook.type) is not None

    if config.train_cfg.type == 'hpemap_mm.FitLoop':
        assert np.isfinite(translator_for(model, pairs[0])(pairs[0].keypoints).keypoints).any()
        return
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=0)))
    model.train()
    total, _ = model.parse_losses(model(**batch, mode='loss'))
    total.backward()
    assert torch.isfinite(total)
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def named_in(path):
    """The skeletons that the name of a translator's config has."""
    words = path.stem.rpartition('_')[2].split('-')
    return {get_skeleton(word).name for word in words if word != 'to'}


@pytest.mark.parametrize('path', TRANSLATORS, ids=lambda path: path.stem)
def test_no_joint_is_counted_in_a_translator_config(path):
    sizes = [len(get_skeleton(name)) for name in named_in(path)]
    numbers = set(numbers_in(path))
    assert numbers, 'there are numbers, as the batch size'
    assert numbers.isdisjoint({*sizes, sum(sizes)})


def numbers_in(path):
    """Whole numbers that a config and its bases are written with."""
    for node in ast.walk(ast.parse(path.read_text().replace('{{', '"').replace('}}', '"'))):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            yield node.value
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_base_':
            for base in ast.literal_eval(node.value):
                yield from numbers_in(path.parent / base)


def test_data_roots_come_from_the_environment(monkeypatch):
    monkeypatch.setenv('HPEMAP_COCO', '/somewhere/coco')
    path = next(p for p in CONFIGS if p.stem.startswith('union_vitpose-b'))
    entries = Config.fromfile(path).train_dataloader.dataset.entries
    assert entries.coco_train.dataset.data_root == '/somewhere/coco'
    assert entries.mpii_train.dataset.data_root == 'data/mpii'


def test_the_readmes_config_builds(project_root, tmp_path):
    """The example for two datasets of one's own, as it is printed."""
    text = (project_root / 'README.md').read_text()
    example = next(part for part in text.split('```python')[1:] if '_base_ = ' in part)
    path = project_root / 'configs' / 'union'
    code = example.split('```')[0].replace("'../_base_", f"'{path.parent}/_base_")
    (tmp_path / 'example.py').write_text(code)
    config = Config.fromfile(tmp_path / 'example.py')
    with torch.device('meta'):
        model = MODELS.build(config.model)
    assert model.space.name == 'union(coco,crowdpose)'
    for split in ('train', 'val'):
        DATASETS.build({**config[f'{split}_dataloader'].dataset, 'lazy_init': True})
