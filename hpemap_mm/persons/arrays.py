"""Annotated and predicted persons as arrays: what every metric and analysis works on.

Dimensions: N annotated persons, M predicted ones, K joints of a skeleton, J joints of a
representation (a skeleton or a joint space), I images. All coordinates are 0-based pixels of
the original image, pixel centres at integers; readers bring files to that, metrics never do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hpemap_mm.skeletons import JointSpace, Skeleton

Array = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Representation = Skeleton | JointSpace


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """The annotated persons of one dataset, in one skeleton.

    Attributes:
        name: The dataset's name in results, e.g. ``'mpii_val'``.
        skeleton: What it is annotated in.
        keypoints: (N, K, 2) float64; anything where not annotated.
        visible: (N, K) uint8: 0 not annotated (never scored), 1 occluded, 2 visible.
        ids: (N,) int64, unique: the persons' ids; a row's number where the file has none.
        image_ids: (N,) int64.
        boxes: (N, 4) x1, y1, x2, y2; NaN where unknown.
        areas: (N,) px^2, what OKS divides by; NaN where unknown.
        head_sizes: (N,) px, what PCKh divides by; NaN where unknown.
        crowd: (N,) bool: crowd regions, which are never scored.
        images: (I,) int64: ids of all images that were annotated, those without a person too.
        image_names: File names by image id, where known.
        crowd_index: CrowdPose's crowding of an image by image id, where known.
        source: The file, for messages.
    """

    name: str
    skeleton: Skeleton
    keypoints: Array
    visible: npt.NDArray[np.uint8]
    ids: IntArray
    image_ids: IntArray
    boxes: Array
    areas: Array
    head_sizes: Array
    crowd: BoolArray
    images: IntArray
    image_names: Mapping[int, str] = field(default_factory=dict)
    crowd_index: Mapping[int, float] = field(default_factory=dict)
    source: str = ''

    @classmethod
    def build(
        cls,
        *,
        name: str,
        skeleton: Skeleton,
        keypoints: npt.ArrayLike,
        visible: npt.ArrayLike,
        ids: npt.ArrayLike | None = None,
        image_ids: npt.ArrayLike | None = None,
        boxes: npt.ArrayLike | None = None,
        areas: npt.ArrayLike | None = None,
        head_sizes: npt.ArrayLike | None = None,
        crowd: npt.ArrayLike | None = None,
        images: npt.ArrayLike | None = None,
        image_names: Mapping[int, str] | None = None,
        crowd_index: Mapping[int, float] | None = None,
        source: str = '',
    ) -> Self:
        """Fill in what is not known, and check shapes.

        Without ``ids`` a person's id is its row; without ``image_ids`` every person is an image
        of its own; without ``images`` they are those that have persons.

        Raises:
            ValueError: Shapes disagree, ids are not unique, or an annotated joint is not finite.
        """
        points = np.asarray(keypoints, np.float64).reshape(-1, len(skeleton), 2)
        count = len(points)
        rows = np.arange(count, dtype=np.int64)
        unknown = np.full(count, np.nan)
        of_persons = rows if image_ids is None else np.asarray(image_ids, np.int64)
        truth = cls(
            name=name,
            skeleton=skeleton,
            keypoints=points,
            visible=np.asarray(visible).astype(np.uint8),
            ids=rows if ids is None else np.asarray(ids, np.int64),
            image_ids=of_persons,
            boxes=np.full((count, 4), np.nan) if boxes is None else np.asarray(boxes, float),
            areas=unknown if areas is None else np.asarray(areas, float),
            head_sizes=unknown if head_sizes is None else np.asarray(head_sizes, float),
            crowd=np.zeros(count, bool) if crowd is None else np.asarray(crowd, bool),
            images=np.unique(of_persons) if images is None else np.asarray(images, np.int64),
            image_names=dict(image_names or {}),
            crowd_index=dict(crowd_index or {}),
            source=source,
        )
        expected = {
            'visible': (count, len(skeleton)),
            'ids': (count,),
            'image_ids': (count,),
            'boxes': (count, 4),
            'areas': (count,),
            'head_sizes': (count,),
            'crowd': (count,),
        }
        _check_shapes(truth, expected)
        if len(np.unique(truth.ids)) != count:
            raise ValueError(f'{name}: person ids are not unique')
        if not np.isfinite(points[truth.valid]).all():
            raise ValueError(f'{name}: an annotated joint has coordinates that are not finite')
        return truth

    def __len__(self) -> int:
        return len(self.keypoints)

    @cached_property
    def valid(self) -> BoolArray:
        """Whether a joint is annotated; (N, K)."""
        return self.visible > 0

    def take(self, rows: npt.ArrayLike) -> Self:
        """Some persons (indices or a mask); ``images`` stay as they are."""
        rows = np.asarray(rows)
        per_person = (
            *('keypoints', 'visible', 'ids', 'image_ids'),
            *('boxes', 'areas', 'head_sizes', 'crowd'),
        )
        return replace(self, **{name: getattr(self, name)[rows] for name in per_person})


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Predicted persons in one representation.

    Attributes:
        name: Of the model, or of the file, e.g. ``'coco'``.
        representation: The skeleton or joint space that the keypoints are in; never guessed.
        keypoints: (M, J, 2) float64, finite.
        keypoint_scores: (M, J) confidences; NaN where the file has none.
        scores: (M,) confidence of the person (what AP sorts by).
        image_ids: (M,) int64.
        ids: (M,) int64: id of the annotated person that was given as a box; None for detections,
            which have to be matched.
        source: The file, for messages.
        answered: (M, J): joints that were predicted; all where None. The keypoints of the others
            are any finite numbers, and are not read.
    """

    name: str
    representation: Representation
    keypoints: Array
    keypoint_scores: Array
    scores: Array
    image_ids: IntArray
    ids: IntArray | None = None
    source: str = ''
    answered: BoolArray | None = None

    @classmethod
    def build(
        cls,
        *,
        name: str,
        representation: Representation,
        keypoints: npt.ArrayLike,
        image_ids: npt.ArrayLike,
        keypoint_scores: npt.ArrayLike | None = None,
        scores: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
        source: str = '',
        answered: npt.ArrayLike | None = None,
    ) -> Self:
        """Fill in what is not known, and check shapes.

        ``scores`` default to 1 for persons whose ``ids`` are given (all were asked for).

        Raises:
            ValueError: Shapes disagree, something is not finite, a person of ``ids`` occurs
                twice, or detections have no scores.
        """
        points = np.asarray(keypoints, np.float64).reshape(-1, len(representation), 2)
        count = len(points)
        if scores is None and ids is None:
            raise ValueError(f'{name}: detections need scores')
        predictions = cls(
            name=name,
            representation=representation,
            keypoints=points,
            keypoint_scores=np.full(points.shape[:2], np.nan)
            if keypoint_scores is None
            else np.asarray(keypoint_scores, float),
            scores=np.ones(count) if scores is None else np.asarray(scores, float),
            image_ids=np.asarray(image_ids, np.int64),
            ids=None if ids is None else np.asarray(ids, np.int64),
            source=source,
            answered=None if answered is None else np.asarray(answered, bool),
        )
        expected: dict[str, tuple[int, ...]] = {
            'keypoint_scores': points.shape[:2],
            'scores': (count,),
            'image_ids': (count,),
        }
        if ids is not None:
            expected['ids'] = (count,)
        if answered is not None:
            expected['answered'] = points.shape[:2]
        _check_shapes(predictions, expected)
        if not (np.isfinite(points).all() and np.isfinite(predictions.scores).all()):
            raise ValueError(f'{name}: keypoints and scores must be finite')
        if predictions.ids is not None and len(np.unique(predictions.ids)) != count:
            raise ValueError(f'{name}: a person was predicted twice')
        return predictions

    def __len__(self) -> int:
        return len(self.keypoints)


def _check_shapes(value: Any, expected: Mapping[str, tuple[int, ...]]) -> None:
    for attribute, shape in expected.items():
        found = getattr(value, attribute).shape
        if found != shape:
            raise ValueError(f'{value.name}: {attribute} must be {shape}, got {found}')
