"""From a command line to a run: what tools/train.py and tools/test.py have in common."""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict, DictAction

from hpemap_mm.errors import DataError, Problem

LAUNCHERS = ('none', 'pytorch', 'slurm')


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--launcher`` and ``--cfg-options``, named as in MMPose's tools."""
    parser.add_argument(
        '--launcher',
        choices=LAUNCHERS,
        default='none',
        help='pytorch under torchrun, slurm under srun (default: one process)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override the config, as in train_cfg.max_epochs=20',
    )
    # torch.distributed.launch passes it; torchrun sets the environment variable.
    parser.add_argument('--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS)


def load_config(
    path: str | os.PathLike[str],
    *,
    options: dict[str, object] | None = None,
    launcher: str = 'none',
    work_dir: str | None = None,
) -> Config:
    """Read a config and apply the command line.

    Args:
        path: The config file.
        options: Overrides by dotted key.
        launcher: One of :data:`LAUNCHERS`.
        work_dir: Where logs and checkpoints go; ``work_dirs/<config's name>`` where neither this
            nor the config says.

    Raises:
        DataError: The file is missing, or is no config.
    """
    path = Path(path)
    if not path.is_file():
        raise _error(path, 'no such config file', 'see configs/ for those that come with hpemap_mm')
    try:
        config = Config.fromfile(path)
    except (SyntaxError, NameError, KeyError, TypeError, OSError, ValueError) as error:
        raise _error(
            path, f'cannot be read as a config: {error!r}', 'correct the file or its _base_'
        ) from error
    if options:
        config.merge_from_dict(options)
    config.launcher = launcher
    if work_dir is not None:
        config.work_dir = work_dir
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / path.stem)
    _seed_data(config)
    if launcher != 'none':
        # Its functions' defaults are the group that exists when it is imported. Imported later, by
        # DistributedDataParallel, it would hold the group, and its threads, after it was left.
        importlib.import_module('torch.distributed.nn')
    if launcher != 'none' and not torch.cuda.is_available():
        _join_on_cpu(config)
    return config


def _join_on_cpu(config: Config) -> None:
    """Join the processes by gloo; MMEngine's own way asks for a GPU in every process.

    Raises:
        DataError: The launcher is not torchrun.
    """
    if config.launcher != 'pytorch' or 'RANK' not in os.environ:
        raise _error(
            Path(config.filename),
            f'--launcher {config.launcher} without a GPU, or outside of torchrun',
            'run `torchrun --nproc-per-node N tools/train.py CONFIG --launcher pytorch`',
        )
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    # MMEngine gives device ids, which DistributedDataParallel refuses for a model on the CPU.
    config.setdefault(
        'model_wrapper_cfg',
        ConfigDict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False),
    )


def _seed_data(config: Config) -> None:
    """The run's seed is the data's too, where the config does not give it one."""
    seed = config.get('randomness', {}).get('seed')
    dataset = config.get('train_dataloader', {}).get('dataset', {})
    if seed is not None and dataset.get('type') == 'hpemap_mm.MultiSkeletonDataset':
        dataset.setdefault('seed', seed)


def use_amp(config: Config) -> None:
    """Turn automatic mixed precision on: float16 on a GPU, bfloat16 on a CPU.

    Raises:
        DataError: The config's optimizer wrapper is one that AMP cannot replace.
    """
    kind = config.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise _error(
            Path(config.filename),
            f'--amp cannot replace the optimizer wrapper {kind}',
            'leave --amp out, or use OptimWrapper',
        )
    config.optim_wrapper['type'] = 'AmpOptimWrapper'
    if torch.cuda.is_available():
        config.optim_wrapper.setdefault('loss_scale', 'dynamic')
    else:
        config.optim_wrapper.setdefault('dtype', 'bfloat16')


def _error(path: Path, what: str, fix: str) -> DataError:
    return DataError([Problem(str(path), what, fix)])
