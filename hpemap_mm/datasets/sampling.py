"""Which persons an epoch is made of: pure functions of numbers, no dataset needed.

An epoch of several entries (datasets) is planned, not drawn: every entry gets a fixed
number of places (:func:`quotas`), and fills them from a stream of permutations of its
persons that goes on from epoch to epoch (:func:`stream_slice`). So every person of an
entry is seen once before any is seen twice, whatever the length of an epoch, and the
plan of epoch ``e`` can be computed without the plans before it: resuming costs nothing.
"""

# E entries, S samples of an epoch, N persons of one entry

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

#: The ways to share an epoch among entries.
SAMPLINGS = ('proportional', 'equal', 'temperature', 'explicit')


def shares(
    sampling: str | Mapping[str, object],
    lens: Mapping[str, int],
    weights: Mapping[str, float | None],
) -> dict[str, float]:
    """Share of an epoch that each entry gets.

    Args:
        sampling: ``'proportional'`` to the number of persons N; ``'equal'`` for all;
            ``dict(type='temperature', alpha=a)``, proportional to ``N ** a`` (a = 1 is
            'proportional', a = 0 is 'equal'); or ``'explicit'``, proportional to the
            entries' own weights.
        lens: Persons of each entry.
        weights: Weight of each entry; all given with 'explicit', all None otherwise.

    Returns:
        The shares, in the order of ``lens``; they sum to 1.

    Raises:
        ValueError: If the sampling is not known, or does not go with the weights.
    """
    settings = {'type': sampling} if isinstance(sampling, str) else dict(sampling)
    kind = settings.pop('type', None)
    if kind not in SAMPLINGS:
        raise ValueError(f'Unknown sampling {kind!r}. Available: {list(SAMPLINGS)}')
    alpha = settings.pop('alpha', None)
    if settings or (alpha is not None and kind != 'temperature'):
        extra = sorted([*settings, *(['alpha'] if alpha is not None else [])])
        raise ValueError(f'Sampling {kind!r} does not take {extra}.')
    given = sorted(name for name in lens if weights[name] is not None)
    if kind == 'explicit':
        raw = _explicit(lens, weights)
    elif given:
        raise ValueError(
            f'Entries {given} give a weight, which sampling {kind!r} does not read. Use '
            "sampling='explicit', or leave the weights out."
        )
    else:
        raw = {name: float(n) ** _exponent(str(kind), alpha) for name, n in lens.items()}
    total = sum(raw.values())
    return {name: value / total for name, value in raw.items()}


def _exponent(kind: str, alpha: object) -> float:
    if kind != 'temperature':
        return {'proportional': 1.0, 'equal': 0.0}[kind]
    if (
        isinstance(alpha, bool)
        or not isinstance(alpha, int | float)
        or not (math.isfinite(alpha) and alpha >= 0)
    ):
        raise ValueError(f"Sampling 'temperature' needs a finite alpha >= 0, got {alpha!r}.")
    return float(alpha)


def _explicit(lens: Mapping[str, int], weights: Mapping[str, float | None]) -> dict[str, float]:
    missing = sorted(name for name in lens if weights[name] is None)
    if missing:
        raise ValueError(f"Sampling 'explicit' needs a weight for every entry; {missing} lack one.")
    raw = {name: float(weights[name]) for name in lens}  # type: ignore[arg-type]
    wrong = {name: w for name, w in raw.items() if not (math.isfinite(w) and w >= 0)}
    if wrong:
        raise ValueError(f'Weights must be finite and not negative, got {wrong}.')
    if sum(raw.values()) == 0:
        raise ValueError(f'At least one weight must be above 0, got {raw}.')
    return raw


def quotas(share_of: Mapping[str, float], samples: int) -> dict[str, int]:
    """Places of an epoch for each entry, by the method of largest remainders.

    Each entry gets the whole part of ``share * samples``; the places left go to the
    largest fractions (ties: to the entry named first).

    Args:
        share_of: Shares that sum to 1, as :func:`shares` gives them.
        samples: Length S of an epoch.

    Returns:
        Counts in the order of ``share_of``; they sum to ``samples``.
    """
    if samples < 1:
        raise ValueError(f'An epoch needs at least one sample, got {samples}.')
    # Rounded, so that 0.1 * 30 counts as 3 and not as 2 and a large remainder.
    exact = {name: round(share * samples, 9) for name, share in share_of.items()}
    counts = {name: math.floor(value) for name, value in exact.items()}
    order = sorted(exact, key=lambda name: counts[name] - exact[name])  # stable: ties keep order
    for name in order[: samples - sum(counts.values())]:
        counts[name] += 1
    return counts


def permutation(seed: int, name: str, round_: int, length: int) -> np.ndarray:
    """The ``round_``-th order in which the entry ``name`` goes through its persons.

    Args:
        seed: The dataset's seed.
        name: The entry; its own name, so that another entry more or less changes nothing.
        round_: How often all persons have been seen before.
        length: Persons N of the entry.

    Returns:
        (N,) int64 permutation of ``range(length)``.
    """
    key = (seed, zlib.crc32(name.encode()), round_)
    return np.random.default_rng(np.random.SeedSequence(key)).permutation(length)


def stream_slice(seed: int, name: str, length: int, start: int, count: int) -> np.ndarray:
    """Elements ``start .. start + count`` of an entry's endless stream of permutations.

    Returns:
        (count,) int64 indices of persons.
    """
    parts = []
    while count > 0:
        round_, offset = divmod(start, length)
        part = permutation(seed, name, round_, length)[offset : offset + count]
        parts.append(part)
        start += len(part)
        count -= len(part)
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


@dataclass(frozen=True)
class EpochPlan:
    """The samples of one epoch, entry by entry; shuffling is the sampler's work.

    Attributes:
        names: The entries.
        starts: First position of each entry, and the length of the epoch at the end.
        person_S: (S,) int64, index of the person within its entry.
    """

    names: tuple[str, ...]
    starts: tuple[int, ...]
    person_S: np.ndarray

    def __len__(self) -> int:
        return self.starts[-1]

    def locate(self, position: int) -> tuple[str, int]:
        """Entry, and index within the entry, at a position of the epoch."""
        if not 0 <= position < len(self):
            raise IndexError(f'Position {position} is outside an epoch of {len(self)} samples.')
        # The last start that is not beyond the position: entries without a place are passed.
        entry = int(np.searchsorted(self.starts, position, side='right')) - 1
        return self.names[entry], int(self.person_S[position])


def plan_epoch(
    seed: int, epoch: int, lens: Mapping[str, int], counts: Mapping[str, int]
) -> EpochPlan:
    """The plan of one training epoch.

    Args:
        seed: The dataset's seed.
        epoch: Number of the epoch, from 0.
        lens: Persons of each entry.
        counts: Places of each entry in an epoch, as :func:`quotas` gives them.
    """
    parts = [
        stream_slice(seed, name, lens[name], epoch * count, count) for name, count in counts.items()
    ]
    return _plan(tuple(counts), parts)


def plan_in_order(lens: Mapping[str, int]) -> EpochPlan:
    """The plan of an evaluation: every person once, in the readers' order."""
    return _plan(tuple(lens), [np.arange(n) for n in lens.values()])


def _plan(names: tuple[str, ...], parts: Sequence[np.ndarray]) -> EpochPlan:
    starts = np.cumsum([0, *(len(part) for part in parts)])
    person_S = np.concatenate(parts)
    person_S.setflags(write=False)
    return EpochPlan(names, tuple(starts.tolist()), person_S)
