"""Which known skeleton a file's joints are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hpemap_mm.skeletons import Skeleton, get_skeleton, list_skeletons

#: Share of joints whose names must agree, in order, for a file to be in a skeleton. CrowdPose's
#: own file calls one of its 14 joints otherwise than MMPose does.
NAMES_AGREE = 0.8


def skeletons_with(joints: int) -> list[str]:
    """Names of the known skeletons of so many joints."""
    return [name for name in list_skeletons() if len(get_skeleton(name)) == joints]


def describe_count(numbers: int, per_joint: int) -> str:
    """Where a wrong number of keypoints may come from, as the fix of a problem."""
    joints, rest = divmod(numbers, per_joint)
    known = skeletons_with(joints) if joints and not rest else []
    if known:
        return f'{joints} joints have {", ".join(known)}: name the right one'
    return 'name the skeleton that the file is in'


def agreement(names: Sequence[Any], skeleton: Skeleton) -> float:
    """Share of a skeleton's joints that have their name at their place; 0 if there are too few."""
    if len(names) < len(skeleton):
        return 0.0
    pairs = zip(names, skeleton.joints, strict=False)
    return sum(_plain(name) == _plain(joint) for name, joint in pairs) / len(skeleton)


def recognise(names: Sequence[Any], joints: int) -> Skeleton | None:
    """The known skeleton of so many joints whose names a file gives, or None.

    Where several have the same names (COCO and OCHuman) it is the first.
    """
    known = [get_skeleton(name) for name in skeletons_with(joints)]
    best = max(known, key=lambda skeleton: agreement(names, skeleton), default=None)
    return best if best is not None and agreement(names, best) >= NAMES_AGREE else None


def _plain(name: Any) -> str:
    return ''.join(c for c in str(name).casefold() if c.isalnum())
