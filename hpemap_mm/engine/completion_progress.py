"""How far a completion has come: a bar at a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.text import Text

#: Seconds between lines where there is no terminal.
LINE_EVERY = 30.0


class Stage:
    """A stage of the work.

    Attributes:
        name: What is done.
        total: How much there is; None where that is not known.
        done: How much of it is done.
    """

    def __init__(self, name: str, total: int | None, *, noun: str) -> None:
        self.name, self.total, self.done = name, total, 0
        self._noun = noun
        self.started(0)

    def started(self, done: int) -> None:
        """So much was there before: no work of this run."""
        self.done = self._start = done
        self._begun = self._told = time.monotonic()

    def advance(self, count: int) -> None:
        """Go on by so much."""
        self.to(self.done + count)

    def to(self, done: int) -> None:
        """Go on to so much."""
        self.done = max(done, self.done)
        self.show()

    def tell(self, name: str) -> None:
        """Say what is done now."""
        self.name = name
        self.show()

    def show(self) -> None:
        """Show it, in whatever way."""

    @property
    def pace(self) -> str:
        """How fast it goes, and how long it will take."""
        passed = time.monotonic() - self._begun
        rate = (self.done - self._start) / passed if passed > 0 else 0.0
        if not rate or self.total is None:
            return ''
        left = f'{_duration((self.total - self.done) / rate)} left'
        return f'{rate:,.0f} {self._noun}/s, {left}' if self._noun else left


class _LineStage(Stage):
    def __init__(self, watch: Watch, name: str, total: int | None, *, noun: str) -> None:
        super().__init__(name, total, noun=noun)
        self._watch = watch

    def show(self) -> None:
        now = time.monotonic()
        if self.total is not None and now - self._told >= LINE_EVERY:
            self._told = now
            self._watch.say(f'{self.name}: {self.done:,} of {self.total:,}, {self.pace}')


class _BarStage(Stage):
    def __init__(self, bar: Progress, name: str, total: int | None, *, noun: str) -> None:
        super().__init__(name, total, noun=noun)
        self._bar = bar
        self._task = bar.add_task(name, total=total, stage=self)

    def show(self) -> None:
        self._bar.update(self._task, completed=self.done, description=self.name)


class _Pace(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.fields['stage'].pace, 'cyan')


class Watch:
    """Shows one stage of the work at a time.

    Args:
        console: Where; standard error by default.
        silent: Show nothing, as processes but the first do.
    """

    def __init__(self, console: Console | None = None, *, silent: bool = False) -> None:
        self.console = console or Console(stderr=True)
        self._silent = silent

    def say(self, text: str) -> None:
        """Show a line."""
        if not self._silent:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, total: int | None, *, noun: str = 'persons') -> Iterator[Stage]:
        """A stage.

        Args:
            name: What is done.
            total: How much there is; None where that is not known.
            noun: Of what, for the rate; empty for no rate.
        """
        if self._silent:
            yield Stage(name, total, noun=noun)
            return
        if not self.console.is_terminal:
            yield _LineStage(self, name, total, noun=noun)
            return
        columns = (
            SpinnerColumn(),
            TextColumn('{task.description}'),
            *(() if total is None else (BarColumn(), MofNCompleteColumn(), _Pace())),
        )
        with Progress(*columns, console=self.console, transient=True) as bar:
            yield _BarStage(bar, name, total, noun=noun)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes:02d} min' if hours else f'{minutes} min {seconds:02d} s'
