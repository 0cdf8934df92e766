"""Against transformers' VitPose at random weights: its heatmaps, and back its tensors."""

import json

import pytest
import torch
from mmengine.registry import init_default_scope
from published import relative_error, same, vitpose, vitpose_plus

from hpemap_mm.checkpoints import (
    hf_processor,
    load_pose_weights,
    model_config,
    statement,
    to_hf,
    to_hpemap,
    to_vitpose,
    write_weights,
)
from hpemap_mm.errors import DataError
from hpemap_mm.files import write_json
from hpemap_mm.registry import MODELS

transformers = pytest.importorskip('transformers')

SIZES = {
    'tiny': dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, part_features=8),
    'S': dict(hidden_size=384, num_hidden_layers=12, num_attention_heads=12, part_features=96),
    'B': dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, part_features=192),
}


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpose')


def hugging_face(size='tiny', *, experts=1, simple=False, image=(256, 192), **backbone):
    """transformers' model with random weights and statistics."""
    options = SIZES[size]
    config = transformers.VitPoseConfig(
        backbone_config=transformers.VitPoseBackboneConfig(
            image_size=list(image),
            num_experts=experts,
            out_indices=[options['num_hidden_layers']],
            **{**options, **backbone},
        ),
        num_labels=17,
        use_simple_decoder=simple,
    )
    model = transformers.VitPoseForPoseEstimation(config)
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith('running_var'):
                tensor.copy_(torch.rand(tensor.shape, generator=g) + 0.5)
            elif tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=g) * 0.1)
    return model.eval()


def images(count=2, size=(256, 192)):
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def converted(tmp_path, theirs):
    """Weights from a folder that transformers wrote, and our model with them."""
    theirs.save_pretrained(tmp_path / 'theirs')
    loaded = load_pose_weights(tmp_path / 'theirs')
    assert loaded.found.kind == 'hf' and not loaded.found.dropped
    weights = loaded.known()
    ours = MODELS.build(model_config(weights))
    ours.load_state_dict(to_hpemap(weights), strict=True)
    return weights, ours.eval()


def error_of(theirs, ours, chosen, x):
    """Relative error of our heatmaps, each image by its expert (None: a dense model)."""
    with torch.no_grad():
        index = None if chosen is None else torch.tensor(chosen)
        expected = theirs(x, dataset_index=index).heatmaps
        feats = ours.backbone(x) if chosen is None else ours.backbone(x, chosen)
        found = ours.heads['coco'].forward(feats)
    assert found.shape == expected.shape
    return relative_error(found, expected)


DECODERS = pytest.mark.parametrize('simple', [False, True], ids=['classic', 'simple'])
EXPERTS = pytest.mark.parametrize('experts', [1, 6], ids=['dense', 'moe'])


@DECODERS
@EXPERTS
def test_heatmaps_and_round_trip(tmp_path, experts, simple):
    theirs = hugging_face(experts=experts, simple=simple)
    weights, ours = converted(tmp_path, theirs)
    x = images()
    for chosen in [None] if experts == 1 else [(0, 1), (2, 3), (5, 4)]:
        assert error_of(theirs, ours, chosen, x) < 1e-5
    tensors, config = to_hf(weights)
    assert same(tensors, theirs.state_dict())
    # What is written loads in transformers, every tensor of it, and computes the same.
    write_weights(tmp_path / 'back' / 'model.safetensors', tensors, {})
    write_json(tmp_path / 'back' / 'config.json', config)
    again, report = transformers.VitPoseForPoseEstimation.from_pretrained(
        tmp_path / 'back', output_loading_info=True
    )
    assert not any(report[key] for key in ('missing_keys', 'unexpected_keys', 'mismatched_keys'))
    assert error_of(again, ours, None if experts == 1 else (3, 0), x) < 1e-5
    assert again.config.id2label[0] == 'nose'


@pytest.mark.parametrize(
    ('size', 'experts', 'simple'),
    [
        ('S', 1, True),
        ('S', 6, False),
        pytest.param('B', 1, False, marks=pytest.mark.slow),
        pytest.param('B', 6, True, marks=pytest.mark.slow),
    ],
)
def test_published_sizes(tmp_path, size, experts, simple):
    theirs = hugging_face(size, experts=experts, simple=simple)
    weights, ours = converted(tmp_path, theirs)
    assert weights.letter == size
    assert error_of(theirs, ours, None if experts == 1 else (4,), images(1)) < 1e-5
    assert same(to_hf(weights)[0], theirs.state_dict())


def test_back_to_hugging_face_is_identical_from_vitpose(tmp_path):
    theirs = hugging_face(experts=6)
    theirs.save_pretrained(tmp_path / 'a')
    weights = load_pose_weights(tmp_path / 'a').known()
    torch.save({'state_dict': to_vitpose(weights)}, tmp_path / 'x.pth')
    loaded = load_pose_weights(tmp_path / 'x.pth', num_heads=4)
    assert loaded.found.kind == 'vitpose++'
    assert same(to_hf(loaded.known())[0], theirs.state_dict())


def test_files_alone_bin_and_shards(tmp_path):
    theirs = hugging_face()
    state = theirs.state_dict()
    theirs.save_pretrained(tmp_path / 'a')
    # A file of the folder finds the config beside it.
    assert load_pose_weights(tmp_path / 'a' / 'model.safetensors').known().arch.num_heads == 4
    # Elsewhere the number of attention heads must be said.
    alone = tmp_path / 'alone.safetensors'
    alone.write_bytes((tmp_path / 'a' / 'model.safetensors').read_bytes())
    with pytest.raises(ValueError, match='width of 32.*--num-heads'):
        load_pose_weights(alone)
    assert same(to_hf(load_pose_weights(alone, num_heads=4).known())[0], state)
    (tmp_path / 'bin').mkdir()
    torch.save(state, tmp_path / 'bin' / 'pytorch_model.bin')
    (tmp_path / 'bin' / 'config.json').write_text((tmp_path / 'a' / 'config.json').read_text())
    assert same(to_hf(load_pose_weights(tmp_path / 'bin').known())[0], state)
    theirs.save_pretrained(tmp_path / 'shards', max_shard_size='1MB')
    assert len(list((tmp_path / 'shards').glob('*.safetensors'))) > 1
    assert same(to_hf(load_pose_weights(tmp_path / 'shards').known())[0], state)


def test_another_input_size_comes_with_the_config(tmp_path):
    theirs = hugging_face(image=(64, 96))
    theirs.save_pretrained(tmp_path / 'a')
    weights = load_pose_weights(tmp_path / 'a').known()
    assert weights.input_size == (96, 64)  # 24 patches are no square and no 3:4 grid
    ours = MODELS.build(model_config(weights))
    ours.load_state_dict(to_hpemap(weights), strict=True)
    x = images(1, (64, 96))
    with torch.no_grad():
        found = ours.eval()(x, None, mode='tensor')['coco']
        assert relative_error(found, theirs(x).heatmaps) < 1e-5


@pytest.mark.parametrize('own', [True, False], ids=['ours', 'of others'])
@pytest.mark.parametrize('name', ['ap10k', 'apt36k', 'mpii'])
def test_the_skeleton_is_in_the_config(tmp_path, name, own):
    state = {**vitpose_plus(depth=1, width=32, layout='simple')}
    torch.save(state, tmp_path / 'x.pth')
    whole = load_pose_weights(tmp_path / 'x.pth', num_heads=4).known()
    alone = whole.only(name, keep_experts=True)
    tensors, config = to_hf(alone)
    meta = statement(alone) if own else {}
    write_weights(tmp_path / 'a' / 'model.safetensors', tensors, meta)
    write_json(tmp_path / 'a' / 'config.json', config)
    loaded = load_pose_weights(tmp_path / 'a')
    if name == 'apt36k' and not own:
        # Its joints have the names of AP-10K's.
        assert any("ap10k's (as are those of apt36k: --skeletons)" in n for n in loaded.notes)
        loaded = load_pose_weights(tmp_path / 'a', skeletons=[name])
    assert list(loaded.known().heads) == [name]
    assert same(to_vitpose(loaded.known().only(name)), to_vitpose(whole.only(name)))


@pytest.fixture
def folder(tmp_path):
    """Write a small folder of Hugging Face's, with changes; it."""
    state = vitpose((17,), depth=2, width=32, layout='simple')
    torch.save(state, tmp_path / 'x.pth')
    tensors, config = to_hf(load_pose_weights(tmp_path / 'x.pth', num_heads=4).known())

    def write(weights=None, backbone=None, **head):
        changed = {k: t for k, t in {**tensors, **(weights or {})}.items() if t is not None}
        write_weights(tmp_path / 'a' / 'model.safetensors', changed, {})
        own = {**config['backbone_config'], **(backbone or {})}
        write_json(tmp_path / 'a' / 'config.json', {**config, 'backbone_config': own, **head})
        return tmp_path / 'a'

    return write


LAYER = 'backbone.encoder.layer.1.'


@pytest.mark.parametrize(
    ('name', 'tensor', 'message'),
    [
        ('layernorm_before.weight', torch.ones(5), r'has shape \(5,\), expected \(32,\)'),
        ('attention.attention.key.weight', None, 'is missing'),
        ('attention.attention.value.bias', torch.ones(3), r'has shape \(3,\), expected \(32,\)'),
        ('attention.attention.query.weight', torch.ones(32, 30), r'has shape \(32, 30\)'),
        ('mlp.fc2.bias', None, 'is missing'),
    ],
)
def test_faults_are_told_by_the_names_of_the_file(folder, name, tensor, message):
    with pytest.raises(DataError, match=f'{LAYER}{name} {message}') as error:
        load_pose_weights(folder({LAYER + name: tensor}))
    assert len(error.value.problems) == 1


def test_faults_of_heads_are_told_by_the_names_of_the_file(folder):
    with pytest.raises(DataError, match=r'a: head\.conv\.bias has shape \(3,\)'):
        load_pose_weights(folder({'head.conv.bias': torch.ones(3)}))


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        *(('image_size', value, 'no size in pixels') for value in ([], [256], None, 'x', [0, 9])),
        ('patch_size', 0, 'no size in pixels'),
        ('num_attention_heads', 0, 'no number from 1'),
        ('num_attention_heads', 'x', 'no number from 1'),
        ('layer_norm_eps', 'x', 'no number'),
        ('hidden_act', 'relu', "not 'gelu'"),
        ('hidden_size', 33, 'not 32'),
        ('num_experts', 6, 'not 1'),
        ('out_indices', [1], 'not the last block, 2'),
        ('out_indices', 'x', 'not the last block, 2'),
        ('out_indices', 1, 'not the last block, 2'),
    ],
)
def test_configs_that_are_no_vitposes(folder, key, value, message):
    with pytest.raises(DataError, match=rf'config\.json: backbone_config\.{key} is .*{message}'):
        load_pose_weights(folder(backbone={key: value}))


def test_configs_of_other_decoders(folder):
    with pytest.raises(DataError, match=r'config\.json: scale_factor is 2, not 4'):
        load_pose_weights(folder(scale_factor=2))
    with pytest.raises(DataError, match=r'backbone_config is \[1\], no dict'):
        load_pose_weights(folder(backbone_config=[1]))
    assert not any('decoder' in note for note in load_pose_weights(folder()).notes)
    notes = load_pose_weights(folder(use_simple_decoder=False)).notes
    assert any('use_simple_decoder False, its weights are those of a simple' in n for n in notes)
    # What the user says is not asked of the config.
    path = folder(backbone={'image_size': [], 'num_attention_heads': 'x'})
    assert load_pose_weights(path, num_heads=4, source_grid=(12, 16)).known().arch.num_heads == 4


def test_the_norms_epsilon_is_told(tmp_path):
    hugging_face().save_pretrained(tmp_path / 'a')
    assert any('layer_norm_eps 1e-12' in note for note in load_pose_weights(tmp_path / 'a').notes)
    hugging_face(layer_norm_eps=1e-6).save_pretrained(tmp_path / 'b')
    assert not any('eps' in note for note in load_pose_weights(tmp_path / 'b').notes)


def test_the_config_has_only_fields_that_transformers_knows(tmp_path):
    hugging_face(experts=6).save_pretrained(tmp_path / 'a')
    weights = load_pose_weights(tmp_path / 'a').known()
    _, config = to_hf(weights)
    known = json.loads((tmp_path / 'a' / 'config.json').read_text())
    assert config.keys() <= known.keys()
    assert config['backbone_config'].keys() <= known['backbone_config'].keys()
    assert config['backbone_config']['num_experts'] == 6
    assert config['backbone_config']['part_features'] == 8
    processor = pytest.importorskip('transformers').VitPoseImageProcessor(**hf_processor(weights))
    assert dict(processor.size) == {'height': 256, 'width': 192}
