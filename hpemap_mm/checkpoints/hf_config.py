"""What Hugging Face's ``config.json`` says beside the weights, checked before it is believed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpemap_mm.checkpoints.positions import Grid
from hpemap_mm.checkpoints.read import CheckpointFile
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.models.backbones.vitpose import ViTPoseArch

#: ViTPose's, in the norms.
EPSILON = 1e-6
#: What is in a folder that is written for transformers.
HF_FILES = ('model.safetensors', 'config.json', 'preprocessor_config.json')
_EMPTY = 'name an empty folder as DST'
_COPY = 'correct it, or copy the file again'
_OTHER = 'ViTPose computes something else; such a model cannot be converted'


def check_hf_folder(folder: Path) -> None:
    """Before any work is done: a folder of another model's is not mixed with this one.

    Raises:
        DataError: It has the config of another model, or one that cannot be read.
    """
    path = folder / HF_FILES[1]
    if not path.exists():
        return
    try:
        other = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        what = f'is there already, and cannot be read ({error})'
        raise DataError([Problem(str(path), what, _EMPTY)]) from error
    if not isinstance(other, dict) or other.get('model_type') != 'vitpose':
        raise DataError([Problem(str(path), 'is the config of another model', _EMPTY)])


class HFConfig:
    """The entries of a config that the weights do not show. All are None without a config.

    Args:
        file: The file; its ``config`` may be None.

    Raises:
        DataError: ``backbone_config`` is no dict.
    """

    def __init__(self, file: CheckpointFile) -> None:
        path = Path(file.path)
        self.path = (path if path.is_dir() else path.parent) / 'config.json'
        self.head: Mapping[str, Any] = file.config or {}
        backbone = self.head.get('backbone_config')
        if not isinstance(backbone, Mapping | None):
            raise self._error('backbone_config', backbone, 'no dict')
        self.backbone: Mapping[str, Any] = backbone or {}

    def num_heads(self) -> int | None:
        """Attention heads.

        Raises:
            DataError: It is no number.
        """
        if 'num_attention_heads' not in self.backbone:
            return None
        found = self.backbone['num_attention_heads']
        if not _whole(found):
            raise self._error('backbone_config.num_attention_heads', found, 'no number from 1')
        return int(found)

    def grid(self) -> Grid | None:
        """Patches (w, h) of the input.

        Raises:
            DataError: The sizes are none.
        """
        if 'image_size' not in self.backbone:
            return None
        height, width = self._pair('image_size')
        patch_h, patch_w = self._pair('patch_size') if 'patch_size' in self.backbone else (16, 16)
        return width // patch_w, height // patch_h

    def check_function(self, arch: ViTPoseArch, layouts: Sequence[str], experts: int) -> list[str]:
        """Refuse what ViTPose does not compute.

        Args:
            arch: Of the weights.
            layouts: Of the heads: 'classic' or 'simple'.
            experts: Their number; 0 in a dense model.

        Returns:
            Notes about what differs and may be borne.

        Raises:
            DataError: The config is of a model with another function, or not of these weights.
        """
        activation = self.backbone.get('hidden_act', 'gelu')
        if activation != 'gelu':
            raise self._error('backbone_config.hidden_act', activation, "not 'gelu'", _OTHER)
        if 'simple' in layouts and self.head.get('scale_factor', 4) != 4:
            raise self._error('scale_factor', self.head['scale_factor'], 'not 4', _OTHER)
        for key, own in (
            ('hidden_size', arch.embed_dim),
            ('num_hidden_layers', arch.depth),
            ('num_experts', max(1, experts)),
        ):
            if self.backbone.get(key, own) != own:
                raise self._error(f'backbone_config.{key}', self.backbone[key], f'not {own}')
        places = self.backbone.get('out_indices')
        last = places[-1:] if isinstance(places, list) else places
        if last is not None and last not in ([arch.depth], [-1]):
            why = f'not the last block, {arch.depth}'
            raise self._error('backbone_config.out_indices', places, why, _OTHER)
        notes = []
        epsilon = self.backbone.get('layer_norm_eps', EPSILON)
        if not isinstance(epsilon, int | float):
            raise self._error('backbone_config.layer_norm_eps', epsilon, 'no number')
        if epsilon != EPSILON:
            notes.append(f"its config has layer_norm_eps {epsilon:g}; here it is ViTPose's 1e-6")
        simple = self.head.get('use_simple_decoder')
        for layout in layouts:
            if simple is not None and bool(simple) != (layout == 'simple'):
                notes.append(
                    f'its config has use_simple_decoder {simple}, its weights are those of a '
                    f'{layout} decoder, which is taken'
                )
        return notes

    def _pair(self, key: str) -> tuple[int, int]:
        found = self.backbone[key]
        pair = [found, found] if _whole(found) else found
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(map(_whole, pair)):
            raise self._error(f'backbone_config.{key}', found, 'no size in pixels')
        return int(pair[0]), int(pair[1])

    def _error(self, key: str, value: Any, why: str, fix: str = _COPY) -> DataError:
        return DataError([Problem(str(self.path), f'{key} is {value!r}, {why}', fix)])


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
