"""Does a translator's uncertainty hold what it promises?

Two questions: do its regions hold the share of the joints that they promise (coverage), and are
the joints that it calls sure better than the others (selection)?

Dimensions: N persons, D joints of the target, I images, B bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpemap_mm.evaluation.figures import NAN, Credit, Figure, figure_of
from hpemap_mm.persons.arrays import Array, BoolArray, IntArray

#: Probabilities of the regions whose coverage is told.
PROBABILITIES = (0.5, 0.8, 0.95)
#: Share of the joints that is kept, the surest first.
KEPT = 0.9


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is gained by the joints that the translator is surest of.

    Attributes:
        figure: Name of the figure, e.g. ``'PCKh@0.5'``.
        everything: Over all scored joints that count in the figure; an unanswered joint is wrong.
        surest: Over the surest :data:`KEPT` of them.
        others: Over the rest.
    """

    figure: str
    everything: Figure
    surest: Figure
    others: Figure


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """Of one translator on one dataset.

    Attributes:
        translator: Its name.
        coverage: Share of the annotated, answered joints within their region, with its joints,
            by promised probability; empty where nothing was calibrated.
        median_sigma: By joint, px.
        selection: None where nothing was calibrated.
    """

    translator: str
    coverage: Mapping[float, Figure] = field(default_factory=dict)
    median_sigma: Mapping[str, float] = field(default_factory=dict)
    selection: Selection | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN as None."""
        chosen = self.selection
        return {
            'translator': self.translator,
            'coverage': {
                f'{probability:g}': found.to_json() for probability, found in self.coverage.items()
            },
            'median_sigma_px': {
                joint: value if np.isfinite(value) else None
                for joint, value in self.median_sigma.items()
            },
            'selection': None
            if chosen is None
            else {
                'figure': chosen.figure,
                'kept': KEPT,
                'everything': chosen.everything.to_json(),
                'surest': chosen.surest.to_json(),
                'others': chosen.others.to_json(),
            },
        }


def find_uncertainty(
    translator: str,
    *,
    joints: Sequence[str],
    truth: Array,
    valid: BoolArray,
    answer: Array,
    sigmas: Array,
    radii: Mapping[float, Array],
    sizes: Array,
    threshold: float,
    figure: str,
    counted: BoolArray,
    image_ids: IntArray,
    images: IntArray,
    weights: Array | None,
) -> Uncertainty:
    """Compare promised regions with the truth.

    The surest joints are ranked by sigma over the *answer's own* extent (:func:`extents`), so
    that nothing of the truth decides what is kept; all persons and joints are ranked together.

    Args:
        translator: Its name.
        joints: The D joints' names.
        truth: (N, D, 2) px; anything where not ``valid``.
        valid: (N, D): annotated joints.
        answer: (N, D, 2) px, NaN where there is no answer.
        sigmas: (N, D) px, NaN where not known.
        radii: (N, D) px by promised probability; empty where nothing was calibrated.
        sizes: (N,) px that errors of the selection are divided by; NaN: not scored.
        threshold: Of the selection, in sizes.
        figure: Its name.
        counted: (D,) joints that the selection is of.
        image_ids: (N,).
        images: (I,).
        weights: (B, I) from :func:`hpemap_mm.evaluation.bootstrap.image_weights`; None for no
            intervals.
    """
    if not radii:
        return Uncertainty(translator=translator)
    distances = np.linalg.norm(answer - np.where(valid[..., None], truth, np.nan), axis=-1)
    known = np.isfinite(distances)

    def ratio(hits: BoolArray, rated: BoolArray) -> Figure:
        return figure_of(
            Credit(
                earned=(hits & rated).astype(float),
                scored=rated,
                counted=np.ones(len(joints), bool),
            ),
            joints=joints,
            image_ids=image_ids,
            images=images,
            weights=weights,
            relations=[''] * len(joints),
        )

    coverage = {
        probability: ratio(distances <= region, known & np.isfinite(region))
        for probability, region in radii.items()
    }
    medians = {
        joint: float(np.median(own)) if len(own := column[np.isfinite(column)]) else NAN
        for joint, column in zip(joints, sigmas.T, strict=True)
    }
    scored = np.asarray(valid & counted & np.isfinite(sizes)[:, None], bool)
    with np.errstate(invalid='ignore'):
        correct = distances <= threshold * sizes[:, None]
        unsure = sigmas / extents(answer)[:, None]
    # A joint without an answer, or without a sigma, is the least sure of all.
    ranks = np.where(np.isfinite(unsure), unsure, np.inf)
    order = np.argsort(ranks[scored], kind='stable')
    surest = np.zeros(scored.shape, bool)
    chosen = np.zeros(len(order), bool)
    chosen[order[: round(KEPT * len(order))]] = True
    surest[scored] = chosen
    return Uncertainty(
        translator=translator,
        coverage=coverage,
        median_sigma=medians,
        selection=Selection(
            figure=figure,
            everything=ratio(correct, scored),
            surest=ratio(correct, surest),
            others=ratio(correct, scored & ~surest),
        ),
    )


def extents(points: Array) -> Array:
    """Root mean square distance of a person's joints from their centre, along one axis; (N,).

    Args:
        points: (N, D, 2), NaN where there is none; NaN for persons with none.
    """
    known = np.asarray(np.isfinite(points).all(-1), bool)
    count = known.sum(1)[:, None]
    filled = np.where(known[..., None], points, 0.0)
    with np.errstate(invalid='ignore', divide='ignore'):
        centre = filled.sum(1) / count
        squared = np.where(known, ((filled - centre[:, None]) ** 2).sum(-1), 0.0)
        found = np.sqrt(squared.sum(1) / (2 * count[:, 0]))
    return np.where(found > 0, found, np.nan)
