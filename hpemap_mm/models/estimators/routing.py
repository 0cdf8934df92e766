"""Which head each sample of a batch belongs to."""

# N samples of the batch, n samples of one head

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn


def route(samples: Sequence[Any], *, heads: Iterable[str]) -> dict[str, list[int]]:
    """Group the samples of a batch by head.

    A head named as the sample's ``dataset_name`` wins over one named as its ``skeleton``.

    Args:
        samples: Samples with ``metainfo`` 'skeleton' or 'dataset_name'.
        heads: Names of the heads there are.

    Returns:
        For each head that has samples, in the order of ``heads``, their indices, ascending.

    Raises:
        KeyError: If a sample belongs to none; names its dataset, its skeleton and the heads.
    """
    names = list(heads)
    groups: dict[str, list[int]] = {name: [] for name in names}
    for index, sample in enumerate(samples):
        groups[head_of(sample, index=index, heads=names)].append(index)
    return {name: indices for name, indices in groups.items() if indices}


def head_of(sample: Any, *, index: int, heads: Sequence[str]) -> str:
    """The head of one sample; ``index`` is its place in the batch, for the error message.

    Raises:
        KeyError: If there is none.
    """
    dataset, skeleton = sample.metainfo.get('dataset_name'), sample.metainfo.get('skeleton')
    for name in (dataset, skeleton):
        if name in heads:
            return name
    image = sample.metainfo.get('img_path', '(no img_path)')
    raise KeyError(
        f'No head for sample {index} ({image}) of dataset {dataset!r} with skeleton '
        f'{skeleton!r}. Heads: {list(heads)}'
    )


def take(feats: Any, indices: Sequence[int], total: int) -> Any:
    """The feature maps of some samples.

    Args:
        feats: Nested tuples or lists of tensors (N, ...).
        indices: n ascending indices.
        total: N. All of them are taken without copying.

    Returns:
        The same nesting of tensors (n, ...).
    """
    if len(indices) == total:
        return feats
    if isinstance(feats, Tensor):
        return feats[list(indices)]
    return type(feats)(take(part, indices, total) for part in feats)


def untouched_loss(module: nn.Module) -> Tensor:
    """A zero that depends on every trainable parameter of a module.

    For a head without samples in this batch: all processes of a distributed run then have
    gradients for the same parameters. It is exactly 0, and so are the gradients, also where a
    parameter is not finite. Frozen parameters are left out.
    """
    parameters = list(module.parameters())
    zero = parameters[0].new_zeros(())
    for parameter in parameters:
        if parameter.requires_grad:
            zero = zero + parameter.reshape(-1)[:0].sum()
    return zero
