"""What is known of persons before anything is completed.

Dimensions: N persons, K joints of a skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpemap_mm.skeletons import Skeleton

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

#: COCO's mean area of a person over that of the box, which MMPose takes where none is annotated.
AREA_OF_BOX = 0.53


@dataclass(frozen=True, kw_only=True, eq=False)
class PersonBatch:
    """Annotated persons of one entry.

    Attributes:
        skeleton: Of the annotation.
        keypoints: (N, K, 2) 0-based pixels of the original image; NaN where not annotated.
        visibility: (N, K): 0 not annotated, 1 occluded, 2 visible.
        bboxes: (N, 4) x1, y1, x2, y2 in pixels.
        sizes: (N,) px: square root of the person's area.

    Raises:
        ValueError: Shapes disagree, a size is not positive, or a joint with a visibility has no
            coordinates (or the other way round).
    """

    skeleton: Skeleton
    keypoints: Array
    visibility: npt.NDArray[np.uint8]
    bboxes: Array
    sizes: Array

    def __post_init__(self) -> None:
        shape = (len(self.sizes), len(self.skeleton))
        for name, expected in (
            ('keypoints', (*shape, 2)),
            ('visibility', shape),
            ('bboxes', (shape[0], 4)),
        ):
            if getattr(self, name).shape != expected:
                found = getattr(self, name).shape
                raise ValueError(f'{self.skeleton.name}: {name} must be {expected}, got {found}')
        if not (np.isfinite(self.sizes) & (self.sizes > 0)).all():
            raise ValueError(f'sizes must be positive, got {self.sizes.min(initial=1):g}')
        if (self.labelled != (self.visibility > 0)).any():
            raise ValueError('keypoints must be NaN exactly where the visibility is 0')

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, rows: npt.NDArray[np.integer] | slice) -> PersonBatch:
        """Some of the persons: indices or a slice."""
        return PersonBatch(
            skeleton=self.skeleton,
            keypoints=self.keypoints[rows],
            visibility=self.visibility[rows],
            bboxes=self.bboxes[rows],
            sizes=self.sizes[rows],
        )

    @property
    def labelled(self) -> BoolArray:
        """(N, K): joints that are annotated."""
        return np.all(np.isfinite(self.keypoints), axis=-1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """What a model says of N persons in one skeleton.

    Attributes:
        skeleton: The skeleton.
        keypoints: (N, K, 2) 0-based pixels of the original image; NaN where there is no answer
            (an image that cannot be read).
        scores: (N, K); NaN likewise.
    """

    skeleton: Skeleton
    keypoints: Array
    scores: Array

    def __post_init__(self) -> None:
        shape = (len(self.keypoints), len(self.skeleton))
        if self.keypoints.shape != (*shape, 2) or self.scores.shape != shape:
            raise ValueError(
                f'{self.skeleton.name}: keypoints must be {(*shape, 2)} and scores {shape}, got '
                f'{self.keypoints.shape} and {self.scores.shape}'
            )

    def __len__(self) -> int:
        return len(self.keypoints)

    def take(self, rows: npt.NDArray[np.integer] | slice) -> Predicted:
        """Some of the persons: indices or a slice."""
        return Predicted(
            skeleton=self.skeleton, keypoints=self.keypoints[rows], scores=self.scores[rows]
        )


def sizes_of(bboxes: Array, areas: Array | None = None) -> Array:
    """(N,) px: square root of the annotated area, or of 0.53 x the box where that is unknown."""
    spans = np.maximum(bboxes[:, 2:] - bboxes[:, :2], 1.0)
    boxes = AREA_OF_BOX * spans.prod(-1)
    if areas is None:
        return np.sqrt(boxes)
    known = np.isfinite(areas) & (areas > 0)
    return np.sqrt(np.where(known, areas, boxes))
