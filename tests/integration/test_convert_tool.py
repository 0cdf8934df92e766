"""tools/convert_checkpoint.py as a person runs it."""

import importlib.util
import json
import os

import pytest
import torch
from mmengine.registry import init_default_scope
from safetensors.torch import load_file

from hpemap_mm.errors import DataError


@pytest.fixture(scope='session')
def published(project_root):
    """The synthetic checkpoints of the unit tests."""
    path = project_root / 'tests' / 'unit' / 'checkpoints' / 'published.py'
    spec = importlib.util.spec_from_file_location('published_layouts', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def convert(tool_here, capsys):
    """Run the tool; its output."""

    def run(*arguments):
        assert tool_here('convert_checkpoint', *arguments) == 0
        return capsys.readouterr().out

    return run


def saved(path, state):
    torch.save({'state_dict': state, 'meta': {}, 'optimizer': {}}, path)
    return path


def images():
    return torch.randn(1, 3, 256, 192, generator=torch.Generator().manual_seed(1))


def test_inspecting_only_tells(convert, published, tmp_path):
    source = saved(tmp_path / 'x.pth', published.vitpose_plus(padded=133, depth=1))
    text = convert(source, '--inspect')
    assert 'ViTPose++' in text and 'experts    6, 96 of 384' in text and '(padded)' in text
    assert list(tmp_path.iterdir()) == [source]
    # What cannot be told is a question, not an error.
    text = convert(saved(source, published.vitpose((14,), depth=1)), '--inspect')
    assert 'question' in text and 'aic, crowdpose, lsp' in text and '--skeletons' in text


def test_a_converted_file_is_all_that_is_needed(convert, published, tmp_path):
    from hpemap_mm.checkpoints import build_on_meta, model_config_of, read_tensors
    from hpemap_mm.registry import MODELS

    init_default_scope('mmpose')
    state = published.vitpose_plus(published.THREE)
    source, target = saved(tmp_path / 'x.pth', state), tmp_path / 'new' / 'y.safetensors'
    text = convert(source, target)
    assert (
        'written' in text and 'coco (17), aic (14), mpii (16)' in text and 'tools/demo.py' in text
    )
    file = read_tensors(target)
    assert file.meta['pipeline']['input_size'] == [192, 256]
    config = model_config_of(file.meta, where=target)
    assert build_on_meta(config).backbone.experts == ('coco', 'aic', 'mpii')
    model = MODELS.build(config)
    model.load_state_dict(file.tensors, strict=True)
    with torch.no_grad():
        found = model.eval()(images(), None, mode='tensor')
    for place, name in enumerate(('coco', 'aic', 'mpii')):
        head = 'keypoint_head.' if not place else f'associate_keypoint_heads.{place - 1}.'
        expected = published.heatmaps(state, images(), attention_heads=12, head=head, expert=place)
        assert published.relative_error(found[name], expected) < 1e-5


def test_from_one_to_the_next_and_back(convert, published, tmp_path):
    state = published.vitpose(published.THREE, depth=1)
    source = saved(tmp_path / 'a.pth', state)
    convert(source, tmp_path / 'ours.pth')
    convert(tmp_path / 'ours.pth', tmp_path / 'back.pth', '--to', 'vitpose')
    back = torch.load(tmp_path / 'back.pth', weights_only=True)
    assert published.same(back['state_dict'], state)
    text = convert(tmp_path / 'ours.pth', tmp_path / 'hf', '--to', 'hf', '--skeleton', 'mpii')
    assert 'from_pretrained' in text
    assert sorted(path.name for path in (tmp_path / 'hf').iterdir()) == [
        'config.json',
        'model.safetensors',
        'preprocessor_config.json',
    ]
    config = json.loads((tmp_path / 'hf' / 'config.json').read_text())
    assert config['id2label']['9'] == 'head_top' and not config['use_simple_decoder']
    # Hugging Face's folder, and MMPose's file over it: still MPII's head.
    mmpose = tmp_path / 'mmpose.pth'
    text = convert(tmp_path / 'hf', mmpose, '--to', 'mmpose')
    found = torch.load(mmpose, weights_only=True)
    assert len(found['meta']['dataset_meta']['flip_indices']) == 16
    assert torch.equal(
        found['state_dict']['head.final_layer.weight'],
        state['associate_keypoint_heads.1.final_layer.weight'],
    )
    convert(mmpose, tmp_path / 'one.pth', '--to', 'vitpose', '--from', 'mmpose')
    one = torch.load(tmp_path / 'one.pth', weights_only=True)['state_dict']
    assert published.relative_error(
        published.heatmaps(one, images(), attention_heads=12),
        published.heatmaps(state, images(), attention_heads=12, head='associate_keypoint_heads.1.'),
    ) < 1e-5  # fmt: skip


def test_experts_in_and_out(convert, published, tmp_path):
    state = published.vitpose_plus(published.THREE, depth=1)
    source = saved(tmp_path / 'x.pth', state)
    text = convert(source, tmp_path / 'kept', '--to', 'hf', '--skeleton', 'coco', '--keep-experts')
    assert 'dataset_index: 0 coco, 1 aic, 2 mpii' in text
    kept = load_file(tmp_path / 'kept' / 'model.safetensors')
    assert kept['backbone.encoder.layer.0.mlp.experts.2.bias'].shape == (96,)
    text = convert(source, tmp_path / 'dense.pth', '--expert', 'mpii')
    assert 'expert mpii is now part of the MLPs' in text and 'heads      mpii (16)' in text
    assert 'not used   head coco, head aic: it was trained with another expert' in text
    assert 'not used   expert coco, expert aic: --expert mpii leaves it out' in text
    # Heads and experts keep their names in the layouts of others.
    order = ('--skeletons', 'coco', 'aic', 'mpii', '--experts', 'mpii', 'coco', 'aic')
    text = convert(source, tmp_path / 'v.pth', '--to', 'vitpose', *order)
    assert "experts    coco, aic, mpii: each head's in its place" in text
    for name in ('v.pth', 'kept'):
        text = convert(tmp_path / name, tmp_path / 'again.pth')
        assert 'experts    3, 96 of 384: coco, aic, mpii' in text
    text = convert(source, tmp_path / 'one.pth', '--skeleton', 'aic')
    parts = 'head coco, head mpii, expert coco, expert mpii'
    assert f'not used   {parts}: --skeleton aic leaves it out' in text
    dense = tmp_path / 'dense.pth'
    text = convert(dense, tmp_path / 'moe.pth', '--experts', 'mpii', 'lsp', '--to', 'vitpose')
    assert 'mpii, lsp: made from the MLPs' in text
    moe = torch.load(tmp_path / 'moe.pth', weights_only=True)['state_dict']
    for expert in range(2):
        own = moe[f'backbone.blocks.0.mlp.experts.{expert}.weight']
        assert torch.equal(own, state['backbone.blocks.0.mlp.experts.2.weight'])


def test_a_config_is_filled_and_the_rest_has_initial_values(
    convert, published, tiny_config, tmp_path
):
    import hpemap_mm.apis as apis

    state = published.vitpose((17, 16), width=32, depth=2, tokens=48, layout='simple')
    source, target = saved(tmp_path / 'x.pth', state), tmp_path / 'y.pth'
    config = tiny_config('multihead')
    options = ('--skeletons', 'coco', 'mpii', '--num-heads', '2')
    text = convert(source, target, '--config', config, *options)
    assert 'initial    4 tensors are not in SRC' in text and 'heads.aic, heads.lsp' in text
    model = apis.load_model(config, target, device='cpu')
    found = torch.load(target, weights_only=True)
    assert set(found['state_dict']) == set(model.state_dict())
    final = found['state_dict']['heads.mpii.final_layer.weight']
    assert torch.equal(final, state['associate_keypoint_heads.0.final_layer.weight'])
    assert 0 < found['state_dict']['heads.lsp.final_layer.weight'].abs().max() < 1
    # Its own config is in the file: our reader needs nothing else to go on.
    text = convert(target, tmp_path / 'z.pth', '--to', 'mmpose', '--skeleton', 'lsp')
    assert 'MMPose has none of this size' in text


def test_a_config_of_half_precision_is_filled_in_one_type(
    convert, published, tiny_config, tmp_path
):
    state = published.vitpose((17, 16), width=32, depth=2, tokens=48, layout='simple')
    source = saved(tmp_path / 'x.pth', {key: t.half() for key, t in state.items()})
    options = ('--skeletons', 'coco', 'mpii', '--num-heads', '2')
    text = convert(source, tmp_path / 'y.pth', '--config', tiny_config('multihead'), *options)
    assert 'float16 and float32 are written as float32' in text
    found = torch.load(tmp_path / 'y.pth', weights_only=True)['state_dict']
    assert {t.dtype for t in found.values()} == {torch.float32}


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('x.py', 'a = 1', 'has no dict called model'),
        ('x.py', 'model = [1]', 'has no dict called model'),
        ('x.json', '{"model_type": "vitpose"}', 'has no dict called model'),
        ('x.py', 'raise RuntimeError("no")', r"cannot be read as a config: RuntimeError\('no'\)"),
        ('x.py', 'model = dict()', 'no model can be built from it'),
        ('x.py', 'model = dict(type="hpemap_mm.ViTPoseBackbone", arch="Q")', 'Unknown ViTPose'),
    ],
)
def test_configs_of_no_model(tool_here, published, tmp_path, name, text, message):
    source = saved(tmp_path / 'a.pth', published.vitpose(depth=1))
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=rf'{name}: {message}|{message}'):
        tool_here('convert_checkpoint', source, tmp_path / 'y.pth', '--config', tmp_path / name)
    assert not (tmp_path / 'y.pth').exists()


def test_a_joint_space_of_ours_needs_its_config(convert, published, tiny_config, tmp_path):
    from hpemap_mm.checkpoints import initial_model
    from hpemap_mm.engine.launch import load_config

    config = tiny_config('union')
    model = initial_model(load_config(config).model, seed=0)
    source = saved(tmp_path / 'epoch_4.pth', model.state_dict())
    options = ('--to', 'vitpose', '--skeleton', 'mpii')
    convert(source, tmp_path / 'a.pth', *options, '--config', config)
    space = ('--space', 'union:coco,mpii,aic,lsp', '--num-heads', '2')
    text = convert(source, tmp_path / 'b.pth', *options, *space)
    assert 'joints of head union(coco,mpii,aic,lsp): --skeleton mpii' in text
    found, again = (
        torch.load(tmp_path / name, weights_only=True)['state_dict'] for name in ('a.pth', 'b.pth')
    )
    assert published.same(found, again)
    rows = model.space.indices('mpii').tolist()
    final = model.state_dict()['head.head.final_layer.weight'][rows]
    assert torch.equal(found['keypoint_head.final_layer.weight'], final)


def test_a_backbone_of_square_images(convert, published, tmp_path):
    state = published.vit_state(384, 1, 196, prefix='')
    state = {key.replace('last_norm', 'norm'): t for key, t in state.items()}
    torch.save({'model': {**state, 'mask_token': torch.ones(1)}}, tmp_path / 'mae.pth')
    text = convert(tmp_path / 'mae.pth', tmp_path / 'y.pth')
    assert 'resized    position embedding from 224 x 224 to 192 x 256 pixels' in text
    assert 'have 6' in text and 'load_from=' in text and "MAE's decoder is not used" in text
    found = torch.load(tmp_path / 'y.pth', weights_only=True)['state_dict']
    assert found['backbone.pos_embed'].shape == (1, 193, 384)
    assert all(key.startswith('backbone.') for key in found)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize('to', ['hpemap', 'mmpose', 'hf', 'vitpose'])
def test_what_is_refused_leaves_nothing(tool_here, published, tmp_path, to):
    state = published.vitpose(depth=1)
    whole = saved(tmp_path / 'whole.pth', state).read_bytes()
    nan = {**state, 'keypoint_head.final_layer.bias': torch.full((17,), float('nan'))}
    faults = {
        'evil.pth': lambda path: saved(path, {**state, 'x': Trap(tmp_path / 'executed')}),
        'truncated.pth': lambda path: path.write_bytes(whole[: len(whole) // 2]),
        'empty.pth': lambda path: path.write_bytes(b''),
        'nan.pth': lambda path: saved(path, nan),
        'resnet.pth': lambda path: saved(path, {'layer1.0.conv1.weight': torch.ones(2)}),
    }
    target = tmp_path / 'new' / ('y' if to == 'hf' else 'y.pth')
    for name, make in faults.items():
        make(tmp_path / name)
        with pytest.raises(DataError, match=name):
            tool_here('convert_checkpoint', tmp_path / name, target, '--to', to)
    with pytest.raises(DataError, match='no such checkpoint'):
        tool_here('convert_checkpoint', tmp_path / 'absent.pth', target, '--to', to)
    assert not target.parent.exists() and not (tmp_path / 'executed').exists()


def test_targets_that_are_refused(tool_here, convert, published, tmp_path):
    source = saved(tmp_path / 'x.pth', published.vitpose(depth=1))
    before = source.read_bytes()
    os.link(source, tmp_path / 'link.pth')
    (tmp_path / 'file').write_text('')
    for target, message in (
        (source, 'the place of its source'),
        (tmp_path / 'link.pth', 'the place of its source'),
        (tmp_path / 'file' / 'y.pth', 'is no folder'),
        (tmp_path / 'y.txt', 'no suffix of weights'),
    ):
        with pytest.raises(DataError, match=message):
            tool_here('convert_checkpoint', source, target)
    with pytest.raises(DataError, match='there is no DST'):
        tool_here('convert_checkpoint', source)
    assert source.read_bytes() == before
    # A folder of another model of Hugging Face's is not mixed with this one.
    other = tmp_path / 'other'
    other.mkdir()
    (other / 'config.json').write_text('{"model_type": "bert"}')
    with pytest.raises(DataError, match='the config of another model'):
        tool_here('convert_checkpoint', source, other, '--to', 'hf')
    for text in ('{bad', '[1]', '"vitpose"'):
        (other / 'config.json').write_text(text)
        with pytest.raises(DataError, match=r'config\.json: is .* -> name an empty folder'):
            tool_here('convert_checkpoint', source, other, '--to', 'hf')
    assert [path.name for path in other.iterdir()] == ['config.json']
    # All files can be written, or none is.
    for name in ('model.safetensors', 'config.json', 'preprocessor_config.json'):
        folder = tmp_path / f'with {name}'
        (folder / name).mkdir(parents=True)
        with pytest.raises(DataError, match=f'{name}: is a folder'):
            tool_here('convert_checkpoint', source, folder, '--to', 'hf')
        assert [path.name for path in folder.iterdir()] == [name]
    for name in ('foo.safetensors', 'foo.pth'):
        with pytest.raises(DataError, match=r'is a file -> name a folder, or .*model\.safetensors'):
            tool_here('convert_checkpoint', source, tmp_path / 'new' / name, '--to', 'hf')
    assert not (tmp_path / 'new').exists()
    convert(source, tmp_path / 'new' / 'model.safetensors', '--to', 'hf')
    assert len(list((tmp_path / 'new').iterdir())) == 3
    # A folder of Hugging Face's is not converted into itself.
    convert(source, tmp_path / 'hf', '--to', 'hf')
    with pytest.raises(DataError, match='the place of its source'):
        tool_here('convert_checkpoint', tmp_path / 'hf', tmp_path / 'hf', '--to', 'hf')
    # An earlier result is replaced.
    convert(source, tmp_path / 'y.pth')
    convert(source, tmp_path / 'y.pth', '--to', 'vitpose')
    found = torch.load(tmp_path / 'y.pth', weights_only=True)['state_dict']
    assert 'keypoint_head.final_layer.bias' in found


def test_options_that_contradict(tool_here, published, tiny_config, tmp_path):
    source = saved(tmp_path / 'x.pth', published.vitpose_plus(published.THREE, depth=1))
    target = tmp_path / 'y.pth'
    for options, message in (
        (('--skeleton', 'coco', '--expert', 'coco'), 'both choose an expert'),
        (('--skeleton', 'lsp'), 'No head for .lsp'),
        (('--expert', 'lsp'), 'No expert for .lsp'),
        (('--input-size', '100', '100'), 'use multiples of 16'),
        (('--to', 'mmpose'), 'one head of one skeleton'),
        (('--space', 'all:coco'), 'name a preset'),
        (('--from', 'mae'), r'is no mae: it has the experts'),
        (('--to', 'mmpose', '--config', tiny_config()), 'leave --config out'),
        (('--space', 'seed-21', '--skeletons', 'coco'), 'one of --space and --skeletons'),
        (
            ('--to', 'mmpose', '--config', tiny_config(), '--skeletons', 'coco'),
            'says the heads of SRC already',
        ),
        (('--num-heads', '0'), 'num-heads 0 -> pass whole numbers from 1'),
        (('--num-heads', '-1', '--inspect'), 'num-heads -1'),
        (('--source-grid', '-12', '-16'), 'source-grid'),
        (('--input-size', '0', '0'), 'input-size'),
        (('--input-size', '-16', '16'), 'input-size'),
    ):
        with pytest.raises(DataError, match=message):
            tool_here('convert_checkpoint', source, target, *options)
    with pytest.raises(DataError, match='one head of one skeleton'):
        tool_here('convert_checkpoint', source, tmp_path / 'y', '--to', 'hf')
    assert not target.exists() and not (tmp_path / 'y').exists()
    # Nor is a file written that no model could be built for.
    source = saved(tmp_path / 'x.pth', published.vitpose(depth=1))
    for names, message in (
        (('mpii', 'lsp'), "No expert for 'coco'"),
        (('coco', 'coco'), 'one name'),
    ):
        with pytest.raises(DataError, match=message):
            tool_here('convert_checkpoint', source, target, '--experts', *names)
    assert not target.exists()
