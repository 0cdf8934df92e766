"""The cross matrix during training: answers in all skeletons, its figures in the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.evaluator import Evaluator
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

from hpemap_mm.analysis.matrix_text import render_matrix
from hpemap_mm.datasets import MultiSkeletonDataset
from hpemap_mm.errors import ProblemList
from hpemap_mm.evaluation.cross_metric import CrossEvaluator
from hpemap_mm.evaluation.keys import choose_keys
from hpemap_mm.models import AnsweringPoseEstimator
from hpemap_mm.models.estimators.answers import ALL, OWN
from hpemap_mm.registry import HOOKS


class FileNameKey(str):
    """A figure's key that is safe where it becomes part of a file's name.

    MMEngine's CheckpointHook names the best checkpoint by its figure, and replaces only ``'/'``:
    an unquoted ``coco->lsp`` would make a shell write to a file. Compared and looked up it is the
    key as it is; formatted, ``lspet_val/coco->lsp/PCK@0.2_torso`` reads
    ``lspet_val_coco-to-lsp_PCK@0.2_torso``.
    """

    def __format__(self, spec: str) -> str:
        plain = self.replace('->', '-to-')
        kept = ''.join(c if c.isalnum() or c in '-_.@~()' else '_' for c in plain)
        return format(kept, spec)


@HOOKS.register_module()
class CrossMatrixHook(Hook):
    """Lets a model answer in all its skeletons where the matrix is evaluated.

    Wherever a :class:`hpemap_mm.evaluation.cross_metric.CrossEvaluator` evaluates, in a validation
    or a test, the model's ``test_cfg.answer`` is ``'all'`` for that time, if it is ``'own'``; what
    a config sets to something else stays. Other evaluators still see each sample in its own
    skeleton. After a validation the matrix is logged as a table, and the evaluator's ``keys`` are
    among the logged figures.

    The best checkpoint may be kept by a cell, with MMEngine's own hook::

        val_evaluator = dict(type='hpemap_mm.CrossEvaluator', replicates=0,
                             keys=['*->*/PCK@0.2_torso'], on_nan='wrong')
        default_hooks = dict(checkpoint=dict(
            save_best='lspet_val/coco->lsp/PCK@0.2_torso', rule='greater'))

    Keys that cannot occur are told before training begins, and file names are made safe
    (:class:`FileNameKey`).

    Args:
        table: Whether to log the matrix after each validation.
    """

    priority = 'NORMAL'

    def __init__(self, *, table: bool = True) -> None:
        self.table = table
        self._before: tuple[AnsweringPoseEstimator, str] | None = None

    def before_train(self, runner: Runner) -> None:
        """Check the keys that the config names; make those of checkpoints safe in file names.

        Raises:
            DataError: A key can never occur.
        """
        if runner.val_loop is not None:
            _check_keys(runner)
        for hook in _keepers_of_the_best(runner):
            hook.key_indicators = [FileNameKey(key) for key in hook.key_indicators]

    def before_val_epoch(self, runner: Runner) -> None:
        """Turn to all answers."""
        self._answer_all(runner, runner.val_evaluator)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Turn back; log the matrix.

        Raises:
            DataError: The figure by which the best checkpoint is kept has no value.
        """
        self._restore()
        for metric in _cross_evaluators(runner.val_evaluator):
            if self.table and metric.matrix is not None:
                runner.logger.info('cross matrix\n' + render_matrix(metric.matrix))
        if metrics:
            _check_best(runner, list(metrics))

    def before_test_epoch(self, runner: Runner) -> None:
        """Turn to all answers."""
        self._answer_all(runner, runner.test_evaluator)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Turn back."""
        self._restore()

    def _answer_all(self, runner: Runner, evaluator: Evaluator) -> None:
        model: Any = getattr(runner.model, 'module', runner.model)
        metrics = _cross_evaluators(evaluator)
        if not metrics or not isinstance(model, AnsweringPoseEstimator):
            return
        for metric in metrics:
            metric.representations = {n: model.representation(n) for n in model.all_answers}
        if model.answer == OWN:
            self._before = (model, model.answer)
            model.answer = ALL

    def _restore(self) -> None:
        if self._before is not None:
            model, answer = self._before
            model.answer = answer
            self._before = None


def _cross_evaluators(evaluator: Evaluator) -> list[CrossEvaluator]:
    return [metric for metric in evaluator.metrics if isinstance(metric, CrossEvaluator)]


def _keepers_of_the_best(runner: Runner) -> list[CheckpointHook]:
    hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
    return [hook for hook in hooks if hook.save_best is not None]


def _check_keys(runner: Runner) -> None:
    """Refuse keys that no validation of this run can give."""
    dataset = runner.val_dataloader.dataset
    model: Any = getattr(runner.model, 'module', runner.model)
    if not (
        isinstance(dataset, MultiSkeletonDataset) and isinstance(model, AnsweringPoseEstimator)
    ):
        return
    problems = ProblemList()
    given: list[str] = []
    metrics = _cross_evaluators(runner.val_evaluator)
    for metric in metrics:
        possible = list(_possible_keys(metric, dataset, model))
        chosen = []
        for pattern in possible if metric.keys is None else metric.keys:
            try:
                chosen += choose_keys([pattern], possible)
            except KeyError as error:
                problems.add('config, CrossEvaluator.keys', error.args[0], 'name one of these')
        given += chosen
    for hook in _keepers_of_the_best(runner):
        for key in hook.key_indicators:
            if metrics and '->' in key and key not in given:
                what = _unknown(key, given)
                problems.add('config, save_best', what, "name one of the evaluator's keys")
    problems.raise_if_any()


def _possible_keys(
    metric: CrossEvaluator, dataset: MultiSkeletonDataset, model: AnsweringPoseEstimator
) -> Iterator[str]:
    rows = [model.representation(name) for name in model.all_answers]
    rows = [
        f'{row}({name})' if rows.count(row) > 1 else row
        for row, name in zip(rows, model.all_answers, strict=True)
    ]
    for entry in metric.entries or dataset.entries:
        skeleton = dataset.skeleton_of(entry).name
        translated = [
            f'{translator.source.name}~{translator.name}'
            for translator in metric.evaluation.translators
            if translator.target.name == skeleton
        ]
        for row in (*rows, *translated):
            for name in metric.evaluation.measures.names:
                yield f'{entry}/{row}->{skeleton}/{name}'


def _check_best(runner: Runner, given: Sequence[str]) -> None:
    """Refuse ``save_best`` keys that the validation did not give, saying why not."""
    metrics = _cross_evaluators(runner.val_evaluator)
    if not metrics:
        return
    why = {key: reason for metric in metrics for key, reason in metric.missing().items()}
    problems = ProblemList()
    for hook in _keepers_of_the_best(runner):
        if 'auto' in hook.key_indicators:  # as CheckpointHook does, but safe in a file name
            hook._init_rule(hook.rules, [FileNameKey(given[0])])
        for key in hook.key_indicators:
            if key not in given:
                what = _unknown(key, given, why)
                problems.add('config, save_best', what, "name one of the evaluators' figures")
    problems.raise_if_any()


def _unknown(key: str, given: Sequence[str], why: Mapping[str, str] | None = None) -> str:
    """What is wrong with a key that is not among the given."""
    try:
        choose_keys([str(key)], given, why=why)
    except KeyError as error:
        return str(error.args[0])
    return f'{key!r} is a pattern; one figure is wanted'
