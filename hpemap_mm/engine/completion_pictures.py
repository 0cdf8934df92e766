"""Pictures of completed persons: the annotation, then every skeleton with its provenance.

Dimensions: K joints of a skeleton.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from hpemap_mm.analysis.report import Picture, encode_picture
from hpemap_mm.completion.tally import Tally
from hpemap_mm.engine.images import read_image
from hpemap_mm.errors import DataError
from hpemap_mm.persons.provenance import GT, NONE, PROVENANCE
from hpemap_mm.skeletons import get_skeleton
from hpemap_mm.visualization.draw import Image
from hpemap_mm.visualization.panels import BACKGROUND
from hpemap_mm.visualization.provenance import draw_completed, provenance_legend

Row = dict[str, Any]

#: Pixels of a picture for each of the page: it may be enlarged, and screens may be fine.
_FINE = 2
#: Width of a row of panels, and at most of one.
_ROW, _WIDEST = 960 * _FINE, 240 * _FINE
_GAP = 3 * _FINE
#: Width of a panel over its height.
_ASPECT = 0.75
#: Room around the person.
_MARGIN = 1.35


def candidates(tally: Tally, persons: int, *, most: int, seed: int = 0) -> dict[str, list[int]]:
    """Ids of the surest and the most doubtful persons, and of some at random; nobody twice.

    Args:
        tally: The counts.
        persons: How many there are; ids run from 1.
        most: Persons of a group at most.
        seed: Of the random ones.
    """
    rng = np.random.default_rng(seed)
    groups = {
        'best': [doubt.id for doubt in tally.surest],
        'worst': [doubt.id for doubt in tally.doubtful],
        'random': rng.integers(1, persons + 1, 4 * most).tolist(),
    }
    share = min(most, max(persons // len(groups), 1))
    taken: set[int] = set()
    for name, ids in groups.items():
        groups[name] = [i for i in dict.fromkeys(ids) if i not in taken][:share]
        taken.update(groups[name])
    return groups


def draw_persons(
    table: Path,
    root: Path,
    groups: Mapping[str, Sequence[int]],
    skeletons: Sequence[str],
    *,
    each: int,
) -> list[Picture]:
    """Draw some persons of every group, of as many images as there are.

    Persons whose image cannot be read are left out.

    Args:
        table: ``completed.parquet``.
        root: Folder of the images.
        groups: Ids by group, in order.
        skeletons: To be drawn, in order.
        each: Persons of a group.
    """
    rows = read_rows(table, [i for ids in groups.values() for i in ids])
    pictures = []
    for group, ids in groups.items():
        drawn = 0
        for identity in _images_first([rows[i] for i in ids]):
            person = rows[identity]
            try:
                image = read_image(root / person['image'])
            except DataError:
                continue
            pictures.append(
                Picture(
                    jpeg=encode_picture(draw_row(image, person, skeletons), longest=_ROW),
                    caption=f'person {identity}: {person["entry"]} {person["source_id"]}, '
                    f'{person["image"]}',
                    group=group,
                )
            )
            drawn += 1
            if drawn == each:
                break
    return pictures


def _images_first(persons: Sequence[Row]) -> list[int]:
    """Ids: of every image its first person, then the others."""
    first = {person['image']: person['id'] for person in reversed(persons)}
    chosen = [person['id'] for person in persons if first[person['image']] == person['id']]
    return [*chosen, *(person['id'] for person in persons if person['id'] not in chosen)]


def read_rows(table: Path, ids: Iterable[int]) -> dict[int, Row]:
    """Rows of ``completed.parquet`` by id, a row group at a time."""
    wanted = set(ids)
    found: dict[int, Row] = {}
    with pq.ParquetFile(table) as file:
        first = 1
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            own = sorted(i for i in wanted if first <= i < first + count)
            if own:
                part = file.read_row_group(group, use_threads=False)
                for identity in own:
                    (found[identity],) = part.slice(identity - first, 1).to_pylist()
            first += count
    return found


def draw_row(image: Image, person: Row, skeletons: Sequence[str]) -> Image:
    """Panels of one person, all of one size, and what their marks mean."""
    width = min(_WIDEST, (_ROW - _GAP * len(skeletons)) // (len(skeletons) + 1))
    height = round(width / _ASPECT)
    joints = {name: _joints(person, name) for name in skeletons}
    box = _framed(person, [points for points, _, _ in joints.values()])
    picture, offset, scale = _panel(image, box, width, height)
    panels = [(picture, 'photograph', f'annotated as {person["skeleton"]}')]
    for name, (points, stds, codes) in joints.items():
        moved = (points - offset + 0.5) * scale - 0.5
        skeleton = get_skeleton(name)
        drawn = draw_completed(picture, moved, stds * scale, codes, skeleton, size=float(height))
        panels.append((drawn, name, _counted(codes)))
    lines = [_broken(subtitle, width) for _, _, subtitle in panels]
    most = max(map(len, lines))
    captioned = [
        _captioned(drawn, title, own, most)
        for (drawn, title, _), own in zip(panels, lines, strict=True)
    ]
    gap = np.full((captioned[0].shape[0], _GAP, 3), BACKGROUND, np.uint8)
    pieces = [piece for panel in captioned for piece in (panel, gap)]
    joined = np.hstack(pieces[:-1])
    return np.vstack([joined, provenance_legend(joined.shape[1], scale=_FINE)])


def _framed(person: Row, points: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """What to show: around the joints; the box, where they are a small part of it."""
    x, y, width, height = person['bbox']
    box = np.array([x, y, x + width, y + height])
    found = np.concatenate(points)
    found = found[np.isfinite(found).all(axis=1)]
    if len(found) < 2 or np.ptp(found, axis=0).max() < 0.3 * max(width, height):
        return box
    return np.concatenate([found.min(axis=0), found.max(axis=0)])


def _panel(
    image: Image, box: npt.NDArray[np.float64], width: int, height: int
) -> tuple[Image, npt.NDArray[np.float64], float]:
    """What is around a box, in a picture of a given size; its offset and scale."""
    size = np.maximum(box[2:] - box[:2], 1.0)
    scale = float(min(width / size[0], height / size[1]) / _MARGIN)
    window = np.array([width, height]) / scale
    offset = (box[:2] + box[2:] - window) / 2 + 0.5
    # Rather what is beside the person than what is beside the image.
    room = np.array(image.shape[1::-1]) - window
    offset = np.where(room > 0, np.clip(offset, 0, room), offset)
    # Pixel centres are at integers: x goes to (x - offset + 0.5) * scale - 0.5.
    shift = (0.5 - offset) * scale - 0.5
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    smooth = cv2.GaussianBlur(image, (0, 0), 0.4 / scale) if scale < 1 else image
    warped = cv2.warpAffine(
        smooth, matrix, (width, height), flags=cv2.INTER_CUBIC, borderValue=(BACKGROUND,) * 3
    )
    return np.asarray(warped, np.uint8), offset, scale


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _FINE)


def _broken(text: str, width: int) -> list[str]:
    """A list of things in as many lines as it needs."""
    lines = ['']
    for word in text.split(', '):
        longer = f'{lines[-1]}, {word}' if lines[-1] else word
        if lines[-1] and _font(11).getlength(longer) > width - 12 * _FINE:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _captioned(picture: Image, title: str, lines: Sequence[str], most: int) -> Image:
    """A picture under its title and smaller lines, with room for the most that there are."""
    width = picture.shape[1]
    bar = PILImage.new('RGB', (width, (24 + 15 * most) * _FINE), (BACKGROUND,) * 3)
    drawing = ImageDraw.Draw(bar)
    drawing.text((6 * _FINE, 3 * _FINE), title, fill=(245,) * 3, font=_font(13))
    for place, line in enumerate(lines):
        top = (21 + 15 * place) * _FINE
        drawing.text((6 * _FINE, top), line, fill=(185,) * 3, font=_font(11))
    return np.vstack([cv2.cvtColor(np.asarray(bar), cv2.COLOR_RGB2BGR), picture])


def _joints(
    person: Row, skeleton: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    points = np.array(person[f'{skeleton}_keypoints'], float).reshape(-1, 2)
    stds = np.array(person[f'{skeleton}_std'], float)
    return points, stds, np.array(person[f'{skeleton}_provenance'], np.uint8)


def _counted(codes: npt.NDArray[np.uint8]) -> str:
    words = {NONE: 'empty', GT: 'annotated'}
    kinds = [
        f'{count} {words.get(code, PROVENANCE[code])}'
        for code in (*range(1, len(PROVENANCE)), NONE)
        if (count := int((codes == code).sum()))
    ]
    return ', '.join(kinds)
