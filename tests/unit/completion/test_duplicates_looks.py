"""What a photograph is recognised by, and how two of them are compared."""

import hashlib
import sys
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).parent))

from duplicate_worlds import (  # noqa: E402
    COPIES,
    cropped,
    jpeg,
    moved_by_a_person,
    scene,
    write,
)

from hpemap_mm.completion.duplicates.compare import SAME, compare  # noqa: E402
from hpemap_mm.completion.duplicates.hashing import (  # noqa: E402
    BYTES,
    VIEWS,
    hash_views,
    print_of,
)
from hpemap_mm.completion.duplicates.pictures import (  # noqa: E402
    SHORT_SIDE,
    reduced_bytes,
    why_not_compared,
)


def differing(a, b) -> int:
    return int(np.bitwise_count(a ^ b).sum())


def test_a_picture_is_reduced_to_its_short_side_and_small_ones_stay():
    assert reduced_bytes(jpeg(scene(0, width=640, height=480))).shape == (96, 128)
    assert reduced_bytes(jpeg(scene(0, width=60, height=100))).shape == (100, 60)
    assert SHORT_SIDE == 96


def test_a_picture_is_turned_as_its_exif_data_say():
    upright = scene(1)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    lying = jpeg(upright.transpose(Image.Transpose.ROTATE_90), exif=exif)

    turned, known = reduced_bytes(lying), reduced_bytes(jpeg(upright))

    assert turned.shape == known.shape
    assert compare(turned, known).score > 0.99


def test_hashes_are_imagehash_s_of_the_three_views():
    grey = reduced_bytes(jpeg(scene(2)))
    bits = hash_views(grey)
    assert bits.shape == (len(VIEWS), BYTES)
    whole = Image.fromarray(grey)
    height, width = grey.shape
    x, y = round(0.05 * width), round(0.05 * height)
    views = {
        'whole': whole,
        'centre': whole.crop((x, y, width - x, height - y)),
        'mirrored': ImageOps.mirror(whole),
    }
    for v, name in enumerate(VIEWS):
        expected = imagehash.phash(views[name], hash_size=16).hash
        got = np.unpackbits(bits[v]).astype(bool)
        np.testing.assert_array_equal(got[:64].reshape(8, 8), expected[:8, :8])
        assert sorted(got[64:]) == sorted([*expected[8:].ravel(), *expected[:8, 8:].ravel()])


def test_views_meet_where_they_should():
    image = scene(3)
    own = hash_views(reduced_bytes(jpeg(image)))
    crop = hash_views(reduced_bytes(jpeg(cropped(image, *[0.05] * 4))))
    mirror = hash_views(reduced_bytes(jpeg(ImageOps.mirror(image))))
    other = hash_views(reduced_bytes(jpeg(scene(4))))
    whole, centre, mirrored = range(3)

    assert differing(own[centre], crop[whole]) <= 30 < differing(own[whole], crop[whole])
    assert differing(own[mirrored], mirror[whole]) <= 10 < differing(own[whole], mirror[whole])
    assert differing(own[whole], other[whole]) > 90


def test_a_print_has_the_digest_of_the_bytes(tmp_path):
    data = jpeg(scene(5))
    made = print_of(str(write(tmp_path / 'a.jpg', data)))
    assert made.readable
    assert made.digest == hashlib.sha256(data).digest()
    assert made.bits_VB.shape == (3, 32)
    assert made.remark == ''


@pytest.mark.parametrize(
    ('content', 'remark'),
    [
        (None, 'is missing'),
        (b'', 'is empty (0 bytes)'),
        (b'no image', 'cannot be decoded: not an image (8 bytes)'),
        (jpeg(scene(6))[:4000], 'truncated'),
    ],
    ids=['missing', 'empty', 'text', 'cut off'],
)
def test_what_is_no_image_says_so(tmp_path, content, remark):
    path = tmp_path / 'a.jpg'
    if content is not None:
        path.write_bytes(content)
    made = print_of(str(path))
    assert not made.readable
    assert made.bits_VB is None
    assert remark in made.remark
    assert '0x' not in made.remark  # the address of an object


def test_what_shows_nothing_is_known_by_its_bytes_only(tmp_path):
    plain = print_of(str(write(tmp_path / 'a.jpg', Image.new('RGB', (200, 150), 'red'))))
    tiny = print_of(str(write(tmp_path / 'b.jpg', scene(7, width=40, height=8))))
    assert (plain.readable, plain.bits_VB, plain.remark) == (True, None, 'one colour')
    assert (tiny.readable, tiny.bits_VB, tiny.remark) == (True, None, 'too small (40x8 px)')
    assert why_not_compared(reduced_bytes(jpeg(scene(7)))) == ''


@pytest.mark.parametrize('name', COPIES)
def test_a_copy_is_the_same(name):
    make, kind = COPIES[name]
    own = reduced_bytes(jpeg(scene(8)))
    copy = reduced_bytes(make(scene(8)))
    seen = own[:, ::-1] if kind == 'mirrored' else own
    for likeness in (compare(seen, copy), compare(copy, seen)):
        assert likeness.same
        assert likeness.score > 0.97
    if kind == 'mirrored':
        assert not compare(own, copy).same


def test_how_much_of_a_picture_is_seen_is_told():
    own = reduced_bytes(jpeg(scene(9, width=960, height=720)))
    assert compare(own, own).overlap == pytest.approx(1, abs=0.03)
    crop = reduced_bytes(jpeg(cropped(scene(9, width=960, height=720), *[0.05] * 4)))
    # 0.9 of the width and of the height; a pixel at the edges counts for neither.
    assert compare(crop, own).overlap == pytest.approx(0.81, abs=0.03)
    assert compare(own, crop).overlap == pytest.approx(0.81, abs=0.03)


def test_others_are_not_the_same():
    pictures = [reduced_bytes(jpeg(scene(seed))) for seed in range(20, 28)]
    scores = [compare(a, b).score for i, a in enumerate(pictures) for b in pictures[:i]]
    assert max(scores) < 0.6


def test_the_same_scene_a_moment_later_is_not_the_same():
    now = scene(30)
    likeness = compare(reduced_bytes(jpeg(now)), reduced_bytes(jpeg(moved_by_a_person(now, 31))))
    assert 0.4 < likeness.score < SAME


def test_a_brighter_and_softer_copy_is_the_same():
    image = scene(32)
    brighter = Image.fromarray((np.asarray(image) * 0.7 + 60).astype(np.uint8))
    assert compare(reduced_bytes(jpeg(image)), reduced_bytes(jpeg(brighter))).same


def test_pictures_without_structure_are_unlike():
    plain = np.full((96, 128), 120, np.uint8)
    assert compare(plain, plain).score == 0
    assert compare(plain, reduced_bytes(jpeg(scene(33)))).score == 0
