"""All shards into one json a skeleton and one Parquet file, piece by piece."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from hpemap_mm.completion.columns import info, render_rows
from hpemap_mm.completion.index import IMAGES_AT_ONCE, ImageRow, image_rows, left_out_path
from hpemap_mm.completion.plan import Plan
from hpemap_mm.completion.shards import PERSONS, TALLY, UNREAD, ShardFolder
from hpemap_mm.completion.tally import Tally
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.files import atomic_path
from hpemap_mm.persons.files.streams.write_json import JsonFile, category
from hpemap_mm.skeletons import get_skeleton
from hpemap_mm.version import __version__

TABLE, UNREAD_LIST = 'completed.parquet', 'unread.tsv'
LEFT_OUT_LIST = 'left_out.tsv'
_LEFT_OUT_HEAD = 'entry\tsource_id\timage\treason\n'
_UNREAD_HEAD = 'id\tentry\tsource_id\timage\tfault\n'


def merge_skeleton(
    skeleton: str,
    plan: Plan,
    shards: ShardFolder,
    *,
    index: Path,
    out: Path,
    image_root: str,
    max_std: float,
    progress: Callable[[int], None] = lambda persons: None,
) -> Path:
    """Write ``<skeleton>.json``.

    Args:
        skeleton: Which one.
        plan: What was completed.
        shards: Where the parts are.
        index: The folder of the entries' indexes.
        out: Where the file goes.
        image_root: As the file names it, relative to itself.
        max_std: The threshold, for the record.
        progress: Told the persons of each part that was added.

    Raises:
        DataError: A part is missing.
    """
    path = out / f'{skeleton}.json'
    joints = get_skeleton(skeleton)
    about = info(joints, version=__version__, image_root=image_root, max_std=max_std)
    with atomic_path(path) as partial:
        file = JsonFile(partial)
        try:
            file.text('{"info": ')
            file.write(render_rows([dict(about)]))
            file.text(',\n"images": ')
            file.begin()
            waiting: list[ImageRow] = []
            for image in image_rows(index, range(len(plan.entries))):
                waiting.append(image)
                if len(waiting) == IMAGES_AT_ONCE:
                    file.rows(_images(waiting, plan.image_root))
                    waiting = []
            file.rows(_images(waiting, plan.image_root))
            file.end()
            file.text(',\n"annotations": [')
            for shard in plan.shards():
                file.text('\n' if shard.number == 0 else ',\n')
                with _part(shards.path(shard) / f'{skeleton}.json').open('rb') as part:
                    while data := part.read(1 << 20):
                        file.write(data)
                progress(shard.persons)
            file.text('\n],\n"categories": ')
            file.begin()
            file.rows([category(joints, None, 1)])
            file.end()
            file.text('}\n')
        finally:
            file.close()
    return path


def merge_table(
    plan: Plan,
    shards: ShardFolder,
    *,
    out: Path,
    progress: Callable[[int], None] = lambda persons: None,
) -> Path:
    """Write ``completed.parquet``, a row group for each shard.

    Raises:
        DataError: A part is missing.
    """
    path = out / TABLE
    with (
        atomic_path(path) as partial,
        pq.ParquetWriter(partial, shards.schema, compression='zstd') as writer,
    ):
        for shard in plan.shards():
            with pq.ParquetFile(_part(shards.path(shard) / PERSONS)) as part:
                table = part.read(use_threads=False)
            writer.write_table(table, row_group_size=len(table))
            progress(shard.persons)
    return path


def merge_tallies(plan: Plan, shards: ShardFolder) -> Tally:
    """The counts of all shards."""
    total = Tally()
    for shard in plan.shards():
        total.add(Tally.read(_part(shards.path(shard) / TALLY)))
    return total


def merge_unread(plan: Plan, shards: ShardFolder, out: Path) -> int:
    """Write ``unread.tsv``, where there are persons whose image could not be read; how many."""
    count, path = 0, out / UNREAD_LIST
    with atomic_path(path) as partial, partial.open('wb') as file:
        file.write(_UNREAD_HEAD.encode())
        for shard in plan.shards():
            text = _part(shards.path(shard) / UNREAD).read_bytes()
            count += text.count(b'\n')
            file.write(text)
    if not count:
        path.unlink()
    return count


def merge_left_out(plan: Plan, index: Path, out: Path) -> None:
    """Write ``left_out.tsv``, where there are annotated persons that cannot be completed."""
    path = out / LEFT_OUT_LIST
    if not plan.left_out:
        path.unlink(missing_ok=True)
        return
    with atomic_path(path) as partial, partial.open('w', encoding='utf-8', newline='\n') as file:
        file.write(_LEFT_OUT_HEAD)
        for number, entry in enumerate(plan.entries):
            with left_out_path(index, number).open(encoding='utf-8') as rows:
                file.writelines(f'{entry.name}\t{row}' for row in rows)


def remove_parts(folder: Path) -> None:
    """Remove what a finished run no longer needs."""
    shutil.rmtree(folder, ignore_errors=True)


def _images(rows: list[ImageRow], root: str) -> list[dict[str, object]]:
    return [
        {
            'id': image.id,
            'file_name': os.path.relpath(image.path, root).replace(os.sep, '/'),
            'width': image.width,
            'height': image.height,
        }
        for image in rows
    ]


def _part(path: Path) -> Path:
    if not path.is_file():
        what = 'a part that was written is gone'
        fix = f'remove the folder {path.parent}, and run the same command again'
        raise DataError([Problem(str(path), what, fix)])
    return path
