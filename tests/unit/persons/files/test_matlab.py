"""Numbers out of MATLAB 5 files: as scipy reads them, and safely where bytes are damaged."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files.matlab import read_mat

HEADER = 128
NUMBERS_IN_SCIPYS_FILES = {
    *('theta', 'a', 'b', 'c', 'testminus', 'testmatrix', 'testdouble', 'testbools', 'first'),
    *('test3dmatrix', 'floats', 'an_array', 'array_name'),
}


def mat(compress=False, **variables) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables, do_compression=compress)
    return buffer.getvalue()


@pytest.mark.parametrize('compress', [False, True])
@pytest.mark.parametrize('shape', [(1, 1), (1, 2), (3, 4), (2, 3, 5), (4, 0), (1, 3, 1)])
@pytest.mark.parametrize('dtype', ['f8', 'f4', 'i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'i8', 'u8', '?'])
def test_reads_what_scipy_wrote(dtype, shape, compress):
    array = (np.random.default_rng(0).normal(size=shape) * 50).astype(dtype)
    data = mat(compress, preds=array, text='a', complex=1j, struct={'a': 1}, last=3)

    arrays, names = read_mat('x', data, {'preds', 'absent'})

    assert names == ['preds', 'text', 'complex', 'struct', 'last']
    assert arrays.keys() == {'preds'}
    assert arrays['preds'].dtype.kind == array.dtype.kind
    np.testing.assert_array_equal(arrays['preds'], array)
    assert arrays['preds'].shape == shape


def test_reads_every_file_that_scipy_is_tested_with():
    files = sorted(Path(scipy.io.__file__).parent.glob('matlab/tests/data/*.mat'))
    if not files:
        pytest.skip("scipy was installed without its tests' files")
    compared = 0
    for file in files:
        data = file.read_bytes()
        if not data.startswith(b'MATLAB 5.0'):
            continue
        try:
            arrays, _ = read_mat(file.name, data, NUMBERS_IN_SCIPYS_FILES)
        except DataError:
            continue
        for name, array in arrays.items():
            expected = scipy.io.loadmat(file, variable_names=[name])[name]
            np.testing.assert_array_equal(array, expected, err_msg=f'{file.name}: {name}')
            compared += 1
    assert compared >= 20


def big_endian(values: list[float]) -> bytes:
    """A double row vector named ``preds`` as a SPARC wrote it; numbers in 16 bits."""
    body = struct.pack('>IIII', 6, 8, 6, 0)
    body += struct.pack('>IIii', 5, 8, 1, len(values))
    body += struct.pack('>II', 1, 5) + b'preds\0\0\0'
    numbers = struct.pack(f'>{len(values)}h', *values)
    body += struct.pack('>II', 3, len(numbers)) + numbers + bytes(-len(numbers) % 8)
    return b'MATLAB 5.0'.ljust(124) + b'\1\0MI' + struct.pack('>II', 14, len(body)) + body


def test_reads_the_other_order_of_bytes():
    arrays, _ = read_mat('x', big_endian([1, -2, 300]), {'preds'})

    assert arrays['preds'].tolist() == [[1.0, -2.0, 300.0]]
    assert arrays['preds'].dtype == np.float64


@pytest.mark.parametrize(
    ('value', 'what'),
    [
        (np.array([1, 'a'], dtype=object), 'is a cell array'),
        ({'keypoints': np.zeros(3)}, 'is a struct'),
        ('text', 'is text'),
        (scipy.sparse.csc_array(np.eye(3)), 'is a sparse matrix'),
        (np.array([1j, 2]), 'holds complex numbers'),
    ],
)
def test_what_is_not_plain_numbers(value, what):
    data = mat(preds=value)

    with pytest.raises(DataError, match=f"'preds': {what}"):
        read_mat('x', data, {'preds'})
    assert read_mat('x', data, {'other'}) == ({}, ['preds'])


@pytest.mark.parametrize('compress', [False, True])
def test_every_truncation_is_found(compress):
    data = mat(compress, preds=np.random.default_rng(0).normal(size=(3, 4, 2)))

    for length in range(HEADER, len(data)):
        if length == HEADER:
            assert read_mat('x', data[:length], {'preds'}) == ({}, [])
            continue
        with pytest.raises(DataError, match='damaged'):
            read_mat('x', data[:length], {'preds'})


def test_a_flipped_bit_in_compressed_numbers_is_found():
    data = bytearray(mat(True, preds=np.random.default_rng(0).normal(size=(30, 4))))
    data[-100] ^= 4

    with pytest.raises(DataError, match='damaged'):
        read_mat('x', bytes(data), {'preds'})


def test_a_type_beyond_the_table_is_an_error():
    """SciPy's loadmat reads out of bounds here, which can end the process."""
    data = bytearray(mat(preds=np.full((3, 4), 0.5)))
    place = data.index(struct.pack('<II', 9, 96))
    data[place] = 0xBA

    with pytest.raises(DataError, match='its numbers have type 186'):
        read_mat('x', bytes(data), {'preds'})


def test_a_variable_occurs_once():
    data = mat(preds=np.zeros(3))

    with pytest.raises(DataError, match="holds 'preds' 2 times"):
        read_mat('x', data + data[HEADER:], {'preds'})
