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
        images: ``DIR`` for all, or ``NAME=DIR`` for each.

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
    folders = image_folders(images, list(found))
    return [Split(name, file, folders.get(name)) for name, file in found.items()]


def image_folders(images: Sequence[str], splits: Sequence[str]) -> dict[str, Path]:
    """Folders of images by split, from ``DIR`` or ``NAME=DIR`` arguments.

    Raises:
        DataError: They are no folders, or are of splits that there are not.
    """
    if len(images) == 1 and (Path(images[0]).is_dir() or '=' not in images[0]):
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
        if not Path(folder).is_dir():
            fix = f'name the folder of the images; {similar(Path(folder))}'
            raise DataError([Problem(folder, 'is no folder', fix)])
    return {name: Path(folder) for name, folder in found.items()}


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
