"""MMEngine's loops for translators: fitting, calibration, validation, test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner, TestLoop, ValLoop
from torch import nn

from hpemap_mm.engine.translator_scores import (
    Findings,
    find_all,
    pairs_of,
    predictions_of,
    test_sets,
    validation_figures,
    ways_of,
)
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.evaluation.cross_metric import CrossEvaluator
from hpemap_mm.registry import HOOKS, LOOPS
from hpemap_mm.translators.corruption import Corruption


@LOOPS.register_module()
class FitLoop(EpochBasedTrainLoop):
    """Fits a model in one go, calibrates it, and lets MMEngine save it as ``epoch_1.pth``.

    For translators that nothing is trained in by gradients, with or without parameters::

        train_cfg = dict(type='hpemap_mm.FitLoop')
        optim_wrapper = dict()  # MMEngine asks for one; nothing of it is used

    The model's ``fit(pairs)`` gets all pairs of the training dataset, unaugmented; its
    ``calibrate(pairs)`` those of the validation dataset. The checkpoint, the validation after it
    and the hooks are those of a training of one epoch.

    Args:
        runner: Of the run.
        dataloader: Whose dataset has ``pairs``.
    """

    def __init__(self, runner: Runner, dataloader: Any) -> None:
        super().__init__(runner, dataloader, max_epochs=1)
        # MMEngine builds an optimizer after this, and torch refuses one without parameters.
        nothing = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=0.0)
        runner.optim_wrapper = OptimWrapper(nothing)

    def run_epoch(self) -> None:
        """Fit, calibrate."""
        self.runner.call_hook('before_train_epoch')
        model = _plain_model(self.runner)
        pairs = pairs_of(self.dataloader.dataset)
        model.fit(pairs[0] if len(pairs) == 1 else pairs)
        _calibrate(self.runner, [model])
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@HOOKS.register_module()
class CalibrationHook(Hook):
    """Calibrates a translator that is trained by gradients, on the validation dataset.

    After every epoch, before a checkpoint is written, so that each checkpoint can be used. With
    MMEngine's EMAHook the averaged weights are what a checkpoint holds, so they are calibrated.
    """

    priority = 'NORMAL'

    def before_train(self, runner: Runner) -> None:
        """Let the model fit what it fits in closed form; a resumed run has it already."""
        if runner.epoch == 0:
            pairs = pairs_of(runner.train_dataloader.dataset)
            _plain_model(runner).fit(pairs[0] if len(pairs) == 1 else pairs)

    def after_train_epoch(self, runner: Runner) -> None:
        """Calibrate."""
        averaged = [hook.ema_model.module for hook in runner.hooks if isinstance(hook, EMAHook)]
        _calibrate(runner, [_plain_model(runner), *averaged])


@LOOPS.register_module()
class TranslatorValLoop(ValLoop):
    """Scores a translator on the validation pairs, quickly: no intervals, no OKS.

    The figures, in [0, 1], are ``pckh@0.5`` and ``pckh@0.1`` where the persons have head sizes
    (over the joints that MPII's mean counts), else ``pck@0.1`` and ``pck@0.05`` of the box; a
    checkpoint may be kept by them (``save_best='pckh@0.1', rule='greater'``). Where the dataset
    has several pairs of skeletons each has its figures too, as ``<name>/pckh@0.5``, and the plain
    keys are their means. Set ``val_evaluator = []``: MMEngine asks for one.
    """

    def run(self) -> dict[str, float]:
        """Launch the validation."""
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        model = _plain_model(self.runner)
        model.eval()
        metrics = validation_figures(model, pairs_of(self.dataloader.dataset))
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics


@LOOPS.register_module()
class TranslatorTestLoop(TestLoop):
    """The cross matrix of a translator: the ontology alone, the baselines, the model.

    Each set of pairs is a dataset of the matrix, under its name; each corruption makes it one
    more: the same persons, their source joints corrupted. ``test_evaluator`` holds one
    :class:`hpemap_mm.evaluation.cross_metric.CrossEvaluator`, which has everything afterwards as
    it has for models that see images; :attr:`findings` has what only translators have.

    Args:
        runner: Of the run.
        dataloader: Whose dataset has ``pairs``.
        evaluator: With a CrossEvaluator.
        baselines: Configs of translators that are compared, without weights. Where None, the
            RemapTranslator of the model's skeletons.
        corruptions: Dicts as ``dict(name='30% missing', missing=0.3)``; see
            :class:`hpemap_mm.translators.corruption.Corruption`.
        seed: Of the corruptions.

    Attributes:
        findings: Uncertainty and mapping, by dataset; empty before the test.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Any,
        evaluator: Any,
        *,
        baselines: Sequence[Mapping[str, Any]] | None = None,
        corruptions: Sequence[Mapping[str, Any]] = (),
        seed: int = 0,
    ) -> None:
        super().__init__(runner, dataloader, evaluator)
        self.baselines = baselines
        self.corruptions = [Corruption.from_config(config) for config in corruptions]
        self.seed = seed
        self.findings = Findings()

    def run(self) -> dict[str, float]:
        """Launch the test.

        Raises:
            DataError: The evaluator has no CrossEvaluator.
        """
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        model = _plain_model(self.runner)
        model.eval()
        found = [m for m in self.evaluator.metrics if isinstance(m, CrossEvaluator)]
        if len(found) != 1:
            what = f'test_evaluator has {len(found)} CrossEvaluators, a translator needs one'
            fix = "test_evaluator = dict(type='hpemap_mm.CrossEvaluator')"
            raise DataError([Problem('config', what, fix)])
        (metric,) = found
        sets = test_sets(pairs_of(self.dataloader.dataset), self.corruptions, self.seed)
        ways = {part.pairs.name: ways_of(model, part.pairs, self.baselines) for part in sets}
        distinct = {(w.name, w.source.name, w.target.name): w for own in ways.values() for w in own}
        metrics = metric.score(
            [part.pairs.target for part in sets],
            {part.pairs.name: [predictions_of(part.pairs)] for part in sets},
            translators=list(distinct.values()),
            notes={part.pairs.name: part.notes for part in sets},
        )
        assert metric.matrix is not None, 'score fills it'
        self.findings = find_all(sets, ways, metric.evaluation, metric.matrix)
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics


def _plain_model(runner: Runner) -> Any:
    return getattr(runner.model, 'module', runner.model)


def _calibrate(runner: Runner, models: Sequence[Any]) -> None:
    """Calibrate on the validation dataset.

    Raises:
        DataError: There is none.
    """
    if runner.val_loop is None:
        what = 'has no validation dataset, which the uncertainty is calibrated on'
        fix = "give val_dataloader, val_cfg=dict(type='hpemap_mm.TranslatorValLoop'), val_evaluator"
        raise DataError([Problem('config', what, fix)])
    pairs = pairs_of(runner.val_loop.dataloader.dataset)
    for model in models:
        model.calibrate(pairs[0] if len(pairs) == 1 else pairs)
