"""People for the tests of translators: a figure of about 50 px, turned, grown and made uneven."""

import numpy as np

from hpemap_mm.persons import Truth
from hpemap_mm.skeletons import get_skeleton
from hpemap_mm.translators.matching import Matching
from hpemap_mm.translators.pairs import Pairs

COCO, MPII = get_skeleton('coco'), get_skeleton('mpii')
CROWDPOSE = get_skeleton('crowdpose')

#: Joints of someone who faces the camera, px; of pairs the left one, on the picture's right.
PLACES = {
    'nose': (0, 0),
    'eye': (4, -4),
    'ear': (8, -3),
    'shoulder': (18, 20),
    'elbow': (25, 45),
    'wrist': (28, 70),
    'hip': (12, 70),
    'knee': (13, 110),
    'ankle': (14, 150),
    'pelvis': (0, 70),
    'thorax': (0, 20),
    'upper_neck': (0, 12),
    'neck': (0, 15),
    'head_top': (0, -20),
    'top_head': (0, -18),
}


def figure(skeleton):
    """(K, 2) the upright figure."""
    points = []
    for joint in skeleton.joints:
        side, _, part = joint.partition('_')
        x, y = PLACES[part if side in ('left', 'right') else joint]
        points.append((-x if side == 'right' else x, y))
    return np.array(points, float)


def people(skeleton, count, seed=0, *, missing=0.0, noise=6.0, centre=(300.0, 200.0)):
    """(count, K, 2): everybody otherwise; the same turn and size for the same seed."""
    rng = np.random.default_rng(seed)
    angle, size = rng.normal(0, 0.5, count), np.exp(rng.normal(0, 0.3, count))
    place = np.array(centre) + rng.normal(0, 50, (count, 2))
    x, y = (column * size[:, None] for column in figure(skeleton).T)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    points = np.stack([cos * x - sin * y, sin * x + cos * y], -1) + place[:, None]
    points += noise * rng.standard_normal(points.shape)
    lost = rng.random(points.shape[:2]) < missing
    lost[:, rng.permutation(len(skeleton))[:3]] = False  # nobody is left without a frame
    points[lost] = np.nan
    return points


def mirrored(points, skeleton, axis=0.0):
    """People in a picture that is mirrored at x = axis: sides exchange their names."""
    flipped = points[:, skeleton.flip_indices]
    return np.stack([2 * axis - flipped[..., 0], flipped[..., 1]], -1).astype(points.dtype)


def sizes_of(points):
    """(N,) root mean square distance from the mean joint, along one axis."""
    centre = np.nanmean(points, 1, keepdims=True)
    return np.sqrt(np.nanmean(np.square(points - centre).sum(-1), 1) / 2)


def pairs_of(source, keypoints, target, truth, *, name='people', scores=None):
    """Pairs without files; NaN where missing or not annotated."""
    known = np.isfinite(truth).all(-1)
    rows = np.arange(len(keypoints))
    return Pairs(
        name=name,
        source=source,
        keypoints=keypoints,
        scores=scores,
        target=Truth.build(
            name=name,
            skeleton=target,
            keypoints=np.where(known[..., None], truth, 0.0),
            visible=np.where(known, 2, 0),
        ),
        matching=Matching(
            how='rows',
            sources=len(rows),
            targets=len(rows),
            source_rows=rows,
            target_rows=rows,
            distances=np.zeros(len(rows)),
        ),
    )
