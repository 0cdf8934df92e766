"""ViTPose's and ViTPose++'s published layout and forward pass, from a dict of tensors.

Written from the papers and the upstream files alone, in plain PyTorch; nothing of hpemap_mm.
"""

import torch
import torch.nn.functional as F

SIX = (17, 14, 16, 17, 17, 133)  # COCO, AIC, MPII, AP-10K, APT-36K, WholeBody
THREE = (17, 14, 16)
EXPERT_WIDTH = {384: 96, 768: 192, 1024: 256, 1280: 320}


def vit_state(width, depth, tokens, prefix='backbone.', seed=0, std=0.1):
    """A backbone of ViTPose, dense."""
    g = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(*shape, generator=g) * std

    state = {
        'pos_embed': randn(1, 1 + tokens, width),
        'patch_embed.proj.weight': randn(width, 3, 16, 16),
        'patch_embed.proj.bias': randn(width),
    }
    for i in range(depth):
        for name, rows, columns in (
            ('attn.qkv', 3 * width, width),
            ('attn.proj', width, width),
            ('mlp.fc1', 4 * width, width),
            ('mlp.fc2', width, 4 * width),
        ):
            state[f'blocks.{i}.{name}.weight'] = randn(rows, columns)
            state[f'blocks.{i}.{name}.bias'] = randn(rows)
        for norm in ('norm1', 'norm2'):
            state[f'blocks.{i}.{norm}.weight'] = 1 + randn(width)
            state[f'blocks.{i}.{norm}.bias'] = randn(width)
    state['last_norm.weight'] = 1 + randn(width)
    state['last_norm.bias'] = randn(width)
    return {prefix + key: value for key, value in state.items()}


def head_state(prefix, width, joints, layout='classic', seed=0):
    """A decoder."""
    g = torch.Generator().manual_seed(seed)
    if layout == 'simple':
        return {
            f'{prefix}final_layer.weight': torch.randn(joints, width, 3, 3, generator=g) * 0.1,
            f'{prefix}final_layer.bias': torch.randn(joints, generator=g),
        }
    state = {}
    for place, inputs in ((0, width), (3, 256)):
        weight = torch.randn(inputs, 256, 4, 4, generator=g) / inputs**0.5
        state[f'{prefix}deconv_layers.{place}.weight'] = weight
        norm = f'{prefix}deconv_layers.{place + 1}.'
        state[f'{norm}weight'] = torch.rand(256, generator=g) + 0.5
        state[f'{norm}bias'] = torch.randn(256, generator=g)
        state[f'{norm}running_mean'] = torch.randn(256, generator=g)
        state[f'{norm}running_var'] = torch.rand(256, generator=g) + 0.5
        state[f'{norm}num_batches_tracked'] = torch.tensor(7)
    state[f'{prefix}final_layer.weight'] = torch.randn(joints, 256, 1, 1, generator=g) * 0.1
    state[f'{prefix}final_layer.bias'] = torch.randn(joints, generator=g)
    return state


def vitpose(joints=(17,), *, width=384, depth=2, tokens=192, layout='classic', padded=None):
    """ViTPose: one head, or one main and several associated ones, perhaps padded."""
    state = vit_state(width, depth, tokens)
    for place, count in enumerate(joints):
        prefix = 'keypoint_head.' if not place else f'associate_keypoint_heads.{place - 1}.'
        state |= head_state(prefix, width, padded or count, layout, seed=place + 1)
    return state


def vitpose_plus(joints=SIX, **kwargs):
    """ViTPose++: the second MLP layer is shared but for its last p outputs."""
    state = vitpose(joints, **kwargs)
    width = kwargs.get('width', 384)
    part = EXPERT_WIDTH.get(width, width // 4)
    g = torch.Generator().manual_seed(99)
    for key in [key for key in state if '.mlp.fc2.' in key]:
        tensor = state[key]
        state[key] = tensor[:-part].clone()
        for expert in range(len(joints)):
            own = torch.randn(part, *tensor.shape[1:], generator=g) * 0.1
            state[key.replace('fc2', f'experts.{expert}')] = own
    return state


def heatmaps(state, images, *, attention_heads, head='keypoint_head.', expert=None):
    """The published forward pass: backbone, then one decoder."""

    def get(name):
        return state[f'backbone.{name}']

    def norm(x, name):
        mean = x.mean(-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(-1, keepdim=True)
        return (x - mean) / torch.sqrt(variance + 1e-6) * get(f'{name}.weight') + get(
            f'{name}.bias'
        )

    def linear(x, name):
        return x @ get(f'{name}.weight').T + get(f'{name}.bias')

    patches = get('patch_embed.proj.weight')
    x = F.conv2d(images, patches, get('patch_embed.proj.bias'), stride=16, padding=2)
    count, width, rows, columns = x.shape
    x = x.flatten(2).transpose(1, 2) + get('pos_embed')[:, 1:] + get('pos_embed')[:, :1]
    depth = 1 + max(int(key.split('.')[2]) for key in state if key.startswith('backbone.blocks.'))
    for i in range(depth):
        block = f'blocks.{i}'
        qkv = linear(norm(x, f'{block}.norm1'), f'{block}.attn.qkv')
        q, k, v = qkv.reshape(count, -1, 3, attention_heads, width // attention_heads).permute(
            2, 0, 3, 1, 4
        )
        weights = torch.softmax(q * (width // attention_heads) ** -0.5 @ k.transpose(-2, -1), -1)
        x = x + linear(
            (weights @ v).transpose(1, 2).reshape(count, -1, width), f'{block}.attn.proj'
        )
        hidden = linear(norm(x, f'{block}.norm2'), f'{block}.mlp.fc1')
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
        second = linear(hidden, f'{block}.mlp.fc2')
        if expert is not None:
            second = torch.cat([second, linear(hidden, f'{block}.mlp.experts.{expert}')], -1)
        x = x + second
    x = norm(x, 'last_norm').permute(0, 2, 1).reshape(count, width, rows, columns)
    return decoded(state, x, head)


def decoded(state, x, head):
    """ViTPose's decoder, classic or simple."""

    def get(name):
        return state[f'{head}{name}']

    if f'{head}deconv_layers.0.weight' not in state:
        x = F.interpolate(F.relu(x), scale_factor=4, mode='bilinear', align_corners=False)
        return F.conv2d(x, get('final_layer.weight'), get('final_layer.bias'), padding=1)
    for place in (0, 3):
        x = F.conv_transpose2d(x, get(f'deconv_layers.{place}.weight'), stride=2, padding=1)
        norm = f'deconv_layers.{place + 1}.'
        mean, variance = get(f'{norm}running_mean'), get(f'{norm}running_var')
        scale = get(f'{norm}weight') / torch.sqrt(variance + 1e-5)
        x = (x - mean[:, None, None]) * scale[:, None, None] + get(f'{norm}bias')[:, None, None]
        x = F.relu(x)
    return F.conv2d(x, get('final_layer.weight'), get('final_layer.bias'))


def relative_error(a, b):
    """Largest difference over the largest value."""
    return ((a - b).abs().max() / b.abs().max()).item()


def same(a, b):
    """Whether two dicts have the same tensors under the same names."""
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
