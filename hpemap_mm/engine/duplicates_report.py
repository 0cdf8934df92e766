"""The page on images that are in two places: how many, where, and what they look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from hpemap_mm.analysis.report import (
    About,
    Column,
    Flag,
    Picture,
    Pictures,
    Report,
    Section,
    Table,
    Text,
    encode_picture,
    write_report,
)
from hpemap_mm.completion.duplicates.compare import SAME
from hpemap_mm.completion.duplicates.counts import Common, common_images, leaked_images
from hpemap_mm.datasets.duplicates import Duplicates, Member, Pair
from hpemap_mm.engine.images import read_image
from hpemap_mm.errors import DataError
from hpemap_mm.visualization import row
from hpemap_mm.visualization.draw import Image

#: Rows of a table of images; the json has all.
_ROWS = 200
#: Height of a picture, px.
_HEIGHT = 260
#: Widest picture of its height, so that a panorama does not make its neighbour small.
_ASPECT = 2.5

Files = Mapping[tuple[str, str], Mapping[str, str]]


def write_duplicates_report(
    path: Path,
    found: Duplicates,
    files: Files,
    *,
    each: int,
    about: About,
    progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Write ``report.html``, and its figures as ``report.json`` beside it.

    Args:
        path: Of the page.
        found: What was found.
        files: (split, entry) -> name of an image -> its path.
        each: Most pairs of a kind that are shown.
        about: What produced it.
        progress: Told how many pairs have been drawn.
    """
    kinds = _kinds(found, files)
    chosen = {title: _chosen(pairs, each) for title, pairs in kinds.items() if pairs}
    total, drawn = sum(map(len, chosen.values())), 0
    sections = [_counts_section(found, files)]
    for title, pairs in chosen.items():
        pictures = []
        for pair, group in pairs:
            pictures.append(_picture(pair, group, files))
            drawn += 1
            if progress is not None:
                progress('drawing', drawn, total)
        sections.append(_pictures_section(title, kinds[title], pictures))
    sections += _remarks_sections(found)
    page = Report(
        title='Images in two places',
        answer=answer(found),
        sections=sections,
        flags=_flags(found),
        about=about,
    )
    return write_report(path, page)


def answer(found: Duplicates) -> str:
    """What was found, in a sentence or two."""
    images = sum(place.images for place in found.places)
    leaked = leaked_images(found)
    searched = f'{images:,} images of {len(found.places)} entries'
    if not found.groups:
        return f'No image of {searched} was found twice.'
    more = sum(map(len, found.groups)) - len(found.groups)
    count = sum(leaked.values())
    if not count:
        leak = 'No training image is evaluated on'
    else:
        leak = f'{count:,} training image{" is" if count == 1 else "s are"} evaluated on, too'
    return (
        f'{leak}. Of {searched}, {more:,} repeat another one, in {len(found.groups):,} '
        f'group{"" if len(found.groups) == 1 else "s"}.'
    )


def _flags(found: Duplicates) -> list[Flag]:
    flags = [
        Flag(f'{count:,} images of training entry {entry!r} are in validation or test, too.')
        for (_, entry), count in leaked_images(found).items()
    ]
    if found.unreadable:
        flags.append(Flag(f'{len(found.unreadable):,} images cannot be read: see the list.'))
    return flags


def _counts_section(found: Duplicates, files: Files) -> Section:
    entries = Table(
        title='What was searched',
        columns=['split', 'entry', Column('images', 'number'), 'folder'],
        rows=[(p.split, p.entry, p.images, p.folder) for p in found.places],
    )
    common = common_images(found, files)
    number = [Column(name, 'number') for name in ('images of the first', 'of the second')]
    table = Table(
        title='Entries that share images',
        columns=['', 'first', 'second', *number, Column('the same files', 'number')],
        rows=[(_word(c), *map(str, (c.first, c.second)), *_numbers(c)) for c in common],
        note='Leaks first. An entry with itself: images beyond the first of each group.'
        if found.within
        else 'Leaks first. Images of one entry were not compared with each other.',
    )
    return Section(title='How many, and where', blocks=[table, entries])


def _word(common: Common) -> str:
    return 'LEAK' if common.leaks else ''


def _numbers(common: Common) -> tuple[int, int, int]:
    return common.of_first, common.of_second, common.same_file


def _kinds(found: Duplicates, files: Files) -> dict[str, list[Pair]]:
    """Pairs by the heading that they are shown under; the same file is not shown twice."""
    pairs = [p for p in found.pairs if _path(p.first, files) != _path(p.second, files)]
    rest = [pair for pair in pairs if not pair.leaks]
    return {
        'In training and in evaluation': [pair for pair in pairs if pair.leaks],
        'The same bytes': [pair for pair in rest if pair.kind == 'exact'],
        'Nearly the same': [pair for pair in rest if pair.kind == 'near'],
        'In the mirror': [pair for pair in rest if pair.kind == 'mirrored'],
        'Alike, but not counted': list(found.alike),
    }


def _chosen(pairs: Sequence[Pair], each: int) -> list[tuple[Pair, str]]:
    """Pairs and the group that they are shown in, those that are least alike first.

    Where there are few, all: the half that is most alike as the best, the others as the worst. Of
    more, a half are the worst, the others at random.
    """
    order = np.argsort([pair.score for pair in pairs], kind='stable')
    half = min(len(pairs), each) // 2
    groups = {'worst': order[:half], 'best': order[half:]}
    if len(pairs) > each:
        others = np.random.default_rng(0).permutation(order[half:])[: each - half]
        groups = {'worst': order[:half], 'random': np.sort(others)}
    return [(pairs[int(i)], group) for group, chosen in groups.items() for i in chosen]


def _pictures_section(title: str, pairs: Sequence[Pair], pictures: Sequence[Picture]) -> Section:
    lead = f'{len(pairs):,} pairs' + (
        '.' if len(pictures) == len(pairs) else f', of which {len(pictures)} are shown.'
    )
    if pairs[0].score < SAME:
        lead += (
            f' Their details correlate by less than {SAME}: most often one scene, a moment later. '
            'A model that has learned from one of them knows much of the other.'
        )
    rows = [
        (str(p.first.image), p.first.entry, str(p.second.image), p.second.entry, p.kind, p.score)
        for p in pairs[:_ROWS]
    ]
    columns: list[Column | str] = [
        'first',
        'entry',
        'second',
        'its entry',
        'kind',
        Column('correlation', 'number'),
    ]
    note = '' if len(pairs) <= _ROWS else f'The first {_ROWS}; duplicates.json has all.'
    return Section(
        title=title,
        lead=lead,
        blocks=[
            Pictures(
                title='Side by side',
                pictures=pictures,
                note='The best are those that are most alike, the worst those that are least so.',
            ),
            Table(title='Their names', columns=columns, rows=rows, note=note),
        ],
    )


def _picture(pair: Pair, group: str, files: Files) -> Picture:
    panels = [_panel(_path(member, files)) for member in (pair.first, pair.second)]
    names = ' and '.join(f'{m.split} {m.entry}: {m.image}' for m in (pair.first, pair.second))
    return Picture(
        jpeg=encode_picture(row(panels), longest=900),
        caption=f'{names} ({pair.kind})',
        group=group,
        score=pair.score,
        score_name='correlation',
    )


def _panel(path: str) -> Image:
    """An image at the height of all; grey where it is no longer there."""
    try:
        image = read_image(path)
    except DataError:
        return np.full((_HEIGHT, _HEIGHT, 3), 128, np.uint8)
    height, width = image.shape[:2]
    scale = min(_HEIGHT / height, _ASPECT * _HEIGHT / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    panel = np.full((_HEIGHT, size[0], 3), 255, np.uint8)
    panel[: size[1]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return panel


def _path(member: Member, files: Files) -> str:
    return files[member.place][member.image]


def _remarks_sections(found: Duplicates) -> list[Section]:
    sections = []
    for title, lead, remarks in (
        ('Images that cannot be read', 'They were not compared.', found.unreadable),
        (
            'Images that show nothing to compare',
            'They were compared by their bytes alone.',
            found.by_bytes_only,
        ),
    ):
        if remarks:
            points = [f'{m.split} {m.entry}: {m.image}: {what}' for m, what in remarks.items()]
            more = [f'... and {len(points) - _ROWS}'] if len(points) > _ROWS else []
            text = Text(paragraphs='', points=[*points[:_ROWS], *more])
            sections.append(Section(title=title, lead=lead, blocks=[text]))
    return sections
