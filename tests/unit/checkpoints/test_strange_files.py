"""Files that are no checkpoints, damaged ones, and tensors that are no weights."""

import json
import pickle
import random
import re
import warnings
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from traps import Trap

from hpemap_mm.checkpoints import read_file, read_tensors
from hpemap_mm.errors import DataError


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('x.pth', b'', 'x.pth: the file is empty'),
        ('x.safetensors', b'', 'x.safetensors: the file is empty'),
        ('x.pth', b'no weights at all', "no checkpoint: it begins with b'no weights"),
        ('x.safetensors', b'no weights at all', 'no checkpoint: it begins with'),
        ('x.pth', b'\x80', 'no checkpoint: it begins with'),
        ('x.pth', b'\n<!DOCTYPE html><html>404</html>', 'a web page, .*-> download it again'),
        ('x.pth', b'version https://git-lfs.github.com/spec/v1\n', 'git-lfs, .*git lfs pull'),
        ('x.pth', b'\x1f\x8b\x08\0\0\0', 'compressed -> unpack'),
        ('x.pth', pickle.dumps([1, 2]), 'a plain pickle, no checkpoint'),
        ('x.pth', pickle.dumps(Trap('t'), 0), r'execute code \(posix\.mkdir\) -> do not open it'),
        ('x.safetensors', pickle.dumps(Trap('t'), 4), r'execute code \(posix\.mkdir\)'),
        ('x.pth', b'PK\x03\x04 and no more', 'damaged'),
    ],
)
@pytest.mark.parametrize('read', [read_file, read_tensors])
def test_no_checkpoints(tmp_path, name, content, message, read):
    (tmp_path / name).write_bytes(content)
    with warnings.catch_warnings(), pytest.raises(DataError, match=message) as error:
        warnings.simplefilter('error')
        read(tmp_path / name)
    # PyTorch's own words advise to read it the unsafe way.
    assert 'weights_only' not in str(error.value)


def test_folders_and_files_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match='no such checkpoint'):
        read_tensors(tmp_path / 'absent.pth')
    with pytest.raises(DataError, match='the folder has none of model.safetensors'):
        read_tensors(tmp_path)


@pytest.mark.parametrize('zipped', [True, False])
def test_damage_anywhere_ends_in_a_message(tmp_path, zipped):
    path, chance = tmp_path / 'x.pth', random.Random(0)
    content = {'state_dict': {'a': torch.zeros(20)}, 'meta': {'x': [1, 2.0, 's']}}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    whole, refused = path.read_bytes(), 0
    for number in range(300):
        damaged = bytearray(whole)
        if number % 3:
            for _ in range(chance.choice([1, 2, 5])):
                # The pickle is near the beginning.
                damaged[chance.randrange(300)] = chance.randrange(256)
        else:
            del damaged[chance.randrange(1, len(whole)) :]
        path.write_bytes(damaged)
        try:
            read_file(path)
        except DataError:
            refused += 1
    assert refused > 100


def test_the_name_does_not_matter(tmp_path):
    torch.save({'a': torch.ones(2)}, tmp_path / 'x.safetensors')
    save_file({'a': torch.ones(2)}, tmp_path / 'x.pth')
    for name in ('x.safetensors', 'x.pth'):
        assert read_tensors(tmp_path / name).tensors['a'].tolist() == [1, 1]


@pytest.mark.filterwarnings('ignore:.*torch.jit')  # deprecated, and still about
def test_zips_that_unpack_to_more_are_refused(tmp_path):
    torch.save({'a': torch.zeros(100_000)}, tmp_path / 'x.pth')
    with (
        zipfile.ZipFile(tmp_path / 'x.pth') as whole,
        zipfile.ZipFile(tmp_path / 'y.pth', 'w', zipfile.ZIP_DEFLATED) as packed,
        zipfile.ZipFile(tmp_path / 'z.pth', 'w') as other,
    ):
        other.writestr('readme.txt', 'x')
        for entry in whole.infolist():
            packed.writestr(entry.filename, whole.read(entry))
    with pytest.raises(DataError, match=r'its \d{4} bytes would unpack to \d{6}'):
        read_tensors(tmp_path / 'y.pth')
    torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.ones(1)), tmp_path / 't.pth')
    with pytest.raises(DataError, match='a TorchScript program'):
        read_tensors(tmp_path / 't.pth')
    with pytest.raises(DataError, match='a zip without weights of PyTorch .of readme.txt'):
        read_tensors(tmp_path / 'z.pth')


NAN = float('nan')


@pytest.mark.parametrize('read', [read_file, read_tensors])
@pytest.mark.parametrize(
    ('tensor', 'message'),
    [
        (torch.tensor([1, NAN]), 'NaN or infinite weights in x$'),
        (torch.tensor([1, float('inf')]).half(), 'NaN or infinite weights in x$'),
        (torch.ones(2).to(torch.int8), 'weights of int8 in x$'),
        (torch.ones(2) > 0, 'weights of bool in x$'),
        (torch.tensor([1, NAN]).to(torch.complex64), 'weights of complex64 in x$'),
        (torch.ones(2).to(torch.float8_e4m3fn), 'weights of float8_e4m3fn in x$'),
        (torch.ones(2).to_sparse(), r'a sparse tensor \(torch.sparse_coo\) in x$'),
        (torch.ones(2, device='meta'), 'without values .* in x$'),
        (torch.zeros(1).expand(10**13), '4 bytes that say they are 40000000000000 in x$'),
        (torch.zeros(1).as_strided((3, 2**40), (0, 0)), '4 bytes that say'),
    ],
)
def test_what_is_no_weight_is_refused(tmp_path, tensor, message, read):
    torch.save({'a': torch.ones(2), 'x': tensor}, tmp_path / 'file.pth')
    with pytest.raises(DataError) as error:
        read(tmp_path / 'file.pth')
    (problem,) = error.value.problems
    assert problem.where.endswith('file.pth') and re.search(message, problem.what)


@pytest.mark.filterwarnings('ignore')  # quantized tensors are deprecated
def test_quantized_weights_are_refused(tmp_path):
    quantized = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    torch.save({'a': torch.ones(2), 'x': quantized}, tmp_path / 'x.pth')
    with pytest.raises(DataError, match='quantized weights .torch.qint8. in x'):
        read_tensors(tmp_path / 'x.pth')


def test_counters_and_calibrations_are_read(tmp_path):
    state = {
        'bn.num_batches_tracked': torch.tensor([3]),
        'steps': torch.tensor(3),
        'calibration.guessed_gains': torch.tensor([1, NAN]),
        'a': torch.ones(2).bfloat16(),
    }
    torch.save(state, tmp_path / 'x.pth')
    assert read_file(tmp_path / 'x.pth')['state_dict'].keys() == state.keys()


@pytest.mark.parametrize(
    'state', [[torch.ones(2)], {'a': torch.ones(2), 3: torch.ones(2)}, {'a': 3}]
)
def test_state_dicts_that_are_none(tmp_path, state):
    torch.save({'state_dict': state}, tmp_path / 'x.pth')
    with pytest.raises(DataError, match='state_dict|a int, no plain tensor, in a'):
        read_file(tmp_path / 'x.pth')


@pytest.mark.parametrize(
    ('places', 'message'),
    [
        ([1], 'names no files'),
        ({}, 'names no files'),
        ({'a': 'b.safetensors', 'x': 1}, "beside it: '1'"),
        ({'a': {}}, 'no file of weights beside it'),
        ({'a': 'absent.safetensors'}, 'absent.safetensors'),
        ({'a': '../outside.safetensors'}, r'\.\./outside'),
    ],
)
def test_an_index_names_files_beside_it(tmp_path, places, message):
    folder = tmp_path / 'folder'
    folder.mkdir()
    for path in (folder / 'b.safetensors', tmp_path / 'outside.safetensors'):
        save_file({'a': torch.ones(2)}, path)
    index = folder / 'model.safetensors.index.json'
    index.write_text(json.dumps({'weight_map': {'a': 'b.safetensors'}}))
    assert list(read_tensors(folder).tensors) == ['a']
    index.write_text(json.dumps({'weight_map': places}))
    with pytest.raises(DataError, match=f'index.json: {".*" + message}'):
        read_tensors(folder)
