"""What joints earn in each metric, by hand, and which metrics a dataset admits."""

import numpy as np
import pytest

from hpemap_mm.evaluation import Predictions, Truth, pair
from hpemap_mm.evaluation.measures import Measures, credits_of, sigmas_of, sizes_of
from hpemap_mm.skeletons import get_skeleton

MPII, COCO, LSP = (get_skeleton(name) for name in ('mpii', 'coco', 'lsp'))
ERRORS = (0.0, 4.0, 6.0, 12.0)


def world(skeleton=MPII, errors=ERRORS, compared=None, **about):
    """One person; joint j is predicted ``errors[j % len(errors)]`` px to the right."""
    points = np.stack([np.arange(len(skeleton)) * 10.0, np.arange(len(skeleton)) % 3 * 7.0], -1)
    truth = Truth.build(
        name='x',
        skeleton=skeleton,
        keypoints=points[None],
        **{
            'visible': np.full((1, len(skeleton)), 2),
            'boxes': [[0.0, 0.0, 60.0, 100.0]],
            'areas': [3180.0],
            'head_sizes': [20.0],
            **about,
        },
    )
    predicted = points.copy()
    predicted[:, 0] += [errors[j % len(errors)] for j in range(len(skeleton))]
    predictions = Predictions.build(
        name='y', representation=skeleton, keypoints=predicted[None], image_ids=[0], ids=[0]
    )
    return pair(truth, predictions, compared=compared)


def test_every_metric_by_hand():
    credits, missing = credits_of(world(), Measures(), sigmas=MPII.sigmas)

    # The box's longer side is 100 px, the head 20 px: errors are 0, 4, 6, 12 px again and again.
    assert missing == {}
    assert credits['PCK@0.05_bbox'].earned[0].tolist() == [1, 1, 0, 0] * 4
    assert credits['PCK@0.1_bbox'].earned[0].tolist() == [1, 1, 1, 0] * 4
    assert credits['PCKh@0.5'].earned[0].tolist() == [1, 1, 1, 0] * 4
    assert credits['PCKh@0.1'].earned[0].tolist() == [1, 0, 0, 0] * 4
    not_counted = [
        j for j, c in zip(MPII.joints, credits['PCKh@0.5'].counted, strict=True) if not c
    ]
    assert not_counted == ['pelvis', 'thorax']
    assert credits['PCK@0.1_bbox'].counted.all()
    # 6 px are 0.3 head sizes: correct at 0.3 .. 0.5 of 0 .. 0.5.
    assert credits['PCKh-AUC'].earned[0, 2] == pytest.approx(0.41)
    # exp(-e^2 / (2 area (2 sigma)^2))
    j = 5
    expected = np.exp(-(4.0**2) / (2 * 3180 * (2 * MPII.sigmas[j]) ** 2))
    assert credits['KS'].earned[0, j] == pytest.approx(expected)


def test_the_torso_is_from_shoulder_to_opposite_hip():
    credits, _ = credits_of(world(), Measures(torso=(0.1,)), sigmas=MPII.sigmas)
    aligned = world()
    a = aligned.truth.keypoints[0, MPII.index('left_shoulder')]
    b = aligned.truth.keypoints[0, MPII.index('right_hip')]
    limit = 0.1 * np.linalg.norm(a - b)
    assert credits['PCK@0.1_torso'].earned[0].tolist() == [float(e <= limit) for e in ERRORS] * 4


def test_only_what_can_be_answered_is_scored():
    compared = np.ones(16, bool)
    compared[MPII.index('head_top')] = False
    credits, _ = credits_of(world(compared=compared), Measures(), sigmas=MPII.sigmas)
    for credit in credits.values():
        assert not credit.scored[0, MPII.index('head_top')]
        assert credit.scored.sum() == 15


def test_a_person_without_an_answer_earns_nothing():
    aligned = world()
    aligned.keypoints[:] = np.nan
    credits, _ = credits_of(aligned, Measures(), sigmas=MPII.sigmas)
    for credit in credits.values():
        assert credit.scored.all()
        assert not credit.earned.any()


def test_crowd_regions_are_never_scored():
    credits, _ = credits_of(world(crowd=[True]), Measures(), sigmas=MPII.sigmas)
    assert not any(credit.scored.any() for credit in credits.values())


@pytest.mark.parametrize(
    ('lacking', 'missing'),
    [
        ('boxes', {'PCK@0.05_bbox': 'no boxes', 'PCK@0.1_bbox': 'no boxes'}),
        ('areas', {'KS': 'no areas'}),
        (
            'head_sizes',
            dict.fromkeys(('PCKh@0.5', 'PCKh@0.1', 'PCKh-AUC'), 'no head sizes'),
        ),
    ],
)
def test_what_a_dataset_lacks_is_told(lacking, missing):
    credits, found = credits_of(world(**{lacking: None}), Measures(), sigmas=MPII.sigmas)
    assert found == missing
    assert not credits.keys() & missing.keys()


def test_no_torso_without_hips():
    visible = np.full((1, 16), 2)
    visible[0, [MPII.index('left_hip'), MPII.index('right_hip')]] = 0
    aligned = world(visible=visible)
    _, missing = credits_of(aligned, Measures(), sigmas=MPII.sigmas)
    assert list(missing) == ['PCK@0.2_torso']
    assert np.isnan(sizes_of(aligned.truth, 'torso')).all()


def test_measures_from_a_config():
    measures = Measures.from_config({'bbox': [0.2], 'torso': [], 'head_auc': False, 'oks': False})
    assert measures.names == ('PCK@0.2_bbox', 'PCKh@0.5', 'PCKh@0.1')
    credits, _ = credits_of(world(), measures, sigmas=None)
    assert set(credits) == set(measures.names)
    assert Measures.from_config(None) == Measures()


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ({'box': [0.1]}, "Available: .*'bbox'"),
        ({'bbox': [0]}, 'must be positive'),
        ({'torso': [float('nan')]}, 'must be positive'),
    ],
)
def test_measures_that_do_not_exist(config, message):
    with pytest.raises(ValueError, match=message):
        Measures.from_config(config)


def test_names_are_those_that_are_computed():
    credits, _ = credits_of(world(), Measures(), sigmas=MPII.sigmas)
    assert set(credits) < set(Measures().names)
    assert {'AP', 'AR_L'} < set(Measures().names)


def test_whose_sigmas():
    assert sigmas_of(COCO)[0].tolist() == COCO.sigmas.tolist()
    assert 'stand-ins' not in sigmas_of(COCO)[1]
    values, source = sigmas_of(LSP)
    assert len(values) == 14
    assert source.startswith('stand-ins')
