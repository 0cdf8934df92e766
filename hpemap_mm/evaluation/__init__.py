"""Metrics: pure functions on arrays, and the thin shells that MMEngine runs."""

from hpemap_mm.evaluation.metrics import MultiSkeletonPCK
from hpemap_mm.evaluation.pck import NORMALIZERS, PCKResult, box_sizes, pck, torso_sizes

__all__ = [
    'NORMALIZERS',
    'MultiSkeletonPCK',
    'PCKResult',
    'box_sizes',
    'pck',
    'torso_sizes',
]
