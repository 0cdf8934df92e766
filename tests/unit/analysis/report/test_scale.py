import numpy as np
import pytest

from hpemap_mm.analysis.report.scale import axis, heat, relative_luminance, round_down


@pytest.mark.parametrize(
    ('values', 'limits', 'ticks'),
    [
        ([0.3, 0.9], (0.0, 1.0), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([0.189, 0.03], None, [0, 0.05, 0.1, 0.15, 0.2]),
        ([7.0], None, [0, 2, 4, 6, 8]),
        ([-3.0, 6.0], None, [-4, -2, 0, 2, 4, 6]),
        ([0.0], None, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([1e-30, 2e-25], None, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([], (0.5, 1.0), [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        ([], (0.0, 0.37), [0, 0.0925, 0.185, 0.2775, 0.37]),
    ],
)
def test_axes_end_at_ticks(values, limits, ticks):
    scale = axis(values, limits)

    assert scale.ticks == pytest.approx(ticks)
    assert (scale.low, scale.high) == pytest.approx((ticks[0], ticks[-1]))
    assert all(scale.low <= value <= scale.high for value in values)


def test_places_on_an_axis():
    scale = axis([-2.0, 6.0])

    assert (scale.low, scale.high) == (-2.0, 6.0)
    assert [scale.place(v) for v in (-2, 0, 6, 99, -99)] == [0, 0.25, 1, 1, 0]
    assert scale.digits == 0
    assert axis([0.2]).digits == 2  # steps of 0.05


def test_limits_must_rise():
    with pytest.raises(ValueError, match='rise'):
        axis([], (1.0, 1.0))


@pytest.mark.parametrize(
    ('value', 'rounded'), [(7.6, 5), (1.0, 1), (0.2, 0.2), (0.0199, 0.01), (49.9, 20), (3.0, 2)]
)
def test_round_down(value, rounded):
    assert round_down(value) == pytest.approx(rounded)


@pytest.mark.parametrize('dark', [False, True])
def test_text_stands_out_on_every_colour(dark):
    for place in np.linspace(-0.1, 1.1, 121):
        paper, ink = (relative_luminance(c) for c in heat(place, dark=dark))
        low, high = sorted((paper, ink))

        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_more_is_darker_on_paper_and_lighter_in_the_dark():
    for dark, sign in ((False, -1), (True, 1)):
        luminance = [relative_luminance(heat(p, dark=dark)[0]) for p in np.linspace(0, 1, 41)]

        assert (sign * np.diff(luminance) > 0).all()


def test_luminance_is_that_of_wcag():
    # Ends by definition; mid grey #777777 is the well-known 4.48 against white.
    assert relative_luminance('#ffffff') == pytest.approx(1.0)
    assert relative_luminance('#000000') == 0.0
    assert 1.05 / (relative_luminance('#777777') + 0.05) == pytest.approx(4.48, abs=0.005)
