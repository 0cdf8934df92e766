"""Affine-combining weights: each target joint is a weighted mean of source joints.

Weights sum to 1 in each row, so answers move, turn, grow and are mirrored with the person, and no
frame is needed; left and right share theirs. Fitted robustly, by iteratively reweighted least
squares under a Student law.

Dimensions: N persons, S joints of the source, D joints of the target, R rows of equations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import Skeleton
from hpemap_mm.translators.base import CHUNK, Answer, KeypointTranslator
from hpemap_mm.translators.fill import PoseFill
from hpemap_mm.translators.frame import frame
from hpemap_mm.translators.ontology_map import OntologyMap

Array = npt.NDArray[np.float64]

#: Rounds of reweighting.
ROUNDS = 25
#: Degrees of freedom of the Student law: errors are far from Gaussian.
FREEDOM = 2.0
#: Pull towards the remap, in persons: just enough where joints always lie on a line.
RIDGE = 0.01


@MODELS.register_module()
class AffineTranslator(KeypointTranslator):
    """Weighted means of the source's joints; missing ones are filled in first.

    Args:
        source: Skeleton of what is read.
        target: Skeleton of what is given.
        name: Short name for tables and keys.
        **options: See :class:`KeypointTranslator`.

    Attributes:
        weights: (D, S), rows sum to 1.
    """

    weights: Tensor
    chunk = 4 * CHUNK  # little is kept of each

    def __init__(
        self,
        *,
        source: str | Skeleton,
        target: str | Skeleton,
        name: str = 'affine',
        **options: Any,
    ) -> None:
        super().__init__(source=source, target=target, name=name, **options)
        self.register_buffer('weights', torch.tensor(start_weights(self.source, self.target)))
        self.fill = PoseFill(self.source)

    def answer(self, points_2SN: Tensor, valid_SN: Tensor) -> Answer:
        """Weighted means; the scale of the errors is the person's size."""
        _, sizes = frame(points_2SN, valid_SN, rounds=1)
        filled = self.fill(points_2SN, valid_SN)
        return Answer(torch.matmul(self.weights, filled), sizes.expand(len(self.target), -1))

    def fit(self, pairs: Any) -> None:
        """Fit the filling of missing joints, then the weights."""
        super().fit(pairs)
        self.fill.fit(pairs.keypoints)
        keypoints = torch.tensor(pairs.keypoints, dtype=torch.float32)
        points, valid = self.prepared(keypoints)
        centres, sizes = frame(points, valid)
        usable = (sizes > 0) & (valid.sum(0) > 2)
        local = (self.fill(points, valid) - centres) / sizes
        truth = (torch.tensor(pairs.target_points).permute(2, 1, 0) - centres) / sizes
        weights = fit_weights(
            local[..., usable].permute(2, 1, 0).double().numpy(),
            truth[..., usable].permute(2, 1, 0).double().numpy(),
            self.source,
            self.target,
        )
        self.weights.copy_(torch.tensor(weights))


def start_weights(source: Skeleton, target: Skeleton) -> npt.NDArray[np.float32]:
    """(D, S): the remap, and the mean of all joints where it knows nothing."""
    weights = OntologyMap(source, target).weights
    weights[~weights.any(1)] = 1 / len(source)
    return weights.astype(np.float32)


def fit_weights(points: Array, truth: Array, source: Skeleton, target: Skeleton) -> Array:
    """Robust affine weights (D, S).

    Args:
        points: (N, S, 2) in the persons' frames, complete.
        truth: (N, D, 2) in the same frames; NaN where not annotated.
        source: Skeleton of the points.
        target: Skeleton of the truth.
    """
    weights = start_weights(source, target).astype(np.float64)
    side = np.array([-1.0, 1.0])
    mirrored_points = points[:, source.flip_indices] * side
    mirrored_truth = truth[:, target.flip_indices] * side
    for joint, mirror in enumerate(target.flip_indices):
        if mirror < joint:
            weights[joint] = weights[mirror][source.flip_indices]
            continue
        # A joint and the mirror images of its partner obey the same weights.
        inputs = np.concatenate([points, mirrored_points])
        outputs = np.concatenate([truth[:, joint], mirrored_truth[:, joint]])
        there = np.isfinite(outputs).all(-1)
        if there.sum() > len(source):
            weights[joint] = _robust_row(inputs[there], outputs[there], weights[joint])
    return weights


def _robust_row(inputs_RS2: Array, outputs_R2: Array, start: Array) -> Array:
    """Weights that sum to 1 and minimise a Student law's negative log-likelihood."""
    row, size = start, len(start)
    equations = inputs_RS2.transpose(0, 2, 1).reshape(-1, size)
    for _ in range(ROUNDS):
        errors = (equations @ row).reshape(-1, 2) - outputs_R2
        squared = np.square(errors).sum(1)
        scale = max(float(np.median(squared)), 1e-12)
        trust = np.repeat(1 / (1 + squared / (FREEDOM * scale)), 2)
        weighted = equations.T * trust
        normal = weighted @ equations + RIDGE * np.eye(size)
        right = weighted @ outputs_R2.ravel() + RIDGE * start
        # Lagrange: the sum stays 1.
        system = np.zeros((size + 1, size + 1))
        system[:size, :size], system[size, :size], system[:size, size] = normal, 1.0, 1.0
        row = np.linalg.solve(system, np.append(right, 1.0))[:size]
    return row
