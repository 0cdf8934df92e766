"""The tools as a person runs them, on a tiny network."""

import json
import os
import subprocess
import sys

import cv2
import pytest

from hpemap_mm.errors import DataError

pytestmark = pytest.mark.slow


@pytest.fixture
def tool(project_root):
    """Run a tool: ``tool('train', CONFIG, ...)`` gives the finished process."""

    def run(name, *arguments):
        return subprocess.run(
            [sys.executable, '-W', 'ignore', str(project_root / 'tools' / f'{name}.py')]
            + [str(argument) for argument in arguments],
            capture_output=True,
            text=True,
            env={**os.environ, 'OMP_NUM_THREADS': '1'},
        )

    return run


@pytest.mark.timeout(600)
def test_train_test_and_draw(tool, tiny_config, mannequin, tmp_path):
    config = tiny_config('multihead')
    work_dir = tmp_path / 'run'
    trained = tool(
        'train',
        config,
        '--work-dir',
        work_dir,
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
    )
    assert trained.returncode == 0, trained.stdout[-3000:] + trained.stderr[-3000:]
    assert 'eta' in trained.stdout + trained.stderr
    assert 'mannequin_lsp_val' in trained.stdout
    checkpoint = work_dir / 'epoch_1.pth'

    out = tmp_path / 'test'
    extras = ['--pictures', 1, '--report-pictures', 1, '--dump-predictions']
    tested = tool('test', config, checkpoint, '--out', out, *extras)
    assert tested.returncode == 0, tested.stdout[-3000:] + tested.stderr[-3000:]
    scores = json.loads((out / 'scores.json').read_text())
    assert set(scores['entries']) == {f'mannequin_{d}_val' for d in ('coco', 'mpii', 'aic', 'lsp')}
    for row in scores['entries'].values():
        assert row['persons'] > 0
        assert 0 <= row['metrics']['PCK@0.1_bbox']['mean'] <= 1
    check_matrix(tool, tmp_path, out, scores, tested.stdout)
    pictures = sorted(path.name for path in (out / 'pictures').iterdir())
    assert len(pictures) == 5
    assert 'overview.jpg' in pictures

    photograph = next((mannequin / 'images' / 'val').iterdir())
    drawn = tool(
        'demo',
        photograph,
        '--config',
        config,
        '--checkpoint',
        checkpoint,
        '--out',
        tmp_path,
        '--boxes',
        10,
        10,
        100,
        200,
    )
    assert drawn.returncode == 0, drawn.stderr[-3000:]
    picture = cv2.imread(str(tmp_path / f'{photograph.stem}.jpg'))
    # The photograph and four skeletons beside each other.
    assert picture.shape[1] > 4 * cv2.imread(str(photograph)).shape[1] * 0.5

    other = tiny_config('union')
    refused = tool('test', other, checkpoint, '--out', tmp_path / 'refused')
    assert refused.returncode == 1
    assert 'head' in refused.stderr
    assert 'Traceback' not in refused.stderr
    assert not (tmp_path / 'refused' / 'scores.json').exists()


def check_matrix(tool, tmp_path, out, scores, printed):
    """Every skeleton on every dataset: printed, in scores.json, on a page, and again from files."""
    skeletons = {'coco', 'mpii', 'aic', 'lsp'}
    cells = {(c['representation'], c['dataset']): c for c in scores['matrix']['cells']}
    assert set(cells) == {(s, f'mannequin_{d}_val') for s in skeletons for d in skeletons}
    for (row, entry), cell in cells.items():
        figure = cell['figures']['PCK@0.1_bbox']
        # The mannequin's few images may be one of a kind, and have no interval.
        assert figure['low'] is None or figure['low'] <= figure['value'] <= figure['high']
        assert cell['predicted'] == cell['persons'] > 0
        if row == cell['skeleton']:
            assert figure['value'] == scores['entries'][entry]['metrics']['PCK@0.1_bbox']['mean']
    own = cells['mpii', 'mannequin_mpii_val']['figures']['PCKh@0.5']
    assert f'│ {100 * own["value"]:.1f}' in printed
    assert '12 same, 2 derived' in printed

    page = (out / 'report.html').read_text()
    for expected in ('mannequin_lsp_val', 'PCKh@0.5', 'data:image/jpeg;base64', 'ViTPoseBackbone'):
        assert expected in page
    assert json.loads((out / 'report.json').read_text())['title'].endswith('on 4 datasets')

    again = tool(
        'evaluate',
        out / 'predictions' / 'mannequin_mpii_val.coco.npz',
        out / 'predictions' / 'mannequin_mpii_val.truth.npz',
        '--from',
        'coco',
        '--to',
        'mpii',
        '--out',
        tmp_path / 'again',
    )
    assert again.returncode == 0, again.stderr[-3000:]
    (cell,) = json.loads((tmp_path / 'again' / 'scores.json').read_text())['matrix']['cells']
    expected = cells['coco', 'mannequin_mpii_val']['figures']
    assert {n: f['value'] for n, f in cell['figures'].items()} == pytest.approx(
        {n: f['value'] for n, f in expected.items()}
    )


@pytest.mark.timeout(300)
def test_check_config_finds_nothing_wrong_with_a_sound_one(tool, tiny_config, tmp_path):
    picture = tmp_path / 'samples.jpg'
    done = tool('check_config', tiny_config('union'), '--out', picture)
    assert done.returncode == 0, done.stdout + done.stderr
    for expected in ('No fault found', 'left_wrist', 'mannequin_aic_train', 'MiB', 'persons'):
        assert expected in done.stdout
    assert cv2.imread(str(picture)) is not None


@pytest.mark.timeout(300)
@pytest.mark.parametrize('evaluator', ['CrossEvaluator', 'MultiSkeletonPCK'])
def test_check_config_where_others_skeletons_are_tested(
    tool_here, project_root, shared_data, tmp_path, monkeypatch, capsys, evaluator
):
    """Of MPII and AIC, which the model has not: judged by what it answers in COCO and LSP."""
    monkeypatch.setenv('HPEMAP_DATA', str(shared_data))
    config = project_root / 'configs/union/union_micro_8e_coco-subset_lspet_128x128.py'
    option = f'test_evaluator.type=hpemap_mm.{evaluator}'
    status = tool_here(
        'check_config', config, '--out', tmp_path / 'samples.jpg', '--cfg-options', option
    )
    out = capsys.readouterr().out
    assert status == (evaluator != 'CrossEvaluator')
    told = 'is annotated in aic, which the model does not answer in' in out
    assert told == (evaluator != 'CrossEvaluator')
    assert ('or have hpemap_mm.CrossEvaluator alone as test_evaluator' in out) == told


@pytest.mark.timeout(300)
def test_check_config_names_every_fault_at_once(tool, tiny_config, tmp_path):
    config = tiny_config('multihead')
    (tmp_path / 'broken.json').write_text('{"images": [')
    entries = 'train_dataloader.dataset.entries'
    done = tool(
        'check_config',
        config,
        '--out',
        tmp_path / 'samples.jpg',
        '--cfg-options',
        f'{entries}.mannequin_coco_train.dataset.ann_file=nowhere.json',
        f'{entries}.mannequin_aic_train.dataset.ann_file={tmp_path / "broken.json"}',
        f'{entries}.mannequin_mpii_train.skeleton=coco',
    )
    assert done.returncode == 1
    # Which entry supervises which joint is told though nothing could be read.
    assert 'yes' in done.stdout
    for expected in ('nowhere.json', 'broken.json', 'mannequin_mpii_train', 'fix:'):
        assert expected in done.stdout
    assert 'Traceback' not in done.stdout + done.stderr
    assert not (tmp_path / 'samples.jpg').exists()


@pytest.mark.timeout(300)
def test_a_users_mistake_ends_in_a_message(tool, tmp_path):
    done = tool('train', 'nowhere.py', '--work-dir', tmp_path / 'run')
    assert done.returncode == 1
    assert 'no such config' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--cfg-options', 'model.skeletons=[coco,mpi]'], 'mpi'),
        (['--resume', 'nowhere.pth'], 'no such checkpoint'),
    ],
)
def test_what_does_not_fit_is_told(tool_here, tiny_config, tmp_path, arguments, expected):
    with pytest.raises(DataError, match=expected):
        tool_here('train', tiny_config('multihead'), '--work-dir', tmp_path / 'run', *arguments)
