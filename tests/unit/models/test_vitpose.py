import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pose_worlds import VIT, images, randomise

from hpemap_mm.models import ViTPoseBackbone

# C, depth and heads as published (ViTPose, table 1; S from ViTPose++).
PUBLISHED = {'S': (384, 12, 12), 'B': (768, 12, 12), 'L': (1024, 24, 16), 'H': (1280, 32, 16)}
DROP_PATH = {'S': 0.1, 'B': 0.3, 'L': 0.5, 'H': 0.55}
MICRO = VIT['arch']


def micro(**kwargs):
    return randomise(ViTPoseBackbone(MICRO, img_size=(48, 64), **kwargs), std=0.2).eval()


def reference_forward(weights, images, heads):
    """ViTPose's published forward pass, from a state dict, in plain PyTorch."""

    def norm(x, name):
        mean = x.mean(-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(-1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-6)
        return x * weights[f'{name}.weight'] + weights[f'{name}.bias']

    def linear(x, name):
        return x @ weights[f'{name}.weight'].T + weights[f'{name}.bias']

    x = F.conv2d(
        images,
        weights['patch_embed.proj.weight'],
        weights['patch_embed.proj.bias'],
        stride=16,
        padding=2,
    )
    count, width, rows, columns = x.shape
    x = x.flatten(2).transpose(1, 2)
    x = x + weights['pos_embed'][:, 1:] + weights['pos_embed'][:, :1]
    depth = 1 + max(int(key.split('.')[1]) for key in weights if key.startswith('blocks.'))
    for i in range(depth):
        qkv = linear(norm(x, f'blocks.{i}.norm1'), f'blocks.{i}.attn.qkv')
        qkv = qkv.reshape(count, -1, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0] * (width // heads) ** -0.5, qkv[1], qkv[2]
        attention = torch.exp(q @ k.transpose(-2, -1))
        attention = attention / attention.sum(-1, keepdim=True)
        mixed = (attention @ v).transpose(1, 2).reshape(count, -1, width)
        x = x + linear(mixed, f'blocks.{i}.attn.proj')
        hidden = linear(norm(x, f'blocks.{i}.norm2'), f'blocks.{i}.mlp.fc1')
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
        x = x + linear(hidden, f'blocks.{i}.mlp.fc2')
    x = norm(x, 'last_norm')
    return x.permute(0, 2, 1).reshape(count, width, rows, columns)


@pytest.mark.parametrize(
    ('arch', 'img_size'), [(MICRO, (48, 64)), (MICRO, (192, 256)), ('S', (192, 256))]
)
def test_forward_is_the_published_definition(arch, img_size):
    backbone = ViTPoseBackbone(arch, img_size=img_size)
    randomise(backbone, std=0.05).eval()
    x = torch.randn(2, 3, img_size[1], img_size[0])
    with torch.no_grad():
        (ours,) = backbone(x)
        expected = reference_forward(backbone.state_dict(), x, backbone.arch.num_heads)
    assert ours.shape == expected.shape == (2, backbone.out_channels, *np.array(x.shape[2:]) // 16)
    assert ((ours - expected).norm() / expected.norm()).item() < 1e-5


@pytest.mark.parametrize('arch', 'SBLH')
def test_published_geometry(arch):
    with torch.device('meta'):
        backbone = ViTPoseBackbone(arch)
    width, depth, heads = PUBLISHED[arch]
    shapes = {key: tuple(value.shape) for key, value in backbone.state_dict().items()}
    expected = {
        'pos_embed': (1, 193, width),
        'patch_embed.proj.weight': (width, 3, 16, 16),
        'patch_embed.proj.bias': (width,),
        'last_norm.weight': (width,),
        'last_norm.bias': (width,),
    }
    for i in range(depth):
        for norm in ('norm1', 'norm2'):
            expected[f'blocks.{i}.{norm}.weight'] = (width,)
            expected[f'blocks.{i}.{norm}.bias'] = (width,)
        for layer, outputs, inputs in (
            ('attn.qkv', 3 * width, width),
            ('attn.proj', width, width),
            ('mlp.fc1', 4 * width, width),
            ('mlp.fc2', width, 4 * width),
        ):
            expected[f'blocks.{i}.{layer}.weight'] = (outputs, inputs)
            expected[f'blocks.{i}.{layer}.bias'] = (outputs,)
    assert shapes == expected
    assert {block.attn.num_heads for block in backbone.blocks} == {heads}
    assert all(block.attn.fused_attn for block in backbone.blocks)
    rates = [getattr(block.drop_path1, 'drop_prob', 0.0) for block in backbone.blocks]
    steps = [DROP_PATH[arch] * i / (depth - 1) for i in range(depth)]
    assert rates == pytest.approx(steps)


def test_drop_path_rate_overrides_the_architectures():
    backbone = ViTPoseBackbone(MICRO, img_size=(48, 64), drop_path_rate=0.4)
    assert backbone.blocks[1].drop_path1.drop_prob == pytest.approx(0.4)
    assert isinstance(backbone.blocks[0].drop_path1, torch.nn.Identity)


def test_checkpointing_gives_identical_loss_and_gradients():
    results = []
    for with_cp in (False, True):
        backbone = micro(with_cp=with_cp, drop_path_rate=0.5).train()
        torch.manual_seed(0)
        loss = backbone(images(4))[0].square().mean()
        loss.backward()
        results.append((loss, [p.grad for p in backbone.parameters()]))
    (loss, gradients), (loss_cp, gradients_cp) = results
    assert torch.equal(loss, loss_cp)
    assert all(torch.equal(a, b) for a, b in zip(gradients, gradients_cp, strict=True))


def test_every_parameter_is_trained():
    backbone = micro().train()
    backbone(images(2))[0].square().sum().backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_bfloat16_autocast_is_close():
    backbone = micro()
    with torch.no_grad():
        (exact,) = backbone(images(2))
        with torch.autocast('cpu', torch.bfloat16):
            (rounded,) = backbone(images(2))
    assert ((rounded.float() - exact).norm() / exact.norm()).item() < 0.05


def test_layer_ids():
    backbone = micro()
    assert backbone.num_layers == 2
    ids = {name: backbone.get_layer_id(name) for name, _ in backbone.named_parameters()}
    assert ids['pos_embed'] == ids['patch_embed.proj.weight'] == 0
    assert ids['blocks.0.mlp.fc1.bias'] == 1
    assert ids['blocks.1.attn.qkv.weight'] == 2
    assert ids['last_norm.weight'] == 3


def test_without_final_norm():
    assert 'last_norm.weight' not in micro(final_norm=False).state_dict()


def test_errors():
    with pytest.raises(KeyError, match=r"'XL'.*\['B', 'H', 'L', 'S'\]"):
        ViTPoseBackbone('XL')
    with pytest.raises(ValueError, match='multiple of 16'):
        ViTPoseBackbone(MICRO, img_size=(50, 64))
    with pytest.raises(ValueError, match='not divisible'):
        ViTPoseBackbone(dict(embed_dim=10, depth=1, num_heads=3))
    with pytest.raises(ValueError, match=r'48 x 64.*got 64 x 48'):
        micro()(torch.zeros(1, 3, 48, 64))
