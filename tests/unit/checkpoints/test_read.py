"""What is read, what is refused, and that nothing in a file is executed."""

import pickle

import numpy as np
import pytest
import torch
from published import THREE, vitpose, vitpose_plus
from safetensors.torch import save_file
from traps import Trap

from hpemap_mm.checkpoints import (
    check_target,
    load_pose_weights,
    read_file,
    read_tensors,
    to_hf,
    to_hpemap,
    to_mmpose,
    to_vitpose,
    write_weights,
)
from hpemap_mm.errors import DataError


@pytest.mark.parametrize('place', ['state_dict', 'meta', 'optimizer', 'bare'])
@pytest.mark.parametrize('zipped', [True, False])
def test_a_pickle_that_executes_is_refused_by_name(tmp_path, place, zipped):
    trap, path = tmp_path / 'executed', tmp_path / 'evil.pth'
    weights = {'a': torch.ones(3)}
    content = {'bare': {**weights, 'b': Trap(trap)}}.get(
        place, {'state_dict': weights, place: {**weights, 'b': Trap(trap)}}
    )
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match=r'evil\.pth: reading it would execute code .*mkdir'):
        read_tensors(path)
    assert not trap.exists()
    torch.load(path, weights_only=False)  # the trap works
    assert trap.exists()


def test_a_plain_pickle_is_refused(tmp_path):
    trap, path = tmp_path / 'executed', tmp_path / 'evil.bin'
    path.write_bytes(pickle.dumps({'a': Trap(trap)}))
    with pytest.raises(DataError, match='evil.bin'):
        read_tensors(path)
    assert not trap.exists()


def test_numpy_arrays_are_data(tmp_path):
    # MMPose's published checkpoints have the dataset's sigmas as arrays.
    meta = {'sigmas': np.arange(3, dtype=np.float32), 'best': np.float64(0.5), 'names': ['a']}
    torch.save({'state_dict': {'a': torch.ones(2)}, 'meta': meta}, tmp_path / 'x.pth')
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'x.pth', weights_only=True)
    found = read_tensors(tmp_path / 'x.pth')
    assert found.meta['sigmas'].tolist() == [0, 1, 2] and found.meta['best'] == 0.5
    # Arrays of objects may hold anything.
    meta['objects'] = np.array([Trap(tmp_path / 'executed')])
    torch.save({'state_dict': {'a': torch.ones(2)}, 'meta': meta}, tmp_path / 'x.pth')
    with pytest.raises(DataError, match='would execute code'):
        read_tensors(tmp_path / 'x.pth')
    assert not (tmp_path / 'executed').exists()


def test_a_training_checkpoint_of_mmengine_is_refused_with_what_to_do(tmp_path):
    from mmengine.logging import HistoryBuffer

    content = {
        'state_dict': {'a': torch.ones(2)},
        'message_hub': {'loss': HistoryBuffer([1.0], [1])},
    }
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(DataError, match='HistoryBuffer.*publish_model.py'):
        read_tensors(tmp_path / 'x.pth')


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize('share', [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, suffix, share):
    path = tmp_path / f'x{suffix}'
    write_weights(path, vitpose(depth=1, width=32), {})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=f'x{suffix}: the file is damaged'):
        read_tensors(path)


@pytest.mark.parametrize('content', [{'epoch': 3}, {'state_dict': {}}, {'state_dict': {'a': 'b'}}])
def test_no_tensors(tmp_path, content):
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(DataError, match='it has no tensors'):
        read_tensors(tmp_path / 'x.pth')


def test_wrappers_and_prefixes(tmp_path):
    weights = {'module.a': torch.ones(2)}
    for content, wrapper, left_out in (
        (weights, '', set()),
        ({'state_dict': weights, 'meta': {}, 'optimizer': {}}, 'state_dict', {'optimizer'}),
        ({'model': weights, 'args': None, 'epoch': 3}, 'model', {'args', 'epoch'}),
        ({'state_dict': {**weights, 'n': 3}}, 'state_dict', {'n'}),
    ):
        torch.save(content, tmp_path / 'x.pth')
        found = read_tensors(tmp_path / 'x.pth')
        assert list(found.tensors) == ['a'] and found.wrapper == wrapper
        assert set(found.left_out) == left_out
    torch.save({'module.a': torch.ones(2), 'a': torch.ones(2)}, tmp_path / 'x.pth')
    with pytest.raises(DataError, match='it has a twice'):
        read_tensors(tmp_path / 'x.pth')


@pytest.mark.parametrize('suffix', ['.pth', '.pt', '.bin', '.safetensors'])
def test_what_is_written_is_read(tmp_path, suffix):
    whole = torch.randn(100, 100)
    # Slices of one tensor, twice the same tensor, a scalar, half precision.
    tensors = {
        'a': whole[:2],
        'b': whole[:2],
        'c': whole.t(),
        'd': torch.tensor(7),
        'e': whole[0, :3].half(),
    }
    meta = {'model': {'type': 'x', 'size': [1, 2]}}
    path = tmp_path / 'new' / f'x{suffix}'
    write_weights(path, tensors, meta)
    found = read_tensors(path)
    assert found.tensors.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert torch.equal(found.tensors[key], tensor) and found.tensors[key].dtype == tensor.dtype
    assert found.meta == read_file(path)['meta'] == meta
    assert path.stat().st_size < 46_000, 'a slice took the whole tensor with it'
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match='unknown suffix'):
        write_weights(tmp_path / 'x.onnx', {}, {})
    (tmp_path / 'file').write_text('')
    with pytest.raises(DataError, match='cannot be written'):
        write_weights(tmp_path / 'file' / 'x.pth', {'a': torch.ones(1)}, {})
    (tmp_path / 'x.pth').mkdir()
    with pytest.raises(DataError, match=r'x\.pth: is a folder'):
        check_target(tmp_path / 'x.pth', sources=[])


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_full_disk_ends_in_a_message(tmp_path, suffix):
    resource = pytest.importorskip('resource')
    path = tmp_path / f'x{suffix}'
    path.write_text('as it was')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(DataError, match='cannot be written'):
            write_weights(path, {'a': torch.ones(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == 'as it was' and list(tmp_path.iterdir()) == [path]


OTHERS = {
    'ResNet': {'layer1.0.conv1.weight': (4, 4, 3, 3), 'conv1.weight': (4, 3, 7, 7)},
    'HRNet': {'backbone.stage2.0.branches.0.0.conv1.weight': (4, 4, 3, 3)},
    'Swin': {
        'patch_embed.proj.weight_': (4, 3, 4, 4),
        'layers.0.blocks.0.attn.relative_position_bias_table': (9, 2),
    },
    'no ViTPose': {'transformer.h.0.attn.c_attn.weight': (4, 12)},
}


@pytest.mark.parametrize('name', OTHERS)
def test_other_architectures_are_refused_by_name(tmp_path, name):
    state = {key: torch.ones(shape) for key, shape in OTHERS[name].items()}
    save_file(state, tmp_path / 'x.safetensors')
    with pytest.raises(DataError, match=f'x.safetensors: is no ViTPose.*{list(state)[0]}') as error:
        load_pose_weights(tmp_path / 'x.safetensors')
    assert name in str(error.value)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            dict(remove='blocks.0.norm1.weight'),
            r'x\.pth: backbone\.blocks\.0\.norm1\.weight is missing',
        ),
        (dict(remove='pos_embed'), r'backbone\.pos_embed is missing'),
        (dict(add='blocks.0.gamma_1'), r'backbone\.blocks\.0\.gamma_1 \(2,\) has no place'),
        (dict(reshape='blocks.0.attn.proj.bias'), r'attn\.proj\.bias has shape \(2,\), expected'),
        (dict(remove='patch_embed.proj.bias'), r'patch_embed\.proj\.bias is missing'),
    ],
)
def test_damaged_backbones_are_refused(tmp_path, change, message):
    state = vitpose(depth=1)
    for what, key in change.items():
        if what == 'remove':
            del state[f'backbone.{key}']
        else:
            state[f'backbone.{key}'] = torch.ones(2)
    torch.save(state, tmp_path / 'x.pth')
    with pytest.raises(DataError, match=message):
        load_pose_weights(tmp_path / 'x.pth')


def test_one_expert_that_is_missing_is_named_alone(tmp_path):
    for expert in (0, 1, 2):
        name = f'backbone.blocks.0.mlp.experts.{expert}.'
        state = vitpose_plus(THREE, depth=2)
        torch.save({k: t for k, t in state.items() if not k.startswith(name)}, tmp_path / 'x.pth')
        with pytest.raises(DataError, match=f'{name}weight is missing') as error:
            load_pose_weights(tmp_path / 'x.pth')
        assert len(error.value.problems) == 2
        torch.save({**state, f'{name}bias': torch.ones(5)}, tmp_path / 'x.pth')
        with pytest.raises(DataError, match=rf'{name}bias has shape \(5,\)') as error:
            load_pose_weights(tmp_path / 'x.pth')
        assert len(error.value.problems) == 1


@pytest.mark.parametrize('places', [0, 1])
def test_an_embedding_of_no_places_is_refused(tmp_path, places):
    state = {**vitpose(depth=1), 'backbone.pos_embed': torch.zeros(1, places, 384)}
    torch.save(state, tmp_path / 'x.pth')
    with pytest.raises(DataError, match=f'embedding has shape .1, {places}, 384'):
        load_pose_weights(tmp_path / 'x.pth')


def test_damaged_heads_are_refused(tmp_path):
    state = vitpose(depth=1)
    for key, message in (
        ('keypoint_head.final_layer.weight', 'has no final layer'),
        ('keypoint_head.deconv_layers.4.running_var', 'running_var is missing'),
    ):
        torch.save({k: t for k, t in state.items() if k != key}, tmp_path / 'x.pth')
        with pytest.raises(DataError, match=message):
            load_pose_weights(tmp_path / 'x.pth')
    other = {**state, 'keypoint_head.deconv_layers.0.weight': torch.ones(384, 128, 4, 4)}
    torch.save(other, tmp_path / 'x.pth')
    with pytest.raises(DataError, match='classic and simple decoders'):
        load_pose_weights(tmp_path / 'x.pth')


def test_parts_that_are_neither_backbone_nor_head_are_named(tmp_path):
    state = {**vitpose(depth=1), 'discriminator.0.weight': torch.ones(2)}
    torch.save(state, tmp_path / 'x.pth')
    found = load_pose_weights(tmp_path / 'x.pth').found
    assert found.dropped == {'discriminator.0.weight': 'it is part of no backbone and no head'}


def test_what_the_user_says_must_be_so(tmp_path):
    torch.save(vitpose(depth=1), tmp_path / 'x.pth')
    for kind in ('vitpose-multi', 'vitpose++', 'mmpose', 'hf', 'mae', 'hpemap'):
        with pytest.raises(DataError, match=f'is no {kind}.*--from vitpose'.replace('+', r'\+')):
            load_pose_weights(tmp_path / 'x.pth', kind=kind)
    assert load_pose_weights(tmp_path / 'x.pth', kind='vitpose').found.kind == 'vitpose'


@pytest.mark.parametrize('build', [vitpose, vitpose_plus])
@pytest.mark.parametrize('kind', ['vitpose', 'hf', 'mmpose', 'hpemap'])
def test_one_tensor_of_another_shape_is_refused(tmp_path, build, kind):
    if kind == 'mmpose' and build is vitpose_plus:
        pytest.skip('MMPose has no experts')
    torch.save(build((17,) if build is vitpose else THREE, depth=1, width=32), tmp_path / 'x.pth')
    weights = load_pose_weights(tmp_path / 'x.pth', num_heads=2).known()
    if kind in ('hf', 'mmpose') and len(weights.heads) > 1:
        weights = weights.only('coco', keep_experts=True)
    state = {
        'vitpose': to_vitpose,
        'hf': lambda w: to_hf(w)[0],
        'mmpose': to_mmpose,
        'hpemap': to_hpemap,
    }[kind](weights)
    keys = [key for key in state if 'num_batches' not in key]
    for number, key in enumerate(keys[::9] + [k for k in keys if 'fc1' in k or 'expert' in k][:3]):
        shape = [(), (0,), (2,), (2, 3), (1, 2, 3, 4)][number % 5]
        write_weights(tmp_path / 'y.pth', {**state, key: torch.ones(shape)}, {})
        with pytest.raises(DataError, match='y.pth'):
            load_pose_weights(tmp_path / 'y.pth', num_heads=2).known()
        missing = {k: t for k, t in state.items() if k != key}
        write_weights(tmp_path / 'y.pth', missing, {})
        with pytest.raises(DataError, match='y.pth'):
            load_pose_weights(tmp_path / 'y.pth', num_heads=2).known()


def test_numbers_that_would_fill_the_memory_are_refused(tmp_path):
    for key in ('blocks.999999999999.norm1.bias', 'blocks.0.mlp.experts.99999999999.bias'):
        state = {**vitpose_plus(THREE, depth=1), f'backbone.{key}': torch.ones(384)}
        torch.save(state, tmp_path / 'x.pth')
        with pytest.raises(DataError, match=r'in \d+ tensors'):
            load_pose_weights(tmp_path / 'x.pth')
