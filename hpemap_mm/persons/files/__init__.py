"""Files of annotated and of predicted persons: read with every fault named, written whole."""

from hpemap_mm.persons.files.predictions import (
    PREDICTION_KINDS,
    PredictionsFile,
    read_predictions,
)
from hpemap_mm.persons.files.truth import TRUTH_KINDS, TruthFile, read_truth
from hpemap_mm.persons.files.writers import write_predictions

__all__ = [
    'PREDICTION_KINDS',
    'TRUTH_KINDS',
    'PredictionsFile',
    'TruthFile',
    'read_predictions',
    'read_truth',
    'write_predictions',
]
