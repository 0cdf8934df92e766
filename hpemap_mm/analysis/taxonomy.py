"""What kind of error each predicted joint is, after Ronchi and Perona.

"Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation", ICCV 2017, section 3.1;
thresholds and precedence as in its code (github.com/matteorr/coco-analyze, cocoanalyze.py). A
predicted joint is laid on four kinds of annotated points: the joint itself, the person's opposite
one, and the same two of every other person in the image. The greatest keypoint similarity (one
term of OKS) says which it is:

good
    the joint itself, at 0.85 or more;
jitter
    the joint itself, at 0.5 to 0.85;
inversion
    the person's own opposite joint, at 0.5 or more;
swap
    another person's joint, the same or the opposite one, at 0.5 or more;
miss
    nothing at 0.5 or more.

Beyond the paper, a miss that lies on *another* joint of the person itself (at 0.5 or more) is
told apart as ``other_joint``: the paper's miss is ``other_joint`` and ``miss`` together.

Dimensions: N persons, K joints, P pairs of persons in one image, B replicates, I images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.evaluation.aligned import Aligned
from hpemap_mm.evaluation.bootstrap import image_sums, ratio_interval

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

#: The kinds, by code; -1 is "not classified".
KINDS = ('good', 'jitter', 'inversion', 'swap', 'other_joint', 'miss')
GOOD, JITTER, INVERSION, SWAP, OTHER_JOINT, MISS = range(len(KINDS))
#: Keypoint similarities from which on a joint is found, and found well.
FOUND, WELL = 0.5, 0.85
_PAIRS_AT_A_TIME = 100_000


@dataclass(frozen=True, eq=False)
class Kinds:
    """The kind of each predicted joint.

    Attributes:
        codes: (N, K) int8: an index into :data:`KINDS`; -1 where the joint is not annotated or
            not compared, or the person was not predicted.
        other: (N, K) int16: for ``other_joint`` the joint that the prediction lies on, else -1.
    """

    codes: npt.NDArray[np.int8]
    other: npt.NDArray[np.int16]


@dataclass(frozen=True)
class Rate:
    """A share with its 95% interval (bootstrap over images)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class JointKinds:
    """How often a joint was predicted in which way.

    Attributes:
        joint: Its name.
        n: Annotated joints that were predicted.
        rates: By kind; they sum to 1.
        confused_with: Other joints of the person itself, the opposite one too, with the share of
            ``n`` that lies on them; the most frequent first, at most three.
    """

    joint: str
    n: int
    rates: Mapping[str, Rate]
    confused_with: Mapping[str, float]


@dataclass(frozen=True)
class Taxonomy:
    """The kinds of all joints.

    Attributes:
        joints: One for each joint that was compared and annotated.
        all_joints: All of them together.
        unpredicted: Annotated joints of persons that were not predicted; in no rate.
        sigma_source: Whose constants of keypoint similarity were used.
    """

    joints: tuple[JointKinds, ...]
    all_joints: JointKinds
    unpredicted: int
    sigma_source: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            'thresholds': {'found': FOUND, 'well': WELL},
            'sigmas': self.sigma_source,
            'unpredicted': self.unpredicted,
            'all': asdict(self.all_joints),
            'joints': {joint.joint: asdict(joint) for joint in self.joints},
        }


def classify(aligned: Aligned, sigmas: npt.ArrayLike) -> Kinds:
    """The kind of each predicted joint.

    Args:
        aligned: Persons with what was predicted for them; the truth needs areas.
        sigmas: (K,) COCO's per-joint constants.

    Raises:
        ValueError: A predicted person has no area, or the sigmas do not fit.
    """
    truth = aligned.truth
    sigmas = np.asarray(sigmas, float)
    if sigmas.shape != (len(truth.skeleton),) or not (np.isfinite(sigmas) & (sigmas > 0)).all():
        raise ValueError(f'sigmas must be {len(truth.skeleton)} positive numbers, got {sigmas}')
    predicted = aligned.predicted & ~truth.crowd
    scored = truth.valid & predicted[:, None] & aligned.compared
    if (without := int((scored.any(1) & ~(truth.areas > 0)).sum())) > 0:
        raise ValueError(f'{truth.name}: {without} predicted persons have no area')
    flip = np.asarray(truth.skeleton.flip_indices)
    rows = np.flatnonzero(scored.any(1))
    own = np.full(scored.shape, -1.0)
    opposite, foreign, foreign_opposite = own.copy(), own.copy(), own.copy()
    own[rows] = _similarity(aligned, rows, rows, None, sigmas)
    opposite[rows] = _similarity(aligned, rows, rows, flip, sigmas)
    subjects, others = _neighbours(aligned, rows)
    for start in range(0, len(subjects), _PAIRS_AT_A_TIME):
        a, b = subjects[start:][:_PAIRS_AT_A_TIME], others[start:][:_PAIRS_AT_A_TIME]
        np.maximum.at(foreign, a, _similarity(aligned, a, b, None, sigmas))
        np.maximum.at(foreign_opposite, a, _similarity(aligned, a, b, flip, sigmas))
    # In the order of the paper's code: of equal ones the first is taken.
    candidates = np.stack([own, foreign, opposite, foreign_opposite])
    best, which = candidates.max(0), candidates.argmax(0)
    codes = np.select(
        [best < FOUND, (which == 0) & (best >= WELL), which == 0, which == 2],
        [MISS, GOOD, JITTER, INVERSION],
        SWAP,
    ).astype(np.int8)
    other = _other_joints(aligned, scored & (codes == MISS), sigmas)
    codes[other >= 0] = OTHER_JOINT
    codes[~scored] = -1
    return Kinds(codes, other)


def taxonomy(aligned: Aligned, sigmas: npt.ArrayLike, weights: Array, *, source: str) -> Taxonomy:
    """Classify, and count by joint.

    Args:
        aligned: As in :func:`classify`.
        sigmas: As in :func:`classify`.
        weights: (B, I) over ``aligned.truth.images``.
        source: Where the sigmas come from, in words.

    Raises:
        ValueError: See :func:`classify`.
    """
    kinds = classify(aligned, sigmas)
    truth = aligned.truth
    names = truth.skeleton.joints
    counted = np.stack([kinds.codes == code for code in range(len(KINDS))], axis=-1)
    sums = image_sums(counted, truth.image_ids, truth.images)
    joints = []
    for k in np.flatnonzero((kinds.codes >= 0).any(0)):
        joints.append(_joint(names[k], sums[:, k], weights, _confusions(kinds, int(k), truth)))
    unpredicted = truth.valid & aligned.compared & ~aligned.predicted[:, None]
    unpredicted &= ~truth.crowd[:, None]
    return Taxonomy(
        joints=tuple(joints),
        all_joints=_joint('all', sums.sum(1), weights, {}),
        unpredicted=int(unpredicted.sum()),
        sigma_source=source,
    )


def _joint(name: str, sums: Array, weights: Array, confused: dict[str, float]) -> JointKinds:
    """From (I, kinds) counts per image."""
    total = sums.sum(1, keepdims=True)
    count = int(total.sum())
    low, high = ratio_interval(sums, np.broadcast_to(total, sums.shape), weights)
    share = sums.sum(0) / count if count else np.full(len(KINDS), np.nan)
    rates = {
        kind: Rate(float(share[i]), float(low[i]), float(high[i])) for i, kind in enumerate(KINDS)
    }
    return JointKinds(name, count, rates, confused)


def _confusions(kinds: Kinds, joint: int, truth: Any, most: int = 3) -> dict[str, float]:
    names = truth.skeleton.joints
    count = int((kinds.codes[:, joint] >= 0).sum())
    on = kinds.other[:, joint]
    hits = np.bincount(on[on >= 0], minlength=len(names)).astype(float)
    hits[truth.skeleton.flip_indices[joint]] += (kinds.codes[:, joint] == INVERSION).sum()
    order = [int(i) for i in np.argsort(-hits, kind='stable')[:most] if hits[i]]
    return {names[i]: float(hits[i] / count) for i in order}


def _similarity(
    aligned: Aligned, subjects: IntArray, persons: IntArray, partners: Any, sigmas: Array
) -> Array:
    """Keypoint similarity of each joint of ``subjects`` to a joint of ``persons``; (P, K).

    As in COCO: exp(-d^2 / (2 (2 sigma)^2 area)) with the annotated person's area; -1 where the
    joint is not annotated.

    Args:
        aligned: The persons.
        subjects: (P,) rows of the predictions.
        persons: (P,) rows of the annotations.
        partners: (K,) joints of the annotation to compare with; the same ones where None.
        sigmas: (K,).
    """
    truth = aligned.truth
    points, valid = truth.keypoints[persons], truth.valid[persons]
    if partners is not None:
        points, valid = points[:, partners], valid[:, partners]
    square = ((aligned.keypoints[subjects] - points) ** 2).sum(-1)
    scale = 2 * (2 * sigmas) ** 2 * truth.areas[persons][:, None]
    with np.errstate(invalid='ignore'):
        return np.where(valid & np.isfinite(square) & (scale > 0), np.exp(-square / scale), -1.0)


def _neighbours(aligned: Aligned, rows: IntArray) -> tuple[IntArray, IntArray]:
    """All pairs (person of ``rows``, another annotated person of its image)."""
    truth = aligned.truth
    everyone = np.flatnonzero(truth.valid.any(1) & ~truth.crowd & (truth.areas > 0))
    by_image = everyone[np.argsort(truth.image_ids[everyone], kind='stable')]
    images = truth.image_ids[by_image]
    first = np.searchsorted(images, truth.image_ids[rows], side='left')
    counts = np.searchsorted(images, truth.image_ids[rows], side='right') - first
    subjects = np.repeat(rows, counts)
    within = np.arange(len(subjects)) - np.repeat(np.cumsum(counts) - counts, counts)
    others = by_image[np.repeat(first, counts) + within]
    apart = subjects != others
    return subjects[apart], others[apart]


def _other_joints(aligned: Aligned, missed: BoolArray, sigmas: Array) -> npt.NDArray[np.int16]:
    """For missed joints the person's own other joint that they lie on; -1 for none; (N, K)."""
    truth = aligned.truth
    found = np.full(missed.shape, -1, np.int16)
    persons, joints = np.nonzero(missed)
    if not len(persons):
        return found
    point = aligned.keypoints[persons, joints]
    square = ((point[:, None] - truth.keypoints[persons]) ** 2).sum(-1)
    similarity = np.exp(-square / (2 * (2 * sigmas) ** 2 * truth.areas[persons][:, None]))
    excluded = ~truth.valid[persons]
    excluded[np.arange(len(joints)), joints] = True
    similarity[excluded] = -1.0
    best = similarity.argmax(1)
    hit = similarity[np.arange(len(best)), best] >= FOUND
    found[persons[hit], joints[hit]] = best[hit]
    return found
