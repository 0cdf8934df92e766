import json

import numpy as np
import pytest
from scipy import stats

from hpemap_mm.analysis.distributions import (
    anderson_darling,
    axis_law,
    core_covariance,
    fit_student,
    joint_laws,
    kolmogorov,
)
from hpemap_mm.evaluation.bootstrap import image_weights

N = 8000


def laws_of(errors, scored=None, joints=('j',)):
    scored = np.ones(errors.shape[:2], bool) if scored is None else scored
    rows = np.arange(len(errors))
    return joint_laws(
        errors, scored, rows, image_weights(len(errors), 100), joints, frame='image', unit='heads'
    )


def one(errors):
    (law,) = laws_of(errors[:, None]).joints
    return law


def test_gaussian_errors():
    rng = np.random.default_rng(0)
    law = one(rng.normal([0.1, -0.2], [0.3, 0.1], (N, 2)))
    assert law.verdict == 'Gaussian'
    assert (law.x.median, law.y.median) == pytest.approx((0.1, -0.2), abs=0.01)
    assert law.x.low < 0.1 < law.x.high
    assert (law.x.sigma, law.y.sigma) == pytest.approx((0.3, 0.1), rel=0.04)
    assert law.x.deviation == pytest.approx(law.x.sigma, rel=0.04)
    assert law.tail == 0
    assert abs(law.x.excess_kurtosis) < 0.2
    assert law.x.student_degrees > 20
    for axis in (law.x, law.y):
        distances = (axis.distance_moments, axis.distance_robust, axis.distance_core)
        assert max(*distances, axis.distance_student) < 0.03
    assert law.distance_rayleigh < 0.03


def test_cauchy_like_errors_are_not_gaussian():
    law = one(np.random.default_rng(1).standard_t(1.2, (N, 2)))
    assert law.verdict == 'not Gaussian'
    assert law.x.student_degrees == pytest.approx(1.2, abs=0.1)
    assert law.x.distance_student < 0.02 < 0.05 < law.x.distance_robust
    assert law.x.distance_moments > 0.2
    assert law.tail > 0.1
    assert law.distance_rayleigh > 0.1


def test_a_gaussian_with_gross_errors_has_a_gaussian_core():
    rng = np.random.default_rng(2)
    errors = rng.normal(0, 0.1, (N, 2))
    errors[: N // 20] += rng.normal(0, 3, (N // 20, 2))
    law = one(errors)
    assert law.verdict == 'Gaussian core, heavy tails'
    assert law.x.distance_robust < 0.05 < law.x.distance_moments
    assert law.x.distance_core < 0.02
    assert law.tail == pytest.approx(0.05, abs=0.01)


def test_a_small_departure_is_no_departure_however_sure():
    """Everything differs from a Gaussian beyond doubt when n is large; the effect decides."""
    law = one(np.random.default_rng(3).standard_t(12, (40_000, 2)))
    assert law.x.p_value < 1e-6
    assert law.x.anderson_darling > 1.03
    assert law.verdict == 'Gaussian'


def test_distances_equal_scipys():
    values = np.sort(np.random.default_rng(4).gamma(3, size=500))
    mean, deviation = values.mean(), values.std()
    normal = stats.norm(mean, deviation)
    assert kolmogorov(normal.cdf(values)) == pytest.approx(
        stats.kstest(values, normal.cdf).statistic, abs=1e-12
    )
    scaled = (values - mean) / values.std(ddof=1)
    expected = stats.anderson(values).statistic
    assert anderson_darling(scaled, 0.0, 1.0) == pytest.approx(expected, rel=1e-9)
    law = axis_law(values, np.arange(500), image_weights(500, 20))
    assert law.excess_kurtosis == pytest.approx(stats.kurtosis(values))
    assert law.skewness == pytest.approx(stats.skew(values))
    core = values[np.abs(values - np.median(values)) < 3 * law.sigma]
    cut = stats.truncnorm(-3, 3, np.median(values), law.sigma)
    assert law.distance_core == pytest.approx(stats.kstest(core, cut.cdf).statistic, abs=1e-9)


def test_the_radius_is_held_against_rayleighs_law():
    errors = np.random.default_rng(5).standard_t(3, (2000, 2))
    scaled = (errors - np.median(errors, 0)) / stats.median_abs_deviation(errors, scale='normal')
    expected = stats.kstest(np.linalg.norm(scaled, axis=1), 'rayleigh').statistic
    assert one(errors).distance_rayleigh == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize('degrees', [1.0, 2.5, 8.0])
def test_student_s_degrees_are_recovered(degrees):
    values = 0.4 + 0.05 * np.random.default_rng(6).standard_t(degrees, 5000)
    found = fit_student(values)
    assert found.degrees == pytest.approx(degrees, rel=0.15)
    assert found.centre == pytest.approx(0.4, abs=0.005)
    assert found.scale == pytest.approx(0.05, rel=0.08)


def test_student_s_fit_is_as_likely_as_scipys():
    values = np.random.default_rng(7).standard_t(2, 800)
    found = fit_student(values)
    ours = stats.t.logpdf(values, found.degrees, found.centre, found.scale).sum()
    assert ours >= stats.t.logpdf(values, *stats.t.fit(values)).sum() - 1e-3


def test_the_core_s_covariance_ignores_gross_errors():
    rng = np.random.default_rng(8)
    expected = np.array([[0.04, 0.015], [0.015, 0.02]])
    errors = rng.multivariate_normal([0, 0], expected, 20_000)
    errors[::25] += 30
    np.testing.assert_allclose(core_covariance(errors), expected, atol=0.0025)


def test_joints_with_few_errors_are_left_out_with_a_reason():
    errors = np.random.default_rng(9).normal(size=(50, 3, 2))
    errors[:, 2] = 0.5
    scored = np.ones((50, 3), bool)
    scored[10:, 1] = False
    laws = laws_of(errors, scored, ('many', 'few', 'constant'))
    assert [law.joint for law in laws.joints] == ['many']
    assert laws.skipped['few'] == '10 errors; described from 20 on'
    assert 'one and the same' in laws.skipped['constant']


def test_plain_data():
    plain = laws_of(np.random.default_rng(10).normal(size=(100, 2, 2)), joints=('a', 'b')).to_json()
    json.dumps(plain, allow_nan=False)
    assert plain['joints']['a']['n'] == 100
    assert sum(plain['verdicts'].values()) == 2


def test_a_networks_errors_are_not_gaussian(mpii_val):
    """The predecessor of this project said that they are."""
    truth, read = mpii_val
    sizes = truth.head_sizes[:, None, None]
    errors = (read['resnet'].keypoints - truth.keypoints) / sizes
    laws = laws_of(errors, truth.valid, truth.skeleton.joints)
    assert laws.verdicts().get('Gaussian', 0) == 0
    by_joint = {law.joint: law for law in laws.joints}
    assert by_joint['left_ankle'].verdict == 'not Gaussian'
    assert by_joint['left_hip'].verdict == 'Gaussian core, heavy tails'
    assert min(law.x.excess_kurtosis for law in laws.joints) > 15
    assert max(law.x.student_degrees for law in laws.joints) < 4
