"""Crops of persons, made by a loader's workers ahead of the model.

Dimensions: N persons of a batch, C channels, H W of a crop.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpose.datasets.transforms import LoadImage
from torch import Tensor
from torch.utils.data import Dataset

from hpemap_mm.completion.person_rows import PersonRows
from hpemap_mm.datasets import BadImageError
from hpemap_mm.errors import DataError, Problem


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """Persons that are to be cropped.

    Attributes:
        shard: Number of their shard.
        last: Whether no other persons of the shard follow.
        entry: Name of their entry.
        skeleton: What they are annotated in.
        rows: The persons; only what cropping needs is looked at.
    """

    shard: int
    last: bool
    entry: str
    skeleton: str
    rows: PersonRows


@dataclass(frozen=True, kw_only=True, eq=False)
class Views:
    """The crops of a batch by one pipeline.

    Attributes:
        images: (N, C, H, W), as the pipeline gives them; black where an image cannot be read.
        centers: (N, 2) of the crops, px of the image.
        scales: (N, 2) widths and heights of the crops, px of the image.
        size: Width and height of the network's input.
    """

    images: Tensor
    centers: npt.NDArray[np.float32]
    scales: npt.NDArray[np.float32]
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Crops:
    """The crops of a batch.

    Attributes:
        shard: Number of its shard.
        last: Whether no other batch of the shard follows.
        entry: Name of the entry.
        skeleton: What the persons are annotated in.
        views: By pipeline.
        faults: By place in the batch: why there is no crop.
    """

    shard: int
    last: bool
    entry: str
    skeleton: str
    views: tuple[Views, ...]
    faults: dict[int, str] = field(default_factory=dict)

    def pin_memory(self) -> Crops:
        """The same in memory from which a GPU copies faster; the loader calls it."""
        pinned = [replace(view, images=view.images.pin_memory()) for view in self.views]
        return replace(self, views=tuple(pinned))


class CropDataset(Dataset):
    """Makes crops; its indices are :class:`Request` objects, each a whole batch.

    A loader's workers so need no annotations. Persons of one image that follow each other share
    its decoding. A person whose image cannot be read, or whose box has no extent, gets a black
    crop, so that the others' batch stays as it is, and a fault.

    Args:
        pipelines: One for each model; their steps need a box and an image.
    """

    def __init__(self, pipelines: Sequence[Sequence[Any]]) -> None:
        with DefaultScope.overwrite_default_scope('mmpose'):
            self._pipelines = [Compose(list(steps)) for steps in pipelines]
        self._image: tuple[Any, Any] | None = None
        self._blank: dict[int, tuple[Tensor, tuple[int, int]]] = {}

    def __getitem__(self, request: Request) -> Crops:
        """The crops of a batch."""
        faults: dict[int, str] = {}
        made: list[list[Any]] = [[] for _ in self._pipelines]
        for place in range(len(request.rows)):
            for number, pipeline in enumerate(self._pipelines):
                found = None
                if place not in faults:
                    try:
                        found = self._crop(pipeline, request, place)
                    except BadImageError as error:
                        faults[place] = error.problems[0].what
                made[number].append(found)
        self._image = None
        return Crops(
            shard=request.shard,
            last=request.last,
            entry=request.entry,
            skeleton=request.skeleton,
            views=tuple(self._stacked(number, found) for number, found in enumerate(made)),
            faults=faults,
        )

    def _crop(self, pipeline: Compose, request: Request, place: int) -> dict[str, Any]:
        rows = request.rows
        box = rows.boxes[place]
        if not (box[2] > box[0] and box[3] > box[1]):
            where, fix = rows.paths[place], 'correct the annotation'
            raise BadImageError([Problem(where, 'the box has no extent', fix)])
        person = {
            'img_path': rows.paths[place],
            'bbox': box[None].copy(),
            'bbox_score': np.ones(1, np.float32),
            'id': int(rows.source_ids[place]),
            'dataset_name': request.entry,
            'skeleton': request.skeleton,
        }
        if np.isfinite(rows.centers[place]).all():
            person['bbox_center'] = rows.centers[place][None].copy()
            person['bbox_scale'] = rows.scales[place][None].copy()
        first = pipeline.transforms[0] if pipeline.transforms else None
        key = (rows.paths[place], repr(first))
        shares = isinstance(first, LoadImage)
        if shares and self._image is not None and self._image[0] == key:
            person['img'] = self._image[1]
        with warnings.catch_warnings():
            # MPII gives centre and scale, and MMPose says at every person that it uses them.
            warnings.filterwarnings('ignore', message='Use the existing "bbox_center"')
            for step in pipeline.transforms:
                person = step(person)
                if person is None:
                    raise BadImageError(
                        [Problem(rows.paths[place], 'the pipeline returned nothing', 'change it')]
                    )
                if step is first:
                    _check_size(person, rows, place)
                    if shares:
                        self._image = (key, person['img'])
        return person

    def _stacked(self, number: int, found: Sequence[dict[str, Any] | None]) -> Views:
        made = [sample for sample in found if sample is not None]
        if made:
            meta = made[0]['data_samples'].metainfo
            size = (int(meta['input_size'][0]), int(meta['input_size'][1]))
            self._blank[number] = torch.zeros_like(made[0]['inputs']), size
        elif number not in self._blank:
            self._blank[number] = self._black(number)
        blank, size = self._blank[number]
        images, centers, scales = [], [], []
        for sample in found:
            meta = {} if sample is None else sample['data_samples'].metainfo
            images.append(blank if sample is None else sample['inputs'])
            centers.append(meta.get('input_center', np.zeros(2)))
            scales.append(meta.get('input_scale', np.ones(2)))
        return Views(
            images=torch.stack(images),
            centers=np.asarray(centers, np.float32),
            scales=np.asarray(scales, np.float32),
            size=size,
        )

    def _black(self, number: int) -> tuple[Tensor, tuple[int, int]]:
        """A black crop, where a batch has no other: of a black image."""
        sample: Any = {
            'img_path': '',
            'img': np.zeros((8, 8, 3), np.uint8),
            'bbox': np.array([[0, 0, 7, 7]], np.float32),
            'bbox_score': np.ones(1, np.float32),
            'id': 0,
        }
        steps = self._pipelines[number].transforms
        for step in steps:
            sample = step(sample)
        meta = sample['data_samples'].metainfo
        return sample['inputs'], (int(meta['input_size'][0]), int(meta['input_size'][1]))


def _check_size(person: dict[str, Any], rows: PersonRows, place: int) -> None:
    """Refuse an image of another size than the annotations have: the joints are elsewhere in it."""
    if 'img' not in person:
        return
    height, width = person['img'].shape[:2]
    annotated = tuple(rows.image_sizes[place].tolist())
    if annotated != (width, height):
        what = f'the image is {width} x {height}, but {annotated[0]} x {annotated[1]} in the '
        what += 'annotations (turned by EXIF, or another version of it?)'
        fix = 'give the image that was annotated, or correct its size in the annotations'
        raise BadImageError([Problem(rows.paths[place], what, fix)])


def check_pipeline(pipeline: Sequence[Any] | None, *, where: str) -> list[Any]:
    """The pipeline of a config, or why there is none.

    Raises:
        DataError: It is missing, or does not start with reading the image.
    """
    steps = list(pipeline or ())
    first = steps[0].get('type', '') if steps and hasattr(steps[0], 'get') else ''
    if not str(first).rpartition('.')[2].startswith('Load'):
        what = 'has no pipeline' if not steps else f'has a pipeline that starts with {first!r}'
        fix = 'give val_dataloader.dataset a pipeline that starts with hpemap_mm.LoadPoseImage'
        raise DataError([Problem(where, what, fix)])
    return steps
