"""Makes ``pose_worlds`` and ``export_worlds`` importable, and exports each world once."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'models')]


@pytest.fixture(scope='session')
def exported(tmp_path_factory):
    """A world by its name, exported: its model, the report, an ONNX Runtime session."""
    from export_worlds import export

    done = {}

    def get(name):
        if name not in done:
            done[name] = export(name, tmp_path_factory.mktemp('onnx') / f'{name}.onnx')
        return done[name]

    return get
