"""Pictures: where joints are drawn, what is left out, what a crop does to keypoints."""

import numpy as np
import pytest

from hpemap_mm.skeletons import get_skeleton
from hpemap_mm.visualization import Pose, crop_to, draw_pose, grid, label, limb_colors, row
from hpemap_mm.visualization.draw import LEFT, MIDDLE, RIGHT


def black(height=120, width=160):
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize('name', ['coco', 'mpii', 'aic', 'lsp', 'halpe'])
def test_sides_have_their_colours(name):
    skeleton = get_skeleton(name)
    colors = limb_colors(skeleton)
    for joint, color in zip(skeleton.joints, colors, strict=True):
        expected = LEFT if 'left' in joint else RIGHT if 'right' in joint else MIDDLE
        assert color == expected
    for joint, partner in enumerate(skeleton.flip_indices):
        if partner != joint:
            assert {colors[joint], colors[partner]} == {LEFT, RIGHT}


def test_joints_are_drawn_where_they_are_and_the_image_is_not_changed():
    skeleton = get_skeleton('coco')
    image = black()
    keypoints = np.full((len(skeleton), 2), np.nan)
    keypoints[skeleton.index('left_wrist')] = (40, 30)
    keypoints[skeleton.index('right_wrist')] = (90, 70)
    drawn = draw_pose(image, Pose(keypoints), skeleton)
    assert tuple(drawn[30, 40]) == LEFT
    assert tuple(drawn[70, 90]) == RIGHT
    assert not image.any()
    # Nothing but the two: no line to a joint that is missing.
    assert not drawn[50, 65].any()


def test_joints_of_low_score_are_left_out():
    skeleton = get_skeleton('coco')
    keypoints = np.full((len(skeleton), 2), 50.0)
    scores = np.zeros(len(skeleton))
    assert not draw_pose(black(), Pose(keypoints, scores), skeleton).any()
    scores[skeleton.index('nose')] = 0.9
    assert draw_pose(black(), Pose(keypoints, scores), skeleton)[50, 50].any()


def test_far_and_infinite_joints_do_no_harm():
    skeleton = get_skeleton('mpii')
    keypoints = np.full((len(skeleton), 2), 1e12)
    keypoints[0] = (np.inf, 3)
    assert not draw_pose(black(), Pose(keypoints), skeleton).any()


def test_another_number_of_joints_is_refused():
    with pytest.raises(ValueError, match='mpii has 16 joints'):
        draw_pose(black(), Pose(np.zeros((17, 2))), get_skeleton('mpii'))


def test_a_pose_stays_on_its_pixel_through_a_crop():
    image = black(200, 300)
    image[90:94, 150:154] = 255
    picture, offset, scale = crop_to(image, [[100, 50, 200, 150]], margin=0, height=400)
    assert picture.shape == (400, 400, 3)
    moved = Pose(np.array([[151.5, 91.5]])).moved(offset, scale).keypoints[0]
    bright = np.argwhere(picture[..., 0] > 127)
    assert moved[::-1] == pytest.approx(bright.mean(0), abs=0.6)


def test_panels_fit_together():
    labelled = label(black(), 'a title that is much too long for so small a picture', 'below')
    assert labelled.shape[1] == 160
    assert labelled.shape[0] > 120
    wide = row([labelled, black(50, 30)])
    assert wide.shape[0] == labelled.shape[0]
    assert grid([wide, black(10, 500)]).shape[1] == 500
