"""Backbones: ViTPose's transformer, and any model of timm."""

from hpemap_mm.models.backbones.timm_backbone import TimmBackbone
from hpemap_mm.models.backbones.vitpose import ViTPoseArch, ViTPoseBackbone

__all__ = ['TimmBackbone', 'ViTPoseArch', 'ViTPoseBackbone']
