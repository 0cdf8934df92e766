"""Weights in the layouts of others, and in our own: the inverses of the readers."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from hpemap_mm.checkpoints import names
from hpemap_mm.checkpoints.names import KeyMap
from hpemap_mm.checkpoints.positions import without_first_place
from hpemap_mm.checkpoints.weights import HeadWeights, PoseWeights
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.skeletons import get_skeleton


def to_vitpose(weights: PoseWeights) -> dict[str, Tensor]:
    """ViTPose's and ViTPose++'s layout: ``keypoint_head``, then ``associate_keypoint_heads``.

    Their code runs head i with expert i: experts are written in the order of the heads, and one
    that several heads share once for each of them.

    Raises:
        DataError: The one head, of a joint space, is made by several experts.
    """
    try:
        weights = weights.paired()
    except (KeyError, ValueError) as error:
        what = f'ViTPose++ runs each head with one expert. {error.args[0]}'
        raise DataError([Problem('weights', what, 'choose one by --skeleton NAME')]) from error
    ids = {name: 'main' if i == 0 else str(i - 1) for i, name in enumerate(weights.heads)}
    return _named(weights, names.VITPOSE, ids)


def to_mmpose(weights: PoseWeights) -> dict[str, Tensor]:
    """MMPose 1.x's layout, as its td-hm_ViTPose configs have it.

    Raises:
        DataError: There are experts, more than one head, or no norm after the last block.
    """
    _single(weights, 'MMPose', experts=False)
    backbone = dict(weights.backbone)
    backbone['pos_embed'] = without_first_place(backbone['pos_embed'])
    return _named(weights, names.MMPOSE, dict.fromkeys(weights.heads, 'main'), backbone)


def to_hf(weights: PoseWeights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The layout of transformers' VitPoseForPoseEstimation, and its ``config.json``.

    Experts are kept; which one is used is then told by ``dataset_index``.

    Raises:
        DataError: There is not one head of a skeleton, or no norm after the last block.
    """
    head = _single(weights, 'transformers', experts=True)
    backbone = names.split_qkv(weights.backbone)
    ids = dict.fromkeys(weights.heads, 'main')
    return _named(weights, names.HUGGING_FACE, ids, backbone), hf_config(weights, head)


def to_hpemap(weights: PoseWeights) -> dict[str, Tensor]:
    """Our own layout: ``heads.NAME``, or ``head.head`` over a joint space."""
    spaces = [name for name, head in weights.heads.items() if head.space is not None]
    if spaces:
        return _named(weights, names.JOINT_SPACE, dict.fromkeys(spaces, 'main'))
    return _named(weights, names.MULTI_HEAD, {name: name for name in weights.heads})


def hf_config(weights: PoseWeights, head: HeadWeights) -> dict[str, Any]:
    """What transformers must know to build the model."""
    arch, (width, height) = weights.arch, weights.input_size
    assert head.skeleton is not None
    joints = get_skeleton(head.skeleton).joints
    dtype = str(weights.backbone['pos_embed'].dtype).removeprefix('torch.')
    backbone = {
        'model_type': 'vitpose_backbone',
        'image_size': [height, width],
        'patch_size': [arch.patch_size, arch.patch_size],
        'num_channels': 3,
        'hidden_size': arch.embed_dim,
        'num_hidden_layers': arch.depth,
        'num_attention_heads': arch.num_heads,
        # transformers wants a whole number.
        'mlp_ratio': int(arch.mlp_ratio),
        'num_experts': max(1, len(weights.experts)),
        'part_features': weights.expert_width or arch.embed_dim // 4,
        'layer_norm_eps': 1e-6,
        'hidden_act': 'gelu',
        'qkv_bias': True,
        'out_indices': [arch.depth],
        'out_features': [f'stage{arch.depth}'],
    }
    return {
        'architectures': ['VitPoseForPoseEstimation'],
        'model_type': 'vitpose',
        'dtype': dtype,
        'backbone_config': backbone,
        'scale_factor': 4,
        'use_simple_decoder': head.layout == 'simple',
        'id2label': {str(i): joint for i, joint in enumerate(joints)},
        'label2id': {joint: i for i, joint in enumerate(joints)},
    }


def hf_processor(weights: PoseWeights) -> dict[str, Any]:
    """``preprocessor_config.json``: the input size, and ImageNet's mean and deviation."""
    width, height = weights.input_size
    return {
        'image_processor_type': 'VitPoseImageProcessor',
        'size': {'height': height, 'width': width},
        'do_affine_transform': True,
        'do_rescale': True,
        'rescale_factor': 1 / 255,
        'do_normalize': True,
        'image_mean': [0.485, 0.456, 0.406],
        'image_std': [0.229, 0.224, 0.225],
        'normalize_factor': 200.0,
    }


def _single(weights: PoseWeights, whose: str, *, experts: bool) -> HeadWeights:
    """The one head of a model that others can have."""
    heads = list(weights.heads.values())
    if len(heads) != 1 or heads[0].skeleton is None:
        known = ', '.join(weights.skeletons) or 'none'
        what = f'a model of {whose} has one head of one skeleton; here are {known}'
        raise DataError([Problem('weights', what, 'choose one by --skeleton NAME')])
    if weights.experts and not experts:
        what = f'a model of {whose} has no experts; here are {", ".join(weights.experts)}'
        raise DataError([Problem('weights', what, 'choose one by --skeleton NAME or --expert')])
    if not weights.final_norm:
        what = f"a model of {whose} has a norm after the last block, and this one hasn't"
        raise DataError([Problem('weights', what, 'such a model can be used in hpemap_mm only')])
    if weights.arch.mlp_ratio != int(weights.arch.mlp_ratio):
        what = f'mlp_ratio {weights.arch.mlp_ratio:g} is no whole number'
        raise DataError([Problem('weights', what, 'such a model can be used in hpemap_mm only')])
    return heads[0]


def _named(
    weights: PoseWeights,
    table: KeyMap,
    ids: dict[str, str],
    backbone: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """All tensors by the names of a table."""
    ours = {
        f'backbone.{name}': tensor
        for name, tensor in (weights.backbone if backbone is None else backbone).items()
    }
    for name, head in weights.heads.items():
        ours |= {f'heads.{ids[name]}.{key}': tensor for key, tensor in head.tensors.items()}
    named = {table.theirs(key): tensor for key, tensor in ours.items()}
    assert None not in named and len(named) == len(ours), 'a name without a place in the table'
    return {str(key): tensor for key, tensor in named.items()}
