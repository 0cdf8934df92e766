"""Keeping a model's teacher beside its weights, so that a run can be resumed."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from hpemap_mm.registry import HOOKS

#: Where a checkpoint has the teacher.
KEY = 'teacher'


@HOOKS.register_module()
class TeacherHook(Hook):
    """Writes the teacher of a taught model into its checkpoints, and takes it from there.

    The teacher stands beside the state dict: a taught model's weights are loaded like any other's.
    A resumed run goes on with the teacher of the checkpoint; one that only starts from a
    checkpoint's weights (``load_from``) has a teacher of these. Without a teacher the hook does
    nothing.
    """

    priority = 'NORMAL'

    def __init__(self) -> None:
        self._found: dict[str, Any] | None = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add the teacher to the checkpoint."""
        teacher = _teacher_of(runner)
        if teacher is not None and teacher.steps:
            checkpoint[KEY] = teacher.state_dict()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Note the checkpoint's teacher; whether the run is resumed is known when it starts."""
        self._found = checkpoint.get(KEY)

    def before_train(self, runner: Runner) -> None:
        """Hand the teacher to the model, where the run goes on."""
        teacher, found, self._found = _teacher_of(runner), self._found, None
        if teacher is None or runner.iter == 0:
            return
        if found is None:
            runner.logger.log(
                logging.WARNING,
                'The checkpoint has no teacher: a new one starts from the weights of the model.',
            )
        else:
            teacher.load_state_dict(found)


def _teacher_of(runner: Runner) -> Any:
    model: Any = runner.model
    return getattr(model.module if is_model_wrapper(model) else model, 'teacher', None)
