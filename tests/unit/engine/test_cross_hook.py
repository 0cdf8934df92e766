"""Answers in all skeletons while the matrix is evaluated, and no longer; safe file names."""

import logging
from types import SimpleNamespace

import pytest
from mmengine.hooks import CheckpointHook

from hpemap_mm.engine.cross_hook import CrossMatrixHook, FileNameKey
from hpemap_mm.errors import DataError
from hpemap_mm.evaluation.cross_metric import CrossEvaluator
from hpemap_mm.evaluation.metrics import MultiSkeletonPCK
from hpemap_mm.models import AnsweringPoseEstimator


class Model(AnsweringPoseEstimator):
    """Knows COCO twice, and MPII."""

    def __init__(self, answer='own'):
        self.__dict__.update(test_cfg={'answer': answer})

    answers = all_answers = ('first', 'second', 'mpii')

    def own_answer(self, sample, index):
        raise NotImplementedError

    def _answer(self, feats, samples, wanted):
        raise NotImplementedError

    def representation(self, answer):
        return 'mpii' if answer == 'mpii' else 'coco'


def runner(model, *metrics, hooks=()):
    evaluator = SimpleNamespace(metrics=list(metrics))
    return SimpleNamespace(
        model=model,
        hooks=list(hooks),
        val_evaluator=evaluator,
        test_evaluator=evaluator,
        val_loop=object(),
        val_dataloader=SimpleNamespace(dataset=object()),
        logger=logging.getLogger('test'),
    )


@pytest.mark.parametrize('split', ['val', 'test'])
def test_the_model_answers_in_all_only_where_a_matrix_is_evaluated(split):
    hook, model, metric = CrossMatrixHook(), Model(), CrossEvaluator()
    before, after = (getattr(hook, f'{when}_{split}_epoch') for when in ('before', 'after'))

    before(runner(model, MultiSkeletonPCK(), metric))
    assert model.answer == 'all'
    assert metric.representations == {'first': 'coco', 'second': 'coco', 'mpii': 'mpii'}
    after(runner(model, MultiSkeletonPCK(), metric))
    assert model.answer == 'own'

    before(runner(model, MultiSkeletonPCK()))
    assert model.answer == 'own'


def test_an_answer_that_a_config_asks_for_stays():
    hook, model = CrossMatrixHook(), Model('mpii')
    hook.before_val_epoch(runner(model, CrossEvaluator()))
    assert model.answer == 'mpii'
    hook.after_val_epoch(runner(model, CrossEvaluator()))
    assert model.answer == 'mpii'


def test_a_wrapped_model_and_one_that_cannot_choose():
    hook, model = CrossMatrixHook(), Model()
    hook.before_val_epoch(runner(SimpleNamespace(module=model), CrossEvaluator()))
    assert model.answer == 'all'
    hook.before_test_epoch(runner(object(), CrossEvaluator()))


@pytest.mark.parametrize(
    ('key', 'shown'),
    [
        ('lspet_val/coco->lsp/PCK@0.2_torso', 'lspet_val_coco-to-lsp_PCK@0.2_torso'),
        ('a b/coco~x->lsp/AP', 'a_b_coco~x-to-lsp_AP'),
        ('x;rm *|"\'$', 'x_rm______'),
    ],
)
def test_keys_are_themselves_but_for_file_names(key, shown):
    name = FileNameKey(key)
    assert f'best_{name}_1.pth' == f'best_{shown}_1.pth'
    assert name == key
    assert {key: 1}[name] == 1
    assert FileNameKey(f'{name}') == shown


def test_the_checkpoint_hook_gets_safe_names():
    keeper = CheckpointHook(save_best=['a/x->y/AP', 'b'], rule='greater')
    hook = CrossMatrixHook()
    hook.before_train(runner(Model(), CrossEvaluator(), hooks=[keeper, CheckpointHook()]))
    assert keeper.key_indicators == ['a/x->y/AP', 'b']
    assert f'{keeper.key_indicators[0]}' == 'a_x-to-y_AP'
    assert keeper.is_better_than[keeper.key_indicators[0]](1, 0)


def test_the_first_figure_where_a_config_says_auto():
    keeper = CheckpointHook(save_best='auto', rule='less')
    CrossMatrixHook().after_val_epoch(
        runner(Model(), CrossEvaluator(), hooks=[keeper]), {'a/x->y/AP': 0.5}
    )
    assert keeper.key_indicators == ['a/x->y/AP']
    assert f'{keeper.key_indicators[0]}' == 'a_x-to-y_AP'
    assert keeper.rules == ['less']


def test_a_best_figure_without_a_value_lists_those_with():
    keeper = CheckpointHook(save_best='a/x->y/PCKh@0.5', rule='greater')
    known = {'a/x->y/AP': 0.5, 'a/x->y/AR': 0.5}
    with pytest.raises(DataError, match='Available: a/x->y/AP, a/x->y/AR'):
        CrossMatrixHook().after_val_epoch(runner(Model(), CrossEvaluator(), hooks=[keeper]), known)
    keeper.key_indicators = ['a/x->y/*']
    with pytest.raises(DataError, match='one figure is wanted'):
        CrossMatrixHook().after_val_epoch(runner(Model(), CrossEvaluator(), hooks=[keeper]), known)
