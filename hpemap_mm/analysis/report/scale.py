"""Scales of the report's figures: axes with round ticks, and the colours of the heat map."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

#: Anchors of the heat map's colours in OKLCH (lightness, chroma, hue in degrees). Lightness runs
#: evenly from the page's to the far end, so equal steps of a value look equal, in any colour
#: vision and in grey; values are printed in their cells all the same.
LIGHT_RAMP = ((0.965, 0.020, 120.0), (0.665, 0.085, 210.0), (0.365, 0.115, 264.0))
DARK_RAMP = ((0.280, 0.030, 265.0), (0.520, 0.080, 232.0), (0.760, 0.090, 192.0))
#: WCAG 2.2, 1.4.3: least contrast of text. On any colour black or white has it.
CONTRAST = 4.5
#: What is shorter would have ticks that all read 0.
NOTHING = 1e-9
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A linear axis whose ends are ticks.

    Attributes:
        low: Its start.
        high: Its end.
        ticks: Equally spaced, the ends among them.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where a value is, 0 to 1; beyond the ends it is held at them."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    @property
    def digits(self) -> int:
        """Decimals that tell the ticks apart."""
        step = self.ticks[1] - self.ticks[0]
        return next(d for d in range(12) if abs(round(step, d) - step) < 1e-9 * step)


def axis(values: Iterable[float], limits: tuple[float, float] | None = None) -> Axis:
    """An axis that holds zero and all values, or one with given ends.

    Raises:
        ValueError: If the given ends are the wrong way round.
    """
    if limits is not None:
        low, high = limits
        if not low < high:
            raise ValueError(f'limits must rise, got {limits}')
        step = _step(high - low)
        count = round((high - low) / step)
        if abs(count * step - (high - low)) > 1e-9 * (high - low):
            count = 4
    else:
        known = [0.0, *values]
        low, high = min(known), max(known)
        if high - low < NOTHING:
            high = low + 1.0
        step = _step(high - low)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        count = round((high - low) / step)
    return Axis(low, high, tuple(float(t) for t in np.linspace(low, high, count + 1)))


def _step(span: float) -> float:
    """A round step that makes four to eight of the span."""
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in STEPS if step * power >= rough * (1 - 1e-9))


def round_down(value: float) -> float:
    """The largest of ... 0.5, 1, 2, 5, 10, 20 ... that is not above the value."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= value * (1 + 1e-9))


def heat(place: float, *, dark: bool = False) -> tuple[str, str]:
    """The colour of a place (0 to 1) on the heat map, and the text colour that stands out on it.

    Returns:
        Two ``#rrggbb``; their contrast is at least 4.5 by WCAG's measure.
    """
    anchors = [_oklab(*anchor) for anchor in (DARK_RAMP if dark else LIGHT_RAMP)]
    position = min(1.0, max(0.0, place)) * (len(anchors) - 1)
    first = min(int(position), len(anchors) - 2)
    mixed = anchors[first] + (position - first) * (anchors[first + 1] - anchors[first])
    rgb = _srgb(mixed)
    luminance = relative_luminance(rgb)
    ink = '#ffffff' if 1.05 / (luminance + 0.05) >= CONTRAST else '#000000'
    return rgb, ink


def relative_luminance(rgb: str) -> float:
    """WCAG 2's relative luminance of ``#rrggbb``."""
    values = np.array([int(rgb[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _oklab(lightness: float, chroma: float, hue: float) -> np.ndarray:
    angle = math.radians(hue)
    return np.array([lightness, chroma * math.cos(angle), chroma * math.sin(angle)])


def _srgb(lab: np.ndarray) -> str:
    """From OKLab (B. Ottosson, 2020, "A perceptual color space for image processing")."""
    to_lms = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(to_rgb @ (to_lms @ lab) ** 3, 0.0, 1.0)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return '#' + ''.join(f'{round(255 * float(value)):02x}' for value in coded)
