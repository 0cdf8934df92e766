"""The search through hashes, against every pair looked at one by one."""

import itertools

import numpy as np
import pytest

from hpemap_mm.completion.duplicates import search
from hpemap_mm.completion.duplicates.groups import Groups
from hpemap_mm.completion.duplicates.search import LOW_RADIUS, RADIUS, find_candidates

WHOLE, CENTRE, MIRRORED = range(3)


def distance(a, b) -> tuple[int, int]:
    """Of the first 64 bits, and of all."""
    differ = np.bitwise_count(a ^ b)
    return int(differ[:8].sum()), int(differ.sum())


def by_hand(bits) -> dict[tuple[int, int, bool], int]:
    found = {}
    for i, j in itertools.combinations(range(len(bits)), 2):
        ways = {
            False: [(i, WHOLE, j, WHOLE), (i, WHOLE, j, CENTRE), (j, WHOLE, i, CENTRE)],
            True: [(i, MIRRORED, j, WHOLE), (i, MIRRORED, j, CENTRE), (j, MIRRORED, i, CENTRE)],
        }
        for mirrored, views in ways.items():
            distances = [distance(bits[a, v], bits[b, w]) for a, v, b, w in views]
            near = [every for low, every in distances if low <= LOW_RADIUS and every <= RADIUS]
            if near:
                found[i, j, mirrored] = min(near)
    return found


def near_copies(rng, count: int) -> np.ndarray:
    """Hashes of which some differ from others in a few bits, in any of their views."""
    bits = rng.integers(0, 256, (count, 3, 32), np.uint8)
    for k in range(1, count, 3):
        source, (mine, other) = rng.integers(k), rng.choice(3, 2)
        flips = rng.random(256) < rng.uniform(0.05, 0.45)
        bits[k, mine] = bits[source, other] ^ np.packbits(flips)
    return bits


@pytest.mark.parametrize('workers', [1, 2])
def test_it_finds_what_a_search_by_hand_finds(monkeypatch, workers):
    # Blocks and tasks smaller than the hashes are many, and no divisors of it.
    for name, value in (('_ROWS', 7), ('_COLUMNS', 16), ('_ROWS_PER_TASK', 21)):
        monkeypatch.setattr(search, name, value)
    bits = near_copies(np.random.default_rng(0), 120)
    expected = by_hand(bits)
    told = []

    found = find_candidates(bits, workers=workers, progress=lambda *args: told.append(args))

    columns = (found.first, found.second, found.mirrored, found.distance)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert {(i, j, m): d for i, j, m, d in rows} == expected
    assert len(rows) == len(expected) > 8
    assert {m for _, _, m, _ in rows} == {False, True}
    assert [row[3] for row in rows] == sorted(expected.values())
    assert told[-1] == (120, 120)


def test_the_radii_are_the_largest_distances_that_are_found():
    bits = np.random.default_rng(1).integers(0, 256, (4, 3, 32), np.uint8)

    def flipped(low: int, high: int) -> np.ndarray:
        flips = np.zeros(256, bool)
        flips[:low] = flips[256 - high :] = True
        return bits[0, WHOLE] ^ np.packbits(flips)

    bits[1, WHOLE] = flipped(LOW_RADIUS, RADIUS - LOW_RADIUS)
    bits[2, WHOLE] = flipped(LOW_RADIUS + 1, 0)
    bits[3, WHOLE] = flipped(LOW_RADIUS, RADIUS - LOW_RADIUS + 1)

    found = find_candidates(bits)

    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert (0, 1) in pairs
    assert (0, 2) not in pairs
    assert (0, 3) not in pairs


@pytest.mark.parametrize('count', [0, 1])
def test_few_hashes_have_no_pairs(count):
    assert len(find_candidates(np.zeros((count, 3, 32), np.uint8))) == 0


def test_hashes_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r'\(N, 3, 32\), got \(5, 32\)'):
        find_candidates(np.zeros((5, 32), np.uint8))


def test_groups_are_what_is_joined():
    groups = Groups(6)
    assert not groups.together(1, 4)
    groups.join(4, 1)
    groups.join(5, 4)
    groups.join(0, 2)
    groups.join(2, 0)
    assert groups.together(1, 5)
    assert not groups.together(0, 1)
    assert groups.members() == [[0, 2], [1, 4, 5], [3]]
