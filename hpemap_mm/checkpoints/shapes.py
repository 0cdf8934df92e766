"""Which tensors a ViTPose has, and of which shapes."""

# C embedding width, D width inside the MLP, T patches, p expert width, K joints

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from hpemap_mm.models.backbones.vitpose import ViTPoseArch

#: Channels of the classic decoder's two deconvolutions.
FILTERS = 256
BATCH_NORM = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
LAYOUTS = ('classic', 'simple')

Shapes = dict[str, tuple[int, ...]]


def backbone_shapes(
    arch: ViTPoseArch,
    *,
    tokens: int,
    experts: int = 0,
    expert_width: int = 0,
    final_norm: bool = True,
) -> Shapes:
    """Shapes by name, as in ViTPose's checkpoints without ``backbone.``.

    Args:
        arch: Widths and depths.
        tokens: T; the position embedding has one place more.
        experts: Number of experts; 0 for a dense model.
        expert_width: p.
        final_norm: Whether there is a ``last_norm``.
    """
    dim, hidden, patch = arch.embed_dim, int(arch.embed_dim * arch.mlp_ratio), arch.patch_size
    shapes: Shapes = {
        'pos_embed': (1, 1 + tokens, dim),
        'patch_embed.proj.weight': (dim, 3, patch, patch),
        'patch_embed.proj.bias': (dim,),
    }
    for block in range(arch.depth):
        layers: dict[str, tuple[int, ...]] = {
            'norm1': (dim,),
            'attn.qkv': (3 * dim, dim),
            'attn.proj': (dim, dim),
            'norm2': (dim,),
            'mlp.fc1': (hidden, dim),
            'mlp.fc2': (dim - (expert_width if experts else 0), hidden),
        }
        for expert in range(experts):
            layers[f'mlp.experts.{expert}'] = (expert_width, hidden)
        for layer, shape in layers.items():
            shapes[f'blocks.{block}.{layer}.weight'] = shape
            shapes[f'blocks.{block}.{layer}.bias'] = shape[:1]
    if final_norm:
        shapes['last_norm.weight'] = shapes['last_norm.bias'] = (dim,)
    return shapes


def split_qkv_shapes(shapes: Shapes) -> Shapes:
    """The shapes where ``attn.q``, ``attn.k`` and ``attn.v`` are three layers."""
    split: Shapes = {}
    for name, (rows, *rest) in shapes.items():
        if '.attn.qkv.' in name:
            for part in 'qkv':
                split[name.replace('.qkv.', f'.{part}.')] = (rows // 3, *rest)
        else:
            split[name] = (rows, *rest)
    return split


def head_shapes(layout: str, *, dim: int, joints: int) -> Shapes:
    """Shapes of a decoder by name, as in MMPose's HeatmapHead."""
    if layout == 'simple':
        return {'final_layer.weight': (joints, dim, 3, 3), 'final_layer.bias': (joints,)}
    shapes: Shapes = {
        'deconv_layers.0.weight': (dim, FILTERS, 4, 4),
        'deconv_layers.3.weight': (FILTERS, FILTERS, 4, 4),
        'final_layer.weight': (joints, FILTERS, 1, 1),
        'final_layer.bias': (joints,),
    }
    for norm in (1, 4):
        for part in BATCH_NORM:
            shape = () if part == 'num_batches_tracked' else (FILTERS,)
            shapes[f'deconv_layers.{norm}.{part}'] = shape
    return shapes


def differences(tensors: Mapping[str, Tensor], shapes: Shapes) -> Iterator[str]:
    """What is missing, of another shape, or too much, each in words."""
    for name, shape in shapes.items():
        if name not in tensors:
            yield f'{name} is missing'
        elif tuple(tensors[name].shape) != shape:
            yield f'{name} has shape {tuple(tensors[name].shape)}, expected {shape}'
    for name in tensors:
        if name not in shapes:
            yield f'{name} has no place in this model'
