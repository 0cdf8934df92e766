"""What a file itself says about its heads and experts, where it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpemap_mm.checkpoints.read import CheckpointFile
from hpemap_mm.checkpoints.weights import PoseWeights
from hpemap_mm.persons.files.joints import agreement, recognise
from hpemap_mm.skeletons import get_skeleton, list_skeletons


def statement(weights: PoseWeights) -> dict[str, Any]:
    """What a file in another's layout says of the names that the layout has no place for.

    The inverse of :func:`stated_skeletons` and :func:`stated_experts`.
    """
    said: dict[str, Any] = {}
    if all(head.space is None for head in weights.heads.values()):
        said['skeletons'] = [
            name if name == head.skeleton else f'{name}={head.skeleton}'
            for name, head in weights.heads.items()
        ]
    if weights.experts:
        said['experts'] = list(weights.experts)
    return said


def stated_skeletons(
    file: CheckpointFile, channels: Sequence[int], notes: list[str]
) -> list[str] | None:
    """The skeletons of the heads, as ``--skeletons`` would name them; None where it is not said.

    What is said counts where a known skeleton has as many joints as the head has channels.

    Args:
        file: The file.
        channels: Of each head, in the order of the file.
        notes: Gets what was found, and where.
    """
    own = file.meta.get('skeletons')
    dataset = file.meta.get('dataset_meta')
    if isinstance(own, list) and len(own) == len(channels):
        known = [_known(word, count) for word, count in zip(own, channels, strict=True)]
        if channels and all(known):
            notes.append(f'the file says that its heads are of {", ".join(map(str, known))}')
            return own
    if len(channels) != 1:
        return None
    if isinstance(dataset, Mapping):
        name = _known(dataset.get('dataset_name'), channels[0])
        if name is not None:
            notes.append(f"the file's dataset_meta says {name}")
            return [name]
    labels = (file.config or {}).get('id2label')
    if isinstance(labels, Mapping):
        joints = [labels.get(str(place)) for place in range(channels[0])]
        found = recognise(joints, channels[0])
        if found is not None:
            same = [
                name
                for name in list_skeletons()
                if agreement(joints, get_skeleton(name)) == agreement(joints, found)
                and len(get_skeleton(name)) == channels[0]
                and name != found.name
            ]
            also = f' (as are those of {", ".join(same)}: --skeletons)' if same else ''
            notes.append(f"the joints that its config names are {found.name}'s{also}")
            return [found.name]
    return None


def stated_experts(file: CheckpointFile, count: int) -> tuple[str, ...] | None:
    """Names of so many experts; None where it is not said."""
    own = file.meta.get('experts')
    if not isinstance(own, list) or len(own) != count or not all(isinstance(n, str) for n in own):
        return None
    return tuple(own) if len(set(own)) == count else None


def _known(word: Any, joints: int) -> str | None:
    """The skeleton of ``name=skeleton``, where there is one of so many joints."""
    if not isinstance(word, str):
        return None
    try:
        skeleton = get_skeleton(word.rpartition('=')[2])
    except KeyError:
        return None
    return skeleton.name if len(skeleton) == joints else None
