"""Camera, z-buffer, visibility, and whole photographs."""

import numpy as np
import pytest

from hpemap_mm.datasets.mannequin.body import Body, forward_kinematics
from hpemap_mm.datasets.mannequin.camera import Camera
from hpemap_mm.datasets.mannequin.figure import figure
from hpemap_mm.datasets.mannequin.outfit import Outfit
from hpemap_mm.datasets.mannequin.raster import NOBODY, PROP, Canvas, Capsule, Light
from hpemap_mm.datasets.mannequin.scene import render
from hpemap_mm.datasets.mannequin.scenery import KINDS, backdrop, draw_box
from hpemap_mm.datasets.mannequin.visibility import Sight, find_joints
from hpemap_mm.skeletons import get_skeleton

RED = (0.0, 0.0, 1.0)
BLUE = (1.0, 0.0, 0.0)


def camera(pitch=0.0, height=1.0):
    return Camera.looking(
        focal=100, width=101, height=81, position=np.array([0.0, height, 5.0]), pitch=pitch
    )


def canvas(scale=2, cam=None):
    light = Light(np.array([0.0, 0.6, 0.8]))
    return Canvas(cam or camera(), scale=scale, light=light)


def ball(centre, radius, colour=RED):
    centre = np.array(centre, dtype=float)
    return Capsule(centre, centre + [0, 1e-4, 0], radius, radius, colour)


def test_projection_by_hand():
    # 5 m away, focal length 100 px: a metre is 20 px; the middle pixel is (50, 40)
    points = np.array([[0, 1, 0], [1, 1, 0], [0, 2, 0], [0, 1, 2.5]], dtype=float)
    expected = [[50, 40], [70, 40], [50, 20], [50, 40]]
    np.testing.assert_allclose(camera().project(points), expected)


def test_a_camera_that_is_pitched_down_sees_lower_points_in_its_middle():
    # 45 degrees down from 5 m up: the floor 5 m ahead
    tilted = camera(pitch=np.pi / 4, height=5.0)
    np.testing.assert_allclose(tilted.project(np.zeros(3)), [50, 40], atol=1e-9)


def test_rays_and_floor_points_agree_with_the_projection():
    tilted = camera(pitch=0.3)
    ray = tilted.rays()[60, 80]
    np.testing.assert_allclose(tilted.project(tilted.position + 3 * ray), [80, 60], atol=1e-4)
    point = tilted.on_floor(30.0, 4.0)
    assert point[1:] == pytest.approx([0, 1])
    assert tilted.project(point)[0] == pytest.approx(30)


@pytest.mark.parametrize('scale', [1, 2, 3])
def test_a_ball_is_drawn_where_it_projects(scale):
    scene = canvas(scale)
    scene.draw(ball([0.5, 1.2, 0.0], 0.3), 0)
    rows, cols = np.nonzero(scene.owner == 0)
    # 6 px in radius around (60, 36) in the image
    expected = scene.to_canvas(np.array([60.0, 36.0]))
    np.testing.assert_allclose([cols.mean(), rows.mean()], expected, atol=0.3)
    assert len(rows) == pytest.approx(np.pi * (6 * scale) ** 2, rel=0.06)
    col, row = np.round(expected).astype(int)
    assert scene.depth[row, col] == pytest.approx(5 - 0.3, abs=0.02)


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_what_is_nearer_wins_in_any_order(order):
    scene = canvas()
    things = [ball([0, 1, 0.0], 0.5, RED), ball([0.1, 1, 1.0], 0.3, BLUE)]
    for number in order:
        scene.draw(things[number], number)
    assert scene.owner[81, 101] == 1
    assert (scene.owner == 0).any()


def test_balls_that_cut_through_each_other_meet_half_way():
    scene = canvas()
    scene.draw(ball([-0.2, 1, 0.0], 0.4), 0)
    scene.draw(ball([0.2, 1, 0.0], 0.4), 1)
    row = scene.owner[81]
    assert set(row[row != NOBODY][:10]) == {0}
    boundary = np.flatnonzero(row == 1)[0]
    assert boundary == pytest.approx(101, abs=1.5)


def test_a_flat_body_is_wide_from_the_front_and_narrow_from_the_side():
    def width(lateral):
        scene = canvas()
        scene.draw(
            Capsule(
                np.array([0, 0.5, 0.0]),
                np.array([0, 1.5, 0.0]),
                0.3,
                0.3,
                RED,
                np.array(lateral, dtype=float),
                (1.5, 0.5),
            ),
            0,
        )
        return (scene.owner[81] == 0).sum() / 2

    assert width([1, 0, 0]) == pytest.approx(2 * 0.45 * 20, abs=1)
    assert width([0, 0, 1]) == pytest.approx(2 * 0.15 * 20, abs=1)


def test_a_limb_towards_the_camera_is_a_disc():
    scene = canvas()
    scene.draw(Capsule(np.array([0, 1, 0.0]), np.array([0, 1, 1.0]), 0.2, 0.2, RED), 0)
    # its near end, 4 m away: 5 px in radius
    assert (scene.owner == 0).sum() / 4 == pytest.approx(np.pi * 25, rel=0.08)
    assert scene.depth[81, 101] == pytest.approx(3.8, abs=0.05)


def test_a_box_covers_its_corners_and_hides_what_is_behind():
    scene = canvas()
    scene.draw(ball([0, 0.25, -1.0], 0.1), 0)
    draw_box(scene, np.array([0.0, 0.0, 0.0]), (1.0, 0.5, 1.0), 0.0, BLUE, PROP)
    assert not (scene.owner == 0).any()
    rows, cols = np.nonzero(scene.owner == PROP)
    # front face: 4.5 m away, 0.5 m to each side, from the floor (62.2) to 0.5 m (51.1)
    assert (cols.min() / 2, cols.max() / 2) == pytest.approx((50 - 11.1, 50 + 11.1), abs=0.8)
    assert rows.max() / 2 == pytest.approx(62.2, abs=0.8)
    front = scene.depth[2 * 60, 2 * 50]
    assert front == pytest.approx(4.5, abs=0.01)


@pytest.mark.parametrize('kind', KINDS)
def test_backdrops_fill_the_picture(kind):
    image = backdrop(np.random.default_rng(0), camera(), kind=kind, wall_z=-3.0)
    assert image.shape == (81, 101, 3)
    assert np.isfinite(image).all()
    assert 0.1 < image.mean() < 1.2
    assert image.std() > 0.01


def person(yaw, box_in_front=False, x=0.0):
    cam = Camera.looking(
        focal=300, width=320, height=240, position=np.array([0.0, 0.0, 4.0]), pitch=0.0
    )
    scene = canvas(cam=cam)
    body, outfit = Body.average(1.7), Outfit.sample(np.random.default_rng(1))
    angles = {'yaw': yaw, 'left_arm_side': 12, 'right_arm_side': 12}
    shift = np.array([x, 0.0, 0.0])
    bones = {k: b.moved(shift) for k, b in forward_kinematics(body, angles).items()}
    for capsule in figure(body, bones, outfit):
        scene.draw(capsule, 0)
    if box_in_front:
        draw_box(scene, np.array([x, -1.2, 1.0]), (1.5, 1.0, 0.2), 0.0, RED, PROP)
    joints = find_joints(scene, bones, body, 0)['coco']
    names = get_skeleton('coco').joints
    return {n: (*p, s) for n, p, s in zip(names, joints.pixels, joints.sight, strict=True)}


def test_seen_from_the_front_everything_shows_and_left_is_on_the_right():
    seen = person(0)
    assert {joint: s for joint, (*_, s) in seen.items()} == dict.fromkeys(seen, Sight.SEEN)
    assert seen['left_shoulder'][0] > seen['right_shoulder'][0]
    assert seen['left_eye'][0] > seen['nose'][0] > seen['right_eye'][0]
    assert seen['nose'][1] < seen['left_shoulder'][1] < seen['left_hip'][1]


def test_seen_from_behind_the_face_is_hidden_and_left_is_on_the_left():
    seen = person(180)
    hidden = {joint for joint, (*_, s) in seen.items() if s == Sight.HIDDEN_BY_SELF}
    assert {'nose', 'left_eye', 'right_eye'} <= hidden
    assert not hidden & {'left_shoulder', 'right_wrist', 'left_hip', 'right_knee', 'left_ankle'}
    assert seen['left_shoulder'][0] < seen['right_shoulder'][0]


def test_seen_from_the_left_the_right_side_is_hidden():
    seen = person(-90)
    assert seen['left_shoulder'][2] == seen['left_knee'][2] == Sight.SEEN
    assert seen['right_shoulder'][2] == seen['right_hip'][2] == Sight.HIDDEN_BY_SELF
    assert seen['nose'][0] < seen['left_ear'][0]


def test_a_box_in_front_hides_the_legs():
    seen = person(0, box_in_front=True)
    assert seen['left_knee'][2] == seen['right_knee'][2] == Sight.HIDDEN_BY_OTHERS
    assert seen['left_shoulder'][2] == Sight.SEEN


def test_a_person_at_the_edge_is_cut_off():
    seen = person(0, x=2.1)
    assert seen['left_wrist'][2] == Sight.OUTSIDE
    assert seen['left_wrist'][0] > 319
    assert seen['right_wrist'][2] == Sight.SEEN


def test_a_photograph_depends_on_its_seed_and_number_only():
    one, again = render(7, 3, (160, 120)), render(7, 3, (160, 120))
    np.testing.assert_array_equal(one.image, again.image)
    assert one.image.shape == (120, 160, 3)
    for other in (render(7, 4, (160, 120)), render(8, 3, (160, 120))):
        assert np.abs(other.image.astype(int) - one.image).mean() > 5


def test_annotated_persons_show_enough_of_themselves():
    for index in range(4):
        for found in render(0, index).persons:
            assert found.annotated
            assert found.bbox[2:].max() >= 60
            assert 0 < found.area <= found.bbox[2:].prod()
            assert found.polygons
