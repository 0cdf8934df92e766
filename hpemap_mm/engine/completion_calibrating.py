"""Calibrating the models of a completion on annotated persons that they were not trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpemap_mm.completion.candidates import PersonBatch
from hpemap_mm.completion.crops import Request
from hpemap_mm.completion.ensemble import CalibrationPart, Ensemble
from hpemap_mm.completion.index import EntryIndex
from hpemap_mm.completion.person_rows import PersonRows
from hpemap_mm.completion.plan import EntryPlan
from hpemap_mm.completion.reading import read_entries
from hpemap_mm.engine.completion_models import Predictor
from hpemap_mm.engine.completion_progress import Watch
from hpemap_mm.engine.completion_settings import Settings
from hpemap_mm.engine.runner import config_errors
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.skeletons import get_skeleton


def read_annotations(
    entries: Mapping[str, Any], folder: Path, shard_size: int, watch: Watch
) -> tuple[tuple[EntryPlan, ...], str]:
    """Write the indexes of entries; see :func:`hpemap_mm.completion.reading.read_entries`."""
    with (
        watch.stage('reading annotations', None, noun='') as stage,
        config_errors('completion'),
    ):
        return read_entries(
            entries,
            folder,
            shard_size=shard_size,
            progress=lambda name: stage.tell(f'reading annotations: {name}'),
        )


def read_calibration(path: Path) -> Ensemble | None:
    """A calibration that was written; None where there is none.

    Raises:
        DataError: The file holds something else.
    """
    try:
        return Ensemble.from_json(json.loads(path.read_text(encoding='utf-8')))
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError) as error:
        fix = 'remove it, to have it fitted again'
        raise DataError([Problem(str(path), str(error), fix)]) from error


def fit_ensemble(predictor: Predictor, settings: Settings, folder: Path, watch: Watch) -> Ensemble:
    """Predict annotated persons, and see how far off the models are.

    Args:
        predictor: The models.
        settings: Name the entries.
        folder: Where their indexes go.
        watch: Shows how far it has come.

    Raises:
        DataError: The annotations have faults, or are too few.
    """
    size = settings.shard_size
    entries, _ = read_annotations(settings.calibration, folder, size, watch)
    batches: list[PersonBatch] = []

    def requests() -> Iterator[Request]:
        for number, entry in enumerate(entries):
            for rows in _spread(folder, number, entry, settings):
                batches.append(rows.batch(get_skeleton(entry.skeleton)))
                yield Request(
                    shard=number, last=False, entry=entry.name, skeleton=entry.skeleton, rows=rows
                )

    parts: list[CalibrationPart] = []
    total = sum(min(entry.persons, settings.calibration_persons) for entry in entries)
    with watch.stage('calibrating', total) as stage:
        for crops, predictions in predictor.stream(requests()):
            parts.append((batches[len(parts)], predictions))
            stage.advance(len(crops.views[0].images))
    known = {batch.skeleton.name for batch in batches}
    for name in settings.skeletons:
        if name in predictor.skeletons and name not in known:
            watch.say(
                f'note: no calibration entry is annotated in {name}, so what the model predicts '
                f'of {name} is not used'
            )
    try:
        return Ensemble.fit(parts)
    except ValueError as error:
        fix = "give completion.calibration more annotated entries in the model's skeletons"
        raise DataError([Problem('config, completion.calibration', str(error), fix)]) from error


def _spread(
    folder: Path, number: int, entry: EntryPlan, settings: Settings
) -> Iterator[PersonRows]:
    """Batches of persons that are spread evenly over an entry."""
    count = min(entry.persons, settings.calibration_persons)
    places = np.unique(np.linspace(0, entry.persons - 1, count).astype(np.int64))
    size = settings.shard_size
    with EntryIndex(folder, number) as index:
        for part, start in enumerate(range(0, entry.persons, size)):
            own = places[(places >= start) & (places < start + size)] - start
            if len(own):
                yield from index.shard(part).take(own).batches(settings.batch_size)
