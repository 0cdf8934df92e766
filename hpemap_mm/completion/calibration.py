"""How far a model's predictions are from what annotators say, by joint and score.

Dimensions: N persons, K joints of a skeleton, B bins of the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from hpemap_mm.completion.anchoring import ErrorField
from hpemap_mm.completion.candidates import PersonBatch, Predicted
from hpemap_mm.completion.links import (
    ALONE,
    LEAST,
    MEDIAN_RADIUS,
    Link,
    Part,
    fit_links,
    residuals,
)
from hpemap_mm.skeletons import Skeleton, get_skeleton

Array = npt.NDArray[np.floating]

BINS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadCalibration:
    """The errors of a model in one skeleton.

    Attributes:
        skeleton: Its name.
        scores: (B,) ascending: middles of bins of the score.
        scales: (B,) standard deviation by score, not increasing, in sizes of the person.
        gains: (K,) factor of each joint on it.
        count: Annotated joints that it rests on.
    """

    skeleton: str
    scores: Array
    scales: Array
    gains: Array
    count: int

    def stds(self, scores_NK: Array) -> Array:
        """(N, K) standard deviations, in sizes; NaN where the score is."""
        return np.interp(scores_NK, self.scores, self.scales) * self.gains

    @classmethod
    def fit(cls, skeleton: Skeleton, errors_NK: Array, scores_NK: Array) -> Self:
        """Fit to distances in sizes, NaN where there is no annotation.

        Raises:
            ValueError: Fewer than :data:`LEAST` errors.
        """
        there = np.isfinite(errors_NK) & np.isfinite(scores_NK)
        if there.sum() < LEAST:
            raise ValueError(
                f'{there.sum()} annotated joints of {skeleton.name} with a prediction: '
                f'at least {LEAST} are needed'
            )
        whole = np.median(errors_NK[there])
        gains = np.ones(len(skeleton))
        # A joint and its mirror image share their factor.
        for joint, mirrored in enumerate(skeleton.flip_indices):
            pair = sorted({joint, int(mirrored)})
            own = errors_NK[:, pair][there[:, pair]]
            if len(own) >= LEAST:
                gains[joint] = np.median(own) / whole
        relative = (errors_NK / gains)[there] / MEDIAN_RADIUS
        order = np.argsort(scores_NK[there], kind='stable')
        bins = max(1, min(BINS, len(order) // LEAST))
        parts = np.array_split(order, bins)
        given = scores_NK[there]
        middles = np.array([np.median(given[part]) for part in parts])
        medians = np.array([np.median(relative[part]) for part in parts])
        falling = isotonic_regression(medians, increasing=False).x
        # Scores may repeat, as of a detector that gives 1 to all.
        middles, first = np.unique(middles, return_index=True)
        return cls(
            skeleton=skeleton.name,
            scores=middles,
            scales=np.maximum(falling[first], 1e-4),
            gains=gains,
            count=int(there.sum()),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionCalibration:
    """The errors of a model, in each of its skeletons, and how they go together.

    Attributes:
        heads: By name of the skeleton.
        links: By the skeleton of an annotation and that of the prediction. Where there is none,
            the annotation says nothing of the prediction.
    """

    heads: Mapping[str, HeadCalibration]
    links: Mapping[str, Mapping[str, Link]] = field(default_factory=dict)

    @classmethod
    def fit(cls, parts: Sequence[Part]) -> Self:
        """Fit to persons that the model was not trained on.

        Args:
            parts: Annotated persons, and what the model says of them, by skeleton's name: in their
                own skeleton, without which they are passed over, and in others.

        Raises:
            ValueError: Annotations are too few; names the skeleton.
        """
        by_skeleton: dict[str, list[tuple[PersonBatch, Predicted]]] = {}
        for batch, given in parts:
            name = batch.skeleton.name
            if name in given:
                by_skeleton.setdefault(name, []).append((batch, given[name]))
        if not by_skeleton:
            raise ValueError('nothing to calibrate on')
        heads = {}
        for name, own in by_skeleton.items():
            errors = np.concatenate([np.linalg.norm(residuals(*one), axis=-1) for one in own])
            scores = np.concatenate([predicted.scores for _, predicted in own])
            heads[name] = HeadCalibration.fit(get_skeleton(name), errors, scores)
        return cls(heads=heads, links=fit_links(parts, heads))

    def estimate(
        self, batch: PersonBatch, wanted: Predicted, own: Predicted | None
    ) -> tuple[Array, Array]:
        """Anchored predictions: the errors on annotated joints correct those of the others.

        Args:
            batch: The persons.
            wanted: What the model says in a skeleton that it was calibrated in.
            own: What it says in the annotation's skeleton, if anything.

        Returns:
            Points (N, K, 2) and standard deviations (N, K), px; NaN where there is no prediction.
        """
        sizes = batch.sizes[:, None]
        annotated, asked = batch.skeleton.name, wanted.skeleton.name
        link = self.links.get(annotated, {}).get(asked, ALONE)
        points, stds = wanted.keypoints, self.heads[asked].stds(wanted.scores)
        if own is not None and annotated in self.heads and link.field.share:
            off = residuals(batch, own)
            there = np.all(np.isfinite(off), axis=-1)
            answered = np.isfinite(wanted.keypoints).all(-1) & np.isfinite(stds)
            shift, left = link.field.anchored(
                np.nan_to_num(wanted.keypoints / sizes[..., None]),
                np.where(answered, stds, 1.0),
                np.nan_to_num(own.keypoints / sizes[..., None]),
                np.where(there, self.heads[annotated].stds(np.nan_to_num(own.scores)), np.inf),
                np.where(there[..., None], off, 0.0),
            )
            points = points + shift * sizes[..., None]
            stds = np.where(answered, left, np.nan)
        return points, stds * link.gain * sizes

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            'links': {
                annotated: {
                    wanted: {
                        'share': link.field.share,
                        'reach': link.field.reach,
                        'gain': link.gain,
                    }
                    for wanted, link in by_wanted.items()
                }
                for annotated, by_wanted in self.links.items()
            },
            'heads': {
                name: {
                    'scores': head.scores.tolist(),
                    'scales': head.scales.tolist(),
                    'gains': head.gains.tolist(),
                    'count': head.count,
                }
                for name, head in self.heads.items()
            },
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` gave.

        Raises:
            ValueError: It is something else.
        """
        try:
            heads = {
                name: HeadCalibration(
                    skeleton=name,
                    scores=np.array(head['scores'], float),
                    scales=np.array(head['scales'], float),
                    gains=np.array(head['gains'], float),
                    count=int(head['count']),
                )
                for name, head in value['heads'].items()
            }
            links = {
                annotated: {
                    wanted: Link(
                        field=ErrorField(share=float(link['share']), reach=float(link['reach'])),
                        gain=float(link['gain']),
                    )
                    for wanted, link in by_wanted.items()
                }
                for annotated, by_wanted in value['links'].items()
            }
            return cls(heads=heads, links=links)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f'no calibration of predictions: {error!r}') from error
