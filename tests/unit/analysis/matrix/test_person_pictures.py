"""Persons chosen by their scores, and what is drawn of them."""

import cv2
import numpy as np
import pytest
from matrix_worlds import EVALUATION, predictions_of, truth_of

from hpemap_mm.analysis.person_pictures import (
    FolderReader,
    choose_persons,
    draw_person,
    draw_persons,
    main_predictions,
    person_scores,
)


def test_the_score_is_the_mean_similarity():
    truth = truth_of('coco', 'c')
    scores, joints, name = person_scores(EVALUATION, truth, predictions_of('coco', truth))
    assert name == 'OKS'
    assert joints.tolist() == [17] * 6
    assert scores[0] == 1
    assert (np.diff(scores) < 0).all()
    variances = 2 * 5300 * (2 * truth.skeleton.sigmas) ** 2
    assert scores[2] == pytest.approx(np.exp(-36 / variances).mean())


def test_without_areas_it_is_another_figure():
    truth = truth_of('coco', 'c', areas=None)
    _, _, name = person_scores(EVALUATION, truth, predictions_of('coco', truth))
    assert name == 'PCK@0.05_bbox'


def test_nobody_is_chosen_twice():
    scores = np.array([0.5, 0.1, np.nan, 0.9, 0.7, 0.3, 0.2, 0.8])
    chosen = choose_persons(scores, np.full(8, 17), each=2)
    groups = {}
    for choice in chosen:
        groups.setdefault(choice.group, []).append(choice.row)
    assert groups['best'] == [3, 7]
    assert groups['worst'] == [1, 6]
    assert set(groups['random']) <= {0, 4, 5}
    assert len({choice.row for choice in chosen}) == 6


def test_persons_with_few_joints_are_left_out_where_others_are_enough():
    scores = np.linspace(1, 0, 8)
    joints = np.array([1, 1, 17, 17, 17, 17, 17, 17])
    assert [c.row for c in choose_persons(scores, joints, each=2) if c.group == 'best'] == [2, 3]
    joints[2:] = 2
    assert [c.row for c in choose_persons(scores, joints, each=2) if c.group == 'best'] == [0, 1]


def test_few_persons_are_shared_out():
    assert [c.group for c in choose_persons(np.ones(4), np.full(4, 9), each=3)] == [
        'best',
        'worst',
        'random',
    ]
    assert choose_persons(np.ones(2), np.full(2, 9), each=3) == []


def test_the_own_skeleton_decides():
    truth = truth_of('mpii', 'm')
    both = [predictions_of('coco', truth), predictions_of('mpii', truth)]
    assert main_predictions(truth, both) is both[1]
    assert main_predictions(truth, both[:1]) is both[0]


def test_pictures_have_a_panel_for_the_truth_and_each_answer(tmp_path):
    truth = truth_of('mpii', 'm')
    both = [predictions_of('coco', truth), predictions_of('mpii', truth)]
    for name in set(truth.image_names.values()) - {'1.jpg'}:
        cv2.imwrite(str(tmp_path / name), np.full((120, 120, 3), 90, np.uint8))
    read = FolderReader(tmp_path)
    pictures = draw_persons(EVALUATION, truth, both, each=2, read=read)
    # The best are persons 0 and 1, the worst 5 and 4; 2 and 3 are in the image that is missing.
    assert [(p.group, p.caption) for p in pictures] == [
        ('best', 'm, person 0'),
        ('best', 'm, person 1'),
        ('worst', 'm, person 5'),
        ('worst', 'm, person 4'),
    ]
    assert read.missing == ['1.jpg', '1.jpg']
    image = cv2.imdecode(np.frombuffer(pictures[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] > 2.5 * image.shape[0]


def test_an_answer_that_is_not_there_is_an_empty_panel():
    truth = truth_of('coco', 'c')
    found = predictions_of('coco', truth)
    image = np.full((120, 120, 3), 90, np.uint8)
    with_pose = draw_person(image, truth, 0, [(found, 0)])
    without = draw_person(image, truth, 0, [(found, -1)])
    assert with_pose.shape == without.shape
    half = with_pose.shape[1] // 2
    assert np.array_equal(with_pose[:, : half - 8], without[:, : half - 8])
    assert not np.array_equal(with_pose, without)


@pytest.mark.parametrize('boxes', [None, np.full((6, 4), np.nan)])
def test_persons_without_a_box(boxes):
    truth = truth_of('coco', 'c', boxes=boxes)
    image = np.full((120, 120, 3), 90, np.uint8)
    assert draw_person(image, truth, 0, []).shape[0] > 200
