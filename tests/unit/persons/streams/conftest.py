"""What runs a file through a translator."""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from hpemap_mm.persons.files.streams import translate_file

sys.path.insert(0, str(Path(__file__).parent))

from stream_worlds import ORIGINS  # noqa: E402


@pytest.fixture
def run(tmp_path):
    """Translate: ``run(source, target, content or path, '.json')`` gives summary and result."""
    numbers = itertools.count()

    def translate(translator, source, suffix='.json', **options):
        if not hasattr(source, 'exists'):
            path = tmp_path / f'in_{next(numbers)}.json'
            path.write_text(json.dumps(source))
            source = path
        out = tmp_path / f'out_{next(numbers)}{suffix}'
        summary = translate_file(translator, source, out, origin_names=ORIGINS, **options)
        if suffix == '.json':
            return summary, json.loads(out.read_text(), parse_constant=pytest.fail), out
        with np.load(out, allow_pickle=False) as arrays:
            return summary, dict(arrays), out

    return translate
