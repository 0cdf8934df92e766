"""Arrays out of npz files that may be damaged, or dangerous."""

import io
import zipfile

import numpy as np
import pytest

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files.archives import read_npz


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def archive(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as file:
        for name, data in members:
            file.writestr(name, data)
    return buffer.getvalue()


def npy(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize('dtype', ['f8', '>f4', 'f2', 'i4', '?', 'U3'])
@pytest.mark.parametrize('order', ['C', 'F'])
def test_arrays_come_back(dtype, order):
    array = np.asarray(np.arange(24).reshape(2, 3, 4).astype(dtype), order=order)

    arrays, names = read_npz('x', npz(a=array, b=np.zeros(2)), {'a'})

    assert arrays.keys() == {'a'}
    assert names == ['a', 'b']
    assert arrays['a'].dtype == array.dtype
    np.testing.assert_array_equal(arrays['a'], array)


def test_pickled_objects_are_never_loaded():
    data = npz(keypoints=np.array([{}, None], dtype=object), other=np.array([None]))

    with pytest.raises(DataError, match="'keypoints': holds pickled Python objects"):
        read_npz('x', data, {'keypoints'})
    assert read_npz('x', data, {'absent'}) == ({}, ['keypoints', 'other'])


def header(shape: str) -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}"
    text += ' ' * (-(10 + len(text) + 1) % 64) + '\n'
    return b'\x93NUMPY\x01\x00' + len(text).to_bytes(2, 'little') + text.encode()


@pytest.mark.parametrize(
    ('member', 'what'),
    [
        (npy(np.zeros(10))[:-8], '72 bytes of data; shape (10,) of float64 needs 80'),
        (npy(np.zeros(10)) + b'x', '81 bytes of data'),
        (header('(1000000000000,)') + bytes(8), 'needs 8000000000000'),
        (header('(-1,)') + bytes(8), 'shape (-1,)'),
        (header('(2.0,)') + bytes(16), 'damaged'),
        (header('("x",)') + bytes(8), 'damaged'),
        (header('__import__("os").getcwd()'), 'damaged'),
        (b'\x93NUMPY\x03\x00' + bytes(20), 'npy version (3, 0)'),
        (b'not an array', 'damaged'),
        (b'', 'damaged'),
    ],
)
def test_damaged_arrays(member, what):
    with pytest.raises(DataError) as caught:
        read_npz('file.npz', archive(('a.npy', member)), {'a'})

    (problem,) = caught.value.problems
    assert problem.where == "file.npz: array 'a'"
    assert what in problem.what


def test_a_flipped_bit_is_found_by_the_checksum():
    data = bytearray(npz(a=np.zeros(1000)))
    data[4000] ^= 1

    with pytest.raises(DataError, match='Bad CRC-32'):
        read_npz('x', bytes(data), {'a'})


@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_an_array_occurs_once():
    data = archive(('a.npy', npy(1)), ('a.npy', npy(2)))

    with pytest.raises(DataError, match="holds 'a' 2 times"):
        read_npz('x', data, {'a'})


def test_all_damaged_arrays_are_named_at_once():
    data = archive(('a.npy', b''), ('b.npy', npy(np.array([None]))))

    with pytest.raises(DataError) as caught:
        read_npz('x', data, {'a', 'b'})
    assert len(caught.value.problems) == 2
