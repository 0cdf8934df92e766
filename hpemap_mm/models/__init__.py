"""Backbones, heads, losses and estimators; importing registers them with MMEngine."""

from hpemap_mm.models.backbones import TimmBackbone, ViTPoseBackbone, ViTPoseMoEBackbone
from hpemap_mm.models.checkpoint_heads import check_checkpoint_heads
from hpemap_mm.models.estimators import (
    AnsweringPoseEstimator,
    JointSpacePoseEstimator,
    MultiHeadPoseEstimator,
    route,
)
from hpemap_mm.models.heads import (
    BatchUDPHeatmap,
    ClassicHeatmapHead,
    JointSpaceHead,
    SimpleHeatmapHead,
    SoftmaxHeatmapHead,
    ViTPoseHead,
)
from hpemap_mm.models.losses import HeatmapCrossEntropyLoss, heatmap_cross_entropy
from hpemap_mm.models.necks import TopDownFusion
from hpemap_mm.models.optim import LayerDecayConstructor

__all__ = [
    'AnsweringPoseEstimator',
    'BatchUDPHeatmap',
    'ClassicHeatmapHead',
    'HeatmapCrossEntropyLoss',
    'JointSpaceHead',
    'JointSpacePoseEstimator',
    'LayerDecayConstructor',
    'MultiHeadPoseEstimator',
    'SimpleHeatmapHead',
    'SoftmaxHeatmapHead',
    'TimmBackbone',
    'TopDownFusion',
    'ViTPoseBackbone',
    'ViTPoseHead',
    'ViTPoseMoEBackbone',
    'check_checkpoint_heads',
    'heatmap_cross_entropy',
    'route',
]
