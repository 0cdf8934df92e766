"""Which person of one file is which person of another: by rows, by ids, or by position.

Dimensions: A persons of the source, B persons of the target, N pairs, C joints in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from hpemap_mm.errors import DataError, Problem
from hpemap_mm.persons.arrays import Array, BoolArray, IntArray
from hpemap_mm.skeletons import Skeleton, correspondences
from hpemap_mm.translators.sides import Persons

#: Something for each person that is equal where the image is: names or ids.
Keys = npt.NDArray[Any]
How = Literal['rows', 'ids', 'position']
HOWS: tuple[How, ...] = ('rows', 'ids', 'position')
#: Mean distance of common joints, in sizes of the person, up to which two persons may be one.
TOLERANCE = 0.25
#: Joints in common without which the distance of two persons is not known.
LEAST_COMMON = 3
#: A pair is sure if the best assignment without it costs more by this share of its distance ...
SURE_SHARE = 0.5
#: ... and by this many sizes, the precision of hand-made labels.
SURE_SIZES = 0.01
#: Median distance, in sizes, above which pairs by rows or ids cannot be the same persons.
FAR_APART = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Matching:
    """How the persons of two files were found to be the same.

    Attributes:
        how: ``'rows'``, ``'ids'`` or ``'position'``.
        sources: Persons in the source's file.
        targets: Persons in the target's file.
        source_rows: (N,) rows of the pairs' persons in the source's file.
        target_rows: (N,) the same in the target's; increasing.
        distances: (N,) mean distance of the joints in common, in sizes of the person; NaN where
            it is not known.
        tolerance: The largest distance allowed, where positions were matched.
        ambiguous: Pairs within the tolerance that were refused as another assignment is almost
            as good.
        crowd: Pairs left out as one side is a crowd region.
        empty: Pairs left out as one side has no joint.
    """

    how: How
    sources: int
    targets: int
    source_rows: IntArray
    target_rows: IntArray
    distances: Array
    tolerance: float | None = None
    ambiguous: int = 0
    crowd: int = 0
    empty: int = 0

    def __len__(self) -> int:
        return len(self.target_rows)

    @property
    def only_source(self) -> int:
        """Persons of the source without a pair, for whatever reason."""
        return self.sources - len(self)

    @property
    def only_target(self) -> int:
        """Persons of the target without a pair, for whatever reason."""
        return self.targets - len(self)

    def __str__(self) -> str:
        how = self.how if self.tolerance is None else f'{self.how}, tolerance {self.tolerance:g}'
        text = f'{len(self):,} pairs of {self.sources:,} and {self.targets:,} persons ({how})'
        reasons = ((self.ambiguous, 'ambiguous'), (self.crowd, 'crowds'), (self.empty, 'no joints'))
        left = ', '.join(f'{count:,} {reason}' for count, reason in reasons if count)
        if self.only_source or self.only_target:
            text += f'; without a partner: {self.only_source:,} and {self.only_target:,}'
        return f'{text}; of these left out: {left}' if left else text


def match_persons(
    source: Persons, target: Persons, *, how: str = 'rows', tolerance: float = TOLERANCE
) -> Matching:
    """Find the persons that two files have in common.

    - ``'rows'``: person i of one file is person i of the other.
    - ``'ids'``: the persons' ids are the same.
    - ``'position'``: persons of the same image whose joints lie close to each other. The distance
      is the mean over the joints that the ontology says are the same and both sides have (three at
      least), over the person's size: the root of the target's area, or where that is unknown half
      the diagonal of the joints' extent (the larger side's). In each image the assignment with the
      least sum is taken, where persons who stay alone cost the tolerance. A pair is refused as
      ambiguous where the best assignment without it gives one of its persons another partner and
      costs more by less than half the pair's distance, or less than 0.01 sizes.
      Images are the same where their file names are (folders apart), if both files have names and
      any agree; otherwise where their ids are.

    Raises:
        DataError: The files cannot be matched so, or have no person in common; or pairs by rows or
            ids lie so far apart that they cannot be the same persons.
        ValueError: ``how`` is unknown, or the tolerance is not positive.
    """
    if how not in HOWS:
        raise ValueError(f'match is one of {HOWS}, got {how!r}')
    if not 0 < tolerance < np.inf:
        raise ValueError(f'tolerance is a positive number of sizes, got {tolerance!r}')
    common = common_joints(source.skeleton, target.skeleton)
    if how == 'position':
        return _by_position(source, target, common, tolerance)
    rows = _by_rows(source, target) if how == 'rows' else _by_ids(source, target)
    distances = _row_distances(source, target, common, rows)
    known = distances[~np.isnan(distances)]
    if len(known) and np.median(known) > FAR_APART:
        what = (
            f'pairs lie far from those of {target.source}: {np.median(known):.2g} times a '
            "person's size in the median"
        )
        fix = 'are these the same persons, in the same order and frame?'
        raise DataError([Problem(source.source, what, fix)])
    return _matching(source, target, 'rows' if how == 'rows' else 'ids', rows, distances)


def common_joints(source: Skeleton, target: Skeleton) -> IntArray:
    """(C, 2): indices in source and target of the joints that are the same by the ontology."""
    records = correspondences(source, target, near=False, derived=False)
    pairs = [(r.sources[0], place) for place, r in enumerate(records) if r.relation == 'same']
    return np.array(pairs, np.int64).reshape(-1, 2)


def _by_rows(source: Persons, target: Persons) -> tuple[IntArray, IntArray]:
    if len(source) != len(target):
        what = f'has {len(source)} persons, but {target.source} has {len(target)}'
        fix = "write one row for each person of the other file, or match by 'ids' or 'position'"
        raise DataError([Problem(source.source, what, fix)])
    rows = np.arange(len(target))
    return rows, rows


def _by_ids(source: Persons, target: Persons) -> tuple[IntArray, IntArray]:
    for side in (source, target):
        if side.ids is None:
            fix = "save the persons' 'ids', or match by 'rows' or 'position'"
            raise DataError([Problem(side.source, 'has no ids of persons', fix)])
    assert source.ids is not None and target.ids is not None
    found, of_source, of_target = np.intersect1d(source.ids, target.ids, return_indices=True)
    if not len(found):
        what = f'has no id in common with {target.source}'
        raise DataError([Problem(source.source, what, "match by 'rows' or 'position'")])
    order = np.argsort(of_target)
    return of_source[order], of_target[order]


def _by_position(source: Persons, target: Persons, common: IntArray, tolerance: float) -> Matching:
    if len(common) < LEAST_COMMON:
        what = f'{source.skeleton.name} and {target.skeleton.name} share {len(common)} joints'
        raise DataError([Problem(source.source, what, "match by 'rows' or 'ids'")])
    keys_A, keys_B = _image_keys(source, target)
    ends = source.keypoints[:, common[:, 0]], target.keypoints[:, common[:, 1]]
    sizes_A, sizes_B = _extents(source.keypoints), _extents(target.keypoints)
    areas = np.full(len(target), np.nan) if target.truth is None else target.truth.areas
    known = np.sqrt(np.where(areas > 0, areas, np.nan))
    of_source, of_target = _by_image(keys_A), _by_image(keys_B)
    rows: list[tuple[int, int, float]] = []
    ambiguous = 0
    for image, a in of_source.items():
        b = of_target.get(image)
        if b is None:
            continue
        sizes = np.maximum(sizes_A[a][:, None], sizes_B[b])
        sizes = np.where(np.isnan(known[b]), sizes, known[b])
        costs = _distances(ends[0][a][:, None], ends[1][b][None], sizes)
        pairs, refused = assign(costs, tolerance)
        rows += [(int(a[i]), int(b[j]), float(costs[i, j])) for i, j in pairs]
        ambiguous += refused
    if not rows:
        what = f'has no person in common with {target.source} within {tolerance:g} sizes'
        fix = f'check images and bases of both files ({ambiguous} pairs were ambiguous)'
        raise DataError([Problem(source.source, what, fix)])
    rows.sort(key=lambda row: row[1])
    left, right, distances = zip(*rows, strict=True)
    return _matching(
        source,
        target,
        'position',
        (np.array(left), np.array(right)),
        np.array(distances),
        tolerance=tolerance,
        ambiguous=ambiguous,
    )


def assign(costs_AB: Array, tolerance: float) -> tuple[list[tuple[int, int]], int]:
    """The sure pairs of one image, and the number of those refused as ambiguous.

    Args:
        costs_AB: Distances; NaN where they are not known.
        tolerance: The largest distance of a pair, and what a person without one costs.
    """
    possible = costs_AB <= tolerance  # NaN is not
    if not possible.any():
        return [], 0
    costs = np.where(possible, costs_AB, tolerance)
    left, right = linear_sum_assignment(costs)
    total = costs[left, right].sum()
    pairs, refused = [], 0
    for i, j in zip(left.tolist(), right.tolist(), strict=True):
        if not possible[i, j]:
            continue
        rivals = possible[i].sum() + possible[:, j].sum() - 2
        if rivals and _is_ambiguous(costs, possible, total, i, j, tolerance):
            refused += 1
        else:
            pairs.append((i, j))
    return pairs, refused


def _is_ambiguous(
    costs: Array, possible: BoolArray, total: float, i: int, j: int, tolerance: float
) -> bool:
    """Whether the best assignment without the pair (i, j) is almost as good."""
    without = costs.copy()
    without[i, j] = tolerance
    left, right = linear_sum_assignment(without)
    used = possible[left, right] & ~((left == i) & (right == j))
    if not np.any(used & ((left == i) | (right == j))):
        return False  # its persons would stay alone: they have no other partner
    margin = max(SURE_SHARE * costs[i, j], SURE_SIZES)
    return bool(without[left, right].sum() - total < margin)


def _image_keys(source: Persons, target: Persons) -> tuple[Keys, Keys]:
    """Something for each person that is equal where the image is."""
    names = [_names(side) for side in (source, target)]
    if names[0] is not None and names[1] is not None and np.isin(names[0], names[1]).any():
        return names[0], names[1]
    for side in (source, target):
        if side.image_ids is None:
            fix = "add the persons' image ids, or match by 'rows' or 'ids'"
            raise DataError([Problem(side.source, 'does not say which image a person is in', fix)])
    assert source.image_ids is not None and target.image_ids is not None
    return source.image_ids, target.image_ids


def _names(side: Persons) -> Keys | None:
    """(N,) file names without folders; None where some are unknown, or not unique."""
    if side.image_ids is None:
        return None
    images = set(side.image_ids.tolist())
    known = {i: PurePosixPath(name).name for i, name in side.image_names.items() if i in images}
    if len(known) < len(images) or len(set(known.values())) < len(images):
        return None
    return np.array([known[image] for image in side.image_ids.tolist()])


def _by_image(keys: Keys) -> Mapping[object, IntArray]:
    """The rows of each image."""
    unique, inverse = np.unique(keys, return_inverse=True)
    order = np.argsort(inverse, kind='stable')
    starts = np.searchsorted(inverse[order], np.arange(len(unique)))
    return dict(zip(unique.tolist(), np.split(order, starts[1:]), strict=True))


def _extents(points: Array) -> Array:
    """(N,) half the diagonal of the joints' extent; 0 without joints."""
    low, high = np.fmin.reduce(points, axis=1), np.fmax.reduce(points, axis=1)
    return np.nan_to_num(np.hypot(*(high - low).T) / 2, nan=0.0)


def there(points: Array) -> BoolArray:
    """Which of (..., 2) points are known; (...)."""
    return ~(np.isnan(points[..., 0]) | np.isnan(points[..., 1]))


def _distances(ours: Array, theirs: Array, sizes: Array) -> Array:
    """Mean distances of (..., C, 2) points, in sizes (...); NaN where too few joints are known."""
    apart = np.hypot(ours[..., 0] - theirs[..., 0], ours[..., 1] - theirs[..., 1])
    both = ~np.isnan(apart)
    count = both.sum(-1)
    with np.errstate(invalid='ignore', divide='ignore'):
        mean = np.where(both, apart, 0.0).sum(-1) / count / sizes
    return np.where((count >= LEAST_COMMON) & (sizes > 0), mean, np.nan)


def _row_distances(
    source: Persons, target: Persons, common: IntArray, rows: tuple[IntArray, IntArray]
) -> Array:
    """(N,) distances of pairs that are known."""
    left, right = rows
    if source is target:
        return np.zeros(len(left))
    sizes = np.maximum(_extents(source.keypoints)[left], _extents(target.keypoints)[right])
    if target.truth is not None:
        areas = target.truth.areas[right]
        sizes = np.where(areas > 0, np.sqrt(np.where(areas > 0, areas, 1.0)), sizes)
    ours, theirs = source.keypoints[left], target.keypoints[right]
    return _distances(ours[:, common[:, 0]], theirs[:, common[:, 1]], sizes)


def _matching(
    source: Persons,
    target: Persons,
    how: How,
    rows: tuple[IntArray, IntArray],
    distances: Array,
    *,
    tolerance: float | None = None,
    ambiguous: int = 0,
) -> Matching:
    """Leave out crowds and persons without joints."""
    left, right = rows
    crowd = np.zeros(len(left), bool)
    empty = np.zeros(len(left), bool)
    for side, chosen in ((source, left), (target, right)):
        empty |= ~there(side.keypoints[chosen]).any(1)
        if side.truth is not None:
            crowd |= side.truth.crowd[chosen]
    empty &= ~crowd
    keep = ~(crowd | empty)
    return Matching(
        how=how,
        sources=len(source),
        targets=len(target),
        source_rows=left[keep],
        target_rows=right[keep],
        distances=distances[keep],
        tolerance=tolerance,
        ambiguous=ambiguous,
        crowd=int(crowd.sum()),
        empty=int(empty.sum()),
    )
