"""Heads: ViTPose's decoders, distributions over pixels, and a head over a joint space."""

from hpemap_mm.models.heads.decode import BatchUDPHeatmap, install_batch_decoding
from hpemap_mm.models.heads.heatmap import (
    ClassicHeatmapHead,
    SimpleHeatmapHead,
    SoftmaxHeatmapHead,
    ViTPoseHead,
)
from hpemap_mm.models.heads.joint_space import JointSpaceHead

__all__ = [
    'BatchUDPHeatmap',
    'ClassicHeatmapHead',
    'JointSpaceHead',
    'SimpleHeatmapHead',
    'SoftmaxHeatmapHead',
    'ViTPoseHead',
    'install_batch_decoding',
]
