"""Translators from files, from Python."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from translator_people import COCO, people

from hpemap_mm import apis
from hpemap_mm.apis import PRETRAINED, WEIGHTS, load_translator, pretrained_translator
from hpemap_mm.errors import DataError
from hpemap_mm.evaluation.cross_metric import CrossEvaluator
from hpemap_mm.translators.acae import ACAETranslator
from hpemap_mm.translators.residual import ResidualTranslator


def config(kind='ResidualTranslator', **options):
    pair = dict(source='coco', target='mpii', width=16)
    if kind == 'ACAETranslator':
        pair = dict(skeletons=['coco', 'mpii', 'crowdpose'], width=16)
    return Config(dict(model=dict(type=f'hpemap_mm.{kind}', **{**pair, **options})))


def saved(path, translator):
    """With weights at random, so that loading them can be seen."""
    for parameter in translator.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    torch.save({'state_dict': translator.state_dict(), 'meta': {}}, path)
    return path


@pytest.fixture
def residual(tmp_path):
    return saved(
        tmp_path / 'r.pth', ResidualTranslator(source='coco', target='mpii', width=16).eval()
    )


@pytest.fixture
def acae(tmp_path):
    return saved(
        tmp_path / 'a.pth', ACAETranslator(skeletons=['coco', 'mpii', 'crowdpose'], width=16)
    )


def problems(config, checkpoint, **options):
    with pytest.raises(DataError) as caught:
        load_translator(config, checkpoint, **options)
    return str(caught.value)


def test_a_config_names_one_with_its_weights(residual, tmp_path):
    file = tmp_path / 'config.py'
    file.write_text(config().dump())

    evaluator = CrossEvaluator(
        translators=[
            dict(type='hpemap_mm.LoadedTranslator', config=str(file), checkpoint=str(residual))
        ]
    )

    (translator,) = evaluator.evaluation.translators
    points = people(COCO, 5)
    expected = load_translator(config(), residual)(points).keypoints
    np.testing.assert_array_equal(translator(points).keypoints, expected)


def test_weights_are_loaded(residual):
    own = ResidualTranslator(source='coco', target='mpii', width=16)
    own.load_state_dict(torch.load(residual, weights_only=True)['state_dict'])
    for options in ({}, {'source': 'coco', 'target': 'mpii'}):
        translator = load_translator(config(), residual, **options)
        assert not translator.training
        points = people(COCO, 5)
        np.testing.assert_array_equal(translator(points).keypoints, own(points).keypoints)


def test_a_config_may_be_a_file(project_root, tmp_path):
    file = project_root / 'configs' / 'translators' / 'remap_coco-to-mpii.py'
    translator = apis._build_translator(Config.fromfile(str(file)).model, where=str(file))
    torch.save({'state_dict': translator.state_dict()}, tmp_path / 'c.pth')
    found = load_translator(file, tmp_path / 'c.pth')
    assert (found.source.name, found.target.name, found.name) == ('coco', 'mpii', 'remap')


@pytest.mark.parametrize('kind', ['TopdownPoseEstimator', 'mmpose.HeatmapHead', 'Calibration'])
def test_a_config_of_no_translator(kind, residual):
    text = problems(Config(dict(model=dict(type=kind))), residual)
    assert f'its model is {kind!r}, no translator' in text
    assert 'name one of configs/translators' in text


@pytest.mark.parametrize('content', [{}, {'model': {}}, {'model': {'source': 'coco'}}])
def test_a_config_without_a_model(content, residual):
    assert "its model is '', no translator" in problems(Config(content), residual)


def test_a_config_with_mistakes(residual):
    assert 'config, model: ' in problems(config(breadth=3), residual)
    assert "'cocco'" in problems(config(source='cocco'), residual)
    assert 'width and depth are at least 1' in problems(config(depth=0), residual)


def test_no_config_and_no_checkpoint(tmp_path, residual):
    assert 'none.py' in problems(tmp_path / 'none.py', residual)
    assert 'no such checkpoint' in problems(config(), tmp_path / 'none.pth')


def test_weights_of_another_width(residual):
    text = problems(config(width=24), residual)
    assert 'r.pth: network.even.0.weight has shape (16, ' in text
    assert 'the model needs (24, ' in text
    assert 'use the config that the checkpoint was trained with' in text


def test_weights_of_another_depth(residual):
    assert 'the checkpoint lacks network.even.2' in problems(config(depth=3), residual)
    text = problems(config(depth=1), residual)
    assert 'the checkpoint has more than the model: network.even.1' in text


def test_weights_that_lack_some(residual, tmp_path):
    weights = torch.load(residual, weights_only=True)['state_dict']
    del weights['log_freedom'], weights['calibration.gains']
    torch.save({'state_dict': weights}, tmp_path / 'some.pth')
    text = problems(config(), tmp_path / 'some.pth')
    assert 'the checkpoint lacks calibration.gains, log_freedom' in text


def test_another_pair_than_it_has(residual):
    text = problems(config(), residual, source='aic', target='lsp')
    assert "translates from coco to mpii, not 'aic' -> leave --from out" in text
    assert "translates from coco to mpii, not 'lsp' -> leave --to out" in text


def test_a_pair_of_an_autoencoder(acae):
    found = load_translator(config('ACAETranslator'), acae, source='coco', target='crowdpose')
    whole = ACAETranslator(skeletons=['coco', 'mpii', 'crowdpose'], width=16)
    whole.load_state_dict(torch.load(acae, weights_only=True)['state_dict'])
    points = people(COCO, 5)
    wanted = whole.between('coco', 'crowdpose')(points)
    np.testing.assert_array_equal(found(points).keypoints, wanted.keypoints)


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        ({}, [(None, 'from'), (None, 'to')]),
        ({'source': 'coco'}, [(None, 'to')]),
        ({'source': 'coco', 'target': 'aic'}, [('aic', 'to')]),
        ({'source': 'lsp', 'target': 'mpii'}, [('lsp', 'from')]),
    ],
)
def test_an_autoencoder_needs_both_skeletons(acae, options, told):
    text = problems(config('ACAETranslator'), acae, **options)
    for got, option in told:
        wanted = (
            f'several skeletons; got {got!r} -> name one of coco, mpii, crowdpose by --{option}'
        )
        assert wanted in text
    assert text.count('several skeletons') == len(told)


@pytest.mark.parametrize('pair', [('coco', 'aic'), ('mpii', 'mpii'), ('', '')])
def test_pairs_that_do_not_come_along(pair):
    with pytest.raises(KeyError, match='comes along, only: coco to mpii, mpii to coco'):
        pretrained_translator(*pair)


@pytest.mark.parametrize('pair', PRETRAINED)
def test_pairs_that_come_along(pair):
    file = WEIGHTS / PRETRAINED[pair]
    if not file.is_file():
        pytest.skip(f'{file.name} is not there yet')
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 5e6
    translator = pretrained_translator(*pair)
    assert (translator.source.name, translator.target.name) == pair and not translator.training

    points = people(translator.source, 20)
    answer = translator(points)
    assert answer.answered.all() and np.isfinite(answer.radius(0.9)).any()
    hips = [skeleton.index('left_hip') for skeleton in (translator.source, translator.target)]
    off = np.linalg.norm(answer.keypoints[:, hips[1]] - points[:, hips[0]], axis=-1)
    assert np.median(off) < 20  # of people of 150 px
