"""Pictures by group, inside the page."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from hpemap_mm.analysis.report.blocks import PICTURE_GROUPS, Picture, Pictures
from hpemap_mm.analysis.report.frame import Numbering, framed
from hpemap_mm.analysis.report.markup import Markup, el

#: Pictures with a larger aspect take a row of their own.
WIDE = 1.9
HEADINGS = {'best': 'The best', 'worst': 'The worst', 'random': 'At random'}


def gallery_view(pictures: Pictures, numbering: Numbering) -> Markup:
    """The block's html.

    Raises:
        ValueError: If a picture cannot be read.
    """
    groups = []
    for group in PICTURE_GROUPS:
        members = [picture for picture in pictures.pictures if picture.group == group]
        if members:
            grid = el('div', {'class': 'gallery'}, *map(_picture, members))
            groups += [el('h4', {}, HEADINGS[group]), grid]
    label = f'Figure {numbering.next("figure")}'
    body = Markup.join_all(groups) if groups else el('p', {'class': 'muted'}, 'No pictures.')
    return framed('pictures', label, pictures.title, pictures.lead, body, pictures.note)


def _picture(picture: Picture) -> Markup:
    image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f'Picture {picture.caption!r} cannot be read')
    height, width = image.shape[:2]
    kind = 'png' if picture.jpeg.startswith(b'\x89PNG') else 'jpeg'
    source = f'data:image/{kind};base64,{base64.b64encode(picture.jpeg).decode("ascii")}'
    score = None
    if picture.score is not None:
        score = el('b', {}, f'{picture.score_name} {picture.score:.3f}'.strip())
    return el(
        'figure',
        {'class': 'wide' if width > WIDE * height else None},
        el(
            'button',
            {'type': 'button', 'class': 'enlarge', 'aria-label': f'Enlarge: {picture.caption}'},
            el('img', {'src': source, 'alt': picture.caption, 'width': width, 'height': height}),
        ),
        el('figcaption', {}, score, picture.caption),
    )
