"""MMEngine's shell of the matrix: what it gathers, refuses, and returns."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from mmengine.structures import InstanceData

from hpemap_mm.evaluation.cross_metric import CrossEvaluator, person_scores
from hpemap_mm.evaluation.metrics import MultiSkeletonPCK
from hpemap_mm.registry import METRICS, MODELS
from hpemap_mm.skeletons import correspondences, get_skeleton, transfer_matrix

COCO, MPII = get_skeleton('coco'), get_skeleton('mpii')


def pose(skeleton):
    """One pose of COCO's joints in another skeleton; (1, K, 2)."""
    j = np.arange(17)
    found = np.stack([10 + 5.0 * j, 20 + 17.0 * (j % 4)], -1)
    return (transfer_matrix(correspondences('coco', skeleton, approximate=True), 17) @ found)[None]


def instances(skeleton, off=0.0, score=0.9):
    joints = len(get_skeleton(skeleton))
    return InstanceData(
        keypoints=pose(skeleton) + [off, 0.0], keypoint_scores=np.full((1, joints), score)
    )


def sample(entry='c', skeleton='coco', number=0, *, off=0.0, answers=('coco', 'mpii'), **more):
    joints = len(get_skeleton(skeleton))
    truth = {
        'keypoints': pose(skeleton),
        'keypoints_visible': np.ones((1, joints)),
        'bboxes': np.array([[0.0, 0.0, 100.0, 100.0]]),
        'bbox_scores': np.ones(1),
        'areas': np.array([5300.0], np.float32),
        **more.pop('truth', {}),
    }
    return {
        'dataset_name': entry,
        'skeleton': skeleton,
        'id': number,
        'img_id': number // 2,
        'img_path': f'{number // 2}.jpg',
        'gt_instances': truth,
        'pred_skeleton': answers[0],
        'pred_instances': instances(answers[0], off),
        'pred_by_skeleton': {name: instances(name, off) for name in answers},
        **more,
    }


def evaluate(samples, **arguments):
    metric = CrossEvaluator(**{'replicates': 0, **arguments})
    metric.process(None, samples)
    return metric.evaluate(len(samples)), metric


def world(**more):
    return [sample('c', 'coco', i, **more) for i in range(3)] + [
        sample('m', 'mpii', i, **more) for i in range(3)
    ]


def test_every_answer_on_every_entry():
    scores, metric = evaluate(world())
    assert metric.matrix.representations == ('coco', 'mpii')
    assert metric.matrix.datasets == ('c', 'm')
    assert scores['m/coco->mpii/PCK@0.1_bbox'] == 1.0
    assert scores['c/mpii->coco/PCK@0.1_bbox'] == 1.0
    assert {key.partition('/PCK')[0] for key in scores if key.endswith('@0.1_bbox')} == {
        'c/coco->coco',
        'c/mpii->coco',
        'm/coco->mpii',
        'm/mpii->mpii',
    }
    assert metric.truths['c'].image_names == {0: '0.jpg', 1: '1.jpg'}
    assert [p.name for p in metric.predictions['m']] == ['coco', 'mpii']


def test_people_and_animals_are_scored_beside_each_other_and_never_compared():
    names = ('coco', 'ap10k', 'apt36k')
    people = [sample('c', 'coco', i, answers=names, off=4.0) for i in range(2)]
    animals = [sample('a', 'ap10k', i, answers=names, off=12.0) for i in range(2)]
    scores, metric = evaluate([*people, *animals], keys=['*->*/PCK@0.1_bbox'])
    assert scores == {
        'c/coco->coco/PCK@0.1_bbox': 1.0,
        'a/ap10k->ap10k/PCK@0.1_bbox': 0.0,
        'a/apt36k->ap10k/PCK@0.1_bbox': 0.0,  # the same joints
    }
    for row, column in (('coco', 'a'), ('ap10k', 'c'), ('apt36k', 'c')):
        assert 'no joint' in metric.matrix.cells[row, column].reason
    own = metric.matrix.cells['ap10k', 'a']
    assert own.figures['KS'].joints == 2 * len(get_skeleton('ap10k'))
    assert own.missing['PCK@0.2_torso'].startswith('no person')


def test_the_own_cell_is_what_the_plain_metric_says():
    samples = [sample('c', 'coco', i, off=4.0 * i) for i in range(5)]
    scores, _ = evaluate(samples)
    plain = MultiSkeletonPCK()
    plain.process(None, samples)
    for key, value in plain.evaluate(5).items():
        entry, name = key.split('/')
        assert scores[f'{entry}/coco->coco/{name}'] == pytest.approx(value)


def test_one_answer_where_the_model_gives_one():
    samples = [{k: v for k, v in s.items() if k != 'pred_by_skeleton'} for s in world()]
    scores, metric = evaluate(samples)
    assert metric.matrix.representations == ('coco',)
    assert 'm/coco->mpii/PCK@0.1_bbox' in scores


def test_what_is_gathered_survives_pickling():
    metric = CrossEvaluator()
    metric.process(None, world())
    again = pickle.loads(pickle.dumps(metric.results))
    assert again[0]['answers']['mpii']['keypoints'].shape == (1, 16, 2)
    assert not any(isinstance(v, InstanceData) for v in again[0].values())


def test_persons_are_scored_as_by_mmpose():
    scores = person_scores(
        np.array([0.5, 1.0, 1.0]), np.array([[0.1, 0.4, 0.8], [0.1, 0.2, 0.0], [1, np.nan, 1]])
    )
    assert scores[:2] == pytest.approx([0.5 * (0.4 + 0.8) / 2, 0.0])
    assert np.isnan(scores[2])


def test_head_sizes_are_given_or_taken_from_the_joints():
    _, metric = evaluate([sample('m', 'mpii', truth={'head_sizes': np.array([20.0])})])
    assert metric.truths['m'].head_sizes.tolist() == [20]
    assert not any('head sizes' in note for note in metric.matrix.cells['mpii', 'm'].notes)

    _, metric = evaluate([sample('m', 'mpii')])
    top, neck = (pose('mpii')[0, MPII.index(j)] for j in ('head_top', 'upper_neck'))
    expected = 0.75 * np.linalg.norm(top - neck)
    assert metric.truths['m'].head_sizes == pytest.approx([expected])
    assert any('0.75 x upper neck' in note for note in metric.matrix.cells['mpii', 'm'].notes)
    assert np.isnan(evaluate([sample('c', 'coco')])[1].truths['c'].head_sizes).all()


def test_occluded_joints_are_told_from_visible_ones_where_the_file_does():
    raw = np.zeros((17, 3))
    raw[:, 2] = [2, 1, 0] + [2] * 14
    seen = np.ones((1, 17))
    seen[0, 2] = 0
    one = sample(
        truth={'keypoints_visible': seen}, raw_ann_info={'keypoints': raw.ravel().tolist()}
    )
    _, metric = evaluate([one])
    assert metric.truths['c'].visible.tolist() == [[2, 1, 0] + [2] * 14]
    _, metric = evaluate([sample(truth={'keypoints_visible': seen}, raw_ann_info={'id': 3})])
    assert metric.truths['c'].visible.tolist() == [[1, 1, 0] + [1] * 14]


def test_only_the_chosen_keys_are_returned():
    scores, metric = evaluate(world(), keys=['*/coco->*/PCK@0.1_bbox', 'c/coco->coco/AP'])
    assert list(scores) == [
        'c/coco->coco/PCK@0.1_bbox',
        'c/coco->coco/AP',
        'm/coco->mpii/PCK@0.1_bbox',
    ]
    assert 'c/mpii->coco/PCK@0.1_bbox' in metric.matrix.flat()
    assert evaluate(world(), keys=[])[0] == {}


def test_keys_that_name_nothing_are_refused_and_say_why():
    with pytest.raises(KeyError, match='c/coco->coco/PCK@0.1_bbox'):
        evaluate(world(), keys=['d/*'])
    with pytest.raises(KeyError, match='no head sizes'):
        evaluate(world(), keys=['c/coco->coco/PCKh@0.5'])


def test_only_the_named_entries():
    scores, metric = evaluate(world(), entries=['m'])
    assert metric.matrix.datasets == ('m',)
    with pytest.raises(ValueError, match=r"\['x'\]"):
        evaluate(world(), entries=['m', 'x'])


def test_a_prediction_that_is_not_finite_never_scores():
    samples = [sample('c', 'coco', i) for i in range(4)]
    samples[2]['pred_by_skeleton']['coco'].keypoints[0, 3] = np.nan
    with pytest.raises(ValueError, match=r'c/coco: .* 1 of 4 persons are not finite \(ids 2\)'):
        evaluate(samples)

    scores, metric = evaluate(samples, on_nan='wrong')
    assert scores['c/coco->coco/PCK@0.1_bbox'] == 0.75
    assert scores['c/mpii->coco/PCK@0.1_bbox'] == 1.0
    assert metric.matrix.cells['coco', 'c'].predicted == 3
    assert any('count as wrong' in note for note in metric.matrix.cells['coco', 'c'].notes)


def test_all_of_a_diverged_model_is_wrong():
    samples = [sample('c', 'coco', i) for i in range(3)]
    for one in samples:
        one['pred_by_skeleton']['coco'].keypoints[:] = np.inf
    scores, _ = evaluate(samples, on_nan='wrong')
    assert scores['c/coco->coco/PCK@0.1_bbox'] == scores['c/coco->coco/AP'] == 0


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'joint_space': 'union(coco,mpii)'}, 'Leave ToJointSpace out'),
        ({'truth': {'keypoints': np.zeros((2, 17, 2))}}, 'has 2 persons'),
    ],
)
def test_samples_that_it_cannot_judge(change, message):
    with pytest.raises(ValueError, match=message):
        evaluate([sample(**change)])


def test_a_model_that_does_not_say_what_it_answers_in():
    nameless = {k: v for k, v in sample().items() if not k.startswith('pred_')}
    with pytest.raises(ValueError, match='pred_skeleton'):
        evaluate([nameless])


def test_the_same_person_twice_is_refused():
    with pytest.raises(ValueError, match='person 1 was scored twice'):
        evaluate([sample(number=1), sample(number=1)])


def test_ids_and_images_that_are_no_numbers():
    samples = [sample(number=i) for i in range(3)]
    for one in samples:
        one.update(id=f'p{one["id"]}', img_id=f'i{one["img_id"]}')
    _, metric = evaluate(samples)
    assert metric.truths['c'].ids.tolist() == [0, 1, 2]
    assert metric.truths['c'].image_ids.tolist() == [0, 0, 1]


def test_answers_with_names_of_their_own():
    metric = CrossEvaluator(replicates=0)
    metric.representations = {'first': 'coco', 'second': 'coco'}
    one = sample(answers=('coco',))
    one['pred_by_skeleton'] = {'first': instances('coco'), 'second': instances('coco', off=50)}
    metric.process(None, [one])
    scores = metric.evaluate(1)
    assert scores['c/coco(first)->coco/PCK@0.1_bbox'] == 1
    assert scores['c/coco(second)->coco/PCK@0.1_bbox'] == 0


@dataclass
class Copy:
    """Answers MPII's wrists from COCO's."""

    name: str = 'copy'
    source: object = COCO
    target: object = MPII

    def __call__(self, keypoints, scores=None):
        answer = np.full((len(keypoints), 16, 2), np.nan)
        answer[:, MPII.index('left_wrist')] = keypoints[:, COCO.index('left_wrist')]
        return type('Answer', (), {'keypoints': answer})


def test_translators_add_rows_and_may_be_built_from_configs():
    MODELS.register_module('CopyForTest', module=Copy)
    try:
        for translator in (Copy(), {'type': 'hpemap_mm.CopyForTest'}):
            scores, metric = evaluate(world(), translators=[translator])
            assert scores['m/coco~copy->mpii/PCK@0.1_bbox'] == 1.0
            assert metric.matrix.cells['coco~copy', 'm'].figures['PCK@0.1_bbox'].joints == 3
    finally:
        MODELS.module_dict.pop('CopyForTest')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'keys': ['a', 'b', 'a']}, r"given twice: \['a'\]"),
        ({'keys': 'a'}, 'lists'),
        ({'on_nan': 'ignore'}, "'error', 'wrong'"),
        ({'measures': {'ap': True}}, "Available: .*'oks'"),
        ({'replicates': -1}, '0 or more'),
        ({'translators': [object()]}, 'no translator'),
    ],
)
def test_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        CrossEvaluator(**arguments)


def test_configs_find_it():
    assert isinstance(METRICS.build({'type': 'hpemap_mm.CrossEvaluator'}), CrossEvaluator)
