"""Metrics: pure functions on arrays, the cross evaluator, and the shells that MMEngine runs.

Numpy, scipy and faster-coco-eval only; the shells are in :mod:`hpemap_mm.evaluation.registered`.
"""

from hpemap_mm.evaluation.aic import AICResult, evaluate_aic
from hpemap_mm.evaluation.aligned import Aligned, match, pair
from hpemap_mm.evaluation.bootstrap import image_sums, image_weights, ratio_interval
from hpemap_mm.evaluation.crowdpose import CrowdPoseResult, evaluate_crowdpose
from hpemap_mm.evaluation.oks import OKSResult, evaluate_oks, weighted_ap
from hpemap_mm.evaluation.pck import (
    NORMALIZERS,
    PCKResult,
    box_sizes,
    head_sizes,
    pck,
    torso_sizes,
)
from hpemap_mm.evaluation.pckh import PCKhResult, pckh
from hpemap_mm.persons.arrays import Predictions, Truth

__all__ = [
    'NORMALIZERS',
    'AICResult',
    'Aligned',
    'CrowdPoseResult',
    'OKSResult',
    'PCKResult',
    'PCKhResult',
    'Predictions',
    'Truth',
    'box_sizes',
    'evaluate_aic',
    'evaluate_crowdpose',
    'evaluate_oks',
    'head_sizes',
    'image_sums',
    'image_weights',
    'match',
    'pair',
    'pck',
    'pckh',
    'ratio_interval',
    'torso_sizes',
    'weighted_ap',
]
