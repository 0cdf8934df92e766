"""Shards on disk: a folder each, which is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hpemap_mm.completion.columns import (
    CompletedPersons,
    annotation_rows,
    render_rows,
    to_table,
)
from hpemap_mm.completion.plan import Shard
from hpemap_mm.completion.tally import Tally

PERSONS, TALLY, UNREAD = 'persons.parquet', 'tally.npz', 'unread.txt'


class ShardFolder:
    """The shards of a run.

    Args:
        folder: Where they lie.
        skeletons: What every person gets.
        schema: See :func:`hpemap_mm.completion.columns.schema`.
    """

    def __init__(self, folder: Path, skeletons: Sequence[str], schema: pa.Schema) -> None:
        self.folder = folder
        self._skeletons, self.schema = tuple(skeletons), schema

    def path(self, shard: Shard) -> Path:
        """Of a shard."""
        return self.folder / shard.name

    def done(self) -> set[str]:
        """Names of the shards that are there."""
        try:
            with os.scandir(self.folder) as listing:
                return {item.name for item in listing if not item.name.startswith('.')}
        except FileNotFoundError:
            return set()

    def missing(self, shards: Iterable[Shard]) -> list[Shard]:
        """Those that are not there yet."""
        done = self.done()
        return [shard for shard in shards if shard.name not in done]

    def write(
        self,
        shard: Shard,
        persons: CompletedPersons,
        tally: Tally,
        unread: Sequence[str],
        *,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        """Write a shard: all of its files, then its name.

        Args:
            shard: Which one.
            persons: What was made of them.
            tally: Their counts.
            unread: A line for each person whose image could not be read.
            alive: Asked before the shard gets its name: whether it is still wanted.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for stale in self.folder.glob(f'.{shard.name}.*'):  # of a run that was killed
            shutil.rmtree(stale, ignore_errors=True)
        partial = self.folder / f'.{shard.name}.{os.getpid()}'
        partial.mkdir()
        table = to_table(persons, self.schema)
        pq.write_table(table, partial / PERSONS, compression='zstd')
        for skeleton in self._skeletons:
            rows = render_rows(annotation_rows(persons, skeleton))
            (partial / f'{skeleton}.json').write_bytes(rows)
        tally.write(partial / TALLY)
        (partial / UNREAD).write_text(''.join(f'{line}\n' for line in unread), encoding='utf-8')
        for file in partial.iterdir():
            _to_disk(file)
        if not alive():
            return
        try:
            partial.rename(self.path(shard))
        except OSError:
            # Another process was quicker with the same bytes.
            if not self.path(shard).is_dir():
                raise
            shutil.rmtree(partial, ignore_errors=True)


def _to_disk(file: Path) -> None:
    """Let a machine that loses its power not keep names without content."""
    with file.open('rb') as opened:
        os.fsync(opened.fileno())
