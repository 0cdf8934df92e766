"""How far a model's predictions are from what annotators say, by joint and score.

Dimensions: N persons, K joints of a skeleton, B bins of the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from hpemap_mm.completion.anchoring import ErrorField
from hpemap_mm.completion.candidates import PersonBatch, Predicted
from hpemap_mm.skeletons import Skeleton, correspondences, get_skeleton

Array = npt.NDArray[np.floating]

#: Median distance to the centre of a Gaussian in the plane, in standard deviations of an axis.
MEDIAN_RADIUS = float(np.sqrt(2 * np.log(2)))
#: Errors with a prediction that a joint or a bin needs to have a figure of its own.
LEAST = 30
BINS = 10
_SHARES = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95)
_REACHES = (0.05, 0.1, 0.2, 0.4, 0.8)
#: Persons that the field is fitted on are taken in parts of so many.
_CHUNK = 512


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
        field: How errors at two places of one person go together; see :class:`ErrorField`.
        gain: Factor on anchored standard deviations, from joints that were left out.
        abroad: By the skeleton of an annotation and by the head's: another such factor, for what
            the head says of persons of the other dataset, on which it was neither trained nor
            calibrated. From joints that both skeletons share; at least 1, and 1 where it is not
            known.
    """

    heads: Mapping[str, HeadCalibration]
    field: ErrorField
    gain: float
    abroad: Mapping[str, Mapping[str, float]] = dataclass_field(default_factory=dict)

    @classmethod
    def fit(cls, parts: Sequence[tuple[PersonBatch, Mapping[str, Predicted]]]) -> Self:
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
        own_parts = [one for own in by_skeleton.values() for one in own]
        field, gain = _fit_field(own_parts, heads)
        at_home = cls(heads=heads, field=field, gain=gain)
        return replace(at_home, abroad=_fit_abroad(parts, at_home))

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
        head, own_head = self.heads[asked], self.heads.get(annotated)
        points, stds = wanted.keypoints, head.stds(wanted.scores)
        if own is not None and own_head is not None:
            off = residuals(batch, own)
            there = np.all(np.isfinite(off), axis=-1)
            answered = np.isfinite(wanted.keypoints).all(-1)
            shift, left = self.field.anchored(
                np.nan_to_num(wanted.keypoints / sizes[..., None]),
                np.where(answered, np.nan_to_num(stds, nan=1.0), 1.0),
                np.nan_to_num(own.keypoints / sizes[..., None]),
                np.where(there, own_head.stds(np.nan_to_num(own.scores)), np.inf),
                np.where(there[..., None], off, 0.0),
            )
            points = points + shift * sizes[..., None]
            stds = np.where(answered, left * self.gain, np.nan)
        return points, stds * sizes * self.abroad.get(annotated, {}).get(asked, 1.0)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            'field': {'share': self.field.share, 'reach': self.field.reach},
            'gain': self.gain,
            'abroad': {name: dict(factors) for name, factors in self.abroad.items()},
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
            field = ErrorField(**{key: float(value['field'][key]) for key in ('share', 'reach')})
            abroad = {
                annotated: {name: float(factor) for name, factor in factors.items()}
                for annotated, factors in value['abroad'].items()
            }
            return cls(heads=heads, field=field, gain=float(value['gain']), abroad=abroad)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f'no calibration of predictions: {error!r}') from error


def residuals(batch: PersonBatch, predicted: Predicted) -> Array:
    """(N, K, 2) annotation minus prediction in sizes; NaN where one of them is missing."""
    return (batch.keypoints - predicted.keypoints) / batch.sizes[:, None, None]


def _fit_field(
    parts: Sequence[tuple[PersonBatch, Predicted]], heads: Mapping[str, HeadCalibration]
) -> tuple[ErrorField, float]:
    """The field under which left-out residuals are likeliest, and the factor that is left.

    Likeliest under Laplace's law, which gross errors do not dominate, at its best scale.
    """
    best: tuple[float, ErrorField, float] | None = None
    for share in _SHARES:
        for reach in _REACHES if share else _REACHES[:1]:
            field = ErrorField(share=share, reach=reach)
            left, stds = _left_out(field, parts, heads)
            distances = np.linalg.norm(left, axis=-1)
            gain = float(np.median(distances / stds)) / MEDIAN_RADIUS
            apart = np.abs(left / stds[:, None]).mean()
            cost = float(np.mean(np.log(stds)) + np.log(apart))
            if best is None or cost < best[0]:
                best = cost, field, gain
    assert best is not None, 'there is always a field'
    return best[1], best[2]


def _left_out(
    field: ErrorField,
    parts: Sequence[tuple[PersonBatch, Predicted]],
    heads: Mapping[str, HeadCalibration],
) -> tuple[Array, Array]:
    """(M, 2) and (M,) over all annotated joints of all persons."""
    left, stds = [], []
    for batch, predicted in parts:
        for start in range(0, len(batch), _CHUNK):
            rows = slice(start, start + _CHUNK)
            sizes = batch.sizes[rows, None, None]
            found = residuals(batch, predicted)[rows]
            there = np.all(np.isfinite(found), axis=-1)
            own = heads[batch.skeleton.name].stds(predicted.scores[rows])
            errors, sigmas = field.left_out(
                np.nan_to_num(predicted.keypoints[rows] / sizes),
                np.where(there, own, np.inf),
                np.where(there[..., None], found, 0.0),
            )
            left.append(errors[there])
            stds.append(sigmas[there])
    return np.concatenate(left), np.concatenate(stds)


def _fit_abroad(
    parts: Sequence[tuple[PersonBatch, Mapping[str, Predicted]]], at_home: PredictionCalibration
) -> dict[str, dict[str, float]]:
    """How much further off each head is on the persons of other skeletons.

    Each annotated joint that the head's skeleton has as well is hidden in turn, and predicted with
    the others as anchors.
    """
    relative: dict[tuple[str, str], list[Array]] = {}
    for batch, given in parts:
        annotated = batch.skeleton
        for name, wanted in given.items():
            if name == annotated.name or name not in at_home.heads:
                continue
            records = correspondences(annotated, wanted.skeleton, near=False)
            for place, record in enumerate(records):
                if record.relation != 'same' or not record.exact:
                    continue
                (joint,) = record.sources
                points, stds = at_home.estimate(
                    _without(batch, joint), wanted, given.get(annotated.name)
                )
                apart = np.linalg.norm(points[:, place] - batch.keypoints[:, joint], axis=-1)
                found = apart / stds[:, place]
                relative.setdefault((annotated.name, name), []).append(found[np.isfinite(found)])
    factors: dict[str, dict[str, float]] = {}
    for (annotated_name, name), values in relative.items():
        together = np.concatenate(values)
        if len(together) >= LEAST:
            factor = float(np.median(together)) / MEDIAN_RADIUS
            # What is wanted are the joints that are not shared: no surer abroad than at home.
            factors.setdefault(annotated_name, {})[name] = max(factor, 1.0)
    return factors


def _without(batch: PersonBatch, joint: int) -> PersonBatch:
    """The persons with one joint not annotated."""
    keypoints, visibility = batch.keypoints.copy(), batch.visibility.copy()
    keypoints[:, joint], visibility[:, joint] = np.nan, 0
    return replace(batch, keypoints=keypoints, visibility=visibility)
