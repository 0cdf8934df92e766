"""Training on completed data, tied heads, a teacher: a few steps of each, and resumed runs."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from hpemap_mm.completion.candidates import PersonBatch, sizes_of
from hpemap_mm.completion.completer import Completer
from hpemap_mm.engine.checkpoint import load_weights, read_checkpoint
from hpemap_mm.persons.provenance import PROVENANCE
from hpemap_mm.registry import DATASETS, MODELS
from hpemap_mm.skeletons import get_skeleton

pytestmark = pytest.mark.slow

SKELETONS = ['coco', 'mpii', 'aic', 'lsp']


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpose')


def write_completed(folder, mannequin):
    """Complete COCO's persons by the ontology, as files; near joints are left empty."""
    content = json.loads((mannequin / 'coco' / 'train.json').read_text())
    skeleton = get_skeleton('coco')
    rows = [row for row in content['annotations'] if max(row['keypoints'][2::3])]
    points = np.array([row['keypoints'] for row in rows], float).reshape(len(rows), -1, 3)
    visible = points[..., 2].astype(np.uint8)
    boxes = np.array([row['bbox'] for row in rows], float)
    boxes[:, 2:] += boxes[:, :2]
    areas = np.array([row['area'] for row in rows], float)
    batch = PersonBatch(
        skeleton=skeleton,
        keypoints=np.where(visible[..., None] > 0, points[..., :2], np.nan),
        visibility=visible,
        bboxes=boxes,
        sizes=sizes_of(boxes, areas),
    )
    found = Completer(skeletons=SKELETONS, max_std=1.0).complete(batch)
    folder.mkdir()
    for name, joints in found.joints.items():
        annotations = []
        for i, row in enumerate(rows):
            own = np.nan_to_num(np.column_stack([joints.keypoints[i], joints.visibility[i]]))
            stds = [None if np.isnan(std) else float(std) for std in joints.stds[i]]
            annotations.append(
                {
                    **row,
                    'id': i + 1,
                    'keypoints': own.ravel().tolist(),
                    'keypoints_std': stds,
                    'keypoints_provenance': joints.provenance[i].tolist(),
                    'entry': 'mannequin_coco_train',
                    'source_id': row['id'],
                }
            )
        info = {
            'skeleton': name,
            'provenance': list(PROVENANCE),
            'image_root': str(mannequin / 'images' / 'train'),
        }
        (folder / f'{name}.json').write_text(
            json.dumps(
                {
                    'info': {'hpemap_mm': info},
                    'images': content['images'],
                    'annotations': annotations,
                    'categories': [{'id': 1, 'name': 'person'}],
                }
            )
        )
    return folder


def add(config, text):
    config.write_text(config.read_text() + text)
    return config


COMPLETED = """
train_dataloader['dataset']['entries'] = dict(
    _delete_=True,
    completed=dict(
        dataset=dict(
            type='hpemap_mm.CompletedDataset',
            completed={folder!r},
            {which},
            weighting=dict(type='std'),
        ),
    ),
)
train_dataloader['dataset']['sampling'] = 'proportional'
"""


def run(tool_here, config, work_dir, *more):
    assert tool_here('train', config, '--work-dir', work_dir, *more) == 0
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in log.read_text().splitlines() if '"loss"' in line]


EPOCH = ('--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_begin=9')


@pytest.mark.timeout(300)
def test_a_union_is_trained_on_completed_data(tiny_config, tool_here, mannequin, tmp_path):
    folder = write_completed(tmp_path / 'done', mannequin)
    which = f'skeletons={SKELETONS}'
    config = add(tiny_config('union'), COMPLETED.format(folder=str(folder), which=which))
    losses = run(tool_here, config, tmp_path / 'run', *EPOCH)
    assert all(np.isfinite(row['loss']) and row['loss'] > 0 for row in losses)
    # One sample has the joints of COCO, and those that follow from them.
    dataset = DATASETS.build(Config.fromfile(config).train_dataloader.dataset)
    dataset.indices_carry_epoch()
    space = dataset.joint_space
    told = np.zeros(len(space))
    for i in range(len(dataset)):
        told += (dataset[i]['data_samples'].gt_instance_labels.keypoint_weights[0] > 0).numpy()
    names = {space.joints[j] for j in np.flatnonzero(told)}
    assert {'nose', 'left_wrist'} <= names
    assert names <= {space.joints[j] for s in SKELETONS for j in space.indices(s)}


@pytest.mark.timeout(300)
def test_a_head_is_trained_on_completed_data(tiny_config, tool_here, mannequin, tmp_path):
    folder = write_completed(tmp_path / 'done', mannequin)
    text = COMPLETED.format(folder=str(folder), which="skeleton='lsp'")
    losses = run(tool_here, add(tiny_config('multihead'), text), tmp_path / 'run', *EPOCH)
    assert all(row['lsp.loss_kpt'] > 0 and row['coco.loss_kpt'] == 0 for row in losses)


@pytest.mark.timeout(300)
def test_check_config_tells_completed_entries(tiny_config, tool_here, mannequin, tmp_path, capsys):
    folder = write_completed(tmp_path / 'done', mannequin)
    which = f'skeletons={SKELETONS}'
    config = add(tiny_config('union'), COMPLETED.format(folder=str(folder), which=which))
    assert tool_here('check_config', config) == 0
    assert 'completed' in capsys.readouterr().out


TIED = """
model['consistency'] = dict(type='ontology', weight=0.1)
"""
TAUGHT = """
model['teacher'] = dict(momentum=0.99, weight=0.5, min_score=1e-4)
"""


@pytest.mark.timeout(300)
def test_taught_and_resumed_bit_for_bit(tiny_config, tool_here, tmp_path):
    config = add(tiny_config('multihead'), TAUGHT + TIED)
    losses = run(
        tool_here, config, tmp_path / 'whole', '--cfg-options', 'train_cfg.max_epochs=2',
        'train_cfg.val_begin=9',
    )  # fmt: skip
    names = {'coco.loss_tied', 'coco.loss_taught'}
    assert names <= losses[-1].keys()
    assert sum(row[name] for row in losses for name in names) > 0

    part = tmp_path / 'part'
    run(tool_here, config, part, *EPOCH)
    options = ['--cfg-options', 'train_cfg.max_epochs=2', 'train_cfg.val_begin=9']
    assert tool_here('train', config, '--work-dir', part, '--resume', *options) == 0
    whole, resumed = (
        torch.load(folder / 'epoch_2.pth', weights_only=True)
        for folder in (tmp_path / 'whole', part)
    )
    assert whole['state_dict'].keys() == resumed['state_dict'].keys()
    for key, value in whole['state_dict'].items():
        assert torch.equal(resumed['state_dict'][key], value), key
    assert whole['teacher']['steps'] == resumed['teacher']['steps'] == 6
    for key, value in whole['teacher']['weights'].items():
        assert torch.equal(resumed['teacher']['weights'][key], value), key
    # It is a checkpoint of the model like any other: one without a teacher takes it whole.
    plain = Config.fromfile(config).model
    for option in ('teacher', 'consistency'):
        plain.pop(option, None)
    path = part / 'epoch_2.pth'
    load_weights(MODELS.build(plain), read_checkpoint(path), where=path, whole=True)
