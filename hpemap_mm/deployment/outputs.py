"""Which outputs a model's exported graph has."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from mmpose.codecs import UDPHeatmap
from mmpose.models.heads import RegressionHead, RLEHead, RTMCCHead, SimCCHead
from torch import nn

from hpemap_mm.deployment.metadata import INPUT_NAME, OutputInfo, OutputKind, joints_info
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.models import (
    AnsweringPoseEstimator,
    BatchUDPHeatmap,
    JointSpacePoseEstimator,
    MultiHeadPoseEstimator,
)
from hpemap_mm.models.estimators.joint_space import SPACE
from hpemap_mm.skeletons import JointSpace, Skeleton, get_skeleton

Decode = Literal['inside', 'outside']


def choose_outputs(
    model: AnsweringPoseEstimator, names: Sequence[str] | None, *, decode: Decode, flip_test: bool
) -> dict[str, OutputInfo]:
    """The outputs of a model's graph, by name.

    Args:
        model: A multi-head or joint-space estimator.
        names: The answers wanted, of a joint space also ``'space'``; every skeleton where None.
        decode: Whether keypoints are the output, or what the head gives.
        flip_test: Whether the graph averages over mirrored images.

    Raises:
        DataError: The model has no such answer, or cannot be exported so; with every fault.
    """
    wanted = tuple(model.all_answers if names is None else dict.fromkeys(names))
    problems: list[Problem] = []
    found: dict[str, OutputInfo] = {}
    for name in wanted:
        problem = _unavailable(model, name)
        if problem is not None:
            problems.append(problem)
            continue
        head = head_of_answer(model, name)
        kind = output_kind(head)
        problem = _unsupported(name, head, kind, decode=decode, flip_test=flip_test)
        if problem is not None or kind is None:
            problems += [problem] if problem is not None else []
            continue
        found[name] = OutputInfo(
            name=name,
            tensors=(f'{name}_simcc_x', f'{name}_simcc_y') if kind == 'simcc' else (name,),
            kind='keypoints' if decode == 'inside' else kind,
            codec=codec_config(head.decoder),
            **joints_info(joints_of_answer(model, name)),
        )
    if not wanted:
        problems.append(Problem('--skeletons', 'none is named', 'name one, or leave it out'))
    if problems:
        raise DataError(problems)
    return found


def head_of_answer(model: AnsweringPoseEstimator, name: str) -> Any:
    """The MMPose head that makes an answer."""
    if isinstance(model, JointSpacePoseEstimator):
        return model.head.head
    assert isinstance(model, MultiHeadPoseEstimator)
    return model.heads[name]


def joints_of_answer(model: AnsweringPoseEstimator, name: str) -> Skeleton | JointSpace:
    """The skeleton of an answer, or the space."""
    if isinstance(model, MultiHeadPoseEstimator):
        return model.skeletons[name]
    assert isinstance(model, JointSpacePoseEstimator)
    members = {skeleton.name: skeleton for skeleton in model.space.skeletons}
    return model.space if name == SPACE else members.get(name) or get_skeleton(name)


def output_kind(head: nn.Module) -> OutputKind | None:
    """What a head gives; None where it is of an unknown kind."""
    if isinstance(head, (SimCCHead, RTMCCHead)):
        return 'simcc'
    if isinstance(head, (RegressionHead, RLEHead)):
        return 'coordinates'
    return 'heatmaps' if hasattr(head, 'deconv_layers') else None


def codec_config(codec: Any) -> dict[str, Any]:
    """The config from which MMPose builds a codec, with every argument, as json has it.

    A :class:`~hpemap_mm.models.BatchUDPHeatmap` is named as what it encodes, ``UDPHeatmap``, so
    that MMPose alone can build it; ``symmetric``, how it decodes, is kept where it is so.
    """
    kind = UDPHeatmap if isinstance(codec, UDPHeatmap) else type(codec)
    config: dict[str, Any] = {'type': kind.__name__}
    for name in inspect.signature(kind.__init__).parameters:
        if name != 'self' and hasattr(codec, name):
            config[name] = _plain(getattr(codec, name))
    if getattr(codec, 'symmetric', False):
        config['symmetric'] = True
    return config


def _plain(value: Any) -> Any:
    """Arrays and tuples as lists."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def is_udp(head: Any) -> bool:
    """Whether a head's heatmaps are UDP's Gaussians, which a graph can decode."""
    codec = head.decoder
    return type(codec) in (UDPHeatmap, BatchUDPHeatmap) and codec.heatmap_type == 'gaussian'


def _unavailable(model: AnsweringPoseEstimator, name: str) -> Problem | None:
    """What is wrong with a name."""
    choices = [*model.answers]
    if getattr(model, 'has_experts', False) and SPACE in choices:
        # Each skeleton's expert gives its own heatmaps over the space.
        choices.remove(SPACE)
    if name not in choices:
        what = f'the model does not answer in {name!r}'
        return Problem('--skeletons', what, f'choose from {", ".join(choices)}')
    if name == INPUT_NAME:
        return Problem('--skeletons', f'an output cannot be called {name!r}', 'rename the head')
    return None


def _unsupported(
    name: str, head: Any, kind: OutputKind | None, *, decode: Decode, flip_test: bool
) -> Problem | None:
    """Why a head's output cannot be exported so."""
    what = f'the head of {name!r} is a {type(head).__name__}'
    if kind is None:
        fix = 'export a model with heatmap, SimCC or regression heads'
        return Problem('model', f'{what}, whose output is not known here', fix)
    if head.decoder is None:
        return Problem('model', f'{what} without a codec', 'give the head a decoder in the config')
    if decode == 'inside' and not is_udp(head):
        what = f'{what} with codec {type(head.decoder).__name__}, which a graph cannot decode here'
        return Problem('--decode inside', what, 'use --decode outside')
    if flip_test and kind != 'heatmaps':
        what = f'{what}, not of heatmaps'
        return Problem('--flip-test', what, 'leave --flip-test out')
    return None
