"""Pictures by group, inside the page."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from hpemap_mm.analysis.report.blocks import PICTURE_GROUPS, Picture, Pictures
from hpemap_mm.analysis.report.frame import Numbering, framed
from hpemap_mm.analysis.report.markup import Markup, el

#: Where a picture has a larger aspect, each of its block takes a row of its own.
WIDE = 1.9
HEADINGS = {'best': 'The best', 'worst': 'The worst', 'random': 'At random'}


def gallery_view(pictures: Pictures, numbering: Numbering) -> Markup:
    """The block's html.

    Raises:
        ValueError: If a picture cannot be read.
    """
    sizes = [_size(picture) for picture in pictures.pictures]
    wide = any(width > WIDE * height for height, width in sizes)
    groups = []
    for group in PICTURE_GROUPS:
        members = [
            _picture(picture, size, wide=wide)
            for picture, size in zip(pictures.pictures, sizes, strict=True)
            if picture.group == group
        ]
        if members:
            grid = el('div', {'class': 'gallery'}, *members)
            groups += [el('h4', {}, HEADINGS[group]), grid]
    label = f'Figure {numbering.next("figure")}'
    body = Markup.join_all(groups) if groups else el('p', {'class': 'muted'}, 'No pictures.')
    return framed('pictures', label, pictures.title, pictures.lead, body, pictures.note)


def _size(picture: Picture) -> tuple[int, int]:
    """Height and width."""
    image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f'Picture {picture.caption!r} cannot be read')
    return int(image.shape[0]), int(image.shape[1])


def _picture(picture: Picture, size: tuple[int, int], *, wide: bool) -> Markup:
    height, width = size
    kind = 'png' if picture.jpeg.startswith(b'\x89PNG') else 'jpeg'
    source = f'data:image/{kind};base64,{base64.b64encode(picture.jpeg).decode("ascii")}'
    score = None
    if picture.score is not None:
        score = el('b', {}, f'{picture.score_name} {picture.score:.3f}'.strip())
    return el(
        'figure',
        {'class': 'wide' if wide else None},
        el(
            'button',
            {'type': 'button', 'class': 'enlarge', 'aria-label': f'Enlarge: {picture.caption}'},
            el('img', {'src': source, 'alt': picture.caption, 'width': width, 'height': height}),
        ),
        el('figcaption', {}, score, picture.caption),
    )
