"""Clouds of errors as small multiples, in svg."""

from __future__ import annotations

import numpy as np

from hpemap_mm.analysis.report.figures import Cloud, Clouds
from hpemap_mm.analysis.report.frame import Numbering, framed
from hpemap_mm.analysis.report.markup import Markup, count_text, el, name_text

#: Points drawn in a panel; of more, evenly spaced ones are.
DRAWN = 500
#: Half the width of a panel, in its own units.
HALF = 70.0
#: 2D standard deviations of the two ellipses: a Gaussian has 39% and 86% of its points inside.
ELLIPSES = (1.0, 2.0)


def clouds_view(clouds: Clouds, numbering: Numbering) -> Markup:
    """The block's html."""
    radius = clouds.radius or _radius(clouds)
    rings = [ring for ring in clouds.rings if 0 < ring < radius]
    panels = [_panel(cloud, radius, rings) for cloud in clouds.clouds]
    rings_text = ' and '.join(f'{ring:g}' for ring in rings)
    key = el(
        'p',
        {'class': 'key'},
        el('span', {}, f'frames: {radius:.2g} {clouds.unit} to each side'),
        el('span', {}, f'dashed: {rings_text} {clouds.unit}') if rings else None,
        el('span', {}, el('i', {'class': 'cross'}, '+'), ' the centre'),
        el('span', {}, 'ellipses: 1 and 2 standard deviations of the core'),
    )
    body = el('div', {'class': 'panels'}, *panels)
    label = f'Figure {numbering.next("figure")}'
    return framed('clouds', label, clouds.title, clouds.lead, Markup(body + key), clouds.note)


def _radius(clouds: Clouds) -> float:
    """The radius that 9 in 10 points are within, in either direction."""
    reaches = [np.abs(np.asarray(c.points)).max(axis=1) for c in clouds.clouds]
    reach = np.concatenate([*reaches, np.zeros(0)])
    wanted = float(np.quantile(reach, 0.9)) if len(reach) else 1.0
    return wanted if wanted > 0 else 1.0


def _panel(cloud: Cloud, radius: float, rings: list[float]) -> Markup:
    points = np.asarray(cloud.points)
    chosen = np.unique(np.linspace(0, len(points) - 1, min(DRAWN, len(points))).astype(int))
    drawn = points[chosen] / radius
    inside = (np.abs(drawn) <= 1).all(axis=1)
    beyond = 1 - inside.mean() if len(drawn) else 0.0
    dots = ''.join(f'M{x:.1f} {y:.1f}h0' for x, y in drawn[inside] * HALF)
    shapes: list[Markup] = [
        el('path', {'class': 'axes', 'd': f'M-{HALF} 0H{HALF}M0 -{HALF}V{HALF}'}),
        *(el('circle', {'class': 'ring', 'r': f'{ring / radius * HALF:.1f}'}) for ring in rings),
        el('path', {'class': 'dots', 'd': dots}),
    ]
    x, y = (HALF * value / radius for value in cloud.center)
    if cloud.covariance is not None:
        values, vectors = np.linalg.eigh(np.asarray(cloud.covariance))
        minor, major = np.sqrt(np.maximum(values, 0)) * HALF / radius
        angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        for factor in ELLIPSES:
            shapes.append(
                el(
                    'ellipse',
                    {
                        'class': 'ellipse',
                        'rx': f'{factor * major:.2f}',
                        'ry': f'{factor * minor:.2f}',
                        'transform': f'translate({x:.2f} {y:.2f}) rotate({angle:.1f})',
                    },
                )
            )
    shapes.append(
        el('path', {'class': 'cross', 'd': f'M{x - 5:.2f} {y:.2f}h10M{x:.2f} {y - 5:.2f}v10'})
    )
    label = f'{cloud.joint}: centre {cloud.center[0]:.3f}, {cloud.center[1]:.3f}; n = {cloud.n}'
    edge = HALF + 1
    svg = el(
        'svg',
        {
            'viewBox': f'-{edge} -{edge} {2 * edge} {2 * edge}',
            'role': 'img',
            'aria-label': label,
        },
        *shapes,
    )
    remarks = [f'n = {count_text(cloud.n)}']
    remarks += [f'{100 * beyond:.1f}% beyond the frame'] if beyond >= 0.0005 else []
    remarks += [cloud.note] if cloud.note else []
    return el(
        'div',
        {'class': 'panel'},
        el('h4', {}, name_text(cloud.joint)),
        svg,
        el('p', {}, '; '.join(remarks)),
    )
