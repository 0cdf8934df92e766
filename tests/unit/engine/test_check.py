"""What tools/check_config.py finds, without building anything."""

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from hpemap_mm.engine.check import compared_in_others

CROSS = {'type': 'hpemap_mm.CrossEvaluator'}
OWN = {'type': 'hpemap_mm.MultiSkeletonPCK'}
HOOK = {'type': 'hpemap_mm.CrossMatrixHook'}


@pytest.mark.parametrize(
    ('evaluator', 'hooks', 'expected'),
    [
        (CROSS, [HOOK], True),
        ([CROSS], [{'type': 'SyncBuffersHook'}, HOOK], True),
        ({**CROSS, 'entries': ['real_mpii']}, [HOOK], True),
        ({**CROSS, 'entries': ['real_aic']}, [HOOK], False),
        ([CROSS, OWN], [HOOK], False),  # the second needs the sample's own skeleton
        (OWN, [HOOK], False),
        (CROSS, [], False),  # the model answers in the sample's own skeleton
        ({'type': 'NoSuchMetric'}, [HOOK], False),
        ([], [HOOK], False),
    ],
)
def test_entries_of_skeletons_that_the_model_does_not_have(evaluator, hooks, expected):
    init_default_scope('mmpose')
    config = Config({'test_evaluator': evaluator, 'custom_hooks': hooks})
    assert compared_in_others(config, 'test', 'real_mpii') is expected
    assert not compared_in_others(config, 'train', 'real_mpii')
