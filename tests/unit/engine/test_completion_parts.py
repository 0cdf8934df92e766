"""What a completion's runner is made of: who is who, the bar, the models, the page."""

import json
import os
import re
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / 'completion'))

from completion_worlds import pipeline, write_world  # noqa: E402
from test_run_files import SKELETONS, Run  # noqa: E402
from test_run_predictions import build, request_of  # noqa: E402

from hpemap_mm.completion.reading import read_entries  # noqa: E402
from hpemap_mm.completion.shards import ShardFolder  # noqa: E402
from hpemap_mm.completion.tally import Doubt, Tally  # noqa: E402
from hpemap_mm.engine import completion_progress  # noqa: E402
from hpemap_mm.engine.completion_models import Predictor  # noqa: E402
from hpemap_mm.engine.completion_page import write_page  # noqa: E402
from hpemap_mm.engine.completion_pictures import (  # noqa: E402
    candidates,
    draw_persons,
    draw_row,
    read_rows,
)
from hpemap_mm.engine.completion_progress import Watch  # noqa: E402
from hpemap_mm.engine.completion_ranks import Ranks, claimed, ranks_of, wait_for  # noqa: E402
from hpemap_mm.engine.completion_seen import Seen  # noqa: E402
from hpemap_mm.errors import DataError  # noqa: E402
from hpemap_mm.persons.provenance import GT  # noqa: E402

# -- processes ------------------------------------------------------------------------------


def test_ranks_come_from_the_launcher(monkeypatch):
    assert ranks_of('none') == Ranks(0, 1, 0)
    for name, value in (('RANK', '3'), ('WORLD_SIZE', '8'), ('LOCAL_RANK', '1')):
        monkeypatch.setenv(name, value)
    assert ranks_of('pytorch') == Ranks(3, 8, 1) and not ranks_of('pytorch').first
    for name, value in (('SLURM_PROCID', '0'), ('SLURM_NTASKS', '2'), ('SLURM_LOCALID', '0')):
        monkeypatch.setenv(name, value)
    assert ranks_of('slurm') == Ranks(0, 2, 0)
    monkeypatch.delenv('WORLD_SIZE')
    with pytest.raises(DataError, match='was not started by its launcher'):
        ranks_of('pytorch')


def test_a_claim_ends_with_its_process_and_not_with_its_children(tmp_path):
    code = (
        'import os, runpy, sys, time\n'
        'from pathlib import Path\n'
        'ranks = runpy.run_path("hpemap_mm/engine/completion_ranks.py")\n'
        'with ranks["claimed"](Path(sys.argv[1]), ranks["Ranks"]()):\n'
        '    if not os.fork():\n'
        '        time.sleep(20), os._exit(0)\n'
        '    print("held", flush=True), time.sleep(60)\n'
    )
    other = subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c', code, str(tmp_path / 'parts')],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert other.stdout.readline() == 'held\n'
    with pytest.raises(DataError, match='another process'), claimed(tmp_path / 'parts', Ranks()):
        pass
    with claimed(tmp_path / 'parts', Ranks(1, 2, 1)):  # another number
        pass
    other.kill()
    other.wait()
    with claimed(tmp_path / 'parts', Ranks()):
        pass


def test_waiting_ends_when_there_is_something():
    answers = iter([None, None, 'plan'])
    begun = time.monotonic()
    assert wait_for(lambda: next(answers)) == 'plan'
    assert time.monotonic() - begun >= 0.9


# -- progress -------------------------------------------------------------------------------


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch):
    out = StringIO()
    monkeypatch.setattr(completion_progress, 'LINE_EVERY', 0.05)
    watch = Watch(Console(file=out, width=100))
    with watch.stage('completing', 1000) as stage:
        stage.started(500)
        stage.advance(10)
        assert out.getvalue() == ''
        time.sleep(0.06)
        stage.advance(10)
    assert re.fullmatch(
        r'completing: 520 of 1,000, \d+ persons/s, 0 min \d\d s left\n', out.getvalue()
    )


def test_other_processes_say_nothing():
    out = StringIO()
    watch = Watch(Console(file=out), silent=True)
    watch.say('something')
    with watch.stage('completing', 10) as stage:
        stage.advance(10)
        stage.tell('more')
    assert out.getvalue() == ''


def test_a_terminal_has_a_bar():
    out = StringIO()
    watch = Watch(Console(file=out, force_terminal=True, width=120))
    with watch.stage('completing', 1000) as stage:
        time.sleep(0.02)
        stage.to(250)
        stage.tell('still completing')
    text = out.getvalue()
    assert 'still completing' in text and '250/1000' in text and 'persons/s' in text


def test_what_other_processes_did_is_seen(tmp_path, monkeypatch):
    run = Run(tmp_path, write_world(tmp_path / 'data', coco_persons=25, lsp_persons=20))
    shards = list(run.plan.shards())
    run.workshop.finish(run.task(shards[0]))  # there before
    stage = completion_progress.Stage('x', run.plan.persons, noun='')
    seen = Seen(run.plan, run.workshop.shards, Ranks(0, 2, 0), stage)
    assert stage.done == 2
    seen.predicted(2)
    assert stage.done == 4
    run.workshop.finish(run.task(shards[2]))
    seen.finished(shards[2])
    assert stage.done == 4
    run.workshop.finish(run.task(shards[1]))  # by the other process
    monkeypatch.setattr('hpemap_mm.engine.completion_seen.LOOK', 0.0)
    seen.predicted(0)
    assert stage.done == 6


# -- models ---------------------------------------------------------------------------------


def test_looking_ahead_changes_nothing(tmp_path):
    entries = write_world(tmp_path / 'data')
    read_entries(entries, tmp_path / 'index', shard_size=8)
    requests = [request_of(tmp_path, entry) for entry in ('c', 'l', 'c', 'l', 'l')]
    predictor = Predictor([], threads=1, workers=0)
    predictor._models, predictor._views = [build(), build('space')], [0, 0]
    predictor._dataset = type(predictor._dataset)([pipeline()])
    predictor._device = 'cpu'
    one_by_one = list(predictor.stream(requests))
    crops = [crops for crops, _ in one_by_one]
    ahead = list(predictor._ahead(iter(crops)))
    assert [c.entry for c, _ in ahead] == ['c', 'l', 'c', 'l', 'l']
    for (_, expected), (_, found) in zip(one_by_one, ahead, strict=True):
        for own, other in zip(expected, found, strict=True):
            assert list(own) == list(other) == ['coco', 'mpii']
            for name in own:
                np.testing.assert_array_equal(own[name].keypoints, other[name].keypoints)
                np.testing.assert_array_equal(own[name].scores, other[name].scores)


def test_errors_in_the_loader_reach_the_caller(tmp_path):
    predictor = Predictor([], threads=1, workers=1)
    predictor._models = [build()]
    predictor._device = 'cpu'
    threads = torch.get_num_threads()

    def requests():
        raise DataError('the index cannot be read')
        yield

    with pytest.raises(DataError, match='the index cannot be read'):
        list(predictor.stream(requests()))
    torch.set_num_threads(threads)


# -- the page -------------------------------------------------------------------------------


@pytest.fixture
def merged(tmp_path):
    run = Run(tmp_path, write_world(tmp_path / 'data', coco_persons=25, lsp_persons=20))
    run.finish()
    tally, _ = run.merge()
    return run, tally


def page_of(merged, **more):
    run, tally = merged
    path = write_page(
        run.out / 'index.html', run.plan, tally, skeletons=SKELETONS, max_std=0.5, **more
    )
    return path.read_text(), json.loads(path.with_suffix('.json').read_text())


def test_the_page_has_the_counts(merged):
    run, tally = merged
    html, plain = page_of(merged, models=['epoch_8.pth'])
    assert '45 persons of 4 images' in html and 'epoch_8.pth' in html
    tables = {
        block['title']: block
        for section in plain['sections']
        for block in section['blocks']
        if block.get('kind') == 'table'
    }
    rows = {row[0]: row for row in tables['Joints by where they come from']['rows']}
    for name in SKELETONS:
        counts = tally.joints(name)
        assert rows[name][1] == counts.sum()
        assert (rows[name][2] or 0) == pytest.approx(counts[:, GT].sum() / counts.sum())
        assert sum(value or 0 for value in rows[name][2:]) == pytest.approx(1)
    entries = {row[0]: row for row in tables['Joints that are filled, by entry']['rows']}
    assert entries['c'][1:4] == ['coco', 25, 2] and entries['l'][1:4] == ['lsp', 20, 2]
    (section,) = [s for s in plain['sections'] if s['title'] == 'How well the sources agree']
    bars, own, *_ = section['blocks']
    assert own['title'] == 'coco' and own['columns'][1]['name'] == 'annotated, predicted'
    (pair,) = [bar for bar in bars['series']['annotated, predicted'] if bar['label'] == 'coco']
    assert pair['n'] == run.plan.entries[0].labelled
    groups = [
        picture['group']
        for section in plain['sections']
        for block in section['blocks']
        if block.get('kind') == 'pictures'
        for picture in block['pictures']
    ]
    assert {group: groups.count(group) for group in groups} == {'best': 6, 'worst': 6, 'random': 6}


def test_the_same_data_give_the_same_page(merged):
    assert page_of(merged) == page_of(merged)


def test_the_page_says_what_is_missing(merged):
    html, _ = page_of(merged, unread=3)
    assert '3 persons were completed without a prediction' in html
    assert 'No checkpoint was given' in html
    html, _ = page_of(merged, models=['x'])
    assert 'were completed without' not in html and 'No checkpoint' not in html
    run, tally = merged
    for key, counts in tally.provenance.items():
        if key[1] == 'mpii':
            counts[:, 0] = counts.sum(axis=1)
            counts[:, 1:] = 0
    html, _ = page_of((run, tally))
    assert 'Nobody has a joint of mpii' in html


def test_pictures_are_left_out_where_the_image_is_gone(merged):
    run, _ = merged
    for path in (run.folder / 'data' / 'images').iterdir():
        path.unlink()
    _, plain = page_of(merged)
    (block,) = [b for s in plain['sections'] for b in s['blocks'] if b.get('kind') == 'pictures']
    assert block['pictures'] == []


def test_nobody_is_chosen_twice():
    doubts = [Doubt(value=i / 10, id=i) for i in range(1, 13)]
    tally = Tally(surest=doubts, doubtful=doubts[::-1])
    groups = candidates(tally, 12, most=3)
    assert groups['best'] == [1, 2, 3] and groups['worst'] == [12, 11, 10]
    assert groups['random'] and set(groups['random']) <= set(range(4, 10))
    assert candidates(tally, 12, most=3) == groups
    few = candidates(Tally(surest=doubts[:2], doubtful=doubts[:2]), 2, most=3)
    assert few['best'] == [1] and few['worst'] == [2]


def test_pictures_are_of_many_images(merged):
    run, _ = merged
    rows = read_rows(run.out / 'completed.parquet', range(1, 46))
    groups = {'best': list(range(1, 40))}  # the first thirteen are on a.png
    pictures = draw_persons(
        run.out / 'completed.parquet',
        run.folder / 'data' / 'images',
        groups,
        ['lsp'],
        each=5,
    )
    images = [picture.caption.rpartition(', ')[2] for picture in pictures]
    assert images[:4] == ['a.png', 'b.png', 'x.png', 'y.png'] and images[4] == 'a.png'
    assert [rows[i]['image'] for i in (1, 2)] == ['a.png', 'a.png']


def test_a_persons_marks_are_where_the_joints_are(merged):
    run, _ = merged
    row = read_rows(run.out / 'completed.parquet', [26])[26]
    assert row['entry'] == 'l' and row['id'] == 26
    image = np.zeros((90, 120, 3), np.uint8)
    picture = draw_row(image, row, ['lsp'])
    # White marks of the annotation are in the second panel, and nowhere else but in the captions.
    white = (picture > 250).all(axis=2)
    height, width = white.shape
    panel = white[: height - 100, : width // 2]
    body = slice(90, height - 100)
    assert not panel[body].any()
    count, _ = cv2.connectedComponents(white[body, width // 2 :].astype(np.uint8))
    assert 5 < count - 1 <= sum(code == GT for code in row['lsp_provenance'])


def test_shards_of_nobody_are_none(tmp_path):
    assert ShardFolder(tmp_path / 'none', ['coco'], None).done() == set()
    assert os.listdir(tmp_path) == []
