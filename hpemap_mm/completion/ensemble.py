"""Predictions of several models into one, by their uncertainties.

Dimensions: M models, N persons, K joints of a skeleton.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from hpemap_mm.completion.calibration import PredictionCalibration
from hpemap_mm.completion.candidates import PersonBatch, Predicted

#: Annotated persons of one entry with what each model says of them.
CalibrationPart = tuple[PersonBatch, Sequence[Mapping[str, Predicted]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ensemble:
    """One or several models, as one that is calibrated.

    Attributes:
        members: Each model's own calibration; empty for a single model.
        whole: That of what is made of them.
    """

    members: tuple[PredictionCalibration, ...]
    whole: PredictionCalibration

    @classmethod
    def fit(cls, parts: Sequence[CalibrationPart]) -> Self:
        """Fit each model, then what is made of them.

        Args:
            parts: Of persons that no model was trained on. Where a model lacks their skeleton,
                they are passed over.

        Raises:
            ValueError: Annotations are too few; names the skeleton.
        """
        count = len(parts[0][1]) if parts else 0
        if count <= 1:
            return cls(members=(), whole=_fit(parts, lambda given: dict(given[0])))
        members = tuple(_fit(parts, lambda given, m=m: dict(given[m])) for m in range(count))
        return cls(members=members, whole=_fit(parts, lambda given: averaged(given, members)))

    def predictions(self, given: Sequence[Mapping[str, Predicted]]) -> dict[str, Predicted]:
        """The models' predictions as one."""
        return averaged(given, self.members) if self.members else dict(given[0])

    def to_json(self) -> dict[str, Any]:
        """Plain values: the whole's calibration, and the members' as ``models``."""
        return {**self.whole.to_json(), 'models': [m.to_json() for m in self.members]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` gave.

        Raises:
            ValueError: It is something else.
        """
        members = tuple(map(PredictionCalibration.from_json, value.get('models', ())))
        return cls(members=members, whole=PredictionCalibration.from_json(value))


def _fit(parts: Sequence[CalibrationPart], one: Any) -> PredictionCalibration:
    return PredictionCalibration.fit([(batch, one(given)) for batch, given in parts])


def averaged(
    given: Sequence[Mapping[str, Predicted]], calibrations: Sequence[PredictionCalibration]
) -> dict[str, Predicted]:
    """Means of keypoints and scores, weighted by the inverse variances of the models.

    A skeleton that only some models have, or were calibrated in, is theirs.

    Args:
        given: What each model says, by skeleton.
        calibrations: Of each model.
    """
    names = dict.fromkeys(name for predictions in given for name in predictions)
    found = {}
    for name in names:
        known = [
            (predictions[name], calibration.heads[name].stds(predictions[name].scores))
            for predictions, calibration in zip(given, calibrations, strict=True)
            if name in predictions and name in calibration.heads
        ]
        if not known:
            found[name] = next(p[name] for p in given if name in p)
            continue
        points_MNK2 = np.stack([predicted.keypoints for predicted, _ in known])
        scores_MNK = np.stack([predicted.scores for predicted, _ in known])
        weights_MNK = 1 / np.square(np.stack([stds for _, stds in known]))
        weights_MNK /= weights_MNK.sum(axis=0)
        found[name] = Predicted(
            skeleton=known[0][0].skeleton,
            keypoints=(weights_MNK[..., None] * points_MNK2).sum(axis=0),
            scores=(weights_MNK * scores_MNK).sum(axis=0),
        )
    return found
