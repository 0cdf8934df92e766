"""How many persons all processes of a completion have done."""

from __future__ import annotations

import time

from hpemap_mm.completion.plan import Plan, Shard
from hpemap_mm.completion.shards import ShardFolder
from hpemap_mm.engine.completion_progress import Stage
from hpemap_mm.engine.completion_ranks import Ranks

#: Seconds between looks at what the other processes have done.
LOOK = 2.0


class Seen:
    """Moves a bar by what this process does, and by what is found of the others.

    Args:
        plan: What is completed.
        shards: Where shards appear.
        ranks: Which of several processes this is.
        stage: The bar.
    """

    def __init__(self, plan: Plan, shards: ShardFolder, ranks: Ranks, stage: Stage) -> None:
        self._shards, self._ranks, self._stage = shards, ranks, stage
        self._persons = {shard.name: shard.persons for shard in plan.shards()}
        self._there = 0
        self._ahead = 0  # predicted, and not yet on the disk
        self._looked = 0.0
        self._look()
        stage.started(self._there)

    def predicted(self, count: int) -> None:
        """Persons of a batch."""
        self._ahead += count
        self._look()

    def finished(self, shard: Shard) -> None:
        """A shard of this process is on the disk."""
        self._there += shard.persons
        self._ahead = max(self._ahead - shard.persons, 0)
        self._look()

    def _look(self) -> None:
        """Count the shards of all processes, now and then."""
        now = time.monotonic()
        if now - self._looked > LOOK and (self._ranks.count > 1 or not self._looked):
            self._looked = now
            done = self._shards.done()
            self._there = sum(self._persons.get(name, 0) for name in done)
        self._stage.to(self._there + self._ahead)
