"""The persons and images of an entry as files that are read piece by piece.

MMEngine's datasets hold all annotations in memory; an index does not. Persons lie in row groups,
one for each shard. Images are those that no entry before has.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from hpemap_mm.completion.person_rows import PersonRows

IMAGE_SCHEMA = pa.schema(
    [('id', pa.int64()), ('path', pa.string()), ('width', pa.int32()), ('height', pa.int32())]
)
#: Images that are read or written at once.
IMAGES_AT_ONCE = 4096


class ImageRow(NamedTuple):
    """An image: its id in the completed dataset, its file, its size in pixels."""

    id: int
    path: str
    width: int
    height: int


class LeftOut(NamedTuple):
    """An annotated person that the dataset's reader does not read.

    Attributes:
        source_id: In its own file.
        image: The image's file, as annotated; empty where there is none.
        reason: In words.
    """

    source_id: object
    image: str
    reason: str


class IndexWriter:
    """Writes the index of one entry; the files are there when it is closed.

    Args:
        folder: Where the indexes of all entries lie.
        entry: The entry's number.
        shard_size: Persons of a row group.
    """

    def __init__(self, folder: Path, entry: int, *, shard_size: int) -> None:
        self._folder, self._entry, self._size = folder, entry, shard_size
        folder.mkdir(parents=True, exist_ok=True)
        self._waiting: list[PersonRows] = []
        self._persons: pq.ParquetWriter | None = None
        self._image_rows: list[ImageRow] = []
        self._left_out: list[str] = []
        self._images = pq.ParquetWriter(_partial(images_path(folder, entry)), IMAGE_SCHEMA)

    def add_person(self, person: PersonRows) -> None:
        """Add rows, one as a rule."""
        self._waiting.append(person)
        if len(self._waiting) == self._size:
            self._flush_persons()

    def add_image(self, image: ImageRow) -> None:
        """Add an image."""
        self._image_rows.append(image)
        if len(self._image_rows) == IMAGES_AT_ONCE:
            self._flush_images()

    def add_left_out(self, rows: Iterable[LeftOut]) -> None:
        """Add persons that cannot be completed, and why."""
        for row in rows:
            self._left_out.append('\t'.join(' '.join(str(v).split()) for v in row) + '\n')

    def close(self, facts: dict[str, Any]) -> None:
        """Write what waits, and the facts, whose file says that the others are whole."""
        self._flush_persons()
        self._flush_images()
        self._images.close()
        os.replace(_partial(images_path(self._folder, self._entry)), images_path(
            self._folder, self._entry
        ))  # fmt: skip
        if self._persons is not None:
            self._persons.close()
            target = persons_path(self._folder, self._entry)
            os.replace(_partial(target), target)
        path = left_out_path(self._folder, self._entry)
        path.write_text(''.join(self._left_out), encoding='utf-8')
        path = facts_path(self._folder, self._entry)
        _partial(path).write_text(json.dumps(facts), encoding='utf-8')
        os.replace(_partial(path), path)

    def abandon(self) -> None:
        """Close and remove what was written."""
        self._images.close()
        _partial(images_path(self._folder, self._entry)).unlink(missing_ok=True)
        if self._persons is not None:
            self._persons.close()
            _partial(persons_path(self._folder, self._entry)).unlink(missing_ok=True)

    def _flush_persons(self) -> None:
        if not self._waiting:
            return
        table = PersonRows.concatenate(self._waiting).to_table()
        self._waiting = []
        if self._persons is None:
            target = persons_path(self._folder, self._entry)
            self._persons = pq.ParquetWriter(_partial(target), table.schema, compression='zstd')
        self._persons.write_table(table, row_group_size=self._size)

    def _flush_images(self) -> None:
        if self._image_rows:
            columns = zip(*self._image_rows, strict=True)
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(columns, IMAGE_SCHEMA, strict=True)
            ]
            self._images.write_table(pa.Table.from_arrays(arrays, schema=IMAGE_SCHEMA))
        self._image_rows = []


class EntryIndex:
    """Reads the index of one entry.

    Args:
        folder: Where the indexes of all entries lie.
        entry: The entry's number.
    """

    def __init__(self, folder: Path, entry: int) -> None:
        self._file = pq.ParquetFile(persons_path(folder, entry))

    def shard(self, part: int) -> PersonRows:
        """The persons of a row group."""
        return PersonRows.from_table(self._file.read_row_group(part, use_threads=False))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def image_rows(folder: Path, entries: Sequence[int]) -> Iterator[ImageRow]:
    """The images of some entries, in order."""
    for entry in entries:
        with pq.ParquetFile(images_path(folder, entry)) as file:
            for part in file.iter_batches(IMAGES_AT_ONCE, use_threads=False):
                columns = part.to_pydict()
                yield from map(ImageRow, *(columns[name] for name in ImageRow._fields))


def persons_path(folder: Path, entry: int) -> Path:
    """Of an entry's persons."""
    return folder / f'{entry:03d}.persons.parquet'


def images_path(folder: Path, entry: int) -> Path:
    """Of an entry's images."""
    return folder / f'{entry:03d}.images.parquet'


def left_out_path(folder: Path, entry: int) -> Path:
    """Of the persons that cannot be completed, as lines."""
    return folder / f'{entry:03d}.left_out.tsv'


def facts_path(folder: Path, entry: int) -> Path:
    """Of what is known of an entry."""
    return folder / f'{entry:03d}.json'


def _partial(path: Path) -> Path:
    return path.with_name(f'.{path.name}.partial')
