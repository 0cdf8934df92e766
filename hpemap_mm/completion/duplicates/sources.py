"""The images that are searched: those of a config's entries, or of folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from hpemap_mm.datasets.duplicates import HELD_OUT, TRAIN, Place, digest_of, image_name
from hpemap_mm.datasets.entries import build_entry
from hpemap_mm.errors import DataError, Problem, ProblemList

SPLITS = (TRAIN, *HELD_OUT)
#: Stands for the split of a folder that no config names.
FOLDER = 'folder'


@dataclass(frozen=True)
class Source:
    """Images of one entry.

    Attributes:
        place: Which entry.
        files: Name of an image, relative to the entry's folder -> its path; each once.
    """

    place: Place
    files: Mapping[str, str]


def make_source(split: str, entry: str, folder: str, paths: Sequence[str]) -> Source:
    """A source of files, without repetition."""
    files = {image_name(path, folder): path for path in paths}
    return Source(Place(split, entry, folder, len(files), digest_of(files)), files)


def sources_of_config(datasets: Mapping[str, Any]) -> list[Source]:
    """The images that the persons of a config's entries are on.

    Args:
        datasets: Split -> config of its ``hpemap_mm.MultiSkeletonDataset``. An entry of the same
            name and dataset as one before, as where the test repeats the validation, is left out.

    Raises:
        DataError: With the faults of all annotation files. Images that are missing are none.
    """
    problems = ProblemList()
    sources: list[Source] = []
    seen: list[tuple[bool, str, Any]] = []
    for split, dataset in datasets.items():
        if 'entries' not in dataset:
            problems.add(
                f'{split}_dataloader.dataset',
                f'is a {dataset.get("type")}',
                'wrap it: type=hpemap_mm.MultiSkeletonDataset with entries',
            )
            continue
        for name, cfg in dataset['entries'].items():
            same = (split == TRAIN, name, cfg['dataset'])
            if same not in seen:
                seen.append(same)
                source = _source_of_entry(split, name, cfg, problems)
                sources += [] if source is None else [source]
    problems.raise_if_any()
    return sources


def _source_of_entry(
    split: str, name: str, cfg: Mapping[str, Any], problems: ProblemList
) -> Source | None:
    faults = ProblemList()
    entry = None
    try:
        # Neither a pipeline nor a joint space is of interest here.
        entry = build_entry(name, {**cfg, 'pipeline': []}, test_mode=split != TRAIN)
        entry.check_files(faults, images=False)
        if not len(faults):
            entry.load(faults)
    except DataError as error:
        faults.extend(error)
    except Exception as error:
        # Whatever a dataset's constructor raises is a finding about the config.
        faults.add(f'entry {name!r}', f'cannot be read: {error}', 'correct its config')
    for fault in faults:
        problems.add(f'[{split}] {fault.where}', fault.what, fault.fix)
    if entry is None or len(faults):
        return None
    folder = (getattr(entry.dataset, 'data_prefix', None) or {}).get('img') or ''
    paths = [entry.image_path(i) for i in range(len(entry.dataset))]
    return make_source(split, name, folder, paths)


def sources_of_folders(folders: Sequence[str]) -> list[Source]:
    """All images in folders, and in folders in them; each folder is an entry of its own.

    Raises:
        DataError: A folder is not there, or has no images.
    """
    problems = ProblemList()
    suffixes = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    sources = []
    wanted = list(dict.fromkeys(str(Path(folder)) for folder in folders))
    names = [Path(folder).resolve().name for folder in wanted]
    for folder, name in zip(wanted, names, strict=True):
        if not Path(folder).is_dir():
            problems.add(folder, 'there is no such folder', 'correct the path')
            continue
        paths = sorted(str(p) for p in Path(folder).rglob('*') if p.suffix.lower() in suffixes)
        if not paths:
            problems.add(folder, 'has no images', 'name a folder with images')
        # Two folders of one name are told apart by their paths.
        entry = name if names.count(name) == 1 else folder
        sources.append(make_source(FOLDER, entry, folder, paths))
    problems.raise_if_any()
    return sources


def nothing_to_search(splits: Sequence[str]) -> DataError:
    """Where a config has none of the splits."""
    what = f'has no dataloader for {", ".join(splits)}'
    return DataError([Problem('the config', what, f'choose among {", ".join(SPLITS)}')])
