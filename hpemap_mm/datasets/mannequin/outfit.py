"""What a person looks like: skin, hair, clothes, and the paint of each.

Colours are BGR, 0..1. Fronts and backs differ on purpose (buttons, prints, faces, toes), as
they do on people: a network has to tell left from right by them.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from .raster import Array32, Colour, Paint

_SKINS: tuple[Colour, ...] = (
    (0.66, 0.77, 0.95),
    (0.58, 0.71, 0.92),
    (0.48, 0.62, 0.84),
    (0.38, 0.52, 0.74),
    (0.26, 0.38, 0.58),
    (0.24, 0.34, 0.53),
)
#: What only the front of a shirt has.
FRONTS = ('cardigan', 'jacket', 'tie', 'emblem', 'print')
#: The back of a shirt or of trousers is a darker cloth than the front.
BACK_SHADE = np.float32(0.68)
_HAIRS: tuple[Colour, ...] = (
    (0.06, 0.07, 0.09),
    (0.09, 0.14, 0.22),
    (0.14, 0.26, 0.42),
    (0.35, 0.60, 0.78),
    (0.16, 0.30, 0.62),
    (0.62, 0.64, 0.66),
)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A BGR colour from hue (0..1, wraps), saturation and value."""
    r, g, b = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return b, g, r


def shaded(colour: Colour, factor: float) -> Colour:
    """A darker (or lighter) tone of a colour."""
    b, g, r = (min(1.0, c * factor) for c in colour)
    return b, g, r


def _cloth_colour(rng: np.random.Generator) -> Colour:
    kind = rng.random()
    if kind < 0.15:
        return hsv(0.1, 0.05, float(rng.uniform(0.8, 0.98)))
    if kind < 0.25:
        return hsv(0.6, 0.15, float(rng.uniform(0.12, 0.3)))
    return hsv(rng.random(), float(rng.uniform(0.4, 0.85)), float(rng.uniform(0.45, 0.95)))


def _brightness(colour: Colour) -> float:
    return 0.11 * colour[0] + 0.59 * colour[1] + 0.30 * colour[2]


@dataclass(frozen=True)
class Outfit:
    """A person's looks, drawn once per person.

    Attributes:
        skin: Skin colour.
        hair: Hair colour.
        hair_style: short, long, bun, bald or cap.
        beard: Whether there is one.
        glasses: Whether there are some.
        shirt: Main colour of the top.
        shirt_second: Its second colour: stripes, prints, buttons.
        pattern: plain, stripes, columns, checks or dots.
        front: What the chest shows, one of :data:`FRONTS`.
        sleeves: Covered part of the arm: 0 bare, 1 to the elbow, 2 to the wrist.
        bottom: trousers, shorts or skirt.
        bottom_colour: Colour of what covers the legs.
        shoes: Colour of the shoes.
        backpack: Its colour, or None.
        watch: Side of the wrist watch, or None.
    """

    skin: Colour
    hair: Colour
    hair_style: str
    beard: bool
    glasses: bool
    shirt: Colour
    shirt_second: Colour
    pattern: str
    front: str
    sleeves: float
    bottom: str
    bottom_colour: Colour
    shoes: Colour
    backpack: Colour | None
    watch: str | None

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Outfit:
        """Draw an outfit whose top, bottom and shoes can be told apart."""
        skin = _SKINS[rng.integers(len(_SKINS))]
        shirt = _cloth_colour(rng)
        bottom = str(rng.choice(['trousers', 'shorts', 'skirt'], p=[0.62, 0.24, 0.14]))
        colour = shirt
        for _ in range(20):
            if rng.random() < 0.55:  # denim, grey, black
                hue = float(rng.choice([0.60, 0.62, 0.09]))
                colour = hsv(hue, float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.18, 0.6)))
            else:
                colour = _cloth_colour(rng)
            if min(np.abs(np.subtract(colour, shirt)).sum(), 0.5) >= 0.5:
                break
        second = _cloth_colour(rng)
        for _ in range(20):
            if abs(_brightness(second) - _brightness(shirt)) > 0.3:
                break
            second = _cloth_colour(rng)
        hairs = [c for c in _HAIRS if abs(_brightness(c) - _brightness(skin)) > 0.25]
        style = str(
            rng.choice(['short', 'long', 'bun', 'bald', 'cap'], p=[0.42, 0.24, 0.10, 0.08, 0.16])
        )
        return cls(
            skin=skin,
            hair=hairs[rng.integers(len(hairs))],
            hair_style=style,
            beard=bool(rng.random() < 0.15 and style in ('short', 'bald', 'cap')),
            glasses=bool(rng.random() < 0.15),
            shirt=shirt,
            shirt_second=second,
            pattern=str(
                rng.choice(
                    ['plain', 'stripes', 'columns', 'checks', 'dots'],
                    p=[0.5, 0.2, 0.08, 0.12, 0.1],
                )
            ),
            front=str(rng.choice(FRONTS)),
            sleeves=float(rng.choice([0.0, 0.6, 1.0, 2.0], p=[0.12, 0.33, 0.15, 0.40])),
            bottom=bottom,
            bottom_colour=colour,
            shoes=hsv(rng.random(), 0.5, 0.3) if rng.random() < 0.6 else hsv(0.1, 0.08, 0.92),
            backpack=hsv(rng.random(), 0.6, 0.5) if rng.random() < 0.15 else None,
            watch=str(rng.choice(['left', 'right'], p=[0.85, 0.15]))
            if rng.random() < 0.4
            else None,
        )


def cloth(outfit: Outfit, frequency: float) -> Paint:
    """The shirt's fabric; ``frequency`` is the number of pattern periods along the bone."""
    base = np.asarray(outfit.shirt, np.float32)
    second = np.asarray(outfit.shirt_second, np.float32)
    if outfit.pattern == 'plain':
        return outfit.shirt

    def paint(along: Array32, lateral: Array32, depth: Array32) -> Array32:
        rings = (along * np.float32(frequency)) % 1
        columns = (lateral * np.float32(2.5) + np.float32(0.25)) % 1
        if outfit.pattern == 'stripes':
            other = rings < 0.42
        elif outfit.pattern == 'columns':
            other = columns < 0.3
        elif outfit.pattern == 'checks':
            other = (rings < 0.5) ^ (columns < 0.5)
        else:
            other = ((rings - 0.5) ** 2 + (columns - 0.5) ** 2) < 0.07
        return np.where(other[:, None], second, base)

    return paint


def shirt_front(outfit: Outfit, top: float, bottom: float, frequency: float) -> Paint:
    """Fabric with what only the front (or only the back) of a shirt shows.

    Args:
        outfit: The clothes.
        top: Height of the collar along this capsule.
        bottom: Height of the hem along this capsule.
        frequency: Pattern periods along the capsule.
    """
    fabric = cloth(outfit, frequency)
    second = np.asarray(outfit.shirt_second, np.float32)
    dark = np.asarray(shaded(outfit.shirt, 0.55), np.float32)
    skin = np.asarray(outfit.skin, np.float32)

    def paint(along: Array32, lateral: Array32, depth: Array32) -> Array32:
        colour = np.empty((along.size, 3), np.float32)
        colour[:] = fabric(along, lateral, depth) if callable(fabric) else fabric
        height = (along - np.float32(bottom)) * np.float32(1 / (top - bottom))
        front, side = depth > 0, np.abs(lateral)
        collar = front & (side < (height - np.float32(0.74)) * 1.4)
        if outfit.front == 'cardigan':  # open over a vest with buttons
            colour[front & (side < 0.26)] = second
            colour[front & (side < 0.05) & ((height * 6) % 1 < 0.4)] = dark
        elif outfit.front == 'jacket':  # a wide gap and lapels
            colour[front & (side < 0.12 + 0.25 * height)] = second
            colour[front & (side < 0.06) & (height > 0.1)] = dark
        elif outfit.front == 'tie':
            colour[front & (side < 0.30)] = (0.93, 0.93, 0.93)
            colour[front & (side < 0.14 - 0.06 * height) & (height > 0.1)] = second
        elif outfit.front == 'emblem':
            centre = lateral**2 + ((height - 0.5) * 1.5) ** 2
            colour[front & (centre < 0.13)] = second
            colour[front & (centre < 0.03)] = dark
        else:  # a print
            colour[front & (side < 0.5) & (height > 0.3) & (height < 0.74)] = second
        colour[~front] *= BACK_SHADE
        colour[collar] = skin
        return colour

    return paint


def waistband(outfit: Outfit) -> Paint:
    """Trousers or skirt with a belt, a buckle in front and pockets behind."""
    base = np.asarray(outfit.bottom_colour, np.float32)
    belt = np.asarray(shaded(outfit.shoes, 0.8), np.float32)
    dark = np.asarray(shaded(outfit.bottom_colour, 0.62), np.float32)
    buckle = np.asarray((0.5, 0.8, 0.9), np.float32)

    def paint(along: Array32, lateral: Array32, depth: Array32) -> Array32:
        colour = np.array(np.broadcast_to(base, (along.size, 3)))
        side = np.abs(lateral)
        colour[(depth > 0) & (side < 0.06)] = dark
        pockets = (depth < 0) & (side > 0.2) & (side < 0.7) & (along > 0.0) & (along < 0.5)
        colour[depth < 0] *= BACK_SHADE
        colour[pockets] = dark * BACK_SHADE
        colour[along > 0.82] = belt
        colour[(along > 0.82) & (depth > 0) & (side < 0.16)] = buckle
        return colour

    return paint


def legwear(outfit: Outfit) -> Paint:
    """Trousers that have faded in front, along a leg's bone (which points down)."""
    base = np.asarray(outfit.bottom_colour, np.float32)

    def paint(along: Array32, lateral: Array32, depth: Array32) -> Array32:
        fade = np.where(depth < 0, 1 - 0.35 * depth, BACK_SHADE)
        return np.minimum(base * fade[:, None], 1).astype(np.float32)

    return paint


def head_paint(outfit: Outfit) -> Paint:
    """Skin, mouth, brows, beard and hair line on the head's ellipsoid."""
    skin = np.asarray(outfit.skin, np.float32)
    hair = np.asarray(outfit.hair, np.float32)
    lips = np.asarray((skin[0] * 0.55, skin[1] * 0.5, min(1.0, skin[2] * 0.95)), np.float32)
    brow = skin * 0.35 if outfit.hair_style == 'bald' else hair * 0.8

    def paint(along: Array32, lateral: Array32, depth: Array32) -> Array32:
        colour = np.array(np.broadcast_to(skin, (along.size, 3)))
        side = np.abs(lateral)
        face = depth > 0.3
        if outfit.beard:
            colour[(depth > 0.1) & (along < 0.08)] = hair
        colour[(depth > 0.75) & (side < 0.28) & (along > -0.25) & (along < -0.02)] = lips
        colour[face & (side > 0.14) & (side < 0.62) & (along > 0.86) & (along < 1.02)] = brow
        if outfit.hair_style == 'bald':
            colour[(depth < -0.1) & (along > -0.2) & (along < 0.75)] = hair
        else:
            line = np.where(along > 0.4, 0.32, -0.15)
            colour[(depth < line) & (along > -0.2)] = hair
            colour[along > 1.22 + 0.2 * side] = hair
        return colour

    return paint
