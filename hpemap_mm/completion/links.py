"""What the errors on annotated joints say of the predictions in a skeleton, measured.

Dimensions: N persons, A joints of an annotation, K joints of a skeleton that is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hpemap_mm.completion.anchoring import ErrorField
from hpemap_mm.completion.candidates import PersonBatch, Predicted
from hpemap_mm.skeletons import correspondences

if TYPE_CHECKING:
    from hpemap_mm.completion.calibration import HeadCalibration

Array = npt.NDArray[np.floating]
#: Annotated persons, and what a model says of them by skeleton's name.
Part = tuple[PersonBatch, Mapping[str, Predicted]]

#: Median distance to the centre of a Gaussian in the plane, in standard deviations of an axis.
MEDIAN_RADIUS = float(np.sqrt(2 * np.log(2)))
#: The mean distance.
MEAN_RADIUS = float(np.sqrt(np.pi / 2))
#: Errors with a prediction that a figure needs.
LEAST = 30
#: Distances in sizes that are as good as none.
NEGLIGIBLE = 0.02
_SHARES = (0.0, 0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9)
_REACHES = (0.05, 0.1, 0.2, 0.4, 0.8)
_PARTS = (1.0, 0.75, 0.5, 0.25, 0.0)
#: Persons that a field is chosen on, at most, and of these so many at a time.
_MOST, _CHUNK = 2000, 256


@dataclass(frozen=True, kw_only=True)
class Link:
    """From the annotation in one skeleton to the predictions in one.

    Attributes:
        field: How the errors of the two heads go together.
        gain: Factor on the standard deviations that come of it.
    """

    field: ErrorField
    gain: float


#: No annotation in between: nothing is corrected.
ALONE = Link(field=ErrorField(share=0.0, reach=1.0), gain=1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shared:
    """Predictions of J joints that the annotation has as well, and what may correct them."""

    joints_J: npt.NDArray[np.intp]
    places_NJ2: Array
    stds_NJ: Array
    anchors_NA2: Array
    anchor_stds_NA: Array
    errors_NA2: Array
    wrong_NJ2: Array

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(N, J): whether there is an annotation and a prediction."""
        return np.all(np.isfinite(self.wrong_NJ2), axis=-1)

    def under(self, field: ErrorField) -> tuple[Array, Array]:
        """How far off the known ones are without their own annotation, and their deviations."""
        shift, stds = field.left_out(
            self.places_NJ2,
            self.stds_NJ,
            self.anchors_NA2,
            self.anchor_stds_NA,
            self.errors_NA2,
            self.joints_J,
        )
        apart = np.linalg.norm(self.wrong_NJ2 - shift, axis=-1)
        return apart[self.known], stds[self.known]


def residuals(batch: PersonBatch, predicted: Predicted) -> Array:
    """(N, A, 2) annotation minus prediction in sizes; NaN where one of them is missing."""
    return (batch.keypoints - predicted.keypoints) / batch.sizes[:, None, None]


def fit_links(
    parts: Sequence[Part], heads: Mapping[str, HeadCalibration]
) -> dict[str, dict[str, Link]]:
    """Fit a link for each pair of skeletons that share joints.

    Each annotated joint that the wanted skeleton has as well is hidden in turn, and predicted with
    the others as anchors. The field is the one under which such joints come closest to their
    annotation (by the mean logarithm of the distance, which gross errors do not dominate), if
    anything comes closer than without one. The factor gives the distances the mean that
    they should have: errors have longer tails than a Gaussian's, which the median does not see.

    To another skeleton than the annotation's the factor is at least that of its own persons: it is
    known of the joints that are shared, and what is wanted are the others.

    Args:
        parts: Persons that the model was not trained on.
        heads: The errors of each head on its own persons.

    Returns:
        By the annotation's skeleton and the wanted one.
    """
    links: dict[str, dict[str, Link]] = {}
    for name in heads:
        link = _at_home(_known(parts, name, name, heads))
        if link is not None:
            links[name] = {name: link}
    for annotated, home in list(links.items()):
        for wanted in heads:
            known = _known(parts, annotated, wanted, heads) if wanted != annotated else []
            link = _abroad(known, home[annotated].field)
            if link is not None:
                least = links.get(wanted, {}).get(wanted, ALONE).gain
                home[wanted] = Link(field=link.field, gain=max(link.gain, least))
    return links


def _known(
    parts: Sequence[Part], annotated: str, wanted: str, heads: Mapping[str, HeadCalibration]
) -> list[_Shared]:
    """Joints that both skeletons have; nothing where they are too few."""
    own = [
        (batch, given[wanted], given[annotated])
        for batch, given in parts
        if batch.skeleton.name == annotated and annotated in given and wanted in given
    ]
    found = [_shared(*part, heads[wanted], heads[annotated]) for part in _some(own)]
    return found if sum(int(some.known.sum()) for some in found) >= LEAST else []


def _at_home(shared: Sequence[_Shared]) -> Link | None:
    """The best field of all; None where too few joints are known."""
    if not shared:
        return None
    fields = [
        ErrorField(share=share, reach=reach)
        for share in _SHARES
        for reach in (_REACHES if share else _REACHES[:1])
    ]
    tried = [_under(field, shared) for field in fields]
    best = int(np.argmin([cost.mean() for cost, _ in tried]))
    return Link(field=fields[best], gain=tried[best][1])


def _abroad(shared: Sequence[_Shared], home: ErrorField) -> Link | None:
    """The head's own field with as much of its share as is not shown to be too much.

    Joints of another skeleton may lie closer to annotated ones than these do to each other, so
    what is shared says little of short distances; what the own head says of them is kept. Too
    much is what is worse than the best by more than a standard error.
    """
    if not shared:
        return None
    fields = [ErrorField(share=home.share * part, reach=home.reach) for part in _PARTS]
    tried = [_under(field, shared) for field in fields]
    best = min(tried, key=lambda one: one[0].mean())[0]
    for field, (cost, gain) in zip(fields, tried, strict=True):
        worse = cost - best
        if worse.mean() <= worse.std() / np.sqrt(len(worse)):
            return Link(field=field, gain=gain)
    raise AssertionError('the best is no worse than itself')


def _under(field: ErrorField, shared: Sequence[_Shared]) -> tuple[Array, float]:
    """The cost of each joint, and the factor on the standard deviations."""
    found = [some.under(field) for some in shared]
    apart, stds = (np.concatenate([one[i] for one in found]) for i in range(2))
    gain = float(np.mean(apart / stds)) / MEAN_RADIUS
    return np.log(apart + NEGLIGIBLE), gain


def _shared(
    batch: PersonBatch,
    wanted: Predicted,
    own: Predicted,
    head: HeadCalibration,
    own_head: HeadCalibration,
) -> _Shared:
    records = correspondences(batch.skeleton, wanted.skeleton, near=False)
    pairs = [
        (place, record.sources[0])
        for place, record in enumerate(records)
        if record.relation == 'same' and record.exact
    ]
    places, joints = (np.array([pair[i] for pair in pairs], np.intp) for i in range(2))
    sizes = batch.sizes[:, None, None]
    off = residuals(batch, own)
    there: npt.NDArray[np.bool_] = np.all(np.isfinite(off), axis=-1)
    return _Shared(
        joints_J=joints,
        places_NJ2=np.nan_to_num(wanted.keypoints[:, places] / sizes),
        stds_NJ=np.nan_to_num(head.stds(wanted.scores)[:, places], nan=1.0),
        anchors_NA2=np.nan_to_num(own.keypoints / sizes),
        anchor_stds_NA=np.where(there, own_head.stds(np.nan_to_num(own.scores)), np.inf),
        errors_NA2=np.where(there[..., None], off, 0.0),
        wrong_NJ2=(batch.keypoints[:, joints] - wanted.keypoints[:, places]) / sizes,
    )


def _some(
    parts: Sequence[tuple[PersonBatch, Predicted, Predicted]],
) -> Iterator[tuple[PersonBatch, Predicted, Predicted]]:
    """Persons spread evenly, in small parts."""
    step = max(1, -(-sum(len(batch) for batch, *_ in parts) // _MOST))
    for batch, *given in parts:
        for start in range(0, len(batch), step * _CHUNK):
            rows = slice(start, start + step * _CHUNK, step)
            wanted, own = (predicted.take(rows) for predicted in given)
            yield batch.take(rows), wanted, own
