"""Metrics: pure functions on arrays, the cross evaluator, and the shells that MMEngine runs.

Numpy, scipy and faster-coco-eval only; the shells are in :mod:`hpemap_mm.evaluation.registered`.
"""

from hpemap_mm.evaluation.aligned import Aligned, match, pair
from hpemap_mm.evaluation.pck import NORMALIZERS, PCKResult, box_sizes, pck, torso_sizes
from hpemap_mm.evaluation.persons import Predictions, Truth

__all__ = [
    'Aligned',
    'match',
    'pair',
    'NORMALIZERS',
    'PCKResult',
    'Predictions',
    'Truth',
    'box_sizes',
    'pck',
    'torso_sizes',
]
