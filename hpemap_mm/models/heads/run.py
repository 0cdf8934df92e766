"""Calling an MMPose head on samples of one skeleton."""

# N samples, K joints

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmpose.models.heads import RegressionHead, RLEHead, RTMCCHead, SimCCHead
from mmpose.models.heads.base_head import BaseHead
from mmpose.structures import PoseDataSample
from torch import Tensor

from hpemap_mm.models.heads.decode import BatchUDPHeatmap


def view_sample(sample: PoseDataSample, **metainfo: Any) -> PoseDataSample:
    """A sample that shares all data with ``sample`` but may have other metainfo and new fields.

    MMEngine's own ``new()`` and ``clone()`` copy the metainfo deeply, which for several heads
    takes longer than decoding.
    """
    view = copy.copy(sample)
    # A data element keeps the names of its fields in two sets, which the copy must not share.
    for names in ('_metainfo_fields', '_data_fields'):
        view.__dict__[names] = set(sample.__dict__[names])
    for key, value in metainfo.items():
        view.set_field(value, key, field_type='metainfo')
    return view


def head_predictions(
    head: BaseHead,
    feats: Sequence[Any],
    samples: Sequence[PoseDataSample],
    *,
    flip_indices: list[int],
    test_cfg: Mapping[str, Any],
) -> Any:
    """A head's ``predict``, with the flip indices of the head's own joints.

    MMPose takes them from the first sample of the batch; here each sample that the head sees
    carries the head's, whatever its dataset says. The samples themselves are not changed.

    Under autocast, heads that MMPose decodes in numpy run in float32: numpy has no bfloat16.

    With ``test_cfg['decode'] == 'symmetric'``, a SimCC head's flip test is aligned to the pixel
    grid: see :func:`flip_simcc`.

    Args:
        head: An MMPose top-down head.
        feats: Maps of N samples, or [maps, maps of the mirrored images].
        samples: N samples.
        flip_indices: K indices.
        test_cfg: As MMPose's.

    Returns:
        What the head's ``predict`` returns: N InstanceData, perhaps with N PixelData.
    """
    views = [view_sample(sample, flip_indices=flip_indices) for sample in samples]
    device = _first_tensor(feats).device.type
    if torch.is_autocast_enabled(device) and not isinstance(head.decoder, BatchUDPHeatmap):
        with torch.autocast(device, enabled=False):
            return _predict(head, _in_float32(feats), views, flip_indices, test_cfg)
    return _predict(head, feats, views, flip_indices, test_cfg)


def _first_tensor(feats: Any) -> Tensor:
    return feats if isinstance(feats, Tensor) else _first_tensor(feats[0])


def _in_float32(feats: Any) -> Any:
    if isinstance(feats, Tensor):
        return feats.float()
    return type(feats)(_in_float32(part) for part in feats)


def _predict(
    head: BaseHead,
    feats: Any,
    views: list[PoseDataSample],
    flip_indices: list[int],
    test_cfg: Mapping[str, Any],
) -> Any:
    aligned = test_cfg.get('decode') == 'symmetric' and not test_cfg.get('output_heatmaps')
    if aligned and test_cfg.get('flip_test') and isinstance(head, (SimCCHead, RTMCCHead)):
        x, y = head.forward(feats[0])
        x_flip, y_flip = head.forward(feats[1])
        x_flip = flip_simcc(x_flip, flip_indices, bins_per_pixel=head.simcc_split_ratio)
        return head.decode(((x + x_flip) / 2, (y + y_flip[:, flip_indices]) / 2))
    return head.predict(feats, views, test_cfg=test_cfg)


def flip_simcc(x_labels: Tensor, flip_indices: list[int], *, bins_per_pixel: float) -> Tensor:
    """Mirror SimCC's x vectors to where the mirrored image's pixels are.

    Bin i stands for x = i / r, and mirroring an image of w pixels takes x to w - 1 - x, hence
    bin i to r (w - 1) - i. MMPose takes it to r w - 1 - i, which is r - 1 bins off: half a pixel
    for SimCC's usual two bins per pixel.

    Args:
        x_labels: (N, K, r * w).
        flip_indices: K indices.
        bins_per_pixel: r.

    Returns:
        (N, K, r * w); the bins beyond the mirrored last pixel repeat the outermost one.
    """
    mirrored = x_labels[:, flip_indices].flip(-1)
    shift = round(bins_per_pixel) - 1
    if shift <= 0:
        return mirrored
    return torch.cat([mirrored[..., shift:], mirrored[..., -1:].expand(-1, -1, shift)], -1)


def head_losses(
    head: BaseHead,
    feats: Sequence[Tensor],
    samples: Sequence[PoseDataSample],
    *,
    name: str,
    joints: int,
    train_cfg: Mapping[str, Any],
) -> dict[str, Any]:
    """A head's losses on samples that are all in its joints.

    Without ``train_cfg['compute_acc']`` no training accuracy is computed. MMPose's coordinate
    heads compute it always, in numpy, which waits for the device at every step and fails on
    bfloat16; for these the loss alone is taken here.

    Args:
        head: An MMPose top-down head.
        feats: Maps of N samples.
        samples: N samples with the targets of the head's codec.
        name: The head's name, for error messages.
        joints: K of the head.
        train_cfg: ``compute_acc`` defaults to False.

    Raises:
        ValueError: If a sample lacks the head's kind of target, or has it for another number
            of joints.
    """
    check_targets(head, samples, name=name, joints=joints)
    compute_acc = bool(train_cfg.get('compute_acc', False))
    if not compute_acc:
        loss = _coordinate_loss(head, feats, samples)
        if loss is not None:
            return dict(loss_kpt=loss)
    losses = head.loss(feats, samples, train_cfg={**train_cfg, 'compute_acc': compute_acc})
    return {key: value for key, value in losses.items() if compute_acc or 'loss' in key}


def _labels(samples: Sequence[PoseDataSample], name: str) -> Tensor:
    return torch.cat([sample.gt_instance_labels.get(name) for sample in samples])


def _coordinate_loss(
    head: BaseHead, feats: Sequence[Tensor], samples: Sequence[PoseDataSample]
) -> Tensor | None:
    """What ``head.loss`` computes for MMPose's own coordinate heads; None for other heads."""
    method = type(head).loss
    if method in (SimCCHead.loss, RTMCCHead.loss):
        target = tuple(_labels(samples, f'keypoint_{axis}_labels') for axis in 'xy')
        return head.loss_module(head.forward(feats), target, _labels(samples, 'keypoint_weights'))
    if method in (RLEHead.loss, RegressionHead.loss):
        output = head.forward(feats)
        parts = (output[..., :2], output[..., 2:4]) if method is RLEHead.loss else (output,)
        weights = _labels(samples, 'keypoint_weights').unsqueeze(-1)
        return head.loss_module(*parts, _labels(samples, 'keypoint_labels'), weights)
    return None


def _needed_target(head: BaseHead) -> str | None:
    """The field that holds a head's target; None where the head is of an unknown kind."""
    if isinstance(head, (SimCCHead, RTMCCHead)):
        return 'gt_instance_labels.keypoint_x_labels'
    if isinstance(head, (RLEHead, RegressionHead)):
        return 'gt_instance_labels.keypoint_labels'
    if hasattr(head, 'deconv_layers'):
        return 'gt_fields.heatmaps'
    return None


def _field(sample: PoseDataSample, path: str) -> Any:
    container, _, key = path.partition('.')
    return getattr(sample, container).get(key) if container in sample else None


def check_targets(
    head: BaseHead, samples: Sequence[PoseDataSample], *, name: str, joints: int
) -> None:
    """Check that every sample has the target of this head, for its number of joints.

    Raises:
        ValueError: Naming the sample's dataset, the head and both numbers.
    """
    needed = _needed_target(head)
    channels = getattr(head, 'out_channels', joints)
    for sample in samples:
        dataset = sample.metainfo.get('dataset_name', '(dataset_name not set)')
        weights = _field(sample, 'gt_instance_labels.keypoint_weights')
        if needed is not None and (weights is None or _field(sample, needed) is None):
            missing = needed if weights is not None else 'gt_instance_labels.keypoint_weights'
            raise ValueError(
                f'A sample of dataset {dataset!r} has no {missing}, which head {name!r} '
                f"({type(head).__name__}) is trained on: its pipeline's GenerateTarget must use "
                "the head's codec"
            )
        found = None if weights is None else weights.shape[-1]
        if found is not None and found != joints:
            raise ValueError(
                f'A sample of dataset {dataset!r} has a target of {found} joints, head {name!r} '
                f'has {joints}'
            )
        if needed == 'gt_fields.heatmaps' and len(_field(sample, needed)) != channels:
            raise ValueError(
                f'A sample of dataset {dataset!r} has {len(_field(sample, needed))} heatmaps, '
                f'head {name!r} has {channels} channels'
            )
