"""The report of a test run: its matrix, and pictures of what the model answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import track

from hpemap_mm.analysis.matrix_report import matrix_report
from hpemap_mm.analysis.person_pictures import draw_persons
from hpemap_mm.analysis.report import About, Section, write_report
from hpemap_mm.engine.images import read_image
from hpemap_mm.engine.scores import versions
from hpemap_mm.evaluation.cross_metric import CrossEvaluator


def write_test_report(
    path: Path,
    metric: CrossEvaluator,
    *,
    title: str,
    each: int,
    command: str,
    config: str,
    files: Mapping[str, str],
    more: Sequence[Section] = (),
    notes: Sequence[str] = ('Boxes are those of the annotation.',),
) -> Path:
    """Write ``report.html``, and the same figures as ``report.json`` beside it.

    Args:
        path: Of the page.
        metric: After its evaluation, on the main process.
        title: Of the page.
        each: The best, the worst and random persons of each dataset that are drawn.
        command: That was run.
        config: Its config's text.
        files: What was read, by role.
        more: Sections beside the matrix.
        notes: Remarks on what produced the figures.

    Raises:
        ValueError: The metric has not evaluated anything.
    """
    if metric.matrix is None:
        raise ValueError('the evaluator has no matrix: nothing was evaluated')
    pictures = {
        entry: draw_persons(
            metric.evaluation, truth, metric.predictions[entry], each=each, read=read_image
        )
        for entry, truth in track(
            metric.truths.items(),
            'drawing',
            console=Console(stderr=True),
            disable=not each,
            transient=True,
        )
    }
    about = About(
        command=command,
        config=config,
        date=datetime.now(UTC).isoformat(timespec='seconds'),
        versions=versions(),
        files=files,
        notes=notes,
    )
    return write_report(
        path,
        matrix_report(metric.matrix, title=title, pictures=pictures, about=about, more=more),
    )
