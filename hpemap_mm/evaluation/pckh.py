"""PCKh by MPII's protocol: errors in head sizes, joints in groups, named thresholds.

Follows evalMPII (Andriluka et al., "2D Human Pose Estimation: New Benchmark and State of the Art
Analysis", CVPR 2014) as it is run on the validation set by HRNet's ``lib/dataset/mpii.py`` and
MMPose's ``MpiiPCKAccuracy``. Unlike MMPose it adds no pixel to anything. All figures are in [0, 1].

Dimensions: N persons, K joints, T thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpemap_mm.evaluation.pck import scaled_errors
from hpemap_mm.skeletons import Skeleton

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

#: MPII's groups. The figure of a group is the plain mean of its joints' figures.
GROUPS: Mapping[str, tuple[str, ...]] = {
    'Head': ('head_top',),
    **{
        name.capitalize(): (f'left_{name}', f'right_{name}')
        for name in ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
    },
}

#: Joints that are left out of the mean. The upper neck is in it, though in no group.
NOT_IN_MEAN = ('pelvis', 'thorax')

#: The thresholds of the curve whose area is the AUC: 0, 0.01, ..., 0.5 head sizes.
CURVE = np.linspace(0.0, 0.5, 51)


@dataclass(frozen=True, kw_only=True, eq=False)
class PCKhResult:
    """The errors, from which every figure of the protocol follows.

    Attributes:
        skeleton: Whose joints these are.
        errors: (N, K) in head sizes: NaN where not scored, infinity where not predicted.
    """

    skeleton: Skeleton
    errors: Array

    @property
    def scored(self) -> BoolArray:
        """(N, K): annotated joints of persons with a head size."""
        return ~np.isnan(self.errors)

    @property
    def counted(self) -> BoolArray:
        """(K,): joints that the mean is over; see :func:`counted_joints`."""
        return counted_joints(self.skeleton)

    @property
    def persons(self) -> int:
        """Persons with at least one scored joint."""
        return int(self.scored.any(1).sum())

    def correct(self, threshold: float = 0.5) -> BoolArray:
        """(N, K): joints within ``threshold`` head sizes; the boundary counts as correct."""
        return self.errors <= threshold

    def area(self) -> Array:
        """(N, K): what each joint adds to the area under the curve, in [0, 1].

        The share of the thresholds 0 .. 0.5 at which it is correct, by the trapezoid rule on
        steps of 0.01 head sizes, over 0.5; 0 where not scored.
        """
        # A joint that is correct from CURVE[i] on has the area from there to the end, plus half
        # of the step before.
        first = np.searchsorted(CURVE, np.where(self.scored, self.errors, np.inf), side='left')
        steps = len(CURVE) - 1
        return np.where(first > steps, 0.0, (steps - first + 0.5 * (first > 0)) / steps)

    def per_joint(self, threshold: float = 0.5) -> Array:
        """(K,): PCKh of each joint; NaN where it was never scored."""
        return _ratio(self.correct(threshold).sum(0), self.scored.sum(0))

    def mean(self, threshold: float = 0.5) -> float:
        """Correct over scored joints, pelvis and thorax apart (joints weigh by their counts)."""
        correct, scored = self.correct(threshold), self.scored
        return float(_ratio(correct[:, self.counted].sum(), scored[:, self.counted].sum()))

    @property
    def auc(self) -> float:
        """Area under the curve of :meth:`mean` over 0 .. 0.5 head sizes, over 0.5.

        Trapezoid rule on the 51 thresholds of :data:`CURVE`, as evalMPII's ``area_under_curve``
        of the curve with its thresholds scaled to [0, 1].
        """
        return float(_ratio(self.area()[:, self.counted].sum(), self.scored[:, self.counted].sum()))

    @property
    def auc_per_joint(self) -> Array:
        """(K,): the same for each joint."""
        return _ratio(self.area().sum(0), self.scored.sum(0))

    def groups(self, threshold: float = 0.5) -> dict[str, float]:
        """PCKh of MPII's groups, those of which the skeleton has every joint.

        A group with a joint that was never scored is NaN.
        """
        figures = dict(zip(self.skeleton.joints, self.per_joint(threshold), strict=True))
        return {
            group: float(np.mean([figures[joint] for joint in joints]))
            for group, joints in GROUPS.items()
            if set(joints) <= figures.keys()
        }


def counted_joints(skeleton: Skeleton) -> BoolArray:
    """Which joints MPII's mean is over: all but pelvis and thorax; (K,)."""
    return np.array([joint not in NOT_IN_MEAN for joint in skeleton.joints])


def pckh(
    predicted: Array,
    truth: Array,
    valid: BoolArray,
    head_sizes: Array,
    skeleton: Skeleton,
) -> PCKhResult:
    """PCKh by MPII's protocol, in any skeleton that names its joints as MPII does.

    Args:
        predicted: Predicted joints, pixels; (N, K, 2). NaN where not predicted: wrong.
        truth: Annotated joints, same frame; (N, K, 2). Not read where ``valid`` is False.
        valid: Whether a joint is annotated (and shall be compared); (N, K).
        head_sizes: 0.6 x the diagonal of the head box, pixels; (N,). Persons whose size is NaN
            are not scored.
        skeleton: The skeleton of the joints.

    Raises:
        ValueError: Shapes disagree, a size is not positive, or an annotated joint is not finite.
    """
    if np.ndim(valid) != 2 or np.shape(valid)[1] != len(skeleton):
        raise ValueError(
            f'valid must be (N, {len(skeleton)}) for {skeleton.name!r}, got {np.shape(valid)}'
        )
    return PCKhResult(skeleton=skeleton, errors=scaled_errors(predicted, truth, valid, head_sizes))


def _ratio(above: npt.ArrayLike, below: npt.ArrayLike) -> Array:
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.divide(above, below)
