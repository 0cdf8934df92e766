"""The cross evaluator: every representation that a model answers in, on every dataset.

Dimensions: N annotated persons, K joints, I images, B bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hpemap_mm.evaluation.aligned import Aligned, match, pair
from hpemap_mm.evaluation.bootstrap import image_weights
from hpemap_mm.evaluation.bring import Brought, Comparison, Translator, bring, overview
from hpemap_mm.evaluation.coco_lines import COCO_LINES
from hpemap_mm.evaluation.figures import Figure, figure_of
from hpemap_mm.evaluation.measures import Measures, credits_of, sigmas_of
from hpemap_mm.evaluation.oks_figures import OWN_LINES, coco_figures, own_figures
from hpemap_mm.persons.arrays import Array, Predictions, Truth

#: Metrics in the order in which a person wants to see them.
HEADLINES = ('PCKh@0.5', 'PCKh@0.1', 'PCKh-AUC', 'AP', 'AR', 'KS')

#: Pixels; farther from every image than any joint, and near enough to be squared.
_NOWHERE = -1e7


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One representation on one dataset.

    Attributes:
        representation: What was predicted (and ``~translator`` where one was used).
        dataset: Name of the dataset.
        skeleton: What the dataset is annotated in.
        comparisons: How each of its joints is answered.
        figures: By metric; only those that could be computed.
        missing: Why others could not, by metric.
        reason: Why nothing is compared; empty where something is.
        persons: Annotated persons (crowd regions apart).
        predicted: How many of them were predicted; the others count as wrong.
        left_over: Detections that belong to nobody.
        how: What paired persons and predictions.
        notes: What a reader must know, e.g. whose sigmas were used.
    """

    representation: str
    dataset: str
    skeleton: str
    comparisons: tuple[Comparison, ...]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    reason: str = ''
    persons: int = 0
    predicted: int = 0
    left_over: int = 0
    how: str = ''
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Prefix of this cell's figures, as in ``mpii_val/coco->mpii``."""
        return f'{self.dataset}/{self.representation}->{self.skeleton}'

    @property
    def compared(self) -> tuple[Comparison, ...]:
        """The joints that are compared."""
        return tuple(c for c in self.comparisons if c.relation != 'none')

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN as None."""
        return {
            'representation': self.representation,
            'dataset': self.dataset,
            'skeleton': self.skeleton,
            'reason': self.reason,
            'compared': overview(self.comparisons),
            'relations': {c.joint: c.relation for c in self.comparisons},
            'joint_notes': {c.joint: c.note for c in self.comparisons if c.note},
            'persons': self.persons,
            'predicted': self.predicted,
            'left_over': self.left_over,
            'how': self.how,
            'notes': list(self.notes),
            'figures': {name: figure.to_json() for name, figure in self.figures.items()},
            'missing': dict(self.missing),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossMatrix:
    """All cells.

    Attributes:
        representations: Rows, in order.
        datasets: Columns, in order.
        cells: By (representation, dataset); every pair is there.
        replicates: Bootstrap replicates behind the intervals.
        seed: Their seed.
    """

    representations: tuple[str, ...]
    datasets: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    replicates: int
    seed: int

    def __iter__(self) -> Iterator[Cell]:
        for dataset in self.datasets:
            for representation in self.representations:
                yield self.cells[representation, dataset]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all metrics that some cell has, headlines first."""
        names = dict.fromkeys(name for cell in self for name in cell.figures)
        first = [name for name in HEADLINES if name in names]
        lines = [n for n in names if n in (*COCO_LINES, *OWN_LINES) and n not in first]
        others = [name for name in names if name not in first and name not in lines]
        return tuple(first[:3] + others + first[3:] + lines)

    def flat(self) -> dict[str, float]:
        """Values by key, as ``mpii_val/coco->mpii/PCKh@0.5``; empty cells have no key."""
        return {
            f'{cell.key}/{name}': figure.value
            for cell in self
            for name, figure in cell.figures.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN as None."""
        return {
            'representations': list(self.representations),
            'datasets': list(self.datasets),
            'metrics': list(self.metrics),
            'interval': f'95% percentile bootstrap over images, {self.replicates} replicates, '
            f'seed {self.seed}',
            'cells': [cell.to_json() for cell in self],
        }


@dataclass(frozen=True, kw_only=True)
class CrossEvaluation:
    """How cells are computed.

    Attributes:
        measures: The metrics wanted.
        near: Let joints of the same name and another definition stand in.
        derived: Let exact derivations stand in.
        approximate: Also derivations that are estimates.
        translators: More ways for representations to meet; each gives a row of its own.
        replicates: Bootstrap replicates; 0 for no intervals.
        seed: Of the bootstrap.
        match_at: Least OKS at which a detection is paired with a person.
    """

    measures: Measures = Measures()
    near: bool = True
    derived: bool = True
    approximate: bool = False
    translators: tuple[Translator, ...] = ()
    replicates: int = 1000
    seed: int = 0
    match_at: float = 0.1

    def matrix(
        self,
        truths: Sequence[Truth],
        predictions: Mapping[str, Sequence[Predictions]],
        *,
        notes: Mapping[str, Sequence[str]] | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> CrossMatrix:
        """Evaluate everything on everything.

        Args:
            truths: The datasets, named differently.
            predictions: By dataset's name, one for each representation.
            notes: What a reader must know of a dataset, by its name; told in its cells.
            progress: Told the key of each cell before it is computed.

        Raises:
            ValueError: Names occur twice or do not fit together, ids that the truth lacks.
        """
        names = [truth.name for truth in truths]
        if len(set(names)) < len(names):
            raise ValueError(f'datasets must have different names, got {names}')
        unknown = sorted(set(predictions) - set(names))
        if unknown:
            raise ValueError(f'predictions for datasets without a truth: {unknown}')
        cells: dict[tuple[str, str], Cell] = {}
        for truth in truths:
            weights = self._weights(truth)
            given = predictions.get(truth.name, ())
            for row, prediction in zip(_rows(given), given, strict=True):
                for translator in (None, *self.translators):
                    if translator is not None and not _fits(translator, prediction, truth):
                        continue
                    if progress:
                        progress(f'{truth.name}/{row}')
                    cell = self._cell(truth, prediction, translator, weights, row)
                    known = (notes or {}).get(truth.name, ())
                    cell = replace(cell, notes=(*known, *cell.notes))
                    if (cell.representation, truth.name) in cells:
                        raise ValueError(f'{cell.key} would be computed twice')
                    cells[cell.representation, truth.name] = cell
        rows = tuple(dict.fromkeys(representation for representation, _ in cells))
        skeletons = {truth.name: truth for truth in truths}
        for name in names:
            for row in rows:
                cells.setdefault((row, name), _absent(row, skeletons[name]))
        return CrossMatrix(
            representations=rows,
            datasets=tuple(names),
            cells=cells,
            replicates=self.replicates,
            seed=self.seed,
        )

    def bring(
        self, truth: Truth, predictions: Predictions, translator: Translator | None = None
    ) -> Brought:
        """The predictions in the truth's skeleton."""
        return bring(
            predictions,
            truth.skeleton,
            translator=translator,
            near=self.near,
            derived=self.derived,
            approximate=self.approximate,
        )

    def align(self, truth: Truth, brought: Brought) -> Aligned:
        """The predictions beside the truth: by their ids, or matched by OKS."""
        found = brought.predictions
        if found.ids is not None:
            aligned = pair(truth, found, compared=brought.compared)
        else:
            sigmas, _ = sigmas_of(truth.skeleton)
            aligned = match(
                truth,
                _beyond_reach(brought),
                sigmas,
                threshold=self.match_at,
                compared=brought.compared,
            )
        missing = np.zeros(aligned.keypoints.shape[:2], bool)
        rows = aligned.sources >= 0
        missing[rows] = ~brought.answered[aligned.sources[rows]]
        aligned.keypoints[missing] = np.nan
        return aligned

    def _weights(self, truth: Truth) -> Array | None:
        if not self.replicates or not len(truth.images):
            return None
        return image_weights(len(truth.images), replicates=self.replicates, seed=self.seed)

    def _cell(
        self,
        truth: Truth,
        predictions: Predictions,
        translator: Translator | None,
        weights: Array | None,
        row: str,
    ) -> Cell:
        brought = replace(self.bring(truth, predictions, translator), representation=row)
        about: dict[str, Any] = {
            'representation': brought.label,
            'dataset': truth.name,
            'skeleton': truth.skeleton.name,
            'comparisons': brought.comparisons,
            'persons': int((~truth.crowd).sum()),
        }
        if not brought.compared.any():
            reason = f'no joint of {brought.label} has a counterpart in {truth.skeleton.name}'
            return Cell(**about, reason=reason)
        if not (truth.valid & brought.compared & ~truth.crowd[:, None]).any():
            return Cell(**about, reason='none of the joints that could be compared is annotated')
        aligned = self.align(truth, brought)
        sigmas, source = _sigmas(truth)
        credits, missing = credits_of(aligned, self.measures, sigmas=sigmas)
        relations = [c.relation for c in brought.comparisons]
        figures = {
            name: figure_of(
                credit,
                joints=truth.skeleton.joints,
                image_ids=truth.image_ids,
                images=truth.images,
                weights=weights,
                relations=relations,
            )
            for name, credit in credits.items()
        }
        notes = []
        if self.measures.oks and sigmas is None:
            missing = {**missing, **dict.fromkeys(('KS', *COCO_LINES), source)}
        elif self.measures.oks and sigmas is not None:
            notes.append(f'sigmas: {source}')
            found = _beyond_reach(brought)
            options: dict[str, Any] = {
                'sigmas': sigmas,
                'compared': brought.compared,
                'weights': weights,
            }
            counting = ~truth.crowd & (truth.valid & brought.compared).any(1)
            without = int((~(truth.areas[counting] > 0)).sum())
            if without:
                reason = 'no areas' if without == counting.sum() else f'{without} without an area'
                missing = {**missing, **dict.fromkeys(COCO_LINES, reason)}
            else:
                figures.update(coco_figures(truth, found, **options))
            own, lacking = own_figures(truth, found, **options)
            figures.update(own)
            missing = {**missing, **lacking}
        scored = {name: figure for name, figure in figures.items() if not np.isnan(figure.value)}
        missing = {**missing, **{n: 'nothing to score' for n in figures if n not in scored}}
        return Cell(
            **about,
            figures=scored,
            missing=missing,
            reason='' if scored else 'no metric could be computed',
            predicted=int((aligned.predicted & ~truth.crowd).sum()),
            left_over=aligned.left_over,
            how=aligned.how,
            notes=tuple(notes),
        )


def _beyond_reach(brought: Brought) -> Predictions:
    """The predictions, with joints that were not answered where no person can be."""
    lost = brought.compared & ~brought.answered
    if not lost.any():
        return brought.predictions
    keypoints = np.where(lost[..., None], _NOWHERE, brought.predictions.keypoints)
    return replace(brought.predictions, keypoints=keypoints)


def _sigmas(truth: Truth) -> tuple[Array | None, str]:
    """Sigmas for the truth's joints and where they are from; or why there are none."""
    try:
        return sigmas_of(truth.skeleton)
    except ValueError as error:
        return None, str(error)


def _rows(predictions: Sequence[Predictions]) -> list[str]:
    """Names of rows: the representations, and the predictions' own where two share one."""
    names = [prediction.representation.name for prediction in predictions]
    return [
        f'{name}({prediction.name})' if names.count(name) > 1 else name
        for name, prediction in zip(names, predictions, strict=True)
    ]


def _fits(translator: Translator, predictions: Predictions, truth: Truth) -> bool:
    return (
        translator.source.name == predictions.representation.name
        and translator.target.name == truth.skeleton.name
    )


def _absent(row: str, truth: Truth) -> Cell:
    via = row.partition('~')[2]
    reason = f'{via} does not translate into {truth.skeleton.name}' if via else 'no predictions'
    return Cell(
        representation=row,
        dataset=truth.name,
        skeleton=truth.skeleton.name,
        comparisons=tuple(Comparison(joint=j, relation='none') for j in truth.skeleton.joints),
        reason=reason,
        persons=int((~truth.crowd).sum()),
    )
