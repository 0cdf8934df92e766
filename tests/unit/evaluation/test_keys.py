"""Figures chosen by their keys."""

import pytest

from hpemap_mm.evaluation.keys import choose_keys

KEYS = ['a/coco->coco/AP', 'a/coco->coco/PCK@0.1_bbox', 'b/coco->lsp/PCK@0.1_bbox']


@pytest.mark.parametrize(
    ('patterns', 'expected'),
    [
        ([], []),
        (['b/coco->lsp/PCK@0.1_bbox', 'a/coco->coco/AP'], [KEYS[0], KEYS[2]]),
        (['*/coco->*/PCK@0.1_bbox'], KEYS[1:]),
        (['*', 'a/*'], KEYS),
    ],
)
def test_keys_and_patterns(patterns, expected):
    assert choose_keys(patterns, KEYS) == expected


def test_a_pattern_that_names_nothing_lists_what_there_is():
    with pytest.raises(KeyError) as error:
        choose_keys(['*', 'a/coco->coco/APP'], KEYS)
    message = error.value.args[0]
    assert "'a/coco->coco/APP'" in message
    # The most similar first.
    assert message.index(KEYS[0]) < message.index(KEYS[2])


def test_why_a_figure_is_missing():
    with pytest.raises(KeyError, match='no head sizes'):
        choose_keys(['b/coco->lsp/PCKh@0.5'], KEYS, why={'b/coco->lsp/PCKh@0.5': 'no head sizes'})
