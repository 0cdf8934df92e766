"""The report as one html file, with the same figures as json beside it."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path

from hpemap_mm.analysis.report.document import Report
from hpemap_mm.analysis.report.plain import to_plain


def render(report: Report) -> str:
    """The page's html."""
    return f'<!doctype html><title>{escape(report.title)}</title><h1>{escape(report.title)}</h1>'


def write_report(path: str | os.PathLike[str], report: Report) -> Path:
    """Write the page, and its figures as json beside it.

    Both files are complete or absent; folders are made.

    Args:
        path: Of the page, ``*.html``; the json has the same name with ``.json``.
        report: What to write.

    Returns:
        The page's path.

    Raises:
        ValueError: If the path does not end in ``.html``, or the report has infinite numbers.
    """
    target = Path(path)
    if target.suffix != '.html':
        raise ValueError(f'A report is an .html file, got {str(target)!r}')
    figures = json.dumps(to_plain(report), indent=1, allow_nan=False, ensure_ascii=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    _replace(target.with_suffix('.json'), figures + '\n')
    _replace(target, render(report))
    return target


def _replace(target: Path, text: str) -> None:
    partial = target.with_name(f'.{target.stem}.{os.getpid()}.partial{target.suffix}')
    try:
        # A file name that is no unicode reaches Python as surrogates: shown as question marks.
        partial.write_bytes(text.encode('utf-8', errors='replace'))
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
