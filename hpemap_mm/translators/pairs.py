"""The same persons in two skeletons: what translators learn from and are scored on.

Dimensions: N persons, S joints of the source, D joints of the target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from mmengine.logging import MMLogger

from hpemap_mm.persons import Truth
from hpemap_mm.persons.arrays import Array
from hpemap_mm.skeletons import Skeleton
from hpemap_mm.translators.matching import FAR_APART, TOLERANCE, Matching, match_persons, there
from hpemap_mm.translators.sides import Persons, Side, read_side

__all__ = ['SAME', 'Pairs', 'Side', 'read_pairs']

#: As a target: the source's own truth, for what learns to reproduce its input.
SAME = 'same'


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """The same persons in two skeletons.

    Attributes:
        name: The target's name in results.
        source: Skeleton of the keypoints.
        keypoints: (N, S, 2) float64, 0-based px; NaN where missing.
        scores: (N, S) confidences, or None.
        target: The N persons in the target's skeleton, row for row.
        matching: How they were found, and what did not match (in the whole files; it stays as it
            is when persons are taken out).
        knows_images: Whether image ids tell images; if not, every person has one of its own.
        notes: What the files' readers had to say of whole files, each with its file.
    """

    name: str
    source: Skeleton
    keypoints: Array
    scores: Array | None
    target: Truth
    matching: Matching
    knows_images: bool = True
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.keypoints)

    @cached_property
    def target_points(self) -> Array:
        """(N, D, 2) float64; NaN where not annotated."""
        return np.where(self.target.valid[..., None], self.target.keypoints, np.nan)

    def take(self, rows: npt.ArrayLike) -> Self:
        """Some persons (indices or a mask)."""
        rows = np.asarray(rows)
        return replace(
            self,
            keypoints=self.keypoints[rows],
            scores=None if self.scores is None else self.scores[rows],
            target=self.target.take(rows),
        )

    def reversed(self) -> Self:
        """The roles exchanged: the truth is the source, and the former source is the target.

        All of the former source's joints count as annotated (but those that are missing). Ids,
        images, boxes, areas and head sizes stay those of the truth.
        """
        known = there(self.keypoints)
        target = replace(
            self.target,
            skeleton=self.source,
            keypoints=np.where(known[..., None], self.keypoints, 0.0),
            visible=np.where(known, 2, 0).astype(np.uint8),
        )
        return replace(
            self,
            source=self.target.skeleton,
            keypoints=self.target_points,
            scores=None,
            target=target,
        )


def read_pairs(
    source: Side | Mapping[str, Any],
    target: Side | Mapping[str, Any] | str | None,
    *,
    match: str = 'rows',
    tolerance: float = TOLERANCE,
    name: str | None = None,
) -> Pairs:
    """Read two files about the same persons; counts of what did not match go to the log.

    A target of predictions counts as annotated at all joints. What the target's file does not
    know of a person (image, box, area, head size) is taken from a truth as source.

    Args:
        source: See :class:`Side`.
        target: Likewise; None or ``'same'`` for the source itself, which must be a truth then.
        match: ``'rows'``, ``'ids'`` or ``'position'``: see
            :func:`hpemap_mm.translators.matching.match_persons`.
        tolerance: The largest distance of a pair in sizes of the person, for ``'position'``.
        name: In results; by default the target's file, without its suffix.

    Raises:
        DataError: With all problems found in a file, or if the files do not match.
        KeyError: A skeleton is unknown.
        ValueError: An argument is wrong.
    """
    side = Side.of(source)
    if target is None or target == SAME:
        if side.kind == 'predictions':
            raise ValueError('pairs of persons with themselves need a truth, not predictions')
        side = replace(side, kind='truth')
        left = right = read_side(side, role='target', match='rows')
        matching = match_persons(left, right, how='rows')
    elif isinstance(target, str):
        raise ValueError(f"target is a side, None or 'same'; got {target!r}")
    else:
        left = read_side(side, role='source', match=match)
        right = read_side(Side.of(target), role='target', match=match)
        matching = match_persons(left, right, how=match, tolerance=tolerance)
    files = (left,) if left is right else (left, right)
    pairs = Pairs(
        name=name or right.name,
        source=left.skeleton,
        keypoints=left.keypoints[matching.source_rows],
        scores=None if left.scores is None else left.scores[matching.source_rows],
        target=_target(left, right, matching, name or right.name),
        matching=matching,
        knows_images=left.image_ids is not None or right.image_ids is not None,
        notes=tuple(f'{Path(file.source).name}: {note}' for file in files for note in file.notes),
    )
    logger = MMLogger.get_current_instance()
    logger.info(f'{pairs.name} ({pairs.source.name} -> {pairs.target.skeleton.name}): {matching}')
    if apart := int((matching.distances > FAR_APART).sum()):
        logger.warning(f"{pairs.name}: {apart:,} pairs lie more than a person's size apart")
    for note in pairs.notes:
        logger.info(note)
    return pairs


def _target(source: Persons, target: Persons, matching: Matching, name: str) -> Truth:
    """The pairs' persons in the target's skeleton, with what the source knows of them."""
    left, right = matching.source_rows, matching.target_rows
    truth = target.truth
    if truth is None:
        known = there(target.keypoints)
        truth = Truth.build(
            name=name,
            skeleton=target.skeleton,
            keypoints=np.where(known[..., None], target.keypoints, 0.0),
            visible=np.where(known, 2, 0),
            ids=target.ids,
            image_ids=target.image_ids,
            source=target.source,
        )
    chosen = replace(truth.take(right), name=name)
    other = source.truth
    if target.image_ids is None and source.image_ids is not None:
        chosen = replace(
            chosen,
            image_ids=source.image_ids[left],
            images=np.unique(source.image_ids) if other is None else other.images,
            image_names=source.image_names,
        )
    if other is None:
        return chosen
    same = other.take(left)
    if target.truth is None and target.ids is None:
        chosen = replace(chosen, ids=same.ids)
    return replace(
        chosen,
        boxes=np.where(np.isnan(chosen.boxes), same.boxes, chosen.boxes),
        areas=np.where(np.isnan(chosen.areas), same.areas, chosen.areas),
        head_sizes=np.where(np.isnan(chosen.head_sizes), same.head_sizes, chosen.head_sizes),
    )
