"""Is the same joint the same point? Definition offsets, against a control.

The median error of a joint mixes what two datasets *mean* by it with what a decoder, a flip test
or an origin of coordinates does to every prediction. The two behave differently: the latter is
the same in the image whoever stands there, the former belongs to the body. So the control is in
the predictions themselves, with the same network, decoder and flip test:

across
    A person who turns round takes a definition offset along, to the other side of the image;
    and what lies outwards on the left lies outwards on the right. A shift in the image does
    neither. From persons who face the camera and persons who turn their back, and from left and
    right joints, the offset *outwards* (away from the middle of the body) and the *shift* of the
    image are told apart.
along
    Hardly anybody stands on their head, so along the trunk nothing turns round. What is left is
    that a decoder shifts all joints alike: offsets *down* the body are relative to the median of
    the shared joints. A shift of all joints' definitions at once is beyond this control.

Only upright persons count, so that the image's axes are the body's. Errors beyond 3 robust sigmas
(confused sides, other persons) are left out: they pull medians towards the other side. How a
person faces is taken from the girdle that the joint is no part of (see
:meth:`~hpemap_mm.analysis.frames.BodyFrames.facing`).

What remains are habits of the *network* that go with the body, such as placing joints a little
too far in when it is unsure. A file of predictions in the dataset's *own* definition shows how
large those are (0.01 head sizes for a ResNet-50 on MPII val); given as a second control, its
offsets are subtracted.

An offset is claimed where its interval lies wholly beyond a floor, and it shows from the front as
well as from behind.

Dimensions: N persons, K joints, B replicates, I images.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from hpemap_mm.analysis.frames import BodyFrames, Sizes, body_frames, joint_places
from hpemap_mm.analysis.medians import image_rows, median_replicates, robust_sigma
from hpemap_mm.analysis.offset_values import (
    FLOOR,
    VIEWS,
    Estimate,
    JointOffset,
    Offsets,
    ViewOffset,
    judge,
)
from hpemap_mm.evaluation.aligned import Aligned
from hpemap_mm.evaluation.bootstrap import percentile_interval

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

#: Robust sigmas within which errors count, and the least share of errors that must be there.
CORE, CORE_SHARE = 3.0, 0.65
#: Fewest persons per view.
FEWEST = 50
_LEFT, _RIGHT = 'left_', 'right_'


def measure_offsets(
    aligned: Aligned,
    sizes: Sizes,
    weights: Array,
    *,
    relations: Mapping[str, str] | None = None,
    anchors: Collection[str] | None = None,
    untrusted: Mapping[str, str] | None = None,
    floor: float = FLOOR,
) -> Offsets:
    """Offsets of the predictions' joints from the annotated ones, the image's shift removed.

    Args:
        aligned: Predictions in the truth's skeleton, beside the truth.
        sizes: The persons' sizes.
        weights: (B, I) over ``aligned.truth.images``.
        relations: Truth's joint -> how it is answered (``'same'``, ``'near'``, ``'derived'``);
            ``'same'`` where None.
        anchors: Joints (without their side) whose median is "no offset down the body"; by default
            those that are the ``'same'`` and trusted.
        untrusted: Truth's joint -> why nothing may be claimed of it, e.g. that its predictions
            are mixed with those of another one.
        floor: See :data:`~hpemap_mm.analysis.offset_values.FLOOR`.

    Raises:
        ValueError: The skeleton lacks shoulders or hips, or an anchor is no measured joint.
    """
    truth = aligned.truth
    frames = body_frames(truth, sizes)
    errors = (aligned.keypoints - truth.keypoints) / sizes.values[:, None, None]
    scored = truth.valid & np.isfinite(errors).all(2) & aligned.compared & ~truth.crowd[:, None]
    scored &= (frames.posture == 'upright')[:, None]
    rows = image_rows(truth.image_ids, truth.images)
    groups, skipped = _groups(aligned, scored, frames)
    found = {
        name: _Group(name, members, frames, errors, scored, rows, weights)
        for name, members in groups.items()
    }
    skipped |= {n: 'too few errors near the median' for n, g in found.items() if not g.values}
    found = {name: group for name, group in found.items() if group.values}
    names = truth.skeleton.joints
    relations, untrusted = relations or {}, untrusted or {}
    for name, group in found.items():
        members = [names[k] for k in groups[name]]
        group.joints = tuple(members)
        group.relation = relations.get(members[0], 'same')
        group.doubt = next((untrusted[m] for m in members if m in untrusted), group.doubt)
    if anchors is None:
        anchors = [n for n, g in found.items() if g.relation == 'same' and not g.doubt]
    elif unknown := sorted(set(anchors) - set(found)):
        raise ValueError(f'no offset for the anchors {unknown}; measured are {sorted(found)}')
    return _assemble(found, list(anchors), floor, sizes.unit, skipped)


def subtract(offsets: Offsets, control: Offsets, name: str) -> Offsets:
    """Offsets beyond those of a control, joint by joint.

    The two are resampled independently, unless they were measured with the same weights on the
    same images: then replicate by replicate.

    Args:
        offsets: Of the predictions in question.
        control: Of predictions in the dataset's own definition, or of another model.
        name: What the control is, in words.

    Raises:
        ValueError: The units or the anchors differ.
    """
    if offsets.unit != control.unit or set(offsets.anchors) != set(control.anchors):
        raise ValueError(
            f'offsets are in {offsets.unit} from {sorted(offsets.anchors)}, the control in '
            f'{control.unit} from {sorted(control.anchors)}'
        )
    others = {o.joint: o for o in control.joints}
    skipped = dict(offsets.skipped)
    joints, replicates = [], {}
    for own in offsets.joints:
        other = others.get(own.joint)
        if other is None or (other.outwards is None) != (own.outwards is None):
            skipped[own.joint] = f'not measured for {name}'
            continue
        difference = offsets.replicates[own.joint] - control.replicates[own.joint]
        views = {
            view: ViewOffset(
                n=v.n,
                outwards=_minus(v.outwards, other.views[view].outwards),
                down=v.down - other.views[view].down,
            )
            for view, v in own.views.items()
            if view in other.views
        }
        outwards = None
        if own.outwards is not None and other.outwards is not None:
            outwards = _estimate(own.outwards.value - other.outwards.value, difference[:, 0])
        down = _estimate(own.down.value - other.down.value, difference[:, 1])
        verdict, reason = judge(outwards, down, views, offsets.floor)
        for doubtful in (own, other):
            if doubtful.verdict == 'not claimed':
                verdict, reason = doubtful.verdict, doubtful.reason
        replicates[own.joint] = difference
        joints.append(
            JointOffset(own.joint, own.joints, own.relation, outwards, down, views, verdict, reason)
        )
    control_text = f'{offsets.control}; the same of {name} subtracted'
    return Offsets(
        joints=tuple(joints),
        shift=(),
        unevenness=float('nan'),
        control=control_text,
        floor=offsets.floor,
        unit=offsets.unit,
        skipped=skipped,
        anchors=offsets.anchors,
        replicates=replicates,
    )


class _Group:
    """A pair of joints, or one on the middle line, as seen from each side.

    Attributes:
        joints: Names of its joints.
        relation: How the predictions answer it.
        doubt: Why nothing may be claimed of it; empty for no reason.
        counts: By view, joints that count.
        values: By view, (3,): shift in x, outwards (NaN on the middle line), down.
        replicates: By view, (B, 3) of these.
    """

    def __init__(
        self,
        name: str,
        members: tuple[int, ...],
        frames: BodyFrames,
        errors: Array,
        scored: BoolArray,
        rows: IntArray,
        weights: Array,
    ) -> None:
        view_of = frames.view(name)
        self.joints: tuple[str, ...] = ()
        self.relation = self.doubt = ''
        self.counts: dict[str, int] = {}
        self.values: dict[str, Array] = {}
        self.replicates: dict[str, Array] = {}
        for view, sign in VIEWS.items():
            cores = [_core_rows(errors, scored[:, k] & (view_of == view), k) for k in members]
            if min(len(core) for core, _ in cores) < FEWEST:
                continue
            share = min(share for _, share in cores)
            if share < CORE_SHARE:
                self.doubt = f'only {share:.0%} of the errors are near their median'
            placed = [(core, k) for (core, _), k in zip(cores, members, strict=True)]
            medians = [np.median(errors[core, k], axis=0) for core, k in placed]
            replicates = [
                np.stack(
                    [median_replicates(errors[core, k, a], rows[core], weights) for a in (0, 1)],
                    axis=-1,
                )
                for core, k in placed
            ]
            self.counts[view] = sum(len(core) for core, _ in cores)
            self.values[view] = _decompose(np.stack(medians), sign)
            self.replicates[view] = _decompose(np.stack(replicates), sign)


def _core_rows(errors: Array, chosen: BoolArray, joint: int) -> tuple[IntArray, float]:
    """The chosen persons whose error is near the median, and their share."""
    rows = np.flatnonzero(chosen)
    core = _core(errors[rows, joint])
    return rows[core], float(core.mean()) if len(rows) else 0.0


def _core(errors: Array, rounds: int = 10) -> BoolArray:
    """Errors (n, 2) within 3 robust sigmas of the core's own median; (n,)."""
    if len(errors) < FEWEST:
        return np.ones(len(errors), bool)
    sigma = np.maximum(robust_sigma(errors), 1e-12)
    core = np.ones(len(errors), bool)
    for _ in range(rounds):
        scaled = (errors - np.median(errors[core], axis=0)) / sigma
        new = np.linalg.norm(scaled, axis=1) < CORE
        if np.array_equal(new, core) or not new.any():
            break
        core = new
    return core


def _decompose(medians: Array, sign: float) -> Array:
    """(members, ..., 2) median errors, left first -> (..., 3): shift in x, outwards, down."""
    mean = medians.mean(axis=0)
    if len(medians) == 2:
        outwards = sign * (medians[0, ..., 0] - medians[1, ..., 0]) / 2
    else:
        outwards = np.full(mean.shape[:-1], np.nan)
    return np.stack([mean[..., 0], outwards, mean[..., 1]], axis=-1)


def _groups(
    aligned: Aligned, scored: BoolArray, frames: BodyFrames
) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Joints by name without side, left first; those that cannot be measured with the reason."""
    places = joint_places(aligned.truth.skeleton)
    groups: dict[str, tuple[int, ...]] = {}
    skipped: dict[str, str] = {}
    for name, place in places.items():
        if not aligned.compared[place]:
            skipped[name] = 'not compared'
            continue
        if name.startswith(_RIGHT):
            continue
        short = name.removeprefix(_LEFT)
        members: tuple[int, ...] = (place,)
        if short != name:
            partner = places.get(_RIGHT + short)
            if partner is None or not aligned.compared[partner]:
                skipped[name] = 'its other side is not compared'
                continue
            members = (place, partner)
        view = frames.view(short)
        counts = {v: min(int((scored[:, k] & (view == v)).sum()) for k in members) for v in VIEWS}
        if max(counts.values()) < FEWEST:
            skipped[short] = (
                f'{counts["front"]} upright persons seen from the front and {counts["back"]} from '
                f'behind; measured from {FEWEST} on'
            )
            continue
        groups[short] = members
    return groups, skipped


def _assemble(
    found: Mapping[str, _Group],
    anchors: list[str],
    floor: float,
    unit: str,
    skipped: dict[str, str],
) -> Offsets:
    # The common shift is taken in each view by itself, so that joints seen from one side only
    # do not weigh on it.
    shift: dict[str, Array] = {}
    shift_b: dict[str, Array] = {}
    for view in VIEWS:
        members = [found[a] for a in anchors if view in found[a].values]
        if members:
            shift[view] = _common(np.stack([g.values[view] for g in members]))
            shift_b[view] = _common(np.stack([g.replicates[view] for g in members]))
    joints, replicates = [], {}
    for name, group in found.items():
        seen = [view for view in VIEWS if view in group.values and view in shift]
        if not seen:
            skipped[name] = group.doubt or 'no trusted joint to hold it against'
            continue
        own = {v: _relative(group.values[v], shift[v]) for v in seen}
        own_b = np.mean([_relative(group.replicates[v], shift_b[v]) for v in seen], axis=0)
        mean = np.mean(list(own.values()), axis=0)
        paired = len(group.joints) == 2
        views = {
            v: ViewOffset(group.counts[v], float(own[v][0]) if paired else None, float(own[v][1]))
            for v in seen
        }
        outwards = _estimate(mean[0], own_b[:, 0]) if paired else None
        down = _estimate(mean[1], own_b[:, 1])
        verdict, reason = judge(outwards, down, views, floor)
        if group.doubt:
            verdict, reason = 'not claimed', group.doubt
        replicates[name] = own_b
        joints.append(
            JointOffset(
                joint=name,
                joints=group.joints,
                relation=group.relation,
                outwards=outwards,
                down=down,
                views=views,
                verdict=verdict,
                reason=reason,
            )
        )
    apart = [
        abs(float(found[a].values[v][0] - shift[v][0]))
        for a in anchors
        for v in shift
        if v in found[a].values
    ]
    both: tuple[Estimate, ...] = ()
    if shift:
        mean = np.mean(list(shift.values()), axis=0)
        mean_b = np.mean(list(shift_b.values()), axis=0)
        both = tuple(_estimate(mean[axis], mean_b[:, axis]) for axis in (0, 1))
    return Offsets(
        joints=tuple(joints),
        shift=both,
        unevenness=max(apart, default=float('nan')),
        control='the same predictions: persons seen from the front against persons seen from '
        'behind, left against right, and each joint against the others '
        f'({", ".join(anchors)})',
        floor=floor,
        unit=unit,
        skipped=skipped,
        anchors=tuple(anchors),
        replicates=replicates,
    )


def _common(values: Array) -> Array:
    """(anchors, ..., 3) -> (..., 2): what all have in common, x and y."""
    return np.stack([values[..., 0].mean(axis=0), np.median(values[..., 2], axis=0)], axis=-1)


def _relative(values: Array, shift: Array) -> Array:
    """(..., 3) and the common shift (..., 2) -> (..., 2): outwards, down."""
    return np.stack([values[..., 1], values[..., 2] - shift[..., 1]], axis=-1)


def _estimate(value: float, replicates: Array) -> Estimate:
    low, high = percentile_interval(replicates)
    return Estimate(float(value), float(low), float(high))


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
