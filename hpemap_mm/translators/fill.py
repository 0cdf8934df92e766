"""Missing joints filled in from those that are there: the mean of a Gaussian, given them.

A linear guess from the second moments of complete and incomplete poses (fitted by expectation
maximisation), in the frame of the person. It tells no left from right: the moments are those of
the poses and of their mirror images.

Dimensions: N persons (the last axis), K joints, V = 2 K coordinates (all x, then all y).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hpemap_mm.skeletons import Skeleton
from hpemap_mm.translators.frame import frame, is_whole
from hpemap_mm.translators.mirror import X, Y, mirror_matrix

#: Persons that the moments are taken from, at most.
PERSONS = 8000
#: Rounds of expectation and maximisation.
ROUNDS = 8
#: Added to the variances, in squares of the person's size, so that few persons do no harm.
RIDGE = 1e-3
#: Frames depend on which joints are there: filled persons get a new one, this often.
FRAMES = 2


class PoseFill(nn.Module):
    """Fills missing joints.

    Args:
        skeleton: Of the keypoints.

    Attributes:
        mean: (V,) in sizes; zeros before it is fitted, so that missing joints go to the centre.
        covariance: (V, V).
    """

    mean: Tensor
    covariance: Tensor
    mirror: Tensor

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        size = 2 * len(skeleton)
        self.register_buffer('mean', torch.zeros(size))
        self.register_buffer('covariance', torch.eye(size))
        mirror = torch.tensor(mirror_matrix(skeleton.flip_indices, (X, Y)), dtype=torch.float32)
        self.register_buffer('mirror', mirror, persistent=False)

    def forward(self, points_2KN: Tensor, valid_KN: Tensor) -> Tensor:
        """The points, missing ones filled in; persons without any joint stay zero."""
        if is_whole(valid_KN):
            return points_2KN
        some = ~valid_KN.all(0)
        points, valid = points_2KN[..., some], valid_KN[:, some]
        known = valid
        for _ in range(FRAMES):
            centres, sizes = frame(points, known)
            local = (points - centres) / sizes.clamp_min(1e-6)
            guess = self._guess(local.flatten(0, 1).T, valid.repeat(2, 1).T)
            guess = guess.T.view_as(points) * sizes + centres
            points = torch.where(valid, points, guess)
            known = torch.ones_like(valid)
        filled = points_2KN.clone()
        filled[..., some] = points
        return filled

    @torch.no_grad()
    def fit(self, keypoints: np.ndarray, *, seed: int = 0) -> None:
        """Moments of poses (N, K, 2) in pixels; NaN where missing.

        Raises:
            ValueError: No person has three joints.
        """
        chosen = keypoints[np.isfinite(keypoints).all(-1).sum(1) > 2]
        if len(chosen) > PERSONS:
            rows = np.random.default_rng(seed).permutation(len(chosen))[:PERSONS]
            chosen = chosen[rows]
        if not len(chosen):
            raise ValueError('no person has three joints: nothing to learn from')
        points = torch.tensor(chosen, dtype=torch.float32).permute(2, 1, 0)
        valid = torch.isfinite(points).all(0)
        points = torch.where(valid, points, 0.0)
        centres, sizes = frame(points, valid)
        local = ((points - centres) / sizes.clamp_min(1e-6)).flatten(0, 1).T
        known = valid.repeat(2, 1).T
        count = known.sum(0).clamp_min(1)
        self.mean.copy_(self._symmetric_mean((local * known).sum(0) / count))
        spread = ((local - self.mean) * known).square().sum(0) / count
        self.covariance.copy_(torch.diag(spread + RIDGE))
        for _ in range(ROUNDS):
            guess, rest = self._given(local, known)
            self.mean.copy_(self._symmetric_mean(guess.mean(0)))
            deviation = guess - self.mean
            moments = deviation.T @ deviation / len(guess) + rest
            moments = (moments + self.mirror @ moments @ self.mirror.T) / 2
            self.covariance.copy_(moments + RIDGE * torch.eye(len(moments)))

    def _symmetric_mean(self, mean: Tensor) -> Tensor:
        return (mean + self.mirror @ mean) / 2

    def _guess(self, local_NV: Tensor, known_NV: Tensor) -> Tensor:
        """Means given what is known (N, V): one system for each person."""
        # In double precision, as the systems are ill-conditioned: in single precision answers for
        # a person and its mirror image are up to 2e-5 of its size apart.
        mask, covariance = known_NV.double(), self.covariance.double()
        system = covariance * (mask[:, :, None] * mask[:, None, :])
        factor = torch.linalg.cholesky(system + torch.diag_embed(1 - mask))
        deviation = ((local_NV - self.mean) * mask)[..., None]
        guess = self.mean + torch.cholesky_solve(deviation, factor)[..., 0] @ covariance
        return guess.to(local_NV.dtype)

    def _given(self, local_NV: Tensor, known_NV: Tensor) -> tuple[Tensor, Tensor]:
        """Means given what is known (N, V), and the mean covariance of what is not (V, V)."""
        patterns, which = torch.unique(known_NV, dim=0, return_inverse=True)
        mask = patterns.to(local_NV.dtype)
        between = mask[:, :, None] * mask[:, None, :]
        system = self.covariance * between + torch.diag_embed(1 - mask)
        gains = torch.linalg.solve(system, mask[:, :, None] * self.covariance)  # (patterns, V, V)
        deviation = (local_NV - self.mean) * known_NV
        guess = self.mean + torch.bmm(deviation[:, None], gains[which])[:, 0]
        rest = self.covariance - self.covariance @ (mask[:, :, None] * gains)
        shares = torch.bincount(which, minlength=len(mask)).to(local_NV.dtype) / len(which)
        unknown = 1 - mask
        rest = rest * unknown[:, :, None] * unknown[:, None, :]
        return torch.where(known_NV, local_NV, guess), (shares[:, None, None] * rest).sum(0)
