"""Figures with intervals: what a metric says of one cell of the matrix.

Dimensions: N annotated persons, K joints, I images, B bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpemap_mm.evaluation.bootstrap import image_sums, ratio_interval
from hpemap_mm.persons.arrays import Array, BoolArray, IntArray

NAN = float('nan')


@dataclass(frozen=True, kw_only=True)
class JointFigure:
    """A metric of one joint: its value, 95% interval, and on how many joints it rests."""

    value: float
    low: float
    high: float
    joints: int


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A metric of one cell.

    Attributes:
        value: In [0, 1]; NaN where nothing could be scored.
        low: Lower end of the 95% bootstrap interval over images; NaN where there is none.
        high: Upper end.
        joints: Joints that were scored.
        instances: Persons with at least one scored joint.
        per_joint: The same by joint; empty for metrics of whole persons, as AP.
        by_relation: The value over the joints of one relation only, by relation.
    """

    value: float
    low: float = NAN
    high: float = NAN
    joints: int = 0
    instances: int = 0
    per_joint: Mapping[str, JointFigure] = field(default_factory=dict)
    by_relation: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN as None."""
        return {
            'value': _number(self.value),
            'low': _number(self.low),
            'high': _number(self.high),
            'joints': self.joints,
            'instances': self.instances,
            'by_relation': {k: _number(v) for k, v in self.by_relation.items()},
            'per_joint': {
                joint: {
                    'value': _number(figure.value),
                    'low': _number(figure.low),
                    'high': _number(figure.high),
                    'joints': figure.joints,
                }
                for joint, figure in self.per_joint.items()
            },
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Credit:
    """What each scored joint earned, from which figures follow.

    Attributes:
        earned: (N, K) in [0, 1].
        scored: (N, K): joints that were scored.
        counted: (K,): joints that count in the mean (MPII's protocol leaves two out).
    """

    earned: Array
    scored: BoolArray
    counted: BoolArray


def figure_of(
    credit: Credit,
    *,
    joints: Sequence[str],
    image_ids: IntArray,
    images: IntArray,
    weights: Array | None,
    relations: Sequence[str],
) -> Figure:
    """Mean credit of the scored joints, with a bootstrap over images.

    Args:
        credit: What was earned.
        joints: The K joints' names.
        image_ids: (N,) the persons' images.
        images: (I,) ids of all images.
        weights: (B, I) how often each image was drawn; None for no intervals.
        relations: (K,) relation of each joint; the value is also told by relation.
    """
    scored = credit.scored.astype(np.float64)
    earned = np.where(credit.scored, credit.earned, 0.0)
    counted = credit.counted
    low_K, high_K = np.full(len(joints), NAN), np.full(len(joints), NAN)
    low = high = NAN
    if weights is not None:
        earned_IK = image_sums(earned, image_ids, images)
        scored_IK = image_sums(scored, image_ids, images)
        low_K, high_K = ratio_interval(earned_IK, scored_IK, weights)
        ends = ratio_interval(earned_IK[:, counted].sum(1), scored_IK[:, counted].sum(1), weights)
        low, high = (float(end) for end in ends)
    totals = scored.sum(0)
    kinds = np.asarray(relations, object)
    return Figure(
        value=_ratio(earned[:, counted].sum(), scored[:, counted].sum()),
        low=low,
        high=high,
        joints=int(totals[counted].sum()),
        instances=int(credit.scored[:, counted].any(1).sum()),
        per_joint={
            joint: JointFigure(
                value=_ratio(earned[:, k].sum(), totals[k]),
                low=float(low_K[k]),
                high=float(high_K[k]),
                joints=int(totals[k]),
            )
            for k, joint in enumerate(joints)
            if totals[k]
        },
        by_relation={
            kind: _ratio(earned[:, of_kind].sum(), scored[:, of_kind].sum())
            for kind in dict.fromkeys(relations)
            if (of_kind := (kinds == kind) & counted).any() and scored[:, of_kind].any()
        },
    )


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else NAN


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
