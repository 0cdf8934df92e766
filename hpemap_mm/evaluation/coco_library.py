"""faster-coco-eval on arrays: matching and counting in C++, without COCO objects in between.

The library's Python class reads dicts of keypoints and computes similarities image by image; here
they come as arrays (:mod:`hpemap_mm.evaluation.oks`), and only what its C++ core asks for is
handed over: ids, scores, areas, and one table of similarities per image. What comes back are its
own curves, and its matches (which it gives out through its pickling).

Dimensions: I images, M detections, N persons, A area classes, T thresholds of similarity, R
recalls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

_CATEGORY = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """What the library found.

    Attributes:
        precision: (T, R, A) interpolated precision; -1 where a class has no person.
        recall: (T, A); -1 where a class has no person.
        person: (A, T, M) row of the person that a detection took; -1 for none.
        ignored: (A, T, M): neither right nor wrong.
        counted: (A, I): how many persons of each image count in an area class.
    """

    precision: Array
    recall: Array
    person: IntArray
    ignored: BoolArray
    counted: IntArray


def match_and_count(
    *,
    similarity: Sequence[Sequence[Sequence[float]]],
    detections_per_image: IntArray,
    persons_per_image: IntArray,
    scores: Array,
    detection_areas: Array,
    person_areas: Array,
    crowd: BoolArray,
    ignored: BoolArray,
    thresholds: Array,
    recalls: Array,
    area_ranges: Sequence[tuple[float, float]],
) -> Matches:
    """Match by COCO's greedy rule, and count.

    Args:
        similarity: For each image a table, detections x persons; empty where it lacks either.
        detections_per_image: How many of the M detections are of each image. They lie image after
            image, in an image by falling score.
        persons_per_image: Likewise for the N persons.
        scores: (M,).
        detection_areas: (M,) px^2: unmatched detections outside of a class are ignored.
        person_areas: (N,) px^2: persons outside of a class are ignored.
        crowd: (N,): may be taken by several detections.
        ignored: (N,): neither found nor missed, in all classes; crowds too.
        thresholds: (T,) similarities.
        recalls: (R,) at which precision is read.
        area_ranges: A classes, least and greatest area.
    """
    from faster_coco_eval import faster_eval_api_cpp as library

    images = len(similarity)
    truth, found = library.Dataset(), library.Dataset()
    _fill(
        truth,
        persons_per_image,
        area=person_areas.tolist(),
        iscrowd=crowd.tolist(),
        ignore=(ignored | crowd).tolist(),
    )
    _fill(found, detections_per_image, area=detection_areas.tolist(), score=scores.tolist())
    numbers = list(range(images))
    most = int(max(detections_per_image, default=0)) or 1
    evaluations = library.COCOevalEvaluateImages(
        [list(bounds) for bounds in area_ranges],
        most,
        thresholds.tolist(),
        [[table] for table in similarity],
        truth,
        found,
        numbers,
        [_CATEGORY],
        True,
    )
    settings = SimpleNamespace(
        recThrs=recalls.tolist(),
        iouThrs=thresholds.tolist(),
        maxDets=[most],
        areaRng=[list(bounds) for bounds in area_ranges],
        catIds=[_CATEGORY],
        imgIds=numbers,
        useCats=1,
    )
    curves = library.COCOevalAccumulate(settings, evaluations)
    person, ignored_detections, counted = _unpack(
        evaluations, detections_per_image, persons_per_image, len(area_ranges), len(thresholds)
    )
    return Matches(
        precision=curves['precision'][:, :, 0, :, 0],
        recall=curves['recall'][:, 0, :, 0],
        person=person,
        ignored=ignored_detections,
        counted=counted,
    )


def _fill(dataset: Any, per_image: IntArray, **columns: list[float]) -> None:
    """Give the library one dict per row; ids are row + 1 (0 means "unmatched" to it)."""
    append = dataset.append_ref
    images = np.repeat(np.arange(len(per_image)), per_image).tolist()
    names = ('id', *columns)
    rows = zip(range(1, len(images) + 1), *columns.values(), strict=True)
    for image, row in zip(images, rows, strict=True):
        append(image, _CATEGORY, dict(zip(names, row, strict=True)))


def _unpack(
    evaluations: Sequence[Any],
    detections_per_image: IntArray,
    persons_per_image: IntArray,
    classes: int,
    thresholds: int,
) -> tuple[IntArray, BoolArray, IntArray]:
    """Matches out of the library's states, which hold flat lists for each class and image."""
    taken: list[int] = []
    ignored: list[bool] = []
    counted: list[int] = []
    for evaluation in evaluations:
        state = evaluation.__getstate__()
        taken += state[0]
        counted.append(len(state[3]) - sum(state[3]))
        ignored += state[4]
    count = int(detections_per_image.sum())
    # An image's list holds its detections threshold after threshold.
    starts = np.cumsum(detections_per_image) - detections_per_image
    width = np.repeat(detections_per_image, detections_per_image)
    first = np.repeat(starts, detections_per_image)
    place = first * thresholds + (np.arange(count) - first)
    index = place + np.arange(thresholds)[:, None] * width
    shape = (classes, count * thresholds)
    return (
        np.array(taken, np.int64).reshape(shape)[:, index] - 1,
        np.array(ignored, np.bool_).reshape(shape)[:, index],
        np.array(counted, np.int64).reshape(classes, len(persons_per_image)),
    )
