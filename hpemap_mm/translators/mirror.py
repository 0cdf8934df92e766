"""Networks that cannot tell left from right: exact equivariance under mirroring.

Mirroring a picture changes the sign of x and swaps left and right joints. Its values split into
those that stay (even) and those that change sign (odd); a layer that keeps the two apart, with
biases on the even part only, and nonlinearities on ``even + odd`` and ``even - odd`` (which trade
places) commutes with mirroring exactly, whatever its weights are. This is the group convolution
of Cohen and Welling, ICML 2016, for the group of two elements; it costs half of the
multiplications of a plain layer of the same number of units.

Dimensions: N persons (the last axis), K joints, C channels, E even values, O odd values, U units,
M values of the input, R values of the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

Array = npt.NDArray[np.float64]

#: How the channels of a joint change in a mirrored picture: x changes its sign, y and what has
#: no direction (a mask, a scale) do not.
X, Y, SCALAR = -1, 1, 1


def mirror_matrix(flip_indices: Sequence[int] | Array, signs: Sequence[int]) -> Array:
    """(C K, C K) matrix that mirrors values laid out channel by channel.

    Args:
        flip_indices: (K,) of the skeleton or space.
        signs: For each channel -1 where its values change sign, else 1.
    """
    flips = np.asarray(flip_indices, int)
    size = len(flips)
    matrix = np.zeros((len(signs) * size, len(signs) * size))
    for channel, sign in enumerate(signs):
        rows = channel * size + np.arange(size)
        matrix[rows, channel * size + flips] = sign
    return matrix


def even_odd(matrix: Array) -> tuple[Tensor, Tensor]:
    """Orthonormal bases of what a mirror leaves and of what it negates.

    Args:
        matrix: (M, M), its own inverse, a permutation up to signs.

    Returns:
        float32 (M, E) and (M, O), E + O = M; entries are 0, 1 and +-sqrt(1/2).
    """
    even: list[dict[int, float]] = []
    odd: list[dict[int, float]] = []
    for row in range(len(matrix)):
        (other,) = np.flatnonzero(matrix[row]).tolist()
        sign = float(matrix[row, other])
        if other == row:
            (even if sign > 0 else odd).append({row: 1.0})
        elif other > row:
            half = np.sqrt(0.5)
            even.append({row: half, other: sign * half})
            odd.append({row: half, other: -sign * half})
    return _columns(even, len(matrix)), _columns(odd, len(matrix))


def _columns(vectors: list[dict[int, float]], size: int) -> Tensor:
    basis = torch.zeros(size, len(vectors))
    for column, vector in enumerate(vectors):
        for row, value in vector.items():
            basis[row, column] = value
    return basis


class MirrorMLP(nn.Module):
    """A residual multilayer perceptron that commutes with mirroring.

    Its units come in pairs which trade places in a mirrored picture; their sum is even, their
    difference odd.

    Args:
        source: (M, M) mirror of the input, from :func:`mirror_matrix`.
        target: (R, R) mirror of the output.
        width: Pairs of units U of each layer.
        depth: Hidden layers, at least one.
        dropout: Share of units that are left out in training.
    """

    even_in: Tensor
    odd_in: Tensor
    even_out: Tensor
    odd_out: Tensor

    def __init__(
        self, source: Array, target: Array, *, width: int, depth: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if width < 1 or depth < 1:
            raise ValueError(f'width and depth are at least 1, got {width} and {depth}')
        for side, matrix in (('in', source), ('out', target)):
            even, odd = even_odd(matrix)
            self.register_buffer(f'even_{side}', even, persistent=False)
            self.register_buffer(f'odd_{side}', odd, persistent=False)
        sizes = [self.even_in.shape[1], *[width] * depth]
        odds = [self.odd_in.shape[1], *[width] * depth]
        self.even = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.odd = nn.ModuleList(
            nn.Linear(a, b, bias=False) for a, b in zip(odds, odds[1:], strict=False)
        )
        self.last_even = nn.Linear(width, self.even_out.shape[1])
        self.last_odd = nn.Linear(width, self.odd_out.shape[1], bias=False)
        # The answer is a correction: it starts from none.
        for layer in (self.last_even, self.last_odd):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.last_even.bias)
        self.dropout = dropout

    def forward(self, values_MN: Tensor) -> Tensor:
        """(M, N) to (R, N)."""
        # The bases go into the weights: one product for each half, whatever the joints' order.
        evens, odds = (cast(list[nn.Linear], list(layers)) for layers in (self.even, self.odd))
        even = _affine(evens[0].weight @ self.even_in.T, evens[0].bias, values_MN)
        odd = (odds[0].weight @ self.odd_in.T) @ values_MN
        for to_even, to_odd in zip(evens[1:], odds[1:], strict=True):
            even_half, odd_half = self._activated(even, odd)
            even = even.addmm_(to_even.weight, even_half).add_(to_even.bias[:, None])
            odd = odd.addmm_(to_odd.weight, odd_half)
        even, odd = self._activated(even, odd)
        bias = self.even_out @ self.last_even.bias
        answer = _affine(self.even_out @ self.last_even.weight, bias, even)
        return torch.addmm(answer, self.odd_out @ self.last_odd.weight, odd)

    def _activated(self, even_UN: Tensor, odd_UN: Tensor) -> tuple[Tensor, Tensor]:
        """The nonlinearity, on units that trade places in a mirrored picture."""
        alone = not torch.is_grad_enabled()  # nothing has to be kept for a backward pass
        plus = functional.silu(even_UN + odd_UN, inplace=alone)
        minus = functional.silu(even_UN - odd_UN, inplace=alone)
        even = plus + minus
        odd = plus.sub_(minus) if alone else plus - minus
        if self.training and self.dropout:
            # A unit is left out together with its mirror image.
            mask = functional.dropout(torch.ones_like(even), self.dropout)
            even, odd = even * mask, odd * mask
        return even, odd


def _affine(weight_BA: Tensor, bias_B: Tensor, values_AN: Tensor) -> Tensor:
    return torch.addmm(bias_B[:, None], weight_BA, values_AN)
