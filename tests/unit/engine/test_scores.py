"""Scores as tables and files."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from hpemap_mm.engine.scores import (
    cross_evaluators,
    dump_predictions,
    render,
    score_tables,
    write_scores,
)
from hpemap_mm.evaluation.cross import CrossEvaluation
from hpemap_mm.evaluation.cross_metric import CrossEvaluator
from hpemap_mm.evaluation.metrics import MultiSkeletonPCK
from hpemap_mm.persons.files import read_predictions, read_truth
from hpemap_mm.skeletons import get_skeleton


def sample(entry, number, *, head=None):
    """A person of COCO's, answered in COCO's skeleton and MPII's."""
    rng = np.random.default_rng(number)

    def instances(skeleton, points=None):
        joints = len(get_skeleton(skeleton))
        found = rng.uniform(0, 100, (1, joints, 2)) if points is None else points
        return {'keypoints': found, 'keypoint_scores': np.full((1, joints), 0.5)}

    truth = rng.uniform(0, 100, (1, 17, 2))
    visible = np.ones((1, 17))
    visible[0, 0] = 0  # no nose
    return {
        'dataset_name': entry,
        'skeleton': 'coco',
        'id': 100 + number,
        'img_id': number,
        'img_path': f'images/{number}.jpg',
        'gt_instances': {
            'keypoints': truth,
            'keypoints_visible': visible,
            'bboxes': np.array([[0.0, 0.0, 100.0, 100.0]]),
            'areas': np.array([5300.0]),
        },
        'pred_skeleton': 'coco',
        'pred_instances': instances('coco', truth + 4),
        'pred_by_skeleton': {'coco': instances('coco', truth + 4), 'mpii': instances('mpii')},
    }


@pytest.fixture
def evaluator():
    metrics = [CrossEvaluator(replicates=0, entries=['a']), MultiSkeletonPCK(entries=['b'])]
    samples = [sample('a', i) for i in range(3)] + [sample('b', i) for i in range(2)]
    for metric in metrics:
        metric.process(None, samples)
        metric.evaluate(len(samples))
    return SimpleNamespace(metrics=metrics)


def test_own_cells_and_plain_tables_have_one_form(evaluator):
    tables = score_tables(evaluator)
    assert set(tables) == {'a', 'b'}
    own, plain = tables['a'], tables['b']
    assert own.keys() == plain.keys()
    assert own['metrics'].keys() == plain['metrics'].keys()
    figure = own['metrics']['PCK@0.1_bbox']
    assert figure.keys() == plain['metrics']['PCK@0.1_bbox'].keys()
    assert (figure['mean'], figure['persons'], figure['joints']) == (1.0, 3, 48)
    assert figure['per_joint']['nose'] == {'pck': None, 'joints': 0}
    assert figure['per_joint']['left_eye'] == {'pck': 1.0, 'joints': 3}
    text = render(tables, 'PCK')
    assert '100.0' in text and 'no joints' not in text


def test_scores_hold_the_matrix(evaluator, tmp_path):
    tables = score_tables(evaluator)
    (metric,) = cross_evaluators(evaluator)
    write_scores(tmp_path / 's.json', tables, matrix=metric.matrix, config='c.py')
    scores = json.loads((tmp_path / 's.json').read_text())
    assert scores['config'] == 'c.py'
    assert scores['matrix']['representations'] == ['coco', 'mpii']
    assert scores['entries']['a']['persons'] == 3
    write_scores(tmp_path / 't.json', tables)
    assert 'matrix' not in json.loads((tmp_path / 't.json').read_text())


def test_dumped_predictions_give_the_same_figures(evaluator, tmp_path):
    (metric,) = cross_evaluators(evaluator)
    written = dump_predictions(tmp_path, metric)
    assert {path.name for path in written} == {'a.truth.npz', 'a.coco.npz', 'a.mpii.npz'}
    truth = read_truth(tmp_path / 'a.truth.npz', skeleton='coco', name='a').truth
    assert truth.image_names[2] == 'images/2.jpg'
    found = [
        read_predictions(tmp_path / f'a.{name}.npz', representation=name, truth=truth).predictions
        for name in ('coco', 'mpii')
    ]
    again = CrossEvaluation(replicates=0).matrix([truth], {'a': found})
    assert again.flat() == pytest.approx(metric.matrix.flat())
