"""Annotated and predicted persons: as arrays, and in files.

What evaluation scores, translators learn from and completion writes. Numpy only.
"""

from hpemap_mm.persons.arrays import Predictions, Truth

__all__ = ['Predictions', 'Truth']
