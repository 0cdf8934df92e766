"""MMEngine's side of the cross evaluation: it gathers persons, the pure core computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from hpemap_mm.evaluation.bring import Translator
from hpemap_mm.evaluation.cross import CrossEvaluation, CrossMatrix
from hpemap_mm.evaluation.keys import choose_keys
from hpemap_mm.evaluation.measures import Measures
from hpemap_mm.evaluation.pck import HEAD_SHARE, head_sizes
from hpemap_mm.evaluation.samples import gathered
from hpemap_mm.persons.arrays import Array, BoolArray, IntArray, Predictions, Truth
from hpemap_mm.registry import METRICS, MODELS
from hpemap_mm.skeletons import Skeleton, get_skeleton

#: Joints that are surer than this make the score of a person, as in MMPose's CocoMetric.
SURE = 0.2
OnNan = Literal['error', 'wrong']


@METRICS.register_module()
class CrossEvaluator(BaseMetric):
    """Every representation that the model answers in, on every entry.

    Samples are those of a top-down model: one annotated person each, whose box was given, so
    predictions are paired with persons by their ids. The score that AP sorts by is MMPose's: the
    box's score times the mean of the keypoint scores above 0.2. No non-maximum suppression is
    applied. Crowd regions, and persons that the dataset's reader leaves out, are not among the
    samples.

    With :class:`hpemap_mm.engine.CrossMatrixHook` the model answers in all its skeletons and every
    cell of the matrix is filled; without it only those of the answer that ``test_cfg`` names.

    After an evaluation the main process has :attr:`matrix` (everything), :attr:`truths` and
    :attr:`predictions` (what it was computed from, by entry). The returned figures are keyed
    ``<entry>/<representation>-><skeleton>/<metric>``, in [0, 1].

    A prediction that is not finite (a training that diverged) is an error, or with
    ``on_nan='wrong'`` a warning, and the person counts as not predicted, so wrong; it never
    scores. Use ``'wrong'`` for the validation of a training that shall go on.

    Args:
        measures: The metrics wanted: keys of :class:`hpemap_mm.evaluation.measures.Measures`.
        entries: Only these entries; all where None.
        near: Let joints of the same name and another definition stand in.
        derived: Let exact derivations stand in.
        approximate: Also derivations that are estimates.
        translators: Objects (or configs of registered models) with ``name``, ``source``,
            ``target`` and ``__call__``; each adds a row.
        replicates: Bootstrap replicates behind the intervals; 0 for none, as in validations.
        seed: Of the bootstrap.
        keys: Return (so log) these figures only: keys or patterns such as
            ``'*/coco->*/PCK@0.2_torso'``; all where None.
        on_nan: ``'error'`` or ``'wrong'``; see above.
        collect_device: See MMEngine's BaseMetric.
        collect_dir: See MMEngine's BaseMetric.

    Attributes:
        matrix: Of the last evaluation; None before, and on other than the main process.
        truths: The persons, by entry.
        predictions: The answers, by entry.
        representations: Skeleton of each of the model's answers, by the answer's name, where that
            is not the skeleton's; set by the hook.
        progress: Told the key of each cell before it is computed.
    """

    default_prefix = None

    def __init__(
        self,
        *,
        measures: Mapping[str, Any] | None = None,
        entries: Sequence[str] | None = None,
        near: bool = True,
        derived: bool = True,
        approximate: bool = False,
        translators: Sequence[Translator | Mapping[str, Any]] = (),
        replicates: int = 1000,
        seed: int = 0,
        keys: Sequence[str] | None = None,
        on_nan: OnNan = 'error',
        collect_device: str = 'cpu',
        collect_dir: str | None = None,
    ) -> None:
        # BaseMetric logs a warning where no prefix is set; the entry is the prefix here.
        super().__init__(collect_device=collect_device, prefix='cross', collect_dir=collect_dir)
        self.prefix = None
        if on_nan not in get_args(OnNan):
            raise ValueError(f'on_nan must be one of {get_args(OnNan)}, got {on_nan!r}')
        if isinstance(keys, str) or isinstance(entries, str):
            raise ValueError('keys and entries are lists of names, not one name')
        if replicates < 0:
            raise ValueError(f'replicates must be 0 or more, got {replicates}')
        twice = sorted({key for key in keys or () if list(keys or ()).count(key) > 1})
        if twice:
            raise ValueError(f'keys are given twice: {twice}')
        self.entries = None if entries is None else tuple(entries)
        self.keys = None if keys is None else tuple(keys)
        self.on_nan = on_nan
        self.evaluation = CrossEvaluation(
            measures=Measures.from_config(measures),
            near=near,
            derived=derived,
            approximate=approximate,
            translators=tuple(_translator(value) for value in translators),
            replicates=replicates,
            seed=seed,
        )
        self.matrix: CrossMatrix | None = None
        self.truths: dict[str, Truth] = {}
        self.predictions: dict[str, list[Predictions]] = {}
        self.representations: dict[str, str] = {}
        self.progress: Callable[[str], None] | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep what the figures need of each sample: plain arrays.

        Raises:
            ValueError: A sample is annotated in a joint space, has not one person, or does not
                say what it is in.
        """
        for sample in data_samples:
            if self.entries is not None and sample['dataset_name'] not in self.entries:
                # MMEngine counts results against samples: a skipped one is kept, empty.
                self.results.append(None)
                continue
            self.results.append(gathered(sample, self.representations))

    def compute_metrics(self, results: list[dict[str, Any] | None]) -> dict[str, float]:
        """Evaluate every answer on every entry.

        Raises:
            ValueError: A person was predicted twice, or a prediction is not finite.
            KeyError: One of ``keys`` names no figure; lists those that there are.
        """
        by_entry: dict[str, list[dict[str, Any]]] = {}
        for result in results:
            if result is not None:
                by_entry.setdefault(result['entry'], []).append(result)
        absent = sorted(set(self.entries or ()) - set(by_entry))
        if absent:
            raise ValueError(f'No sample is of the entries {absent}; there are {list(by_entry)}')
        notes: dict[str, list[str]] = {}
        truths: list[Truth] = []
        predictions: dict[str, list[Predictions]] = {}
        for entry, rows in by_entry.items():
            ids = _ids(entry, rows)
            truth, notes[entry] = _truth(entry, rows, ids)
            truths.append(truth)
            predictions[entry] = self._predictions(truth, rows, notes[entry])
        return self.score(truths, predictions, notes=notes)

    def score(
        self,
        truths: Sequence[Truth],
        predictions: Mapping[str, Sequence[Predictions]],
        *,
        translators: Sequence[Translator] = (),
        notes: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[str, float]:
        """Evaluate persons that are gathered already; fills :attr:`matrix` and its like.

        Args:
            truths: The datasets.
            predictions: By dataset's name.
            translators: Rows beside those of the evaluator's own translators.
            notes: What a reader must know of a dataset, by its name.

        Returns:
            The figures that ``keys`` name.

        Raises:
            ValueError: See :meth:`hpemap_mm.evaluation.cross.CrossEvaluation.matrix`.
            KeyError: One of ``keys`` names no figure; lists those that there are.
        """
        self.truths = {truth.name: truth for truth in truths}
        self.predictions = {name: list(found) for name, found in predictions.items()}
        evaluation = replace(
            self.evaluation, translators=(*self.evaluation.translators, *translators)
        )
        self.matrix = evaluation.matrix(
            truths, self.predictions, notes=notes, progress=self.progress
        )
        values = self.matrix.flat()
        if self.keys is None:
            return values
        chosen = choose_keys(self.keys, list(values), why=self.missing())
        return {key: values[key] for key in chosen}

    def missing(self) -> dict[str, str]:
        """Why figures of the last evaluation that one may expect are missing, by key."""
        reasons = {}
        for cell in self.matrix or ():
            for name in self.evaluation.measures.names:
                if name not in cell.figures:
                    reason = cell.reason or cell.missing.get(name, 'no value')
                    reasons[f'{cell.key}/{name}'] = reason
        return reasons

    def _predictions(
        self, truth: Truth, rows: list[dict[str, Any]], notes: list[str]
    ) -> list[Predictions]:
        """The answers for one entry; those that are not finite are refused or left out."""
        found = []
        for name in dict.fromkeys(name for row in rows for name in row['answers']):
            there = np.array([name in row['answers'] for row in rows])
            answers = [row['answers'][name] for row in rows if name in row['answers']]
            keypoints = np.concatenate([answer['keypoints'] for answer in answers])
            scores = np.concatenate([answer['scores'] for answer in answers])
            boxes = np.concatenate([row['box_scores'] for row in rows])[there]
            persons = person_scores(boxes, scores)
            finite = np.isfinite(keypoints).all((1, 2)) & np.isfinite(persons)
            ids = truth.ids[there]
            if not finite.all():
                self._tell_nan(f'{truth.name}/{name}', ids[~finite], len(ids), notes)
            found.append(
                Predictions.build(
                    name=name,
                    representation=get_skeleton(answers[0]['skeleton']),
                    keypoints=keypoints[finite],
                    keypoint_scores=scores[finite],
                    scores=persons[finite],
                    image_ids=truth.image_ids[there][finite],
                    ids=ids[finite],
                )
            )
        return found

    def _tell_nan(self, where: str, ids: IntArray, count: int, notes: list[str]) -> None:
        listed = ', '.join(str(i) for i in ids[:5]) + (' ...' if len(ids) > 5 else '')
        what = f'{where}: the predictions of {len(ids)} of {count} persons are not finite'
        if self.on_nan == 'error':
            raise ValueError(
                f'{what} (ids {listed}). A training that diverged gives such weights; with '
                "on_nan='wrong' these persons count as wrong."
            )
        MMLogger.get_current_instance().warning(f'{what} (ids {listed}); they count as wrong')
        notes.append(f'{what}; they count as wrong')


def person_scores(boxes: Array, keypoint_scores: Array) -> Array:
    """Score of persons as in MMPose's CocoMetric (``score_mode='bbox_keypoint'``); (M,).

    Args:
        boxes: (M,) scores of the boxes.
        keypoint_scores: (M, J); those above 0.2 count. NaN stays NaN.
    """
    sure = keypoint_scores > SURE
    total = np.where(sure, keypoint_scores, 0.0).sum(1) / np.maximum(sure.sum(1), 1)
    return boxes * np.where(np.isnan(keypoint_scores).any(1), np.nan, total)


def _translator(value: Translator | Mapping[str, Any]) -> Translator:
    built = MODELS.build(dict(value)) if isinstance(value, Mapping) else value
    missing = [name for name in ('name', 'source', 'target') if not hasattr(built, name)]
    if missing or not callable(built):
        raise ValueError(
            f'{type(built).__name__} is no translator: it has no {missing or ["__call__"]}'
        )
    return built


def _ids(entry: str, rows: list[dict[str, Any]]) -> IntArray:
    """The persons' ids; their numbers where the dataset gives none.

    Raises:
        ValueError: An id occurs twice.
    """
    given = [row['id'] for row in rows]
    if all(value is None for value in given):
        return np.arange(len(rows), dtype=np.int64)
    seen: set[Any] = set()
    for value in given:
        if value in seen:
            raise ValueError(
                f'{entry}: person {value} was scored twice. Give the test dataloader a sampler '
                'with round_up=False, and the annotations unique ids.'
            )
        seen.add(value)
    return _numbers(given)


def _numbers(values: Sequence[Any]) -> IntArray:
    """Integers as they are; anything else is numbered by its first occurrence."""
    if all(isinstance(value, int | np.integer) for value in values):
        return np.array([int(value) for value in values], np.int64)
    number = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([number[value] for value in values], np.int64)


def _truth(entry: str, rows: list[dict[str, Any]], ids: IntArray) -> tuple[Truth, list[str]]:
    skeleton = get_skeleton(rows[0]['skeleton'])
    gathered: dict[str, Array] = {
        key: np.concatenate([row[key] for row in rows]).astype(np.float64)
        for key in ('keypoints', 'visible', 'boxes', 'areas', 'head_sizes')
    }
    valid: BoolArray = np.asarray(gathered['visible'] > 0, bool)
    images = [row['img_path'] if row['img_id'] is None else row['img_id'] for row in rows]
    image_ids = _numbers(images) if any(images) else np.arange(len(rows), dtype=np.int64)
    heads, notes = _with_head_sizes(gathered['head_sizes'], gathered['keypoints'], valid, skeleton)
    truth = Truth.build(
        name=entry,
        skeleton=skeleton,
        keypoints=gathered['keypoints'],
        visible=gathered['visible'],
        ids=ids,
        image_ids=image_ids,
        boxes=gathered['boxes'],
        areas=gathered['areas'],
        head_sizes=heads,
        image_names={
            int(image): row['img_path'] for image, row in zip(image_ids, rows, strict=True)
        },
        crowd_index={
            int(image): float(row['crowd_index'])
            for image, row in zip(image_ids, rows, strict=True)
            if row['crowd_index'] is not None
        },
    )
    return truth, notes


def _with_head_sizes(
    sizes: Array, keypoints: Array, valid: BoolArray, skeleton: Skeleton
) -> tuple[Array, list[str]]:
    """Head sizes from MPII's joints where a dataset in its skeleton has no head boxes."""
    if np.isfinite(sizes).any() or not {'upper_neck', 'head_top'} <= set(skeleton.joints):
        return sizes, []
    note = f'head sizes: {HEAD_SHARE:g} x upper neck to head top (no head boxes)'
    return head_sizes(keypoints, valid, skeleton), [note]
