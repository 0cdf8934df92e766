"""Figures of persons by their OKS: COCO's, and those that datasets add by rules of their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hpemap_mm.evaluation.aic import VISIBLE, evaluate_aic
from hpemap_mm.evaluation.bootstrap import percentile_interval, ratio_interval
from hpemap_mm.evaluation.crowdpose import LEVELS, evaluate_crowdpose, weighted_crowdpose
from hpemap_mm.evaluation.figures import Figure
from hpemap_mm.evaluation.oks import evaluate_oks, weighted_ap
from hpemap_mm.persons.arrays import Array, BoolArray, IntArray, Predictions, Truth

#: AI Challenger's own score, which is not COCO's AP.
AIC_SCORE = 'AIC-score'
OWN_LINES = (*LEVELS, AIC_SCORE)


def coco_figures(
    truth: Truth,
    predictions: Predictions,
    *,
    sigmas: Array,
    compared: BoolArray,
    weights: Array | None,
) -> dict[str, Figure]:
    """COCO's ten figures; see :func:`own_figures`."""
    result = evaluate_oks(truth, predictions, sigmas=sigmas, joints=compared)
    replicates = {} if weights is None else weighted_ap(result, weights)
    figures = {}
    for name, value in result.lines.items():
        area = {'M': 1, 'L': 2}.get(name.partition('_')[2], 0)
        positives = result.outcomes.positives[area]
        low, high = _interval(replicates.get(name), positives)
        figures[name] = Figure(value=value, low=low, high=high, instances=int(positives.sum()))
    return figures


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
    replicates: Mapping[str, Array] = {}
    if weights is not None:
        replicates = weighted_crowdpose(result.oks, result.levels, weights)
    figures = {}
    for level, name in enumerate(LEVELS):
        positives = result.oks.outcomes.positives[0] * (result.levels == level)
        low, high = _interval(replicates.get(name), positives)
        figures[name] = Figure(
            value=result.lines[name], low=low, high=high, instances=int(positives.sum())
        )
    return figures


def _interval(replicates: Array | None, positives: IntArray) -> tuple[float, float]:
    """Of a figure over images; NaN where fewer than two have a person that counts."""
    if replicates is None or np.count_nonzero(positives) < 2:
        return float('nan'), float('nan')
    low, high = percentile_interval(replicates)
    return float(low), float(high)


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
