"""Completing datasets: from settings to a folder that holds every skeleton of every person."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpemap_mm.completion.candidates import Predicted
from hpemap_mm.completion.completer import Completer
from hpemap_mm.completion.crops import Request
from hpemap_mm.completion.ensemble import Ensemble
from hpemap_mm.completion.finishing import Finisher, Inline, Task, Workshop, workshop_for
from hpemap_mm.completion.index import EntryIndex, facts_path
from hpemap_mm.completion.merging import (
    TABLE,
    merge_left_out,
    merge_skeleton,
    merge_table,
    merge_tallies,
    merge_unread,
    remove_parts,
)
from hpemap_mm.completion.plan import NAME, PARTS, Plan, Shard, check_same
from hpemap_mm.completion.predicting import arrays_of
from hpemap_mm.completion.tally import Tally
from hpemap_mm.engine.completion_calibrating import (
    fit_ensemble,
    read_annotations,
    read_calibration,
)
from hpemap_mm.engine.completion_models import Predictor
from hpemap_mm.engine.completion_page import write_page
from hpemap_mm.engine.completion_progress import Watch
from hpemap_mm.engine.completion_ranks import Ranks, claimed, wait_for
from hpemap_mm.engine.completion_seen import LOOK, Seen
from hpemap_mm.engine.completion_settings import Settings
from hpemap_mm.engine.runner import config_errors
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.files import write_json
from hpemap_mm.registry import MODELS

CALIBRATION, PAGE = 'calibration.json', 'index.html'


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a completion.

    Attributes:
        plan: What was completed.
        tally: Its counts; None where everything was there before, and on other processes than
            the first.
        unread: Persons whose image could not be read.
        rate: Persons a second that this process predicted and completed, where it did.
    """

    plan: Plan
    tally: Tally | None = None
    unread: int = 0
    rate: float | None = None


class Completion:
    """A completion into a folder; what an earlier run left there is gone on with.

    Args:
        settings: What is done.
        out: The folder.
        config_text: Gives the config, for the page.
        ranks: Which of several processes this is.
        workers: Processes that load and crop for this one. With 0 everything is done in this one.
        page: Whether to write the page.
        watch: Shows how far it has come.
    """

    def __init__(
        self,
        settings: Settings,
        out: Path,
        *,
        config_text: Callable[[], str] = str,
        ranks: Ranks | None = None,
        workers: int = 1,
        page: bool = True,
        watch: Watch | None = None,
    ) -> None:
        self.settings, self.out = settings, Path(os.path.realpath(out))
        self.ranks = ranks or Ranks()
        self.watch = watch or Watch(silent=not self.ranks.first)
        self._workers, self._page, self._text = workers, page, config_text
        self._parts = self.out / PARTS
        self._index = self._parts / 'index'
        self._predictor: Predictor | None = None
        if settings.models:
            self._predictor = Predictor(
                settings.models,
                threads=settings.threads,
                workers=workers,
                local=self.ranks.local,
            )

    def run(self) -> Outcome:
        """Do what is left to do.

        Raises:
            DataError: Files have faults, or the folder holds something else.
        """
        self._check_folder()
        fingerprint = self.settings.fingerprint()
        known = self._known_plan(fingerprint)
        if known is not None and known.complete:
            gone = self._gone()
            if not gone:
                remove_parts(self._parts)
                return Outcome(plan=known)
            self.watch.say(f'{", ".join(gone)} is not there: completing again')
        completer = self._completer()
        with claimed(self._parts, self.ranks):
            if self.ranks.first:
                plan = known if known and self._is_indexed(known) else self._plan(fingerprint)
            else:
                plan = wait_for(lambda: self._indexed_plan(fingerprint))
            ensemble = self._ensemble(self._predictor) if self._predictor else None
            workshop = workshop_for(
                plan,
                self._with_calibration(completer, ensemble),
                ensemble,
                folder=self._parts / 'shards',
                index=self._index,
                image_root=self._image_root(plan),
            )
            rate = self._complete(plan, workshop)
            if not self.ranks.first:
                return Outcome(plan=plan, rate=rate)
            self._wait_for_others(plan, workshop)
            tally, unread = self._merge(plan, workshop)
            plan.finished().write(self.out)
        remove_parts(self._parts)
        return Outcome(plan=plan, tally=tally, unread=unread, rate=rate)

    # -- before -----------------------------------------------------------------------------

    def _check_folder(self) -> None:
        if not self.out.exists():
            return
        fix = 'name a new or an empty folder'
        if not self.out.is_dir():
            raise DataError([Problem(str(self.out), 'is no folder', fix)])
        names = {name for name in os.listdir(self.out) if not name.startswith('.')}
        if NAME not in names and names - {PARTS}:
            some = ', '.join(sorted(names)[:3])
            what = f'holds other things ({some}), and nothing is written over'
            raise DataError([Problem(str(self.out), what, fix)])

    def _gone(self) -> list[str]:
        """Files that a finished run has, and that are not there."""
        wanted = [*(f'{name}.json' for name in self.settings.skeletons), TABLE]
        wanted += [CALIBRATION] if self.settings.models else []
        wanted += [PAGE] if self._page else []
        return [name for name in wanted if not (self.out / name).is_file()]

    def _known_plan(self, fingerprint: dict[str, Any]) -> Plan | None:
        plan = Plan.read(self.out)
        if plan is not None:
            check_same(self.out, plan.fingerprint, fingerprint)
        return plan

    def _is_indexed(self, plan: Plan) -> bool:
        """Whether the persons can be read; not so where somebody removed the parts."""
        return all(facts_path(self._index, n).is_file() for n in range(len(plan.entries)))

    def _indexed_plan(self, fingerprint: dict[str, Any]) -> Plan | None:
        plan = self._known_plan(fingerprint)
        return plan if plan is not None and self._is_indexed(plan) else None

    def _plan(self, fingerprint: dict[str, Any]) -> Plan:
        """Read the annotations."""
        entries, root = read_annotations(
            self.settings.entries, self._index, self.settings.shard_size, self.watch
        )
        plan = Plan(
            fingerprint=fingerprint,
            entries=entries,
            shard_size=self.settings.shard_size,
            image_root=root,
        )
        plan.write(self.out)
        return plan

    def _completer(self) -> Completer:
        """Without a calibration, to tell what is wrong with the config at once."""
        with config_errors('completion'):
            return Completer(
                skeletons=self.settings.skeletons,
                translators=[MODELS.build(dict(t)) for t in self.settings.translators],
                max_std=self.settings.max_std,
                keep_derived=self.settings.keep_derived,
            )

    def _with_calibration(self, completer: Completer, ensemble: Ensemble | None) -> Completer:
        return Completer(
            skeletons=completer.skeletons,
            translators=tuple(completer.translators.values()),
            calibration=None if ensemble is None else ensemble.whole,
            max_std=completer.max_std,
            keep_derived=completer.keep_derived,
        )

    def _image_root(self, plan: Plan) -> str:
        """As files in the folder name it."""
        return Path(os.path.relpath(plan.image_root, self.out)).as_posix()

    def _ensemble(self, predictor: Predictor) -> Ensemble:
        """The models' calibration, fitted by the first process."""
        path = self.out / CALIBRATION
        found = read_calibration(path)
        if found is None and self.ranks.first:
            folder = self._parts / 'calibration'
            found = fit_ensemble(predictor, self.settings, folder, self.watch)
            write_json(path, found.to_json())
        return found or wait_for(lambda: read_calibration(path))

    # -- shards -----------------------------------------------------------------------------

    def _complete(self, plan: Plan, workshop: Workshop) -> float | None:
        """Do this process's shards; persons a second."""
        own = [s for s in plan.shards() if s.number % self.ranks.count == self.ranks.number]
        left = workshop.shards.missing(own)
        if not left:
            return None
        finisher: Finisher | Inline = Finisher(workshop) if self._workers else Inline(workshop)
        try:
            with self.watch.stage('completing', plan.persons) as stage:
                seen = Seen(plan, workshop.shards, self.ranks, stage)
                begun = time.monotonic()
                tasks = self._predicted(plan, left, seen) if self._predictor else map(_bare, left)
                for task in tasks:
                    finisher.put(task)
                    for shard, _ in finisher.finished():
                        seen.finished(shard)
                for shard, _ in finisher.wait():
                    seen.finished(shard)
            return sum(shard.persons for shard in left) / (time.monotonic() - begun)
        finally:
            finisher.close()

    def _predicted(self, plan: Plan, left: Sequence[Shard], seen: Seen) -> Iterator[Task]:
        """Shards with their predictions."""
        assert self._predictor is not None
        by_number = {shard.number: shard for shard in left}
        parts: list[list[dict[str, Predicted]]] = []
        faults: dict[int, str] = {}
        done = 0
        for crops, predictions in self._predictor.stream(self._requests(plan, left)):
            parts.append(predictions)
            faults.update({done + place: fault for place, fault in crops.faults.items()})
            count = len(crops.views[0].images)
            done += count
            seen.predicted(count)
            if crops.last:
                by_model = zip(*parts, strict=True)
                yield Task(
                    shard=by_number[crops.shard],
                    predictions=[arrays_of(given) for given in by_model],
                    faults=faults,
                )
                parts, faults, done = [], {}, 0

    def _requests(self, plan: Plan, left: Sequence[Shard]) -> Iterator[Request]:
        index: EntryIndex | None = None
        opened = -1
        for shard in left:
            if shard.entry != opened:
                if index is not None:
                    index.close()
                index, opened = EntryIndex(self._index, shard.entry), shard.entry
            assert index is not None
            entry = plan.entries[shard.entry]
            batches = list(index.shard(shard.part).batches(self.settings.batch_size))
            for number, rows in enumerate(batches, 1):
                yield Request(
                    shard=shard.number,
                    last=number == len(batches),
                    entry=entry.name,
                    skeleton=entry.skeleton,
                    rows=rows,
                )

    # -- after ------------------------------------------------------------------------------

    def _wait_for_others(self, plan: Plan, workshop: Workshop) -> None:
        if self.ranks.count == 1:
            return
        with self.watch.stage('waiting for the other processes', plan.shard_count, noun='') as bar:
            while missing := len(workshop.shards.missing(plan.shards())):
                bar.to(plan.shard_count - missing)
                time.sleep(LOOK)

    def _merge(self, plan: Plan, workshop: Workshop) -> tuple[Tally, int]:
        names = self.settings.skeletons
        root = self._image_root(plan)
        for stale in self.out.glob('.*.partial*'):  # of a run that was killed
            stale.unlink()
        with self.watch.stage('writing', plan.persons * (len(names) + 1)) as stage:
            for name in names:
                stage.tell(f'writing {name}.json')
                merge_skeleton(
                    name,
                    plan,
                    workshop.shards,
                    index=self._index,
                    out=self.out,
                    image_root=root,
                    max_std=self.settings.max_std,
                    progress=stage.advance,
                )
            stage.tell('writing completed.parquet')
            merge_table(plan, workshop.shards, out=self.out, progress=stage.advance)
        tally = merge_tallies(plan, workshop.shards)
        unread = merge_unread(plan, workshop.shards, self.out)
        merge_left_out(plan, self._index, self.out)
        if self._page:
            with self.watch.stage('drawing the page', None, noun='') as stage:
                write_page(
                    self.out / PAGE,
                    plan,
                    tally,
                    skeletons=names,
                    max_std=self.settings.max_std,
                    unread=unread,
                    models=[model.checkpoint.name for model in self.settings.models],
                    config=self._text(),
                )
        return tally, unread


def _bare(shard: Shard) -> Task:
    """Without a model there is nothing to wait for."""
    return Task(shard=shard)
