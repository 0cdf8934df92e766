"""What is counted while persons are completed, for the page: adds up over shards.

Dimensions: N persons, K joints of a skeleton, B bins of a distance.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hpemap_mm.completion.candidates import PersonBatch, Predicted
from hpemap_mm.completion.completer import CompletedBatch
from hpemap_mm.persons.provenance import GT, NONE, PROVENANCE, SOURCES

IntArray = npt.NDArray[np.int64]

#: Distances are counted in bins of a thousandth of a person's size; the last takes the rest.
BINS, STEP = 501, 0.001
#: Persons kept from each end of the order of doubt.
KEPT = 24
#: Filled joints that a person needs to be among them.
ENOUGH = 6
#: The pair of the annotation with the model's own, not anchored prediction.
CHECKED = ('annotated', 'predicted, not anchored')


@dataclass(frozen=True, order=True)
class Doubt:
    """How sure a person's filled joints are.

    Attributes:
        value: Mean standard deviation of the joints that are not annotated, in sizes; where one
            is empty, the threshold.
        id: The person's.
    """

    value: float
    id: int


@dataclass(kw_only=True, eq=False)
class Tally:
    """Counts over persons.

    Attributes:
        persons: By entry.
        provenance: By entry and skeleton (K, codes): joints.
        agreement: By skeleton and pair of sources (K, B): distances between the two.
        surest: The persons with the least doubt.
        doubtful: Those with the most.
    """

    persons: dict[str, int] = field(default_factory=dict)
    provenance: dict[tuple[str, str], IntArray] = field(default_factory=dict)
    agreement: dict[tuple[str, str, str], IntArray] = field(default_factory=dict)
    surest: list[Doubt] = field(default_factory=list)
    doubtful: list[Doubt] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        entry: str,
        first_id: int,
        batch: PersonBatch,
        completed: CompletedBatch,
        predictions: Mapping[str, Predicted],
        *,
        max_std: float,
    ) -> Self:
        """Count the persons of a shard."""
        tally = cls(persons={entry: len(batch)})
        for name, joints in completed.joints.items():
            codes = np.arange(len(PROVENANCE))
            counts = (joints.provenance[..., None] == codes).sum(axis=0)
            tally.provenance[entry, name] = counts.astype(np.int64)
            sources = {s: completed.candidates[name][s][0] for s in SOURCES}
            pairs = {(a, b): (sources[a], sources[b]) for a, b in combinations(SOURCES, 2)}
            if name == batch.skeleton.name and name in predictions:
                pairs[CHECKED] = (batch.keypoints, predictions[name].keypoints)
            for (one, other), (points, others) in pairs.items():
                distances = np.linalg.norm(points - others, axis=-1) / batch.sizes[:, None]
                if np.isfinite(distances).any():
                    tally.agreement[name, one, other] = _binned(distances)
        doubts = _doubts(completed, batch, first_id, max_std=max_std)
        tally.surest = heapq.nsmallest(KEPT, doubts)
        tally.doubtful = heapq.nlargest(KEPT, doubts)
        return tally

    def add(self, other: Tally) -> None:
        """Add another's counts to these."""
        for entry, count in other.persons.items():
            self.persons[entry] = self.persons.get(entry, 0) + count
        tables: list[tuple[dict[Any, IntArray], dict[Any, IntArray]]] = [
            (self.provenance, other.provenance),
            (self.agreement, other.agreement),
        ]
        for own, more in tables:
            for key, counts in more.items():
                own[key] = own[key] + counts if key in own else counts
        self.surest = heapq.nsmallest(KEPT, [*self.surest, *other.surest])
        self.doubtful = heapq.nlargest(KEPT, [*self.doubtful, *other.doubtful])

    def joints(self, skeleton: str) -> IntArray:
        """(K, codes) over all entries."""
        own = [counts for (_, name), counts in self.provenance.items() if name == skeleton]
        return np.sum(own, axis=0)

    def pairs(self, skeleton: str) -> Iterable[tuple[str, str]]:
        """Pairs of sources that were compared in a skeleton."""
        return [(a, b) for name, a, b in self.agreement if name == skeleton]

    def write(self, path: Path) -> None:
        """Write to an .npz file."""
        arrays: dict[str, Any] = {
            'persons': np.array(list(self.persons.items()), dtype='U').reshape(-1, 2),
            'surest': _as_array(self.surest),
            'doubtful': _as_array(self.doubtful),
        }
        for kind in ('provenance', 'agreement'):
            items = getattr(self, kind)
            arrays[kind] = np.array(list(items), dtype='U')
            for place, counts in enumerate(items.values()):
                arrays[f'{kind}_{place}'] = counts
        with path.open('wb') as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def read(cls, path: Path) -> Self:
        """What :meth:`write` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            tables = {
                kind: {
                    tuple(key): arrays[f'{kind}_{place}'].astype(np.int64)
                    for place, key in enumerate(arrays[kind].tolist())
                }
                for kind in ('provenance', 'agreement')
            }
            return cls(
                persons={name: int(count) for name, count in arrays['persons'].tolist()},
                provenance=tables['provenance'],
                agreement=tables['agreement'],
                surest=_from_array(arrays['surest']),
                doubtful=_from_array(arrays['doubtful']),
            )


def median_of(counts: IntArray) -> float:
    """Median of binned distances, in sizes; NaN where nothing was counted."""
    total = int(counts.sum())
    if not total:
        return float('nan')
    upto = np.cumsum(counts)
    place = int(np.searchsorted(upto, total / 2))
    below = int(upto[place] - counts[place])
    return float((place + (total / 2 - below) / counts[place]) * STEP)


def _binned(distances_NK: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    there = np.isfinite(distances_NK)
    bins = np.minimum(np.where(there, distances_NK, 0) / STEP, BINS - 1).astype(np.int64)
    joints = bins.shape[1]
    flat = (bins + BINS * np.arange(joints))[there]
    return np.bincount(flat, minlength=BINS * joints).reshape(joints, BINS)


def _doubts(
    completed: CompletedBatch, batch: PersonBatch, first_id: int, *, max_std: float
) -> list[Doubt]:
    relative, filled = [], []
    for joints in completed.joints.values():
        own = joints.provenance != GT
        stds = np.where(joints.provenance == NONE, max_std, joints.stds / batch.sizes[:, None])
        relative.append(np.where(own, stds, np.nan))
        filled.append(own & (joints.provenance != NONE))
    enough = np.concatenate(filled, axis=1).sum(axis=1) >= ENOUGH
    values = np.full(len(batch), np.nan)
    values[enough] = np.nanmean(np.concatenate(relative, axis=1)[enough], axis=1)
    return [
        Doubt(float(value), first_id + place)
        for place, value in enumerate(values)
        if np.isfinite(value)
    ]


def _as_array(doubts: list[Doubt]) -> npt.NDArray[np.float64]:
    return np.array([(doubt.value, doubt.id) for doubt in doubts], np.float64).reshape(-1, 2)


def _from_array(values: npt.NDArray[np.float64]) -> list[Doubt]:
    return [Doubt(float(value), int(identity)) for value, identity in values]
