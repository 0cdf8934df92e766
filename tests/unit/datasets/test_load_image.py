import io
import pickle

import cv2
import numpy as np
import pytest
from PIL import Image
from torch._utils import ExceptionWrapper

from hpemap_mm.datasets import BadImageError, LoadPoseImage
from hpemap_mm.datasets.load_image import damage


def encoded(kind: str, **options) -> bytes:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def load(path, data: bytes):
    path.write_bytes(data)
    return LoadPoseImage()({'img_path': str(path), 'dataset_name': 'coco_train'})


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'BMP'])
def test_whole_images_load_as_opencv_loads_them(tmp_path, kind):
    out = load(tmp_path / 'a.img', encoded(kind))
    np.testing.assert_array_equal(out['img'], cv2.imread(str(tmp_path / 'a.img')))
    assert out['img_shape'] == out['ori_shape'] == (48, 64)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
@pytest.mark.parametrize('kept', [0.3, 0.5, 0.9, 0.99])
def test_cut_off_images_are_refused(tmp_path, kind, kept):
    data = encoded(kind)
    with pytest.raises(BadImageError, match='cut off or damaged') as caught:
        load(tmp_path / 'a.img', data[: int(len(data) * kept)])
    assert "a.img (entry 'coco_train')" in caught.value.problems[0].where


@pytest.mark.parametrize('tail', [b'\0' * 7, b'\n', b'camera notes ' * 20])
def test_bytes_after_the_end_are_legal(tmp_path, tail):
    assert load(tmp_path / 'a.jpg', encoded('JPEG') + tail)['img'].shape == (48, 64, 3)


def test_progressive_and_grey_images(tmp_path):
    assert load(tmp_path / 'a.jpg', encoded('JPEG', progressive=True))['img'].shape == (48, 64, 3)
    buffer = io.BytesIO()
    Image.new('L', (64, 48), 90).save(buffer, 'JPEG')
    assert load(tmp_path / 'b.jpg', buffer.getvalue())['img'].shape == (48, 64, 3)


def test_missing_empty_and_foreign_files(tmp_path):
    with pytest.raises(BadImageError, match=r'the image is missing -> .* data_root / data_prefix'):
        LoadPoseImage()({'img_path': str(tmp_path / 'none.jpg')})
    with pytest.raises(BadImageError, match=r'is empty \(0 bytes\)'):
        load(tmp_path / 'empty.jpg', b'')
    with pytest.raises(BadImageError, match="its first bytes are b'<html>40"):
        load(tmp_path / 'page.jpg', b'<html>404</html>')
    with pytest.raises(BadImageError, match='cannot be read'):
        LoadPoseImage()({'img_path': str(tmp_path)})


def test_an_image_that_is_there_already_is_kept():
    image = np.zeros((4, 6, 3), np.uint8)
    out = LoadPoseImage(to_float32=True)({'img': image})
    assert out['img_shape'] == (4, 6)


def test_to_float32(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(encoded('JPEG'))
    out = LoadPoseImage(to_float32=True)({'img_path': str(tmp_path / 'a.jpg')})
    assert out['img'].dtype == np.float32


def test_the_error_survives_a_worker(tmp_path):
    """A DataLoader raises a worker's error anew, from its text."""
    with pytest.raises(BadImageError) as caught:
        LoadPoseImage()({'img_path': str(tmp_path / 'none.jpg')})
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    sent = ExceptionWrapper((type(caught.value), caught.value, caught.tb), where='in worker 0')
    with pytest.raises(BadImageError, match=r'in worker 0(.|\n)*none.jpg: the image is missing'):
        sent.reraise()


def test_real_photographs_are_whole(shared_data):
    photographs = sorted(shared_data.glob('coco_subset/val2017/*.jpg'))[:10]
    assert photographs
    for photograph in photographs:
        data = photograph.read_bytes()
        assert damage(data) is None
        assert damage(data[: len(data) // 2]) is not None
