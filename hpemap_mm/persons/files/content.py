"""What is in a file, told by its bytes and not by its name."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.files.archives import Arrays, read_npz
from hpemap_mm.persons.files.matlab import read_mat

#: First bytes of files that are something else, and what to do with them.
NOT_READ = {
    b'\x1f\x8b': ('is compressed with gzip', 'unpack it first (gunzip)'),
    b'BZh': ('is compressed with bzip2', 'unpack it first (bunzip2)'),
    b'\xfd7zXZ': ('is compressed with xz', 'unpack it first (unxz)'),
    b'\x28\xb5\x2f\xfd': ('is compressed with zstd', 'unpack it first (unzstd)'),
    b'\x93NUMPY': ('is a single .npy array', 'save it with np.savez(path, keypoints=...)'),
    b'\x80': ('looks like a pickle, which is never loaded', 'write json or npz'),
    b'\x89HDF': ('is an HDF5 file (MATLAB 7.3 writes these)', "save it with '-v7', or as npz"),
    b'MATLAB 7.3': ('is an HDF5 file (MATLAB 7.3 writes these)', "save it with '-v7', or as npz"),
    b'\xff\xfe': ('is UTF-16 text', 'save it as UTF-8'),
    b'\xfe\xff': ('is UTF-16 text', 'save it as UTF-8'),
    b'\x89PNG': ('is a picture', 'name the file with the keypoints'),
    b'\xff\xd8\xff': ('is a picture', 'name the file with the keypoints'),
}
ZIP = (b'PK\x03\x04', b'PK\x05\x06')
MAT = b'MATLAB 5.0'
JSON_FIRST = b'[{'
JSON_SPACE = b' \t\r\n'
UTF8_MARK = b'\xef\xbb\xbf'


class RepeatedKeys(dict[str, Any]):
    """A json object in which a key occurs more than once (Python would keep the last)."""

    repeated: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Content:
    """A file as plain values.

    Attributes:
        path: The file, for messages.
        kind: What it is.
        value: Of json: what it says. Objects that repeat a key are :class:`RepeatedKeys`.
        arrays: Of npz and mat: the wanted arrays that are there.
        names: Of npz and mat: the names of everything that is there.
    """

    path: str
    kind: Literal['json', 'npz', 'mat']
    value: Any = None
    arrays: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()


def load(path: str | os.PathLike[str], wanted: Collection[str]) -> Content:
    """Read a json, ``.npz`` or MATLAB 5 file.

    Args:
        path: The file; its suffix does not matter.
        wanted: Names of the arrays to load from npz and mat files.

    Raises:
        DataError: There is no such file, it is empty, damaged, or of another kind.
    """
    name = os.fspath(path)
    data = _read(name)
    if not data.strip(JSON_SPACE):
        raise _error(name, 'is empty', 'write it again')
    for first, (what, fix) in NOT_READ.items():
        if data.startswith(first):
            raise _error(name, what, fix)
    arrays: Arrays
    if data.startswith(ZIP):
        arrays, names = read_npz(name, data, wanted)
        return Content(name, 'npz', arrays=arrays, names=tuple(names))
    if data.startswith(MAT):
        arrays, names = read_mat(name, data, wanted)
        return Content(name, 'mat', arrays=arrays, names=tuple(names))
    text = data.removeprefix(UTF8_MARK)
    if text.lstrip(JSON_SPACE)[:1] in JSON_FIRST:
        return Content(name, 'json', value=_json(name, text))
    what = f'is neither json, npz nor a MATLAB 5 file: it begins with {data[:12]!r}'
    raise _error(name, what, 'name the file with the keypoints, or write it again')


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise _error(path, 'is not there', similar(Path(path))) from None
    except IsADirectoryError:
        raise _error(path, 'is a folder', 'name a file in it') from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        what = f'cannot be read ({error})'
        raise _error(repr(path), what, 'check the name and the rights') from error


def similar(path: Path) -> str:
    """What to do about a file that is not there."""
    try:
        beside = sorted(file.name for file in path.parent.iterdir())
    except OSError:
        return 'check its folder: it cannot be listed'
    close = get_close_matches(path.name, beside, n=1)
    return f'did you mean {close[0]!r}?' if close else 'check the name'


def _json(path: str, data: bytes) -> Any:
    try:
        return json.loads(data.decode('utf-8'), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        what = f'is not UTF-8 text: byte {error.start} is {data[error.start]:#04x}'
        raise _error(path, what, 'save it as UTF-8, or write it again') from None
    except json.JSONDecodeError as error:
        at_end = not data.decode('utf-8')[error.pos :].strip() or 'Unterminated' in error.msg
        what = f'is not json at line {error.lineno}, column {error.colno}: {error.msg}'
        fix = 'it ends too early: write it again' if at_end else 'correct it'
        raise _error(path, what, fix) from None
    except RecursionError:
        raise _error(path, 'is nested too deeply', 'write a flat list of rows') from None
    except ValueError as error:  # a number of thousands of digits
        raise _error(path, f'has a number that cannot be read ({error})', 'correct it') from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    keys = [key for key, _ in pairs]
    marked = RepeatedKeys(value)
    marked.repeated = tuple(key for key in value if keys.count(key) > 1)
    return marked


def _error(where: str, what: str, fix: str) -> DataError:
    return DataError([Problem(where, what, fix)])
