"""Teaching joints that are not annotated: by other joints, or by a slowly moving teacher."""

from hpemap_mm.models.consistency.lessons import Consistency, Lesson, tied
from hpemap_mm.models.consistency.teacher import Teacher
from hpemap_mm.models.consistency.ties import OntologyTies, Ties, TranslatorTies

__all__ = ['Consistency', 'Lesson', 'OntologyTies', 'Teacher', 'Ties', 'TranslatorTies', 'tied']
