"""Arrays out of archives, row by row, against numpy."""

import io
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files.streams.bytes import Meter
from hpemap_mm.persons.files.streams.npz_rows import NpzFile

POINTS = np.arange(7 * 3 * 2, dtype=np.float32).reshape(7, 3, 2)


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_rows_in_order(tmp_path, save):
    names = np.array(list('abcdefg'))
    save(tmp_path / 'x.npz', keypoints=POINTS, image=names, big=POINTS.astype('>f8'), base=1)
    meter = Meter()
    file = NpzFile(str(tmp_path / 'x.npz'), meter)
    for name, expected in (('keypoints', POINTS), ('image', names), ('big', POINTS)):
        rows = file.rows(name)
        parts = [rows.read(3) for _ in range(3)]
        assert [len(part) for part in parts] == [3, 3, 1]
        np.testing.assert_array_equal(np.concatenate(parts), expected)
    assert meter.done == 3 * POINTS.nbytes + names.nbytes
    assert file.whole('base') == 1
    file.close()


def member(array, **options) -> bytes:
    data = io.BytesIO()
    npy.write_array(data, array, **options)
    return data.getvalue()


def archive(path, **members: bytes):
    with zipfile.ZipFile(path, 'w') as file:
        for name, data in members.items():
            file.writestr(f'{name}.npy', data)
    return path


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (member(np.asfortranarray(POINTS)), r'Fortran order\) -> save np.ascontiguousarray'),
        (member(np.array([None, 1]), allow_pickle=True), 'holds pickled Python objects'),
        (member(POINTS)[:-4], 'has 164 bytes of data; shape .* needs 168 -> the file is incompl'),
        (member(POINTS) + b'x', 'has 169 bytes of data'),
        (member(POINTS)[:20], 'is damaged'),
        (b'', 'is damaged'),
        (member(POINTS, version=(3, 0)), r'npy version \(3, 0\)'),
    ],
)
def test_arrays_at_fault(tmp_path, data, message):
    path = archive(tmp_path / 'x.npz', keypoints=data)
    with pytest.raises(DataError, match=message):
        NpzFile(str(path)).rows('keypoints')


def test_one_column_in_fortran_order_is_in_order(tmp_path):
    flat = np.asfortranarray(POINTS[:, :1, :1])
    np.savez(tmp_path / 'x.npz', keypoints=flat)
    np.testing.assert_array_equal(NpzFile(str(tmp_path / 'x.npz')).whole('keypoints'), flat)


def test_a_wrong_checksum_is_noticed_with_the_last_row(tmp_path):
    many = np.arange(60_000, dtype=np.int64)
    path = archive(tmp_path / 'x.npz', ids=member(many))
    data = bytearray(path.read_bytes())
    data[data.index(many.tobytes()) + 9] ^= 1
    path.write_bytes(data)
    rows = NpzFile(str(path)).rows('ids')
    assert len(rows.read(59_999)) == 59_999
    with pytest.raises(DataError, match='is damaged .*CRC'):
        rows.read(1)


@pytest.mark.parametrize('kept', [30, -30])
def test_archives_that_are_cut_off(tmp_path, kept):
    path = archive(tmp_path / 'x.npz', keypoints=member(POINTS))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match='is a damaged npz file'):
        NpzFile(str(path))


def test_archives_without_arrays_and_with_doubles(tmp_path):
    with pytest.raises(DataError, match='without arrays'):
        NpzFile(str(archive(tmp_path / 'empty.npz')))
    path = archive(tmp_path / 'x.npz', a=member(POINTS))
    with zipfile.ZipFile(path, 'a') as file, pytest.warns(UserWarning):
        file.writestr('a.npy', member(POINTS))
    with pytest.raises(DataError, match="holds 'a' 2 times"):
        NpzFile(str(path))
