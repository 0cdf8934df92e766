"""Which pairs of hashes are near enough to be looked at: an exhaustive search, blocked.

Every pair is compared, by the 64 bits of the lowest frequencies: an exclusive or, and a count of
bits. With n photographs these are 3 n^2 comparisons of 8 bytes (whole with whole, whole with
centre, and both mirrored), at 0.8 thousand million a second and core: 5,000 photographs take a
tenth of a second, 200,000 three minutes (benchmarks/duplicates.py). An index that answers faster
would have to be exact up to a distance of 14 in 64 bits, where those that cut the hash into parts
look up so many neighbours that nothing is gained at this size.
"""

# N photographs, M candidates

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpemap_mm.completion.duplicates.hashing import BYTES, VIEWS, Bits

IntArray = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

#: Most bits in which the low frequencies of two views may differ, of 64.
LOW_RADIUS = 14
#: Most bits in which all of their frequencies may differ, of 256.
RADIUS = 84

#: Rows and columns of a block: what it holds fits a core's cache.
_ROWS, _COLUMNS = 64, 4096
#: Rows of a task: long enough to be worth its start, short enough for a bar to move.
_ROWS_PER_TASK = 1024
#: 64-bit words of a hash; the first holds the lowest frequencies.
_WORDS = BYTES // 8


@dataclass(frozen=True)
class Candidates:
    """Pairs that may be the same photograph, nearest first.

    Attributes:
        first: (M,) index of one of the two.
        second: (M,) index of the other, always the larger.
        mirrored: (M,) whether it is one in the mirror that is like the other.
        distance: (M,) bits of 256 in which the views that are nearest differ.
    """

    first: IntArray
    second: IntArray
    mirrored: npt.NDArray[np.bool_]
    distance: IntArray

    def __len__(self) -> int:
        return len(self.first)


def find_candidates(
    bits_NVB: Bits,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Candidates:
    """The pairs whose hashes are near: within both radii, in any of their views.

    Args:
        bits_NVB: Hashes, as :func:`hpemap_mm.completion.duplicates.hashing.hash_views` packs them.
        workers: Threads.
        progress: Told how many of how many photographs were compared with all others.

    Raises:
        ValueError: If the hashes have another shape.
    """
    if bits_NVB.ndim != 3 or bits_NVB.shape[1:] != (len(VIEWS), BYTES):
        raise ValueError(f'Expected hashes (N, {len(VIEWS)}, {BYTES}), got {bits_NVB.shape}')
    count = len(bits_NVB)
    words_VNW = np.ascontiguousarray(
        np.ascontiguousarray(bits_NVB).view(np.uint64).reshape(count, len(VIEWS), _WORDS)
    ).transpose(1, 0, 2)
    views = {name: np.ascontiguousarray(words_VNW[v]) for v, name in enumerate(VIEWS)}
    found: list[npt.NDArray[np.int64]] = []

    def rows(start: int) -> npt.NDArray[np.int64]:
        stop = min(start + _ROWS_PER_TASK, count)
        parts = [
            np.column_stack([i, j, np.full(len(i), mirrored), distance])
            for mirrored, query in ((0, 'whole'), (1, 'mirrored'))
            for view in ('whole', 'centre')
            for i, j, distance in _near(
                views[query], views[view], start, stop, once=view == 'whole'
            )
        ]
        return np.concatenate(parts) if parts else np.zeros((0, 4), np.int64)

    starts = range(0, count, _ROWS_PER_TASK)
    with ThreadPoolExecutor(workers) as pool:
        for done, part in enumerate(pool.map(rows, starts), 1):
            found.append(part)
            if progress is not None:
                progress(min(done * _ROWS_PER_TASK, count), count)
    return _nearest(np.concatenate(found) if found else np.zeros((0, 4), np.int64))


def _near(
    query_NW: Words, target_NW: Words, start: int, stop: int, *, once: bool
) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Pairs within the radii, of queries from ``start`` to ``stop`` with all targets.

    Args:
        query_NW: Hashes that are looked up.
        target_NW: Hashes that are looked through.
        start: First query.
        stop: After the last.
        once: The distance is the same both ways: compare a pair once.
    """
    low_query = np.ascontiguousarray(query_NW[:, 0])
    low_target = np.ascontiguousarray(target_NW[:, 0])
    differing = np.empty(_ROWS * _COLUMNS, np.uint64)
    counted = np.empty(_ROWS * _COLUMNS, np.uint8)
    near = np.empty(_ROWS * _COLUMNS, bool)
    count = len(target_NW)
    for top in range(start, stop, _ROWS):
        bottom = min(top + _ROWS, stop)
        for left in range(top - top % _COLUMNS if once else 0, count, _COLUMNS):
            right = min(left + _COLUMNS, count)
            shape = (bottom - top, right - left)
            size = shape[0] * shape[1]
            np.bitwise_xor(
                low_query[top:bottom, None],
                low_target[None, left:right],
                out=differing[:size].reshape(shape),
            )
            np.bitwise_count(differing[:size], out=counted[:size])
            np.less_equal(counted[:size], LOW_RADIUS, out=near[:size])
            flat = np.flatnonzero(
                near[:size]
            )  # of two dimensions it would take thirty times as long
            if not len(flat):
                continue
            i, j = flat // shape[1] + top, flat % shape[1] + left
            keep = (i < j) if once else (i != j)
            i, j = i[keep], j[keep]
            bits = np.bitwise_count(query_NW[i] ^ target_NW[j]).sum(1, dtype=np.int64)
            keep = bits <= RADIUS
            if keep.any():
                i, j = i[keep], j[keep]
                yield np.minimum(i, j), np.maximum(i, j), bits[keep]


def _nearest(rows_M4: npt.NDArray[np.int64]) -> Candidates:
    """Each pair once for each hand, with its smallest distance; the nearest pairs first."""
    first, second, mirrored, distance = rows_M4.T
    order = np.lexsort((distance, mirrored, second, first))
    rows_M4 = rows_M4[order]
    new = np.ones(len(rows_M4), bool)
    new[1:] = (rows_M4[1:, :3] != rows_M4[:-1, :3]).any(1)
    first, second, mirrored, distance = rows_M4[new].T
    order = np.lexsort((mirrored, second, first, distance))
    return Candidates(first[order], second[order], mirrored[order] > 0, distance[order])
