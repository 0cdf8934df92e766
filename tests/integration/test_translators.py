"""The whole way of a user with a shipped translator config, on people who never were."""

import json

import numpy as np
import pytest
import torch
from mmengine.runner import EpochBasedTrainLoop

from hpemap_mm.engine import PoseRunner, read_checkpoint
from hpemap_mm.skeletons import get_skeleton
from hpemap_mm.translators.translation import ORIGINS

pytestmark = pytest.mark.slow

SOURCE = 'vitpose-b_coco17_on_mpii_train_part.npz'
#: The shipped recipe, but short and with a warm-up to match.
SHORT = (
    'train_dataloader.batch_size=16',
    'param_scheduler.0.end=10',
    'default_hooks.checkpoint.interval=1',
    # A resumed run must draw the same masks.
    'model.dropout=0.1',
    # Of so few persons enough to calibrate on.
    *(f'{part}_dataloader.dataset.split.dev=0.3' for part in ('train', 'val')),
)


@pytest.fixture(autouse=True)
def _here(monkeypatch, pair_files):
    monkeypatch.setenv('HPEMAP_DATA', str(pair_files))
    # The environment is not looked at, which takes seconds.
    monkeypatch.setattr(PoseRunner, '_log_env', lambda self, env_cfg: None)


@pytest.fixture
def config(project_root):
    return project_root / 'configs' / 'translators' / 'residual_60e_coco-to-mpii.py'


@pytest.fixture
def train(tool_here, config):
    """Train with the shipped config: ``train(folder, epochs, ...)``."""

    def run(folder, epochs, *arguments, seed=0):
        options = (
            *SHORT,
            f'train_cfg.max_epochs={epochs}',
            f'randomness.seed={seed}',
            f'experiment_name={folder.name}{len(list(folder.glob("*")))}',
        )
        arguments = (config, '--work-dir', folder, *arguments, '--cfg-options', *options)
        assert tool_here('train', *arguments) == 0
        return folder / f'epoch_{epochs}.pth'

    return run


def test_train_test_translate_evaluate(train, tool_here, config, pair_files, tmp_path, capsys):
    checkpoint = train(tmp_path / 'run', 8)
    capsys.readouterr()

    out = tmp_path / 'test'
    assert tool_here('test', config, checkpoint, '--out', out) == 0
    told = capsys.readouterr().out
    assert 'all ways on the same joints' in told and 'Does a mapping exist?' in told
    scores = json.loads((out / 'scores.json').read_text())
    assert set(scores['same_joints']) == {'mpii', 'mpii+30%-missing', 'mpii+10%-thrown'}
    assert set(scores['uncertainty']) == set(scores['same_joints'])
    assert set(scores['mapping']) == {'mpii'}
    cells = {
        (cell['representation'], cell['dataset']): cell['figures']['PCKh@0.1']['value']
        for cell in scores['matrix']['cells']
    }
    # What was planted is found: MPII's joints lie above COCO's.
    assert cells['coco~residual', 'mpii'] > cells['coco~remap', 'mpii'] + 0.3
    assert (out / 'report.html').stat().st_size > 1000

    given = pair_files / 'mpii' / SOURCE
    check_arrays(tool_here, config, checkpoint, given, tmp_path)
    check_json(tool_here, config, checkpoint, pair_files, tmp_path)
    check_evaluation(tool_here, config, checkpoint, given, pair_files, tmp_path)


def check_arrays(tool_here, config, checkpoint, given, tmp_path):
    """An .npz of the source in, one of the target out; positions as in the file."""
    assert tool_here('translate', config, checkpoint, given, tmp_path / 'out.npz') == 0
    with np.load(given) as source, np.load(tmp_path / 'out.npz') as made:
        mpii, coco = get_skeleton('mpii'), get_skeleton('coco')
        assert made['keypoints'].shape == (len(source['keypoints']), len(mpii), 2)
        assert np.isfinite(made['keypoints']).all() and (made['sigmas'] > 0).all()
        assert set(np.unique(made['origins'])) <= set(range(len(ORIGINS))) | set(ORIGINS)
        knees = (
            made['keypoints'][:, mpii.index('left_knee')]
            - source['keypoints'][:, coco.index('left_knee')]
        )
        sizes = np.ptp(source['keypoints'][..., 1], axis=1)
        assert 0.01 < np.median(np.linalg.norm(knees, axis=1) / sizes) < 0.1


def check_json(tool_here, config, checkpoint, pair_files, tmp_path):
    """COCO annotations in, MPII's json out, which is read as a truth again."""
    with np.load(pair_files / 'coco' / 'coco17_crowdpose14_pairs.npz') as arrays:
        persons = arrays['coco17'][:10]
    keypoints = persons.copy()
    keypoints[..., 2] *= 2
    coco = get_skeleton('coco')
    annotations = [
        {
            'id': i,
            'image_id': i // 2,
            'category_id': 1,
            'iscrowd': 0,
            'bbox': [0, 0, 900, 900],
            'area': 900 * 900 * 0.53,
            'num_keypoints': int((row[:, 2] > 0).sum()),
            'keypoints': row.reshape(-1).tolist(),
        }
        for i, row in enumerate(keypoints)
    ]
    content = {
        'images': [
            {'id': i, 'file_name': f'{i}.jpg', 'width': 900, 'height': 900} for i in range(5)
        ],
        'annotations': annotations,
        'categories': [{'id': 1, 'name': 'person', 'keypoints': list(coco.joints)}],
    }
    (tmp_path / 'coco.json').write_text(json.dumps(content))
    assert (
        tool_here('translate', config, checkpoint, tmp_path / 'coco.json', tmp_path / 'm.json') == 0
    )
    rows = json.loads((tmp_path / 'm.json').read_text())
    assert len(rows) == len(persons)
    assert all(np.shape(row['joints']) == (len(get_skeleton('mpii')), 2) for row in rows)


def check_evaluation(tool_here, config, checkpoint, given, pair_files, tmp_path):
    """In the cross evaluator a translator is one more way."""
    out = tmp_path / 'evaluate'
    arguments = ('--from', 'coco', '--to', 'mpii', '--base', 1, '--replicates', 20, '--out', out)
    truth = pair_files / 'mpii' / 'mpii_train_part.json'
    translator = ('--translator', config, checkpoint)
    assert tool_here('evaluate', given, truth, *arguments, *translator) == 0
    cells = json.loads((out / 'scores.json').read_text())['matrix']['cells']
    found = {c['representation']: c['figures']['PCKh@0.1']['value'] for c in cells}
    assert set(found) == {'coco', 'coco~residual'}
    assert found['coco~residual'] > found['coco'] + 0.3


def weights_of(checkpoint):
    content = read_checkpoint(checkpoint)
    return content['state_dict'], content['optimizer']['state']


def test_killed_and_resumed_ends_bit_identical(train, tmp_path, monkeypatch):
    whole = train(tmp_path / 'whole', 2)
    stopped = tmp_path / 'stopped'
    stopped.mkdir()

    run_iter = EpochBasedTrainLoop.run_iter

    def stop(loop, number, batch):
        if loop.epoch == 1 and number == 3:
            raise KeyboardInterrupt
        run_iter(loop, number, batch)

    with monkeypatch.context() as patch:
        patch.setattr(EpochBasedTrainLoop, 'run_iter', stop)
        with pytest.raises(KeyboardInterrupt):
            train(stopped, 2)
    assert [path.name for path in stopped.glob('epoch_*.pth')] == ['epoch_1.pth']
    # Another seed of the process: nothing may hang on it.
    torch.manual_seed(7)
    np.random.seed(7)
    epochs = []

    def count(loop, number, batch):
        epochs.append(loop.epoch)
        run_iter(loop, number, batch)

    monkeypatch.setattr(EpochBasedTrainLoop, 'run_iter', count)
    resumed = train(stopped, 2, '--resume')
    assert set(epochs) == {1}, 'the first epoch is not trained again'

    (expected, moments), (got, other_moments) = weights_of(whole), weights_of(resumed)
    assert expected.keys() == got.keys()
    for key, value in expected.items():
        # Too few persons have some joints guessed: their calibration is NaN.
        torch.testing.assert_close(got[key], value, rtol=0, atol=0, equal_nan=True)
    for key, state in moments.items():
        assert torch.equal(state['exp_avg'], other_moments[key]['exp_avg'])


def test_the_comparison_can_fail(train, tmp_path):
    """Another seed gives other weights: equal weights are not a matter of course."""
    one, other = (weights_of(train(tmp_path / str(seed), 1, seed=seed))[0] for seed in (0, 1))
    assert not all(torch.equal(one[key], other[key]) for key in one)
