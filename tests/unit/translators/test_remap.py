import numpy as np
import pytest
from translator_people import COCO, MPII, people

from hpemap_mm.skeletons import correspondences, get_skeleton, transfer
from hpemap_mm.translators.remap import OntologyMap, RemapTranslator
from hpemap_mm.translators.translation import ORIGINS

PAIRS = [
    ('coco', 'mpii'),
    ('mpii', 'coco'),
    ('coco', 'crowdpose'),
    ('crowdpose', 'mpii'),
    ('mpii', 'lsp'),
    ('coco', 'coco'),
]
WORDS = {'none': 'none', 'same': 'copied', 'near': 'copied', 'derived': 'derived'}


def points_of(skeleton, count=30, missing=0.0):
    points = 100 * np.random.default_rng(0).standard_normal((count, len(skeleton), 2))
    points[np.random.default_rng(1).random(points.shape[:2]) < missing] = np.nan
    return points


@pytest.mark.parametrize(('source', 'target'), PAIRS)
@pytest.mark.parametrize(('near', 'approximate'), [(True, True), (False, False), (True, False)])
@pytest.mark.parametrize('missing', [0.0, 0.3])
def test_values_and_origins_are_the_ontologys(source, target, near, approximate, missing):
    points = points_of(get_skeleton(source), missing=missing)
    valid = np.isfinite(points).all(-1)
    translator = RemapTranslator(source=source, target=target, near=near, approximate=approximate)

    found = translator(points)
    wanted, known, relations = transfer(
        source, target, points, valid, near=near, approximate=approximate, fill=np.nan
    )

    np.testing.assert_allclose(found.keypoints, wanted, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(found.answered, known)
    codes = np.array([ORIGINS.index(WORDS[relation]) for relation in relations])
    np.testing.assert_array_equal(found.origins, np.where(known, codes, 0))


def test_mpii_from_coco_by_hand():
    points = people(COCO, 1)
    found = RemapTranslator(source=COCO, target=MPII)(points)
    origins = {
        joint: ORIGINS[code] for joint, code in zip(MPII.joints, found.origins[0], strict=True)
    }

    left, right = (points[0, COCO.index(f'{side}_hip')] for side in ('left', 'right'))
    np.testing.assert_allclose(found.keypoints[0, MPII.index('pelvis')], (left + right) / 2)
    knee = points[0, COCO.index('left_knee')]
    np.testing.assert_allclose(found.keypoints[0, MPII.index('left_knee')], knee)
    assert (origins['pelvis'], origins['left_knee'], origins['head_top']) == (
        'derived',
        'copied',
        'none',
    )
    assert np.isnan(found.keypoints[0, MPII.index('head_top')]).all()


def test_all_sources_are_needed():
    points = people(COCO, 1)
    points[0, COCO.index('left_hip')] = np.nan
    found = RemapTranslator(source=COCO, target=MPII)(points)
    for joint in ('pelvis', 'left_hip'):
        assert not found.answered[0, MPII.index(joint)]
    assert found.answered[0, MPII.index('right_hip')] and found.answered[0, MPII.index('thorax')]


def test_estimates_may_be_left_out():
    found = RemapTranslator(source=COCO, target=MPII, approximate=False)(people(COCO, 1))
    exact = correspondences(COCO, MPII, True, True, False)
    np.testing.assert_array_equal(found.answered[0], [r.relation != 'none' for r in exact])
    assert not found.answered[0, MPII.index('upper_neck')]


def test_weights_sum_to_one_or_are_none():
    sums = OntologyMap(COCO, MPII).weights.sum(1)
    assert set(np.round(sums, 12)) == {0.0, 1.0}


def test_sigmas_follow_the_size():
    translator = RemapTranslator(source=COCO, target=MPII)
    translator.calibration.gains.fill_(0.1)
    points = people(COCO, 3)
    size = np.sqrt(np.square(points - points.mean(1, keepdims=True)).sum(-1).mean(1) / 2)
    found = translator(points)
    known = found.answered
    np.testing.assert_allclose(found.sigmas[known], np.repeat(0.1 * size, known.sum(1)), rtol=1e-5)
    assert np.isnan(found.sigmas[~known]).all()
