"""What networks read of a person: coordinates in its frame, and which joints are there.

Dimensions: N persons (the last axis), K joints.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hpemap_mm.translators.frame import is_whole

#: Distance from the centre, in sizes, beyond which coordinates are hardly told apart. A joint that
#: was thrown across the picture must not drown the others.
REACH = 4.0


def in_frame(points_2KN: Tensor, valid_KN: Tensor, centres: Tensor, sizes_N: Tensor) -> Tensor:
    """Points in sizes from the centre; missing ones at the centre; (2, K, N)."""
    local = (points_2KN - centres) / sizes_N.clamp_min(1e-6)
    return local if is_whole(valid_KN) else local * valid_KN


def features(local_2KN: Tensor, valid_KN: Tensor) -> Tensor:
    """(3 K, N): all x, all y (both softly limited), then 1 where a joint is there, else 0."""
    x, y = local_2KN
    limit = torch.rsqrt(1 + torch.addcmul(x * x, y, y) / REACH**2)
    return torch.cat([x * limit, y * limit, valid_KN.to(x.dtype)])
