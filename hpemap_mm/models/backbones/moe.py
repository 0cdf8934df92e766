"""ViTPose++'s backbone: a part of each block's MLP belongs to one dataset."""

# N samples, R rows (a sample with an expert), T patches, C embedding width, p expert width

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from hpemap_mm.models.backbones.vitpose import ViTPoseArch, ViTPoseBackbone
from hpemap_mm.registry import MODELS


class ExpertGroup(NamedTuple):
    """Neighbouring rows of a sorted batch that one expert takes.

    Attributes:
        expert: Its index.
        start: First row.
        stop: Row after the last; None for all that follow.
    """

    expert: int
    start: int
    stop: int | None


def expert_groups(experts: Sequence[int]) -> tuple[list[int], tuple[ExpertGroup, ...]]:
    """Sort rows by expert.

    Args:
        experts: Expert of each of R rows.

    Returns:
        The rows in sorted order (stable), and the groups of the sorted rows.
    """
    order = sorted(range(len(experts)), key=lambda row: experts[row])
    groups: list[ExpertGroup] = []
    for place, row in enumerate(order):
        if groups and groups[-1].expert == experts[row]:
            groups[-1] = groups[-1]._replace(stop=place + 1)
        else:
            groups.append(ExpertGroup(experts[row], place, place + 1))
    return order, tuple(groups)


class _ExpertLinear(torch.autograd.Function):
    """``cat([shared(x), expert(x)], -1)``, written into one output without a concatenation.

    The shared columns are one matrix product over the whole batch, each group's columns a
    narrow one: as many multiplications as the dense layer has. Experts without rows get zero
    gradients, so that DDP ranks agree.
    """

    @staticmethod
    def forward(
        ctx: Any, x_RTD: Tensor, groups: Sequence[ExpertGroup], *parameters: Tensor
    ) -> Tensor:
        """Parameters: weight and bias of the shared layer, then of every expert."""
        weight, bias = parameters[:2]
        shared, own = len(weight), len(parameters[2])
        out_RTC = x_RTD.new_empty(*x_RTD.shape[:2], shared + own)
        x, out = x_RTD.flatten(0, 1), out_RTC.flatten(0, 1)
        torch.addmm(bias, x, weight.t(), out=out[:, :shared])
        for expert, rows in _token_rows(groups, x_RTD.shape[1]):
            own_weight, own_bias = parameters[2 + 2 * expert : 4 + 2 * expert]
            torch.addmm(own_bias, x[rows], own_weight.t(), out=out[rows, shared:])
        ctx.groups = groups
        ctx.save_for_backward(x_RTD, *parameters[::2])
        return out_RTC

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_RTC: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the input and of every parameter."""
        x_RTD, weight, *own_weights = ctx.saved_tensors
        shared = len(weight)
        x, grad = x_RTD.flatten(0, 1), grad_RTC.flatten(0, 1)
        by_expert = dict(_token_rows(ctx.groups, x_RTD.shape[1]))
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = grad[:, :shared] @ weight
            for expert, rows in by_expert.items():
                grad_x[rows].addmm_(grad[rows, shared:], own_weights[expert])
            grad_x = grad_x.view_as(x_RTD)
        gradients: list[Tensor | None] = [grad[:, :shared].t() @ x, grad[:, :shared].sum(0)]
        for expert, own_weight in enumerate(own_weights):
            if expert in by_expert:
                rows = by_expert[expert]
                own = grad[rows, shared:]
                gradients += [own.t() @ x[rows], own.sum(0)]
            else:
                gradients += [torch.zeros_like(own_weight), own_weight.new_zeros(len(own_weight))]
        needed = ctx.needs_input_grad[2:]
        kept = [g if need else None for g, need in zip(gradients, needed, strict=True)]
        return grad_x, None, *kept


def _token_rows(groups: Sequence[ExpertGroup], tokens: int) -> list[tuple[int, slice]]:
    return [
        (g.expert, slice(g.start * tokens, None if g.stop is None else g.stop * tokens))
        for g in groups
    ]


class ExpertMlp(nn.Module):
    """ViTPose++'s MLP: of the second layer's C outputs, the last p are an expert's.

    Parameters are named as in ViTPose++: ``fc1``, ``fc2`` (C - p outputs), ``experts.e``.

    Args:
        in_features: C.
        hidden_features: Width of the first layer's output.
        experts: Number of experts.
        width: p.
    """

    def __init__(
        self, in_features: int, hidden_features: int, *, experts: int, width: int, **_: Any
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_features, in_features - width)
        self.experts = nn.ModuleList(nn.Linear(hidden_features, width) for _ in range(experts))

    def forward(
        self, x_NTC: Tensor, groups: Sequence[ExpertGroup], rows: Tensor | None = None
    ) -> Tensor:
        """The MLP of each row, by its group's expert.

        Args:
            x_NTC: (N, T, C).
            groups: The R rows by expert.
            rows: (R,) index into N of each row; the N samples themselves where None. What does
                not depend on the expert is computed once per sample.

        Returns:
            (R, T, C).
        """
        hidden: Tensor = self.act(self.fc1(x_NTC))
        if rows is not None or torch.compiler.is_compiling() or torch.jit.is_tracing():
            return self._plain(hidden, groups, rows)
        kind = hidden.device.type
        parameters = [p for layer in (self.fc2, *self.experts) for p in (layer.weight, layer.bias)]
        if torch.is_autocast_enabled(kind):
            # Autocast does not see products that write into a given output.
            dtype = torch.get_autocast_dtype(kind)
            hidden, parameters = hidden.to(dtype), [p.to(dtype) for p in parameters]
        return _ExpertLinear.apply(hidden, groups, *parameters)

    def _plain(self, hidden: Tensor, groups: Sequence[ExpertGroup], rows: Tensor | None) -> Tensor:
        """The same in operations that compilers and exporters know."""
        shared: Tensor = self.fc2(hidden)
        if rows is not None:
            shared = shared[rows]
        parts = []
        for expert, start, stop in groups:
            own = hidden[start:stop] if rows is None else hidden[rows[start:stop]]
            parts.append(self.experts[expert](own))
        own = parts[0] if len(parts) == 1 else torch.cat(parts)
        if torch.is_grad_enabled() and self.training:
            used = {group.expert for group in groups}
            for index, layer in enumerate(self.experts):
                if index not in used:
                    own = own + 0.0 * sum(p.sum() for p in layer.parameters())
        return torch.cat([shared, own], -1)


class ExpertBlock(Block):
    """timm's transformer block with an :class:`ExpertMlp`."""

    def forward(  # type: ignore[override]
        self, x_NTC: Tensor, groups: Sequence[ExpertGroup], rows: Tensor | None = None
    ) -> Tensor:
        """(N, T, C) to (R, T, C); see :meth:`ExpertMlp.forward`."""
        x_NTC = x_NTC + self.drop_path1(self.ls1(self.attn(self.norm1(x_NTC))))
        changed = self.ls2(self.mlp(self.norm2(x_NTC), groups, rows))
        return (x_NTC if rows is None else x_NTC[rows]) + self.drop_path2(changed)


@MODELS.register_module()
class ViTPoseMoEBackbone(ViTPoseBackbone):
    """ViTPose++'s mixture of experts: one expert for each dataset or skeleton, chosen by name.

    Every block's MLP ends in C outputs, of which C - p are shared by all and p are made by the
    expert of the sample. Only that expert is computed, so that a step costs what the dense
    model's costs; the reference computes every expert for every token. A batch may mix samples
    of all experts.

    :class:`~hpemap_mm.models.MultiHeadPoseEstimator` and
    :class:`~hpemap_mm.models.JointSpacePoseEstimator` choose the experts: that of the sample's
    ``dataset_name`` or skeleton in training, that of the skeleton which is asked for at test time.

    Parameters are named as in ViTPose++'s checkpoints: ``blocks.i.mlp.fc2`` (C - p, 4 C) and
    ``blocks.i.mlp.experts.e`` (p, 4 C), everything else as in :class:`ViTPoseBackbone`.

    Follows section 3.3 of ViTPose++ (arXiv 2212.04246).

    Args:
        arch: As :class:`ViTPoseBackbone`'s.
        experts: Names of the experts, in the order of their weights: skeletons, or the
            ``dataset_name`` of entries.
        expert_width: p. A quarter of C where None, as ViTPose++ has it in all sizes.
        serves: Further datasets or skeletons, and which expert takes each.
        **kwargs: :class:`ViTPoseBackbone`'s.

    Attributes:
        experts: The names.
        expert_width: p.

    Raises:
        KeyError: If the arch is unknown, or ``serves`` names an unknown expert.
        ValueError: If there are no experts, one occurs twice, or p does not fit C.
    """

    def __init__(
        self,
        arch: str | Mapping[str, Any] | ViTPoseArch,
        *,
        experts: Sequence[str],
        expert_width: int | None = None,
        serves: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        names = (experts,) if isinstance(experts, str) else tuple(experts)
        if not names or len(set(names)) < len(names):
            raise ValueError(f'Experts must have names of their own, got {list(names)}')
        # Plain values, so they may be set before nn.Module's constructor: _block reads them.
        self.experts = names
        self.expert_width = expert_width
        super().__init__(arch, **kwargs)
        self.serves = dict(serves or {})
        for name, expert in self.serves.items():
            if expert not in names or name in names:
                raise KeyError(f'serves: {name!r} by {expert!r}. Experts: {list(names)}')

    def _block(self, rate: float, norm: Any) -> nn.Module:
        dim = self.arch.embed_dim
        width = dim // 4 if self.expert_width is None else self.expert_width
        if not 0 < width < dim:
            raise ValueError(f'expert_width {width} must be between 0 and embed_dim {dim}')
        self.expert_width = width
        mlp: Any = partial(ExpertMlp, experts=len(self.experts), width=width)
        return ExpertBlock(
            dim,
            self.arch.num_heads,
            mlp_ratio=self.arch.mlp_ratio,
            qkv_bias=True,
            drop_path=rate,
            norm_layer=norm,
            mlp_layer=mlp,
        )

    def expert_index(self, *names: str | None) -> int:
        """Index of the expert of the first name that has one.

        Args:
            *names: Such as a sample's dataset and its skeleton.

        Raises:
            KeyError: If none has one; lists the experts.
        """
        for name in names:
            found = self.serves.get(name, name) if name is not None else None
            if found in self.experts:
                return self.experts.index(found)
        known = [*self.experts, *self.serves]
        raise KeyError(f'No expert for {" or ".join(map(repr, names))}. Experts: {known}')

    def forward(
        self,
        images: Tensor,
        experts: int | Sequence[int] | Tensor | None = None,
        rows: Sequence[int] | None = None,
    ) -> tuple[Tensor]:
        """Feature maps, each by one expert.

        Args:
            images: (N, 3, H, W), with (W, H) = ``img_size``.
            experts: Index of the expert of each of R rows, or of the one for all of them. May be
                left out where the backbone has one.
            rows: Index into N of each row, for images that several experts are to see; the N
                images themselves where None. What does not depend on the expert, up to the
                first block's experts, is then computed once per image.

        Returns:
            One map of shape (R, C, H / patch_size, W / patch_size).

        Raises:
            ValueError: If the images are not of ``img_size``, or the experts do not fit them.
        """
        order, groups = self._plan(experts, images.shape[0], rows)
        if rows is None and order is not None:
            images = images[torch.tensor(order, device=images.device)]
        chosen = None
        if rows is not None:
            places = range(len(rows)) if order is None else order
            chosen = torch.tensor([rows[place] for place in places], device=images.device)
        x_RTC = self.embed(images)
        recompute = self.with_cp and self.training and torch.is_grad_enabled()
        for number, block in enumerate(self.blocks):
            own = chosen if number == 0 else None
            if recompute:
                x_RTC = checkpoint(block, x_RTC, groups, own, use_reentrant=False)
            else:
                x_RTC = block(x_RTC, groups, own)
        maps = self.as_maps(x_RTC)
        if order is not None:
            back = sorted(range(len(order)), key=order.__getitem__)
            maps = maps[torch.tensor(back, device=maps.device)]
        return (maps,)

    def _plan(
        self, experts: int | Sequence[int] | Tensor | None, images: int, rows: Sequence[int] | None
    ) -> tuple[list[int] | None, tuple[ExpertGroup, ...]]:
        """The order that brings rows of one expert together (None: as they are), the groups."""
        if experts is None and len(self.experts) == 1:
            experts = 0
        if experts is None:
            raise ValueError(
                f'Which of the experts {list(self.experts)} is to see each image must be said: '
                'hpemap_mm.MultiHeadPoseEstimator and JointSpacePoseEstimator do; for other '
                'estimators collapse the model to one expert with tools/convert_checkpoint.py'
            )
        last = len(self.experts) - 1
        if isinstance(experts, int):
            if not 0 <= experts <= last:
                raise ValueError(f'There are the experts 0 to {last}, got {experts}')
            return None, (ExpertGroup(experts, 0, None),)
        found = [int(e) for e in (experts.tolist() if isinstance(experts, Tensor) else experts)]
        count = images if rows is None else len(rows)
        if len(found) != count or not all(0 <= e <= last for e in found):
            raise ValueError(f'experts must be {count} indices up to {last}, got {found[:10]}')
        order, groups = expert_groups(found)
        return (None if order == list(range(count)) else order), groups
