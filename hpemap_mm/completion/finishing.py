"""Shards are completed and written beside the model, in a process of their own."""

from __future__ import annotations

import os
import pickle
import queue
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hpemap_mm.completion.candidates import Predicted
from hpemap_mm.completion.columns import CompletedPersons, schema
from hpemap_mm.completion.completer import Completer
from hpemap_mm.completion.ensemble import Ensemble
from hpemap_mm.completion.index import EntryIndex
from hpemap_mm.completion.plan import Plan, Shard
from hpemap_mm.completion.processes import process_context, step_back
from hpemap_mm.completion.shards import ShardFolder
from hpemap_mm.completion.tally import Tally
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.skeletons import get_skeleton

Array = npt.NDArray[np.floating]

#: Shards that wait for being completed; more would only take memory.
WAITING = 2
#: Seconds between looks at whether the other process is still there.
_LOOK = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A shard whose predictions are there.

    Attributes:
        shard: Which one.
        predictions: By model and skeleton's name, keypoints (N, K, 2) and scores (N, K); empty
            without a model.
        faults: By person's place in the shard: why there is no prediction.
    """

    shard: Shard
    predictions: Sequence[Mapping[str, tuple[Array, Array]]] = ()
    faults: Mapping[int, str] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Workshop:
    """Completes shards and writes them.

    Attributes:
        completer: What completes.
        ensemble: Makes one of the models' predictions; None without a model.
        plan: What is completed.
        index: The folder of the entries' indexes.
        shards: Where shards go.
    """

    completer: Completer
    ensemble: Ensemble | None
    plan: Plan
    index: Path
    shards: ShardFolder

    def finish(self, task: Task, alive: Callable[[], bool] = lambda: True) -> int:
        """Complete a shard and write it; the number of persons whose image cannot be read."""
        shard = task.shard
        entry = self.plan.entries[shard.entry]
        skeleton = get_skeleton(entry.skeleton)
        with EntryIndex(self.index, shard.entry) as index:
            rows = index.shard(shard.part)
        batch = rows.batch(skeleton)
        own: dict[str, Predicted] = {}
        if self.ensemble is not None and task.predictions:
            own = self.ensemble.predictions([_predicted(given) for given in task.predictions])
        with _one_thread():
            completed = self.completer.complete(batch, own)
        names = [os.path.relpath(path, self.plan.image_root) for path in rows.paths]
        persons = CompletedPersons(
            first_id=shard.first,
            entry=entry.name,
            skeleton=entry.skeleton,
            rows=rows,
            names=[name.replace(os.sep, '/') for name in names],
            completed=completed,
        )
        tally = Tally.of(
            entry.name, shard.first, batch, completed, own, max_std=self.completer.max_std
        )
        faults = task.faults or {}
        unread = [
            f'{shard.first + place}\t{entry.name}\t{rows.source_ids[place]}\t'
            f'{rows.paths[place]}\t{" ".join(fault.split())}'
            for place, fault in sorted(faults.items())
        ]
        self.shards.write(shard, persons, tally, unread, alive=alive)
        return len(unread)


def _predicted(given: Mapping[str, tuple[Array, Array]]) -> dict[str, Predicted]:
    return {
        name: Predicted(skeleton=get_skeleton(name), keypoints=points, scores=scores)
        for name, (points, scores) in given.items()
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    """The number of threads changes the last bits: completing always has one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Inline:
    """Finishes shards where it is called; stands in for :class:`Finisher`."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._done: list[tuple[Shard, int]] = []

    def put(self, task: Task) -> None:
        """Finish a shard."""
        self._done.append((task.shard, self._workshop.finish(task)))

    def finished(self) -> list[tuple[Shard, int]]:
        """Shards that were finished since the last call, and their unread persons."""
        done, self._done = self._done, []
        return done

    def wait(self) -> list[tuple[Shard, int]]:
        """As :meth:`finished`."""
        return self.finished()

    def close(self) -> None:
        """Nothing is left to do."""


class Finisher:
    """Finishes shards in a process of its own, while the model goes on.

    Start it before a loader's workers, and before anything is on a GPU: it is a fork.

    Args:
        workshop: What finishes them.
    """

    def __init__(self, workshop: Workshop) -> None:
        context = process_context()
        self._tasks: Any = context.Queue(WAITING)
        self._answers: Any = context.Queue()
        self._process = context.Process(
            target=_finish_all, args=(workshop, self._tasks, self._answers), daemon=True
        )
        self._process.start()
        self._pending = 0

    def put(self, task: Task) -> None:
        """Hand over a shard; waits where several do already.

        Raises:
            DataError: The process is gone.
        """
        while True:
            try:
                self._tasks.put(task, timeout=_LOOK)
                break
            except queue.Full:
                self._check()
        self._pending += 1

    def finished(self) -> list[tuple[Shard, int]]:
        """Shards that were finished since the last call, and their unread persons.

        Raises:
            Exception: What went wrong in the process.
        """
        done = []
        with suppress(queue.Empty):
            while True:
                done.append(self._take(self._answers.get_nowait()))
        return done

    def wait(self) -> list[tuple[Shard, int]]:
        """All shards that are left, as :meth:`finished` gives them."""
        done = []
        while self._pending:
            try:
                done.append(self._take(self._answers.get(timeout=_LOOK)))
            except queue.Empty:
                self._check()
        return done

    def close(self) -> None:
        """End the process; shards that are not finished are left out."""
        # It has nothing to tidy up: what it was writing has no name yet.
        self._process.kill()
        self._process.join()
        for waiting in (self._tasks, self._answers):
            waiting.cancel_join_thread()
            waiting.close()

    def _take(self, answer: Any) -> tuple[Shard, int]:
        if isinstance(answer, BaseException):
            raise answer
        self._pending -= 1
        return answer

    def _check(self) -> None:
        if not self._process.is_alive():
            with suppress(queue.Empty):
                self._take(self._answers.get(timeout=_LOOK))
                return
            what = f'ended with status {self._process.exitcode}'
            fix = (
                'give it more memory (-9: it was killed, as the system does where memory runs '
                'out); the same command goes on where this one stopped'
            )
            raise DataError([Problem('the process that completes and writes shards', what, fix)])


def _finish_all(workshop: Workshop, tasks: Any, answers: Any) -> None:
    # Ctrl-C reaches all processes of a terminal: the one that was started ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    step_back()
    parent = os.getppid()

    def alive() -> bool:
        return os.getppid() == parent

    while alive():
        try:
            task = tasks.get(timeout=_LOOK)
        except queue.Empty:
            continue
        try:
            answers.put((task.shard, workshop.finish(task, alive)))
        except Exception as error:
            answers.put(_portable(error))
            answers.close()
            answers.join_thread()
            return


def _portable(error: Exception) -> Exception:
    """The error, or its text where it does not survive the way between processes."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f'{type(error).__name__}: {error}')
    return error


def workshop_for(
    plan: Plan,
    completer: Completer,
    ensemble: Ensemble | None,
    *,
    folder: Path,
    index: Path,
    image_root: str,
) -> Workshop:
    """A workshop that writes into a folder.

    Args:
        plan: What is completed.
        completer: What completes.
        ensemble: Makes one of the models' predictions.
        folder: Where shards go.
        index: The folder of the entries' indexes.
        image_root: As the files name it, relative to them.
    """
    names = [skeleton.name for skeleton in completer.skeletons]
    columns = schema(names, max_std=completer.max_std, image_root=image_root)
    shards = ShardFolder(folder, names, columns)
    return Workshop(completer=completer, ensemble=ensemble, plan=plan, index=index, shards=shards)
