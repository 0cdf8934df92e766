"""The matrix for a terminal: every figure with its interval, every gap with its reason."""

import math

import pytest
from matrix_worlds import matrix_of, predictions_of, truth_of

from hpemap_mm.analysis.matrix_text import (
    figure_text,
    headline,
    render_figures,
    render_joints,
    render_matrix,
)
from hpemap_mm.evaluation.cross import CrossEvaluation
from hpemap_mm.evaluation.figures import Figure


def test_each_dataset_is_shown_in_its_own_figure():
    matrix = matrix_of()
    assert {name: headline(matrix, name) for name in matrix.datasets} == {
        'c': 'AP',
        'm': 'PCKh@0.5',
        'l': '',
    }


def test_lsp_is_known_by_its_pck_and_has_borrowed_sigmas():
    truth = truth_of('lsp', 'l')
    matrix = CrossEvaluation(replicates=0).matrix([truth], {'l': [predictions_of('lsp', truth)]})
    assert 'AP' in matrix.metrics
    assert headline(matrix, 'l') == 'PCK@0.2_torso'


def test_a_cell_tells_its_value_its_joints_and_its_persons():
    matrix = matrix_of()
    text = render_matrix(matrix, title='A title that is longer than the table is wide ' * 3)
    value = figure_text(matrix.cells['coco', 'm'].figures['PCKh@0.5'])
    assert value in text
    for expected in ('A title', '12 same, 2 derived', '6 persons', 'mpii: PCKh@0.5', '17 same'):
        assert expected in text
    # The column of a dataset that nobody predicted says so, in every row.
    assert text.count('- no predictions') == len(matrix.representations)


def test_all_figures_of_a_cell():
    matrix = matrix_of()
    text = render_figures([matrix.cells['coco', 'c']], matrix.metrics)
    for name in ('AP', 'AR_M', 'PCK@0.05_bbox', 'KS'):
        assert name in text
    assert '- (no head sizes)' in next(line for line in text.splitlines() if 'PCKh-AUC' in line)
    empty = render_figures([matrix.cells['coco', 'l']], matrix.metrics)
    assert 'no predictions' in empty


def test_joint_by_joint_with_its_doubts():
    matrix = matrix_of()
    text = render_joints(matrix.cells['coco', 'm'], ['PCKh@0.5', 'AP'])
    lines = {line.split()[1]: line for line in text.splitlines() if line.startswith('│')}
    assert 'left_hip, right_hip' in lines['pelvis']
    assert 'derived *' in lines['pelvis']
    assert 'none' in lines['head_top']
    assert '* mean of left_hip, right_hip' in text
    # Metrics of whole persons have no column.
    assert 'AP' not in text


@pytest.mark.parametrize(
    ('figure', 'text'),
    [
        (Figure(value=0.6123, low=0.5, high=0.75), '61.2 [50.0, 75.0]'),
        (Figure(value=0.6123), '61.2'),
        (Figure(value=math.nan), '-'),
        (None, '-'),
    ],
)
def test_figures_in_per_cent(figure, text):
    assert figure_text(figure) == text
