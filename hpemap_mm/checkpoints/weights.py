"""A pose model's weights, whoever wrote them, and what can be made of them."""

# C embedding width, p expert width, J joints of a space, K joints of a skeleton

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from hpemap_mm.checkpoints.positions import Grid, resized
from hpemap_mm.checkpoints.shapes import LAYOUTS, backbone_shapes, differences, head_shapes
from hpemap_mm.models.backbones.vitpose import VITPOSE_ARCHS, ViTPoseArch
from hpemap_mm.skeletons import JointSpace, get_skeleton

_SECOND = re.compile(r'blocks\.\d+\.mlp\.fc2\.(?:weight|bias)')
_EXPERT = re.compile(r'(blocks\.\d+\.mlp\.)experts\.(\d+)\.(weight|bias)')


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadWeights:
    """A decoder: of one skeleton, or of a joint space.

    Attributes:
        layout: 'classic' or 'simple'; see :class:`~hpemap_mm.models.ViTPoseHead`.
        tensors: By the names of MMPose's HeatmapHead.
        skeleton: Name of the skeleton, None for a space.
        space: The space, None for a skeleton.

    Raises:
        ValueError: Both or neither of skeleton and space, or tensors of other shapes.
    """

    layout: str
    tensors: Mapping[str, Tensor]
    skeleton: str | None = None
    space: JointSpace | None = None

    def __post_init__(self) -> None:
        if (self.skeleton is None) == (self.space is None) or self.layout not in LAYOUTS:
            raise ValueError(f'A head is of a skeleton or a space, and its layout in {LAYOUTS}')
        final = self.tensors.get('final_layer.weight')
        dim = 0 if final is None else final.shape[1]
        if self.layout == 'classic' and 'deconv_layers.0.weight' in self.tensors:
            dim = self.tensors['deconv_layers.0.weight'].shape[0]
        shapes = head_shapes(self.layout, dim=dim, joints=self.joints)
        wrong = list(differences(self.tensors, shapes))
        if wrong:
            raise ValueError(f'Head of {self.representation}: {"; ".join(wrong[:3])}')

    @property
    def representation(self) -> str:
        """Name of the skeleton, or of the space."""
        return self.space.name if self.space is not None else str(self.skeleton)

    @property
    def joints(self) -> int:
        """Number of joints."""
        if self.space is not None:
            return len(self.space)
        return len(get_skeleton(str(self.skeleton)))

    @property
    def skeletons(self) -> tuple[str, ...]:
        """Names of all skeletons that the head knows."""
        if self.space is not None:
            return tuple(skeleton.name for skeleton in self.space.skeletons)
        return (str(self.skeleton),)

    def of(self, skeleton: str) -> HeadWeights:
        """The head of one skeleton: this one, or its rows out of a space's.

        Raises:
            KeyError: The head does not know the skeleton.
        """
        if self.space is None:
            if skeleton != self.skeleton:
                raise KeyError(f'The head of {self.skeleton!r} is not one of {skeleton!r}')
            return self
        rows = self.space.indices(skeleton).tolist()
        return replace(self, tensors=self.rows(rows), skeleton=skeleton, space=None)

    def rows(self, places: Sequence[int]) -> dict[str, Tensor]:
        """The tensors with these joints alone, in this order."""
        return {
            name: tensor[list(places)] if name.startswith('final_layer.') else tensor
            for name, tensor in self.tensors.items()
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class PoseWeights:
    """Weights of a ViTPose or ViTPose++ with its heads. Methods return new ones.

    Attributes:
        arch: Widths and depths.
        grid: Patches (w, h) of the input.
        backbone: Tensors by ViTPose's names without ``backbone.``; ``pos_embed`` is
            (1, 1 + T, C), used as ``pos_embed[:, 1:] + pos_embed[:, :1]``.
        heads: The decoders by name, in their order; none where there is a backbone alone.
        experts: Names of the experts in their order; none in a dense model.
        serves: Further names, and which expert takes each.

    Raises:
        ValueError: Tensors are missing, too many, or of other shapes than the rest says; two
            experts have one name, or a head has no expert.
    """

    arch: ViTPoseArch
    grid: Grid
    backbone: Mapping[str, Tensor]
    heads: Mapping[str, HeadWeights] = field(default_factory=dict)
    experts: tuple[str, ...] = ()
    serves: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = backbone_shapes(
            self.arch,
            tokens=self.grid[0] * self.grid[1],
            experts=len(self.experts),
            expert_width=self.expert_width,
            final_norm=self.final_norm,
        )
        wrong = list(differences(self.backbone, shapes))
        if wrong:
            raise ValueError(f'{len(wrong)} tensors of the backbone: {"; ".join(wrong[:3])}')
        if len(self.heads) > 1 and any(head.space is not None for head in self.heads.values()):
            raise ValueError(f'A head of a joint space is the only one, got {list(self.heads)}')
        if len(set(self.experts)) < len(self.experts):
            raise ValueError(f'two experts have one name: {", ".join(self.experts)}')
        for name in self.heads if self.experts else ():
            try:
                self.experts_of(name)
            except KeyError as error:
                raise ValueError(f'head {name}: {error.args[0]}') from error

    @property
    def letter(self) -> str | None:
        """'S', 'B', 'L' or 'H', None for other widths."""
        for letter, arch in VITPOSE_ARCHS.items():
            if replace(self.arch, drop_path_rate=arch.drop_path_rate) == arch:
                return letter
        return None

    @property
    def input_size(self) -> Grid:
        """(w, h) in pixels."""
        return self.grid[0] * self.arch.patch_size, self.grid[1] * self.arch.patch_size

    @property
    def expert_width(self) -> int:
        """How many of C are an expert's; 0 in a dense model."""
        first = self.backbone.get('blocks.0.mlp.experts.0.bias')
        return 0 if first is None or not self.experts else len(first)

    @property
    def final_norm(self) -> bool:
        """Whether a norm follows the last block."""
        return 'last_norm.weight' in self.backbone

    @property
    def skeletons(self) -> tuple[str, ...]:
        """Names of all skeletons that the heads know, each once."""
        return tuple(dict.fromkeys(s for head in self.heads.values() for s in head.skeletons))

    def expert_of(self, *names: str) -> int:
        """Index of the expert of the first name that has one.

        Raises:
            KeyError: None has; lists the experts.
        """
        for name in names:
            found = self.serves.get(name, name)
            if found in self.experts:
                return self.experts.index(found)
        known = [*self.experts, *self.serves]
        asked = ' or '.join(map(repr, dict.fromkeys(names)))
        raise KeyError(f'No expert for {asked}. Experts: {known}')

    def experts_of(self, head: str) -> list[int]:
        """Indices of the experts that make a head's input: of a joint space, several.

        Raises:
            KeyError: There is none, or none for one of the space's skeletons; lists the experts.
        """
        own = self.heads[head]
        if own.space is None:
            return [self.expert_of(head, str(own.skeleton))]
        return list(dict.fromkeys(self.expert_of(skeleton) for skeleton in own.skeletons))

    def head_of(self, name: str) -> tuple[str, HeadWeights]:
        """A head's name and the head in one skeleton.

        Args:
            name: A head, or a skeleton that a head knows.

        Raises:
            KeyError: There is none; lists the choices.
        """
        if name in self.heads and self.heads[name].space is None:
            return name, self.heads[name]
        for own, head in self.heads.items():
            if name in head.skeletons:
                return (own if head.space is None else name), head.of(name)
        choices = list(dict.fromkeys([*self.skeletons, *self.heads]))
        raise KeyError(f'No head for {name!r}. Available: {choices}')

    def only(self, name: str, *, keep_experts: bool = False) -> PoseWeights:
        """The model of one skeleton: its head, and its expert made part of a dense backbone.

        Args:
            name: A head, or a skeleton that a head knows.
            keep_experts: Keep all experts.

        Raises:
            KeyError: No head, or no expert, for it.
        """
        own, head = self.head_of(name)
        alone = replace(self, heads={own: head})
        if not self.experts or keep_experts:
            return alone
        expert = self.expert_of(own, str(head.skeleton))
        return replace(alone, backbone=self._dense(expert), experts=(), serves={})

    def collapsed(self, expert: str) -> PoseWeights:
        """A dense model with one expert, and the heads that the expert was trained with.

        Raises:
            KeyError: There is no such expert; lists them.
        """
        index = self.expert_of(expert)
        heads = {}
        for name, head in self.heads.items():
            for skeleton in head.skeletons:
                names = (name, skeleton) if head.space is None else (skeleton,)
                if self.expert_of(*names) == index:
                    heads[name if head.space is None else skeleton] = head.of(skeleton)
        return replace(self, backbone=self._dense(index), heads=heads, experts=(), serves={})

    def _dense(self, expert: int) -> dict[str, Tensor]:
        dense = {}
        for name, tensor in self.backbone.items():
            if _EXPERT.fullmatch(name):
                continue
            if _SECOND.fullmatch(name):
                own = self.backbone[name.replace('.fc2.', f'.experts.{expert}.')]
                tensor = torch.cat([tensor, own])
            dense[name] = tensor
        return dense

    def with_experts(self, names: Sequence[str], width: int | None = None) -> PoseWeights:
        """Experts that all begin as the last p rows of a dense model's second layer.

        Args:
            names: Their names.
            width: p; a quarter of C where None.

        Raises:
            ValueError: The model has experts, or p does not fit C.
        """
        dim = self.arch.embed_dim
        width = dim // 4 if width is None else width
        if self.experts or not names or not 0 < width < dim:
            raise ValueError(
                f'Experts {list(names)} of width {width} from a model of width {dim} with experts '
                f'{list(self.experts)}'
            )
        backbone = {}
        for name, tensor in self.backbone.items():
            if not _SECOND.fullmatch(name):
                backbone[name] = tensor
                continue
            backbone[name] = tensor[:-width]
            for index in range(len(names)):
                backbone[name.replace('.fc2.', f'.experts.{index}.')] = tensor[-width:]
        return replace(self, backbone=backbone, experts=tuple(names))

    def with_these_experts(self, names: Sequence[str], chosen: Sequence[int]) -> PoseWeights:
        """Some of the experts, under other names, in another order.

        Args:
            names: Their new names.
            chosen: Which of the present experts each is made of.
        """
        assert len(names) == len(chosen)
        backbone = {n: t for n, t in self.backbone.items() if not _EXPERT.fullmatch(n)}
        for name, tensor in self.backbone.items():
            match = _EXPERT.fullmatch(name)
            for new, old in enumerate(chosen):
                if match and int(match[2]) == old:
                    backbone[f'{match[1]}experts.{new}.{match[3]}'] = tensor
        serves = {n: e for n, e in self.serves.items() if e in names and n not in names}
        return replace(self, backbone=backbone, experts=tuple(names), serves=serves)

    def paired(self) -> PoseWeights:
        """Head i with expert i, as ViTPose++ runs them; experts without a head follow.

        An expert that several heads share is there once for each of them.

        Raises:
            ValueError: The one head, of a joint space, is made by several experts.
        """
        if not self.experts or not self.heads:
            return self
        chosen, names = [], []
        for name, head in self.heads.items():
            own = self.experts_of(name)
            if len(own) > 1:
                makers = ', '.join(self.experts[index] for index in own)
                raise ValueError(f'The head of {head.representation} is made by experts {makers}')
            chosen += own
            names.append(name if head.space is None else self.experts[own[0]])
        rest = [index for index in range(len(self.experts)) if index not in chosen]
        names += [self.experts[index] for index in rest]
        return self.with_these_experts(names, [*chosen, *rest])

    def resized(self, grid: Grid) -> PoseWeights:
        """For another input size; tensors are the same where the grid is."""
        pos_embed = resized(self.backbone['pos_embed'], self.grid, grid)
        return replace(self, backbone={**self.backbone, 'pos_embed': pos_embed}, grid=grid)
