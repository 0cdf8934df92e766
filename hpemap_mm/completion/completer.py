"""Every skeleton of a person, from an annotation in one of them and a look at the image.

Dimensions: N persons, K joints of the skeleton that is wanted, A joints of the annotation's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpemap_mm.completion.calibration import PredictionCalibration
from hpemap_mm.completion.candidates import PersonBatch, Predicted
from hpemap_mm.completion.fusion import fuse
from hpemap_mm.persons.completed import CompletedJoints
from hpemap_mm.persons.provenance import (
    DERIVED,
    FUSED,
    GT,
    NONE,
    PREDICTED,
    SOURCES,
    TRANSLATED,
)
from hpemap_mm.skeletons import (
    Skeleton,
    annotator_stds,
    as_skeleton,
    correspondences,
    derivations,
)
from hpemap_mm.translators.base import KeypointTranslator

Array = npt.NDArray[np.floating]
#: Points (N, K, 2) and standard deviations (N, K) in pixels, NaN where there is nothing.
Estimate = tuple[Array, Array]

_CODES = {'derived': DERIVED, 'translated': TRANSLATED, 'predicted': PREDICTED}


@dataclass(frozen=True, kw_only=True, eq=False)
class CompletedBatch:
    """Persons in every skeleton that was wanted.

    Attributes:
        joints: By skeleton's name.
        candidates: By skeleton's name and source ('derived', 'translated', 'predicted'): what
            that source alone says, whether it was taken or not.
    """

    joints: dict[str, CompletedJoints]
    candidates: dict[str, dict[str, Estimate]]


class Completer:
    """Gives persons the skeletons that their dataset did not annotate.

    The annotation is kept as it is (``gt``). Other joints have up to three sources: what the
    ontology says exactly of annotated joints (``derived``: the same joint under another name, a
    midpoint that a dataset defines as one; as uncertain as an annotator), what a translator says
    from the annotated joints (``translated``), and what a model says from the image
    (``predicted``). What is derived is as good as an annotation and is kept as it is. Where there
    is no such thing, translation and prediction are ``fused`` by their uncertainties.
    Predictions are anchored: the model's errors on annotated joints correct its predictions of
    the others (:class:`~hpemap_mm.completion.anchoring.ErrorField`).

    Joints of the person's own skeleton that are not annotated are filled likewise, by derivation
    (a pelvis that is defined as the middle of the hips) and by the model.

    Args:
        skeletons: What every person gets.
        translators: Calibrated translators; of a pair of skeletons at most one.
        calibration: Of the model's predictions; without it they are not used.
        max_std: A joint that is translated or predicted with a standard deviation of more than
            this many sizes (square roots of the area) of the person is left empty.
        keep_derived: If not, translators have a say in derived joints, too, by their
            uncertainties: for translators that were fitted on annotations like these, which know
            how the annotators of two datasets differ about the same joint.

    Raises:
        KeyError: A skeleton is unknown.
        ValueError: Two translators are of the same pair, one was not calibrated, or ``max_std``
            is not positive.
    """

    def __init__(
        self,
        *,
        skeletons: Iterable[str | Skeleton],
        translators: Sequence[KeypointTranslator] = (),
        calibration: PredictionCalibration | None = None,
        max_std: float = 0.05,
        keep_derived: bool = True,
    ) -> None:
        self.skeletons = tuple(as_skeleton(skeleton) for skeleton in skeletons)
        if not max_std > 0:
            raise ValueError(f'max_std must be positive, got {max_std}')
        self.max_std = float(max_std)
        self.keep_derived = keep_derived
        self.calibration = calibration
        self.translators: dict[tuple[str, str], KeypointTranslator] = {}
        for translator in translators:
            pair = translator.source.name, translator.target.name
            if pair in self.translators:
                raise ValueError(f'two translators from {pair[0]} to {pair[1]}')
            if translator.calibration.table() is None:
                raise ValueError(
                    f'the translator from {pair[0]} to {pair[1]} was not calibrated: without '
                    'uncertainties its answers cannot be weighed'
                )
            self.translators[pair] = translator

    def complete(
        self, batch: PersonBatch, predictions: Mapping[str, Predicted] | None = None
    ) -> CompletedBatch:
        """Complete persons of one entry.

        Args:
            batch: The persons.
            predictions: What the model says of them, by skeleton's name.

        Raises:
            ValueError: The predictions are of another number of persons.
        """
        predictions = dict(predictions or {})
        for name, predicted in predictions.items():
            if len(predicted) != len(batch):
                raise ValueError(f'{len(predicted)} predictions in {name} of {len(batch)} persons')
        joints, candidates = {}, {}
        for skeleton in self.skeletons:
            found = {
                'derived': self._derived(batch, skeleton),
                'translated': self._translated(batch, skeleton),
                'predicted': self._predicted(batch, skeleton, predictions),
            }
            candidates[skeleton.name] = found
            joints[skeleton.name] = self._chosen(batch, skeleton, found)
        return CompletedBatch(joints=joints, candidates=candidates)

    # -- the sources ------------------------------------------------------------------------

    def _derived(self, batch: PersonBatch, skeleton: Skeleton) -> Estimate:
        """What follows exactly from annotated joints."""
        points, stds = _nothing(batch, skeleton)
        noise = annotator_stds(batch.skeleton)
        if skeleton is batch.skeleton:
            records = derivations(skeleton)
        else:
            records = correspondences(batch.skeleton, skeleton, near=False)
        for place, record in enumerate(records):
            if record.relation not in ('same', 'derived') or not record.exact:
                continue
            sources, weights = list(record.sources), np.array(record.weights)
            points[:, place] = np.einsum('nsx,s->nx', batch.keypoints[:, sources], weights)
            spread = float(np.sqrt(np.square(weights * noise[sources]).sum()))
            stds[:, place] = spread * batch.sizes
        return _paired(points, stds)

    def _translated(self, batch: PersonBatch, skeleton: Skeleton) -> Estimate:
        translator = self.translators.get((batch.skeleton.name, skeleton.name))
        if translator is None:
            return _nothing(batch, skeleton)
        answer = translator.translate(batch.keypoints)
        points, stds = answer.keypoints.astype(float), answer.sigmas.astype(float)
        return _paired(points, stds)

    def _predicted(
        self, batch: PersonBatch, skeleton: Skeleton, predictions: Mapping[str, Predicted]
    ) -> Estimate:
        """Anchored predictions, where the model was calibrated in the skeleton."""
        wanted, own = predictions.get(skeleton.name), predictions.get(batch.skeleton.name)
        if self.calibration is None or wanted is None:
            return _nothing(batch, skeleton)
        if skeleton.name not in self.calibration.heads:
            return _nothing(batch, skeleton)
        return _paired(*self.calibration.estimate(batch, wanted, own))

    # -- the choice -------------------------------------------------------------------------

    def _chosen(
        self, batch: PersonBatch, skeleton: Skeleton, found: Mapping[str, Estimate]
    ) -> CompletedJoints:
        points_SNK2 = np.stack([found[source][0] for source in SOURCES])
        stds_SNK = np.stack([found[source][1] for source in SOURCES])
        # Where a person lies so oddly that the model is wrong, the annotation is not in doubt.
        known = np.isfinite(stds_SNK[SOURCES.index('derived')])
        stds_SNK[SOURCES.index('predicted'), known] = np.nan
        if self.keep_derived:
            stds_SNK[SOURCES.index('translated'), known] = np.nan
        points, stds, used = fuse(points_SNK2, stds_SNK)
        codes = np.array([_CODES[source] for source in SOURCES], np.uint8)
        provenance = np.where(used.sum(0) > 1, FUSED, codes[used.argmax(0)]).astype(np.uint8)
        provenance[~np.isfinite(stds)] = NONE
        # What follows from the annotation by definition is as good as an annotation.
        defined = used[SOURCES.index('derived')]
        doubtful = (stds > self.max_std * batch.sizes[:, None]) & ~defined
        points[doubtful], stds[doubtful], provenance[doubtful] = np.nan, np.nan, NONE
        visibility = (provenance != NONE).astype(np.uint8)
        if skeleton is batch.skeleton:
            given = batch.labelled
            points[given], visibility[given] = batch.keypoints[given], batch.visibility[given]
            noise = annotator_stds(skeleton) * batch.sizes[:, None]
            stds[given], provenance[given] = noise[given], GT
        return CompletedJoints(
            skeleton=skeleton,
            keypoints=points,
            visibility=visibility,
            stds=stds,
            provenance=provenance,
        )


def _nothing(batch: PersonBatch, skeleton: Skeleton) -> Estimate:
    shape = len(batch), len(skeleton)
    return np.full((*shape, 2), np.nan), np.full(shape, np.nan)


def _paired(points: Array, stds: Array) -> Estimate:
    """NaN in both where either is missing."""
    missing = ~(np.isfinite(points).all(-1) & np.isfinite(stds))
    points, stds = points.copy(), stds.copy()
    points[missing], stds[missing] = np.nan, np.nan
    return points, stds
