import logging

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmpose.engine.optim_wrappers.layer_decay_optim_wrapper import get_num_layer_for_vit
from pose_worlds import multi_head

from hpemap_mm.models import TimmBackbone

LR, DECAY, RATE = 5e-4, 0.1, 0.75


def groups_of(model, **paramwise):
    """The parameter group of every parameter that is trained, by name."""
    paramwise = {'layer_decay_rate': RATE, **paramwise}
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            constructor='hpemap_mm.LayerDecayConstructor',
            optimizer=dict(type='AdamW', lr=LR, weight_decay=DECAY),
            paramwise_cfg={k: v for k, v in paramwise.items() if v is not None},
        ),
    )
    found = {}
    for group in wrapper.optimizer.param_groups:
        assert len(group['params']) == len(group['param_names'])
        for name in group['param_names']:
            assert name not in found
            found[name] = group
    return found


def test_scales_are_vitposes_formula():
    model = multi_head()  # 2 blocks
    expected = {
        'backbone.pos_embed': RATE**3,
        'backbone.patch_embed.proj.weight': RATE**3,
        'backbone.blocks.0.attn.qkv.weight': RATE**2,
        'backbone.blocks.1.mlp.fc2.bias': RATE**1,
        'backbone.last_norm.weight': 1.0,
        'heads.coco.final_layer.weight': 1.0,
        'heads.mpii.final_layer.bias': 1.0,
    }
    groups = groups_of(model, num_layers=2)
    for name, scale in expected.items():
        assert groups[name]['lr_scale'] == pytest.approx(scale)
        assert groups[name]['lr'] == pytest.approx(LR * scale)
    # And for every parameter, what MMPose's own function says of its MMPretrain names.
    for name, group in groups.items():
        layer = get_num_layer_for_vit(name.replace('.blocks.', '.layers.'), 2 + 2)
        assert group['lr_scale'] == pytest.approx(RATE ** (2 + 2 - layer - 1)), name


def test_no_weight_decay_on_biases_norms_and_positions():
    groups = groups_of(multi_head())
    assert groups['backbone.blocks.0.attn.qkv.weight']['weight_decay'] == DECAY
    assert groups['heads.coco.final_layer.weight']['weight_decay'] == DECAY
    for name in (
        'backbone.pos_embed',
        'backbone.blocks.0.attn.qkv.bias',
        'backbone.blocks.0.norm1.weight',
        'backbone.last_norm.bias',
        'heads.mpii.final_layer.bias',
    ):
        assert groups[name]['weight_decay'] == 0, name


def test_custom_keys_are_honoured_and_the_longest_wins():
    groups = groups_of(
        multi_head(),
        custom_keys={
            'heads': dict(lr_mult=10.0),
            'heads.mpii': dict(lr_mult=2.0, decay_mult=0.5),
            'pos_embed': dict(decay_mult=1.0),
        },
    )
    assert groups['heads.coco.final_layer.weight']['lr'] == pytest.approx(10 * LR)
    assert groups['heads.mpii.final_layer.weight']['lr'] == pytest.approx(2 * LR)
    assert groups['heads.mpii.final_layer.weight']['weight_decay'] == pytest.approx(DECAY / 2)
    assert groups['backbone.pos_embed']['weight_decay'] == DECAY
    assert groups['backbone.pos_embed']['lr'] == pytest.approx(LR * RATE**3)


def test_every_trainable_parameter_is_in_one_group():
    model = multi_head()
    model.backbone.pos_embed.requires_grad_(False)
    expected = {name for name, _ in model.named_parameters()} - {'backbone.pos_embed'}
    assert set(groups_of(model)) == expected


def test_timm_layers():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = TimmBackbone('resnet18')
            self.head = torch.nn.Linear(512, 2)

    groups = groups_of(Model())
    # 8 residual blocks in 4 stages.
    assert groups['backbone.model.conv1.weight']['lr_scale'] == pytest.approx(RATE**9)
    assert groups['backbone.model.layer1.0.conv1.weight']['lr_scale'] == pytest.approx(RATE**8)
    assert groups['backbone.model.layer4.1.conv2.weight']['lr_scale'] == pytest.approx(RATE)
    assert groups['head.weight']['lr_scale'] == 1


def test_logs_one_line_and_prints_nothing(capsys):
    lines = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_instance('layer-decay')
    model = multi_head()
    streams = list(logger.handlers)
    logger.handlers[:] = [handler]
    try:
        capsys.readouterr()
        groups_of(model)
        assert capsys.readouterr().out == ''
    finally:
        logger.handlers[:] = streams
    assert len(lines) == 1
    assert 'Layer-wise decay 0.75 over 2 layers' in lines[0]


@pytest.mark.parametrize(
    ('paramwise', 'message'),
    [
        (dict(num_layers=12), 'is 12, the backbone has 2'),
        (dict(custom_keys=dict(bias=dict(decay_multi=0.0))), 'decay_multi'),
        (dict(layer_decay=0.7), 'layer_decay'),
        (dict(layer_decay_rate=None), 'layer_decay_rate is required'),
    ],
)
def test_wrong_settings_are_refused(paramwise, message):
    with pytest.raises(ValueError, match=message):
        groups_of(multi_head(), **paramwise)


def test_a_backbone_without_layers_is_refused():
    model = torch.nn.Sequential(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match='num_layers and get_layer_id'):
        groups_of(model)
