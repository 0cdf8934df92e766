"""A shift that all predictions share: of the origin, or of the decoder.

Both move every joint alike. An origin that is wrong (1-based coordinates read as 0-based ones)
moves it by so many pixels, whatever the person's size; a decoder or a flip test moves it by a
share of the heat map, so by so many sizes. So the median error of all joints, divided by the
size, is laid against one over the size: ``error / size = per_size + origin / size``.

Dimensions: N persons, K joints, B replicates, I images, Q bins of the size.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.analysis.frames import Sizes
from hpemap_mm.analysis.medians import image_rows, median_replicates
from hpemap_mm.analysis.offset_values import Estimate
from hpemap_mm.evaluation.aligned import Aligned
from hpemap_mm.evaluation.bootstrap import percentile_interval

Array = npt.NDArray[np.floating]

#: Bins of the size, and fewest errors in each.
BINS, FEWEST = 8, 200
#: Pixels along both axes from which on, beyond doubt, an origin is called wrong. Sound files show
#: up to 0.5 (a ViTPose-B and a ResNet-50 on MPII: 0.1 to 0.4).
ORIGIN = 0.7


@dataclass(frozen=True)
class ImageShift:
    """What all joints are shifted by.

    Attributes:
        origin: x, y in pixels, whatever the person's size.
        per_size: x, y in the persons' sizes.
        wrong_origin: Whether the origin is off beyond doubt, along both axes alike.
        n: Errors behind it.
        unit: Of ``per_size``, in words.
    """

    origin: tuple[Estimate, Estimate]
    per_size: tuple[Estimate, Estimate]
    wrong_origin: bool
    n: int
    unit: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def find_shift(aligned: Aligned, sizes: Sizes, weights: Array) -> ImageShift | None:
    """Part the shift of all predictions; None where too few errors are known.

    Args:
        aligned: Predictions beside the truth.
        sizes: The persons' sizes.
        weights: (B, I) over ``aligned.truth.images``.
    """
    truth = aligned.truth
    errors = (aligned.keypoints - truth.keypoints) / sizes.values[:, None, None]
    scored = truth.valid & aligned.compared & np.isfinite(errors).all(2) & ~truth.crowd[:, None]
    persons, joints = np.nonzero(scored)
    if len(persons) < BINS * FEWEST:
        return None
    size, rows = sizes.values[persons], image_rows(truth.image_ids, truth.images)[persons]
    edges = np.quantile(size, np.linspace(0, 1, BINS + 1)[1:-1])
    bins = np.searchsorted(edges, size, side='right')
    if np.bincount(bins, minlength=BINS).min() < FEWEST:
        return None  # nearly all persons are of one size: nothing can be told apart
    inverse = np.array([1 / np.median(size[bins == q]) for q in range(BINS)])
    # Least squares of a line, as a matrix: (per_size, origin) = solve @ medians.
    solve = np.linalg.pinv(np.stack([np.ones(BINS), inverse], axis=1))
    origin: list[Estimate] = []
    per_size: list[Estimate] = []
    for axis in (0, 1):
        values = errors[persons, joints, axis]
        medians = np.array([np.median(values[bins == q]) for q in range(BINS)])
        replicates = np.stack(
            [median_replicates(values[bins == q], rows[bins == q], weights) for q in range(BINS)]
        )
        value, value_b = solve @ medians, solve @ replicates
        for k, found in enumerate((per_size, origin)):
            low, high = percentile_interval(value_b[k])
            found.append(Estimate(float(value[k]), float(low), float(high)))
    x, y = origin
    alike = np.sign(x.value) == np.sign(y.value)
    return ImageShift(
        origin=(x, y),
        per_size=(per_size[0], per_size[1]),
        wrong_origin=bool(alike and x.beyond(ORIGIN) and y.beyond(ORIGIN)),
        n=len(persons),
        unit=sizes.unit,
    )
