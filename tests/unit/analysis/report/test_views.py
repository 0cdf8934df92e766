import math
import re

import numpy as np
import pytest

from hpemap_mm.analysis.report import (
    Bar,
    Bars,
    Cell,
    Cloud,
    Clouds,
    Column,
    Figure,
    Matrix,
    Metric,
    Offset,
    Offsets,
    Picture,
    Pictures,
    Table,
    encode_picture,
)
from hpemap_mm.analysis.report.bars_view import bars_view
from hpemap_mm.analysis.report.clouds_view import HALF, clouds_view
from hpemap_mm.analysis.report.frame import Numbering
from hpemap_mm.analysis.report.gallery_view import gallery_view
from hpemap_mm.analysis.report.markup import Markup, el, markup, name_text
from hpemap_mm.analysis.report.matrix_view import matrix_view
from hpemap_mm.analysis.report.offsets_view import UNIT, _capsule, offsets_view, spread
from hpemap_mm.analysis.report.tables_view import table_view


def words(html):
    return re.sub('[ \n]+', ' ', re.sub(r'<[^>]*>', ' ', html.replace('<wbr>', ''))).strip()


def test_text_is_escaped_and_markup_is_not():
    assert el('p', {'title': '"><b>'}, '<i>', Markup('<hr>'), None) == (
        '<p title="&quot;&gt;&lt;b&gt;">&lt;i&gt;<hr></p>'
    )
    assert el('input', {'checked': True, 'hidden': False, 'id': None}) == '<input checked>'
    assert name_text('a_b/<c') == 'a_<wbr>b/&lt;c'


def test_characters_that_would_turn_the_text_around_are_replaced():
    assert markup('a\u202eb\x00c\x1b') == 'a\ufffdb\ufffdc\ufffd'
    assert markup('naïve 姿勢\n\t') == 'naïve 姿勢\n\t'


def test_bars_are_as_long_as_their_values():
    rows = [
        Bar(label='hip', value=0.8, low=0.7, high=0.9, n=1234),
        Bar(label='knee', value=None, note='no truth'),
    ]
    html = bars_view(Bars(title='PCK', series={'a': rows}), Numbering())

    assert 'left:0.00%;width:80.00%' in html  # of 0 to 100 per cent
    assert 'left:70.00%;width:20.00%' in html
    assert 'no truth' in words(html)
    assert 'n = 1\N{NARROW NO-BREAK SPACE}234' in html
    assert words(html).startswith('Figure 1 PCK hip 80.0 70.0–90.0 knee no truth per cent 0 20 40')


def test_bars_below_zero_hang_from_zero():
    html = bars_view(
        Bars(title='b', unit='px', series={'a': [Bar(label='x', value=-1.0)]}, limits=(-2, 2)),
        Numbering(),
    )

    assert 'left:25.00%;width:25.00%' in html


def test_series_that_lack_a_joint_say_so():
    series = {'a': [Bar(label='x', value=1.0)], 'b': [Bar(label='y', value=1.0)]}
    html = bars_view(Bars(title='b', unit='px', series=series), Numbering())

    assert html.count('not measured') == 2
    with pytest.raises(ValueError, match='twice'):
        Bars(title='b', series={'a': [Bar(label='x', value=1.0)] * 2})


def small_matrix(**metric):
    return Matrix(
        title='m',
        metrics=[Metric('PCKh', **metric), 'AP'],
        representations=['coco', 'face'],
        datasets=['mpii'],
        cells={
            ('coco', 'mpii'): Cell(
                figures={
                    'PCKh': Figure(value=0.88225, low=0.874, high=0.889, joints=3, instances=2958)
                },
                relations={'a': 'same', 'b': 'near', 'c': 'derived', 'd': 'none'},
            ),
            ('face', 'mpii'): Cell(reason='no joint in common'),
        },
    )


def test_a_cell_says_value_interval_and_joints():
    text = words(matrix_view(small_matrix(), Numbering()))

    assert 'coco 88.2 87.4–88.9 3/4† face – no joint in common' in text
    assert 'coco – no AP here' in text  # the other metric's table
    assert '† some near, derived or translated' in text
    assert 'the same joint (1) a near: another definition (1) b derived from others (1) c' in text


def test_a_cell_tells_its_details_without_a_mouse():
    html = matrix_view(small_matrix(), Numbering())

    assert (
        'aria-label="coco on mpii; PCKh 88.2 (95%: 87.4–88.9); '
        '3 of 4 joints (1 near, 1 derived); 2\N{NARROW NO-BREAK SPACE}958 persons"'
    ) in html
    assert 'href="#matrix-1-0-0"' in html
    assert 'id="matrix-1-0-0"' in html


def test_the_better_end_has_the_same_colour_whichever_way_round():
    def colour(value, **metric):
        matrix = Matrix(
            title='m',
            metrics=[Metric('x', limits=(0, 2), unit='px', **metric)],
            representations=['r'],
            datasets=['d'],
            cells={('r', 'd'): Cell(figures={'x': Figure(value=value)})},
        )
        return re.search(r'<td style="--c:(#\w+)', matrix_view(matrix, Numbering()))[1]

    assert colour(2.0) == colour(0.0, higher_is_better=False)
    assert colour(0.0) == colour(2.0, higher_is_better=False)
    assert colour(0.0) != colour(2.0)


def one_arrow(**changes):
    offset = {'joint': 'left_hip', 'x': 0.1, 'y': -0.2, **changes}
    block = Offsets(
        title='o',
        offsets=[Offset(**offset)],
        positions={'left_hip': (1.0, 2.0), 'left_knee': (1.0, 4.0)},
        links=[('left_hip', 'left_knee')],
        magnify=5.0,
        silhouette=False,
    )
    return offsets_view(block, Numbering())


def test_an_arrow_starts_at_the_joint_and_is_magnified():
    html = one_arrow(low_x=0.08, high_x=0.12, low_y=-0.25, high_y=-0.15)
    joint = (UNIT * 1.0, UNIT * 2.0)
    tip = (UNIT * (1.0 + 5 * 0.1), UNIT * (2.0 - 5 * 0.2))

    assert f'cx="{joint[0]:.1f}" cy="{joint[1]:.1f}" r="3"' in html
    assert f'class="head" d="M{tip[0]:.1f} {tip[1]:.1f}L' in html
    assert f'rx="{UNIT * 5 * 0.02:.1f}" ry="{UNIT * 5 * 0.05:.1f}"' in html
    assert 'drawn 5 times longer than life' in words(html)


def test_an_offset_without_control_is_not_claimed():
    assert 'an offset of definition is not claimed' in words(one_arrow())
    assert 'class="arrow uncontrolled"' in one_arrow()
    assert 'class="arrow claimed"' in one_arrow(claimed=True)
    assert 'class="arrow explained"' in one_arrow(claimed=False)
    assert 'joint hollow' in one_arrow(relation='near')


def test_an_offset_of_nothing_is_drawn_without_an_arrow():
    html = one_arrow(x=0.0, y=0.0)

    assert 'class="head"' not in html
    assert 'hip 0.00' in words(html)


def test_joints_without_a_place_are_refused():
    with pytest.raises(ValueError, match="no position for \\['left_knee'\\]"):
        Offsets(title='o', offsets=[Offset(joint='left_knee', x=0, y=0)], positions={})


def test_labels_keep_their_distance_and_move_least():
    assert spread([0.0, 100.0], 10, (-50, 200)) == [0.0, 100.0]
    # Two at one place move by half the gap each; three by the gap.
    assert spread([50.0, 50.0], 10, (0, 100)) == [45.0, 55.0]
    assert spread([50.0, 50.0, 50.0], 10, (0, 100)) == [40.0, 50.0, 60.0]
    # At the end of the span they are pushed back.
    assert spread([98.0, 99.0], 10, (0, 100)) == [90.0, 100.0]
    assert spread([1.0, 2.0], 10, (0, 100)) == [0.0, 10.0]


def test_a_capsules_sides_touch_both_circles():
    path = _capsule((0.0, 0.0), (3.0, 4.0), 2.0, 1.0)
    numbers = [float(v) / UNIT for v in re.findall(r'-?\d+\.\d+', path)]
    (ax, ay, bx, by) = numbers[:4]

    assert math.hypot(ax, ay) == pytest.approx(2.0, abs=0.01)
    assert math.hypot(bx - 3, by - 4) == pytest.approx(1.0, abs=0.01)
    # A tangent is at right angles to both radii.
    assert (bx - ax) * ax + (by - ay) * ay == pytest.approx(0.0, abs=0.05)


def test_an_ellipse_lies_along_its_covariance():
    cloud = Cloud(
        joint='nose',
        points=[[0.0, 0.0], [1.0, 0.0], [0.0, 9.0]],
        center=(0.5, 0.0),
        covariance=[[0.04, 0.0], [0.0, 0.01]],
    )
    html = clouds_view(Clouds(title='c', clouds=[cloud], radius=2.0, rings=(1.0,)), Numbering())
    scale = HALF / 2.0

    # 1 and 2 standard deviations; the long axis is x.
    for factor in (1, 2):
        assert f'rx="{factor * 0.2 * scale:.2f}" ry="{factor * 0.1 * scale:.2f}"' in html
    angle = float(re.search(r'rotate\((-?[\d.]+)\)', html)[1])
    assert angle % 180 == 0
    assert f'translate({0.5 * scale:.2f} 0.00)' in html
    assert f'd="M0.0 0.0h0M{1.0 * scale:.1f} 0.0h0"' in html  # the third is beyond the frame
    assert 'n = 3; 33.3% beyond the frame' in words(html)
    assert f'class="ring" r="{scale:.1f}"' in html


def test_clouds_of_nothing_are_drawn():
    empty = Clouds(title='c', clouds=[Cloud(joint='nose', points=np.zeros((0, 2)))])

    assert 'n = 0' in words(clouds_view(empty, Numbering()))


def test_a_table_shows_numbers_and_keeps_them_for_sorting():
    table = Table(
        title='t',
        columns=[
            'joint',
            Column('rate', 'percent'),
            Column('offset', 'number'),
            Column('n', 'number'),
        ],
        rows=[['left_hip', (0.031, 0.02, 0.04), -0.25, 19955], ['nose', None, np.nan, 7]],
    )
    html = table_view(table, Numbering())

    assert 'Table 1 t joint rate offset n left_hip 3.1 2.0–4.0 −0.250 19\u202f955' in words(html)
    assert 'data-v="0.031"' in html
    assert 'data-v="-0.25"' in html
    assert html.count('data-v=""') == 2
    assert html.count('aria-sort="none"') == 4


def test_tables_refuse_rows_of_another_length():
    with pytest.raises(ValueError, match='Row 1 of table .t. has 1 values for 2 columns'):
        Table(title='t', columns=['a', 'b'], rows=[[1, 2], [1]])
    with pytest.raises(ValueError, match='percentage'):
        Column('a', 'percentage')


def test_pictures_are_inside_the_page_and_scaled_down():
    image = np.full((400, 1000, 3), 128, np.uint8)
    jpeg = encode_picture(image, longest=500)
    shown = Pictures(title='p', pictures=[Picture(jpeg=jpeg, caption='a wide one', group='worst')])
    html = gallery_view(shown, Numbering())

    assert 'width="500" height="200"' in html
    assert 'src="data:image/jpeg;base64,' in html
    assert 'class="wide"' in html
    assert 'The worst' in words(html)


def test_pictures_must_be_pictures():
    with pytest.raises(ValueError, match='neither JPEG nor PNG'):
        Picture(jpeg=b'<svg onload="alert(1)">', caption='x')
    with pytest.raises(ValueError, match='average'):
        Picture(jpeg=b'\xff\xd8\xff', caption='x', group='average')
    with pytest.raises(ValueError, match='cannot be read'):
        picture = Picture(jpeg=b'\xff\xd8\xff', caption='x')
        gallery_view(Pictures(title='p', pictures=[picture]), Numbering())
    with pytest.raises(ValueError, match='uint8'):
        encode_picture(np.zeros((4, 4, 3)))
