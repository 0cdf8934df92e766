"""Which wrong flip pairs in a flip test would mix just the joints that are mixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpemap_mm.persons.arrays import Representation
from hpemap_mm.skeletons import get_skeleton, list_skeletons

#: Pairs that are mixed: (place of the joint, place of the other one, sign).
Seen = set[tuple[int, int, str]]
#: By pair of places, for those that could be judged: (rate, persons looked at).
Rates = dict[tuple[int, int], tuple[float, int]]
#: Share of the pairs that a cause would mix which must have been found.
MOST = 0.75


@dataclass(frozen=True)
class Cause:
    """What would mix just these joints.

    Attributes:
        text: In words.
        skeleton: The skeleton whose flip pairs it would take; empty for another cause.
        explained: Share of the pairs found that it explains.
        found: Share of the joints that it would mix, of those where that could be seen here, that
            were found.
        joints: All joints that it would mix, those too where it could not be seen here.
    """

    text: str
    skeleton: str
    explained: float
    found: float
    joints: tuple[str, ...]


def mixed_by_flips(representation: Representation, flips: npt.ArrayLike) -> dict[int, int]:
    """Joint -> the other joint that its heat map is averaged with, by wrong flip indices.

    In the mirrored image channel ``c`` answers for the person's ``own[c]``, where ``own`` are
    the right flip indices. So a flip test that adds channel ``flips[j]`` to channel ``j`` adds
    joint ``own[flips[j]]``.

    Args:
        representation: Of the predictions.
        flips: Flip indices that were used; where they are fewer, the channels beyond stay in
            place; where one points beyond the channels, the channel stays in place too.
    """
    own = np.asarray(representation.flip_indices)
    used = np.arange(len(own))
    given = np.asarray(flips)[: len(own)]
    used[: len(given)] = np.where(given < len(own), given, used[: len(given)])
    return {j: int(own[used[j]]) for j in range(len(own)) if own[used[j]] != j}


def likely_cause(
    representation: Representation, seen: Seen, rates: Mapping[str, Rates]
) -> Cause | None:
    """The wrong flip pairs that explain all that was seen, and of which most was seen.

    Tried are the flip pairs of every known skeleton, and no exchange of just the joints that are
    mixed with their opposite ones.

    Args:
        representation: Of the predictions.
        seen: What is mixed; at least one pair.
        rates: By sign, the pairs that could be judged.
    """
    names = representation.joints
    candidates = []
    for name in list_skeletons():
        mixes = mixed_by_flips(representation, get_skeleton(name).flip_indices)
        text = f"as if {name}'s flip pairs were used in the flip test"
        candidates.append(_candidate(text, name, mixes, seen, rates, names))
    flips = np.asarray(representation.flip_indices)
    # Both sides then get the same average, so they coincide. Sides that are merely confused by
    # the network land on each other, each on its own.
    if all(flips[a] == b and (min(a, b), max(a, b), 'coincides') in seen for a, b, _ in seen):
        mixes = {j: int(flips[j]) for a, b, _ in seen for j in (a, b)}
        text = 'as if the flip test averaged their left and right without exchanging them'
        candidates.append(_candidate(text, '', mixes, seen, rates, names))
    whole = [c for c in candidates if c.explained == 1.0 and c.found >= MOST]
    return max(whole, key=lambda c: (c.found, not c.skeleton), default=None)


def _candidate(
    text: str,
    skeleton: str,
    mixes: dict[int, int],
    seen: Seen,
    rates: Mapping[str, Rates],
    names: tuple[str, ...],
) -> Cause:
    """How well a wrong averaging explains what was seen."""

    def signs(a: int, b: int) -> Iterator[tuple[int, int, str]]:
        """How it shows that joint a's map is averaged with b's, as far as could be judged."""
        low, high = min(a, b), max(a, b)
        if (a, b) in rates['lands on']:
            yield a, b, 'lands on'
        if (low, high) in rates['coincides']:
            yield low, high, 'coincides'

    explained = {sign for a, b in mixes.items() for sign in signs(a, b)}
    # Two joints that are averaged with each other become one point. Where b is averaged with a
    # third one, a and b coincide only where both happen to be taken at b: that may not show.
    due = [
        {sign for sign in signs(a, b) if sign[2] == 'lands on' or mixes.get(b) == a}
        for a, b in mixes.items()
    ]
    due = [shown for shown in due if shown]
    return Cause(
        text=text,
        skeleton=skeleton,
        explained=len(seen & explained) / len(seen),
        found=sum(bool(shown & seen) for shown in due) / len(due) if due else 0.0,
        joints=tuple(names[j] for j in sorted(mixes)),
    )
