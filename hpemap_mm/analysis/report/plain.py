"""A report as plain dicts and lists: what the json beside the page holds."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from hpemap_mm.analysis.report.blocks import Picture
from hpemap_mm.analysis.report.document import Report
from hpemap_mm.analysis.report.figures import Cloud
from hpemap_mm.analysis.report.matrix import Matrix
from hpemap_mm.analysis.report.values import number

#: Counts the changes of the json's form.
FORM = 1


def to_plain(report: Report) -> dict[str, Any]:
    """The report's figures for programs.

    Keys are the attributes of the data classes; a block has its class's name as ``kind``. The
    cells of a matrix are a list with ``representation`` and ``dataset``. Left out are pictures
    (their captions and scores stay) and the points of clouds (their centers, covariances and
    counts stay). Numbers that are not known are None; numpy's are Python's.
    """
    return {'form': FORM, **_dataclass(report)}


def _dataclass(value: Any) -> dict[str, Any]:
    skipped = {Picture: {'jpeg'}, Cloud: {'points'}, Matrix: {'cells'}}.get(type(value), set())
    plain = {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in skipped}
    if isinstance(value, Matrix):
        plain['cells'] = [
            {'representation': r, 'dataset': d, **_dataclass(value.cells[r, d])}
            for r in value.representations
            for d in value.datasets
        ]
    return plain


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value).__name__.lower()
        return {'kind': kind, **_dataclass(value)} if hasattr(value, 'title') else _dataclass(value)
    if isinstance(value, dict) or hasattr(value, 'items'):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    return number(value, 'A value of the report')
