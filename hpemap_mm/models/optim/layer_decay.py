"""Layer-wise learning-rate decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.logging import MMLogger
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from hpemap_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS

_KEYS = {'layer_decay_rate', 'num_layers', 'custom_keys'}
_CUSTOM = {'lr_mult', 'decay_mult'}


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayConstructor(DefaultOptimWrapperConstructor):
    """Optimiser groups whose learning rate falls from the head towards the stem.

    A parameter of layer ``l`` of a backbone with ``L`` layers learns at
    ``lr * rate ** (L + 1 - l)``; layer 0 is the embedding, ``1 .. L`` are the blocks, and what is
    not in the backbone learns at the full rate. That is ViTPose's formula. Biases, other
    one-dimensional parameters (norms) and position embeddings get no weight decay.

    The backbone says which layer a parameter is in: it has ``num_layers`` and
    ``get_layer_id(name)``, as :class:`~hpemap_mm.models.ViTPoseBackbone` and
    :class:`~hpemap_mm.models.TimmBackbone` do.

    Unlike MMPose's ``LayerDecayOptimWrapperConstructor`` it honours ``custom_keys``, refuses
    misspelled ones, and prints nothing.

    Args:
        optim_wrapper_cfg: As MMEngine's: ``optimizer`` with ``lr`` and ``weight_decay``.
        paramwise_cfg: ``layer_decay_rate`` (required); ``num_layers`` (optional, checked against
            the backbone); ``custom_keys``, a dict of ``name part -> dict(lr_mult, decay_mult)``,
            where the longest part that occurs in a parameter's name wins. ``lr_mult`` comes on
            top of the layer's scale; ``decay_mult`` replaces the rule above.

    Raises:
        ValueError: If a key is unknown, the rate is missing, or the backbone has no layers.
    """

    def __init__(
        self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        paramwise_cfg = dict(paramwise_cfg or {})
        _check(paramwise_cfg)
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        if self.base_lr is None:
            raise ValueError('LayerDecayConstructor needs optimizer.lr')

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **kwargs: Any) -> None:
        """Append one group per (learning rate, weight decay) that occurs in ``module``."""
        backbone = _layered_backbone(module)
        rate = float(self.paramwise_cfg['layer_decay_rate'])
        layers = backbone.num_layers
        stated = self.paramwise_cfg.get('num_layers', layers)
        if stated != layers:
            raise ValueError(f'paramwise_cfg.num_layers is {stated}, the backbone has {layers}')

        groups: dict[tuple[int, float, float], dict[str, Any]] = {}
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            layer = layers + 1
            if name.startswith('backbone.'):
                layer = backbone.get_layer_id(name.removeprefix('backbone.'))
            custom = self._custom(name)
            lr_mult = float(custom.get('lr_mult', 1.0))
            undecayed = parameter.ndim <= 1 or name.endswith(('.bias', 'pos_embed', 'cls_token'))
            decay_mult = float(custom.get('decay_mult', 0.0 if undecayed else 1.0))
            scale = rate ** (layers + 1 - layer) * lr_mult
            group = groups.setdefault(
                (layer, lr_mult, decay_mult),
                {
                    'params': [],
                    'param_names': [],
                    'lr': self.base_lr * scale,
                    'lr_scale': scale,
                    'group_name': f'layer_{layer}_lr{lr_mult:g}_decay{decay_mult:g}',
                },
            )
            if self.base_wd is not None:
                group['weight_decay'] = self.base_wd * decay_mult
            group['params'].append(parameter)
            group['param_names'].append(name)
        params.extend(groups[key] for key in sorted(groups))
        MMLogger.get_current_instance().info(
            f'Layer-wise decay {rate:g} over {layers} layers: {len(groups)} parameter groups, '
            f'lr {min(g["lr"] for g in groups.values()):.3g} to {self.base_lr:.3g}'
        )

    def _custom(self, name: str) -> Mapping[str, Any]:
        custom_keys = self.paramwise_cfg.get('custom_keys', {})
        matching = [key for key in custom_keys if key in name]
        # The longest key wins, then the alphabet, as in MMEngine.
        return custom_keys[max(sorted(matching), key=len)] if matching else {}


def _check(paramwise_cfg: dict[str, Any]) -> None:
    unknown = set(paramwise_cfg) - _KEYS
    if unknown:
        raise ValueError(f'Unknown paramwise_cfg keys {sorted(unknown)}. Known: {sorted(_KEYS)}')
    if 'layer_decay_rate' not in paramwise_cfg:
        raise ValueError('paramwise_cfg.layer_decay_rate is required')
    for key, value in paramwise_cfg.get('custom_keys', {}).items():
        misspelled = set(value) - _CUSTOM
        if misspelled:
            raise ValueError(
                f'custom_keys[{key!r}] has unknown entries {sorted(misspelled)}. '
                f'Known: {sorted(_CUSTOM)}'
            )


def _layered_backbone(module: nn.Module) -> Any:
    backbone = getattr(module, 'backbone', None)
    if not hasattr(backbone, 'get_layer_id') or not hasattr(backbone, 'num_layers'):
        raise ValueError(
            f'{type(backbone).__name__} has no num_layers and get_layer_id(name): '
            'use hpemap_mm.ViTPoseBackbone or hpemap_mm.TimmBackbone, or another constructor'
        )
    return backbone
