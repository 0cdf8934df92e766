import importlib.util
import json

import numpy as np
import pytest

from hpemap_mm.analysis.subject_files import SubjectFiles
from hpemap_mm.errors import DataError


@pytest.fixture(scope='module')
def tool(project_root):
    spec = importlib.util.spec_from_file_location(
        'analyze_errors', project_root / 'tools' / 'analyze_errors.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def folder(people, tmp_path_factory):
    """Two files of annotations and of predictions, as npz."""
    folder = tmp_path_factory.mktemp('files')
    for name, seed, effects in (('ours', 0, {'outwards': {'hip': 0.06}}), ('own', 4, {})):
        world = people(count=500, seed=seed)
        truth = world.truth()
        np.savez(
            folder / f'{name}_truth.npz',
            keypoints=truth.keypoints,
            visible=truth.visible,
            image_ids=truth.image_ids,
            ids=truth.ids,
            head_sizes=truth.head_sizes,
            areas=truth.areas,
            base=0,
        )
        points = world.predict(truth, **effects)
        np.savez(folder / f'{name}.npz', keypoints=points, ids=truth.ids, base=0)
    return folder


def test_reading_a_subject(folder):
    files = SubjectFiles(
        predictions=folder / 'ours.npz',
        truth=folder / 'ours_truth.npz',
        source='mpii',
        target='mpii',
    )
    told = []
    subject, notes = files.read(progress=told.append)
    assert subject.name == 'ours (mpii) on ours_truth'
    assert subject.aligned.predicted.all()
    assert told[0] == 'reading ours_truth.npz'
    assert 'ours.npz: npz, first pixel at 0' in notes


def test_nothing_to_divide_by(folder, tmp_path):
    np.savez(tmp_path / 't.npz', keypoints=np.zeros((2, 17, 2)), visible=np.ones((2, 17)), base=0)
    np.savez(tmp_path / 'p.npz', keypoints=np.zeros((2, 17, 2)), base=0)
    files = SubjectFiles(
        predictions=tmp_path / 'p.npz', truth=tmp_path / 't.npz', source='coco', target='coco'
    )
    with pytest.raises(DataError, match='no person has a size'):
        files.read()


def test_the_tool(tool, folder, tmp_path, capsys):
    arguments = [folder / 'ours.npz', folder / 'ours_truth.npz', '--from', 'mpii', '--to', 'mpii']
    arguments += ['--against', folder / 'own.npz', folder / 'own_truth.npz']
    arguments += ['--control', folder / 'own.npz', folder / 'own_truth.npz', 'mpii']
    arguments += ['--replicates', '50', '--out', tmp_path]
    assert tool.main([str(a) for a in arguments]) == 0
    printed = capsys.readouterr().out
    assert 'Not the same point' in printed
    assert 'report.html' in printed
    plain = json.loads((tmp_path / 'analysis.json').read_text())
    assert plain['main']['offsets']['verdicts']['differs'] == ['hip']
    assert [d['role'] for d in plain['differences']] == ['against', 'control']
    assert plain['against']['name'] == plain['controls'][0]['name']
    assert plain['versions']
    assert (tmp_path / 'report.html').stat().st_size > 10_000
    json.loads((tmp_path / 'report.json').read_text())


def test_half_a_second_subject(tool, folder):
    arguments = [folder / 'ours.npz', folder / 'ours_truth.npz', '--from', 'mpii', '--to', 'mpii']
    with pytest.raises(DataError, match='need --against'):
        tool.main([str(a) for a in [*arguments, '--against-from', 'coco']])
    with pytest.raises(DataError, match="'martian': is no representation"):
        tool.main([str(a) for a in [*arguments[:3], 'martian', *arguments[4:]]])
