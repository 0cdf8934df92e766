"""What a translator's validation and test compute, from pairs and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hpemap_mm.analysis.mappings import BASELINE, MappingTable, find_mapping, person_scales
from hpemap_mm.analysis.report import Section
from hpemap_mm.analysis.translation_views import (
    mapping_section,
    render_mapping,
    render_uncertainties,
    render_ways,
    uncertainty_section,
    ways_section,
)
from hpemap_mm.analysis.uncertainty import PROBABILITIES, Uncertainty, find_uncertainty
from hpemap_mm.analysis.ways import WaysTable, compare_ways
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.evaluation.bootstrap import image_weights
from hpemap_mm.evaluation.bring import Translator
from hpemap_mm.evaluation.cross import CrossEvaluation, CrossMatrix
from hpemap_mm.evaluation.cross_metric import person_scores
from hpemap_mm.evaluation.pck import scaled_errors
from hpemap_mm.evaluation.pckh import counted_joints
from hpemap_mm.evaluation.units import unit_of
from hpemap_mm.persons.arrays import Array, BoolArray, Predictions
from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons.transfer import transfer
from hpemap_mm.translators.corruption import Corruption
from hpemap_mm.translators.frame import frame_of

if TYPE_CHECKING:
    from hpemap_mm.translators.pairs import Pairs

#: Config of what is compared where a config names nothing.
BASELINES: tuple[Mapping[str, Any], ...] = (dict(type='hpemap_mm.RemapTranslator'),)


@dataclass(frozen=True, kw_only=True, eq=False)
class TestSet:
    """Pairs under a condition.

    Attributes:
        pairs: Named as the dataset of the matrix.
        corruption: What was done to their source; None for nothing.
    """

    __test__ = False  # no test case of pytest's

    pairs: Pairs
    corruption: Corruption | None = None

    @property
    def notes(self) -> list[str]:
        """What a reader of the matrix must know."""
        given = getattr(self.pairs, 'notes', ())
        return [*given, *([f'source joints: {self.corruption}'] if self.corruption else [])]


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """What is found out about a translator beside the matrix.

    Attributes:
        uncertainties: Whether its regions hold what they promise, by dataset.
        mappings: What is determined of each joint, by dataset.
        ways: All rows of the matrix on the same joints, by dataset and figure.
    """

    ways: tuple[WaysTable, ...] = ()
    uncertainties: Mapping[str, Uncertainty] = field(default_factory=dict)
    mappings: Mapping[str, MappingTable] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data, as ``same_joints``, ``uncertainty``, ``mapping``; those that there are."""
        same: dict[str, dict[str, Any]] = {}
        for table in self.ways:
            same.setdefault(table.dataset, {})[table.metric] = table.to_json()
        parts = {
            'same_joints': same,
            'uncertainty': {name: own.to_json() for name, own in self.uncertainties.items()},
            'mapping': {name: own.to_json() for name, own in self.mappings.items()},
        }
        return {key: part for key, part in parts.items() if part}

    def render(self) -> str:
        """As tables for a terminal."""
        datasets = dict.fromkeys(table.dataset for table in self.ways)
        tables = [render_ways([t for t in self.ways if t.dataset == name]) for name in datasets]
        tables.append(render_uncertainties(self.uncertainties))
        tables += [render_mapping(name, table) for name, table in self.mappings.items()]
        return '\n'.join(table for table in tables if table)

    def sections(self) -> list[Section]:
        """As sections of a report."""
        found = [
            ways_section(self.ways),
            uncertainty_section(self.uncertainties),
            mapping_section(self.mappings),
        ]
        return [section for section in found if section is not None]


def pairs_of(dataset: Any) -> tuple[Pairs, ...]:
    """The pairs of a dataset: one, or those of several skeletons.

    Raises:
        DataError: It has none.
    """
    if hasattr(dataset, 'pairs'):
        pairs = dataset.pairs
        return tuple(pairs) if isinstance(pairs, Sequence) else (pairs,)
    # ConcatPairs has entries, torch's and MMEngine's ConcatDataset have datasets.
    for name in ('entries', 'datasets'):
        if hasattr(dataset, name):
            return tuple(part for inner in getattr(dataset, name) for part in pairs_of(inner))
    what = f'{type(dataset).__name__} has no pairs of keypoints'
    raise DataError([Problem('config, dataloader', what, "use type='hpemap_mm.KeypointPairs'")])


def translator_for(model: Any, pairs: Pairs) -> Translator:
    """The model, or its part that goes between the pairs' skeletons.

    Raises:
        DataError: It does not go between them.
    """
    source, target = pairs.source.name, pairs.target.skeleton.name
    if hasattr(model, 'between'):
        return model.between(source, target)
    if (model.source.name, model.target.name) != (source, target):
        raise DataError(
            [
                Problem(
                    f'config, pairs {pairs.name!r}',
                    f'go from {source} to {target}, the model from {model.source.name} to '
                    f'{model.target.name}',
                    'name the skeletons of one as the other has them',
                )
            ]
        )
    return model


def ways_of(
    model: Any, pairs: Pairs, baselines: Sequence[Mapping[str, Any]] | None = None
) -> list[Translator]:
    """The baselines between the pairs' skeletons, then the model.

    Args:
        model: That is tested.
        pairs: Of the test.
        baselines: Configs without ``source`` and ``target``, or with those of some pairs only;
            :data:`BASELINES` where None. One that has the model's name is left out.
    """
    own = translator_for(model, pairs)
    ends = {'source': pairs.source.name, 'target': pairs.target.skeleton.name}
    ways = []
    for config in BASELINES if baselines is None else baselines:
        if any(str(config.get(key, value)) != value for key, value in ends.items()):
            continue
        built = MODELS.build({**ends, **config})
        built.eval()
        if built.name != own.name:
            ways.append(built)
    return [*ways, own]


def test_sets(
    pairs: Sequence[Pairs], corruptions: Sequence[Corruption] = (), seed: int = 0
) -> list[TestSet]:
    """The pairs, and the pairs with each corruption, named ``<pairs>+<corruption>``."""
    sets = []
    for part in pairs:
        sets.append(TestSet(pairs=part))
        for corruption in corruptions:
            name = f'{part.name}+{corruption.name.replace(" ", "-").replace("/", "-")}'
            truth = replace(part.target, name=name)
            worse = replace(
                part, name=name, target=truth, keypoints=corruption(part.keypoints, seed)
            )
            sets.append(TestSet(pairs=worse, corruption=corruption))
    return sets


test_sets.__test__ = False  # type: ignore[attr-defined]


def predictions_of(pairs: Pairs) -> Predictions:
    """The source's side as predictions for the persons of the target's side."""
    answered = present(pairs.keypoints)
    scores = None
    persons: Array = np.ones(len(answered))
    if pairs.scores is not None:
        scores = np.where(answered, pairs.scores, 0.0)
        persons = person_scores(persons, scores)
    return Predictions.build(
        name=pairs.source.name,
        representation=pairs.source,
        keypoints=np.where(answered[..., None], pairs.keypoints, 0.0),
        keypoint_scores=scores,
        scores=persons,
        image_ids=pairs.target.image_ids,
        ids=pairs.target.ids,
        answered=None if answered.all() else answered,
    )


def validation_figures(model: Any, pairs: Sequence[Pairs]) -> dict[str, float]:
    """Plain figures of the model, in [0, 1]; see :class:`TranslatorValLoop`.

    Raises:
        DataError: Nothing of some pairs can be scored.
    """
    found: dict[str, dict[str, float]] = {}
    for part in pairs:
        truth, unit = part.target, unit_of(part.target)
        answer = translator_for(model, part)(part.keypoints, part.scores)
        valid = truth.valid & ~truth.crowd[:, None]
        errors = scaled_errors(answer.keypoints, truth.keypoints, valid, unit.sizes)
        if unit.name == 'head':
            errors = errors[:, counted_joints(truth.skeleton)]
        scored = errors[~np.isnan(errors)]
        if not len(scored):
            what = f'pairs {part.name!r}: no annotated joint of a person whose size is known'
            raise DataError([Problem('config, val_dataloader', what, 'validate on other pairs')])
        label = 'pckh' if unit.name == 'head' else 'pck'
        found[part.name] = {
            f'{label}@{threshold:g}': float((scored <= threshold).mean())
            for threshold in (unit.threshold, unit.strict)
        }
    figures: dict[str, float] = {}
    for key in dict.fromkeys(key for own in found.values() for key in own):
        figures[key] = float(np.mean([own[key] for own in found.values() if key in own]))
    if len(found) > 1:
        figures |= {f'{name}/{key}': v for name, own in found.items() for key, v in own.items()}
    return figures


def find_all(
    sets: Sequence[TestSet],
    ways: Mapping[str, Sequence[Translator]],
    evaluation: CrossEvaluation,
    matrix: CrossMatrix,
) -> Findings:
    """Same joints and uncertainty on every set; mapping on those that are not corrupted.

    Args:
        sets: Of :func:`test_sets`.
        ways: By set's name, from :func:`ways_of`: the model is the last.
        evaluation: Whose bootstrap is used.
        matrix: Of the sets.
    """
    uncertainties, mappings, tables = {}, {}, []
    for part in sets:
        pairs, truth = part.pairs, part.pairs.target
        name, unit = truth.name, unit_of(truth)
        count = len(truth.images)
        weights = (
            image_weights(count, evaluation.replicates, evaluation.seed)
            if evaluation.replicates
            else None
        )
        shared: dict[str, Any] = {
            'truth': truth.keypoints,
            'valid': truth.valid & ~truth.crowd[:, None],
            'image_ids': truth.image_ids,
            'images': truth.images,
            'weights': weights,
        }
        tables += [
            compare_ways(matrix, name, metric)
            for metric in (unit.figure(unit.threshold), unit.figure(unit.strict))
        ]
        answers = {way.name: way(pairs.keypoints, pairs.scores) for way in ways[name]}
        own = answers[ways[name][-1].name]
        calibrated = getattr(own, 'radii', None) is not None
        uncertainties[name] = find_uncertainty(
            ways[name][-1].name,
            joints=truth.skeleton.joints,
            answer=own.keypoints,
            sigmas=own.sigmas,
            radii={p: own.radius(p) for p in PROBABILITIES} if calibrated else {},
            sizes=unit.sizes,
            threshold=unit.threshold,
            figure=unit.label,
            counted=counted_joints(truth.skeleton)
            if unit.name == 'head'
            else np.ones(len(truth.skeleton), bool),
            **shared,
        )
        if part.corruption is None:
            centres, frames = frames_of(pairs.keypoints)
            mappings[name] = find_mapping(
                pairs.source,
                truth.skeleton,
                answers=_with_ontology(pairs, answers),
                centres=centres,
                frames=frames,
                scales=person_scales(pairs.target_points),
                unit=unit,
                **shared,
            )
    return Findings(
        ways=tuple(table for table in tables if table is not None),
        uncertainties=uncertainties,
        mappings=mappings,
    )


def _with_ontology(pairs: Pairs, answers: Mapping[str, Any]) -> dict[str, Array]:
    """The keypoints by way, the ontology's first, whether or not it is among the baselines."""
    found = {way: answer.keypoints for way, answer in answers.items()}
    there = present(pairs.keypoints)
    points, known, _ = transfer(
        pairs.source, pairs.target.skeleton, pairs.keypoints, there, approximate=True
    )
    plain = np.where(known[..., None], points, np.nan)
    return {BASELINE: found.pop(BASELINE, plain), **found}


def present(points: Array) -> BoolArray:
    """(N, K): which of (N, K, 2) points are finite."""
    return np.asarray(np.isfinite(points).all(-1), bool)


def frames_of(keypoints: Array) -> tuple[Array, Array]:
    """Centres (N, 2) and sizes (N,) of persons' frames, px; NaN for those with no joint."""
    valid = present(keypoints)
    # float32 has seven digits: a far origin must not eat them.
    filled = np.where(valid[..., None], keypoints, 0.0)
    anchors = filled.sum(1) / np.maximum(valid.sum(1), 1)[:, None]
    local = (filled - anchors[:, None]) * valid[..., None]
    centres, sizes = frame_of(torch.from_numpy(local.astype(np.float32)), torch.from_numpy(valid))
    nobody = np.asarray(~valid.any(1), bool)
    found = np.where(nobody[:, None], np.nan, anchors + centres.numpy())
    return found, np.where(nobody, np.nan, sizes.numpy())
