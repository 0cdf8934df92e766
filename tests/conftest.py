"""What all tests share: the real data where it is present, and one thread per worker."""

import os
import signal
from pathlib import Path

import pytest

import hpemap_mm  # noqa: F401 - before any test imports mmpose

# Read by torch and numpy when they are first imported: tests run in several processes.
os.environ.setdefault('OMP_NUM_THREADS', '1')

# A shell ignores SIGINT for what it starts in the background, and so do then its children: tests
# that stop a tool by it would wait for nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PROJECT_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='session')
def project_root() -> Path:
    """The checkout that is being tested."""
    return PROJECT_ROOT


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Folder of real COCO, MPII and LSP samples; skips where there is none.

    ``HPEMAP_DATA`` names it; otherwise it is ``../shared/data`` beside the checkout.
    """
    named = os.environ.get('HPEMAP_DATA')
    folder = Path(named) if named else PROJECT_ROOT.parent / 'shared' / 'data'
    if not folder.is_dir():
        if named:  # asked for by name: a typo must not pass as "nothing to test"
            pytest.fail(f'HPEMAP_DATA names {folder}, which is not a folder.')
        pytest.skip(f'no real data: {folder} is not there and HPEMAP_DATA is not set')
    return folder
