"""A model's errors on annotated joints tell something of its errors on the others.

Dimensions: N persons, A anchors (annotated joints with a prediction), K joints to be predicted.
Coordinates and errors are in sizes of the person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ErrorField:
    """How a model's errors at two places of one person go together.

    The error at a place is a Gaussian with a standard deviation of its own (by joint and score).
    Of it, a share is common to neighbouring places; the correlation of that share falls off
    exponentially with the distance. What remains is noise of the single joint, the model's and
    the annotator's. The best linear prediction of an error from those at the anchors is known as
    kriging, or as regression by a Gaussian process (Rasmussen and Williams, 2006, section 2.2).

    Attributes:
        share: Correlation of the errors of two joints at one place, 0 to less than 1.
        reach: Distance at which the correlation has fallen to 1/e of it, in sizes.
    """

    share: float
    reach: float

    def correlation(self, distances: Array) -> Array:
        """Of the errors at places that far apart."""
        return self.share * np.exp(-distances / self.reach)

    def covariance(self, places_NA2: Array, stds_NA: Array) -> Array:
        """(N, A, A) of the errors at the anchors."""
        distances = _distances(places_NA2, places_NA2)
        common = stds_NA[:, :, None] * stds_NA[:, None] * self.correlation(distances)
        index = np.arange(places_NA2.shape[1])
        common[:, index, index] = np.square(stds_NA)
        return common

    def anchored(
        self,
        places_NK2: Array,
        stds_NK: Array,
        anchors_NA2: Array,
        anchor_stds_NA: Array,
        errors_NA2: Array,
    ) -> tuple[Array, Array]:
        """What to add to predictions, and how sure they are then.

        Args:
            places_NK2: Predicted joints.
            stds_NK: Their standard deviations, of one axis.
            anchors_NA2: Predictions of annotated joints, finite.
            anchor_stds_NA: Their standard deviations; infinite where there is no such joint.
            errors_NA2: Annotation minus prediction; 0 where there is no such joint.

        Returns:
            Corrections (N, K, 2) and standard deviations (N, K).
        """
        stds, covariance = self._present(anchors_NA2, anchor_stds_NA)
        cross_NKA = self._between(places_NK2, stds_NK, anchors_NA2, stds)
        weights_NKA = np.linalg.solve(covariance, cross_NKA.swapaxes(1, 2)).swapaxes(1, 2)
        variances = np.square(stds_NK) - (weights_NKA * cross_NKA).sum(-1)
        return weights_NKA @ errors_NA2, np.sqrt(np.maximum(variances, 0.0))

    def left_out(
        self,
        places_NK2: Array,
        stds_NK: Array,
        anchors_NA2: Array,
        anchor_stds_NA: Array,
        errors_NA2: Array,
        own_K: npt.NDArray[np.integer],
    ) -> tuple[Array, Array]:
        """As :meth:`anchored`, each joint without one of the anchors.

        Args:
            places_NK2: As there, and so on.
            stds_NK: As there.
            anchors_NA2: As there.
            anchor_stds_NA: As there.
            errors_NA2: As there.
            own_K: The anchor that each joint does without: its own annotation.

        Returns:
            Corrections (N, K, 2) and standard deviations (N, K).
        """
        stds, covariance = self._present(anchors_NA2, anchor_stds_NA)
        inverse = np.linalg.inv(covariance)
        cross_NKA = self._between(places_NK2, stds_NK, anchors_NA2, stds)
        cross_NKA[:, np.arange(len(own_K)), own_K] = 0.0
        # What is left of the inverse without the own anchor's row and column.
        rows_NKA = inverse[:, own_K]
        diagonal_NK = np.take_along_axis(rows_NKA, own_K[None, :, None], 2)[..., 0]
        overlap_NK = (rows_NKA * cross_NKA).sum(-1) / diagonal_NK
        weights_NKA = cross_NKA @ inverse - overlap_NK[..., None] * rows_NKA
        weights_NKA[:, np.arange(len(own_K)), own_K] = 0.0
        variances = np.square(stds_NK) - (weights_NKA * cross_NKA).sum(-1)
        return weights_NKA @ errors_NA2, np.sqrt(np.maximum(variances, 0.0))

    def _between(
        self, places_NK2: Array, stds_NK: Array, anchors_NA2: Array, anchor_stds_NA: Array
    ) -> Array:
        """(N, K, A) covariances of the errors at joints and at anchors."""
        correlation = self.correlation(_distances(places_NK2, anchors_NA2))
        return stds_NK[:, :, None] * anchor_stds_NA[:, None] * correlation

    def _present(self, places_NA2: Array, stds_NA: Array) -> tuple[Array, Array]:
        """Standard deviations and covariance, in which an absent anchor is alone."""
        absent = ~np.isfinite(stds_NA)
        stds = np.where(absent, 0.0, stds_NA)
        covariance = self.covariance(places_NA2, stds)
        index = np.arange(places_NA2.shape[1])
        covariance[:, index, index] += absent
        return stds, covariance


def _distances(first_NA2: Array, second_NB2: Array) -> Array:
    return np.linalg.norm(first_NA2[:, :, None] - second_NB2[:, None], axis=-1)
