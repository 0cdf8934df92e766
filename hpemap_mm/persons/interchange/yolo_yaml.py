"""Ultralytics' data.yaml: what the labels of a folder mean, and where they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.files import write_json
from hpemap_mm.persons.files.content import load, similar
from hpemap_mm.persons.files.joints import agreement, recognise, skeletons_with
from hpemap_mm.persons.files.rows import is_text, show
from hpemap_mm.skeletons import Skeleton, get_skeleton
from hpemap_mm.version import __version__

NAME = 'data.yaml'
#: Our own remarks stand beside it: CVAT takes a key that it does not know for a split.
OURS = 'hpemap_mm.json'
#: Splits that Ultralytics knows, and those without whose keys it refuses a file; they may be empty.
SPLITS = ('train', 'val', 'test')
NEEDED = ('train', 'val')
IMAGES, LABELS = 'images', 'labels'


@dataclass(frozen=True, kw_only=True)
class YoloData:
    """A data.yaml.

    Attributes:
        path: The file.
        root: Folder that the splits' paths are relative to.
        joints: K.
        numbers: Of each joint: 2 or 3.
        flips: (K,) the mirror image of each joint; empty where it is not said.
        names: Of the classes.
        joint_names: Of the persons' class; empty where it is not said.
        splits: Paths of images, folders or lists, by the split's name.
        own: Our own remarks: ``skeleton``, ``half_pixel``.
    """

    path: Path
    root: Path
    joints: int
    numbers: int
    flips: tuple[int, ...]
    names: tuple[str, ...]
    joint_names: tuple[str, ...]
    splits: Mapping[str, tuple[str, ...]]
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def person(self) -> int:
        """The persons' class: the only one, or the one that is called so.

        Raises:
            DataError: There is no telling.
        """
        if len(self.names) == 1:
            return 0
        found = [i for i, name in enumerate(self.names) if name.casefold() == 'person']
        if len(found) != 1:
            what = f'has the classes {show(list(self.names))}: none, or several, are persons'
            raise DataError([Problem(str(self.path), what, "name the persons' class 'person'")])
        return found[0]

    def skeleton(self, wanted: Skeleton | None) -> Skeleton:
        """The skeleton that was named, if the file does not contradict; else the one it names.

        Raises:
            DataError: It contradicts, or names none.
        """
        where = str(self.path)
        known = recognise(self.joint_names, self.joints) if self.joint_names else None
        if wanted is None:
            named = self.own.get('skeleton')
            try:
                found = get_skeleton(named) if named is not None else known
            except KeyError as error:
                fix = 'say --skeleton'
                raise DataError([Problem(where, str(error.args[0]), fix)]) from None
            if found is None:
                choices = ', '.join(skeletons_with(self.joints)) or 'register it first'
                what = f'does not name its {self.joints} joints (kpt_names)'
                raise DataError([Problem(where, what, f'say --skeleton: {choices}')])
            wanted = found
        if len(wanted) != self.joints:
            what = f'has {self.joints} joints, {wanted.name!r} has {len(wanted)}'
            choices = ', '.join(skeletons_with(self.joints)) or 'none that is known'
            raise DataError([Problem(where, what, f'say --skeleton: {choices}')])
        if known is not None and agreement(self.joint_names, known) > agreement(
            self.joint_names, wanted
        ):
            what = f'names the joints of {known.name!r}, not those of {wanted.name!r}'
            raise DataError([Problem(where, what, f'say --skeleton {known.name}')])
        flips = tuple(wanted.flip_indices.tolist())
        if self.flips and self.flips != flips:
            what = f"'flip_idx' is {list(self.flips)}; the joints of {wanted.name!r} need {flips}"
            fix = 'name the skeleton whose joints these are, or correct flip_idx'
            raise DataError([Problem(where, what, fix)])
        return wanted


def read_data(source: Path) -> YoloData:
    """Read a data.yaml, named itself or by its folder.

    Raises:
        DataError: With every fault of it.
    """
    path = _find(source)
    value = _load(path)
    problems = ProblemList()

    def take(key: str, default: Any) -> Any:
        found = value.get(key)
        return default if found is None else found

    shape = take('kpt_shape', None)
    good = _whole(shape) and len(shape) == 2 and shape[0] > 0 and shape[1] in (2, 3)
    if not good:
        missing = "has no 'kpt_shape': labels of boxes, not of poses"
        what = missing if shape is None else f"'kpt_shape' is {show(shape)}"
        problems.add(path, what, 'write [joints, 3], or [joints, 2] without visibilities')
        shape = (0, 3)
    flips = take('flip_idx', [])
    each_once = _whole(flips) and sorted(flips) == list(range(len(flips)))
    if not each_once or (good and flips and len(flips) != shape[0]):
        what = f"'flip_idx' is {show(flips)}"
        problems.add(path, what, 'name each joint once, or leave it out')
    names = _numbered(take('names', []))
    if names is None or not all(isinstance(name, str) for name in names):
        problems.add(path, f"'names' is {show(value.get('names'))}", 'write 0: person')
        names = ()
    if not names and type(value.get('nc')) is int and 0 < value['nc'] < 1000:
        names = ['person'] if value['nc'] == 1 else [f'class_{i}' for i in range(value['nc'])]
    elif not names:
        problems.add(path, "has no 'names'", 'write 0: person')
    splits = {key: _paths(value[key]) for key in SPLITS if value.get(key) is not None}
    for key, paths in splits.items():
        if not paths:
            problems.add(path, f'{key!r} is {show(value[key])}', 'write a folder of images')
    if not splits:
        problems.add(path, 'has no split', f'name folders of images as {", ".join(SPLITS)}')
    root = take('path', '')
    if not isinstance(root, str):
        problems.add(path, f"'path' is {show(root)}", 'write the folder of the dataset')
    problems.raise_if_any()
    data = YoloData(
        path=path,
        root=path.parent,
        joints=shape[0],
        numbers=shape[1],
        flips=tuple(flips),
        names=tuple(names),
        joint_names=(),
        splits=splits,
        own=_own(path.with_name(OURS)),
    )
    joint_names = _joint_names(value.get('kpt_names'), data)
    return replace(data, root=_root(path, root, splits), joint_names=joint_names)


def write_data(
    path: Path,
    *,
    skeleton: Skeleton,
    splits: Mapping[str, str],
    person: str,
    half_pixel: bool,
    source: str,
) -> None:
    """Write a data.yaml, relative to itself, and beside it what it has no key for.

    Args:
        path: The file.
        skeleton: Of the labels, which have visibilities.
        splits: Folders of images below the file, by the split's name.
        person: The class's name.
        half_pixel: Whether the first pixel's centre is at half a pixel.
        source: Where the labels come from, in words.
    """
    zero = 'half a pixel from' if half_pixel else 'at'
    lines = [
        f'# From {source}, by hpemap_mm {__version__}.',
        f'# Keypoints are shares of width and height; the centre of the first pixel is {zero} 0.',
    ]
    value = {
        **{key: splits.get(key) for key in SPLITS if key in splits or key in NEEDED},
        'kpt_shape': [len(skeleton), 3],
        'flip_idx': skeleton.flip_indices.tolist(),
        'names': {0: person},
        'kpt_names': {0: list(skeleton.joints)},
    }
    text = yaml.safe_dump(value, sort_keys=False, default_flow_style=None, allow_unicode=True)
    lines = [line.replace('\n', ' ') for line in lines]
    path.write_text('\n'.join([*lines, text]), encoding='utf-8')
    own = {'hpemap_mm': __version__, 'skeleton': skeleton.name, 'half_pixel': half_pixel}
    write_json(path.with_name(OURS), own)


def _find(source: Path) -> Path:
    if not source.exists():
        raise DataError([Problem(str(source), 'is not there', similar(source))])
    if source.is_file():
        return source
    if (source / NAME).is_file():
        return source / NAME
    found = sorted(file for file in source.iterdir() if file.suffix in ('.yaml', '.yml'))
    if len(found) != 1:
        what = f'has no {NAME}, and {len(found)} other yaml files'
        raise DataError([Problem(str(source), what, 'name the yaml of the dataset')])
    return found[0]


def _load(path: Path) -> Mapping[str, Any]:
    try:
        value = yaml.safe_load(path.read_text(encoding='utf-8'))
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        where = f'{path}:{mark.line + 1}' if mark is not None else str(path)
        said = getattr(error, 'problem', None) or 'damaged'
        raise DataError([Problem(where, f'is not YAML: {said}', 'correct it')]) from None
    except (OSError, RecursionError, ValueError) as error:  # ValueError: no UTF-8
        what = f'is no YAML text ({type(error).__name__})'
        raise DataError([Problem(str(path), what, 'name the yaml of the dataset')]) from None
    if not isinstance(value, Mapping):
        what = f'is {show(value)}, not keys and values'
        raise DataError([Problem(str(path), what, 'name the yaml of the dataset')])
    return value


def _own(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    value = load(path, ()).value
    if not isinstance(value, Mapping) or not isinstance(value.get('half_pixel'), bool):
        what = f'is {show(value)}'
        raise DataError([Problem(str(path), what, 'remove it, or write half_pixel: true or false')])
    return value


def _root(path: Path, named: str, splits: Mapping[str, tuple[str, ...]]) -> Path:
    """The dataset's folder.

    Ultralytics takes a relative ``path`` from where it runs, or from its own folder of datasets;
    what people share is meant from the yaml's folder, or is that folder's own name.
    """
    if not named or Path(named).is_absolute():
        return Path(named) if named and Path(named).is_dir() else path.parent
    first = next(iter(splits.values()))[0]
    choices = (path.parent / named, path.parent, path.parent.parent / named)
    return next((root for root in choices if (root / first).exists()), path.parent)


def _paths(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(values) if all(is_text(v) and v for v in values) else ()


def _whole(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int for number in value)


def _numbered(value: Any) -> Sequence[Any] | None:
    """A list, or the values of keys 0, 1, 2, ..."""
    if isinstance(value, list):
        return value
    if isinstance(value, Mapping) and sorted(value, key=str) == sorted(range(len(value)), key=str):
        return [value[i] for i in range(len(value))]
    return None


def _joint_names(value: Any, data: YoloData) -> tuple[str, ...]:
    """Names of the persons' joints; empty where they are not said, or cannot be those."""
    if not isinstance(value, Mapping):
        return ()
    names = value.get(data.person)
    good = isinstance(names, list) and len(names) == data.joints
    return tuple(map(str, names)) if good and isinstance(names, list) else ()
