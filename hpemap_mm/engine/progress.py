"""A bar for a test, which logs nothing until it is done."""

from __future__ import annotations

from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import Progress

from hpemap_mm.engine.scores import cross_evaluators


class ProgressHook(Hook):
    """Shows how far a test has come, then which cell of the matrix is being computed.

    For people at a terminal: registered by tools/test.py, not by configs.
    """

    priority = 'LOW'

    def __init__(self) -> None:
        self.bar = Progress(console=Console(stderr=True), transient=True)

    def before_test_epoch(self, runner: Runner) -> None:
        """Show the bar on the main process."""
        if not is_main_process():
            return
        self.task = self.bar.add_task('predicting', total=len(runner.test_dataloader))
        for metric in cross_evaluators(runner.test_evaluator):
            metric.progress = self._show_cell
        if self.bar.console.is_terminal:
            self.bar.start()

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Go on."""
        if is_main_process():
            self.bar.advance(self.task)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away where a test ended in an error."""
        self.bar.stop()

    def _show_cell(self, key: str) -> None:
        self.bar.update(self.task, description=f'scoring {key}')
