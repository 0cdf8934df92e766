"""Predictions brought into the skeleton of a dataset: how representations meet.

Dimensions: M predicted persons, J joints of their representation, K joints of the skeleton.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from hpemap_mm.persons.arrays import Array, BoolArray, Predictions, Representation
from hpemap_mm.skeletons import Correspondence, Skeleton, correspondences
from hpemap_mm.skeletons.transfer import transfer_matrix

#: How a joint can be compared, best first; ``'none'``: it cannot.
RELATIONS = ('same', 'derived', 'near', 'translated', 'none')


class Translator(Protocol):
    """What brings keypoints from one representation into another by more than the ontology."""

    @property
    def name(self) -> str:
        """Short name for rows and keys, e.g. ``'affine'``."""

    @property
    def source(self) -> Representation:
        """Representation of what it reads."""

    @property
    def target(self) -> Skeleton:
        """Skeleton of what it gives."""

    def __call__(self, keypoints: Array, scores: Array | None = None) -> Any:
        """Translate (M, J, 2) pixels, NaN where a joint is missing.

        The answer's ``keypoints`` are (M, K, 2), NaN where there is no answer.
        """


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How one joint of a dataset is answered.

    Attributes:
        joint: The dataset's joint.
        relation: One of :data:`RELATIONS`.
        exact: Whether nothing is known to speak against comparing them.
        sources: The representation's joints that it is made of; empty where translated.
        note: What the relation leaves open, in words; empty if nothing.
    """

    joint: str
    relation: str
    exact: bool = False
    sources: tuple[str, ...] = ()
    note: str = ''


@dataclass(frozen=True, kw_only=True, eq=False)
class Brought:
    """Predictions in a dataset's skeleton.

    Attributes:
        predictions: In the skeleton; joints that cannot be had are at (0, 0) with NaN scores.
        answered: (M, K): whether a joint of a person was answered. Where the representation can
            answer a joint but did not, the joint counts as wrong.
        comparisons: How each of the K joints is answered.
        representation: Name of the representation that the model answered in.
        via: Name of the translator; empty for the ontology.
    """

    predictions: Predictions
    answered: BoolArray
    comparisons: tuple[Comparison, ...]
    representation: str
    via: str = ''

    @property
    def compared(self) -> BoolArray:
        """Which joints the representation can answer at all; (K,)."""
        return np.array([c.relation != 'none' for c in self.comparisons], bool)

    @property
    def label(self) -> str:
        """The representation, and the translator if there is one: a row of the matrix."""
        return f'{self.representation}~{self.via}' if self.via else self.representation

    def related(self, *relations: str) -> BoolArray:
        """Which joints are answered in one of these ways; (K,)."""
        return np.array([c.relation in relations for c in self.comparisons], bool)


def bring(
    predictions: Predictions,
    skeleton: Skeleton,
    *,
    translator: Translator | None = None,
    near: bool = True,
    derived: bool = True,
    approximate: bool = False,
) -> Brought:
    """Bring predictions into a skeleton, by the ontology or through a translator.

    Args:
        predictions: In any representation.
        skeleton: What the truth is annotated in.
        translator: From the predictions' representation into ``skeleton``; the ontology where
            None.
        near: Let joints of the same name and another definition stand in (marked as such).
        derived: Let exact derivations stand in, as a pelvis from two hips.
        approximate: Also derivations that are estimates, as a neck from two shoulders.

    Raises:
        ValueError: The translator is for other representations, or its answer has another shape.
    """
    if translator is not None:
        return _translated(predictions, skeleton, translator)
    source = predictions.representation
    records = correspondences(source, skeleton, near, derived, approximate)
    weights_KJ = transfer_matrix(records, len(source))
    keypoints = weights_KJ @ predictions.keypoints
    # A joint is as sure as the least sure of those that it is made of.
    scores = np.full(keypoints.shape[:2], np.nan)
    for place, record in enumerate(records):
        if record.sources:
            scores[:, place] = predictions.keypoint_scores[:, list(record.sources)].min(axis=1)
    comparisons = tuple(_comparison(record, source.joints) for record in records)
    answered = np.zeros(keypoints.shape[:2], bool)
    for place, record in enumerate(records):
        if record.relation != 'none':
            # A joint is answered where all of those that it is made of are.
            parts = list(record.sources)
            given = predictions.answered
            answered[:, place] = True if given is None else given[:, parts].all(axis=1)
    if predictions.answered is not None:
        keypoints = np.where(answered[..., None], keypoints, 0.0)
        scores = np.where(answered, scores, np.nan)
    return Brought(
        predictions=_in_skeleton(predictions, skeleton, keypoints, scores),
        answered=answered,
        comparisons=comparisons,
        representation=source.name,
    )


def overview(comparisons: Sequence[Comparison]) -> str:
    """The relations in words: ``'12 same, 2 derived, 1 near'``; empty where nothing is compared."""
    counts = Counter(c.relation for c in comparisons)
    return ', '.join(f'{counts[r]} {r}' for r in RELATIONS if counts[r] and r != 'none')


def _comparison(record: Correspondence, joints: Sequence[str]) -> Comparison:
    return Comparison(
        joint=record.joint,
        relation=record.relation,
        exact=record.exact,
        sources=tuple(joints[i] for i in record.sources),
        note=record.note,
    )


def _translated(predictions: Predictions, skeleton: Skeleton, translator: Translator) -> Brought:
    source = predictions.representation
    if translator.source.name != source.name or translator.target.name != skeleton.name:
        raise ValueError(
            f'translator {translator.name!r} goes from {translator.source.name} to '
            f'{translator.target.name}, wanted is {source.name} to {skeleton.name}'
        )
    scores, points, given = predictions.keypoint_scores, predictions.keypoints, predictions.answered
    if given is not None:
        points = np.where(given[..., None], points, np.nan)
        scores = np.where(given, scores, 0.0)
    known = not np.isnan(scores).any()
    answer = translator(points, scores if known else None)
    keypoints = np.asarray(answer.keypoints, np.float64)
    if keypoints.shape != (len(predictions), len(skeleton), 2):
        raise ValueError(
            f'translator {translator.name!r} gave {keypoints.shape}, expected '
            f'({len(predictions)}, {len(skeleton)}, 2)'
        )
    answered: BoolArray = np.asarray(np.isfinite(keypoints).all(axis=-1), bool)
    # Of no persons at all, nothing is known to be impossible.
    possible = [bool(column.any()) or not len(column) for column in answered.T]
    return Brought(
        predictions=_in_skeleton(
            predictions,
            skeleton,
            np.where(answered[..., None], keypoints, 0.0),
            np.full(answered.shape, np.nan),
        ),
        answered=answered,
        comparisons=tuple(
            Comparison(
                joint=joint,
                relation='translated' if can else 'none',
                note=f'by {translator.name}' if can else '',
            )
            for joint, can in zip(skeleton.joints, possible, strict=True)
        ),
        representation=source.name,
        via=translator.name,
    )


def _in_skeleton(
    predictions: Predictions, skeleton: Skeleton, keypoints: Array, scores: Array
) -> Predictions:
    return replace(
        predictions,
        representation=skeleton,
        keypoints=keypoints,
        keypoint_scores=scores,
        answered=None,  # Brought.answered says it in the new skeleton
    )
