"""Ways that answer different joints, scored on the same ones."""

from dataclasses import replace

import numpy as np
import pytest
from matrix_worlds import EVALUATION, predictions_of, truth_of

from hpemap_mm.analysis.translation_views import render_ways, ways_section
from hpemap_mm.analysis.ways import compare_ways
from hpemap_mm.skeletons import get_skeleton

COCO, MPII = get_skeleton('coco'), get_skeleton('mpii')


class Perfect:
    """Knows MPII's truth, but for the left wrist, which it puts elsewhere."""

    name, source, target = 'perfect', COCO, MPII

    def __init__(self, truth):
        self.truth = truth

    def __call__(self, keypoints, scores=None):
        answer = self.truth.keypoints.copy()
        answer[:, MPII.index('left_wrist')] += 1000.0
        return type('Answer', (), {'keypoints': answer})


@pytest.fixture
def matrix():
    truth = truth_of('mpii', 'm')
    evaluation = replace(EVALUATION, translators=(Perfect(truth),))
    return evaluation.matrix([truth], {'m': [predictions_of('coco', truth)]})


def test_a_joint_without_an_answer_is_wrong(matrix):
    table = compare_ways(matrix, 'm', 'PCKh@0.5')
    assert table.ways == ('coco', 'coco~perfect')
    # COCO has 12 of MPII's joints; pelvis and thorax count in no mean, so that 14 are left.
    own = matrix.cells['coco', 'm'].figures['PCKh@0.5'].value
    assert table.shared['coco'] == pytest.approx(own)
    assert table.everything['coco'] == pytest.approx(own * 12 / 14)
    assert table.shared['coco~perfect'] == pytest.approx(11 / 12)
    assert table.everything['coco~perfect'] == pytest.approx(13 / 14)
    assert 'coco' not in table.joints['head_top'] and 'pelvis' in table.joints


def test_it_is_shown(matrix):
    table = compare_ways(matrix, 'm', 'PCKh@0.5')
    text = render_ways([table])
    assert 'all joints' in text and f'{100 * 13 / 14:.1f}' in text
    (block,) = ways_section([table]).blocks
    assert [row[2] for row in block.rows] == ['coco', 'coco~perfect']
    assert table.to_json()['coco~perfect']['all'] == pytest.approx(13 / 14)
    assert render_ways([]) == '' and ways_section([]) is None


def test_figures_of_whole_persons_are_not_compared(matrix):
    assert compare_ways(matrix, 'm', 'AP') is None
    assert compare_ways(matrix, 'm', 'nothing') is None
    assert np.isfinite(list(compare_ways(matrix, 'm', 'PCK@0.1_bbox').shared.values())).all()
