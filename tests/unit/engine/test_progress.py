"""The bar of a test."""

from types import SimpleNamespace

from hpemap_mm.engine.progress import ProgressHook
from hpemap_mm.evaluation.cross_metric import CrossEvaluator


def test_it_counts_batches_and_names_cells():
    metric = CrossEvaluator()
    runner = SimpleNamespace(
        test_dataloader=[0] * 4, test_evaluator=SimpleNamespace(metrics=[metric])
    )
    hook = ProgressHook()
    hook.before_test_epoch(runner)
    (task,) = hook.bar.tasks
    assert (task.description, task.total) == ('predicting', 4)
    for i in range(4):
        hook.after_test_iter(runner, i)
    assert task.finished
    metric.progress('a/coco')
    assert task.description == 'scoring a/coco'
    hook.after_test_epoch(runner)
    hook.close()
    assert not hook.bar.live.is_started
