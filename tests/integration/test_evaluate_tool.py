"""tools/evaluate.py as a person runs it: quick to start, right on real files, clear on bad ones."""

import json
import runpy
import subprocess
import sys

import numpy as np
import pytest

PROBE = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
except SystemExit as done:
    status = done.code
heavy = {'torch', 'mmengine', 'mmpose', 'mmcv', 'torchvision', 'pycocotools'}
sys.stderr.write('loaded: ' + ' '.join(sorted(heavy & {m.partition('.')[0] for m in sys.modules})))
sys.exit(status)
"""


@pytest.fixture
def evaluate(project_root, tmp_path):
    """Run the tool: ``evaluate(PREDICTIONS, TRUTH, ...)`` gives the process and the figures."""

    def run(*arguments):
        tool = str(project_root / 'tools' / 'evaluate.py')
        out = tmp_path / 'out'
        done = subprocess.run(
            [sys.executable, '-c', PROBE, tool, *map(str, arguments), '--out', str(out)],
            capture_output=True,
            text=True,
        )
        scores = out / 'scores.json'
        return done, json.loads(scores.read_text()) if scores.is_file() else None

    return run


@pytest.fixture
def files(tmp_path):
    """Two persons of COCO's skeleton with areas, and detections of them."""
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 100, (2, 17, 2))
    np.savez(
        tmp_path / 'truth.npz',
        keypoints=keypoints,
        visible=np.full((2, 17), 2),
        image_ids=[1, 2],
        boxes=[[0, 0, 100, 100]] * 2,
        areas=[5300, 5300],
    )
    rows = [
        {
            'image_id': image,
            'keypoints': np.column_stack([points + 1, np.ones(17)]).ravel().tolist(),
            'score': 0.9,
        }
        for image, points in zip((1, 2), keypoints, strict=True)
    ]
    (tmp_path / 'found.json').write_text(json.dumps(rows))
    return tmp_path


def test_it_needs_no_torch(evaluate, files):
    done, scores = evaluate(
        files / 'found.json', files / 'truth.npz', '--from', 'coco', '--to', 'coco'
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.rstrip().endswith('loaded:')
    (cell,) = scores['matrix']['cells']
    assert cell['figures']['PCK@0.05_bbox']['value'] == 1.0
    assert cell['how'] == 'by OKS'
    assert scores['command'].startswith('python ')
    for expected in ('PCK@0.05_bbox', 'left_wrist', 'NMS: none', 'first pixel at 0', 'report.html'):
        assert expected in done.stdout
    assert (files / 'out' / 'report.json').is_file()
    assert 'left_wrist' in (files / 'out' / 'report.html').read_text()


def test_what_may_stand_in_is_an_option(evaluate, files):
    arguments = (files / 'found.json', files / 'truth.npz', '--from', 'coco', '--to', 'coco')
    done, scores = evaluate(*arguments, '--base', 1, '--no-report', '--replicates', 0)
    assert done.returncode == 0
    assert not (files / 'out' / 'report.html').exists()
    (cell,) = scores['matrix']['cells']
    # The detections lie one pixel off; as 1-based they lie on the truth.
    assert cell['figures']['KS']['value'] == pytest.approx(1.0)
    assert cell['figures']['KS']['low'] is None
    assert any('first pixel at 1' in note for note in cell['notes'])


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['{f}/nowhere.json', '{f}/truth.npz', '--from', 'coco', '--to', 'coco'], 'is not there'),
        (['{f}/found.json', '{f}/truth.npz', '--from', 'cooc', '--to', 'coco'], 'known are'),
        (['{f}/found.json', '{f}/truth.npz', '--from', 'mpii', '--to', 'coco'], 'row'),
        (['{f}/found.json', '{f}/truth.npz', '--from', 'coco', '--to', 'mpii'], 'truth.npz'),
        (['{f}/bad.json', '{f}/truth.npz', '--from', 'coco', '--to', 'coco'], 'row 1'),
        (
            ['{f}/found.json', '{f}/truth.npz', '--from', 'coco', '--to', 'coco']
            + ['--images', '{f}/nowhere'],
            'is no folder',
        ),
        (
            ['{f}/found.json', '{f}/truth.npz', '--from', 'coco', '--to', 'coco']
            + ['--replicates', '-1'],
            '--replicates',
        ),
    ],
)
def test_mistakes_end_in_messages(evaluate, files, arguments, expected):
    rows = json.loads((files / 'found.json').read_text())
    rows[1]['keypoints'][4] = float('nan')
    (files / 'bad.json').write_text(json.dumps(rows))
    done, scores = evaluate(*(argument.format(f=files) for argument in arguments))
    assert done.returncode in (1, 2)
    assert expected in done.stderr
    assert 'Traceback' not in done.stderr
    assert scores is None


@pytest.mark.timeout(300)
def test_the_published_pckh(evaluate, shared_data):
    folder = shared_data / 'mpii'
    done, scores = evaluate(
        folder / 'resnet50_mpii16_on_mpii_val.mat',
        folder / 'mpii_val.json',
        *('--from', 'mpii', '--to', 'mpii', '--replicates', 100, '--no-report'),
    )
    assert done.returncode == 0, done.stderr
    figures = scores['matrix']['cells'][0]['figures']
    assert 100 * figures['PCKh@0.5']['value'] == pytest.approx(88.225, abs=0.001)
    assert 100 * figures['PCKh@0.1']['value'] == pytest.approx(28.569, abs=0.001)
    assert figures['PCKh@0.5']['low'] < 0.88225 < figures['PCKh@0.5']['high']


@pytest.mark.timeout(300)
def test_pictures_of_the_persons(evaluate, shared_data, tmp_path):
    folder = shared_data / 'coco_subset'
    truth = json.loads((folder / 'person_keypoints_val2017.json').read_text())
    rows = [
        {
            'image_id': a['image_id'],
            'annotation_id': a['id'],
            'keypoints': a['keypoints'],
            'score': 1,
        }
        for a in truth['annotations']
    ]
    (tmp_path / 'own.json').write_text(json.dumps(rows))
    done, scores = evaluate(
        tmp_path / 'own.json',
        folder / 'person_keypoints_val2017.json',
        *('--from', 'coco', '--to', 'coco', '--images', folder / 'val2017', '--replicates', 0),
        *('--pictures', 2),
    )
    assert done.returncode == 0, done.stderr
    assert scores['matrix']['cells'][0]['figures']['AP']['value'] == pytest.approx(1.0)
    page = (tmp_path / 'out' / 'report.html').read_text()
    assert page.count('data:image/jpeg;base64') == 6


def test_a_translator_is_one_more_row(project_root, files, tmp_path, monkeypatch, capsys):
    from hpemap_mm import apis
    from hpemap_mm.skeletons import get_skeleton

    class Shifted:
        name, source, target = 'shifted', get_skeleton('coco'), get_skeleton('coco')

        def __call__(self, keypoints, scores=None):
            return type('Answer', (), {'keypoints': keypoints + 30.0})

    asked = []
    monkeypatch.setattr(
        apis, 'load_translator', lambda *given: asked.append(given) or Shifted(), raising=False
    )
    tool = runpy.run_path(str(project_root / 'tools' / 'evaluate.py'))
    read = [str(files / 'found.json'), str(files / 'truth.npz')]
    arguments = [*read, '--from', 'coco', '--to', 'coco', '--replicates', '0']
    out = ['--out', str(tmp_path / 'out'), '--translator', 'c.py', 'c.pth']
    assert tool['main']([*arguments, *out]) == 0

    assert asked == [('c.py', 'c.pth')]
    printed = capsys.readouterr().out
    assert 'coco~shifted->coco' in printed and 'all ways on the same joints' in printed
    scores = json.loads((tmp_path / 'out' / 'scores.json').read_text())
    assert scores['matrix']['representations'] == ['coco', 'coco~shifted']
    assert scores['translator 1'] == 'c.py, c.pth'
