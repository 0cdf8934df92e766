"""Mannequins: a small world of articulated people, annotated in the manner of four datasets.

It stands in for real datasets in examples, tests and continuous integration: every person's
joints are known in every skeleton, each dataset places them in its own way, and the files are
in each dataset's own format.
"""

from .contact_sheet import contact_sheet
from .generate import Manifest, generate
from .placement import PLACEMENTS, Placement
from .writers import DATASETS

__all__ = ['DATASETS', 'PLACEMENTS', 'Manifest', 'Placement', 'contact_sheet', 'generate']
