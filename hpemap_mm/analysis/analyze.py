"""All analyses, of one file of predictions or of several side by side.

Dimensions: N persons, K joints of the truth, B replicates, I images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpemap_mm.analysis.dependence import find_dependences
from hpemap_mm.analysis.derivations import find_derivations
from hpemap_mm.analysis.distributions import Laws, joint_laws
from hpemap_mm.analysis.findings import Analysis, Difference, Findings
from hpemap_mm.analysis.frames import NORMALISERS, Sizes, body_frames, has_trunk, person_sizes
from hpemap_mm.analysis.image_shift import find_shift
from hpemap_mm.analysis.medians import image_rows
from hpemap_mm.analysis.mixture import Mixtures, find_mixtures
from hpemap_mm.analysis.offset_values import Offsets
from hpemap_mm.analysis.offsets import measure_offsets, subtract
from hpemap_mm.analysis.subject import Subject
from hpemap_mm.analysis.taxonomy import Taxonomy, taxonomy
from hpemap_mm.evaluation.bootstrap import image_weights
from hpemap_mm.evaluation.measures import sigmas_of
from hpemap_mm.persons.arrays import Array, BoolArray, Truth
from hpemap_mm.skeletons import canonical_joints

IMAGE_FRAME = 'image: x to the right, y down'
BODY_FRAME = "body: x to the person's own left, y down the trunk"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How subjects are analysed.

    Attributes:
        replicates: Bootstrap replicates; 0 for no intervals, so that nothing can be claimed.
        seed: Their seed.
        size: What errors are divided by: a key of :data:`~hpemap_mm.analysis.frames.NORMALISERS`,
            or ``'auto'`` for the best one that all subjects have.
        progress: Told what is being done.
    """

    replicates: int = 1000
    seed: int = 0
    size: str = 'auto'
    progress: Callable[[str], None] = field(default=lambda text: None, compare=False)


def analyze(
    subject: Subject,
    *,
    against: Subject | None = None,
    controls: Sequence[Subject] = (),
    settings: Settings | None = None,
) -> Analysis:
    """Run every analysis on every subject, and subtract.

    Args:
        subject: The predictions in question.
        against: Another dataset or model, to be laid side by side.
        controls: Predictions in the dataset's own definition: what their offsets show is no
            definition, but a habit of networks.
        settings: How.

    Raises:
        ValueError: No normaliser serves all subjects.
    """
    settings = settings or Settings()
    everyone = [subject, *([against] if against else []), *controls]
    kind = common_size([s.truth for s in everyone], settings.size)
    runs: list[_Run] = []
    for place, one in enumerate(everyone):
        # Subjects on the same images are resampled together, so that they can be compared
        # replicate by replicate; others independently.
        twin = next((r for r in runs if np.array_equal(r.images, one.truth.images)), None)
        seed = settings.seed + place if twin is None else twin.seed
        runs.append(_Run(one, kind, settings, seed))
    found = [run.findings() for run in runs]
    differences = []
    for place in range(1, len(runs)):
        role = 'against' if against and place == 1 else 'control'
        settings.progress(f'{subject.name}: offsets beyond those of {everyone[place].name}')
        differences.append(_difference(runs[0], runs[place], found[0], found[place], role))
    return Analysis(
        main=found[0],
        against=found[1] if against else None,
        controls=tuple(found[2 if against else 1 :]),
        differences=tuple(differences),
        replicates=settings.replicates,
        seed=settings.seed,
    )


def common_size(truths: Sequence[Truth], kind: str) -> str:
    """The best normaliser that all truths have, or ``kind`` where it is not ``'auto'``.

    Raises:
        ValueError: There is none.
    """
    if kind != 'auto':
        return kind
    kinds = list(NORMALISERS)
    worst = max(kinds.index(person_sizes(truth).kind) for truth in truths)
    return kinds[worst]


class _Run:
    """One subject with what all of its analyses share."""

    def __init__(self, subject: Subject, kind: str, settings: Settings, seed: int) -> None:
        self.subject, self.settings, self.seed = subject, settings, seed
        truth = subject.truth
        self.images = truth.images
        self.sizes = person_sizes(truth, kind)
        self.weights = image_weights(len(truth.images), settings.replicates, seed)
        self.rows = image_rows(truth.image_ids, truth.images)
        self.untrusted: dict[str, str] = {}

    def tell(self, what: str) -> None:
        self.settings.progress(f'{self.subject.name}: {what}')

    def findings(self) -> Findings:
        subject, sizes, weights = self.subject, self.sizes, self.weights
        aligned, truth = subject.aligned, subject.truth
        missing: dict[str, str] = {}
        self.tell('mixtures')
        mixtures = find_mixtures(
            subject.as_predicted, subject.predictions.representation, truth, sizes, weights
        )
        self.untrusted = _mixed_in_truth(subject, mixtures)
        self.tell('distributions')
        errors, body = self._errors()
        trunk = has_trunk(truth.skeleton)
        laws = self._laws(errors, IMAGE_FRAME)
        body_laws = self._laws(body, BODY_FRAME) if trunk else None
        self.tell('shift of the image')
        shift = find_shift(aligned, sizes, weights)
        if shift is None:
            missing['shift'] = 'too few errors in persons of different sizes'
        self.tell('definition offsets')
        offsets = self.offsets() if trunk else None
        if not trunk:
            missing['offsets'] = f'{truth.skeleton.name} lacks shoulders or hips: no body frame'
        self.tell('kinds of errors')
        kinds = self._kinds(missing)
        self.tell('computed joints')
        derivations = find_derivations(truth, sizes, weights)
        self.tell('dependence on size and pose')
        dependences = find_dependences(aligned, sizes, weights)
        return Findings(
            name=subject.name,
            about=_about(subject, sizes),
            relations=subject.relations,
            sizes=sizes,
            errors=errors,
            body_errors=body,
            laws=laws,
            body_laws=body_laws,
            shift=shift,
            mixtures=mixtures,
            derivations=derivations,
            kinds=kinds,
            offsets=offsets,
            dependences=dependences,
            missing=missing,
        )

    def offsets(self, anchors: Sequence[str] | None = None) -> Offsets:
        return measure_offsets(
            self.subject.aligned,
            self.sizes,
            self.weights,
            relations=self.subject.relations,
            anchors=anchors,
            untrusted=self.untrusted,
        )

    def _errors(self) -> tuple[Array, Array]:
        aligned, truth = self.subject.aligned, self.subject.truth
        scored = truth.valid & aligned.compared & ~truth.crowd[:, None]
        gap = (aligned.keypoints - truth.keypoints) / self.sizes.values[:, None, None]
        errors = np.where(scored[..., None], gap, np.nan)
        body = np.full(errors.shape, np.nan)
        if has_trunk(truth.skeleton):
            frames = body_frames(truth, self.sizes)
            for k, name in enumerate(canonical_joints(truth.skeleton)):
                body[:, k] = frames.to_body(errors[:, k], name)
        return errors, body

    def _laws(self, errors: Array, frame: str) -> Laws:
        scored: BoolArray = np.asarray(np.isfinite(errors).all(2), bool)
        return joint_laws(
            errors,
            scored,
            self.rows,
            self.weights,
            self.subject.truth.skeleton.joints,
            frame=frame,
            unit=self.sizes.unit,
        )

    def _kinds(self, missing: dict[str, str]) -> Taxonomy | None:
        aligned, truth = self.subject.aligned, self.subject.truth
        try:
            sigmas, source = sigmas_of(truth.skeleton)
        except ValueError as error:  # neither sigmas nor stand-ins
            missing['taxonomy'] = str(error)
            return None
        known = truth.areas > 0
        if not (known & aligned.predicted).any():
            missing['taxonomy'] = 'no person has an area, which keypoint similarity is over'
            return None
        kept = aligned if known.all() else aligned.take(known)
        if not known.all():
            missing['taxonomy of some'] = f'{int((~known).sum())} persons have no area'
        return taxonomy(kept, sigmas, self.weights, source=source)


def _mixed_in_truth(subject: Subject, mixtures: Mixtures) -> dict[str, str]:
    """Truth's joints that are answered by joints that are mixed with others."""
    mixed = set(mixtures.joints)
    if mixtures.cause is not None:
        mixed |= set(mixtures.cause.joints)
    return {
        c.joint: 'its predictions are mixed with those of another joint'
        for c in subject.comparisons
        if mixed & set(c.sources)
    }


def _difference(one: _Run, other: _Run, a: Findings, b: Findings, role: str) -> Difference:
    if a.offsets is None or b.offsets is None:
        return Difference(other=b.name, role=role, offsets=None, reason='no offsets to subtract')
    measured = {o.joint for o in b.offsets.joints}
    doubted = {o.joint for o in b.offsets.joints if o.verdict == 'not claimed'}
    anchors = [name for name in a.offsets.anchors if name in measured - doubted]
    if not anchors:
        reason = 'no joint is trusted in both'
        return Difference(other=b.name, role=role, offsets=None, reason=reason)
    offsets = subtract(one.offsets(anchors), other.offsets(anchors), b.name)
    return Difference(other=b.name, role=role, offsets=offsets)


def _about(subject: Subject, sizes: Sizes) -> dict[str, Any]:
    truth, aligned = subject.truth, subject.aligned
    persons = truth.valid.any(1) & ~truth.crowd
    scored = truth.valid & aligned.compared & ~truth.crowd[:, None]
    answered = np.isfinite(aligned.keypoints).all(2)
    return {
        'predictions': subject.predictions.name,
        'representation': subject.predictions.representation.name,
        'dataset': truth.name,
        'skeleton': truth.skeleton.name,
        'persons': int(persons.sum()),
        'images': len(truth.images),
        'predicted': int((aligned.predicted & persons).sum()),
        'with_size': int((sizes.known & persons).sum()),
        'paired': aligned.how,
        'left_over': aligned.left_over,
        'joints_scored': int(scored.sum()),
        'joints_not_answered': int((scored & ~answered).sum()),
    }
