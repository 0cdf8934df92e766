"""tools/translate.py as a person runs it, and stops it; the translator is a stand-in."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

#: Runs the tool with hpemap_mm.apis.load_translator replaced: no network is needed to see what
#: the tool does with files. The translator takes its time where PAUSE says so.
DRIVER = """
import os, runpy, sys, time, types
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[2:]
from stream_worlds import Remap

class Slow(Remap):
    def __call__(self, keypoints, scores=None):
        time.sleep(float(os.environ.get('PAUSE', 0)))
        return super().__call__(keypoints, scores)

def load_translator(config, checkpoint, *, source=None, target=None):
    return Slow(source or 'coco', target or 'mpii')

apis = types.ModuleType('hpemap_mm.apis')
apis.load_translator = load_translator
sys.modules['hpemap_mm.apis'] = apis
runpy.run_path(sys.argv[0], run_name='__main__')
"""
JOINTS = 17


@pytest.fixture
def command(project_root, tmp_path):
    worlds = project_root / 'tests' / 'unit' / 'persons' / 'streams'
    for name in ('config.py', 'best.pth'):
        (tmp_path / name).write_text('')
    head = [sys.executable, '-c', DRIVER, str(worlds), str(project_root / 'tools/translate.py')]

    def build(*arguments):
        return [*head, 'config.py', 'best.pth', *map(str, arguments)]

    return build


@pytest.fixture
def environment(project_root):
    return {**os.environ, 'PYTHONPATH': str(project_root), 'COLUMNS': '100'}


@pytest.fixture
def translate(command, environment, tmp_path):
    def run(*arguments):
        return subprocess.run(
            command(*arguments), cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return run


@pytest.fixture
def persons(tmp_path):
    points = np.random.default_rng(0).uniform(0, 100, (20_000, JOINTS, 2))
    np.savez(tmp_path / 'in.npz', keypoints=points)
    row = {'image_id': 1, 'category_id': 1, 'score': 0.5}
    rows = [{**row, 'keypoints': [1.5, 2, 0.5] * JOINTS}] * 6000
    (tmp_path / 'in.json').write_text(json.dumps(rows))
    return points


def test_arrays_in_and_out(translate, persons, tmp_path):
    done = translate('in.npz', 'made/out.npz')
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / 'made' / 'out.npz') as arrays:
        assert arrays['keypoints'].shape == (20_000, 16, 2)
    assert done.stdout.splitlines() == [
        'remap: coco to mpii, npz to npz',
        '20000 persons',
        '280000 of 320000 joints answered (87.5%): 240000 copied, 40000 derived',
        'median sigma: 1.75 px',
        f'written: {os.path.join("made", "out.npz")}',
    ]
    assert os.listdir(tmp_path / 'made') == ['out.npz']


def test_skeletons_can_be_named(translate, persons, tmp_path):
    done = translate('in.json', 'out.json', '--from', 'ochuman', '--to', 'aic')
    assert done.returncode == 0, done.stderr
    assert 'remap: ochuman to aic, COCO results to COCO results' in done.stdout
    assert len(json.loads((tmp_path / 'out.json').read_text())) == 6000


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('in.npz', './in.npz', '--overwrite'), 'in.npz: is the input in.npz -> name another'),
        (('in.npz', 'link.npz', '--overwrite'), 'link.npz: is the input in.npz'),
        (('in.npz', 'old.npz'), 'old.npz: is there already -> name another file, or ask for'),
        (('in.npz', 'out.txt'), "has the suffix '.txt'"),
        (('inn.npz', 'out.npz'), "inn.npz: is not there -> did you mean 'in.npz'?"),
        (('in.npz', 'out.npz', '--from', 'mpii'), '17 joints have coco'),
    ],
)
def test_mistakes(translate, persons, tmp_path, arguments, message):
    os.link(tmp_path / 'in.npz', tmp_path / 'link.npz')
    (tmp_path / 'old.npz').write_bytes(b'mine')
    before = sorted(os.listdir(tmp_path))
    data = (tmp_path / 'in.npz').read_bytes()
    done = translate(*arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert 'Traceback' not in done.stderr
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / 'in.npz').read_bytes() == data
    assert (tmp_path / 'old.npz').read_bytes() == b'mine'


def test_a_checkpoint_is_not_written_over(translate, persons, tmp_path):
    (tmp_path / 'out.npz').symlink_to('best.pth')
    done = translate('in.npz', 'out.npz', '--overwrite')
    assert done.returncode == 1
    assert 'is the input best.pth' in done.stderr


@pytest.mark.parametrize('source', ['in.npz', 'in.json'])
@pytest.mark.parametrize('suffix', ['.npz', '.json'])
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_the_middle(command, environment, persons, tmp_path, source, suffix, number):
    folder = tmp_path / 'out'
    process = subprocess.Popen(
        command(source, folder / f'x{suffix}'),
        cwd=tmp_path,
        env={**environment, 'PAUSE': '0.2'},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    # Unfinished files are there: the translation has begun.
    while not (folder.is_dir() and os.listdir(folder)) and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(number)
    _, error = process.communicate(timeout=60)

    assert not (folder / f'x{suffix}').exists()
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        return
    assert not folder.exists()  # it was made for the file
    assert process.returncode == 128 + number
    expected = 'interrupted' if number == signal.SIGINT else 'stopped by SIGTERM'
    assert expected in error
    assert 'Traceback' not in error
