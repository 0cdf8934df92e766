"""A slowly moving copy of a model, which teaches it what nobody annotated."""

# N samples, K joints, H W heatmap

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import torch
from mmengine.model import MomentumAnnealingEMA
from torch import Tensor, nn


class Teacher:
    """The mean teacher of a model: an average of its weights over the steps so far.

    After Tarvainen and Valpola, "Mean teachers are better role models" (NeurIPS 2017): the teacher
    is no part of the model that is trained, and its answers have no gradient. Here they are sure
    peaks of heatmaps, which become labels of joints that have none.

    The teacher is made at the first training step, from the weights that the model then has, and
    moves at the beginning of each step towards those that the last one gave. It is not among the
    model's parameters, nor in its state dict: a checkpoint of a taught model is a checkpoint of
    the model. ``hpemap_mm.TeacherHook`` keeps it beside them, so that a run can be resumed.

    Args:
        momentum: What a step leaves of the teacher's weights, in the long run; below 1.
        ramp: In step t it leaves at most ``t / (ramp + t)``, so that the first weights, which know
            nothing, are soon forgotten: after t steps the teacher is about the average over the
            last ``t / ramp`` of them.
        weight: Of the loss.
        min_score: Peaks below it (of about 1 where the teacher is sure) teach nothing.
        flip: Average the teacher's heatmaps with those of the mirrored images; this takes it twice
            the time.

    Raises:
        ValueError: If a value is out of its range.
    """

    def __init__(
        self,
        *,
        momentum: float = 0.999,
        ramp: int = 10,
        weight: float = 0.3,
        min_score: float = 0.3,
        flip: bool = False,
    ) -> None:
        if not 0 < momentum < 1:
            raise ValueError(f'teacher.momentum is between 0 and 1, got {momentum!r}')
        if isinstance(ramp, bool) or not isinstance(ramp, int) or ramp < 1:
            raise ValueError(f'teacher.ramp is a whole number from 1, got {ramp!r}')
        for name, value in (('weight', weight), ('min_score', min_score)):
            if not value > 0:
                raise ValueError(f'teacher.{name} must be positive, got {value!r}')
        self.momentum, self.ramp = float(momentum), ramp
        self.weight, self.min_score = float(weight), float(min_score)
        self.flip = flip
        self._average: MomentumAnnealingEMA | None = None
        self._saved: Mapping[str, Any] | None = None
        self._trained: tuple[str, ...] = ()

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> Teacher | None:
        """A teacher from a config's dict; None from None.

        Raises:
            ValueError: If an argument is unknown or out of range.
        """
        if config is None:
            return None
        try:
            return cls(**config)
        except TypeError as error:
            raise ValueError(f'teacher: {error}') from error

    def __deepcopy__(self, memo: Any) -> Self:
        """A copy of a taught model has a teacher to come, not this one's weights."""
        fresh = copy.copy(self)
        fresh._average = fresh._saved = None
        return fresh

    @property
    def steps(self) -> int:
        """How often it has followed the model."""
        return 0 if self._average is None else int(self._average.steps)

    @property
    def module(self) -> nn.Module:
        """The averaged model, for evaluation.

        Raises:
            RuntimeError: Before the first training step.
        """
        if self._average is None:
            raise RuntimeError('the teacher is made at the first training step')
        return self._average.module

    def follow(self, model: nn.Module) -> None:
        """Move towards the model's weights; once in each training step, before it.

        Raises:
            ValueError: If what :meth:`load_state_dict` was given is of another model.
        """
        if self._average is None:
            self._average = MomentumAnnealingEMA(
                model, momentum=1 - self.momentum, gamma=self.ramp
            ).eval()
            if self._saved is not None:
                self._restore(self._saved)
                self._saved = None
        self._average.update_parameters(model)
        self._trained = tuple(n for n, p in model.named_parameters() if p.requires_grad)

    @torch.no_grad()
    def heatmaps(self, inputs: Tensor, flips: Mapping[str, list[int]]) -> dict[str, Tensor]:
        """What the teacher says of images.

        Args:
            inputs: (N, 3, H, W) normalised images.
            flips: Flip indices of each output, by the name that :meth:`raw` gives it.

        Returns:
            Heatmaps (N, K, h, w) by name.
        """
        found = _by_name(self.module, inputs, flips)
        if self.flip:
            mirrored = _by_name(self.module, inputs.flip(-1), flips)
            found = {
                name: (maps + mirrored[name].flip(-1)[:, flips[name]]) / 2
                for name, maps in found.items()
            }
        return found

    def state_dict(self) -> dict[str, Any]:
        """Steps and trainable weights; the others are the model's own at each step."""
        weights = dict(self.module.named_parameters())
        return {
            'steps': self.steps,
            'weights': {name: weights[name].detach().clone() for name in self._trained},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave, at the next step."""
        self._average, self._saved = None, state

    def _restore(self, state: Mapping[str, Any]) -> None:
        assert self._average is not None
        own = dict(self._average.module.named_parameters())
        if not own.keys() >= state['weights'].keys():
            unknown = sorted(state['weights'].keys() - own.keys())
            raise ValueError(f'the saved teacher is of another model: it has {unknown[:4]}')
        for name, value in state['weights'].items():
            own[name].data.copy_(value)
        self._average.steps.fill_(state['steps'])


def _by_name(module: nn.Module, inputs: Tensor, names: Mapping[str, Any]) -> dict[str, Tensor]:
    """Heatmaps by name; of a model with one output, by the one name that there is."""
    output = module(inputs, None, mode='tensor')
    return output if isinstance(output, dict) else dict.fromkeys(names, output)
