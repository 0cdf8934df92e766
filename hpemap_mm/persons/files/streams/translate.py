"""A file of persons through a translator into another file, however long.

>>> translate_file(translator, 'coco.json', 'mpii.json', origin_names=ORIGINS).persons
262465
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.files import atomic_path
from hpemap_mm.persons.files.streams.answers import Summary, Tally, Translates
from hpemap_mm.persons.files.streams.bytes import Meter, Progress
from hpemap_mm.persons.files.streams.paths import check_paths, new_folders
from hpemap_mm.persons.files.streams.source_coco import CocoSource
from hpemap_mm.persons.files.streams.source_mpii import MpiiSource
from hpemap_mm.persons.files.streams.sources import COUNT, AnySource, open_source
from hpemap_mm.persons.files.streams.write_coco import (
    CocoFromMpiiWriter,
    CocoWriter,
    ResultsWriter,
)
from hpemap_mm.persons.files.streams.write_mpii import MpiiWriter
from hpemap_mm.persons.files.streams.write_npz import NpzWriter
from hpemap_mm.skeletons import Skeleton, get_skeleton

Writer = NpzWriter | CocoWriter | CocoFromMpiiWriter | ResultsWriter | MpiiWriter


def translate_file(
    translator: Translates,
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    origin_names: Sequence[str],
    base: int | None = None,
    overwrite: bool = False,
    images: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    count: int = COUNT,
) -> Summary:
    """Translate a COCO json, an MPII json or an npz; ``out`` is complete or absent.

    What is written follows from the suffix of ``out``:

    - ``.npz``: see :class:`~hpemap_mm.persons.files.streams.write_npz.NpzWriter`;
    - ``.json``, target MPII, from COCO's or MPII's annotations: MPII's list;
    - ``.json`` otherwise: COCO's annotations from annotations, COCO's results from results and
      from an npz.

    In json a joint that is not answered is 0, 0, 0 (-1, -1 with ``joints_vis`` 0 in MPII's), and
    ``keypoints_sigma`` (px), ``keypoints_origin`` and, where calibrated, ``keypoints_radius_95``
    stand beside the keypoints (``joints_sigma``, ... in MPII's), ``null`` where unknown.

    Memory is that of one batch, and of the names of the images where MPII's json is read or
    written.

    Args:
        translator: Reads the skeleton of the file.
        source: The file; its kind is told by its bytes.
        out: The file to be written, ``.json`` or ``.npz``; its folder is made.
        origin_names: Names of the codes that tell what a joint came from.
        base: Coordinate of the first pixel in ``source``; by default its kind's convention. An
            npz that does not say is passed through in its own, and is 0-based where a json is
            written.
        overwrite: Whether ``out`` may be there already.
        images: Folder of the photographs, for widths and heights when MPII becomes COCO.
        progress: Called with the bytes read so far and their total.
        count: Persons that are in memory at a time.

    Raises:
        DataError: With the file, the row and what to do; nothing is left behind then.
        ValueError: ``base`` is neither 0 nor 1.
    """
    path = os.fspath(source)
    target = check_paths(out, [path], overwrite=overwrite)
    folder = None if images is None else Path(images)
    if folder is not None and not folder.is_dir():
        raise DataError([Problem(str(folder), 'is no folder', 'name that of the images')])
    meter, tally = Meter(progress), Tally(origin_names)
    opened = open_source(path, skeleton=translator.source, base=base, count=count, meter=meter)
    with closing(opened) as persons, new_folders(target), atomic_path(target) as partial:
        writer = _writer(partial, target, persons, translator.target, origin_names, folder)
        with closing(writer):
            for batch in persons.batches():
                answer = translator(batch.keypoints, batch.scores)
                writer.add(batch, answer)
                tally.add(answer, batch.persons)
            writer.finish()
    return Summary(
        persons=tally.persons,
        joints=len(translator.target),
        without=tally.without,
        answered=tally.answered,
        origins=tally.origins,
        median_sigma=tally.median_sigma,
        kind=persons.kind,
        written=writer.kind,
        notes=tuple(persons.notes),
    )


def _writer(
    partial: Path,
    out: Path,
    source: AnySource,
    skeleton: Skeleton,
    origin_names: Sequence[str],
    images: Path | None,
) -> Writer:
    if out.suffix.lower() == '.npz':
        return NpzWriter(
            partial, out=out, skeleton=skeleton, origin_names=origin_names, base=source.base
        )
    to_mpii = skeleton.joints == get_skeleton('mpii').joints
    if to_mpii and isinstance(source, CocoSource | MpiiSource):
        return MpiiWriter(partial, source=source, origin_names=origin_names)
    if isinstance(source, CocoSource):
        return CocoWriter(partial, source=source, skeleton=skeleton, origin_names=origin_names)
    if isinstance(source, MpiiSource):
        return CocoFromMpiiWriter(
            partial, source=source, skeleton=skeleton, origin_names=origin_names, images=images
        )
    if source.kind == 'npz' and source.base is None:
        source.notes.append('the npz does not name its first pixel (base): taken as 0')
    shift = 0 if source.kind == 'COCO results' else -(source.base or 0)
    return ResultsWriter(partial, skeleton=skeleton, origin_names=origin_names, shift=shift)
