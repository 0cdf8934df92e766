import numpy as np
import pytest

from hpemap_mm.analysis.report import Bar, Cell, Figure, Offset
from hpemap_mm.analysis.report.values import interval_text, number, shown

MINUS = '\N{MINUS SIGN}'


@pytest.mark.parametrize(
    ('value', 'unit', 'digits', 'text'),
    [
        (0.88225, '%', None, '88.2'),
        (0.88225, '%', 3, '88.225'),
        (1.0, '%', None, '100.0'),
        (0.0614, 'head sizes', None, '0.061'),
        (-0.0614, 'px', 2, MINUS + '0.06'),
        (-0.0001, 'px', 2, '0.00'),
        (None, '%', None, 'n/a'),
    ],
)
def test_numbers_as_a_reader_wants_them(value, unit, digits, text):
    assert shown(value, unit, digits) == text


def test_an_interval_has_a_dash_unless_it_could_be_read_as_a_minus():
    assert interval_text(0.874, 0.889, '%', None) == '87.4\N{EN DASH}88.9'
    assert interval_text(-0.02, 0.01, 'px', 2) == MINUS + '0.02 to 0.01'
    assert interval_text(None, None, '%', None) == ''


def test_nan_means_not_known_and_infinity_is_refused():
    assert number(np.float32('nan'), 'x') is None
    assert Figure(value=float('nan'), low=float('nan'), high=float('nan')).value is None
    with pytest.raises(ValueError, match=r'Figure\.value is inf'):
        Figure(value=float('inf'))


def test_numpy_numbers_become_python_numbers():
    assert type(Figure(value=np.float32(0.5)).value) is float


@pytest.mark.parametrize(
    ('interval', 'message'),
    [
        ({'value': 1.0, 'low': 0.5}, 'both ends'),
        ({'value': 1.0, 'low': 2.0, 'high': 1.0}, 'upside down'),
        ({'value': None, 'low': 0.5, 'high': 1.0}, 'without a value'),
    ],
)
def test_a_broken_interval_is_refused(interval, message):
    for build in (Figure, lambda **values: Bar(label='x', **values)):
        with pytest.raises(ValueError, match=message):
            build(**interval)


def test_an_offset_needs_both_coordinates_and_a_known_relation():
    with pytest.raises(ValueError, match='left_hip'):
        Offset(joint='left_hip', x=float('nan'), y=0.0)
    with pytest.raises(
        ValueError, match=r"\['same', 'near', 'derived', 'translated', 'none'\], got 'equal'"
    ):
        Offset(joint='left_hip', x=0.1, y=0.0, relation='equal')


def test_an_empty_cell_needs_a_reason():
    with pytest.raises(ValueError, match='reason'):
        Cell()
    assert Cell(reason='no joint in common').reason == 'no joint in common'
