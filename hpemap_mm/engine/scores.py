"""The scores of an evaluation: tables for a person, one json for programs, predictions as files."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmengine
import mmpose
import numpy as np
import torch
from mmengine.evaluator import Evaluator
from rich.console import Console
from rich.table import Table

from hpemap_mm.evaluation.cross import Cell, CrossMatrix
from hpemap_mm.evaluation.cross_metric import CrossEvaluator
from hpemap_mm.evaluation.metrics import MultiSkeletonPCK
from hpemap_mm.files import atomic_path, write_json
from hpemap_mm.persons.arrays import Truth
from hpemap_mm.persons.files import write_predictions
from hpemap_mm.version import __version__


def score_tables(evaluator: Evaluator) -> dict[str, dict[str, Any]]:
    """PCK of the last evaluation in each entry's own skeleton, with its joints, by entry."""
    tables: dict[str, dict[str, Any]] = {}
    for metric in cross_evaluators(evaluator):
        for cell in metric.matrix or ():
            if cell.representation == cell.skeleton and cell.figures:
                tables[cell.dataset] = _own_scores(cell)
    for metric in evaluator.metrics:
        if isinstance(metric, MultiSkeletonPCK):
            tables.update(metric.table)
    return tables


def cross_evaluators(evaluator: Evaluator) -> list[CrossEvaluator]:
    """Those of an evaluator's metrics that give a matrix."""
    return [metric for metric in evaluator.metrics if isinstance(metric, CrossEvaluator)]


def versions() -> dict[str, str]:
    """Of what figures depend on."""
    return {
        'hpemap_mm': __version__,
        'torch': torch.__version__,
        'mmengine': mmengine.__version__,
        'mmpose': mmpose.__version__,
        'numpy': np.__version__,
    }


def render(tables: dict[str, dict[str, Any]], title: str) -> str:
    """Dataset x metric as text, figures in per cent."""
    names = list(dict.fromkeys(name for row in tables.values() for name in row['metrics']))
    table = Table(title=title, title_justify='left')
    for heading in ('dataset', 'skeleton'):
        table.add_column(heading)
    for heading in ('persons', 'joints', *names):
        table.add_column(heading, justify='right')
    for entry, row in tables.items():
        figures = row['metrics']
        scored = max((figure['joints'] for figure in figures.values()), default=0)
        cells = [_percent(figures.get(name)) for name in names]
        table.add_row(entry, row['skeleton'], str(row['persons']), str(scored), *cells)
    console = Console(width=max(80, 46 + 18 * len(names)), record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def write_scores(
    path: str | os.PathLike[str],
    tables: dict[str, dict[str, Any]],
    *,
    matrix: CrossMatrix | None = None,
    **about: Any,
) -> None:
    """Write the scores with what produced them.

    Args:
        path: The json.
        tables: From :func:`score_tables`, under ``entries``.
        matrix: Under ``matrix``, where there is one.
        **about: What else to say.
    """
    write_json(
        path,
        {
            **about,
            'versions': versions(),
            'entries': _without_nan(tables),
            **({} if matrix is None else {'matrix': matrix.to_json()}),
        },
    )


def dump_predictions(folder: Path, metric: CrossEvaluator) -> list[Path]:
    """Write what was predicted and what is true, so that tools/evaluate.py can score it again.

    ``<entry>.<representation>.npz`` has the predictions for an entry, ``<entry>.truth.npz`` its
    persons; both 0-based, persons by the same ids.

    Returns:
        The files.
    """
    written = []
    for entry, truth in metric.truths.items():
        path = folder / f'{entry}.truth.npz'
        with atomic_path(path) as partial:
            np.savez_compressed(partial, **_truth_arrays(truth))
        written.append(path)
        for found in metric.predictions[entry]:
            if len(found):
                written.append(write_predictions(folder / f'{entry}.{found.name}.npz', found))
    return written


def _truth_arrays(truth: Truth) -> dict[str, Any]:
    names = [truth.image_names.get(int(image), '') for image in truth.image_ids]
    return {
        'keypoints': truth.keypoints,
        'visible': truth.visible,
        'ids': truth.ids,
        'image_ids': truth.image_ids,
        'images': truth.images,
        'boxes': truth.boxes,
        'areas': truth.areas,
        'head_sizes': truth.head_sizes,
        'base': np.int64(0),
        **({'image': np.array(names)} if all(names) else {}),
    }


def _own_scores(cell: Cell) -> dict[str, Any]:
    """A cell in the form of :attr:`MultiSkeletonPCK.table`."""
    return {
        'skeleton': cell.skeleton,
        'persons': cell.persons,
        'metrics': dict(_pck_figures(cell)),
    }


def _pck_figures(cell: Cell) -> Iterator[tuple[str, dict[str, Any]]]:
    joints = [comparison.joint for comparison in cell.comparisons]
    for name, figure in cell.figures.items():
        if not name.startswith('PCK@'):
            continue
        per_joint = {}
        for joint in joints:
            of_joint = figure.per_joint.get(joint)
            per_joint[joint] = {
                'pck': None if of_joint is None else of_joint.value,
                'joints': 0 if of_joint is None else of_joint.joints,
            }
        yield (
            name,
            {
                'mean': figure.value,
                'persons': figure.instances,
                'joints': figure.joints,
                'per_joint': per_joint,
            },
        )


def _percent(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return '-'
    return 'no joints' if figure['joints'] == 0 else f'{100 * figure["mean"]:.1f}'


def _without_nan(value: Any) -> Any:
    """NaN as null: json has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, float) and value != value:
        return None
    return value
