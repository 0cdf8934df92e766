"""Which metrics a dataset admits, and what its persons' joints earn in them.

Dimensions: N annotated persons, K joints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from hpemap_mm.evaluation.aligned import Aligned
from hpemap_mm.evaluation.coco_lines import COCO_LINES
from hpemap_mm.evaluation.figures import Credit
from hpemap_mm.evaluation.oks_figures import OWN_LINES
from hpemap_mm.evaluation.pck import box_sizes, has_torso, scaled_errors, torso_sizes
from hpemap_mm.evaluation.pckh import pckh
from hpemap_mm.persons.arrays import Array, BoolArray, Truth
from hpemap_mm.skeletons import Skeleton, stand_in_sigmas


@dataclass(frozen=True, kw_only=True)
class Measures:
    """The metrics that are wanted; each is computed where a dataset's annotation admits it.

    Attributes:
        bbox: Thresholds of PCK over the longer side of the person's box.
        torso: Thresholds of PCK over the torso (a shoulder to the opposite hip).
        head: Thresholds of PCKh (the head box's diagonal x 0.6, MPII's protocol).
        head_auc: Area under PCKh's curve from 0 to 0.5.
        oks: COCO's AP and AR with their ten lines, the mean keypoint similarity (KS), and what
            CrowdPose and AI Challenger add by their own rules.
    """

    bbox: tuple[float, ...] = (0.05, 0.1)
    torso: tuple[float, ...] = (0.2,)
    head: tuple[float, ...] = (0.5, 0.1)
    head_auc: bool = True
    oks: bool = True

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> Self:
        """From a config's dict, e.g. ``dict(torso=[0.1, 0.2], oks=False)``.

        Raises:
            ValueError: An unknown key, or a threshold that is not a positive number.
        """
        values = dict(config or {})
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f'Unknown measures {unknown}. Available: {known}')
        for name in ('bbox', 'torso', 'head'):
            if name in values:
                values[name] = tuple(float(v) for v in values[name])
                if any(not 0 < v < np.inf for v in values[name]):
                    raise ValueError(f'{name}: thresholds must be positive, got {values[name]}')
        return cls(**values)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all figures that a cell may have."""
        boxes = [f'PCK@{threshold:g}_bbox' for threshold in self.bbox]
        torsos = [f'PCK@{threshold:g}_torso' for threshold in self.torso]
        heads = [f'PCKh@{threshold:g}' for threshold in self.head]
        area = ['PCKh-AUC'] * self.head_auc
        return (
            *boxes,
            *torsos,
            *heads,
            *area,
            *(('KS', *COCO_LINES, *OWN_LINES) if self.oks else ()),
        )


def credits_of(
    aligned: Aligned, measures: Measures, *, sigmas: Array | None = None
) -> tuple[dict[str, Credit], dict[str, str]]:
    """What each joint earns, for every metric that counts joints.

    A joint is scored where it is annotated, the representation can answer it and the person has
    the size that the metric divides by. A joint that was not answered there earns nothing.

    Args:
        aligned: Truth and prediction.
        measures: The metrics wanted.
        sigmas: (K,) constants for the keypoint similarity; none is computed where None.

    Returns:
        Credits by metric; and why the others are missing, by metric.
    """
    truth = aligned.truth
    valid: BoolArray = np.asarray(truth.valid & aligned.compared & ~truth.crowd[:, None], bool)
    everything = np.ones(len(truth.skeleton), bool)
    credits: dict[str, Credit] = {}
    missing: dict[str, str] = {}
    for kind, thresholds, why in (
        ('bbox', measures.bbox, 'no boxes'),
        ('torso', measures.torso, 'no person with a shoulder and the opposite hip'),
    ):
        names = [f'PCK@{threshold:g}_{kind}' for threshold in thresholds]
        size = sizes_of(truth, kind)
        if not np.isfinite(size).any():
            missing.update(dict.fromkeys(names, why))
            continue
        errors = scaled_errors(aligned.keypoints, truth.keypoints, valid, size)
        for name, threshold in zip(names, thresholds, strict=True):
            earned = (errors <= threshold).astype(float)
            credits[name] = Credit(earned=earned, scored=~np.isnan(errors), counted=everything)
    names = [f'PCKh@{threshold:g}' for threshold in measures.head]
    names += ['PCKh-AUC'] * measures.head_auc
    size = sizes_of(truth, 'head')
    if names and np.isfinite(size).any():
        result = pckh(aligned.keypoints, truth.keypoints, valid, size, truth.skeleton)
        areas = [result.correct(threshold).astype(float) for threshold in measures.head]
        areas += [result.area()] * measures.head_auc
        for name, earned in zip(names, areas, strict=True):
            credits[name] = Credit(earned=earned, scored=result.scored, counted=result.counted)
    else:
        missing.update(dict.fromkeys(names, 'no head sizes'))
    if measures.oks and sigmas is not None:
        if (truth.areas > 0).any():
            credits['KS'] = _similarity(aligned, valid, np.asarray(sigmas, float))
        else:
            missing['KS'] = 'no areas'
    return credits, missing


def sizes_of(truth: Truth, kind: str) -> Array:
    """What errors are divided by; (N,) px, NaN where a person has none.

    Args:
        truth: The annotated persons.
        kind: 'bbox', 'torso' or 'head'.
    """
    if kind == 'bbox':
        known = np.isfinite(truth.boxes).all(axis=1, keepdims=True)
        return box_sizes(np.where(known, truth.boxes, 0.0))
    if kind == 'torso':
        if not has_torso(truth.skeleton):
            return np.full(len(truth), np.nan)
        return torso_sizes(truth.keypoints, truth.valid, truth.skeleton)
    return np.where(truth.head_sizes > 0, truth.head_sizes, np.nan)


def sigmas_of(skeleton: Skeleton) -> tuple[Array, str]:
    """The skeleton's sigmas, or stand-ins where it has none; and where they come from."""
    if skeleton.has_sigmas:
        return skeleton.sigmas, skeleton.sigma_source or skeleton.name
    return np.array(stand_in_sigmas(skeleton)), f'stand-ins ({skeleton.name} has none)'


def _similarity(aligned: Aligned, valid: BoolArray, sigmas: Array) -> Credit:
    """COCO's keypoint similarity exp(-d^2 / (2 area (2 sigma)^2)); 0 where not answered."""
    truth = aligned.truth
    scored = valid & (truth.areas > 0)[:, None]
    answered = scored & np.isfinite(aligned.keypoints).all(-1)
    delta = np.where(answered[..., None], aligned.keypoints - truth.keypoints, 0.0)
    area = np.where(truth.areas > 0, truth.areas, 1.0)
    exponent = (delta**2).sum(-1) / (2.0 * area[:, None] * (2.0 * sigmas) ** 2)
    earned = np.where(answered, np.exp(-exponent), 0.0)
    return Credit(earned=earned, scored=scored, counted=np.ones(len(sigmas), bool))
