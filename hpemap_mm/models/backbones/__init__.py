"""Backbones: ViTPose's transformer, dense and with experts, and any model of timm."""

from hpemap_mm.models.backbones.moe import ViTPoseMoEBackbone
from hpemap_mm.models.backbones.timm_backbone import TimmBackbone
from hpemap_mm.models.backbones.vitpose import ViTPoseArch, ViTPoseBackbone

__all__ = ['TimmBackbone', 'ViTPoseArch', 'ViTPoseBackbone', 'ViTPoseMoEBackbone']
