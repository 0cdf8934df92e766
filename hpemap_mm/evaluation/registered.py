"""What MMEngine finds by name; imported when a config names it."""

from hpemap_mm.evaluation.cross_metric import CrossEvaluator
from hpemap_mm.evaluation.metrics import MultiSkeletonPCK

__all__ = ['CrossEvaluator', 'MultiSkeletonPCK']
