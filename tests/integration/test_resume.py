"""A run that was killed and resumed ends in the weights of one that was not, bit for bit."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

pytestmark = pytest.mark.slow


def command(project_root, config, work_dir, *more):
    tool = str(project_root / 'tools' / 'train.py')
    return [sys.executable, '-W', 'ignore', tool, str(config), '--work-dir', str(work_dir), *more]


def environment():
    return {**os.environ, 'OMP_NUM_THREADS': '1'}


def final_weights(work_dir):
    checkpoint = torch.load(work_dir / 'epoch_4.pth', weights_only=True)
    return checkpoint['state_dict'], checkpoint['optimizer']['state']


@pytest.mark.timeout(600)
def test_killed_and_resumed_ends_bit_identical(project_root, tiny_config, tmp_path):
    config = tiny_config('multihead')
    whole = tmp_path / 'whole'
    log = tmp_path / 'whole.log'
    start = time.monotonic()
    with log.open('w') as out:
        subprocess.run(
            command(project_root, config, whole),
            check=True,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment(),
        )
    took = time.monotonic() - start

    killed = tmp_path / 'killed'
    # A random moment after the first checkpoint; the seed changes from day to day, and is told.
    seed = int(time.time() // 86400)
    rng = random.Random(seed)
    process = subprocess.Popen(
        command(project_root, config, killed),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
    )
    try:
        while not list(killed.glob('epoch_*.pth')) and process.poll() is None:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 0.15 * took))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, f'it ended before it was killed (seed {seed})'
    reached = max(int(p.stem.split('_')[1]) for p in killed.glob('epoch_*.pth'))

    done = subprocess.run(
        command(project_root, config, killed, '--resume'),
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    (expected, moments), (got, other_moments) = final_weights(whole), final_weights(killed)
    assert expected.keys() == got.keys()
    different = [key for key in expected if not torch.equal(expected[key], got[key])]
    assert not different, f'killed in or after epoch {reached} (seed {seed}): {different[:5]}'
    for key, state in moments.items():
        assert torch.equal(state['exp_avg'], other_moments[key]['exp_avg'])
    # Equal weights are not a matter of course: an epoch earlier they were others.
    before = torch.load(whole / 'epoch_3.pth', weights_only=True)['state_dict']
    assert not all(torch.equal(expected[key], before[key]) for key in expected)
