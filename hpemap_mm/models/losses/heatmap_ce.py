"""Cross-entropy of heatmaps as distributions over the pixels."""

# N samples, K joints, H W heatmap

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpemap_mm.models.losses.masking import mask_targets
from hpemap_mm.registry import MODELS


def heatmap_cross_entropy(logits: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Mean over samples of the mean cross-entropy over a sample's labelled joints.

    Each joint's logits become a distribution over the H * W pixels, and so does its target.
    A sample without a labelled joint counts as 0, so losses of sub-batches combine by their
    shares of the samples. Targets of joints of weight 0 are not read.

    Args:
        logits: (N, K, H, W), unnormalised.
        target: (N, K, H, W), non-negative, of any scale per joint.
        weights: (N, K), 0 for unlabelled joints.

    Returns:
        A scalar, in nats, in float32 whatever the logits' type.
    """
    target = mask_targets(target, weights).flatten(2).float()
    target = target / target.sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    log_probability = logits.flatten(2).float().log_softmax(-1)
    entropy_NK = -(target * log_probability).sum(-1)
    labelled_N = (weights > 0).sum(-1).clamp_min(1)
    return ((entropy_NK * weights).sum(-1) / labelled_N).mean()


@MODELS.register_module()
class HeatmapCrossEntropyLoss(nn.Module):
    """Softmax cross-entropy over each joint's heatmap; see :func:`heatmap_cross_entropy`.

    The output of the head is read as logits, so it belongs to
    :class:`~hpemap_mm.models.SoftmaxHeatmapHead`.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, *, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, output: Tensor, target: Tensor, target_weights: Tensor) -> Tensor:
        """Loss of logits (N, K, H, W) against heatmaps (N, K, H, W) with weights (N, K)."""
        return self.loss_weight * heatmap_cross_entropy(output, target, target_weights)
