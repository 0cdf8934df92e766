"""Translators: keypoints of one skeleton into those of another.

What MMEngine finds by name is in :mod:`hpemap_mm.translators.registered`.
"""

from hpemap_mm.translators.pairs import Pairs, Side, read_pairs
from hpemap_mm.translators.translation import LEVELS, ORIGINS, Translation

__all__ = ['LEVELS', 'ORIGINS', 'Pairs', 'Side', 'Translation', 'read_pairs']
