"""What a translator's config would do, found out before it is trained.

As :mod:`hpemap_mm.engine.check` for models that see images: every step adds its problems to one
list and lets the next one go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from hpemap_mm.engine.translator_scores import translator_for
from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.registry import DATASETS, MODELS
from hpemap_mm.skeletons import Skeleton, correspondences
from hpemap_mm.translators.calibration import LEAST
from hpemap_mm.translators.matching import FAR_APART
from hpemap_mm.translators.pairs import Pairs, Side
from hpemap_mm.translators.source_shift import SourceShift

__all__ = [
    'JointFacts',
    'PairsReport',
    'TranslatorReport',
    'check_translator',
    'is_translator_config',
]

SPLITS = ('train', 'val', 'test')
KINDS = ('KeypointPairs', 'ConcatPairs')
#: Sideways shift of a source, in sizes of the person, that is worth a remark.
SHIFT = 0.005
#: Persons that a model without gradients is fitted to, to see whether it can be.
TRIED = 500


@dataclass(frozen=True, kw_only=True)
class JointFacts:
    """A joint of a skeleton, in the persons of one part.

    Attributes:
        joint: Its name.
        known: Persons who have it: annotated in a target, found in a source.
        relation: Of a target's joint to the source: ``'same'``, ``'near'``, ``'derived'``,
            ``'estimate'`` (derived, with a known bias) or ``'none'``; empty for a source's.
        sources: The source's joints that it follows from.
    """

    joint: str
    known: int
    relation: str = ''
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PairsReport:
    """One set of pairs of a config.

    Attributes:
        split: ``'train'``, ``'val'`` or ``'test'``: which dataloader it is of.
        name: In results.
        files: Source and target.
        pairs: The persons of the part; None where they could not be read.
        part: Of the file.
        reverse: Whether the roles of source and target are exchanged after reading.
        shift: How far the file read as the source lies to the right of the other, in the joints
            that are the same, in sizes of the person; None where there are none.
    """

    split: str
    name: str
    files: tuple[str, ...]
    pairs: Pairs | None = None
    part: str = ''
    reverse: bool = False
    shift: float | None = None

    @property
    def source_joints(self) -> list[JointFacts]:
        """How many persons have each joint of the source."""
        if self.pairs is None:
            return []
        known = np.isfinite(self.pairs.keypoints).all(-1).sum(0)
        joints = self.pairs.source.joints
        return [JointFacts(joint=j, known=int(n)) for j, n in zip(joints, known, strict=True)]

    @property
    def target_joints(self) -> list[JointFacts]:
        """How many persons have each joint of the target, and what it is to the source."""
        if self.pairs is None:
            return []
        source, target = self.pairs.source, self.pairs.target
        known = target.valid.sum(0)
        rows = zip(known, relations(source, target.skeleton), strict=True)
        return [
            JointFacts(joint=joint, known=int(n), relation=relation, sources=sources)
            for n, (joint, relation, sources) in rows
        ]


@dataclass
class TranslatorReport:
    """What was found.

    Attributes:
        pairs: By dataloader and entry.
        parameters: Of the model that are trained; None where it could not be built.
        remarks: What a person should know, and need not be wrong.
        problems: Every fault.
    """

    pairs: list[PairsReport] = field(default_factory=list)
    parameters: int | None = None
    remarks: list[str] = field(default_factory=list)
    problems: ProblemList = field(default_factory=ProblemList)


def is_translator_config(config: Config) -> bool:
    """Whether a config trains on pairs of keypoints."""
    return any(_kind(_dataset(config, split)) in KINDS for split in SPLITS)


def relations(source: Skeleton, target: Skeleton) -> list[tuple[str, str, tuple[str, ...]]]:
    """For each joint of the target: its name, relation and the source's joints it follows from."""
    found: list[tuple[str, str, tuple[str, ...]]] = []
    sure = correspondences(source, target)
    for record, strict in zip(correspondences(source, target, approximate=True), sure, strict=True):
        guessed = record.relation == 'derived' and strict.relation == 'none'
        names = tuple(source.joints[place] for place in record.sources)
        found.append((record.joint, 'estimate' if guessed else record.relation, names))
    return found


def check_translator(config: Config) -> TranslatorReport:
    """Check files, pairs, model and the first training step of a translator's config."""
    init_default_scope(config.get('default_scope', 'mmpose'))
    # What building logs would bury the findings.
    MMLogger.get_current_instance().setLevel('ERROR')
    report = TranslatorReport()
    problems = _Unique(report.problems)
    datasets = {
        split: dataset
        for split in SPLITS
        if (dataset := _read_part(config, split, report, problems)) is not None
    }
    model = problems.tried('model', lambda: MODELS.build(config.model))
    if model is not None:
        report.parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        for part in report.pairs:
            if (pairs := part.pairs) is not None:
                where = f'model on pairs {part.name!r}'
                problems.tried(where, lambda pairs=pairs: translator_for(model, pairs))
    _check_split(report, problems)
    _check_recipe(config, problems)
    if model is not None and 'train' in datasets and not len(report.problems):
        problems.tried('training', lambda: _try_training(config, model, datasets['train']))
    report.remarks += _remarks(report, config)
    return report


class _Unique:
    """Collects problems, each once: the parts of a config read the same files."""

    def __init__(self, problems: ProblemList) -> None:
        self._problems = problems

    def add(self, where: str, what: str, fix: str) -> None:
        problem = Problem(where, what, fix)
        if problem not in list(self._problems):
            self._problems.add(where, what, fix)

    def tried(self, where: str, make: Any) -> Any:
        """What ``make`` gives, or None with its problems noted."""
        try:
            return make()
        except DataError as error:
            for problem in error.problems:
                self.add(problem.where, problem.what, problem.fix)
        except Exception as error:
            # Whatever a constructor raises is a finding about the config.
            plain = bool(error.args) and isinstance(error.args[0], str)
            text = error.args[0] if plain else repr(error)
            self.add(where, text, 'correct the config')
        return None


def _read_part(config: Config, split: str, report: TranslatorReport, problems: _Unique) -> Any:
    """The dataset of one dataloader, its entries noted one by one; None where one is at fault."""
    given = _dataset(config, split)
    where = f'{split}_dataloader.dataset'
    if given is None:
        problems.add(where, 'is not there', 'give it pairs: type=hpemap_mm.KeypointPairs')
        return None
    kind = _kind(given)
    if kind not in KINDS:
        problems.add(where, f'is a {given.get("type")}', 'give it type=hpemap_mm.KeypointPairs')
        return None
    several = kind == 'ConcatPairs'
    built = []
    for number, entry in enumerate(given.get('entries', ()) if several else (given,)):
        place = f'{where}.entries[{number}]' if several else where
        options = {'type': 'hpemap_mm.KeypointPairs', **entry}
        dataset = problems.tried(place, lambda options=options: DATASETS.build(options))
        files = tuple(problems.tried(place, lambda entry=entry: list(_files(entry))) or ())
        name = str(entry.get('name') or (dataset.pairs.name if dataset else place))
        if dataset is None:
            report.pairs.append(PairsReport(split=split, name=name, files=files))
            continue
        built.append(dataset)
        reverse = bool(entry.get('reverse'))
        report.pairs.append(
            PairsReport(
                split=split,
                name=name,
                files=files,
                pairs=dataset.pairs,
                part=dataset.part,
                reverse=reverse,
                shift=_shift_of(dataset.pairs, reverse=reverse),
            )
        )
    if not several:
        return built[0] if built else None
    if len(built) < len(given.get('entries', ())):
        return None
    whole = {**given, 'entries': built}
    return problems.tried(where, lambda: DATASETS.build(whole))


def _files(entry: Mapping[str, Any]) -> Iterator[str]:
    """The files that an entry names, each once."""
    sides = [entry.get(role) for role in ('source', 'target')]
    read = [Side.of(side) for side in sides if side is not None and not isinstance(side, str)]
    yield from dict.fromkeys(file for side in read for file in (side.file, side.gt_mat) if file)


def _shift_of(pairs: Pairs, *, reverse: bool) -> float | None:
    """See :class:`PairsReport`."""
    if not any(
        relation == 'same' for _, relation, _ in relations(pairs.source, pairs.target.skeleton)
    ):
        return None
    shift = SourceShift()
    shift.fit(pairs.source, pairs.target.skeleton, pairs.keypoints, pairs.target_points)
    return float(-shift.share if reverse else shift.share)


def _check_split(report: TranslatorReport, problems: _Unique) -> None:
    """Nobody is in training and in a test, nor in tuning and in a test: images are compared."""
    known = [
        (part, part.pairs.target.source, np.unique(part.pairs.target.image_ids))
        for part in report.pairs
        if part.pairs is not None and part.pairs.knows_images
    ]
    for (one, file, mine), (other, same, theirs) in combinations(known, 2):
        if one.split == other.split or file != same:
            continue
        shared = len(np.intersect1d(mine, theirs))
        if shared:
            what = (
                f'{shared:,} of {len(theirs):,} images of {other.name!r} are in '
                f'{one.split}_dataloader too'
            )
            fix = 'give both the same split, and other parts'
            problems.add(f'{other.split}_dataloader.dataset', what, fix)


def _check_recipe(config: Config, problems: _Unique) -> None:
    """Loops and hooks without which a translator is not fitted, calibrated or tested."""
    fitted = _kind(config.get('train_cfg')) == 'FitLoop'
    hooks = {_kind(hook) for hook in config.get('custom_hooks', ())}
    if not fitted and 'CalibrationHook' not in hooks:
        problems.add(
            'custom_hooks',
            'have no CalibrationHook, so the uncertainty would mean nothing',
            "add dict(type='hpemap_mm.CalibrationHook')",
        )
    collate = _kind((config.get('train_dataloader') or {}).get('collate_fn'))
    if not fitted and collate != 'as_is':
        what = f'is {collate or "not there"}, but the dataset gives whole batches'
        fix = "give collate_fn=dict(type='hpemap_mm.as_is')"
        problems.add('train_dataloader.collate_fn', what, fix)
    for split, loop in (('val', 'TranslatorValLoop'), ('test', 'TranslatorTestLoop')):
        found = _kind(config.get(f'{split}_cfg'))
        if found != loop:
            fix = f"use dict(type='hpemap_mm.{loop}')"
            problems.add(f'{split}_cfg', f'is a {found or "plain loop"}', fix)
    given = config.get('test_evaluator')
    metrics = given if isinstance(given, Sequence) else [given]
    if [_kind(metric) for metric in metrics].count('CrossEvaluator') != 1:
        fix = "use dict(type='hpemap_mm.CrossEvaluator')"
        problems.add('test_evaluator', 'is not one CrossEvaluator', fix)


def _dataset(config: Config, split: str) -> Any:
    """The config of a dataloader's dataset, if there is one."""
    return (config.get(f'{split}_dataloader') or {}).get('dataset')


def _kind(config: Any) -> str:
    """The type that a part of a config names, without its registry."""
    return str((config or {}).get('type', '')).rpartition('.')[2]


def _try_training(config: Config, model: Any, dataset: Any) -> None:
    """Fit to some persons, or the loss of a first batch.

    Raises:
        DataError: The result is not finite.
    """
    entries = getattr(dataset, 'entries', (dataset,))
    some = [entry.pairs.take(np.arange(min(len(entry), TRIED))) for entry in entries]
    model.fit(some[0] if len(some) == 1 else some)
    if _kind(config.train_cfg) == 'FitLoop':
        answer = translator_for(model, some[0])(some[0].keypoints, some[0].scores)
        if not np.isfinite(answer.keypoints).any():
            what = f'{len(some[0])} persons that it was fitted to get no answer'
            raise DataError([Problem('the model', what, 'check the pairs')])
        return
    loader = {**config.train_dataloader, 'num_workers': 0, 'persistent_workers': False}
    batch = next(iter(Runner.build_dataloader(loader, seed=0)))
    model.train()
    losses = model(**batch, mode='loss')
    total, _ = model.parse_losses(losses)
    if not torch.isfinite(total):
        raise DataError(
            [Problem('the first training step', 'the loss is not finite', 'check the pairs')]
        )


def _remarks(report: TranslatorReport, config: Config) -> Iterator[str]:
    """What a person should know of the training's pairs."""
    for part in report.pairs:
        if part.pairs is None or part.split != 'train':
            continue
        way = f'{part.name} ({part.pairs.source.name} -> {part.pairs.target.skeleton.name})'
        if part.shift is not None and abs(part.shift) > SHIFT:
            whose, other = ('target', 'source') if part.reverse else ('source', 'target')
            side = 'right' if part.shift > 0 else 'left'
            yield (
                f'{way}: the {whose} lies {abs(part.shift):.4f} sizes to the {side} of the '
                f'{other}, in all joints; {_cure(part, config)}'
            )
        never = [fact.joint for fact in part.target_joints if not fact.known]
        if never:
            yield f'{way}: nobody has {", ".join(never)} annotated: not to be learnt from it'
        lost = [fact.joint for fact in part.source_joints if not fact.known]
        if lost:
            yield f'{way}: the source never has {", ".join(lost)}'
        apart = int((part.pairs.matching.distances > FAR_APART).sum())
        if apart:
            yield f"{way}: {apart:,} pairs of the files lie more than a person's size apart"
        if not part.pairs.knows_images:
            yield f'{way}: no file says which persons are in one image, so persons are split'
    for part in report.pairs:
        if part.pairs is not None and part.split == 'val' and (few := _uncalibrated(part.pairs)):
            yield (
                f'{part.name} in val_dataloader: fewer than {LEAST} persons have {", ".join(few)}: '
                'too few to calibrate on, so there is no uncertainty'
            )


def _uncalibrated(pairs: Pairs) -> list[str]:
    """Joints of the target that too few persons have; a joint and its mirror image count as one."""
    skeleton, known = pairs.target.skeleton, pairs.target.valid.sum(0)
    middle = np.array(skeleton.flip_indices) == np.arange(len(skeleton))
    pooled = np.where(middle, known, known + known[skeleton.flip_indices])
    return [joint for joint, count in zip(skeleton.joints, pooled, strict=True) if count < LEAST]


def _cure(part: PairsReport, config: Config) -> str:
    """What is done, or can be done, about a sideways shift."""
    if part.reverse:
        return 'correct_shift=True of the pairs takes it off'
    if config.model.get('correct_shift'):
        return "the model's correct_shift=True takes it off"
    return 'correct_shift=True, of the model or of the pairs, takes it off'
