"""Are they weights: dense floating-point tensors of finite values, as many as their shapes say?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hpemap_mm.errors import DataError, Problem, some

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
#: What may be whole numbers: counters and tables of places.
_COUNTERS = ('num_batches_tracked', 'position_ids', 'relative_position_index')
#: A translator's calibration has NaN for joints that too few persons had.
_MAY_LACK_VALUES = ('gains', 'radii')


def check_tensors(path: Path, tensors: Mapping[str, Any]) -> None:
    """Check all weights of a file, the cheap questions first.

    Raises:
        DataError: A tensor is sparse, quantized, of a strange type, without values, or has
            values that are not finite.
    """
    checks: tuple[tuple[Callable[[str, Any], str], str], ...] = (
        (_strange, 'save plain dense tensors'),
        (_too_small, 'save tensors that own their values: tensor.contiguous().clone()'),
        (_no_float, 'get the weights as floating-point numbers, before they were quantized'),
        (_not_finite, 'use an earlier checkpoint; this training diverged, or the file is damaged'),
    )
    for check, fix in checks:
        wrong: dict[str, list[str]] = {}
        for name, tensor in tensors.items():
            if found := check(name, tensor):
                wrong.setdefault(found, []).append(name)
        if wrong:
            raise DataError(
                [
                    Problem(str(path), f'{what} in {some(names)}', fix)
                    for what, names in wrong.items()
                ]
            )


def _strange(name: str, tensor: Any) -> str:
    if type(tensor) not in (Tensor, nn.Parameter):
        return f'a {type(tensor).__name__}, no plain tensor,'
    if tensor.layout != torch.strided:
        return f'a sparse tensor ({tensor.layout})'
    if tensor.is_quantized:
        return f'quantized weights ({tensor.dtype})'
    return 'a tensor without values (of the meta device)' if tensor.is_meta else ''


def _too_small(name: str, tensor: Tensor) -> str:
    """Of a stride of 0, a few bytes say that they are terabytes."""
    has, says = tensor.untyped_storage().nbytes(), tensor.numel() * tensor.element_size()
    return f'{has} bytes that say they are {says}' if has < says else ''


def _no_float(name: str, tensor: Tensor) -> str:
    counts = name.rpartition('.')[2] in _COUNTERS or tensor.ndim == 0
    if tensor.dtype in FLOATS or (counts and tensor.dtype in _INTEGERS):
        return ''
    return f'weights of {str(tensor.dtype).removeprefix("torch.")}'


def _not_finite(name: str, tensor: Tensor) -> str:
    if tensor.dtype not in FLOATS or name.endswith(_MAY_LACK_VALUES):
        return ''
    return '' if bool(tensor.isfinite().all()) else 'NaN or infinite weights'
