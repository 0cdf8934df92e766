"""The process that completes and writes beside the model."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from completion_worlds import write_world  # noqa: E402
from test_run_files import Run  # noqa: E402

from hpemap_mm.completion import finishing  # noqa: E402
from hpemap_mm.completion.finishing import Finisher, Inline  # noqa: E402
from hpemap_mm.errors import DataError, Problem  # noqa: E402


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path, write_world(tmp_path / 'data', coco_persons=25, lsp_persons=20))


def contents(run):
    folder = run.workshop.shards.folder
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_a_process_writes_what_this_one_would(run, tmp_path):
    for finisher in (Inline(run.workshop), Finisher(run.workshop)):
        done = []
        for shard in run.plan.shards():
            finisher.put(run.task(shard))
            done += finisher.finished()
        done += finisher.wait()
        finisher.close()
        assert sorted(shard.number for shard, _ in done) == list(range(run.plan.shard_count))
        assert {unread for _, unread in done} == {0}
        found = contents(run)
        if isinstance(finisher, Inline):
            before = found
            run.workshop.shards.folder.rename(tmp_path / 'elsewhere')
    assert found == before and len(found) == 6 * run.plan.shard_count


@pytest.mark.parametrize('when', ['put', 'wait'])
def test_its_errors_reach_the_caller(run, monkeypatch, when):
    def fail(*arguments):
        raise DataError([Problem('disk', 'is full', 'make room')])

    monkeypatch.setattr(finishing.Workshop, 'finish', fail)
    finisher = Finisher(run.workshop)
    try:
        with pytest.raises(DataError, match='disk: is full -> make room'):
            for shard in run.plan.shards():
                finisher.put(run.task(shard))
                if when == 'wait':
                    finisher.wait()
    finally:
        finisher.close()


def test_errors_that_cannot_travel_are_told_in_words(run, monkeypatch):
    class Odd(Exception):
        def __reduce__(self):
            raise TypeError('no')

    def fail(*arguments):
        raise Odd('something')

    monkeypatch.setattr(finishing.Workshop, 'finish', fail)
    finisher = Finisher(run.workshop)
    try:
        with pytest.raises(RuntimeError, match='Odd: something'):
            finisher.put(run.task(next(run.plan.shards())))
            finisher.wait()
    finally:
        finisher.close()


def test_a_killed_process_is_told(run, monkeypatch):
    monkeypatch.setattr(
        finishing.Workshop, 'finish', lambda *a: os.kill(os.getpid(), signal.SIGKILL)
    )
    finisher = Finisher(run.workshop)
    try:
        with pytest.raises(DataError, match='writes shards: ended with status -9'):
            finisher.put(run.task(next(run.plan.shards())))
            finisher.wait()
    finally:
        finisher.close()


def test_it_ends_with_the_process_that_started_it(run):
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        finisher = Finisher(run.workshop)
        os.write(writer, b'%d' % finisher._process.pid)
        time.sleep(60)
        os._exit(0)
    child = int(os.read(reader, 20))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for _ in range(200):
        try:
            os.kill(child, 0)
            # Where nobody waits for orphans, they stay as zombies.
            if Path(f'/proc/{child}/stat').read_text().rpartition(')')[2].split()[0] == 'Z':
                break
        except (ProcessLookupError, FileNotFoundError):
            break
        time.sleep(0.05)
    else:
        pytest.fail('it is still there')
