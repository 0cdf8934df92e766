"""MMEngine's Runner, whose checkpoints are safe to read and to be interrupted."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from hpemap_mm.engine.checkpoint import load_weights, read_checkpoint
from hpemap_mm.errors import DataError, Problem

#: What constructors raise on arguments that do not fit.
_ARGUMENT_ERRORS = (KeyError, ValueError, TypeError, FileNotFoundError, ImportError)


@contextmanager
def config_errors(part: str) -> Iterator[None]:
    """Tell a config's mistakes as :class:`DataError`, so that tools print them plainly."""
    try:
        yield
    except DataError:
        raise
    except _ARGUMENT_ERRORS as error:
        text = str(error.args[0]) if error.args else str(error)
        raise DataError(
            [
                Problem(
                    f'config, {part}',
                    text,
                    'correct it; tools/check_config.py shows all faults at once, '
                    'HPEMAP_DEBUG=1 the traceback',
                )
            ]
        ) from error


class PoseRunner(Runner):
    """Runner with three changes.

    A checkpoint is written to a temporary file and renamed, so that a kill leaves the old ones
    whole; it is read with ``weights_only=True``; and weights whose heads do not fit the model
    are refused, naming the heads. The environment goes to the log file only, and the hooks to
    one line: a person at the terminal wants to see the training.

    MMPose's own tools run the same configs with MMEngine's Runner.
    """

    #: Whether every parameter must be in the checkpoint: so for a test and a resumption, not
    #: where training starts from other weights.
    _whole_weights = False

    def test(self) -> dict[str, float]:
        """Test with weights that fill the whole model."""
        self._whole_weights = True
        return super().test()

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Go on from a checkpoint that fills the whole model."""
        self._whole_weights = True
        super().resume(filename, *args, **kwargs)

    def build_model(self, model: Any) -> Any:
        """Build the model; what its config gets wrong is a :class:`DataError`."""
        with config_errors('model'):
            return super().build_model(model)

    @staticmethod
    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> Any:
        """Build a dataloader; what its config gets wrong is a :class:`DataError`."""
        with config_errors('dataloader'):
            return Runner.build_dataloader(dataloader, *args, **kwargs)

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """Save under a temporary name beside the target, then rename."""
        partial = f'.{filename}.partial'
        super().save_checkpoint(out_dir, partial, *args, **kwargs)
        if is_main_process():
            os.replace(Path(out_dir) / partial, Path(out_dir) / filename)

    def load_checkpoint(
        self,
        filename: str,
        map_location: Any = 'cpu',
        strict: bool = False,
        revise_keys: Any = None,
    ) -> dict[str, Any]:
        """Load weights into the model.

        Raises:
            DataError: The file cannot be read safely, or its heads do not fit the config.
        """
        checkpoint = read_checkpoint(filename, map_location=map_location)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        model: Any = getattr(self.model, 'module', self.model)
        load_weights(model, checkpoint, where=filename, whole=strict or self._whole_weights)
        self._has_loaded = True
        self.logger.info(f'Loaded {filename}')
        return checkpoint

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        with self._file_log_only():
            super()._log_env(env_cfg)

    def get_hooks_info(self) -> str:
        """The hooks, on one line: their stages are MMEngine's affair."""
        return ', '.join(type(hook).__name__ for hook in self.hooks)

    @contextmanager
    def _file_log_only(self) -> Iterator[None]:
        terminals = [h for h in self.logger.handlers if type(h) is logging.StreamHandler]
        for handler in terminals:
            self.logger.removeHandler(handler)
        try:
            yield
        finally:
            for handler in terminals:
                self.logger.addHandler(handler)
