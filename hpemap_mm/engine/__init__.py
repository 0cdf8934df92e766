"""Running: checkpoints that are safe to read and to interrupt, seeds, pictures, scores."""

from hpemap_mm.engine.checkpoint import find_resumable, read_checkpoint
from hpemap_mm.engine.cross_hook import CrossMatrixHook
from hpemap_mm.engine.hooks import IterationSeedHook, PlainCheckpointHook, ThreadsHook
from hpemap_mm.engine.runner import PoseRunner
from hpemap_mm.engine.teacher_hook import TeacherHook
from hpemap_mm.engine.translator_loops import (
    CalibrationHook,
    FitLoop,
    TranslatorTestLoop,
    TranslatorValLoop,
)
from hpemap_mm.files import atomic_path, write_json

__all__ = [
    'CalibrationHook',
    'CrossMatrixHook',
    'FitLoop',
    'IterationSeedHook',
    'PlainCheckpointHook',
    'PoseRunner',
    'TeacherHook',
    'ThreadsHook',
    'TranslatorTestLoop',
    'TranslatorValLoop',
    'atomic_path',
    'find_resumable',
    'read_checkpoint',
    'write_json',
]
