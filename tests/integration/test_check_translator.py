"""tools/check_config.py on a translator's config: what it says, and every fault at once."""

import json
import logging

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger

from hpemap_mm.engine.check_translator import check_translator, is_translator_config, relations
from hpemap_mm.skeletons import get_skeleton

SOURCE = 'mpii/vitpose-b_coco17_on_mpii_train_part.npz'
TARGET = 'mpii/mpii_train_part.json'
#: Of so few persons enough to calibrate on.
DEV = tuple(f'{part}_dataloader.dataset.split.dev=0.3' for part in ('train', 'val'))


@pytest.fixture(autouse=True)
def _data(monkeypatch, pair_files):
    monkeypatch.setenv('HPEMAP_DATA', str(pair_files))
    level = MMLogger.get_current_instance().level
    yield
    MMLogger.get_current_instance().setLevel(level or logging.INFO)  # the check makes it silent


@pytest.fixture
def path_of(project_root):
    return lambda name: project_root / 'configs' / 'translators' / f'{name}.py'


@pytest.fixture
def check(tool_here, path_of, capsys):
    """``check(name, options)`` gives the exit status and what was printed."""

    def run(name, *options):
        capsys.readouterr()
        more = ('--cfg-options', *options) if options else ()
        status = tool_here('check_config', path_of(name), *more)
        return status, capsys.readouterr().out

    return run


@pytest.fixture
def report_of(path_of):
    """``report_of(name, options)`` gives the report."""

    def run(name, **options):
        config = Config.fromfile(path_of(name))
        config.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
        return check_translator(config)

    return run


@pytest.mark.parametrize(
    'name',
    [
        'remap_coco-to-mpii',
        'affine_mpii-to-coco',
        'mlp_60e_coco-to-mpii',
        'residual_60e_coco-to-crowdpose',
        'acae_60e_coco-mpii-crowdpose-lsp',
    ],
)
def test_nothing_is_wrong_with_what_is_shipped(check, name):
    status, told = check(name)
    assert status == 0, told
    assert 'No fault found' in told


def test_what_it_tells(check):
    status, told = check('residual_60e_coco-to-mpii', *DEV)
    assert status == 0
    for expected in (
        SOURCE,
        TARGET,
        '300 pairs of 300 and 300 persons (rows)',
        'not the official head boxes',
        'derived from left_hip, right_hip',
        'estimate from left_shoulder, right_shoulder',
        'the source has every joint of everybody',
        'parameters',
        'No picture',
    ):
        assert expected in told
    assert 'Remark' not in told
    # The files are told once, not once for each part.
    assert told.count(TARGET) == 1


def test_joints_are_counted(report_of, pair_files):
    rows = json.loads((pair_files / TARGET).read_text())
    report = report_of('residual_60e_mpii-to-coco')
    train = next(part for part in report.pairs if part.split == 'train')
    known = np.array([row['joints_vis'] for row in rows], bool)
    chosen = train.pairs.target.ids
    mpii = get_skeleton('mpii')
    assert [fact.joint for fact in train.source_joints] == list(mpii.joints)
    assert [fact.known for fact in train.source_joints] == known[chosen].sum(0).tolist()
    assert all(fact.known == len(train.pairs) for fact in train.target_joints)
    face = {fact.joint: fact.relation for fact in train.target_joints}
    assert (face['nose'], face['left_wrist']) == ('none', 'same')


def test_relations_of_two_skeletons():
    found = {
        joint: (relation, sources)
        for joint, relation, sources in relations(*map(get_skeleton, ('coco', 'mpii')))
    }
    assert found['left_hip'] == ('same', ('left_hip',))
    assert found['pelvis'] == ('derived', ('left_hip', 'right_hip'))
    assert found['upper_neck'] == ('estimate', ('left_shoulder', 'right_shoulder'))
    assert found['head_top'] == ('none', ())
    near = {j: (r, s) for j, r, s in relations(*map(get_skeleton, ('aic', 'mpii')))}
    assert near['head_top'] == ('near', ('head_top',))


def test_every_fault_at_once(check, tmp_path):
    (tmp_path / 'broken.json').write_text('[{"image": ')
    parts = [f'{part}_dataloader.dataset' for part in ('train', 'val', 'test')]
    status, told = check(
        'residual_60e_coco-to-mpii',
        *(f'{part}.source.file=nowhere.npz' for part in parts),
        f'test_dataloader.dataset.source.file={SOURCE}',
        f'test_dataloader.dataset.target.file={tmp_path / "broken.json"}',
        'model.width=none',
        'custom_hooks=[]',
        'test_cfg.type=TestLoop',
        'test_evaluator=[]',
    )
    assert status == 1
    for expected in (
        'nowhere.npz',
        '(is not there)',
        'broken.json',
        'CalibrationHook',
        'TranslatorTestLoop',
        'CrossEvaluator',
        '  - model\n',
        'fix:',
        '6 faults:',
    ):
        assert expected in told, told
    assert 'Traceback' not in told


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'model__target': 'crowdpose'}, 'go from coco to mpii'),
        ({'model__sorce': 'coco'}, 'sorce'),
        ({'train_dataloader__dataset__part': 'training'}, "part is one of ('train', 'dev'"),
        ({'train_dataloader__dataset__match': 'name'}, 'match is one of'),
        ({'train_dataloader__dataset__source__skeleton': 'cocoo'}, 'cocoo'),
        ({'train_dataloader__dataset__augment': [{'type': 'Flipp'}]}, 'Flipp'),
        ({'train_dataloader__collate_fn__type': 'pseudo_collate'}, 'as_is'),
        ({'val_dataloader': None}, 'is not there'),
    ],
)
def test_a_fault_is_named(report_of, options, expected):
    problems = list(report_of('residual_60e_coco-to-mpii', **options).problems)
    assert any(expected in f'{p.what} {p.fix}' for p in problems), problems


def test_images_of_the_test_in_training(report_of):
    report = report_of('remap_coco-to-mpii', test_dataloader__dataset__split__seed=1)
    parts = {part.split: set(part.pairs.target.image_ids.tolist()) for part in report.pairs}
    for split in ('train', 'val'):
        shared = len(parts[split] & parts['test'])
        told = f"{shared} of {len(parts['test'])} images of 'mpii' are in {split}_dataloader too"
        assert (told in [p.what for p in report.problems]) is (shared > 0)
    assert parts['train'] & parts['test']


def test_a_sideways_shift_is_found(report_of, tmp_path, pair_files):
    with np.load(pair_files / SOURCE) as arrays:
        points = arrays['keypoints']
    np.savez(tmp_path / 'shifted.npz', keypoints=points + [10.0, 0.0])
    files = {
        f'{part}_dataloader__dataset__source__file': str(tmp_path / 'shifted.npz')
        for part in ('train', 'val', 'test')
    }
    plain, shifted = (report_of('remap_coco-to-mpii', **more) for more in ({}, files))
    assert abs(plain.pairs[0].shift) < 0.005 < shifted.pairs[0].shift
    assert not [remark for remark in plain.remarks if 'sizes to the right' in remark]
    (remark,) = [remark for remark in shifted.remarks if 'sizes to the right' in remark]
    assert 'the source lies' in remark and 'correct_shift=True' in remark
    # Read the other way round it is the target that lies there.
    back = report_of('remap_mpii-to-coco', **files)
    assert back.pairs[0].shift == pytest.approx(shifted.pairs[0].shift, rel=0.2)
    (remark,) = [remark for remark in back.remarks if 'sizes to the right' in remark]
    assert 'the target lies' in remark and 'of the pairs' in remark


def test_too_few_to_calibrate_on(report_of):
    few = report_of('residual_60e_coco-to-mpii')
    (remark,) = [remark for remark in few.remarks if 'calibrate' in remark]
    # 34 persons: left and right ankles are calibrated together, of head tops there is one each.
    assert 'head_top' in remark and 'left_ankle' not in remark


def test_what_a_translator_is(project_root, path_of):
    assert is_translator_config(Config.fromfile(path_of('acae_60e_coco-mpii-crowdpose-lsp')))
    path = project_root / 'configs' / 'union' / 'union_micro_40e_real_128x128.py'
    assert not is_translator_config(Config.fromfile(path))
