"""A small world for translators: persons who stand, and models that are easy to foresee."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import correspondences, get_skeleton
from hpemap_mm.skeletons.transfer import transfer
from hpemap_mm.translators.base import Answer, KeypointTranslator

COCO, MPII = get_skeleton('coco'), get_skeleton('mpii')
#: Scale of the errors that TinyRemap admits to, px.
SCALE = 2.0


def weights_between(source, target):
    """(D, S) of the ontology, rows of NaN where it has no answer."""
    rows = []
    for record in correspondences(source, target, approximate=True):
        row = np.full(len(source), np.nan)
        if record.relation != 'none':
            row[:] = 0.0
            row[list(record.sources)] = record.weights
        rows.append(row)
    return torch.tensor(np.array(rows), dtype=torch.float32)


@MODELS.register_module(force=True)
class TinyRemap(KeypointTranslator):
    """The ontology alone; no parameters."""

    def __init__(self, *, source, target, name='tinyremap'):
        super().__init__(source=source, target=target, name=name)

    def answer(self, points_2SN, valid_SN):
        weights = weights_between(self.source, self.target)
        used = (weights.nan_to_num() != 0).to(torch.float32)
        lost = used @ (~valid_SN).to(torch.float32) > 0
        found = torch.matmul(weights, points_2SN).masked_fill(lost, torch.nan)
        return Answer(found, torch.full(found.shape[1:], SCALE))


@MODELS.register_module(force=True)
class TinyShift(TinyRemap):
    """Remap and a shift for each joint, which is fitted in one go."""

    def __init__(self, *, source, target, name='tinyshift'):
        super().__init__(source=source, target=target, name=name)
        self.register_buffer('shifts', torch.zeros(len(self.target), 2))

    def answer(self, points_2SN, valid_SN):
        found = super().answer(points_2SN, valid_SN)
        # What the ontology does not answer is taken from the nose.
        points = torch.where(found.points_2DN.isnan(), points_2SN[:, :1], found.points_2DN)
        return Answer(points + self.shifts.T[..., None], found.scales_DN)

    def fit(self, pairs):
        self.shifts.zero_()
        off = pairs.target_points - self(pairs.keypoints).keypoints
        self.shifts.copy_(torch.from_numpy(np.nan_to_num(np.nanmedian(off, axis=0))))


@MODELS.register_module(force=True)
class TinyNet(TinyShift):
    """The same, its shifts trained by gradients."""

    def __init__(self, *, source, target, name='tinynet'):
        super().__init__(source=source, target=target, name=name)
        self.fitted = 0
        del self.shifts
        self.shifts = nn.Parameter(torch.zeros(len(self.target), 2))

    def loss(self, keypoints, target):
        found = self.answer(*self.prepared(keypoints)).points_2DN
        off = (found - target.permute(2, 1, 0)).abs()
        return {'loss_l1': off[off.isfinite()].mean()}

    def fit(self, pairs):
        self.fitted = len(pairs)


def write_world(folder: Path, persons: int = 400, seed: int = 0) -> None:
    """``coco.npz`` (predictions) and ``mpii.npz`` (truth) of the same persons, two an image.

    MPII's joints are the ontology's answer, 6 px to the right, with 2 px of noise; its head top
    is 40 px above the nose.
    """
    rng = np.random.default_rng(seed)
    body = rng.uniform(0, 200, (len(COCO), 2))
    coco = body * rng.uniform(0.5, 2, (persons, 1, 1)) + rng.uniform(0, 300, (persons, 1, 2))
    mpii = transfer('coco', 'mpii', coco, np.ones(coco.shape[:2]), approximate=True)[0]
    mpii = mpii + [6.0, 0.0] + rng.normal(0, 2, (persons, len(MPII), 2))
    mpii[:, MPII.index('head_top')] = coco[:, COCO.index('nose')] - [0.0, 40.0]
    np.savez(folder / 'coco.npz', keypoints=coco)
    low, high = mpii.min(1), mpii.max(1)
    np.savez(
        folder / 'mpii.npz',
        keypoints=mpii,
        visible=np.full(mpii.shape[:2], 2),
        image_ids=np.arange(persons) // 2,
        boxes=np.concatenate([low, high], axis=1),
        head_sizes=np.full(persons, 30.0),
    )
