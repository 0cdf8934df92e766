"""Keypoint pairs as MMEngine's dataloader wants them: whole batches, augmented in one step.

Dimensions: B persons of a batch, S joints of the source, D joints of the target.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from mmengine.logging import MMLogger
from torch import Tensor
from torch.utils.data import Dataset

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.registry import DATASETS, FUNCTIONS
from hpemap_mm.skeletons import Skeleton
from hpemap_mm.translators.augment import Augmentation, Batch, build_augmentations
from hpemap_mm.translators.matching import TOLERANCE
from hpemap_mm.translators.pairs import Pairs, Side, read_pairs
from hpemap_mm.translators.source_shift import SourceShift
from hpemap_mm.translators.splits import Split, limited


@FUNCTIONS.register_module()
def as_is(batch: Any) -> Any:
    """Collate function for datasets whose ``__getitems__`` gives a whole batch."""
    return batch


@DATASETS.register_module()
class KeypointPairs(Dataset):
    """The same persons in two skeletons.

    A dataloader fetches a batch in one call: ``collate_fn=dict(type='hpemap_mm.as_is')``. It is
    ``dict(keypoints=(B, S, 2), target=(B, D, 2))``, float32 pixels, NaN where a joint is missing.

    The augmentations of a batch are a function of the seed and of the persons in it, in their
    order, and so do not depend on workers or on where a run was resumed. A shuffling sampler makes
    other batches at every epoch, and so other augmentations; without shuffling they repeat.

    Args:
        source: The side that is read: ``dict(file=, skeleton=, ...)``; see
            :class:`hpemap_mm.translators.pairs.Side`.
        target: The side that is wanted; None or ``'same'`` for the source's own truth.
        part: ``'train'``, ``'dev'``, ``'test'`` or ``'all'``.
        match: ``'rows'``, ``'ids'`` or ``'position'``.
        tolerance: The largest distance of pairs by position, in sizes of the person.
        split: Shares and seed: ``dict(dev=0.06, test=0.10, seed=0)``. Images are split, never the
            persons of one.
        augment: Augmentations in their order, e.g. ``[dict(type='Flip'), ...]``.
        seed: Of augmentations and of ``limit``.
        limit: A number (integer) or share (float) of the part's images, for learning curves.
        reverse: Exchange the roles: from the truth to the other file's persons.
        correct_shift: Take a detector's own sideways shift off the source's keypoints first; it is
            measured on the training part (:class:`hpemap_mm.translators.source_shift.SourceShift`).
        name: In results; by default the target's file, without its suffix.

    Attributes:
        pairs: The persons of this part, not augmented.
        source: Skeleton of the keypoints.
        target: Skeleton of the target.

    Raises:
        DataError: With all problems found in a file, if the files do not match, or if nobody is
            in this part.
        KeyError: A skeleton or an augmentation is unknown.
        ValueError: An argument is wrong.
    """

    def __init__(
        self,
        *,
        source: Side | Mapping[str, Any],
        target: Side | Mapping[str, Any] | str | None,
        part: str,
        match: str = 'rows',
        tolerance: float = TOLERANCE,
        split: Split | Mapping[str, Any] | None = None,
        augment: Sequence[Mapping[str, Any] | Augmentation] = (),
        seed: int = 0,
        limit: int | float | None = None,
        reverse: bool = False,
        correct_shift: bool = False,
        name: str | None = None,
    ) -> None:
        self.split = split if isinstance(split, Split) else Split(**(split or {}))
        self.augmentations = build_augmentations(augment)
        self.seed = int(seed)
        self.part = part
        pairs = _read(source, target, match, tolerance, name)
        if correct_shift:
            shift = SourceShift()
            learnt = pairs.take(self.split.mask(pairs.target.image_ids, 'train'))
            shift.fit(pairs.source, pairs.target.skeleton, learnt.keypoints, learnt.target_points)
            pairs = replace(pairs, keypoints=shift.corrected(pairs.keypoints))
        self.pairs = self._share(pairs.reversed() if reverse else pairs, limit)
        # Batches are float32: a thousandth of a pixel even in the largest photographs.
        self._keypoints = self.pairs.keypoints.astype(np.float32)
        self._target = self.pairs.target_points.astype(np.float32)

    def _share(self, pairs: Pairs, limit: int | float | None) -> Pairs:
        """The persons of this part."""
        chosen = self.split.mask(pairs.target.image_ids, self.part)
        if self.part != 'all' and not pairs.knows_images:
            MMLogger.get_current_instance().warning(
                f'{pairs.name}: no file says which persons are in one image, so persons are split'
            )
        if limit is not None:
            rows = np.flatnonzero(chosen)
            kept = limited(pairs.target.image_ids[rows], limit, self.seed)
            chosen = np.isin(np.arange(len(pairs)), rows[kept])
        found = pairs.take(chosen)
        if not len(found):
            what = f'has no person in part {self.part!r}'
            fix = f'take a larger share than {self.split}'
            raise DataError([Problem(pairs.target.source or pairs.name, what, fix)])
        MMLogger.get_current_instance().info(
            f'{pairs.name} ({found.source.name} -> {found.target.skeleton.name}): {len(found):,} '
            f'persons in {len(np.unique(found.target.image_ids)):,} images are in part '
            f'{self.part!r}'
        )
        return found

    @property
    def source(self) -> Skeleton:
        """Skeleton of the keypoints."""
        return self.pairs.source

    @property
    def target(self) -> Skeleton:
        """Skeleton of the target."""
        return self.pairs.target.skeleton

    @property
    def metainfo(self) -> dict[str, Any]:
        """Names, for MMEngine's loops and checkpoints."""
        return {
            'dataset_name': self.pairs.name,
            'part': self.part,
            'source': self.source.name,
            'target': self.target.name,
        }

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One person, as a batch of one would have it: (S, 2) and (D, 2)."""
        return {key: value[0] for key, value in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """The batch of these persons, augmented."""
        rows = np.asarray(indices, np.int64)
        batch = Batch(self._keypoints[rows], self._target[rows], self.source, self.target)
        if self.augmentations:
            rng = batch_randomness(self.seed, rows)
            for augmentation in self.augmentations:
                batch = augmentation(batch, rng)
        return {
            'keypoints': torch.from_numpy(batch.keypoints.astype(np.float32, copy=False)),
            'target': torch.from_numpy(batch.target.astype(np.float32, copy=False)),
        }


def _read(
    source: Side | Mapping[str, Any],
    target: Side | Mapping[str, Any] | str | None,
    match: str,
    tolerance: float,
    name: str | None,
) -> Pairs:
    """The pairs; parts, directions and names of one config's datasets share one reading."""
    from_side = Side.of(source)
    to_side = target if target is None or isinstance(target, str) else Side.of(target)
    files = [from_side.file] if isinstance(to_side, str | None) else [from_side.file, to_side.file]
    stamps = tuple(_stamp(file) for file in files)
    pairs = _read_once(from_side, to_side, match, tolerance, stamps)
    if name is None:
        return pairs
    return replace(pairs, name=name, target=replace(pairs.target, name=name))


@lru_cache(maxsize=4)
def _read_once(
    source: Side,
    target: Side | str | None,
    match: str,
    tolerance: float,
    stamps: tuple[tuple[int, int], ...],
) -> Pairs:
    return read_pairs(source, target, match=match, tolerance=tolerance)


def _stamp(file: str) -> tuple[int, int]:
    """What changes with a file; a missing one is told by its reader."""
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def batch_randomness(seed: int, indices: Any) -> np.random.Generator:
    """Random numbers that are a function of the seed and of the batch's indices alone."""
    words = np.concatenate([[seed], np.asarray(indices, np.int64) % 2**32]).astype(np.uint32)
    return np.random.default_rng(np.random.SeedSequence(words))
