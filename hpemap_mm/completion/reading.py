"""Annotations into indexes, by short-lived processes.

MMEngine's datasets hold an entry's annotations in memory. A process of its own reads each entry
by the rules of training (:class:`hpemap_mm.datasets.Entry`), writes its index and ends, and its
memory is free again before anything is predicted.
"""

# K joints of the entry's skeleton

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.completion.annotations import AnnotationFile, annotated_box, as_annotated
from hpemap_mm.completion.index import ImageRow, IndexWriter, facts_path, image_rows
from hpemap_mm.completion.person_rows import PersonRows
from hpemap_mm.completion.plan import EntryPlan
from hpemap_mm.completion.processes import process_context
from hpemap_mm.completion.splitting import OddFileError, split_coco
from hpemap_mm.datasets import Entry
from hpemap_mm.datasets.entries import build_entry, file_kind
from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.photographs import size_as_read
from hpemap_mm.skeletons import get_skeleton

#: Bytes above which a COCO json is read in parts.
SPLIT_ABOVE = 16 << 20
#: Keys of datasets that say how a test is made.
_OF_TESTS = ('bbox_file', 'headbox_file', 'test_mode')
#: Keys of datasets by which they read only some of the persons, and values with which they do not.
_CHOOSING: Mapping[str, Any] = {'indices': None, 'filter_cfg': {}, 'sample_interval': 1}


def read_entries(
    entries: Mapping[str, Mapping[str, Any]],
    folder: Path,
    *,
    shard_size: int,
    progress: Callable[[str], None] = lambda name: None,
) -> tuple[tuple[EntryPlan, ...], str]:
    """Write the indexes of all entries.

    Args:
        entries: As of :class:`hpemap_mm.datasets.MultiSkeletonDataset`.
        folder: Where the indexes go.
        shard_size: Persons of a shard.
        progress: Told the name of the entry that is read.

    Returns:
        What was found, and the deepest folder that holds all images.

    Raises:
        DataError: With the faults of the files of all entries.
        KeyError: A config is wrong; ValueError and others likewise.
    """
    problems = ProblemList()
    found, roots, first_image = [], [], 1
    for number, (name, config) in enumerate(entries.items()):
        progress(name)
        try:
            _in_a_process(number, name, config, folder, shard_size, first_image)
        except DataError as error:
            problems.extend(error)
            continue
        facts = json.loads(facts_path(folder, number).read_text(encoding='utf-8'))
        roots.append(facts.pop('root'))
        found.append(EntryPlan(name=name, **facts))
        first_image += found[-1].images
    problems.raise_if_any()
    return tuple(found), os.path.commonpath(roots)


def _in_a_process(number: int, name: str, *arguments: Any) -> None:
    context = process_context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_send_fault, args=(sender, number, name, *arguments), daemon=True
    )
    process.start()
    sender.close()
    try:
        fault = receiver.recv()
    except EOFError:
        process.join()
        what = f'the process that reads the annotations ended with status {process.exitcode}'
        fix = 'give it more memory (-9: it was killed, as the system does where memory runs out)'
        raise DataError([Problem(f'entry {name!r}', what, fix)]) from None
    finally:
        receiver.close()
        if process.is_alive() and process.exitcode is None:
            process.join(10)
            process.kill()
            process.join()
    if fault is not None:
        raise fault


def _send_fault(sender: Connection, *arguments: Any) -> None:
    # MMEngine collects garbage when it has read; what the fork brought along is none.
    gc.freeze()
    try:
        read_entry(*arguments)
    except Exception as error:
        sender.send(error)
    else:
        sender.send(None)
    sender.close()


def read_entry(
    number: int,
    name: str,
    config: Mapping[str, Any],
    folder: Path,
    shard_size: int,
    first_image: int,
) -> None:
    """Write the index of one entry.

    Args:
        number: Of the entry.
        name: Of the entry.
        config: Of the entry.
        folder: Where the indexes of all entries lie; those before are there.
        shard_size: Persons of a shard.
        first_image: Id of the first image that is not in an entry before.

    Raises:
        DataError: The annotations have faults.
    """

    def write(configs: Iterable[Mapping[str, Any]]) -> None:
        reader = _EntryReader(name, number, folder, first_image)
        writer = IndexWriter(folder, number, shard_size=shard_size)
        try:
            for part in configs:
                reader.read(part, writer)
        except BaseException:
            writer.abandon()
            raise
        writer.close(reader.facts())

    whole = _annotations_only(config)
    dataset = build_entry(name, whole).dataset
    path = str(dataset.ann_file or '')
    if (
        file_kind(dataset) == 'coco'
        and not is_chosen(whole)  # which of the persons is said of the whole file
        and os.path.isfile(path)
        and os.path.getsize(path) > SPLIT_ABOVE
    ):
        # What is wrong is told of the whole file, with its own rows.
        with suppress(DataError, OddFileError):
            write(_parts(whole, path, folder / f'parts_{number}'))
            return
    write([whole])


def _parts(config: Mapping[str, Any], path: str, folder: Path) -> Iterator[Mapping[str, Any]]:
    """The entry with a part of its annotations, one after the other."""
    for part in split_coco(path, folder):
        yield {**config, 'dataset': {**config['dataset'], 'ann_file': str(part.absolute())}}
        gc.collect()


class _EntryReader:
    """Persons of an entry into its index, one file of annotations after the other."""

    def __init__(self, name: str, number: int, folder: Path, first_image: int) -> None:
        self._name, self._number, self._folder = name, number, folder
        self._first = first_image
        self._before = 0
        self._roots: set[str] = set()
        self._persons = self._labelled = self._left_out = 0
        self._skeleton = ''

    @cached_property
    def _known(self) -> dict[str, ImageRow]:
        """Images by path; at first those of the entries before."""
        known = {image.path: image for image in image_rows(self._folder, range(self._number))}
        self._before = len(known)
        return known

    def read(self, config: Mapping[str, Any], writer: IndexWriter) -> None:
        """Add the persons of a file.

        Raises:
            DataError: It has faults.
        """
        name = self._name
        entry = build_entry(name, config)
        problems = ProblemList()
        # Persons without an image keep what needs none: images are not looked for.
        entry.check_files(problems, images=False)
        problems.raise_if_any()
        file = AnnotationFile(entry)
        entry.load(problems)
        problems.raise_if_any()
        if get_skeleton(entry.skeleton.name) != entry.skeleton:
            what = f'its skeleton is another than the known {entry.skeleton.name!r}'
            fix = 'register it under a name of its own (hpemap_mm.skeletons.register_skeleton)'
            raise DataError([Problem(f'entry {name!r}', what, fix)])
        self._skeleton = entry.skeleton.name
        known = self._known
        read = set()
        for index in range(len(entry.dataset)):
            info = entry.data_info(index)
            path = _real_path(str(info['img_path']), name)
            if path not in known:
                width, height = file.sizes.get(info.get('img_id')) or _size(path, info)
                number = self._first + len(known) - self._before
                known[path] = ImageRow(number, path, width, height)
                writer.add_image(known[path])
            self._roots.add(os.path.dirname(path))
            person = _person(entry, info, file.row(info), known[path])
            read.add(info['id'])
            self._labelled += int((person.visibility > 0).sum())
            writer.add_person(person)
        self._persons += len(entry.dataset)
        if not is_chosen(config):
            left_out = list(file.left_out(read))
            self._left_out += len(left_out)
            writer.add_left_out(left_out)

    def facts(self) -> dict[str, Any]:
        """Of all files."""
        return {
            'skeleton': self._skeleton,
            'persons': self._persons,
            'images': len(self._known) - self._before,
            'labelled': self._labelled,
            'left_out': self._left_out,
            'root': os.path.commonpath(sorted(self._roots)),
        }


def is_chosen(config: Mapping[str, Any]) -> bool:
    """Whether an entry reads only some persons, as its config says."""
    dataset = config.get('dataset')
    if not isinstance(dataset, Mapping):
        return False
    return any(dataset.get(key, plain) not in (plain, None) for key, plain in _CHOOSING.items())


def _annotations_only(config: Mapping[str, Any]) -> dict[str, Any]:
    """The entry without what is for tests alone: detected boxes, MPII's head boxes."""
    dataset = config.get('dataset')
    if not isinstance(dataset, Mapping):
        return dict(config)
    return {**config, 'dataset': {k: v for k, v in dataset.items() if k not in _OF_TESTS}}


def _person(
    entry: Entry, info: dict[str, Any], row: Mapping[str, Any], image: ImageRow
) -> PersonRows:
    name = entry.name
    points_NK2 = np.asarray(info['keypoints'], np.float32)
    if points_NK2.shape != (1, len(entry.skeleton), 2):
        what = f'its reader gives keypoints of shape {points_NK2.shape}, not those of one person'
        fix = "read it person by person (data_mode='topdown')"
        raise DataError([Problem(f'entry {name!r}', what, fix)])
    visible_NK = np.asarray(info['keypoints_visible'], np.float32)
    visible_NK = visible_NK[..., 0] if visible_NK.ndim == 3 else visible_NK
    identity = info.get('id')
    if not isinstance(identity, (int, np.integer)):
        what, fix = f'a person has the id {identity!r}', 'give persons whole numbers as ids'
        raise DataError([Problem(f'entry {name!r}', what, fix)])
    points_K2, visibility_K = as_annotated(entry, row, points_NK2[0], visible_NK[0] > 0)
    box = np.asarray(info['bbox'], np.float32).reshape(1, 4)
    area = row.get('area', info.get('area'))
    area = np.nan if area is None else np.asarray(area, np.float64).reshape(-1)[:1]
    return PersonRows(
        images=np.array([image.id]),
        image_sizes=np.array([[image.width, image.height]], np.int32),
        paths=(image.path,),
        source_ids=np.array([identity], np.int64),
        boxes=box,
        centers=_crop(info, 'bbox_center'),
        scales=_crop(info, 'bbox_scale'),
        bboxes=annotated_box(row.get('bbox'), box[0], image),
        areas=np.full(1, area, np.float64),
        keypoints=np.where(visibility_K[:, None] > 0, points_K2, np.nan)[None],
        visibility=visibility_K[None],
    )


def _crop(info: dict[str, Any], key: str) -> npt.NDArray[np.float32]:
    given = info.get(key)
    nothing = np.full((1, 2), np.nan, np.float32)
    return nothing if given is None else np.asarray(given, np.float32).reshape(1, 2)


def _size(path: str, info: dict[str, Any]) -> tuple[int, int]:
    """Width and height from the image's header; where there is none, what the person spans."""
    try:
        return size_as_read(path)
    except (OSError, ValueError):
        ends = np.concatenate(
            [np.asarray(info['bbox']).reshape(-1, 2), np.asarray(info['keypoints']).reshape(-1, 2)]
        )
        width, height = np.ceil(ends.max(axis=0)).astype(int) + 1
        return max(int(width), 1), max(int(height), 1)


def _real_path(path: str, entry: str) -> str:
    if '://' in path:
        what = f'its images are on a storage backend ({path})'
        raise DataError([Problem(f'entry {entry!r}', what, 'mount them, or copy them to a disk')])
    folder, file = os.path.split(path)
    return os.path.join(_real_folder(folder), file)


@cache
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)
