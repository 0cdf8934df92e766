"""Which ready-made config runs a model: one of MMPose's, or one of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from hpemap_mm.checkpoints.ours import build_on_meta, pose_weights_of
from hpemap_mm.checkpoints.weights import PoseWeights
from hpemap_mm.errors import DataError
from hpemap_mm.skeletons import JointSpace, get_skeleton

_SIZES = {'S': 'small', 'B': 'base', 'L': 'large', 'H': 'huge'}
#: Skeleton and input size (w, h) of MMPose's ViTPose configs.
_STOCK_SKELETON, _STOCK_INPUT = 'coco', (192, 256)


def mmpose_config(weights: PoseWeights) -> tuple[str | None, dict[str, Any]]:
    """MMPose's own config for a model of one skeleton, and the options that differ.

    Returns:
        The file's name in ``configs/body_2d_keypoint/topdown_heatmap/coco``, None where MMPose has
        none of the size; and what to pass as ``--cfg-options``.
    """
    (head,) = weights.heads.values()
    options: dict[str, Any] = {}
    if weights.letter is None:
        return None, options
    simple = '-simple' if head.layout == 'simple' else ''
    name = f'td-hm_ViTPose-{_SIZES[weights.letter]}{simple}_8xb64-210e_coco-256x192.py'
    if head.joints != len(get_skeleton(_STOCK_SKELETON)):
        options['model.head.out_channels'] = head.joints
    width, height = weights.input_size
    if (width, height) != _STOCK_INPUT:
        options['model.backbone.img_size'] = [height, width]
        options['model.head.decoder.input_size'] = [width, height]
        options['model.head.decoder.heatmap_size'] = [width // 4, height // 4]
    return name, options


def mmpose_meta(weights: PoseWeights) -> dict[str, Any]:
    """``meta`` of a checkpoint for MMPose: the joints, their flips and sigmas, in plain lists."""
    (head,) = weights.heads.values()
    assert head.skeleton is not None
    metainfo = parse_pose_metainfo(get_skeleton(head.skeleton).metainfo())
    return {'dataset_meta': _plain(metainfo)}


def configs_like(weights: PoseWeights, folder: Path) -> Iterator[Path]:
    """Configs of ours in a folder whose model is the same: heads, spaces, experts, input size.

    They are found by their names, which say the size (``multihead_vitpose-b_...``).
    """
    letter = (weights.letter or 'none').lower()
    for path in sorted(folder.glob(f'*/*_vitpose-{letter}_*.py')):
        model = Config.fromfile(path).model
        if not _may_be(model, weights):
            continue
        try:
            other = pose_weights_of(build_on_meta(model))
        except DataError:
            continue  # not a ViTPose with one of its decoders
        if _content(other) == _content(weights):
            yield path


def _may_be(model: Mapping[str, Any], weights: PoseWeights) -> bool:
    """What a config says at a glance, so that few are built."""
    names = {*model.get('skeletons', ()), *model.get('heads', {})}
    space = model.get('joint_space')
    if space is not None:
        names = {JointSpace.from_config(space).name}
    spaces = {head.space.name for head in weights.heads.values() if head.space is not None}
    experts = tuple(model['backbone'].get('experts', ()))
    return names == (spaces or set(weights.heads)) and experts == weights.experts


def _content(weights: PoseWeights) -> tuple[Any, ...]:
    heads = {
        name if head.space is None else 'space': (
            head.layout,
            head.skeleton if head.space is None else (head.space.joints, head.space.rows),
        )
        for name, head in weights.heads.items()
    }
    experts = (weights.experts, weights.expert_width, dict(weights.serves))
    return weights.grid, weights.arch.num_heads, weights.final_norm, experts, heads


def _plain(value: Any) -> Any:
    """Numpy's arrays as lists: stock MMPose then reads the file under ``weights_only``, too."""
    if hasattr(value, 'tolist'):
        return value.tolist()
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
