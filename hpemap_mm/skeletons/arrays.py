"""Scatter and gather along one axis, for numpy arrays and (without importing torch) its tensors."""

from __future__ import annotations

from typing import Any

import numpy as np


def scatter(x: Any, places: list[int], size: int, *, fill: float, axis: int) -> Any:
    """An array like `x` of `size` on `axis`: `x` at `places`, `fill` elsewhere."""
    shape = list(x.shape)
    shape[axis] = size
    if isinstance(x, np.ndarray):
        out = np.full(shape, fill, dtype=x.dtype)
        np.moveaxis(out, axis, 0)[places] = np.moveaxis(x, axis, 0)
    else:
        out = x.new_full(shape, fill)
        out.movedim(axis, 0)[places] = x.movedim(axis, 0)
    return out


def gather(x: Any, places: list[int], *, axis: int) -> Any:
    """The entries of `x` at `places` of `axis`."""
    if isinstance(x, np.ndarray):
        return np.take(x, places, axis=axis)
    return x.movedim(axis, 0)[places].movedim(0, axis)


def checked(x: Any, count: int, axis: int, what: str) -> Any:
    """`x` as a numpy array, or as it is if it is a torch tensor.

    Raises:
        ValueError: If there are not `count` entries on `axis`.
    """
    if not hasattr(x, 'new_full'):
        x = np.asarray(x)
    if not -x.ndim <= axis < x.ndim or x.shape[axis] != count:
        raise ValueError(
            f'Expected the {count} joints of {what!r} on axis {axis}, got shape {tuple(x.shape)}.'
        )
    return x
