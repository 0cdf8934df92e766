"""Losses, and what keeps unlabelled joints out of them."""

from hpemap_mm.models.losses.heatmap_ce import HeatmapCrossEntropyLoss, heatmap_cross_entropy
from hpemap_mm.models.losses.masking import guard_losses, mask_targets, per_sample_factor

__all__ = [
    'HeatmapCrossEntropyLoss',
    'guard_losses',
    'heatmap_cross_entropy',
    'mask_targets',
    'per_sample_factor',
]
