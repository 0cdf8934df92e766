"""ViTPose's two heatmap decoders, and one that outputs distributions."""

# N samples, C feature channels, K joints, h w feature map, H W heatmap

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from mmpose.evaluation.functional import pose_pck_accuracy
from mmpose.models.heads import HeatmapHead
from mmpose.utils.tensor_utils import to_numpy
from torch import Tensor, nn

from hpemap_mm.registry import MODELS

Layout = Literal['classic', 'simple']


def _layout_args(layout: str, args: dict[str, Any]) -> dict[str, Any]:
    """HeatmapHead's arguments for a layout; the caller's own win."""
    if layout == 'classic':
        preset: dict[str, Any] = dict(deconv_out_channels=(256, 256), deconv_kernel_sizes=(4, 4))
    elif layout == 'simple':
        preset = dict(
            deconv_out_channels=None,
            deconv_kernel_sizes=None,
            final_layer=dict(kernel_size=3, padding=1),
        )
    else:
        raise ValueError(f"Unknown layout {layout!r}. Available: ['classic', 'simple']")
    return preset | args


def _upsample(x: Tensor, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=float(factor), mode='bilinear', align_corners=False)


def upsampled_conv3x3(x: Tensor, conv: nn.Conv2d, factor: int) -> Tensor:
    """``conv(upsample(x))`` of a 3x3 convolution, with the channels reduced before the upsampling.

    Upsampling acts on each channel alone, so it commutes with the sum over channels of each of
    the kernel's nine taps: these are taken on the small map, as 9 K channels, and the nine
    upsampled maps are then added, each shifted by its tap. The result is the same but for
    rounding. With C = 768 and K = 17 it takes a twelfth of the time of a training step of this
    layer, and a fifth of the memory.

    Args:
        x: (N, C, h, w).
        conv: 3x3, stride 1, zero padding 1, from C to K channels.
        factor: Of the bilinear upsampling.

    Returns:
        (N, K, factor * h, factor * w), in float32 where x has less.
    """
    # A tap reads at +offset what it writes at -offset: hence the flip.
    taps = conv.weight.flip(2, 3).flatten(2).transpose(1, 2).flatten(0, 1)
    maps = _upsample(F.conv2d(x, taps[..., None, None]), factor)
    maps = maps if maps.dtype == torch.float64 else maps.float()
    heatmaps = F.fold(maps.flatten(2), maps.shape[-2:], kernel_size=3, padding=1)
    return heatmaps if conv.bias is None else heatmaps + conv.bias[:, None, None]


@MODELS.register_module()
class ViTPoseHead(HeatmapHead):
    """One of ViTPose's two decoders, each a :class:`mmpose.models.HeatmapHead`.

    ``classic``: two deconvolutions of 256 channels (kernel 4, stride 2, batch norm, ReLU), then a
    1x1 convolution. ``simple``: ReLU, bilinear upsampling by 4 (``align_corners=False``), then a
    3x3 convolution (computed by :func:`upsampled_conv3x3`); it has no batch norm. Parameters are
    named as in HeatmapHead, so ViTPose's ``keypoint_head.*`` load as they are.

    Follows section 3.2 of ViTPose (arXiv 2204.12484). MMPose's ViTPose-simple configs reach the
    same function with a ``FeatureMapProcessor`` neck; here each head has it, so that heads of
    both kinds can share a backbone.

    Args:
        in_channels: C.
        out_channels: K.
        layout: 'classic' or 'simple'.
        **kwargs: HeatmapHead's, such as ``loss`` and ``decoder`` (the codec).

    Raises:
        ValueError: If the layout is unknown.
    """

    upsampling = 4

    def __init__(
        self,
        in_channels: int | Sequence[int],
        out_channels: int,
        *,
        layout: Layout,
        **kwargs: Any,
    ) -> None:
        if isinstance(in_channels, Sequence):
            in_channels = in_channels[-1]
        super().__init__(in_channels, out_channels, **_layout_args(layout, kwargs))
        self.layout = layout

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Heatmaps (N, K, H, W) from maps of which the last, (N, C, h, w), is read."""
        if self.layout == 'classic':
            return super().forward(feats)
        x = F.relu(feats[-1])
        if self._narrows():
            return upsampled_conv3x3(x, self.final_layer, self.upsampling)
        return super().forward((_upsample(x, self.upsampling),))

    def _narrows(self) -> bool:
        """Whether the 3x3 convolution is cheaper before the upsampling than after it."""
        conv = self.final_layer
        return (
            isinstance(self.conv_layers, nn.Identity)
            and isinstance(conv, nn.Conv2d)
            and (conv.kernel_size, conv.padding) == ((3, 3), (1, 1))
            and (conv.stride, conv.dilation, conv.groups) == ((1, 1), (1, 1), 1)
            and conv.padding_mode == 'zeros'
            and 9 * conv.out_channels < conv.in_channels
        )


@MODELS.register_module()
class ClassicHeatmapHead(ViTPoseHead):
    """:class:`ViTPoseHead` of layout 'classic'."""

    def __init__(self, in_channels: int | Sequence[int], out_channels: int, **kwargs: Any) -> None:
        super().__init__(in_channels, out_channels, layout='classic', **kwargs)


@MODELS.register_module()
class SimpleHeatmapHead(ViTPoseHead):
    """:class:`ViTPoseHead` of layout 'simple'."""

    def __init__(self, in_channels: int | Sequence[int], out_channels: int, **kwargs: Any) -> None:
        super().__init__(in_channels, out_channels, layout='simple', **kwargs)


@MODELS.register_module()
class SoftmaxHeatmapHead(ViTPoseHead):
    """A heatmap head whose output is a distribution over the pixels.

    It is trained by :class:`~hpemap_mm.models.HeatmapCrossEntropyLoss` on logits. Its heatmaps
    are the softmax times ``2 pi sigma^2`` of the codec: a perfect Gaussian then has peak 1, so
    that flip averaging, UDP/DARK decoding and keypoint scores see what they see of a regressed
    heatmap. A peak sharper than the target's exceeds 1.

    Args:
        in_channels: C.
        out_channels: K.
        layout: 'classic' or 'simple', as in :class:`ViTPoseHead`.
        decoder: The codec; its ``sigma`` (in heatmap pixels) gives the scale. Required.
        loss: Defaults to ``HeatmapCrossEntropyLoss``.
        **kwargs: HeatmapHead's.

    Raises:
        ValueError: If the codec has no scalar ``sigma``.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        out_channels: int,
        *,
        decoder: Mapping[str, Any],
        layout: Layout = 'classic',
        loss: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        loss = dict(type='hpemap_mm.HeatmapCrossEntropyLoss') if loss is None else loss
        super().__init__(
            in_channels, out_channels, layout=layout, decoder=decoder, loss=loss, **kwargs
        )
        sigma = getattr(self.decoder, 'sigma', None)
        if not isinstance(sigma, (int, float)):
            raise ValueError(
                f'SoftmaxHeatmapHead needs a codec with one sigma, such as UDPHeatmap; '
                f'{type(self.decoder).__name__} has sigma {sigma!r}'
            )
        self.scale = 2 * math.pi * sigma**2

    def logits(self, feats: Sequence[Tensor]) -> Tensor:
        """Unnormalised log-probabilities (N, K, H, W)."""
        return super().forward(feats)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Scaled distributions (N, K, H, W), in float32; each sums to ``2 pi sigma^2``."""
        return self._heatmaps(self.logits(feats))

    def loss(
        self,
        feats: Sequence[Tensor],
        batch_data_samples: list[Any],
        train_cfg: Mapping[str, Any] | None = None,
    ) -> dict[str, Tensor]:
        """Loss of the logits; ``acc_pose`` with ``train_cfg['compute_acc']``.

        Args:
            feats: Maps, the last of shape (N, C, h, w).
            batch_data_samples: N samples with ``gt_fields.heatmaps`` (K, H, W) and
                ``gt_instance_labels.keypoint_weights`` (1, K).
            train_cfg: ``compute_acc`` defaults to False.
        """
        logits = self.logits(feats)
        target = torch.stack([sample.gt_fields.heatmaps for sample in batch_data_samples])
        weights = torch.cat(
            [sample.gt_instance_labels.keypoint_weights for sample in batch_data_samples]
        )
        losses = dict(loss_kpt=self.loss_module(logits, target, weights))
        if (train_cfg or {}).get('compute_acc', False):
            _, accuracy, _ = pose_pck_accuracy(
                output=to_numpy(self._heatmaps(logits.detach())),
                target=to_numpy(target),
                mask=to_numpy(weights) > 0,
            )
            losses['acc_pose'] = logits.new_tensor(accuracy)
        return losses

    def _heatmaps(self, logits: Tensor) -> Tensor:
        flat = logits.flatten(2)
        flat = (flat if flat.dtype == torch.float64 else flat.float()).softmax(-1)
        return (flat * self.scale).reshape(logits.shape)
