"""Optimiser construction."""

from hpemap_mm.models.optim.layer_decay import LayerDecayConstructor

__all__ = ['LayerDecayConstructor']
