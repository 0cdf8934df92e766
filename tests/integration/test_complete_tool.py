"""tools/complete_dataset.py as a person runs it, stops it, and runs it again."""

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.datasets import CocoDataset

sys.path.insert(0, str(Path(__file__).parent))

from completion_runs import Server, digests  # noqa: E402

from hpemap_mm.errors import DataError  # noqa: E402
from hpemap_mm.registry import MODELS  # noqa: E402
from hpemap_mm.skeletons import get_skeleton  # noqa: E402

SKELETONS = ('coco', 'mpii', 'aic', 'lsp')
FILES = {
    *(f'{name}.json' for name in SKELETONS),
    'calibration.json',
    'completed.parquet',
    'index.html',
    'index.json',
    'plan.json',
}
COMPLETION = """
_base_ = ['{base}']
completion = dict(
    skeletons={{{{_base_.skeletons}}}},
    entries={{{{_base_.train_dataloader.dataset.entries}}}},
    calibration={{{{_base_.train_dataloader.dataset.entries}}}},
    translators=[dict(type='hpemap_mm.PretrainedTranslator', source='coco', target='mpii')],
    max_std=0.5,
    batch_size=4,
)
"""


@pytest.fixture
def config(tiny_config, tmp_path):
    path = tmp_path / 'complete.py'
    path.write_text(COMPLETION.format(base=tiny_config('multihead')))
    return path


@pytest.fixture
def weights(config, tmp_path):
    init_default_scope('mmpose')
    torch.manual_seed(0)
    path = tmp_path / 'weights.pth'
    torch.save({'state_dict': MODELS.build(Config.fromfile(config).model).state_dict()}, path)
    return path


@pytest.fixture(scope='module')
def server(project_root):
    made = Server(project_root)
    yield made
    made.close()


@pytest.fixture
def run(server, config, weights, mannequin, tmp_path):
    """Runs the tool into a folder; its status and seconds."""
    log = tmp_path / 'log.txt'

    def go(out, *more, kill_after=None, checkpoints=(weights,), world=mannequin):
        arguments = [config, *checkpoints, '--out', out, '--shard-size', 8, *more]
        return server.run(*arguments, log=log, kill_after=kill_after, HPEMAP_MANNEQUIN=str(world))

    go.log = log
    return go


def test_everything_is_written_and_nothing_else_is_touched(run, mannequin, tmp_path):
    before = digests(mannequin)
    status, _ = run(tmp_path / 'out')
    assert status == 0, run.log.read_text()
    assert digests(mannequin) == before
    assert set(digests(tmp_path / 'out')) == FILES
    table = pq.read_table(tmp_path / 'out' / 'completed.parquet')
    for name in SKELETONS:
        content = json.loads((tmp_path / 'out' / f'{name}.json').read_text())
        about = content['info']['hpemap_mm']
        dataset = CocoDataset(
            ann_file=str(tmp_path / 'out' / f'{name}.json'),
            metainfo=get_skeleton(name).metainfo(),
            data_root=str(tmp_path / 'out'),
            data_prefix=dict(img=about['image_root']),
            pipeline=[dict(type='mmpose.LoadImage')],
        )
        annotated = sum(a['num_keypoints'] > 0 for a in content['annotations'])
        assert len(dataset) == annotated > 0
        assert dataset[len(dataset) - 1]['img'].ndim == 3
        assert len(content['annotations']) == len(table)
        assert about['max_std'] == 0.5 and about['skeleton'] == name
    told = run.log.read_text()
    assert f'{len(table)} persons of 4 entries' in told
    assert 'predicted' in told and 'persons a second' in told

    again, seconds = run(tmp_path / 'out')
    assert again == 0 and 'complete already' in run.log.read_text()
    assert set(digests(tmp_path / 'out')) == FILES


def test_bytes_do_not_depend_on_workers(run, tmp_path):
    for workers in (0, 2):
        status, _ = run(tmp_path / str(workers), '--workers', workers)
        assert status == 0, run.log.read_text()
    assert digests(tmp_path / '0') == digests(tmp_path / '2')


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_and_resumed_gives_the_same_bytes(run, tmp_path):
    """benchmarks/complete_kill.py does so at twenty moments."""
    status, took = run(tmp_path / 'whole')
    assert status == 0, run.log.read_text()
    expected = digests(tmp_path / 'whole')
    seed = int(time.time() // 86400)  # changes from day to day, and is told
    rng = random.Random(seed)
    killed = 0
    for moment in (rng.uniform(low, low + 0.25) * took for low in (0.0, 0.25, 0.5, 0.7)):
        out = tmp_path / 'killed'
        status, _ = run(out, kill_after=moment)
        assert status in (0, -signal.SIGKILL)
        killed += status != 0
        status, _ = run(out)
        assert status == 0, run.log.read_text()
        assert digests(out) == expected, f'killed after {moment:.2f} s (seed {seed})'
        shutil.rmtree(out)
    assert killed > 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_give_the_bytes_of_one(
    run, config, weights, mannequin, project_root, tmp_path
):
    status, _ = run(tmp_path / 'one')
    assert status == 0, run.log.read_text()
    launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2']
    tool = str(project_root / 'tools' / 'complete_dataset.py')
    arguments = [config, weights, '--out', tmp_path / 'two', '--shard-size', 8]
    done = subprocess.run(
        [sys.executable, *launcher, tool, *map(str, arguments), '--launcher', 'pytorch'],
        capture_output=True,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'HPEMAP_MANNEQUIN': str(mannequin)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count('persons of 4 entries') == 1  # the first process says it
    assert digests(tmp_path / 'two') == digests(tmp_path / 'one')


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGTERM])
def test_stopped_and_gone_on_with(run, config, weights, mannequin, project_root, tmp_path, number):
    out = tmp_path / 'out'
    process = subprocess.Popen(
        [
            *(sys.executable, '-W', 'ignore', str(project_root / 'tools' / 'complete_dataset.py')),
            *map(str, (config, weights, '--out', out, '--shard-size', 4)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'HPEMAP_MANNEQUIN': str(mannequin)},
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list(out.glob('parts/shards/0*')) and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    # As Ctrl-C does: to all processes of the terminal.
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, error = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip('it was done before it could be stopped')
    assert process.returncode == 128 + number
    assert 'is kept: the same command goes on where this one stopped' in error
    assert 'Traceback' not in error
    done = set(os.listdir(out / 'parts' / 'shards'))
    status, _ = run(out, '--shard-size', 4)
    assert status == 0 and done, run.log.read_text()
    status, _ = run(tmp_path / 'whole', '--shard-size', 4)
    assert digests(out) == digests(tmp_path / 'whole')


@pytest.mark.slow
def test_bad_images_are_counted_and_listed(run, mannequin, tmp_path):
    copy = tmp_path / 'world'
    shutil.copytree(mannequin, copy)
    folder = copy / 'images' / 'train'
    content = json.loads((copy / 'coco' / 'train.json').read_text())
    used = {a['image_id'] for a in content['annotations'] if a['num_keypoints']}
    bad = next(folder / i['file_name'] for i in content['images'] if i['id'] in used)
    bad.write_bytes(bad.read_bytes()[:500])
    out = tmp_path / 'out'
    status, _ = run(out, world=copy)
    assert status == 0, run.log.read_text()
    lines = (out / 'unread.tsv').read_text().splitlines()[1:]
    assert lines and all(bad.name in line and 'cut off' in line for line in lines)
    assert f'{len(lines)} persons without a prediction' in run.log.read_text()
    ids = [int(line.split('\t')[0]) for line in lines]
    for annotation in json.loads((out / 'coco.json').read_text())['annotations']:
        if annotation['id'] in ids:
            assert set(annotation['keypoints_provenance']) <= {0, 1}
            assert annotation['num_keypoints'] > 0
    assert 'unread.tsv lists them' in (out / 'index.html').read_text()


@pytest.mark.slow
def test_several_models_and_none(run, config, weights, tmp_path):
    status, _ = run(tmp_path / 'two', checkpoints=(weights, f'{config}:{weights}'))
    assert status == 0, run.log.read_text()
    models = json.loads((tmp_path / 'two' / 'calibration.json').read_text())['models']
    assert len(models) == 2
    status, _ = run(tmp_path / 'none', checkpoints=())
    assert status == 0, run.log.read_text()
    for name in SKELETONS:
        content = json.loads((tmp_path / 'none' / f'{name}.json').read_text())
        codes = {c for a in content['annotations'] for c in a['keypoints_provenance']}
        assert codes <= {0, 1, 2, 3, 5} and 2 in codes
    assert 'nothing was predicted' in (tmp_path / 'none' / 'index.html').read_text()


def test_a_folder_of_another_run_is_refused(tool_here, config, tmp_path):
    out = tmp_path / 'out'
    small = ['completion.skeletons=[coco]', 'completion.translators=[]']
    tool = ('complete_dataset', config, '--out', out, '--workers', 0, '--no-page')
    assert tool_here(*tool, '--cfg-options', *small) == 0
    before = digests(out)
    with pytest.raises(DataError) as error:
        tool_here(*tool, '--cfg-options', *small, 'completion.max_std=0.25')
    (problem,) = error.value.problems
    assert problem.what == 'was started with max_std = 0.5, this is 0.25'
    assert 'name another --out' in problem.fix
    with pytest.raises(DataError, match='shard_size = 512, this is 8'):
        tool_here(*tool, '--shard-size', 8, '--cfg-options', *small)
    assert digests(out) == before


def test_a_changed_annotation_file_is_another_run(
    tool_here, config, mannequin, tmp_path, monkeypatch
):
    world = tmp_path / 'world'
    shutil.copytree(mannequin, world)
    monkeypatch.setenv('HPEMAP_MANNEQUIN', str(world))
    tool = ('complete_dataset', config, '--out', tmp_path / 'out', '--workers', 0, '--no-page')
    assert tool_here(*tool) == 0
    path = world / 'aic' / 'train.json'
    path.write_text(path.read_text() + '\n')
    with pytest.raises(DataError, match=r'was started with files\..*aic/train\.json'):
        tool_here(*tool)


def test_what_is_gone_from_a_finished_folder_is_made_again(tool_here, config, tmp_path, capfd):
    out = tmp_path / 'out'
    tool = ('complete_dataset', config, '--out', out, '--workers', 0)
    few = ['--cfg-options', 'completion.skeletons=[coco,mpii]', 'completion.translators=[]']
    assert tool_here(*tool, *few, '--no-page') == 0
    whole = digests(out)
    (out / 'mpii.json').unlink()
    assert tool_here(*tool, *few, '--no-page') == 0
    assert 'mpii.json is not there: completing again' in capfd.readouterr().err
    assert digests(out) == whole
    assert tool_here(*tool, *few) == 0  # now with the page
    assert 'index.html is not there' in capfd.readouterr().err
    assert set(digests(out)) == {*whole, 'index.html', 'index.json'}
    assert tool_here(*tool, *few) == 0
    assert 'complete already' in capfd.readouterr().out


def test_persons_that_are_not_read_are_told(
    tool_here, config, mannequin, tmp_path, monkeypatch, capsys
):
    world = tmp_path / 'world'
    shutil.copytree(mannequin, world)
    monkeypatch.setenv('HPEMAP_MANNEQUIN', str(world))
    path = world / 'aic' / 'train.json'
    content = json.loads(path.read_text())
    del content['annotations'][0]['bbox']
    path.write_text(json.dumps(content))
    assert tool_here('complete_dataset', config, '--out', tmp_path / 'out', '--workers', 0) == 0
    assert '1 annotated person is not in it' in capsys.readouterr().out
    head, row = (tmp_path / 'out' / 'left_out.tsv').read_text().splitlines()
    assert head.split('\t') == ['entry', 'source_id', 'image', 'reason']
    assert row.startswith('mannequin_aic_train\t') and row.endswith('\tit has no bbox')
    assert 'left_out.tsv says why' in (tmp_path / 'out' / 'index.html').read_text()


def test_a_folder_with_other_things_is_refused(tool_here, config, mannequin, tmp_path):
    before = digests(mannequin)
    with pytest.raises(DataError, match='holds other things .* nothing is written over'):
        tool_here('complete_dataset', config, '--out', mannequin)
    with pytest.raises(DataError, match='is no folder'):
        tool_here('complete_dataset', config, '--out', config)
    assert digests(mannequin) == before


def test_mistakes_are_told_at_once(tool_here, config, tiny_config, tmp_path):
    tool = ('complete_dataset', config, tmp_path / 'epoch_9.pth', '--out', tmp_path / 'out')
    with pytest.raises(DataError) as error:
        tool_here(
            *tool,
            *('--threads', 0, '--cfg-options', 'completion.skeletonz=[coco]'),
        )
    assert "has the unknown key 'skeletonz'" in str(error.value)
    options = ['completion.skeletons=[cocoo]', 'completion.max_std=0', 'completion.batch_size=0']
    with pytest.raises(DataError) as error:
        tool_here(*tool, '--threads', 0, '--cfg-options', *options)
    text = str(error.value)
    for part in ("Unknown skeleton 'cocoo'", 'max_std is 0', 'batch_size is 0', '--threads: is 0'):
        assert part in text
    assert 'epoch_9.pth: no such checkpoint' in text
    with pytest.raises(DataError, match=r'no completion = dict\(\.\.\.\)'):
        tool_here('complete_dataset', tiny_config('multihead'), '--out', tmp_path / 'out')
    with pytest.raises(DataError, match='RANK is not set'):
        tool_here(*tool, '--launcher', 'pytorch')
    assert not (tmp_path / 'out').exists()


def test_wrong_translators_are_told_before_anything_is_read(tool_here, config, tmp_path):
    options = ["completion.translators=[{'type':'hpemap_mm.PretrainedTranslator'}]"]
    tool = ('complete_dataset', config, '--out', tmp_path / 'out', '--cfg-options', *options)
    with pytest.raises(DataError, match='config, completion'):
        tool_here(*tool)
    assert not (tmp_path / 'out' / 'plan.json').exists()


def test_two_runs_into_one_folder_are_refused(tool_here, config, tmp_path):
    out = tmp_path / 'out'
    (out / 'parts').mkdir(parents=True)
    lock = out / 'parts' / 'process-0.lock'
    code = (
        'import fcntl, sys, time; file = open(sys.argv[1], "w"); '
        'fcntl.lockf(file, fcntl.LOCK_EX); print("held", flush=True); time.sleep(60)'
    )
    other = subprocess.Popen(
        [sys.executable, '-c', code, str(lock)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == 'held\n'
        with pytest.raises(DataError, match='another process .* is completing into this folder'):
            tool_here('complete_dataset', config, '--out', out, '--workers', 0, '--no-page')
    finally:
        other.kill()
        other.wait()
    assert tool_here('complete_dataset', config, '--out', out, '--workers', 0, '--no-page') == 0


def test_parts_that_were_removed_are_made_again(tool_here, config, tmp_path, monkeypatch):
    from hpemap_mm.engine import completion_run

    tool = ('complete_dataset', config, '--workers', 0, '--no-page', '--out')
    assert tool_here(*tool, tmp_path / 'whole') == 0

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(completion_run.Completion, '_merge', stop)
        with pytest.raises(KeyboardInterrupt):
            tool_here(*tool, tmp_path / 'out')
    shutil.rmtree(tmp_path / 'out' / 'parts')
    assert tool_here(*tool, tmp_path / 'out') == 0
    assert digests(tmp_path / 'out') == digests(tmp_path / 'whole')


def test_a_full_disk_is_told(tool_here, config, tmp_path, monkeypatch):
    from hpemap_mm.completion import shards

    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, 'No space left on device', 'x.parquet')

    tool = ('complete_dataset', config, '--out', tmp_path / 'out', '--no-page', '--workers')
    with monkeypatch.context() as patched:
        patched.setattr(shards.pq, 'write_table', full)
        for workers in (0, 1):
            with pytest.raises(DataError, match=r'x\.parquet: there is no room') as error:
                tool_here(*tool, workers)
            assert 'the same command goes on' in error.value.problems[0].fix
    assert tool_here(*tool, 0) == 0


def test_the_help_says_what_threads_do(tool_here, capsys):
    with pytest.raises(SystemExit):
        tool_here('complete_dataset', '--help')
    text = ' '.join(capsys.readouterr().out.split())
    assert 'They change the last bits' in text and 'torchrun' in text


def test_the_fingerprint_knows_content_not_names(config, weights, tmp_path):
    from hpemap_mm.engine.completion_settings import read_settings

    def fingerprint(*more):
        return read_settings(config, [str(weights)], *more)[1].fingerprint()

    first = fingerprint()
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert first['models'][0]['checkpoint'] == digest
    assert len(first['files']) == 4 and first['threads'] == 1
    assert json.loads(json.dumps(first)) == first
    assert {'torch', 'numpy', 'mmpose', 'pyarrow', 'opencv', 'hpemap_mm'} <= first[
        'versions'
    ].keys()
    assert fingerprint() == first
