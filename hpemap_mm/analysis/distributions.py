"""How errors are distributed: their middle, their width, their tails, and how Gaussian they are.

With tens of thousands of errors every test rejects every model, so nothing is decided by a
p-value. What decides is an effect size: Kolmogorov's distance D, the largest difference between
the share of errors that lie below a point and the share that a Gaussian says. D = 0.05 means that
some statement "so many per cent lie below x" is wrong by five points.

Dimensions: N persons, K joints, n errors of one joint, B replicates, I images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hpemap_mm.analysis.medians import median_interval, robust_sigma

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

AXES = ('x', 'y')
#: Kolmogorov's distance from which on a law is not called Gaussian.
GAUSSIAN_LIMIT = 0.05
#: Robust sigmas beyond which an error is in the tails. A Gaussian has 6 in 10 million there.
TAIL = 5.0
#: Robust sigmas within which the core is.
CORE = 3.0
#: Fewest errors from which a joint's distribution is described.
FEWEST = 20


@dataclass(frozen=True)
class AxisLaw:
    """The law of the errors along one axis.

    Attributes:
        median: Their median.
        low: Lower end of its 95% interval (bootstrap over images).
        high: Upper end.
        sigma: Robust: 1.4826 x the median absolute deviation.
        deviation: Standard deviation; equal to ``sigma`` for a Gaussian, and larger the heavier
            the tails.
        tail: Share of errors more than 5 ``sigma`` from the median.
        excess_kurtosis: 0 for a Gaussian.
        skewness: 0 for a symmetric law.
        anderson_darling: A^2 against the Gaussian with the errors' mean and deviation.
        p_value: Of D'Agostino and Pearson's K^2 test ("Tests for departure from normality",
            Biometrika 60, 1973): given because people ask for it; it decides nothing.
        distance_moments: Kolmogorov's distance to the Gaussian with the errors' mean and
            deviation, which is what a Gaussian fit means.
        distance_robust: To the Gaussian with their median and robust sigma, which gives up the
            tails to fit the core.
        distance_core: Of the errors within 3 sigma, to that Gaussian cut off there.
        student_degrees: Degrees of freedom of the best Student t: its tails fall like
            |x|^-(1 + degrees). 1 is a Cauchy law, beyond 30 it is as good as Gaussian.
        distance_student: Kolmogorov's distance to that Student t.
    """

    median: float
    low: float
    high: float
    sigma: float
    deviation: float
    tail: float
    excess_kurtosis: float
    skewness: float
    anderson_darling: float
    p_value: float
    distance_moments: float
    distance_robust: float
    distance_core: float
    student_degrees: float
    distance_student: float


@dataclass(frozen=True)
class JointLaw:
    """The law of one joint's error vectors.

    Attributes:
        joint: Its name.
        n: Errors.
        x: Along the frame's x axis.
        y: Along its y axis.
        covariance: (2, 2) of the core: the errors within 3 sigma on either axis, corrected for
            the cut.
        tail: Share of vectors with more than 5 sigma on either axis.
        distance_rayleigh: Kolmogorov's distance of the radius, in sigmas, to the Rayleigh law that
            it has if the vectors are Gaussian.
        verdict: ``'Gaussian'``, ``'Gaussian core, heavy tails'`` or ``'not Gaussian'``.
    """

    joint: str
    n: int
    x: AxisLaw
    y: AxisLaw
    covariance: tuple[tuple[float, float], tuple[float, float]]
    tail: float
    distance_rayleigh: float
    verdict: str


@dataclass(frozen=True)
class Laws:
    """The laws of all joints.

    Attributes:
        frame: Of the error vectors, in words.
        unit: Of the error vectors, in words.
        joints: One for each joint with enough errors.
        skipped: Joint -> why there is none for it.
        order: All K joints, in the order of the errors.
    """

    frame: str
    unit: str
    joints: tuple[JointLaw, ...]
    skipped: dict[str, str]
    order: tuple[str, ...]

    def verdicts(self) -> dict[str, int]:
        """How many joints got which verdict."""
        found = [law.verdict for law in self.joints]
        return {verdict: found.count(verdict) for verdict in dict.fromkeys(found)}

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            'frame': self.frame,
            'unit': self.unit,
            'gaussian_limit': GAUSSIAN_LIMIT,
            'verdicts': self.verdicts(),
            'joints': {law.joint: {k: v for k, v in asdict(law).items()} for law in self.joints},
            'skipped': dict(self.skipped),
        }


def joint_laws(
    errors: Array,
    scored: BoolArray,
    rows: IntArray,
    weights: Array,
    joints: Sequence[str],
    *,
    frame: str,
    unit: str,
) -> Laws:
    """Describe the errors of each joint.

    Args:
        errors: (N, K, 2) predicted minus annotated, over the person's size.
        scored: (N, K) which of them exist.
        rows: (N,) each person's image as a column of ``weights``.
        weights: (B, I) from :func:`hpemap_mm.evaluation.bootstrap.image_weights`.
        joints: The K names.
        frame: What the axes are, in words.
        unit: What the errors were divided by, in words.
    """
    laws, skipped = [], {}
    for k, joint in enumerate(joints):
        chosen = scored[:, k] & np.isfinite(errors[:, k]).all(1)
        count = int(chosen.sum())
        if count < FEWEST:
            skipped[joint] = f'{count} errors; described from {FEWEST} on'
        elif not (robust_sigma(errors[chosen, k]) > 0).all():
            skipped[joint] = 'half of the errors are one and the same number'
        else:
            laws.append(_joint_law(joint, errors[chosen, k], rows[chosen], weights))
    return Laws(frame, unit, tuple(laws), skipped, tuple(joints))


def _joint_law(joint: str, errors: Array, rows: IntArray, weights: Array) -> JointLaw:
    x, y = (axis_law(errors[:, axis], rows, weights) for axis in (0, 1))
    scaled = (errors - np.median(errors, axis=0)) / robust_sigma(errors)
    radius = np.linalg.norm(scaled, axis=1)
    return JointLaw(
        joint=joint,
        n=len(errors),
        x=x,
        y=y,
        covariance=core_covariance(errors),
        tail=float((np.abs(scaled) > TAIL).any(1).mean()),
        distance_rayleigh=kolmogorov(1 - np.exp(-(np.sort(radius) ** 2) / 2)),
        verdict=_verdict(x, y),
    )


def _verdict(x: AxisLaw, y: AxisLaw) -> str:
    if max(x.distance_moments, y.distance_moments) <= GAUSSIAN_LIMIT:
        return 'Gaussian'
    if max(x.distance_robust, y.distance_robust) <= GAUSSIAN_LIMIT:
        return 'Gaussian core, heavy tails'
    return 'not Gaussian'


def axis_law(values: Array, rows: IntArray, weights: Array) -> AxisLaw:
    """Describe (n,) errors along one axis; their robust sigma must be positive."""
    from scipy.special import ndtr
    from scipy.stats import normaltest

    values = np.asarray(values, float)
    low, high = median_interval(values, rows, weights)
    ordered = np.sort(values)
    median, sigma = float(np.median(values)), float(robust_sigma(values))
    mean, deviation = float(values.mean()), float(values.std())
    centred = (values - mean) / deviation
    within = np.abs(ordered - median) < CORE * sigma
    cut = float(ndtr(-CORE))
    core = (ndtr((ordered[within] - median) / sigma) - cut) / (1 - 2 * cut)
    student = fit_student(values)
    return AxisLaw(
        median=median,
        low=low,
        high=high,
        sigma=sigma,
        deviation=deviation,
        tail=float((np.abs(values - median) > TAIL * sigma).mean()),
        excess_kurtosis=float((centred**4).mean() - 3),
        skewness=float((centred**3).mean()),
        anderson_darling=anderson_darling(ordered, mean, deviation),
        p_value=float(normaltest(values).pvalue),
        distance_moments=kolmogorov(ndtr((ordered - mean) / deviation)),
        distance_robust=kolmogorov(ndtr((ordered - median) / sigma)),
        distance_core=kolmogorov(core),
        student_degrees=student.degrees,
        distance_student=kolmogorov(student.cdf(ordered)),
    )


def kolmogorov(probabilities: Array) -> float:
    """Kolmogorov's distance, given what the law says of the ordered values.

    Args:
        probabilities: (n,) rising: the law's probability to lie at or below each value.
    """
    n = len(probabilities)
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - probabilities).max(), (probabilities - steps[:-1]).max()))


def anderson_darling(ordered: Array, mean: float, deviation: float) -> float:
    """A^2 of ordered values against a Gaussian; with both estimated, 1.03 is the 1% point."""
    from scipy.special import log_ndtr

    scaled = (ordered - mean) / deviation
    n = len(scaled)
    odd = 2 * np.arange(1, n + 1) - 1
    return float(-n - (odd * (log_ndtr(scaled) + log_ndtr(-scaled[::-1]))).mean())


def core_covariance(errors: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """Covariance of the vectors within 3 robust sigmas on both axes; (2, 2).

    It is enlarged by what the cut takes from a Gaussian, so that for one it is the covariance.
    """
    from scipy.stats import truncnorm

    scaled = np.abs(errors - np.median(errors, axis=0)) / robust_sigma(errors)
    core = errors[(scaled < CORE).all(1)]
    (a, b), (c, d) = (np.cov(core.T) / truncnorm.var(-CORE, CORE)).tolist()
    return (a, b), (c, d)


@dataclass(frozen=True)
class Student:
    """A Student t law: ``degrees`` of freedom, ``centre``, ``scale``."""

    degrees: float
    centre: float
    scale: float

    def cdf(self, values: Array) -> Array:
        """Probability to lie at or below each value."""
        from scipy.special import stdtr

        return np.asarray(stdtr(self.degrees, (values - self.centre) / self.scale))


#: Degrees of freedom are looked for up to here: a t law with more is Gaussian to D < 0.003.
_MOST_DEGREES = 100.0
#: A Student t is fitted to at most so many values: evenly spaced ones of the ordered.
_FITTED = 5000


def fit_student(values: Array, *, steps: int = 500, tolerance: float = 1e-5) -> Student:
    """The Student t of greatest likelihood, by ECME.

    Liu and Rubin, "ML estimation of the t distribution using EM and its extensions, ECM and
    ECME", Statistica Sinica 5, 1995: centre and scale by weights that fall with the distance,
    then the degrees by maximising the likelihood itself.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import gammaln

    if len(values) > _FITTED:
        values = np.sort(values)[np.linspace(0, len(values) - 1, _FITTED).round().astype(int)]
    centre, scale, degrees = float(np.median(values)), float(robust_sigma(values)), 4.0

    def loss(log_degrees: float) -> float:
        v = np.exp(log_degrees)
        norm = gammaln((v + 1) / 2) - gammaln(v / 2) - np.log(v) / 2
        return float(-norm + (v + 1) / 2 * np.log1p(square / v).mean())

    for _ in range(steps):
        square = ((values - centre) / scale) ** 2
        weight = (degrees + 1) / (degrees + square)
        centre = float((weight * values).sum() / weight.sum())
        moved = float(np.sqrt((weight * (values - centre) ** 2).mean()))
        square = ((values - centre) / moved) ** 2
        bounds = (np.log(0.2), np.log(_MOST_DEGREES))
        found = float(np.exp(minimize_scalar(loss, bounds=bounds, method='bounded').x))
        still = abs(moved / scale - 1) < tolerance and abs(found / degrees - 1) < 10 * tolerance
        scale, degrees = moved, found
        if still:
            break
    return Student(degrees, centre, scale)
