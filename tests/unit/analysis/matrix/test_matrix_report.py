"""The matrix as a page."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from matrix_worlds import matrix_of, predictions_of, truth_of, world

from hpemap_mm.analysis import report
from hpemap_mm.analysis.matrix_report import answer, main_metric, matrix_report
from hpemap_mm.analysis.report import About, encode_picture, write_report
from hpemap_mm.evaluation.cross import CrossEvaluation
from hpemap_mm.skeletons import get_skeleton


def test_the_answer_in_a_sentence():
    matrix = matrix_of()
    text = answer(matrix)
    value = 100 * matrix.cells['mpii', 'm'].figures['PCKh@0.5'].value
    assert text.startswith('2 representations on 3 datasets: AP ')
    assert f'PCKh@0.5 {value:.1f}% on m' in text
    assert '2 of the cells compare nothing' in text


def test_the_heat_map_starts_with_a_figure_that_all_share():
    assert main_metric(matrix_of()) == 'PCK@0.1_bbox'
    truth = truth_of('mpii', 'm')
    one = CrossEvaluation(replicates=0).matrix([truth], {'m': [predictions_of('coco', truth)]})
    assert main_metric(one) == 'PCKh@0.5'


def test_the_page_has_every_cell_and_its_json_the_same(tmp_path):
    matrix = matrix_of()
    picture = report.Picture(
        jpeg=encode_picture(np.zeros((8, 8, 3), np.uint8)), caption='person 1', group='best'
    )
    page = matrix_report(
        matrix, title='a <title>', pictures={'c': [picture]}, about=About(command='python x')
    )
    path = write_report(tmp_path / 'report.html', page)
    html = path.read_text()
    for expected in ('a &lt;title&gt;', 'no predictions', 'python x', 'person 1', 'PCKh@0.5'):
        assert expected in html
    plain = json.loads((tmp_path / 'report.json').read_text())
    assert '1 person counts as wrong' in json.dumps(plain)
    cells = plain['sections'][0]['blocks'][0]['cells']
    assert len(cells) == 6
    found = {(c['representation'], c['dataset']): c for c in cells}
    assert found['coco', 'l']['reason'] == 'no predictions'
    expected = matrix.cells['coco', 'm'].figures['PCKh@0.5']
    figure = found['coco', 'm']['figures']['PCKh@0.5']
    assert figure['value'] == pytest.approx(expected.value)
    assert (figure['joints'], figure['instances']) == (14, 6)
    assert found['coco', 'm']['relations']['pelvis'] == 'derived'
    # A figure that this cell cannot have, and others can, says why.
    assert found['coco', 'c']['figures']['PCKh@0.5']['reason'] == 'no head sizes'


def test_what_may_mislead_is_flagged():
    page = matrix_report(matrix_of(), title='x')
    assert [flag.text for flag in page.flags] == ['m: 1 person counts as wrong']


def test_a_matrix_in_which_nothing_is_compared(tmp_path):
    truths, _ = world()
    predictions = {'c': [predictions_of('coco', truths[0])]}
    hidden = truth_of('coco', 'c', visible=np.zeros((6, 17)))
    matrix = CrossEvaluation(replicates=0).matrix([hidden], predictions)
    assert answer(matrix) == 'Nothing could be compared; the cells say why.'
    html = write_report(tmp_path / 'r.html', matrix_report(matrix, title='x')).read_text()
    assert 'none of the joints' in html


@dataclass
class Wrist:
    name: str = 'wrist'
    source: object = get_skeleton('coco')
    target: object = get_skeleton('mpii')

    def __call__(self, keypoints, scores=None):
        answer = np.full((len(keypoints), 16, 2), np.nan)
        answer[:, 10] = keypoints[:, 10]
        return type('Answer', (), {'keypoints': answer})


def test_joints_by_a_translator_are_shown_as_such(tmp_path):
    page = matrix_report(matrix_of(translators=(Wrist(),)), title='x')
    html = write_report(tmp_path / 'r.html', page).read_text()
    assert 'coco~wrist' in html
    assert 'translated' in html
