"""What the joints of one skeleton say of another's, while a model is trained."""

# n samples, S joints of the source, D joints of the target

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import Skeleton, correspondences, transfer_matrix

#: Points (n, D, 2) and their weights (n, D), 0 where nothing is said.
Said = tuple[Tensor, Tensor]


class Ties(ABC):
    """Brings points from one skeleton into another."""

    @abstractmethod
    def bring(
        self, source: Skeleton, target: Skeleton, points: Tensor, weights: Tensor, unit: float
    ) -> Said:
        """What the source's joints say of the target's.

        Args:
            source: Skeleton of the points.
            target: Skeleton wanted.
            points: (n, S, 2) in any frame; of weight 0 anything.
            weights: (n, S) how much each counts, 0 to 1.
            unit: An uncertainty of so many pixels halves the weight of a point.

        Returns:
            Points (n, D, 2) and their weights (n, D).
        """

    def __deepcopy__(self, memo: Any) -> Self:
        """Nothing of it changes: copies of a model share it."""
        return self


class OntologyTies(Ties):
    """Joints that the ontology says are the same, or means of others.

    A joint counts as much as the least of those that it is made of.

    Args:
        near: Also joints of one name and another definition (necks, tops of the head).
        derived: Also joints that are defined as the mean of others.
        approximate: Also means that are only an estimate.
    """

    def __init__(
        self, *, near: bool = False, derived: bool = True, approximate: bool = False
    ) -> None:
        self.options = dict(near=near, derived=derived, approximate=approximate)
        self._matrices: dict[tuple[str, str], Tensor] = {}

    def matrix(self, source: Skeleton, target: Skeleton) -> Tensor:
        """(D, S) affine weights; rows of joints that the source says nothing of are 0."""
        key = (source.name, target.name)
        if key not in self._matrices:
            records = correspondences(source, target, **self.options)
            matrix = transfer_matrix(records, len(source))
            self._matrices[key] = torch.from_numpy(matrix).float()
        return self._matrices[key]

    def bring(
        self, source: Skeleton, target: Skeleton, points: Tensor, weights: Tensor, unit: float
    ) -> Said:
        """See :meth:`Ties.bring`; the ontology states no uncertainty."""
        matrix_DS = self.matrix(source, target).to(points)
        known = torch.where(weights[..., None] > 0, points, 0.0)
        needed_DS = matrix_DS != 0
        shares = torch.where(needed_DS, weights[:, None], torch.inf).amin(-1)
        # Not a product of matrices, which autocast would round.
        moved = (matrix_DS[..., None] * known[:, None]).sum(-2)
        return moved, torch.where(needed_DS.any(-1), shares, 0.0)


class TranslatorTies(Ties):
    """Joints that translators say of others; where there is none, the ontology's.

    A translator's answer counts by its own uncertainty.

    Args:
        translators: Calibrated translators of pairs of skeletons, or autoencoders over several
            (what has ``between``), or their configs, such as
            ``dict(type='hpemap_mm.PretrainedTranslator', source='coco', target='mpii')``.
        **ontology: Of :class:`OntologyTies`.

    Raises:
        ValueError: If a translator was not calibrated, or there is none.
    """

    def __init__(self, *, translators: Sequence[Any], **ontology: Any) -> None:
        if not translators:
            raise ValueError("consistency of type 'translators' needs some")
        self.ontology = OntologyTies(**ontology)
        self.translators = [
            MODELS.build(dict(one)) if isinstance(one, Mapping) else one for one in translators
        ]
        self._pairs: dict[tuple[str, str], Any] = {}

    def translator(self, source: Skeleton, target: Skeleton) -> Any:
        """The translator of a pair; None where there is none."""
        key = (source.name, target.name)
        if key not in self._pairs:
            self._pairs[key] = found = self._find(*key)
            if found is not None and found.calibration.table() is None:
                raise ValueError(
                    f'The translator from {key[0]} to {key[1]} was not calibrated: without '
                    'uncertainties its answers cannot be weighed'
                )
        return self._pairs[key]

    def _find(self, source: str, target: str) -> Any:
        if source == target:
            return None
        for one in self.translators:
            if hasattr(one, 'between'):
                if {source, target} <= {skeleton.name for skeleton in one.skeletons}:
                    return one.between(source, target)
            elif (one.source.name, one.target.name) == (source, target):
                return one
        return None

    def bring(
        self, source: Skeleton, target: Skeleton, points: Tensor, weights: Tensor, unit: float
    ) -> Said:
        """See :meth:`Ties.bring`; translators work on the CPU."""
        exact, shares = self.ontology.bring(source, target, points, weights, unit)
        translator = self.translator(source, target)
        if translator is None:
            return exact, shares
        known = torch.where(weights[..., None] > 0, points, torch.nan)
        answer = translator.translate(known.cpu().numpy())
        said = torch.from_numpy(np.ascontiguousarray(answer.keypoints)).to(points)
        sigmas = torch.from_numpy(np.ascontiguousarray(answer.sigmas)).to(points)
        answered = torch.isfinite(said).all(-1) & torch.isfinite(sigmas)
        trust = torch.where(answered, 1 / (1 + (sigmas / unit).square()), 0.0)
        # What the ontology says of annotated joints needs no opinion.
        by_ontology = shares > 0
        return (
            torch.where(by_ontology[..., None], exact, torch.where(answered[..., None], said, 0.0)),
            torch.where(by_ontology, shares, trust),
        )


KINDS: dict[str, type[Ties]] = {'ontology': OntologyTies, 'translators': TranslatorTies}


def build_ties(config: Mapping[str, Any]) -> Ties:
    """Ties from a config: ``type`` and the arguments of its class.

    Raises:
        ValueError: If the type, or an argument, is unknown; lists the choices.
    """
    options = dict(config)
    kind = options.pop('type', None)
    if kind not in KINDS:
        raise ValueError(f'consistency type {kind!r}. Available: {list(KINDS)}')
    try:
        return KINDS[kind](**options)
    except TypeError as error:
        raise ValueError(f'consistency of type {kind!r}: {error}') from error
