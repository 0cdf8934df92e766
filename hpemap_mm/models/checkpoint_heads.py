"""Do a checkpoint's heads fit the model's?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from hpemap_mm.errors import ProblemList

#: The tensor whose first dimension counts a head's joints, by MMPose's names, and how many
#: entries a joint has there.
_JOINT_TENSORS = {'final_layer.weight': 1, 'deconv_head.final_layer.weight': 1, 'fc.weight': None}


def check_checkpoint_heads(
    model: nn.Module, state_dict: Mapping[str, Any], *, where: object = 'checkpoint'
) -> None:
    """Check that every head of a model finds its weights in a checkpoint, in its shape.

    MMEngine loads leniently and only logs what does not fit, so that a head may stay untrained.

    Args:
        model: A MultiHeadPoseEstimator, a JointSpacePoseEstimator, or an MMPose estimator with
            one ``head``.
        state_dict: The checkpoint's tensors by name, or a dict with them under 'state_dict';
            names may begin with ``module.``.
        where: The checkpoint's file, for the message.

    Raises:
        DataError: A ValueError with every problem: heads that the checkpoint lacks, heads that
            the model lacks, other numbers of joints, other shapes, missing tensors.
    """
    tensors = _tensors(state_dict)
    own = {name: value for name, value in model.state_dict().items()}
    prefixes: dict[str, str] = getattr(model, 'head_prefixes', {'head': 'head.'})
    problems = ProblemList()
    there = _head_names(tensors)
    for name, prefix in prefixes.items():
        wanted = {k.removeprefix(prefix): v for k, v in own.items() if k.startswith(prefix)}
        given = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if not given:
            problems.add(
                where,
                f'head {name!r} is not in the checkpoint, which has {there or "no heads"}',
                'load a checkpoint of a model with this head, or leave the head out of the config',
            )
            continue
        _compare(name, wanted, given, where, problems)
    if any(prefix.startswith('heads.') for prefix in prefixes.values()):
        for name in there:
            if name not in prefixes:
                problems.add(
                    where,
                    f'the checkpoint has head {name!r}, which the model has not '
                    f'({sorted(prefixes)})',
                    'add the skeleton to the config, or drop the head from the checkpoint',
                )
    problems.raise_if_any()


def _tensors(state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    inner = state_dict.get('state_dict', state_dict)
    return {k.removeprefix('module.'): v for k, v in inner.items() if isinstance(v, Tensor)}


def _head_names(tensors: Mapping[str, Tensor]) -> list[str]:
    """Heads of a checkpoint: of a multi-head model by name, or the single one."""
    names = {key.split('.')[1] for key in tensors if key.startswith('heads.')}
    names |= {key.split('.')[0] for key in tensors if key.startswith(('head.', 'keypoint_head.'))}
    return sorted(names)


def _joints(tensors: Mapping[str, Tensor]) -> int | None:
    for key, per_joint in _JOINT_TENSORS.items():
        if key in tensors:
            # Regression heads have 2 (x, y) or, with their sigmas, 4 outputs per joint.
            divisor = per_joint or (4 if any('flow_model' in k for k in tensors) else 2)
            return len(tensors[key]) // divisor
    return None


def _compare(
    name: str,
    wanted: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    where: object,
    problems: ProblemList,
) -> None:
    """Add the differences between a head and the checkpoint's."""
    expected, found = _joints(wanted), _joints(given)
    if expected is not None and found is not None and expected != found:
        problems.add(
            where,
            f'head {name!r} expects {expected} joints, the checkpoint has {found}',
            'use the config that the checkpoint was trained with',
        )
        return
    for key, value in wanted.items():
        if key not in given:
            what = f'tensor {key} of head {name!r} is not in the checkpoint'
        elif given[key].shape != value.shape:
            what = (
                f'tensor {key} of head {name!r} expects shape {tuple(value.shape)}, '
                f'the checkpoint has {tuple(given[key].shape)}'
            )
        else:
            continue
        problems.add(where, what, 'use the config that the checkpoint was trained with')
