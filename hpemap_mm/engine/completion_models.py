"""The models of a completion, fed by a loader that crops ahead of them."""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import cv2
import torch
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from hpemap_mm.apis import load_model
from hpemap_mm.completion.candidates import Predicted
from hpemap_mm.completion.crops import CropDataset, Crops, Request
from hpemap_mm.completion.predicting import predict
from hpemap_mm.completion.processes import process_context, step_back
from hpemap_mm.engine.completion_settings import ModelFiles
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.models import AnsweringPoseEstimator

#: Batches that each worker is ahead.
AHEAD = 4
#: Batches that are on a GPU, or on their way from it, at once.
_AT_ONCE = 2


class Predictor:
    """Models that predict all their skeletons of persons.

    Args:
        files: The models.
        threads: Of this process, where they are on the CPU.
        workers: Processes that load and crop; 0 to do so in this one.
        local: Number of the GPU, where there are GPUs.
    """

    def __init__(
        self, files: Sequence[ModelFiles], *, threads: int, workers: int, local: int = 0
    ) -> None:
        on_gpu = torch.cuda.is_available()
        self._device = f'cuda:{local % torch.cuda.device_count()}' if on_gpu else 'cpu'
        self._threads, self._workers, self._files = threads, workers, files
        init_default_scope('mmpose')
        # Models with the same input share its making.
        self._views: list[int] = []
        pipelines: list[list[Any]] = []
        for model in files:
            if model.pipeline not in pipelines:
                pipelines.append(model.pipeline)
            self._views.append(pipelines.index(model.pipeline))
        self._dataset = CropDataset(pipelines)
        self._models: list[AnsweringPoseEstimator] = []

    def load(self) -> None:
        """Load the models, once.

        Raises:
            DataError: A checkpoint does not fit, or a model answers in one skeleton only.
        """
        if self._models:
            return
        torch.set_num_threads(self._threads)
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        for file in self._files:
            model = load_model(file.config, file.checkpoint, device=self._device)
            if not isinstance(model, AnsweringPoseEstimator):
                what = f'its model is a {type(model).__name__}'
                fix = 'use hpemap_mm.MultiHeadPoseEstimator or hpemap_mm.JointSpacePoseEstimator'
                raise DataError([Problem(str(file.config.filename), what, fix)])
            model.answer = 'all'
            self._models.append(model)

    @property
    def skeletons(self) -> tuple[str, ...]:
        """Names of the skeletons that some model answers in."""
        names = [m.representation(answer) for m in self._models for answer in m.all_answers]
        return tuple(dict.fromkeys(names))

    def stream(
        self, requests: Iterable[Request]
    ) -> Iterator[tuple[Crops, list[dict[str, Predicted]]]]:
        """Batches, and what each model says of them.

        Args:
            requests: The batches, made while the stream runs.
        """
        loader = DataLoader(
            self._dataset,
            batch_size=None,
            sampler=_Once(requests),
            num_workers=self._workers,
            prefetch_factor=AHEAD if self._workers else None,
            collate_fn=_as_it_is,
            worker_init_fn=_quiet,
            pin_memory=self._device != 'cpu',
            multiprocessing_context=process_context() if self._workers else None,
        )
        batches = iter(loader)
        self.load()
        try:
            if self._device == 'cpu':
                for crops in batches:
                    yield crops, self._predict(crops)
            else:
                yield from self._ahead(batches)
        finally:
            del batches

    def _predict(self, crops: Crops) -> list[dict[str, Predicted]]:
        return [
            predict(model, crops, crops.views[view])
            for model, view in zip(self._models, self._views, strict=True)
        ]

    def _ahead(
        self, batches: Iterator[Crops]
    ) -> Iterator[tuple[Crops, list[dict[str, Predicted]]]]:
        """The same with the next batch on its way to the GPU while one is being decoded."""
        waiting: deque[tuple[Crops, Future[list[dict[str, Predicted]]]]] = deque()
        with ThreadPoolExecutor(_AT_ONCE, initializer=self._choose_device) as pool:
            for crops in batches:
                waiting.append((crops, pool.submit(self._predict, crops)))
                if len(waiting) == _AT_ONCE:
                    done, answer = waiting.popleft()
                    yield done, answer.result()
            for done, answer in waiting:
                yield done, answer.result()

    def _choose_device(self) -> None:
        if self._device != 'cpu':
            torch.cuda.set_device(self._device)


class _Once:
    """A sampler over what is made while it is used."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = requests

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests)


def _as_it_is(value: Any) -> Any:
    return value


def _quiet(worker: int) -> None:
    """A worker ends with the process that started it, not by Ctrl-C; one thread is enough."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _but_for_lost_connections
    cv2.setNumThreads(0)
    step_back()


def _but_for_lost_connections(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Where the run is stopped, the thread that hands tensors over finds nobody to take them."""
    if not issubclass(kind, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, trace)
