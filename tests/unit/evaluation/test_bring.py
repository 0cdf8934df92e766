"""How predictions get into a dataset's skeleton."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from hpemap_mm.evaluation import Predictions
from hpemap_mm.evaluation.bring import bring, overview
from hpemap_mm.skeletons import JointSpace, get_skeleton

COCO, MPII, LSP = (get_skeleton(name) for name in ('coco', 'mpii', 'lsp'))


def predicted(representation, persons=1, scores=True):
    """Joint j of person i is at (10 j + i, j), with confidence (j + 1) / 100."""
    j = np.arange(len(representation), dtype=float)
    keypoints = np.stack([10 * j + np.arange(persons)[:, None], np.tile(j, (persons, 1))], -1)
    return Predictions.build(
        name='model',
        representation=representation,
        keypoints=keypoints,
        keypoint_scores=np.tile((j + 1) / 100, (persons, 1)) if scores else None,
        image_ids=np.arange(persons),
        ids=np.arange(persons),
    )


@dataclass
class Shifted:
    """A translator from COCO to MPII that knows the wrists, one of them not always."""

    name: str = 'shifted'
    source: object = COCO
    target: object = MPII
    extra: int = 0

    def __call__(self, keypoints, scores=None):
        self.scores = scores
        answer = np.full((len(keypoints), len(MPII) + self.extra, 2), np.nan)
        for joint in ('left_wrist', 'right_wrist'):
            answer[:, MPII.index(joint)] = keypoints[:, COCO.index(joint)] + 100
        answer[:1, MPII.index('right_wrist')] = np.nan
        return type('Answer', (), {'keypoints': answer})


def test_a_pelvis_is_exactly_the_middle_of_the_hips():
    brought = bring(predicted(COCO), MPII)

    found = brought.predictions.keypoints[0]
    left, right = 10.0 * COCO.index('left_hip'), 10.0 * COCO.index('right_hip')
    assert found[MPII.index('pelvis'), 0] == (left + right) / 2
    comparison = brought.comparisons[MPII.index('pelvis')]
    assert (comparison.relation, set(comparison.sources)) == ('derived', {'left_hip', 'right_hip'})
    assert found[MPII.index('left_knee')].tolist() == [130, 13]
    assert brought.predictions.representation is MPII


def test_a_derived_joint_is_as_sure_as_its_least_sure_part():
    scores = bring(predicted(COCO), MPII).predictions.keypoint_scores[0]

    hips = [COCO.index('left_hip'), COCO.index('right_hip')]
    assert scores[MPII.index('pelvis')] == (min(hips) + 1) / 100
    assert scores[MPII.index('left_knee')] == (COCO.index('left_knee') + 1) / 100
    assert np.isnan(scores[MPII.index('head_top')])


def test_what_cannot_be_answered_is_said_to_be():
    brought = bring(predicted(COCO), MPII)

    none = {c.joint for c in brought.comparisons if c.relation == 'none'}
    assert none == {'head_top', 'upper_neck'}
    assert {j for j, c in zip(MPII.joints, brought.compared, strict=True) if not c} == none
    assert not brought.answered[:, MPII.index('head_top')].any()
    assert overview(brought.comparisons) == '12 same, 2 derived'


@pytest.mark.parametrize(
    ('source', 'target', 'options', 'expected'),
    [
        (LSP, MPII, {}, '12 same, 2 derived, 2 near'),
        (LSP, MPII, {'near': False}, '12 same, 2 derived'),
        (LSP, MPII, {'near': False, 'derived': False}, '12 same'),
        (COCO, MPII, {'derived': False}, '12 same'),
        (COCO, MPII, {'approximate': True}, '12 same, 3 derived'),
        (MPII, MPII, {}, '16 same'),
        (JointSpace.union('coco', 'mpii'), MPII, {}, '16 same'),
        (JointSpace.union('coco', 'mpii'), COCO, {}, '17 same'),
    ],
)
def test_what_is_allowed_to_stand_in(source, target, options, expected):
    assert overview(bring(predicted(source), target, **options).comparisons) == expected


def test_a_translator_answers_person_by_person():
    translator = Shifted()
    brought = bring(predicted(COCO, persons=2), MPII, translator=translator)

    right, left = MPII.index('right_wrist'), MPII.index('left_wrist')
    assert brought.answered[:, right].tolist() == [False, True]
    assert brought.answered[:, left].tolist() == [True, True]
    assert brought.predictions.keypoints[1, right].tolist() == [201, 110]
    assert brought.compared.nonzero()[0].tolist() == sorted([right, left])
    assert overview(brought.comparisons) == '2 translated'
    assert brought.label == 'coco~shifted'
    assert translator.scores[0, 0] == 0.01


def test_a_translator_gets_no_confidences_that_are_not_there():
    translator = Shifted()
    bring(predicted(COCO, scores=False), MPII, translator=translator)
    assert translator.scores is None


@pytest.mark.parametrize(
    ('translator', 'target', 'message'),
    [
        (Shifted(), LSP, 'goes from coco to mpii, wanted is coco to lsp'),
        (Shifted(extra=1), MPII, r'gave \(1, 17, 2\)'),
    ],
)
def test_a_translator_for_something_else_is_refused(translator, target, message):
    with pytest.raises(ValueError, match=message):
        bring(predicted(COCO), target, translator=translator)


def test_of_nobody_nothing_is_known_to_be_impossible():
    brought = bring(predicted(COCO, persons=0), MPII, translator=Shifted())
    assert len(brought.predictions) == 0
    assert brought.compared.all()


def without(predictions, *joints):
    """The same, the named joints of the first person not predicted."""
    answered = np.ones(predictions.keypoints.shape[:2], bool)
    answered[0, [COCO.index(joint) for joint in joints]] = False
    return replace(predictions, answered=answered)


def test_a_joint_is_not_answered_where_a_part_of_it_is_missing():
    brought = bring(without(predicted(COCO, persons=2), 'left_hip'), MPII)

    places = [MPII.index(joint) for joint in ('pelvis', 'left_hip', 'right_hip')]
    assert brought.answered[:, places].tolist() == [[False, False, True], [True, True, True]]
    # It can be had all the same: the representation has it, this person lacks it.
    assert brought.compared[places].all()
    assert np.isnan(brought.predictions.keypoint_scores[0, places[0]])
    assert brought.predictions.answered is None
    whole = bring(predicted(COCO, persons=2), MPII)
    assert (brought.predictions.keypoints[1] == whole.predictions.keypoints[1]).all()


@pytest.mark.parametrize('scores', [True, False])
def test_a_translator_reads_nan_where_a_joint_is_missing(scores):
    @dataclass
    class Reader(Shifted):
        def __call__(self, keypoints, scores=None):
            self.read = keypoints
            return super().__call__(keypoints, scores)

    translator = Reader()
    predictions = without(predicted(COCO, persons=2, scores=scores), 'left_wrist')
    brought = bring(predictions, MPII, translator=translator)

    wrist = COCO.index('left_wrist')
    assert np.isnan(translator.read[0, wrist]).all() and np.isfinite(translator.read[1]).all()
    assert (translator.scores is None) is not scores
    if scores:
        assert translator.scores[0, wrist] == 0 and translator.scores[1, wrist] > 0
    assert brought.answered[:, MPII.index('left_wrist')].tolist() == [False, True]
