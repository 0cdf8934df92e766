"""A dataset of persons from one format into another.

>>> convert_dataset('annotations', 'yolo', source_format='coco', target_format='yolo',
...                 splits=['train=person_keypoints_train2017.json', ...]).persons
{'train': 360, 'val': 367}
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.files import atomic_path
from hpemap_mm.persons.files.streams.bytes import Meter
from hpemap_mm.persons.files.streams.paths import check_paths, new_folders
from hpemap_mm.persons.interchange.completed_fields import Chosen
from hpemap_mm.persons.interchange.folders import atomic_folder, check_folder
from hpemap_mm.persons.interchange.from_coco import CocoReader
from hpemap_mm.persons.interchange.from_mpii import MpiiReader
from hpemap_mm.persons.interchange.from_yolo import YoloReader
from hpemap_mm.persons.interchange.ledger import Ledger
from hpemap_mm.persons.interchange.people import Picture, Reader, Writer
from hpemap_mm.persons.interchange.pictures import place as place_images
from hpemap_mm.persons.interchange.pictures import with_sizes
from hpemap_mm.persons.interchange.splits import Split, chosen, image_folders, json_splits
from hpemap_mm.persons.interchange.to_coco import CocoWriter
from hpemap_mm.persons.interchange.to_mpii import MpiiWriter
from hpemap_mm.persons.interchange.to_yolo import YoloWriter
from hpemap_mm.persons.interchange.yolo_yaml import IMAGES, NAME, NEEDED, read_data, write_data
from hpemap_mm.skeletons import Skeleton, as_skeleton

#: Formats that are read and written.
FORMATS = ('coco', 'mmpose-mpii', 'yolo')

Progress = Callable[[str, int, int], None]


@dataclass
class Report:
    """What was converted.

    Attributes:
        source: Kind of what was read.
        written: Kind of what was written.
        skeleton: Name of what the persons are in.
        images: Their number, by split.
        persons: Theirs; crowd regions are none.
        joints: Labelled ones, those that --provenance leaves out not counted.
        losses: Sentences about what the target does not have.
        notes: Sentences about what it has otherwise.
    """

    source: str = ''
    written: str = ''
    skeleton: str = ''
    images: dict[str, int] = field(default_factory=dict)
    persons: dict[str, int] = field(default_factory=dict)
    joints: dict[str, int] = field(default_factory=dict)
    losses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Options:
    skeleton: Skeleton | None
    provenance: Sequence[str]
    place: Literal['link', 'copy'] | None
    base: int | None
    half_pixel: bool | None
    progress: Progress | None
    ledger: Ledger

    def show(self, stage: str) -> Callable[[int, int], None] | None:
        """What moves the bar of a stage."""
        return None if self.progress is None else partial(self.progress, stage)


def convert_dataset(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    source_format: str,
    target_format: str,
    skeleton: Skeleton | str | None = None,
    splits: Sequence[str] = (),
    images: Sequence[str] = (),
    provenance: Sequence[str] = (),
    place: Literal['link', 'copy'] | None = None,
    base: int | None = None,
    half_pixel: bool | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Convert a dataset; ``out`` is complete or absent.

    Memory is that of some thousand persons, and of the names of the images.

    Args:
        source: A json, a folder of them, or a YOLO folder or its yaml.
        out: A YOLO folder; else a ``.json``, or a folder of ``SPLIT.json`` files.
        source_format: One of ``FORMATS``.
        target_format: One of ``FORMATS``.
        skeleton: What the persons are in; by default what the dataset says.
        splits: Names, of jsons ``NAME=FILE``; by default all of a YOLO folder.
        images: Folder of the images, ``DIR`` or ``NAME=DIR`` for each split, here or in the folder
            ``source``. Their sizes are then compared with the annotations'.
        provenance: Names of provenances; joints of others are left out. By default all are kept.
        place: Whether a YOLO folder gets links to the images, or copies of them.
        base: Coordinate of the first pixel in a json; by default its kind's convention.
        half_pixel: Of YOLO, read or written: whether the first pixel's centre is at half a pixel;
            by default what a data.yaml says, else not.
        overwrite: Whether a json may be there already; folders are never replaced.
        progress: Called with a stage, how much of it is done, and of how much.

    Raises:
        DataError: With file, place and what to do; nothing is left behind then.
        KeyError: The format or skeleton is unknown.
    """
    for name in (source_format, target_format):
        if name not in FORMATS:
            raise KeyError(f'Unknown format {name!r}. Available: {list(FORMATS)}')
    options = _Options(
        skeleton=None if skeleton is None else as_skeleton(skeleton),
        provenance=provenance,
        place=place,
        base=base,
        half_pixel=half_pixel,
        progress=progress,
        ledger=Ledger(),
    )
    _check_options(options, source_format, target_format)
    opened = _open(source, source_format, splits, images, options)
    target, report = Path(out), Report()
    if target_format == 'yolo':
        _to_yolo(opened, check_folder(target), options, report)
    else:
        _to_json(opened, target, target_format, options, report, overwrite=overwrite)
    report.losses, report.notes = options.ledger.losses, options.ledger.notes
    return report


@dataclass(frozen=True)
class _Opened:
    """A dataset that can be read, split by split."""

    path: Path
    files: tuple[Path, ...]
    splits: Mapping[str, Callable[[], Reader]]
    images: Mapping[str, Path]


def _check_options(options: _Options, source: str, target: str) -> None:
    wrong = []
    if options.place is not None and target != 'yolo':
        fix = 'leave out --link-images and --copy-images'
        wrong.append(Problem('options', 'only a YOLO folder has images', fix))
    if options.half_pixel is not None and 'yolo' not in (source, target):
        wrong.append(Problem('options', 'nothing of it is YOLO', 'leave out --half-pixel'))
    if options.base is not None and source == 'yolo':
        wrong.append(Problem('options', '--base is about jsons', 'use --half-pixel'))
    if wrong:
        raise DataError(wrong)


def _open(
    source: str | os.PathLike[str],
    kind: str,
    names: Sequence[str],
    images: Sequence[str],
    options: _Options,
) -> _Opened:
    if kind == 'yolo':
        data = read_data(Path(source))
        taken = chosen(names, data.splits, data.path)
        folders = image_folders(images, taken, Path(source))

        def yolo(name: str) -> Reader:
            return YoloReader(
                data,
                name,
                skeleton=options.skeleton,
                images=folders.get(name),
                half_pixel=options.half_pixel,
                progress=options.show(f'{name}: labels'),
                ledger=options.ledger,
            )

        readers = {name: partial(yolo, name) for name in taken}
        return _Opened(data.path, (data.path,), readers, folders)

    def json(split: Split) -> Reader:
        reader: type[CocoReader | MpiiReader] = CocoReader if kind == 'coco' else MpiiReader
        return reader(
            str(split.path),
            skeleton=options.skeleton,
            base=options.base,
            meter=Meter(options.show(f'{split.name}: annotations')),
            ledger=options.ledger,
        )

    listed = json_splits(source, names, images)
    return _Opened(
        Path(source),
        tuple(split.path for split in listed),
        {split.name: partial(json, split) for split in listed},
        {split.name: split.images for split in listed if split.images is not None},
    )


def _to_json(
    opened: _Opened,
    out: Path,
    kind: str,
    options: _Options,
    report: Report,
    *,
    overwrite: bool,
) -> None:
    """One json, or a folder with one for each split."""
    single = out.suffix.lower() == '.json'
    if single and len(opened.splits) > 1:
        what = f'{opened.path} has the splits {", ".join(opened.splits)}, {out} is one file'
        raise DataError([Problem('options', what, 'name a folder, or one of them (--splits)')])
    if not single and out.suffix:
        what = f'has the suffix {out.suffix!r}'
        raise DataError([Problem(str(out), what, 'name a .json, or a folder without a suffix')])
    if single:
        check_paths(out, opened.files, overwrite=overwrite)
    else:
        check_folder(out)
    with _place_for(out, single=single) as partial_out:
        for name, opener in opened.splits.items():
            reader = opener()
            pictures = _pictures(reader, opened.images.get(name), options, name)
            path = partial_out if single else partial_out / f'{name}.json'
            writer: Writer
            if kind == 'coco':
                root = opened.images.get(name) or reader.image_root
                final = out if single else out / path.name
                writer = CocoWriter(
                    path, out=final, reader=reader, pictures=pictures, image_root=root
                )
            else:
                writer = MpiiWriter(path, reader=reader, pictures=pictures)
            _pump(reader, writer, pictures, options, report, name)
            report.written = writer.kind


def _place_for(out: Path, *, single: bool) -> AbstractContextManager[Path]:
    return _atomic_file(out) if single else atomic_folder(out)


@contextmanager
def _atomic_file(out: Path) -> Iterator[Path]:
    with new_folders(out), atomic_path(out) as path:
        yield path


def _to_yolo(opened: _Opened, out: Path, options: _Options, report: Report) -> None:
    """A folder of labels and data.yaml, and of images where that is asked."""
    half = bool(options.half_pixel)
    with atomic_folder(out) as folder:
        readers = {}
        for name, opener in opened.splits.items():
            reader = readers[name] = opener()
            given = opened.images.get(name)
            pictures = _pictures(reader, given, options, name, with_all_sizes=True)
            writer = YoloWriter(folder, name, reader=reader, pictures=pictures, half_pixel=half)
            _pump(reader, writer, pictures, options, report, name)
            if options.place is not None:
                root = given or reader.image_root
                assert root is not None  # _pictures has read the sizes of the images in it
                pairs = [
                    (root / picture.name, writer.images[key]) for key, picture in pictures.items()
                ]
                place_images(pairs, options.place, options.show(f'{name}: images'))
        first = next(iter(readers.values()))
        write_data(
            folder / NAME,
            skeleton=first.skeleton,
            splits={name: f'{IMAGES}/{name}' for name in readers},
            person=_class_name(first),
            half_pixel=half,
            source=f'{opened.path.name} ({first.kind})',
        )
    report.written = writer.kind
    if options.place is None:
        where = f'{out / IMAGES}/{{{",".join(readers)}}}'
        told = f'the images are not in it: put them into {where}, or use --link-images'
        options.ledger.remark(told)
    for name in NEEDED:
        if name not in readers:
            told = f'there is no {name} split: Ultralytics trains once data.yaml names one'
            options.ledger.remark(told)


def _class_name(reader: Reader) -> str:
    name = None if reader.category is None else reader.category.get('name')
    return str(name) if name else 'person'


def _pictures(
    reader: Reader,
    given: Path | None,
    options: _Options,
    split: str,
    *,
    with_all_sizes: bool = False,
) -> Mapping[int, Picture]:
    """The images of a split; with the sizes of the files where those are read anyway."""
    pictures = reader.pictures
    if isinstance(reader, YoloReader):
        return pictures
    folder = given or reader.image_root
    missing = with_all_sizes and any(p.width is None for p in pictures.values())
    if given is None and options.place is None and not missing:
        return pictures
    if folder is None:
        if options.place is None:
            return pictures  # whoever needs the sizes says so, with the image
        what = f'{reader.path} does not say where its images are'
        raise DataError([Problem('options', what, 'say --images DIR')])
    return with_sizes(pictures, folder, options.show(f'{split}: sizes of images'))


def _pump(
    reader: Reader,
    writer: Writer,
    pictures: Mapping[int, Picture],
    options: _Options,
    report: Report,
    split: str,
) -> None:
    """All persons of a split."""
    if report.skeleton and report.skeleton != reader.skeleton.name:
        what = f'is in {reader.skeleton.name!r}, the splits before it in {report.skeleton!r}'
        raise DataError([Problem(reader.path, what, 'convert them apart, or say --skeleton')])
    report.source, report.skeleton = reader.kind, reader.skeleton.name
    choose = Chosen(
        options.provenance,
        known=reader.provenance_names,
        path=reader.path,
        ledger=options.ledger,
    )
    persons = joints = 0
    with closing(writer):
        for people in reader.batches():
            kept = choose(people)
            writer.add(kept)
            persons += int((~kept.crowd).sum())
            joints += int(kept.labelled.sum())
        writer.finish()
    report.images[split] = len(pictures)
    report.persons[split], report.joints[split] = persons, joints
