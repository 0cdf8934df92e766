"""Models of ours: into the common form and back, and configs in files of strangers."""

import logging
from functools import cache, partial

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from published import THREE, same, vitpose, vitpose_plus

from hpemap_mm.apis import load_model
from hpemap_mm.checkpoints import (
    build_on_meta,
    configs_like,
    initial_model,
    load_pose_weights,
    model_config,
    model_config_of,
    pose_weights_of,
    read_tensors,
    to_hpemap,
    write_weights,
)
from hpemap_mm.errors import DataError
from hpemap_mm.registry import MODELS

ARCH = dict(embed_dim=16, depth=2, num_heads=2)
CODEC = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
LOSS = dict(type='KeypointMSELoss', use_target_weight=True)
CLASSIC = dict(
    type='HeatmapHead',
    in_channels=16,
    deconv_out_channels=(256, 256),
    deconv_kernel_sizes=(4, 4),
    decoder=CODEC,
    loss=LOSS,
)
SIMPLE = dict(type='hpemap_mm.SimpleHeatmapHead', in_channels=16, decoder=CODEC, loss=LOSS)
DENSE = dict(type='hpemap_mm.ViTPoseBackbone', arch=ARCH, img_size=(48, 64))
MOE = dict(
    DENSE,
    type='hpemap_mm.ViTPoseMoEBackbone',
    experts=['coco', 'mpii'],
    expert_width=5,
    serves={'aic': 'mpii'},
)
UNION = dict(kind='union', skeletons=['coco', 'mpii', 'aic'])


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpose')


def multi_head(backbone=DENSE, head=CLASSIC, **kwargs):
    return dict(
        type='hpemap_mm.MultiHeadPoseEstimator',
        backbone=backbone,
        skeletons=kwargs.pop('skeletons', ['coco', 'mpii']),
        head=head,
        **kwargs,
    )


def joint_space(backbone=DENSE, head=CLASSIC, space=UNION):
    return dict(
        type='hpemap_mm.JointSpacePoseEstimator', backbone=backbone, head=head, joint_space=space
    )


MODELS_OF_OURS = {
    'dense': multi_head(),
    'simple': multi_head(head=SIMPLE),
    'no-last-norm': multi_head(dict(DENSE, final_norm=False)),
    'mixed': multi_head(
        heads=dict(mpii=dict(SIMPLE, _delete_=True), lsp_train=dict(skeleton='lsp'))
    ),
    'moe': multi_head(MOE, heads=dict(of_aic=dict(skeleton='aic'))),
    'union': joint_space(),
    'near': joint_space(space=dict(UNION, merge='near')),
    'concat': joint_space(space=dict(kind='concat', skeletons=['coco', 'lsp'])),
    'preset': joint_space(head=SIMPLE, space=dict(kind='preset', name='bmp-23')),
    'moe-union': joint_space(MOE),
}


def built(config):
    torch.manual_seed(0)
    return MODELS.build(config).eval()


@pytest.mark.parametrize('name', MODELS_OF_OURS)
def test_into_the_common_form_and_back(tmp_path, name):
    model = built(MODELS_OF_OURS[name])
    weights = pose_weights_of(model)
    tensors = to_hpemap(weights)
    assert same(tensors, dict(model.state_dict()))
    # The config that goes with the file builds the same model, which gives the same heatmaps.
    for suffix in ('.pth', '.safetensors'):
        path = tmp_path / f'x{suffix}'
        write_weights(path, tensors, {'model': model_config(weights)})
        again = built(model_config_of(read_tensors(path).meta, where=path))
        again.load_state_dict(read_tensors(path).tensors, strict=True)
        loaded = load_pose_weights(path)
        assert loaded.found.kind == 'hpemap'
        assert same(to_hpemap(loaded.known()), tensors)
        known = loaded.known()
        assert (known.experts, dict(known.serves)) == (weights.experts, dict(weights.serves))
    x = torch.randn(1, 3, 64, 48)
    with torch.no_grad():
        a, b = model(x, None, mode='tensor'), again(x, None, mode='tensor')
    as_dict = (lambda out: out) if isinstance(a, dict) else (lambda out: {'space': out})
    assert same(as_dict(a), as_dict(b))


def test_without_a_config_names_and_widths_tell(tmp_path):
    weights = pose_weights_of(built(multi_head()))
    write_weights(tmp_path / 'x.pth', to_hpemap(weights), {})
    found = load_pose_weights(tmp_path / 'x.pth', num_heads=2).known()
    assert list(found.heads) == ['coco', 'mpii'] and same(to_hpemap(found), to_hpemap(weights))
    weights = pose_weights_of(built(MODELS_OF_OURS['mixed']))
    write_weights(tmp_path / 'x.pth', to_hpemap(weights), {})
    question = load_pose_weights(tmp_path / 'x.pth', num_heads=2).question
    assert "heads ['lsp_train'] are named for no skeleton" in str(question)
    # A model says so, too; and one of other weights is refused.
    model = build_on_meta(MODELS_OF_OURS['mixed'])
    found = load_pose_weights(tmp_path / 'x.pth', model=model).known()
    assert same(to_hpemap(found), to_hpemap(weights))
    with pytest.raises(DataError, match='the model lacks heads.lsp_train'):
        load_pose_weights(tmp_path / 'x.pth', model=build_on_meta(multi_head()))


def test_models_that_cannot_be_converted():
    timm = dict(type='hpemap_mm.TimmBackbone', model_name='vit_tiny_patch16_224', img_size=(48, 64))
    softmax = dict(SIMPLE, type='hpemap_mm.SoftmaxHeatmapHead', layout='simple', loss=None)
    narrow = dict(CLASSIC, deconv_out_channels=(8, 8))
    for config, message in (
        (multi_head(timm, dict(SIMPLE, in_channels=192)), 'a TimmBackbone cannot be converted'),
        (multi_head(head=softmax), "head 'coco', a SoftmaxHeatmapHead, cannot"),
        (multi_head(head=narrow), "head 'coco' is none of ViTPose's two decoders"),
    ):
        with pytest.raises(DataError, match=message):
            pose_weights_of(build_on_meta(config))
    with pytest.raises(DataError, match='a Linear cannot be converted'):
        pose_weights_of(torch.nn.Linear(1, 1))


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        (('type',), 'os.system', r"model\.type is 'os\.system'"),
        (('backbone', 'type'), 'subprocess.run', r"backbone\.type is 'subprocess\.run'"),
        (('head', 'loss', 'type'), 'builtins.print', r"head\.loss\.type is 'builtins\.print'"),
        (('head', 'decoder'), [dict(type='os.system')], r"decoder\.0\.type is 'os\.system'"),
        (('head', 'type'), 'hpemap_mm.LoadedTranslator', 'none of hpemap_mm.Classic'),
        (('head', 'type'), 'hpemap_mm.ViTPoseBackbone', 'none of hpemap_mm.Classic'),
        (('head', 'final_layer'), dict(type='DWPoseDistiller'), 'none of no class'),
        (('joint_space',), dict(kind='preset', type='DWPoseDistiller'), 'none of no class'),
        (('backbone', 'type'), 'hpemap_mm.TimmBackbone', 'none of hpemap_mm.ViTPoseBackbone'),
        (('backbone', 'init_cfg'), dict(type='Pretrained', checkpoint='x'), 'a further file'),
        (('head', 'type'), ['os', 'system'], 'head.type is a list, none of'),
        (('backbone',), 'os.system', r'backbone\.type is None'),
        (('consistency',), dict(type='translators'), 'none of ontology'),
        (('metainfo',), dict(from_file='x.py'), r'model\.metainfo is nothing'),
        (('head', 'loss', '_scope_'), 'evil', r'head\.loss\._scope_ is .evil.: it would have'),
    ],
)
def test_a_config_in_a_file_may_name_what_our_models_have_only(tmp_path, path, value, message):
    # MMEngine imports and calls what 'type' names.
    weights = pose_weights_of(built(multi_head()))
    config = model_config(weights)
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    write_weights(tmp_path / 'x.pth', to_hpemap(weights), {'model': config})
    with pytest.raises(DataError, match=message):
        load_pose_weights(tmp_path / 'x.pth')


@pytest.mark.parametrize('place', ['neck', 'data_preprocessor', 'head', 'own neck'])
def test_a_class_that_runs_a_config_is_refused(tmp_path, place):
    # It is registered, and its constructor runs the configs that it is given.
    trap, evil = tmp_path / 'executed', tmp_path / 'evil.py'
    evil.write_text(f'import os\nos.mkdir({str(trap)!r})\n')
    distiller = dict(type='DWPoseDistiller', teacher_cfg=str(evil), student_cfg=str(evil))
    weights = pose_weights_of(built(multi_head()))
    config = model_config(weights)
    if place == 'own neck':
        config['heads'] = {'mpii': {'neck': distiller}}
    else:
        config[place] = distiller
    write_weights(tmp_path / 'x.pth', to_hpemap(weights), {'model': config})
    with pytest.raises(DataError, match='DWPoseDistiller'):
        load_pose_weights(tmp_path / 'x.pth')
    assert not trap.exists()


def test_a_scope_in_a_file_imports_nothing(tmp_path, monkeypatch):
    (tmp_path / 'evilscope').mkdir()
    code = f'import os\nos.mkdir({str(tmp_path / "executed")!r})\n'
    (tmp_path / 'evilscope' / '__init__.py').write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    weights = pose_weights_of(built(multi_head()))
    config = model_config(weights)
    config['backbone']['_scope_'] = 'evilscope'
    write_weights(tmp_path / 'x.pth', to_hpemap(weights), {'model': config})
    with pytest.raises(DataError, match='_scope_.*have a package imported'):
        load_pose_weights(tmp_path / 'x.pth')
    assert not (tmp_path / 'executed').exists()


def test_initial_weights_are_made_without_a_word(capfd):
    MMLogger.get_current_instance().setLevel('INFO')
    first, again = (initial_model(multi_head(), seed=3).state_dict() for _ in range(2))
    assert same(first, again)
    assert capfd.readouterr() == ('', '')
    assert MMLogger.get_current_instance().level == logging.INFO


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(backbone=dict(DENSE, arch='Q')), "built: .*'Q'"),
        (dict(backbone=dict(DENSE, arch=dict(foo=1))), 'foo'),
        (dict(backbone=dict(DENSE, frob=1)), 'frob'),
        (dict(backbone=dict(DENSE, img_size='x')), 'cannot be built'),
        (dict(head=None), 'cannot be built'),
        (dict(skeletons=['newer']), "Unknown skeleton 'newer'"),
        (dict(skeletons=[]), 'at least one skeleton'),
        (dict(test_cfg=dict(answer='newer')), 'newer'),
        (dict(head=dict(CLASSIC, decoder=dict(CODEC, sigma='a'))), "sigma is 'a', no number"),
        (dict(backbone=dict(DENSE, arch=dict(ARCH, depth=10**9))), 'more than 1000 blocks'),
        (dict(data_preprocessor=dict(type='PoseDataPreprocessor', mean='a')), 'cannot be built'),
    ],
)
def test_a_config_that_builds_nothing_ends_in_a_message(tmp_path, change, message):
    weights = pose_weights_of(built(multi_head()))
    config = {**model_config(weights), **change}
    config = {key: value for key, value in config.items() if value is not None}
    write_weights(tmp_path / 'x.pth', to_hpemap(weights), {'model': config})
    for read in (load_pose_weights, partial(load_model, None)):
        with pytest.raises(DataError, match=rf'x\.pth: .*{message}.*--config'):
            read(tmp_path / 'x.pth')


def test_no_memory_is_taken_for_a_model_that_the_weights_do_not_fit(tmp_path):
    weights = pose_weights_of(built(multi_head()))
    # A position embedding of 250 TB.
    config = {**model_config(weights), 'backbone': dict(DENSE, img_size=[32_000_000, 32_000_000])}
    write_weights(tmp_path / 'x.pth', to_hpemap(weights), {'model': config})
    for read in (load_pose_weights, partial(load_model, None)):
        with pytest.raises(DataError, match='backbone.pos_embed has shape'):
            read(tmp_path / 'x.pth')


def test_an_input_size_that_is_left_to_its_default(tmp_path):
    backbone = {key: value for key, value in DENSE.items() if key != 'img_size'}
    codec = dict(CODEC, input_size=(192, 256), heatmap_size=(48, 64))
    config = multi_head(backbone, head=dict(CLASSIC, decoder=codec))
    write_weights(tmp_path / 'x.pth', built(config).state_dict(), {'model': config})
    pipeline = load_model(None, tmp_path / 'x.pth').cfg.test_dataloader.dataset.pipeline
    assert pipeline[2].input_size == (192, 256)


def test_weights_of_others_are_to_be_converted_first(tmp_path):
    state = vitpose(depth=1)
    torch.save({'state_dict': state, 'meta': [1]}, tmp_path / 'x.pth')
    torch.save({'model': state}, tmp_path / 'mae.pth')
    (tmp_path / 'hf').mkdir()
    for name, what in (
        ('x.pth', "weights are vitpose's"),
        ('mae.pth', 'no state_dict'),
        ('hf', 'is a folder'),
    ):
        with pytest.raises(DataError, match=rf'{what}.*tools/convert_checkpoint\.py .*/{name} '):
            load_model(None, tmp_path / name)


def test_a_config_without_an_end_is_refused():
    endless = {}
    endless['again'] = endless
    config = multi_head(test_cfg=endless)
    with pytest.raises(DataError, match='more than 10000 entries'):
        model_config_of({'model': config}, where='x.pth')


@pytest.mark.parametrize('name', MODELS_OF_OURS)
def test_models_of_ours_are_allowed(name):
    config = MODELS_OF_OURS[name]
    assert model_config_of({'model': config}, where='x.pth') == config


def test_the_registry_does_call_what_a_type_names(tmp_path):
    # Why the test above matters.
    MODELS.build(dict(type='os.mkdir', path=str(tmp_path / 'called')))
    assert (tmp_path / 'called').exists()


def test_the_shipped_config_of_a_model_is_found(tmp_path, project_root, monkeypatch):
    folder = project_root / 'configs'
    # Each is read once for all of the questions.
    monkeypatch.setattr(Config, 'fromfile', cache(Config.fromfile))

    def names(state, **options):
        torch.save({'state_dict': state}, tmp_path / 'x.pth')
        weights = load_pose_weights(tmp_path / 'x.pth', **options).known()
        return [path.stem for path in configs_like(weights, folder)]

    three = names(vitpose(THREE, depth=12))
    assert three == ['multihead_vitpose-s_8xb128-210e_coco-mpii-aic_256x192']
    union = names(vitpose((23,), depth=12), space=UNION)
    assert union == ['union_vitpose-s_8xb128-210e_coco-mpii-aic_256x192']
    (plus,) = names(vitpose_plus(depth=12))
    assert plus.startswith('moe_vitpose-s') and plus.endswith('wholebody_256x192')
    # The predecessor's order is another one, and no config has the simple decoder.
    assert names(vitpose((23,), depth=12)) == []
    assert names(vitpose(THREE, depth=12, layout='simple')) == []
    # Experts of another order are another model's.
    assert names(vitpose_plus(THREE, depth=12)) == []
