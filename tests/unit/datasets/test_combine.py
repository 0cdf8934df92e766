"""Several skeletons' labels in one joint space, worked out by hand."""

import numpy as np
import pytest

from hpemap_mm.datasets.combine import Labels, combine, halves
from hpemap_mm.skeletons import JointSpace, get_skeleton

COCO, LSP = get_skeleton('coco'), get_skeleton('lsp')
SPACE = JointSpace.union('coco', 'lsp')


def nobody():
    """One person of whom nothing is known, in COCO's and LSP's joints."""
    count = len(COCO) + len(LSP)
    arrays = np.full((1, count, 2), np.nan), np.zeros((1, count)), np.zeros((1, count))
    return *arrays, np.zeros((1, count), bool)


def place(skeleton, joint):
    return skeleton.index(joint) + (len(COCO) if skeleton is LSP else 0)


def told(*labels):
    """From (skeleton, joint, point, weight, annotated)."""
    points, visible, weights, annotated = nobody()
    for skeleton, joint, point, weight, own in labels:
        at = 0, place(skeleton, joint)
        points[at], visible[at], weights[at], annotated[at] = point, 1, weight, own
    return combine(SPACE, [COCO, 'lsp'], Labels(points, visible, weights), annotated)


def of(found, joint):
    at = 0, SPACE.index(joint)
    return found.points[at].tolist(), found.visible[at], found.weights[at]


def test_each_label_has_its_place_and_the_rest_is_unlabelled():
    found = told((COCO, 'nose', (3, 4), 1, True), (LSP, 'head_top', (5, 6), 0.25, False))
    assert found.points.shape == (1, len(SPACE), 2)
    assert all(array.dtype == np.float32 for array in found)
    assert of(found, 'nose') == ([3, 4], 1, 1)
    assert of(found, 'lsp/head_top') == ([5, 6], 1, 0.25)
    assert found.visible.sum() == 2 and found.weights.sum() == 1.25
    assert np.isfinite(found.points).all() and not found.points[found.visible == 0].any()


def test_an_annotation_wins_whichever_skeleton_it_is_in():
    filled, own = (COCO, 'left_knee', (0, 0), 1, False), (LSP, 'left_knee', (8, 8), 1, True)
    assert of(told(filled, own), 'left_knee') == ([8, 8], 1, 1)
    filled, own = (LSP, 'left_knee', (0, 0), 1, False), (COCO, 'left_knee', (8, 8), 1, True)
    assert of(told(filled, own), 'left_knee') == ([8, 8], 1, 1)


def test_filled_labels_are_averaged_by_their_weights():
    found = told((COCO, 'left_knee', (0, 0), 0.75, False), (LSP, 'left_knee', (8, 16), 0.25, False))
    assert of(found, 'left_knee') == ([2, 4], 1, 0.75)


def test_two_annotations_are_averaged():
    found = told((COCO, 'left_knee', (0, 0), 1, True), (LSP, 'left_knee', (8, 16), 1, True))
    assert of(found, 'left_knee') == ([4, 8], 1, 1)


def test_a_label_of_weight_zero_is_none():
    found = told((COCO, 'left_knee', (3, 3), 0, True))
    assert of(found, 'left_knee') == ([0, 0], 0, 0)


def test_the_number_of_labels_must_be_the_skeletons():
    points, visible, weights, annotated = nobody()
    with pytest.raises(ValueError, match=r"31 labels for the 17 joints of \['coco'\]"):
        combine(SPACE, ['coco'], Labels(points, visible, weights), annotated)


def test_halves_and_links_are_those_of_all_skeletons():
    upper, lower, links = halves(SPACE, ['coco', 'lsp'])
    index = SPACE.index
    assert {index('left_wrist'), index('lsp/neck')} <= set(upper)
    assert {index('left_ankle'), index('right_hip')} <= set(lower)
    assert not set(upper) & set(lower)
    assert (index('left_knee'), index('left_hip')) in links or (
        index('left_hip'),
        index('left_knee'),
    ) in links
    assert len({frozenset(link) for link in links}) == len(links)
    # A skeleton alone has its own.
    own_upper, own_lower, _ = halves(SPACE, ['lsp'])
    places = SPACE.indices('lsp')
    assert own_upper == sorted(places[list(LSP.upper_body_ids)].tolist())
    assert own_lower == sorted(places[list(LSP.lower_body_ids)].tolist())
