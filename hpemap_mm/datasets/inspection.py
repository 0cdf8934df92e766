"""What a config says about its data, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hpemap_mm.datasets.checks import FileFacts
from hpemap_mm.datasets.entries import build_entry
from hpemap_mm.errors import DataError, Problem, ProblemList


@dataclass(frozen=True)
class EntryReport:
    """What was found about one entry.

    Attributes:
        name: The entry.
        skeleton: Name of its skeleton (of several at once: of their concat space); None where that
            could not be told.
        joints: Joints of the skeleton, 0 where not known.
        facts: What its annotation file holds; None where the entry could not be built.
        problems: What is wrong with it.
        skeletons: Names of the skeletons that it has labels in.
    """

    name: str
    skeleton: str | None
    joints: int
    facts: FileFacts | None
    problems: tuple[Problem, ...]
    skeletons: tuple[str, ...] = ()


def inspect_entry(
    name: str, cfg: Mapping[str, Any], *, test_mode: bool = False, check_images: bool = True
) -> EntryReport:
    """Check one entry of a :class:`MultiSkeletonDataset`; raises nothing.

    Args:
        name: The entry.
        cfg: Its config: ``dataset``, ``skeleton``, ...; its pipeline is not built.
        test_mode: Whether it is for tests.
        check_images: Whether to look for the images.
    """
    problems = ProblemList()
    where = f'entry {name!r}'
    try:
        entry = build_entry(name, {**cfg, 'pipeline': []}, test_mode=test_mode)
    except DataError as error:
        problems.extend(error)
    except Exception as error:
        # Whatever a dataset's constructor raises is a finding about the config.
        problems.add(where, f'cannot be built: {error}', 'correct its config')
    else:
        facts = entry.check_files(problems, images=check_images)
        skeleton = entry.skeleton
        members = tuple(member.name for member in entry.members)
        return EntryReport(name, skeleton.name, len(skeleton), facts, tuple(problems), members)
    return EntryReport(name, None, 0, None, tuple(problems))
