"""Pairs of several skeletons in one space: batches for autoencoders over all of them.

Dimensions: B persons of a batch, J joints of the space, E entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import MMLogger
from torch import Tensor
from torch.utils.data import Dataset

from hpemap_mm.registry import DATASETS
from hpemap_mm.skeletons import JointSpace, Skeleton
from hpemap_mm.translators.dataset import KeypointPairs, batch_randomness


@DATASETS.register_module()
class ConcatPairs(Dataset):
    """Several :class:`KeypointPairs`, each in its places of a concat space.

    A batch is ``dict(keypoints=(B, J, 2), target=(B, J, 2))``, float32 pixels: NaN for every joint
    that is not of the person's source skeleton, or of its target skeleton. The dataloader needs
    ``collate_fn=dict(type='hpemap_mm.as_is')``, as for :class:`KeypointPairs`, whose remark about
    augmentations applies.

    By default an epoch has every person of every entry once. With weights or a length it has each
    entry's share of the length: everybody as many times as that allows, and for the rest each
    place stands for a stretch of the persons, of whom the batch draws one.

    Args:
        skeletons: The space's skeletons, in its order.
        entries: What each :class:`KeypointPairs` is built from, without ``type``; or built ones.
        weights: Relative shares of the entries in an epoch; by default their numbers of persons.
        length: Persons of an epoch; by default all of them.
        seed: Of the choice of persons.

    Attributes:
        space: The concat space.
        entries: The :class:`KeypointPairs`.

    Raises:
        KeyError: An entry's skeleton is not among the skeletons.
        ValueError: There are no entries, or weights or length make no sense.
    """

    def __init__(
        self,
        *,
        skeletons: Sequence[str | Skeleton],
        entries: Sequence[Mapping[str, Any] | KeypointPairs],
        weights: Sequence[float] | None = None,
        length: int | None = None,
        seed: int = 0,
    ) -> None:
        self.space = JointSpace.concat(*skeletons)
        if not entries:
            raise ValueError('ConcatPairs needs at least one entry')
        self.entries = tuple(
            entry if isinstance(entry, KeypointPairs) else KeypointPairs(**_options(entry))
            for entry in entries
        )
        self.seed = int(seed)
        self._places = [
            (self.space.indices(entry.source), self.space.indices(entry.target))
            for entry in self.entries
        ]
        sizes = np.array([len(entry) for entry in self.entries])
        shares = _shares(sizes, weights)
        total = int(sizes.sum()) if length is None else length
        if total < 1:
            raise ValueError(f'length is a positive number of persons, got {length!r}')
        # Ends, rounded: so that the counts add up to the length.
        self._ends = np.rint(np.cumsum(shares) * total).astype(np.int64)
        self._sizes, self._counts = sizes, np.diff(self._ends, prepend=0)
        if weights is not None or length is not None:
            told = ', '.join(
                f'{entry.pairs.name} {count:,} of {size:,}'
                for entry, count, size in zip(self.entries, self._counts, sizes, strict=True)
            )
            MMLogger.get_current_instance().info(f'persons of an epoch: {told}')

    @property
    def metainfo(self) -> dict[str, Any]:
        """Names, for MMEngine's loops and checkpoints."""
        return {
            'dataset_name': '+'.join(entry.pairs.name for entry in self.entries),
            'skeletons': [skeleton.name for skeleton in self.space.skeletons],
        }

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One person, as a batch of one would have it: (J, 2) each."""
        return {key: value[0] for key, value in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """The batch of these places of the epoch, augmented."""
        entry_of, rows = self.locate(indices)
        shape = (len(rows), len(self.space), 2)
        batch = {key: torch.full(shape, torch.nan) for key in ('keypoints', 'target')}
        for number in np.unique(entry_of).tolist():
            chosen = np.flatnonzero(entry_of == number)
            part = self.entries[number].__getitems__(rows[chosen].tolist())
            where = torch.from_numpy(chosen)[:, None]
            for (key, joints), places in zip(part.items(), self._places[number], strict=True):
                batch[key][where, torch.from_numpy(places.copy())] = joints
        return batch

    def locate(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """(B,) entries and (B,) rows in them that a batch has; a function of seed and indices.

        Raises:
            IndexError: An index is outside of the epoch.
        """
        places = np.asarray(indices, np.int64)
        if len(places) and not (places.min() >= 0 and places.max() < len(self)):
            raise IndexError(f'indices are in [0, {len(self)}), got {places.min()}..{places.max()}')
        entry_of = np.searchsorted(self._ends, places, side='right')
        counts, sizes = self._counts[entry_of], self._sizes[entry_of]
        local = places - (self._ends - self._counts)[entry_of]
        # Whole rounds have everybody; a place of what is left stands for a stretch of persons.
        whole = counts - counts % sizes
        within = batch_randomness(self.seed, places).random(len(places))
        stretch = sizes / np.maximum(counts - whole, 1)
        drawn = np.floor((local - whole + within) * stretch).astype(np.int64)
        rows = np.where(local < whole, local % sizes, np.minimum(drawn, sizes - 1))
        return entry_of, rows


def _options(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What KeypointPairs is built from; a ``type`` that names it may be left in."""
    options = dict(entry)
    kind = options.pop('type', 'KeypointPairs')
    if str(kind).rpartition('.')[2] != 'KeypointPairs':
        raise ValueError(f'entries of ConcatPairs are KeypointPairs, got {kind!r}')
    return options


def _shares(sizes: np.ndarray, weights: Sequence[float] | None) -> np.ndarray:
    """(E,) shares of the entries, which sum to 1."""
    if weights is None:
        return sizes / sizes.sum()
    given = np.asarray(weights, np.float64)
    if (
        given.shape != sizes.shape
        or not (np.isfinite(given) & (given >= 0)).all()
        or not given.any()
    ):
        raise ValueError(
            f'weights are {len(sizes)} numbers, 0 for entries to leave out; got {list(weights)}'
        )
    return given / given.sum()
