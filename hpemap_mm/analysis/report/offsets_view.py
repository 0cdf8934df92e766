"""Offsets as arrows on a standing body, labelled as on an anatomical plate, and as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hpemap_mm.analysis.report.blocks import Column, Table
from hpemap_mm.analysis.report.body import Point, silhouette
from hpemap_mm.analysis.report.figures import Offset, Offsets
from hpemap_mm.analysis.report.frame import Numbering, framed
from hpemap_mm.analysis.report.markup import Markup, el
from hpemap_mm.analysis.report.scale import round_down
from hpemap_mm.analysis.report.tables_view import sortable

#: Picture units in a head size.
UNIT = 40.0
#: Least distance between labels, picture units.
LINE = 17.0
#: More joints than these are not labelled: their names are in the table.
LABELLED = 32
#: About how long the longest arrow is drawn, head sizes.
LONGEST = 1.6
#: Width of a letter of a label, picture units.
LETTER = 7.4
SIDE_WORDS = frozenset({'left', 'right'})


def offsets_view(offsets: Offsets, numbering: Numbering) -> Markup:
    """The block's html."""
    longest = max((math.hypot(o.x, o.y) for o in offsets.offsets), default=0.0)
    magnify = offsets.magnify
    if magnify is None:
        magnify = min(50.0, round_down(LONGEST / longest)) if longest > 0 else 1.0
    body = el(
        'div',
        {'class': 'plate'},
        el('div', {'class': 'drawing'}, _drawing(offsets, magnify), _key(offsets, magnify)),
        _table(offsets),
    )
    label = f'Figure {numbering.next("figure")}'
    return framed('offsets', label, offsets.title, offsets.lead, body, offsets.note)


def _class_of(offset: Offset) -> str:
    return {True: 'claimed', False: 'explained', None: 'uncontrolled'}[offset.claimed]


def _table(offsets: Offsets) -> Markup:
    controlled = any(o.claimed is not None for o in offsets.offsets)
    columns = [
        Column('joint'),
        Column('across', 'number', about="head sizes, towards the person's left"),
        Column('down', 'number', about='head sizes, down the trunk'),
        Column('length', 'number', about='head sizes'),
        Column('relation'),
        *([Column('differs', about='claimed against the control')] if controlled else []),
        Column('n', 'number', 0),
    ]
    verdict = {True: 'yes', False: 'no', None: 'not claimed'}
    rows = [
        [
            o.joint,
            (o.x, o.low_x, o.high_x),
            (o.y, o.low_y, o.high_y),
            math.hypot(o.x, o.y),
            o.relation,
            *([verdict[o.claimed]] if controlled else []),
            o.n,
        ]
        for o in offsets.offsets
    ]
    return sortable(Table(title=offsets.title, columns=columns, rows=rows))


def _key(offsets: Offsets, magnify: float) -> Markup:
    words = {
        'claimed': 'differs beyond what the control explains',
        'explained': 'not claimed: the control explains it, or it is small',
        'uncontrolled': 'no control: an offset of definition is not claimed',
    }
    kinds = [kind for kind in words if any(_class_of(o) == kind for o in offsets.offsets)]
    relations = {o.relation for o in offsets.offsets} - {'same'}
    return el(
        'ul',
        {'class': 'legend'},
        *(el('li', {'class': kind}, el('i', {'class': 'swatch'}), words[kind]) for kind in kinds),
        el('li', {}, f'arrows drawn {magnify:g} times longer than life; at their tips the interval')
        if magnify != 1
        else el('li', {}, 'arrows to scale; at their tips the interval'),
        el('li', {}, f'hollow joints: {" or ".join(sorted(relations))}') if relations else None,
    )


def _drawing(offsets: Offsets, magnify: float) -> Markup:
    places = {o.joint: offsets.positions[o.joint] for o in offsets.offsets}
    tips = {
        o.joint: (places[o.joint][0] + magnify * o.x, places[o.joint][1] + magnify * o.y)
        for o in offsets.offsets
    }
    capsules = list(silhouette()) if offsets.silhouette else []
    extent = [*offsets.positions.values(), *tips.values()]
    extent += [
        (p[0] + s * r, p[1] + s * r) for a, b, q, r in capsules for p in (a, b) for s in (-1, 1)
    ]
    extent = extent or [(0.0, 0.0)]
    left, right = min(x for x, _ in extent), max(x for x, _ in extent)
    top, bottom = min(y for _, y in extent), max(y for _, y in extent)
    labelled = len(offsets.offsets) <= LABELLED
    letters = max((len(_short(o.joint)) for o in offsets.offsets), default=0) + 6
    margin = 22 + LETTER * letters if labelled else 12.0
    x0, x1 = UNIT * left - margin, UNIT * right + margin
    y0, y1 = UNIT * top - 14, UNIT * bottom + 40
    edge = (UNIT * left - 14, UNIT * right + 14)
    shapes = [
        el('g', {'class': 'body'}, *(_capsule(*capsule) for capsule in capsules)),
        el(
            'g',
            {'class': 'links'},
            *(_line(offsets.positions[a], offsets.positions[b]) for a, b in offsets.links),
        ),
        _labels(offsets, places, edge, (y0 + 10, y1 - 34)) if labelled else None,
        *(_arrow(o, places[o.joint], tips[o.joint], magnify) for o in offsets.offsets),
        _ruler((x0 + x1) / 2, y1 - 8, magnify),
    ]
    sides = [
        el('text', {'class': 'side', 'x': f'{x0 + 2:.1f}', 'y': f'{y1 - 6:.1f}'}, "person's right"),
        el(
            'text',
            {
                'class': 'side',
                'x': f'{x1 - 2:.1f}',
                'y': f'{y1 - 6:.1f}',
                'text-anchor': 'end',
            },
            "person's left",
        ),
    ]
    return el(
        'svg',
        {
            'viewBox': f'{x0:.1f} {y0:.1f} {x1 - x0:.1f} {y1 - y0:.1f}',
            'role': 'img',
            'aria-label': f'{offsets.title}: arrows on a body seen from the front; '
            'the table has their figures',
        },
        *shapes,
        *(sides if offsets.silhouette else ()),
    )


def _xy(point: Point) -> str:
    return f'{UNIT * point[0]:.1f} {UNIT * point[1]:.1f}'


def _line(start: Point, end: Point) -> Markup:
    return el('path', {'d': f'M{_xy(start)}L{_xy(end)}'})


def _capsule(start: Point, end: Point, near: float, far: float) -> Markup:
    """The hull of two circles: their outer tangents, closed by arcs."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    distance = math.hypot(dx, dy)
    if distance <= abs(near - far):
        raise AssertionError('one end of a capsule holds the other')
    along = math.atan2(dy, dx)
    spread = math.acos((near - far) / distance)

    def at(centre: Point, radius: float, angle: float) -> Point:
        return centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)

    a, b = at(start, near, along + spread), at(end, far, along + spread)
    c, d = at(end, far, along - spread), at(start, near, along - spread)
    r0, r1 = UNIT * near, UNIT * far
    wide = int(near > far)
    return el(
        'path',
        {
            'd': f'M{_xy(a)}L{_xy(b)}A{r1:.1f} {r1:.1f} 0 {1 - wide} 0 {_xy(c)}'
            f'L{_xy(d)}A{r0:.1f} {r0:.1f} 0 {wide} 0 {_xy(a)}Z'
        },
    )


def _arrow(offset: Offset, start: Point, tip: Point, magnify: float) -> Markup:
    x, y = UNIT * start[0], UNIT * start[1]
    dx, dy = UNIT * tip[0] - x, UNIT * tip[1] - y
    length = math.hypot(dx, dy)
    kind = _class_of(offset)
    hollow = ' hollow' if offset.relation != 'same' else ''
    parts = [el('circle', {'class': f'joint{hollow}', 'cx': f'{x:.1f}', 'cy': f'{y:.1f}', 'r': 3})]
    if length > 1:
        head = min(9.0, 0.55 * length)
        ux, uy = dx / length, dy / length
        back = (x + dx - head * ux, y + dy - head * uy)
        wing = 0.42 * head
        parts.append(
            el('path', {'class': 'shaft', 'd': f'M{x:.1f} {y:.1f}L{back[0]:.1f} {back[1]:.1f}'})
        )
        parts.append(
            el(
                'path',
                {
                    'class': 'head',
                    'd': f'M{x + dx:.1f} {y + dy:.1f}'
                    f'L{back[0] - wing * uy:.1f} {back[1] + wing * ux:.1f}'
                    f'L{back[0] + wing * uy:.1f} {back[1] - wing * ux:.1f}Z',
                },
            )
        )
    if None not in (offset.low_x, offset.low_y):
        low_x, high_x = _ends(offset.low_x, offset.high_x)
        low_y, high_y = _ends(offset.low_y, offset.high_y)
        scale = UNIT * magnify
        parts.append(
            el(
                'ellipse',
                {
                    'class': 'interval',
                    'cx': f'{x + scale * (low_x + high_x) / 2:.1f}',
                    'cy': f'{y + scale * (low_y + high_y) / 2:.1f}',
                    'rx': f'{max(1.0, scale * (high_x - low_x) / 2):.1f}',
                    'ry': f'{max(1.0, scale * (high_y - low_y) / 2):.1f}',
                },
            )
        )
    tip_text = f'{offset.joint}: {offset.x:+.3f} across, {offset.y:+.3f} down, head sizes'
    if offset.note:
        tip_text += f'\n{offset.note}'
    return el('g', {'class': f'arrow {kind}', 'data-tip': tip_text}, *parts)


def _ends(low: float | None, high: float | None) -> tuple[float, float]:
    if low is None or high is None:
        raise AssertionError('intervals have two ends')
    return low, high


def _labels(
    offsets: Offsets, places: dict[str, Point], edge: tuple[float, float], span: tuple[float, float]
) -> Markup:
    """Names in two columns beside the body, each joined to its joint by a thin line."""
    columns: tuple[list[Offset], list[Offset]] = ([], [])
    middle = []
    for offset in sorted(offsets.offsets, key=lambda o: places[o.joint][1]):
        x = places[offset.joint][0]
        if abs(x) < 0.05:
            middle.append(offset)
        else:
            columns[int(x > 0)].append(offset)
    for offset in middle:
        columns[int(len(columns[1]) <= len(columns[0]))].append(offset)
    parts = []
    for column, x, sign in zip(columns, edge, (-1, 1), strict=True):
        column.sort(key=lambda o: places[o.joint][1])
        wanted = [UNIT * places[o.joint][1] for o in column]
        for offset, y in zip(column, spread(wanted, LINE, span), strict=True):
            joint_x, joint_y = (UNIT * value for value in places[offset.joint])
            parts.append(
                el(
                    'path',
                    {
                        'class': 'leader',
                        'd': f'M{x:.1f} {y:.1f}L{x - sign * 8:.1f} {y:.1f}'
                        f'L{joint_x:.1f} {joint_y:.1f}',
                    },
                )
            )
            parts.append(
                el(
                    'text',
                    {
                        'x': f'{x + sign * 4:.1f}',
                        'y': f'{y + 4:.1f}',
                        'text-anchor': 'end' if sign < 0 else 'start',
                    },
                    _short(offset.joint),
                    el('tspan', {'dx': 5}, f'{math.hypot(offset.x, offset.y):.2f}'),
                )
            )
    return el('g', {'class': 'labels'}, *parts)


def _short(joint: str) -> str:
    """A joint's name without its side."""
    words = [word for word in joint.split('_') if word not in SIDE_WORDS]
    return ' '.join(words) or joint


def spread(wanted: Sequence[float], gap: float, span: tuple[float, float]) -> list[float]:
    """Places as close to those wanted (sorted) as a least gap between neighbours allows.

    Least squares, by pooling neighbours that are too close; then held within the span, where it
    is long enough.
    """
    pools: list[list[float]] = []  # each: sum of (wanted - its place in the pool), count
    for i, place in enumerate(wanted):
        pools.append([place - i * gap, 1.0])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, count = pools.pop()
            pools[-1][0] += total
            pools[-1][1] += count
    bases = [total / count for total, count in pools for _ in range(int(count))]
    places = [base + i * gap for i, base in enumerate(bases)]
    if places and places[-1] > span[1]:
        for i in range(len(places) - 1, -1, -1):
            places[i] = min(places[i], span[1] - (len(places) - 1 - i) * gap)
    if places and places[0] < span[0]:
        for i in range(len(places)):
            places[i] = max(places[i], span[0] + i * gap)
    return places


def _ruler(x: float, y: float, magnify: float) -> Markup:
    """A scale bar of a round length."""
    length = round_down(1.3 / magnify)
    width = UNIT * magnify * length
    return el(
        'g',
        {'class': 'ruler'},
        el('path', {'d': f'M{x - width / 2:.1f} {y - 4:.1f}v8m0 -4h{width:.1f}m0 -4v8'}),
        el(
            'text',
            {'x': f'{x:.1f}', 'y': f'{y - 8:.1f}', 'text-anchor': 'middle'},
            f'{length:g} head sizes',
        ),
    )
