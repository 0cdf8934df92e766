import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpemap_mm.errors import ProblemList
from hpemap_mm.persons.interchange.yolo_labels import (
    cut,
    in_pixels,
    in_shares,
    outside,
    read_lines,
    write_line,
)


def read(text, *, joints=2, numbers=3, classes=1):
    problems = ProblemList()
    labels = read_lines(
        'a.txt', text, joints=joints, numbers=numbers, classes=classes, problems=problems
    )
    return labels, [str(problem) for problem in problems]


def test_a_line_by_hand():
    """A box from (16, 24) of 32 x 48 and a nose at (8, 12) in an image of 64 x 96."""
    points, boxes = in_shares(
        np.array([[[8.0, 12.0], [np.nan, np.nan]]]),
        np.array([[16.0, 24.0, 32.0, 48.0]]),
        np.array([[64.0, 96.0]]),
        half_pixel=False,
    )
    line = write_line(0, boxes[0], points[0], np.array([2, 0], np.uint8))
    assert line == '0 0.5 0.5 0.5 0.5 0.125 0.125 2 0 0 0'

    labels, problems = read(f'{line}\n')
    assert problems == []
    assert labels.classes.tolist() == [0]
    assert labels.boxes.tolist() == [[0.5] * 4]
    assert labels.visibility.tolist() == [[2, 0]]
    assert labels.keypoints[0, 0].tolist() == [0.125, 0.125]
    assert np.isnan(labels.keypoints[0, 1]).all()


def test_half_a_pixel_is_added_to_keypoints_only():
    sizes = np.array([[64.0, 96.0]])
    keypoints, boxes = np.array([[[7.5, 11.5]]]), np.array([[16.0, 24.0, 32.0, 48.0]])
    points, shares = in_shares(keypoints, boxes, sizes, half_pixel=True)
    assert points.tolist() == [[[0.125, 0.125]]]
    assert shares.tolist() == [[0.5] * 4]
    back, boxes_back = in_pixels(points, shares, sizes, half_pixel=True)
    assert back.tolist() == keypoints.tolist()
    assert boxes_back.tolist() == boxes.tolist()


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(10, 20_000), st.integers(10, 20_000)),
    share=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    box=st.tuples(*[st.floats(0, 0.5)] * 2, *[st.floats(0.01, 0.5)] * 2),
    half_pixel=st.booleans(),
)
def test_text_keeps_a_hundredth_of_a_pixel_up_to_20000(size, share, box, half_pixel):
    sizes = np.array([size], float)
    keypoints = (np.array(share) * sizes)[:, None] - (0.5 if half_pixel else 0)
    boxes = np.array([box]) * np.tile(sizes, 2)
    points, shares = in_shares(keypoints, boxes, sizes, half_pixel=half_pixel)
    assert not outside(np.clip(points, 0, 1)).any()
    line = write_line(0, shares[0], np.clip(points, 0, 1)[0], np.array([2], np.uint8))
    labels, problems = read(line, joints=1)
    back, boxes_back = in_pixels(labels.keypoints, labels.boxes, sizes, half_pixel=half_pixel)
    assert problems == []
    assert np.abs(back - keypoints).max() < 0.001
    assert np.abs(boxes_back - boxes).max() < 0.001


def test_without_visibilities_negative_numbers_and_the_corner_are_not_labelled():
    labels, problems = read('0 0.5 0.5 1 1 0.25 0.5 -1 -1 0 0 0 0.5', joints=4, numbers=2)
    assert problems == []
    assert labels.visibility.tolist() == [[2, 0, 0, 2]]


def test_blank_lines_are_nobody_and_spaces_do_not_matter():
    labels, problems = read('\n  0   0.5 0.5 1 1\t0 0 0  0.5 0.5 1.0 \n\n')
    assert problems == []
    assert labels.visibility.tolist() == [[0, 1]]
    assert len(read('')[0].classes) == 0


@pytest.mark.parametrize(
    ('line', 'what', 'fix'),
    [
        ('0 0.5 0.5 1 1', 'has 5 numbers, not 5 + 2 x 3 = 11', 'a box without joints'),
        ('0 0.5 0.5 1 1 0.5 0.5 0.5 0.5', 'has 9 numbers, not 5 + 2 x 3 = 11', 'kpt_shape'),
        ('0 0.5 0.5 1 1 0.5 0.5 2 x 0.5 2', "'x', which is no number", 'correct it'),
        ('0 0.5 0.5 1 1 0.5 0.5 2 nan 0.5 2', 'is not finite', 'correct it'),
        ('0 0.5 inf 1 1 0.5 0.5 2 0.5 0.5 2', 'is not finite', 'correct it'),
        ('1 0.5 0.5 1 1 0.5 0.5 2 0.5 0.5 2', 'has the class 1', 'names are 0 to 0'),
        ('0.5 0.5 0.5 1 1 0.5 0.5 2 0.5 0.5 2', 'has the class 0.5', 'names are 0 to 0'),
        ('0 0.5 0.5 1 1 0.5 0.5 0.93 0.5 0.5 2', 'visibility 0.93', 'a prediction, not a label'),
        ('0 0.5 0.5 1 1 0.5 0.5 3 0.5 0.5 2', 'visibility 3', '0 is not labelled'),
        ('0 0.5 0.5 1 1 320 0.5 2 0.5 0.5 2', 'the number 320, beyond 0 to 1', 'divide by'),
        ('0 0.5 0.5 1 1 -0.2 0.5 2 0.5 0.5 2', 'the number -0.2, beyond 0 to 1', 'divide by'),
    ],
)
def test_a_fault_is_told_with_its_line(line, what, fix):
    good = '0 0.5 0.5 1 1 0.5 0.5 2 0.5 0.5 2'
    labels, problems = read(f'{good}\n\n{line}\n{good}\n')
    assert len(problems) == 1
    assert problems[0].startswith('a.txt:3: ')
    assert what in problems[0]
    assert fix in problems[0].split(' -> ')[1]
    assert len(labels.classes) == 2


def test_boxes_are_cut_at_the_edge():
    boxes = np.array([[-10.0, 5, 30, 500], [90, 90, 30, 5], [200, 0, 10, 10]])
    sizes = np.tile([100.0, 200.0], (3, 1))
    expected = [[0, 5, 20, 195], [90, 90, 10, 5], [100, 0, 0, 10]]
    assert cut(boxes, sizes).tolist() == expected
