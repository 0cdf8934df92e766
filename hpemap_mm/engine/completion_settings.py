"""What a completion does: read off the config and the command line, and made comparable."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pyarrow
import torch
from mmengine.config import Config

from hpemap_mm.completion.crops import check_pipeline
from hpemap_mm.engine.launch import load_config
from hpemap_mm.engine.scores import versions
from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.skeletons import get_skeleton

#: Keys of a config's ``completion``, and what they are where they are not given.
DEFAULTS: dict[str, Any] = {
    'translators': (),
    'calibration': None,
    'max_std': 0.05,
    'keep_derived': True,
    'batch_size': 32,
    'calibration_persons': 4000,
}
REQUIRED = ('skeletons', 'entries')
SHARD_SIZE = 512


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelFiles:
    """A model that predicts.

    Attributes:
        config: Its config.
        checkpoint: Its weights.
        pipeline: Makes its input.
    """

    config: Config
    checkpoint: Path
    pipeline: list[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Settings:
    """What a completion does.

    Attributes:
        skeletons: Names of what every person gets.
        entries: What is completed, as of :class:`hpemap_mm.datasets.MultiSkeletonDataset`.
        calibration: Annotated persons that the models were not trained on.
        calibration_persons: At most so many of each entry.
        translators: Their configs.
        max_std: The threshold, in sizes of the person.
        keep_derived: Whether derived joints are kept as annotations are.
        batch_size: Persons that go through a model at once.
        shard_size: Persons that are written at once; whole batches.
        threads: Of each process, where the models are on the CPU.
        models: What predicts; may be none.
    """

    skeletons: tuple[str, ...]
    entries: Mapping[str, Any]
    calibration: Mapping[str, Any]
    calibration_persons: int
    translators: Sequence[Mapping[str, Any]]
    max_std: float
    keep_derived: bool
    batch_size: int
    shard_size: int
    threads: int
    models: tuple[ModelFiles, ...]

    def fingerprint(self) -> dict[str, Any]:
        """Plain values that the bytes of the output depend on.

        Annotation files, checkpoints and translators' files are in it by their content; images
        are not, nor is the number of workers or processes.
        """
        plain = {
            'skeletons': self.skeletons,
            'entries': self.entries,
            'translators': self.translators,
            'max_std': self.max_std,
            'keep_derived': self.keep_derived,
            'batch_size': self.batch_size,
            'shard_size': self.shard_size,
            'files': _digests(_named_files([self.entries, self.translators])),
            'versions': {
                **versions(), 'opencv': cv2.__version__, 'pyarrow': pyarrow.__version__
            },
        }  # fmt: skip
        if self.models:
            on_gpu = torch.cuda.is_available()
            plain['device'] = 'cuda' if on_gpu else 'cpu'
            if not on_gpu:
                plain['threads'] = self.threads
            plain['calibration'] = {
                'entries': self.calibration,
                'persons': self.calibration_persons,
                'files': _digests(_named_files([self.calibration])),
            }
            plain['models'] = [
                {
                    'model': model.config.model,
                    'pipeline': model.pipeline,
                    'checkpoint': _digest(model.checkpoint),
                }
                for model in self.models
            ]
        return json.loads(json.dumps(_plain(plain)))


def read_settings(
    config: str | os.PathLike[str],
    checkpoints: Sequence[str],
    *,
    options: dict[str, object] | None = None,
    threads: int = 1,
    shard_size: int = SHARD_SIZE,
) -> tuple[Config, Settings]:
    """Read the config and what it needs.

    Args:
        config: The file; its model is the first checkpoint's.
        checkpoints: Weights: ``FILE`` of the config's model, or ``CONFIG.py:FILE`` of another's.
        options: Overrides of the config, by dotted key.
        threads: Of each process.
        shard_size: Persons that are written at once; rounded up to whole batches.

    Raises:
        DataError: With everything that is wrong.
    """
    read = load_config(config, options=options)
    where = f'{config}, completion'
    given = read.get('completion')
    if not isinstance(given, Mapping):
        what, fix = 'the config has no completion = dict(...)', 'see configs/completion/'
        raise DataError([Problem(str(config), what, fix)])
    problems = ProblemList()
    known = (*REQUIRED, *DEFAULTS)
    for key in given:
        if key not in known:
            problems.add(where, f'has the unknown key {key!r}', f'use {", ".join(known)}')
    for key in REQUIRED:
        if not given.get(key):
            problems.add(where, f'has no {key}', f'give it {key}')
    problems.raise_if_any()
    values = {**DEFAULTS, **_thawed(given)}
    for skeleton in values['skeletons']:
        try:
            get_skeleton(skeleton)
        except KeyError as error:
            problems.add(where, str(error.args[0]), 'name known skeletons')
    for key in ('batch_size', 'calibration_persons'):
        if not isinstance(values[key], int) or values[key] < 1:
            problems.add(where, f'{key} is {values[key]!r}', 'give a whole number above 0')
    if not (isinstance(values['max_std'], int | float) and values['max_std'] > 0):
        problems.add(where, f'max_std is {values["max_std"]!r}', 'give a number above 0')
    if not isinstance(values['keep_derived'], bool):
        what = f'keep_derived is {values["keep_derived"]!r}'
        problems.add(where, what, 'give True or False')
    for option, value in (('--threads', threads), ('--shard-size', shard_size)):
        if value < 1:
            problems.add(option, f'is {value}', 'give a whole number above 0')
    models = [_model_files(text, read, problems) for text in checkpoints]
    if checkpoints and not values['calibration']:
        fix = 'give it annotated entries that the model was not trained on, as the val entries'
        problems.add(where, 'has no calibration, which predictions need', fix)
    problems.raise_if_any()
    batch = values['batch_size']
    return read, Settings(
        skeletons=tuple(dict.fromkeys(values['skeletons'])),
        entries=values['entries'],
        calibration=values['calibration'] or {},
        calibration_persons=values['calibration_persons'],
        translators=tuple(values['translators'] or ()),
        max_std=float(values['max_std']),
        keep_derived=values['keep_derived'],
        batch_size=batch,
        shard_size=-(-shard_size // batch) * batch,
        threads=threads,
        models=tuple(model for model in models if model is not None),
    )


def _model_files(text: str, config: Config, problems: ProblemList) -> ModelFiles | None:
    before, mark, after = text.partition('.py:')
    try:
        own = load_config(f'{before}.py') if mark else config
        path = Path(after if mark else text)
        if not path.is_file():
            fix = 'name what tools/train.py wrote, as work_dirs/NAME/epoch_8.pth'
            raise DataError([Problem(str(path), 'no such checkpoint', fix)])
        loader = own.get('val_dataloader') or own.get('test_dataloader') or {}
        pipeline = loader.get('dataset', {}).get('pipeline')
        steps = check_pipeline(_thawed(pipeline or []), where=str(own.filename or 'config'))
        return ModelFiles(config=own, checkpoint=path, pipeline=steps)
    except DataError as error:
        problems.extend(error)
    return None


def _thawed(value: Any) -> Any:
    """ConfigDicts as plain dicts, lists as they are."""
    if isinstance(value, Mapping):
        return {key: _thawed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_thawed(inner) for inner in value)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return repr(value)


#: Keys of configs that name files whose content matters, and those of the folder they are in.
_FILE_KEYS = ('ann_file', 'bbox_file', 'headbox_file', 'config', 'checkpoint', 'exclude')


def _named_files(value: Any, root: str = '') -> list[str]:
    """Files that configs name, in order."""
    found = []
    if isinstance(value, Mapping):
        root = value.get('data_root') or root
        for key, inner in value.items():
            if key in _FILE_KEYS and isinstance(inner, str | os.PathLike):
                found.append(os.path.join(root, os.fspath(inner)))
            else:
                found += _named_files(inner, root)
    elif isinstance(value, list | tuple):
        for inner in value:
            found += _named_files(inner, root)
    return list(dict.fromkeys(found))


def _digests(paths: Sequence[str]) -> dict[str, str]:
    """Of files; those that are missing are told when they are read."""
    return {path: _digest(path) if os.path.isfile(path) else 'missing' for path in paths}


def _digest(path: str | os.PathLike[str]) -> str:
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
