"""Definition offsets in a report: arrows on a body, and a table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hpemap_mm.analysis import report
from hpemap_mm.analysis.offset_values import Estimate, JointOffset, Offsets
from hpemap_mm.analysis.report import standing_body
from hpemap_mm.skeletons import Skeleton


def offset_blocks(offsets: Offsets, skeleton: Skeleton, name: str) -> list[report.Block]:
    """The arrows, and the table below them."""
    body = standing_body(skeleton)
    arrows = [arrow for o in offsets.joints for arrow in _arrows(o)]
    figure = report.Offsets(
        title=name,
        offsets=arrows,
        positions=body.positions,
        links=body.links,
        lead=f'In {offsets.unit}. Control: {offsets.control}.',
        note=f'Claimed where the whole interval is beyond {offsets.floor:g}, from the front as '
        'well as from behind.',
    )
    return [figure, offset_table(offsets, f'{name}: joint by joint')]


def _arrows(offset: JointOffset) -> Iterator[report.Offset]:
    """The pair's offset on both sides: what lies outwards on the left is mirrored on the right."""
    claimed = None if offset.verdict == 'not claimed' else offset.verdict == 'differs'
    count = sum(view.n for view in offset.views.values())
    for joint, side in zip(offset.joints, (1.0, -1.0), strict=False):
        x = offset.outwards or Estimate(0.0, float('nan'), float('nan'))
        ends = sorted((side * x.low, side * x.high))
        known = np.isfinite([*ends, offset.down.low, offset.down.high])
        yield report.Offset(
            joint=joint,
            x=side * x.value,
            y=offset.down.value,
            low_x=ends[0] if known[:2].all() else None,
            high_x=ends[1] if known[:2].all() else None,
            low_y=offset.down.low if known[2:].all() else None,
            high_y=offset.down.high if known[2:].all() else None,
            relation=offset.relation,
            claimed=claimed,
            n=count,
            note=f'{offset.verdict}: {offset.reason}',
        )


def offset_table(offsets: Offsets, title: str) -> report.Table:
    """One row for each joint or pair: its offset, its verdict, and why."""
    return report.Table(
        title=title,
        columns=[
            'joint',
            'compared as',
            report.Column('outwards', 'number', 3, 'away from the middle of the body'),
            report.Column('down', 'number', 3, 'relative to the median of the shared joints'),
            report.Column('from the front', 'number', about='joints that count'),
            report.Column('from behind', 'number', about='joints that count'),
            'verdict',
            'because',
        ],
        rows=[
            (
                o.joint,
                o.relation,
                _with_interval(o.outwards),
                _with_interval(o.down),
                *(o.views[view].n if view in o.views else 0 for view in ('front', 'back')),
                o.verdict,
                o.reason,
            )
            for o in offsets.joints
        ],
        note='; '.join(f'{joint}: {why}' for joint, why in offsets.skipped.items()),
    )


def _with_interval(estimate: Estimate | None) -> object:
    if estimate is None:
        return None
    if not np.isfinite([estimate.low, estimate.high]).all():
        return estimate.value
    return (estimate.value, estimate.low, estimate.high)
