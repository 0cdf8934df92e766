"""The report as a whole: sections of blocks, flags, and what produced it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hpemap_mm.analysis.report.blocks import Block
from hpemap_mm.analysis.report.values import freeze

FLAG_LEVELS = ('warning', 'note')


@dataclass(frozen=True)
class Flag:
    """Something that the reader must not miss.

    Attributes:
        text: One or two sentences.
        level: ``'warning'`` (the figures may mislead) or ``'note'``.
    """

    text: str
    level: str = 'warning'

    def __post_init__(self) -> None:
        if self.level not in FLAG_LEVELS:
            raise ValueError(f'Flag.level must be one of {FLAG_LEVELS}, got {self.level!r}')


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the report with a heading of its own.

    Attributes:
        title: Heading, also in the contents.
        blocks: What it holds, in order.
        lead: What it says, in one sentence.
        flags: Shown at its top.
        folded: Closed until it is asked for.
    """

    title: str
    blocks: Sequence[Block] = ()
    lead: str = ''
    flags: Sequence[Flag] = ()
    folded: bool = False

    def __post_init__(self) -> None:
        freeze(self, 'blocks', 'flags')


@dataclass(frozen=True, kw_only=True)
class About:
    """What produced the figures; folded at the end of the page.

    Attributes:
        command: As typed.
        config: The config's text.
        date: ISO 8601; empty keeps the page the same for the same figures.
        versions: Package -> version.
        files: What was read, by role.
        notes: Remarks, e.g. those of the files' readers.
    """

    command: str = ''
    config: str = ''
    date: str = ''
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        freeze(self, 'notes')


@dataclass(frozen=True, kw_only=True)
class Report:
    """A page: a title, the answer in one line, sections.

    Attributes:
        title: What was asked.
        answer: The answer in one or two sentences.
        sections: In order.
        flags: Shown under the answer.
        about: What produced it.
    """

    title: str
    answer: str = ''
    sections: Sequence[Section] = ()
    flags: Sequence[Flag] = ()
    about: About = field(default_factory=About)

    def __post_init__(self) -> None:
        freeze(self, 'sections', 'flags')
