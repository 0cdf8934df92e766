"""The page of a completed dataset: what there is, from where, how well the sources agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from hpemap_mm.analysis import report
from hpemap_mm.completion.merging import TABLE
from hpemap_mm.completion.plan import Plan
from hpemap_mm.completion.tally import CHECKED, KEPT, Tally, median_of
from hpemap_mm.engine.completion_pictures import candidates, draw_persons
from hpemap_mm.engine.scores import versions
from hpemap_mm.persons.provenance import NONE, PROVENANCE, SOURCES
from hpemap_mm.skeletons import get_skeleton

#: Persons of each kind that are drawn.
EACH = 6
_HEADINGS = {
    'none': 'empty',
    'gt': 'annotated',
    **{name: name for name in PROVENANCE if name not in ('none', 'gt')},
}
_PAIRS = {
    CHECKED: 'annotated, predicted',
    **{pair: ', '.join(pair) for pair in combinations(SOURCES, 2)},
}
_ABOUT = {
    'gt': "the dataset's own annotation, unchanged",
    'derived': 'follows from annotated joints: the same joint under another name, or a midpoint',
    'translated': 'a translator, from annotated joints',
    'predicted': "a model, from the image, corrected by the model's errors on annotated joints",
    'fused': 'several of these, weighted by their uncertainties',
    'none': 'no source was sure enough',
}


def write_page(
    path: Path,
    plan: Plan,
    tally: Tally,
    *,
    skeletons: Sequence[str],
    max_std: float,
    unread: int = 0,
    models: Sequence[str] = (),
    config: str = '',
) -> Path:
    """Write the page, and its figures as json beside it.

    The same data give the same bytes: it has no date, and not the command.

    Args:
        path: Of the page; ``completed.parquet`` is beside it.
        plan: What was completed.
        tally: Its counts.
        skeletons: What every person got.
        max_std: The threshold, in sizes.
        unread: Persons whose image could not be read.
        models: What predicted, in words.
        config: The config's text.
    """
    groups = candidates(tally, plan.persons, most=KEPT)
    pictures = draw_persons(
        path.parent / TABLE, Path(plan.image_root), groups, skeletons, each=EACH
    )
    page = report.Report(
        title=f'Every person in {_listed(skeletons)}',
        answer=_answer(plan, tally, skeletons),
        flags=_flags(plan, tally, skeletons, unread, models),
        sections=[
            _overview(plan, tally, skeletons),
            _pictures(pictures),
            _agreement(tally, skeletons),
            _joints(tally, skeletons),
            _method(skeletons, max_std, models),
        ],
        about=report.About(
            config=config, versions=versions(), files={e.name: e.skeleton for e in plan.entries}
        ),
    )
    return report.write_report(path, page)


def _answer(plan: Plan, tally: Tally, skeletons: Sequence[str]) -> str:
    shares = [f"{_filled(tally.joints(n)):.0%} of {n}'s joints" for n in skeletons]
    return f'{plan.persons:,} persons of {plan.images:,} images have {_listed(shares)}.'


def _flags(
    plan: Plan, tally: Tally, skeletons: Sequence[str], unread: int, models: Sequence[str]
) -> list[report.Flag]:
    flags = []
    if unread:
        noun = 'person was' if unread == 1 else 'persons were'
        flags.append(
            report.Flag(
                f'{unread} {noun} completed without a prediction, because the image cannot be '
                'read: unread.tsv lists them.'
            )
        )
    if plan.left_out:
        noun = 'annotated person is' if plan.left_out == 1 else 'annotated persons are'
        flags.append(
            report.Flag(
                f'{plan.left_out} {noun} not in here, because the dataset does not read them: '
                'left_out.tsv says why.'
            )
        )
    for name in skeletons:
        if not _filled(tally.joints(name)):
            flags.append(report.Flag(f'Nobody has a joint of {name}: no source knows it.'))
    if not models:
        flags.append(
            report.Flag('No checkpoint was given, so nothing was predicted.', level='note')
        )
    return flags


def _overview(plan: Plan, tally: Tally, skeletons: Sequence[str]) -> report.Section:
    order = [*range(1, len(PROVENANCE)), NONE]
    by_skeleton = []
    for name in skeletons:
        counts = tally.joints(name).sum(axis=0)
        total = counts.sum()
        shares = [float(counts[code] / total) or None for code in order]
        by_skeleton.append((name, int(total), *shares))
    entries = []
    for entry in plan.entries:
        shares = [_filled(tally.provenance[entry.name, name]) for name in skeletons]
        labelled = entry.labelled / (entry.persons * len(get_skeleton(entry.skeleton)))
        entries.append((entry.name, entry.skeleton, entry.persons, entry.images, labelled, *shares))
    columns: list[report.Column | str] = [
        'skeleton',
        report.Column('joints', 'number', about='persons x joints of the skeleton'),
        *(
            report.Column(_HEADINGS[PROVENANCE[code]], 'percent', about=_ABOUT[PROVENANCE[code]])
            for code in order
        ),
    ]
    filled = [
        report.Column(n, 'percent', about=f'joints of {n} that are filled') for n in skeletons
    ]
    return report.Section(
        title='What there is',
        blocks=[
            report.Table(
                title='Joints by where they come from',
                columns=columns,
                rows=by_skeleton,
                note='In per cent of all joints of all persons.',
            ),
            report.Table(
                title='Joints that are filled, by entry',
                columns=[
                    'entry',
                    'annotated in',
                    report.Column('persons', 'number'),
                    report.Column('images', 'number', about='that no entry above has'),
                    report.Column('annotated', 'percent', about='joints of its own skeleton'),
                    *filled,
                ],
                rows=entries,
                note='In per cent of the joints of the skeleton.',
            ),
        ],
    )


def _pictures(pictures: Sequence[report.Picture]) -> report.Section:
    return report.Section(
        title='Persons',
        blocks=[
            report.Pictures(
                title='In every skeleton',
                pictures=pictures,
                lead='"The best" are the surest, "the worst" the most doubtful: by the mean '
                'standard deviation of the joints that are not annotated, in sizes of the person, '
                'the threshold standing in where one is empty.',
                note='Marks have the colour and the form of where the joint comes from; a circle '
                'around it has the radius of one standard deviation. Click to enlarge.',
            )
        ],
    )


def _agreement(tally: Tally, skeletons: Sequence[str]) -> report.Section:
    pairs = (CHECKED, *combinations(SOURCES, 2))
    counts = {
        (name, pair): found
        for name in skeletons
        for pair in pairs
        if (found := tally.agreement.get((name, *pair))) is not None
    }
    there = [pair for pair in pairs if any(own == pair for _, own in counts)]
    if not there:
        return report.Section(
            title='How well the sources agree',
            blocks=[report.Text('No joint has two sources.')],
        )
    series = {
        _PAIRS[pair]: [
            report.Bar(label=name, value=median_of(found.sum(axis=0)), n=int(found.sum()))
            for (name, own), found in counts.items()
            if own == pair
        ]
        for pair in there
    }
    blocks: list[report.Block] = [
        report.Bars(title='All joints', series=series, unit='%', digits=1)
    ]
    for name in skeletons:
        own = [pair for pair in there if (name, pair) in counts]
        rows = []
        for place, joint in enumerate(get_skeleton(name).joints):
            medians = [median_of(counts[name, pair][place]) for pair in own]
            if np.isfinite(medians).any():
                rows.append((joint, *(v if np.isfinite(v) else None for v in medians)))
        if rows:
            columns: list[report.Column | str] = [
                'joint',
                *(report.Column(_PAIRS[pair], 'percent') for pair in own),
            ]
            blocks.append(report.Table(title=name, columns=columns, rows=rows))
    return report.Section(
        title='How well the sources agree',
        lead='Median distance between what two sources say of a joint, in per cent of the '
        "person's size (the square root of the area). Where the annotation is compared, the "
        "prediction is the model's own; elsewhere it is corrected by the annotated joints.",
        blocks=blocks,
    )


def _joints(tally: Tally, skeletons: Sequence[str]) -> report.Section:
    order = [*range(1, len(PROVENANCE)), NONE]
    blocks = []
    for name in skeletons:
        counts = tally.joints(name)
        shares = counts / counts.sum(axis=1, keepdims=True)
        rows = [
            (joint, *(float(v) or None for v in own[order]))
            for joint, own in zip(get_skeleton(name).joints, shares, strict=True)
        ]
        columns: list[report.Column | str] = [
            'joint',
            *(
                report.Column(
                    _HEADINGS[PROVENANCE[code]], 'percent', about=_ABOUT[PROVENANCE[code]]
                )
                for code in order
            ),
        ]
        blocks.append(report.Table(title=name, columns=columns, rows=rows))
    return report.Section(
        title='Joint by joint',
        lead='Where each joint comes from, in per cent of the persons.',
        blocks=blocks,
        folded=True,
    )


def _method(skeletons: Sequence[str], max_std: float, models: Sequence[str]) -> report.Section:
    predicted = f'Predictions are of {_listed(models)}.' if models else ''
    return report.Section(
        title='How to read this',
        blocks=[
            report.Text(
                paragraphs=[
                    'A joint that no annotation tells is left empty where its standard deviation '
                    f'exceeds {max_std:g} sizes of the person (size: square root of the area). '
                    f'{predicted}'.strip(),
                    'Files beside this page:',
                ],
                points=[
                    *(
                        f"{n}.json: COCO's format, which MMPose's CocoDataset reads with the "
                        "skeleton's metainfo and the image_root of its info; "
                        'keypoints_std in pixels and keypoints_provenance beside the keypoints'
                        for n in skeletons
                    ),
                    'completed.parquet: a row for each person with everything, also what each '
                    'source says alone',
                ],
            ),
            report.Text(
                title='Where a joint comes from',
                points=[f'{code} {name}: {_ABOUT[name]}' for code, name in enumerate(PROVENANCE)],
            ),
        ],
        folded=True,
    )


def _filled(counts: Mapping | np.ndarray) -> float:
    """Share of joints that are not empty, of counts (K, codes)."""
    table = np.asarray(counts)
    return float(1 - table[:, NONE].sum() / max(table.sum(), 1))


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f'{", ".join(most)} and {last}' if most else last
