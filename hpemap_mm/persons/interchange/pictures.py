"""Photographs: their sizes, and their way into a folder. They are read and never written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.persons.files.content import similar
from hpemap_mm.persons.interchange.people import Picture
from hpemap_mm.photographs import size_as_read

Progress = Callable[[int, int], None]


def image_size(path: Path) -> tuple[int, int]:
    """Width and height as :func:`~hpemap_mm.photographs.size_as_read` tells them.

    Raises:
        DataError: It is not there, or no image.
    """
    try:
        return size_as_read(path)
    except FileNotFoundError:
        raise DataError([Problem(str(path), 'is not there', similar(path))]) from None
    except (OSError, ValueError) as error:
        what = f'cannot be read as an image ({" ".join(str(error).split())[:120]})'
        raise DataError([Problem(str(path), what, 'write or copy it again')]) from None


def with_sizes(
    pictures: Mapping[int, Picture], folder: Path, progress: Progress | None = None
) -> dict[int, Picture]:
    """Pictures with the sizes of the photographs in a folder.

    Raises:
        DataError: With every photograph that is missing, damaged, or of another size than the
            dataset says: coordinates would point elsewhere.
    """
    problems = ProblemList()
    found = {}
    for number, (key, picture) in enumerate(pictures.items(), 1):
        path = folder / picture.name
        try:
            size = image_size(path)
        except DataError as error:
            problems.extend(error)
            continue
        finally:
            if progress is not None:
                progress(number, len(pictures))
        known = (picture.width, picture.height)
        if None not in known and known != size:
            what = f'is {size[0]} x {size[1]}, but {known[0]} x {known[1]} in the annotations'
            problems.add(path, what, 'give the images that were annotated (EXIF may turn one)')
        found[key] = Picture(picture.name, *size)
    problems.raise_if_any()
    return found


def check_name(name: str) -> str | None:
    """Why an image's name cannot be used below a folder, or None."""
    path = PurePosixPath(name)
    outside = path.is_absolute() or '..' in path.parts or PureWindowsPath(name).drive
    if not path.name or outside or '\\' in name:
        return 'leads out of the folder of the images'
    if any(ord(letter) < ord(' ') for letter in name):
        return 'has a control character'
    return None


def place(
    pairs: Iterable[tuple[Path, Path]],
    how: Literal['link', 'copy'],
    progress: Progress | None = None,
) -> int:
    """Link or copy photographs into a folder; their number.

    Links are symbolic and absolute, so that the new folder can be moved. Ultralytics repairs JPEGs
    that are cut off where they are, through a link too: who must keep those as they are copies.

    Args:
        pairs: Photographs, and where each is to be.
        how: Which of the two.
        progress: Called with the images so far and their total.

    Raises:
        DataError: The system allows no links, or a disk is full.
    """
    listed = list(pairs)
    for number, (source, target) in enumerate(listed, 1):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if how == 'link':
                os.symlink(source.resolve(), target)
            else:
                shutil.copyfile(source, target)
        except OSError as error:
            other = 'use --copy-images' if how == 'link' else 'make room, or use --link-images'
            raise DataError([Problem(str(source), f'{how}: {error}', other)]) from error
        if progress is not None:
            progress(number, len(listed))
    return len(listed)
