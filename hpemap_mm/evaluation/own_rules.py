"""The figures that single datasets have by rules of their own: CrowdPose's levels, AIC's score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hpemap_mm.evaluation.aic import VISIBLE, evaluate_aic
from hpemap_mm.evaluation.bootstrap import percentile_interval, ratio_interval
from hpemap_mm.evaluation.crowdpose import LEVELS, evaluate_crowdpose, weighted_crowdpose
from hpemap_mm.evaluation.figures import Figure
from hpemap_mm.evaluation.persons import Array, BoolArray, Predictions, Truth

#: AI Challenger's own score, which is not COCO's AP.
AIC_SCORE = 'AIC-score'
OWN_LINES = (*LEVELS, AIC_SCORE)


def own_figures(
    truth: Truth,
    predictions: Predictions,
    *,
    sigmas: Array,
    compared: BoolArray,
    weights: Array | None,
) -> tuple[dict[str, Figure], dict[str, str]]:
    """What the dataset's own protocol says beside COCO's.

    Args:
        truth: The annotated persons.
        predictions: In the truth's skeleton.
        sigmas: (K,) COCO's per-joint constants.
        compared: (K,): only these joints count.
        weights: (B, I) for intervals; None for none.

    Returns:
        Figures by name (:data:`OWN_LINES`); and why others are missing, by name. A dataset
        without a protocol of its own has neither.
    """
    figures: dict[str, Figure] = {}
    missing: dict[str, str] = {}
    boxes = np.isfinite(truth.boxes).all()
    if truth.crowd_index:
        told = set(truth.images.tolist()) <= set(truth.crowd_index)
        if told and boxes:
            figures.update(_levels(truth, predictions, sigmas, compared, weights))
        else:
            reason = 'no boxes' if told else 'images without a crowd index'
            missing.update(dict.fromkeys(LEVELS, reason))
    if truth.skeleton.name == 'aic':
        if not boxes:
            missing[AIC_SCORE] = 'no boxes'
        elif not (truth.visible[:, compared] == VISIBLE).any():
            missing[AIC_SCORE] = 'occluded joints are not told from visible ones'
        else:
            figures[AIC_SCORE] = _aic(truth, predictions, sigmas, compared, weights)
    return figures, missing


def _levels(
    truth: Truth,
    predictions: Predictions,
    sigmas: Array,
    compared: BoolArray,
    weights: Array | None,
) -> Mapping[str, Figure]:
    result = evaluate_crowdpose(truth, predictions, sigmas=sigmas, joints=compared)
    replicates = None
    if weights is not None:
        replicates = weighted_crowdpose(result.oks, result.levels, weights)
    figures = {}
    for level, name in enumerate(LEVELS):
        here = np.isin(truth.image_ids, truth.images[result.levels == level])
        counting = here & ~truth.crowd & (truth.valid & compared).any(1)
        low = high = np.nan
        if replicates is not None:
            low, high = (float(end) for end in percentile_interval(replicates[name]))
        figures[name] = Figure(
            value=result.lines[name], low=low, high=high, instances=int(counting.sum())
        )
    return figures


def _aic(
    truth: Truth,
    predictions: Predictions,
    sigmas: Array,
    compared: BoolArray,
    weights: Array | None,
) -> Figure:
    result = evaluate_aic(truth, predictions, sigmas=sigmas, joints=compared)
    low = high = np.nan
    if weights is not None:
        low, high = (float(e) for e in ratio_interval(result.earned, result.possible, weights))
    persons = int((~truth.crowd).sum())
    return Figure(value=result.ap, low=low, high=high, instances=persons)
