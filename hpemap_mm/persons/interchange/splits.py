"""The splits of a dataset, as a command line names them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.files.content import similar

#: A word that can be a file's name, everywhere.
WORD = re.compile(r'[A-Za-z0-9][A-Za-z0-9_-]*')
#: What the only split of a dataset is called where nobody says.
ONLY = 'train'


@dataclass(frozen=True)
class Split:
    """A part of a dataset.

    Attributes:
        name: Its name.
        path: Of json: its file.
        images: Folder of its images; None where that is not said.
    """

    name: str
    path: Path
    images: Path | None


def json_splits(
    source: str | os.PathLike[str], names: Sequence[str], images: Sequence[str]
) -> list[Split]:
    """Splits of a json, or of a folder of jsons.

    Args:
        source: A file, which is one split; or a folder.
        names: ``NAME`` of the only file; of a folder ``NAME=FILE`` in it, or ``NAME`` for
            ``NAME.json``.
        images: As for :func:`image_folders`.

    Raises:
        DataError: A name is given twice or is none, or there is no such file.
    """
    path, pairs = Path(source), _pairs(names, '--splits')
    if not path.is_dir():
        if len(pairs) > 1 or any(pairs.values()):
            what = f'{path} is one file, --splits names {", ".join(names)}'
            raise _wrong(what, 'name its folder, and NAME=FILE for each')
        found = {next(iter(pairs), ONLY): path}
    else:
        if not pairs:
            raise _wrong(f'{path} is a folder', 'name its files: --splits train=FILE val=FILE')
        found = {name: path / (file or f'{name}.json') for name, file in pairs.items()}
    folders = image_folders(images, list(found), path)
    return [Split(name, file, folders.get(name)) for name, file in found.items()]


def image_folders(images: Sequence[str], splits: Sequence[str], source: Path) -> dict[str, Path]:
    """Folders of images by split, from ``DIR`` or ``NAME=DIR`` arguments.

    A ``DIR`` is in the current folder, or in the dataset's, as the files of ``--splits`` are.

    Args:
        images: The arguments.
        splits: Names of the splits there are.
        source: The dataset; its folder counts where it is one.

    Raises:
        DataError: They are no folders, are two, or are of splits that there are not.
    """
    if len(images) == 1 and ('=' not in images[0] or _places(images[0], source)):
        found: dict[str, str] = dict.fromkeys(splits, images[0])
    else:
        found = {name: folder or '' for name, folder in _pairs(images, '--images').items()}
    unknown = [name for name in found if name not in splits]
    if unknown:
        what, fix = f'--images has {unknown[0]!r}', f'the splits are {", ".join(splits)}'
        raise _wrong(what, fix)
    for name, folder in found.items():
        if not folder:
            raise _wrong(f'--images {name}: no folder', 'write one DIR, or NAME=DIR for each split')
    return {name: _place(folder, source) for name, folder in found.items()}


def _places(folder: str, source: Path) -> list[Path]:
    """Where a folder is: here, in the dataset's, or in both."""
    candidates = [Path(folder), source / folder] if source.is_dir() else [Path(folder)]
    found = [path for path in candidates if path.is_dir()]
    return found[:1] if len(found) == 2 and found[0].samefile(found[1]) else found


def _place(folder: str, source: Path) -> Path:
    found = _places(folder, source)
    if len(found) == 1:
        return found[0]
    if found:
        what = f'is in the current folder and in {source}'
        fix = 'write which: ' + ' or '.join(str(path.resolve()) for path in found)
        raise DataError([Problem(folder, what, fix)])
    inside = source.is_dir() and not Path(folder).is_absolute()
    what = f'is no folder, nor one in {source}' if inside else 'is no folder'
    near = similar(source / folder if inside else Path(folder))
    raise DataError([Problem(folder, what, f'name the folder of the images; {near}')])


def chosen(names: Sequence[str], known: Mapping[str, object], path: Path) -> list[str]:
    """Splits of a dataset that has its own; all where none is named.

    Raises:
        DataError: It has no such split.
    """
    pairs = _pairs(names, '--splits')
    for name, file in pairs.items():
        if file is not None or name not in known:
            what = f'has no split {name!r}' if file is None else f'names its own {name!r}'
            fix = f'choose from {", ".join(known)}'
            raise DataError([Problem(str(path), what, fix)])
    return list(pairs) or list(known)


def _pairs(arguments: Sequence[str], option: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for argument in arguments:
        name, sign, value = argument.partition('=')
        if not WORD.fullmatch(name):
            raise _wrong(f'{option} {argument}', 'a split is a word: letters, digits, - and _')
        if name in found:
            raise _wrong(f'{option} names {name!r} twice', 'name each split once')
        found[name] = value if sign else None
    return found


def _wrong(what: str, fix: str) -> DataError:
    return DataError([Problem('options', what, fix)])
