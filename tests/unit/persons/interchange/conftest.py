"""Small datasets whose every number can be seen."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from hpemap_mm.persons.interchange import convert_dataset

sys.path.insert(0, str(Path(__file__).parent))

from dataset_worlds import SIZES, coco_dataset  # noqa: E402


@pytest.fixture
def photographs(tmp_path):
    """Images of the sizes that the dataset says, in a folder."""
    folder = tmp_path / 'photographs'
    for name, size in SIZES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', size).save(folder / name)
    return folder


@pytest.fixture
def coco_file(tmp_path):
    path = tmp_path / 'coco.json'
    path.write_text(json.dumps(coco_dataset()))
    return path


@pytest.fixture
def convert(tmp_path):
    """``convert(source, 'coco', 'yolo', ...)`` gives what was written, and the report."""

    def run(source, source_format, target_format, *, out=None, **options):
        if not isinstance(source, Path):
            path = tmp_path / 'source.json'
            path.write_text(json.dumps(source))
            source = path
        name = out or ('yolo' if target_format == 'yolo' else f'{target_format}.json')
        target = tmp_path / 'out' / name
        report = convert_dataset(
            source, target, source_format=source_format, target_format=target_format, **options
        )
        return target, report

    return run
