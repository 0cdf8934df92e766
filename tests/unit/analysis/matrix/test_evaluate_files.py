"""Files against files: what the figures say must be what the arrays say."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matrix_worlds import EVALUATION, predictions_of, truth_of

from hpemap_mm.analysis.evaluate_files import evaluate_files, representation_of
from hpemap_mm.errors import DataError
from hpemap_mm.persons.files import write_predictions
from hpemap_mm.skeletons import JointSpace, get_skeleton


@pytest.fixture
def files(tmp_path):
    """MPII's persons as npz, COCO's predictions for them as npz and json."""
    truth = truth_of('mpii', 'm')
    arrays = ('keypoints', 'visible', 'ids', 'image_ids', 'boxes', 'areas', 'head_sizes')
    np.savez(tmp_path / 'm.npz', **{name: getattr(truth, name) for name in arrays})
    predictions = predictions_of('coco', truth)
    write_predictions(tmp_path / 'p.npz', predictions)
    write_predictions(tmp_path / 'p.json', predictions)
    return tmp_path, truth, predictions


def run(folder, predictions='p.npz', truth='m.npz', **options):
    options = {'source': 'coco', 'target': 'mpii', 'evaluation': EVALUATION, **options}
    return evaluate_files(folder / predictions, folder / truth, **options)


@pytest.mark.parametrize('name', ['p.npz', 'p.json'])
def test_the_same_as_from_arrays(files, name):
    folder, truth, predictions = files
    done = run(folder, name)
    expected = EVALUATION.matrix([truth], {'m': [predictions]}).flat()
    assert done.matrix.flat() == pytest.approx(expected)
    assert 'm/coco->mpii/PCKh@0.5' in expected


def test_the_first_pixel_is_as_said(files):
    folder, truth, predictions = files
    np.savez(folder / 'q.npz', keypoints=predictions.keypoints + 1, ids=truth.ids)
    own = run(folder).matrix.flat()
    assert run(folder, 'q.npz', base=1).matrix.flat() == pytest.approx(own)
    shifted = run(folder, 'q.npz').matrix.flat()
    assert shifted['m/coco->mpii/KS'] < own['m/coco->mpii/KS']
    # A truth that is read as 1-based moves the other way: two pixels off.
    both = run(folder, 'q.npz', base=0, truth_base=1).matrix.flat()
    assert both['m/coco->mpii/KS'] < shifted['m/coco->mpii/KS']


def test_notes_say_how_the_files_were_read(files):
    (cell,) = run(files[0]).matrix
    text = '\n'.join(cell.notes)
    for expected in (
        'truth: npz, first pixel at 0',
        'predictions: npz, first pixel at 0; persons by their ids',
        'NMS: none applied here',
        'sigmas:',
    ):
        assert expected in text


def test_detections_are_matched(files):
    folder, _, _ = files
    (cell,) = run(folder, 'p.json', pairing='detections').matrix
    assert cell.how == 'by OKS'
    assert any('detections, matched by OKS' in note for note in cell.notes)


def test_detections_without_areas_are_refused(files):
    folder, truth, _ = files
    np.savez(folder / 'bare.npz', keypoints=truth.keypoints, visible=truth.visible)
    rows = json.loads((folder / 'p.json').read_text())
    for i, row in enumerate(rows):
        row.pop('annotation_id')
        row['image_id'] = i
    (folder / 'd.json').write_text(json.dumps(rows))
    with pytest.raises(DataError, match='neither an area nor a box'):
        run(folder, 'd.json', 'bare.npz')


@pytest.mark.parametrize(
    ('text', 'joints'),
    [('coco', 17), ('seed-21', 21), ('union(coco,mpii)', 21), ('concat(coco, mpii)', 33)],
)
def test_representations_by_name(text, joints):
    found = representation_of(text)
    assert len(found) == joints
    assert isinstance(found, JointSpace) == (text != 'coco')


@pytest.mark.parametrize('text', ['cocoo', 'union(coco,mpi)', 'union(coco,coco)', 'union()'])
def test_representations_that_there_are_not(text):
    with pytest.raises(DataError, match='known are|name other'):
        representation_of(text)


def test_progress_is_told(files):
    told = []
    run(files[0], progress=told.append)
    assert told == ['reading m.npz', 'reading p.npz', 'comparing']


class Still:
    """Answers with the middle of the person for every joint."""

    source, target = get_skeleton('coco'), get_skeleton('mpii')

    def __init__(self, name='still'):
        self.name = name

    def __call__(self, keypoints, scores=None):
        answer = np.repeat(keypoints.mean(1, keepdims=True), len(self.target), axis=1)
        return SimpleNamespace(keypoints=answer)


def test_a_translator_is_a_row_of_its_own(files):
    folder, truth, predictions = files
    evaluation = replace(EVALUATION, translators=(Still(),))
    done = run(folder, evaluation=evaluation)
    assert done.matrix.representations == ('coco', 'coco~still')
    alone = run(folder).matrix.flat()
    both = done.matrix.flat()
    assert {key: both[key] for key in alone} == pytest.approx(alone)
    assert both['m/coco~still->mpii/PCKh@0.5'] < alone['m/coco->mpii/PCKh@0.5']


def test_translators_that_do_not_fit_are_all_told(files):
    evaluation = replace(EVALUATION, translators=(Still(), Still()))
    with pytest.raises(DataError) as caught:
        run(files[0], evaluation=evaluation, source='lsp')
    text = str(caught.value)
    assert 'goes from coco to mpii, wanted is lsp to mpii' in text
    assert "translator 'still'" in text and 'is the name of 2 translators' in text
