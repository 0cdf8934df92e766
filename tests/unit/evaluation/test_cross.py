"""The matrix, in a world small enough to count by hand."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from hpemap_mm.evaluation import Predictions, Truth
from hpemap_mm.evaluation.cross import CrossEvaluation
from hpemap_mm.evaluation.measures import Measures, sigmas_of
from hpemap_mm.skeletons import Skeleton, correspondences, get_skeleton, transfer_matrix

COCO, MPII, LSP = (get_skeleton(name) for name in ('coco', 'mpii', 'lsp'))
FEW = Measures(bbox=(0.1,), torso=(), head=(0.5,), head_auc=False)


def points(skeleton, persons):
    """A pose in COCO's joints, brought into the skeleton where that is possible."""
    j = np.arange(17)
    pose = np.stack([20 + 5.0 * j, 30 + 11.0 * (j % 4)], -1)
    records = correspondences(COCO, skeleton, approximate=True)
    found = transfer_matrix(records, 17) @ pose
    # What COCO lacks stands somewhere.
    lost = [r.relation == 'none' for r in records]
    found[lost] = [60.0, 10.0]
    return found + np.arange(persons)[:, None, None] * 200.0


def truth_of(skeleton, name, persons=4, **about):
    keypoints = points(skeleton, persons)
    corner = np.arange(persons)[:, None] * 200.0
    return Truth.build(
        name=name,
        skeleton=skeleton,
        keypoints=keypoints,
        **{
            'visible': np.full(keypoints.shape[:2], 2),
            'image_ids': np.arange(persons) // 2,
            'boxes': np.concatenate([corner, corner, corner + 100, corner + 100], 1),
            'areas': np.full(persons, 5300.0),
            'head_sizes': np.full(persons, 20.0),
            **about,
        },
    )


def predictions_of(skeleton, truth, *, off=0.0, rows=None, ids=True, name='model'):
    rows = np.arange(len(truth)) if rows is None else np.asarray(rows)
    keypoints = points(skeleton, len(truth))[rows] + [off, 0.0]
    return Predictions.build(
        name=name,
        representation=skeleton,
        keypoints=keypoints,
        image_ids=truth.image_ids[rows],
        scores=None if ids else 1.0 - 0.1 * np.arange(len(rows)),
        ids=truth.ids[rows] if ids else None,
    )


@dataclass
class Nothing:
    name: str = 'mute'
    source: object = COCO
    target: object = MPII

    def __call__(self, keypoints, scores=None):
        return type('Answer', (), {'keypoints': np.full((len(keypoints), 16, 2), np.nan)})


def matrix(truths, predictions, **options):
    return CrossEvaluation(**{'measures': FEW, 'replicates': 50, **options}).matrix(
        truths, predictions
    )


def test_every_representation_meets_every_dataset():
    truths = [truth_of(COCO, 'c'), truth_of(MPII, 'm'), truth_of(LSP, 'l')]
    found = matrix(truths, {t.name: [predictions_of(s, t) for s in (COCO, MPII)] for t in truths})

    assert found.representations == ('coco', 'mpii')
    assert found.datasets == ('c', 'm', 'l')
    # Every joint comes from the same pose, or stands in the same place: all are exactly right.
    assert {c.key: c.figures['PCK@0.1_bbox'].value for c in found} == dict.fromkeys(
        ['c/coco->coco', 'c/mpii->coco', 'm/coco->mpii', 'm/mpii->mpii', 'l/coco->lsp']
        + ['l/mpii->lsp'],
        1.0,
    )
    assert found.flat()['m/coco->mpii/PCKh@0.5'] == 1.0
    # 12 joints of MPII's 14 that count have a counterpart in COCO.
    assert found.cells['coco', 'm'].figures['PCKh@0.5'].joints == 4 * 12
    assert found.cells['coco', 'm'].figures['PCK@0.1_bbox'].joints == 4 * 14
    assert found.cells['coco', 'm'].figures['AP'].value == pytest.approx(1.0)


def test_the_values_of_joints_that_only_stand_in_are_told_apart():
    truth = truth_of(LSP, 'l')
    predicted = predictions_of(MPII, truth)
    for joint in ('head_top', 'upper_neck'):
        predicted.keypoints[:, MPII.index(joint)] = truth.keypoints[:, LSP.index('neck')] + 500
    cell = matrix([truth], {'l': [predicted]}).cells['mpii', 'l']

    figure = cell.figures['PCK@0.1_bbox']
    assert figure.by_relation == {'same': 1.0, 'near': 0.0}
    assert figure.value == 12 / 14
    assert matrix([truth], {'l': [predicted]}, near=False).flat()['l/mpii->lsp/PCK@0.1_bbox'] == 1


def test_persons_without_an_answer_count_as_wrong():
    truth = truth_of(COCO, 'c')
    cell = matrix([truth], {'c': [predictions_of(COCO, truth, rows=[0, 2, 3])]}).cells['coco', 'c']

    assert cell.figures['PCK@0.1_bbox'].value == 0.75
    assert cell.figures['KS'].value == 0.75
    assert cell.figures['AR'].value == pytest.approx(0.75)
    assert (cell.persons, cell.predicted, cell.how) == (4, 3, 'by id')


def test_detections_are_matched_and_the_others_left_over():
    truth = truth_of(COCO, 'c')
    found = predictions_of(COCO, truth, ids=False)
    found.keypoints[3] = found.keypoints[0] - 5000
    cell = matrix([truth], {'c': [found]}).cells['coco', 'c']

    assert (cell.predicted, cell.left_over, cell.how) == (3, 1, 'by OKS')
    assert cell.figures['PCK@0.1_bbox'].value == 0.75


def test_the_interval_of_a_constant_is_that_constant():
    truth = truth_of(COCO, 'c')
    for off, value in ((0.0, 1.0), (50.0, 0.0)):
        cell = matrix([truth], {'c': [predictions_of(COCO, truth, off=off)]}).cells['coco', 'c']
        figure = cell.figures['PCK@0.1_bbox']
        assert (figure.low, figure.value, figure.high) == (value, value, value)


def test_without_replicates_there_are_no_intervals():
    truth = truth_of(COCO, 'c')
    cell = matrix([truth], {'c': [predictions_of(COCO, truth)]}, replicates=0).cells['coco', 'c']
    assert np.isnan([f.low for f in cell.figures.values()]).all()
    assert cell.figures['AP'].value == pytest.approx(1.0)


def test_a_cell_that_compares_nothing_says_so():
    truth = truth_of(MPII, 'm')
    hidden = np.zeros((4, 16), int)
    hidden[:, [MPII.index('head_top'), MPII.index('upper_neck')]] = 2
    truths = [truth, truth_of(MPII, 'heads', visible=hidden), truth_of(LSP, 'l')]
    found = matrix(
        truths,
        {'m': [predictions_of(COCO, truth)], 'heads': [predictions_of(COCO, truths[1])]},
        translators=(Nothing(),),
    )

    assert {key: cell.reason for key, cell in found.cells.items()} == {
        ('coco', 'm'): '',
        ('coco', 'heads'): 'none of the joints that could be compared is annotated',
        ('coco', 'l'): 'no predictions',
        ('coco~mute', 'm'): 'no joint of coco~mute has a counterpart in mpii',
        ('coco~mute', 'heads'): 'no joint of coco~mute has a counterpart in mpii',
        ('coco~mute', 'l'): 'mute does not translate into lsp',
    }
    assert all(not cell.figures for cell in found if cell.reason)
    assert {key.split('/')[0] for key in found.flat()} == {'m'}
    empty = next(c for c in found.to_json()['cells'] if c['dataset'] == 'l')
    assert empty['reason'] and empty['figures'] == {}


@dataclass
class NoWrist:
    name: str = 'no-wrist'
    source: object = COCO
    target: object = COCO

    def __call__(self, keypoints, scores=None):
        answer = keypoints.copy()
        answer[0, COCO.index('left_wrist')] = np.nan
        return type('Answer', (), {'keypoints': answer})


@pytest.mark.parametrize('ids', [True, False])
def test_joints_without_an_answer_are_wrong_in_every_figure(ids):
    # The left wrist of the first person is at the origin, where a lost joint might be put.
    truth = truth_of(COCO, 'c')
    truth.keypoints[0, COCO.index('left_wrist')] = 0
    found = predictions_of(COCO, truth, ids=ids)
    found.keypoints[0, COCO.index('left_wrist')] = 0
    cells = matrix([truth], {'c': [found]}, translators=(NoWrist(),)).cells
    assert cells['coco', 'c'].figures['AP'].value == pytest.approx(1.0)
    figures = cells['coco~no-wrist', 'c'].figures
    assert figures['PCK@0.1_bbox'].value == 67 / 68
    assert figures['AP'].value < 1
    assert figures['KS'].value == 67 / 68


def test_what_could_not_be_computed_says_why():
    truth = truth_of(COCO, 'c', head_sizes=None, boxes=None, areas=[5300, np.nan, 5300, 5300])
    cell = matrix([truth], {'c': [predictions_of(COCO, truth)]}).cells['coco', 'c']
    assert cell.missing['PCKh@0.5'] == 'no head sizes'
    assert cell.missing['PCK@0.1_bbox'] == 'no boxes'
    assert cell.missing['AP'] == cell.missing['AR_L'] == '1 without an area'
    assert cell.figures['KS'].instances == 3


def test_a_skeleton_without_sigmas_has_no_oks(monkeypatch):
    truth = truth_of(COCO, 'c')
    monkeypatch.setattr(Skeleton, 'has_sigmas', property(lambda self: False))
    monkeypatch.setattr(
        'hpemap_mm.evaluation.measures.stand_in_sigmas',
        lambda skeleton: (_ for _ in ()).throw(ValueError('none for the tail')),
    )
    cell = matrix([truth], {'c': [predictions_of(COCO, truth)]}).cells['coco', 'c']
    assert cell.missing['KS'] == cell.missing['AP'] == 'none for the tail'
    assert cell.figures['PCK@0.1_bbox'].value == 1


def test_notes_go_into_the_cells_of_their_dataset():
    truths = [truth_of(COCO, 'c'), truth_of(LSP, 'l')]
    found = CrossEvaluation(measures=FEW, replicates=0).matrix(
        truths,
        {t.name: [predictions_of(COCO, t)] for t in truths},
        notes={'c': ['read with care']},
    )
    assert found.cells['coco', 'c'].notes[0] == 'read with care'
    assert found.cells['coco', 'l'].notes == (f'sigmas: {sigmas_of(LSP)[1]}',)


def test_two_answers_in_one_representation_are_told_apart_by_their_names():
    truth = truth_of(COCO, 'c')
    given = [predictions_of(COCO, truth, name='a'), predictions_of(COCO, truth, name='b', off=50)]
    found = matrix([truth], {'c': given})
    assert found.representations == ('coco(a)', 'coco(b)')
    assert found.flat()['c/coco(a)->coco/PCK@0.1_bbox'] == 1
    assert found.flat()['c/coco(b)->coco/PCK@0.1_bbox'] == 0
    with pytest.raises(ValueError, match='computed twice'):
        matrix([truth], {'c': [given[0], given[0]]})


def test_datasets_and_predictions_must_fit():
    truth = truth_of(COCO, 'c')
    with pytest.raises(ValueError, match='different names'):
        matrix([truth, truth], {})
    with pytest.raises(ValueError, match="without a truth: \\['d'\\]"):
        matrix([truth], {'d': [predictions_of(COCO, truth)]})
    stranger = predictions_of(COCO, truth_of(COCO, 'c', persons=5))
    with pytest.raises(ValueError, match='not among'):
        matrix([truth], {'c': [stranger]})


def test_progress_and_json():
    told = []
    truth = truth_of(COCO, 'c')
    found = CrossEvaluation(measures=FEW, replicates=20).matrix(
        [truth], {'c': [predictions_of(COCO, truth)]}, progress=told.append
    )
    assert told == ['c/coco']
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain['metrics'][0] == 'PCKh@0.5'
    (cell,) = plain['cells']
    assert cell['relations']['nose'] == 'same'
    assert cell['figures']['PCK@0.1_bbox']['per_joint']['nose']['joints'] == 4
    assert '20 replicates' in plain['interval']


def test_a_missing_joint_is_wrong_and_the_others_stay_as_they_are():
    truth = Truth.build(
        name='t',
        skeleton=get_skeleton('coco'),
        keypoints=np.arange(34.0).reshape(1, 17, 2),
        visible=np.full((1, 17), 2),
        boxes=[[0.0, 0, 100, 100]],
        areas=[5300.0],
    )
    answered = np.ones((1, 17), bool)
    answered[0, :3] = False
    found = Predictions.build(
        name='p',
        representation=truth.skeleton,
        keypoints=truth.keypoints,
        image_ids=[0],
        ids=[0],
        answered=answered,
    )
    (cell,) = CrossEvaluation(replicates=0).matrix([truth], {'t': [found]})
    assert cell.figures['PCK@0.1_bbox'].value == pytest.approx(14 / 17)
    assert cell.figures['PCK@0.1_bbox'].joints == 17
    assert cell.figures['KS'].value == pytest.approx(14 / 17)
    with pytest.raises(ValueError, match='answered must be'):
        Predictions.build(
            name='p',
            representation=truth.skeleton,
            keypoints=truth.keypoints,
            image_ids=[0],
            ids=[0],
            answered=answered[:, :5],
        )
