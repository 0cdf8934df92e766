"""What files of tools/complete_dataset.py say of each joint besides its place.

Dimensions: N rows, K joints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.arrays import Array
from hpemap_mm.persons.files.rows import RowProblems, show
from hpemap_mm.persons.interchange.ledger import Ledger
from hpemap_mm.persons.interchange.people import Codes, People

#: Key of our own remarks in a json's ``info``, and in a data.yaml.
OURS = 'hpemap_mm'
STDS, PROVENANCE = 'keypoints_std', 'keypoints_provenance'


def read_stds(
    rows: Sequence[Mapping[str, Any]], joints: int, problems: RowProblems
) -> Array | None:
    """(N, K) px, NaN where null or not said; None where no row says."""
    if not any(STDS in row for row in rows):
        return None
    table = np.full((len(rows), joints), np.nan)
    for i, row in enumerate(rows):
        values = row.get(STDS)
        if values is None:
            continue
        good = type(values) is list and len(values) == joints
        if not good or not all(v is None or (type(v) in (int, float) and v >= 0) for v in values):
            fix = f'write px or null for each of the {joints} joints'
            problems.add(i, f'{STDS!r} is {show(values)}', fix)
            continue
        table[i] = [np.nan if value is None else value for value in values]
    return table


def read_provenance(
    rows: Sequence[Mapping[str, Any]], joints: int, names: Sequence[str], problems: RowProblems
) -> Codes | None:
    """(N, K) codes, 0 where not said; None where no row says."""
    if not any(PROVENANCE in row for row in rows):
        return None
    table = np.zeros((len(rows), joints), np.uint8)
    most = len(names) or 256  # codes without names are kept as they are
    for i, row in enumerate(rows):
        codes = row.get(PROVENANCE)
        if codes is None:
            continue
        good = type(codes) is list and len(codes) == joints
        if not good or not all(type(code) is int and 0 <= code < most for code in codes):
            fix = f'write a code below {most} for each of the {joints} joints'
            problems.add(i, f'{PROVENANCE!r} is {show(codes)}', fix)
            continue
        table[i] = codes
    return table


def names_of(info: Any) -> tuple[str, ...]:
    """Names of the codes of provenance, out of a json's ``info``; empty where it has none."""
    names = ours(info).get('provenance')
    good = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if good and isinstance(names, list) else ()


def ours(info: Any) -> Mapping[str, Any]:
    """Our own remarks in a json's ``info`` or a data.yaml."""
    own = info.get(OURS) if isinstance(info, Mapping) else None
    return own if isinstance(own, Mapping) else {}


class Chosen:
    """Takes away the joints that come from elsewhere than asked.

    Args:
        names: Provenances to keep; empty keeps everything.
        known: Names of the dataset's codes.
        path: The dataset, for messages.
        ledger: Where what was taken away is counted.

    Raises:
        DataError: The dataset does not say where its joints come from, or has no such name.
    """

    def __init__(
        self, names: Sequence[str], *, known: Sequence[str], path: str, ledger: Ledger
    ) -> None:
        self._path, self._known, self._ledger = path, tuple(known), ledger
        self._wanted: tuple[int, ...] | None = None
        if not names:
            return
        if not known:
            what = 'does not say where its joints come from (info.hpemap_mm.provenance)'
            raise DataError([Problem(path, what, 'leave out --provenance')])
        unknown = [name for name in names if name not in known]
        if unknown:
            choices = f'choose from {", ".join(known)}'
            raise DataError([Problem(path, f'has no provenance {unknown[0]!r}', choices)])
        self._wanted = tuple(known.index(name) for name in names)

    def __call__(self, people: People) -> People:
        """The persons, labelled where asked."""
        if self._wanted is None:
            return people
        if people.provenance is None:
            where = f'{self._path}: annotation {people.first}'
            what = f'and those after it have no {PROVENANCE!r}'
            raise DataError([Problem(where, what, 'leave out --provenance')])
        other = people.labelled & ~np.isin(people.provenance, self._wanted)
        for code in np.unique(people.provenance[other]):
            name = self._known[code]
            count = int((people.provenance[other] == code).sum())
            self._ledger.lost(count, 'joint', f'left out: {name}, which --provenance does not ask')
        return people.without(other)
