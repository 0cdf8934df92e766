"""Files at fault stop the run, with the row and the fix, and leave nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from stream_worlds import ORIGINS, Remap, coco_content, mpii_content, results_content

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files.streams import translate_file

JOINTS = 17


@pytest.fixture
def refused(tmp_path):
    """The message about a file, after checking that nothing was left."""

    def translate(source: Path, skeleton: str = 'coco', **options) -> str:
        listed = sorted(os.listdir(tmp_path))
        for suffix in ('.json', '.npz'):
            out = tmp_path / f'out{suffix}'
            with pytest.raises(DataError) as caught:
                translate_file(
                    Remap(skeleton, 'aic'), source, out, origin_names=ORIGINS, count=1, **options
                )
            assert sorted(os.listdir(tmp_path)) == listed
        message = str(caught.value)
        assert str(source) in message and ' -> ' in message
        return message

    return translate


@pytest.fixture
def written(tmp_path):
    def write(value, name='in.json') -> Path:
        path = tmp_path / name
        if isinstance(value, dict) and 'keypoints' in value:
            np.savez(path, **value)
        elif isinstance(value, bytes):
            path.write_bytes(value)
        else:
            path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    return write


def altered(content, row: int, **changes):
    rows = content['annotations'] if isinstance(content, dict) else content
    rows[row].update(changes)
    return content


def without(content, *keys):
    return {key: value for key, value in content.items() if key not in keys}


def far(value):
    return [value, 1.0, 2] * JOINTS


HALPE = [1.0, 2.0, 2] * 26


@pytest.mark.parametrize(
    ('content', 'parts'),
    [
        (altered(coco_content(), 1, keypoints=HALPE),
         ['annotation 1 (id 12, image_id 1)', 'has 78 numbers, not 51', '17 joints of coco',
          '26 joints have halpe']),
        (altered(coco_content(), 1, keypoints=far(1e9)), ['annotation 1', 'nose is at (1e+09, 1)']),
        (altered(coco_content(), 1, keypoints=far('x')), ['annotation 1', "'x' at place 0"]),
        (altered(coco_content(), 1, keypoints=[1, 1, 3] * JOINTS),
         ['annotation 1', 'visibility of nose is 3']),
        (altered(coco_content(), 1, keypoints=None), ['annotation 1', "'keypoints' is None"]),
        (altered(coco_content(), 1, keypoints=far(float('nan'))),
         ['annotation 1', 'NaN', 'finite']),
        (altered(coco_content(), 1, keypoints=far(float('inf'))), ['annotation 1', 'Infinity']),
        (altered(coco_content(), 3, id='x'), ["annotation 3 (id 'x'", "'id' is 'x'"]),
        (altered(coco_content(), 3, image_id=1.5), ['annotation 3', "'image_id' is 1.5"]),
        (altered(coco_content(), 3, iscrowd=2), ['annotation 3', "'iscrowd' is 2"]),
        (altered(coco_content(), 3, category_id=4), ['annotation 3', 'write one of [1]']),
        (without(coco_content(), 'annotations'), ["has no 'annotations'"]),
        ({**coco_content(), 'annotations': []}, ["'annotations' is empty"]),
        ({**coco_content(), 'annotations': {}}, ['has no list of annotations']),
        ({**coco_content(), 'annotations': [3]}, ['annotation 0', 'not an object']),
        ({**coco_content(), 'categories': [{'id': 1, 'keypoints': ['a']}, {'id': 2}]},
         ["2 categories, 0 of them named 'person'"]),
        ({**coco_content(), 'categories': 7}, ["'categories' is 7"]),
        ({'persons': []}, ['not of images and annotations', 'name a COCO json']),
        (altered(results_content(), 1, keypoints=far(float('nan'))), ['row 1', 'NaN']),
        (altered(results_content(), 1, score='x'), ['row 1 (image_id 8)', "'score' is 'x'"]),
        (altered(results_content(), 1, keypoints=[1, 2] * JOINTS), ['row 1', 'has 34 numbers']),
        ([], ['is an empty list']),
        ([{'x': 1}], ['first row is', 'name a COCO json']),
        ([7], ['first row is 7']),
        ('3', ['is neither json nor npz']),
        ('  ', ['is empty']),
        ('', ['is empty']),
        (b'\x93NUMPY12345', ['is a single .npy array', 'np.savez']),
        (b'\x80\x04rest', ['pickle, which is never loaded']),
        (b'MATLAB 5.0 MAT-file', ['MATLAB']),
        (b'\x1f\x8b123', ['gzip', 'gunzip']),
    ],
)  # fmt: skip
def test_jsons(refused, written, content, parts):
    message = refused(written(content))
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ('row', 'changes', 'parts'),
    [
        (1, {'joints': [[1, 2]] * 14}, ['row 1 (image ', '14 parts, not 16', '14 joints have aic']),
        (1, {'joints': [[1, 'x']] * 16}, ['row 1', "'x'"]),
        (2, {'joints_vis': [2] * 16}, ['row 2', "'joints_vis'"]),
        (2, {'image': None}, ['row 2', "'image' is None"]),
        (2, {'scale': -3}, ['row 2', "'center' and 'scale'"]),
        (2, {'center': [1]}, ['row 2', 'has 1 numbers, not 2']),
    ],
)
def test_mpii(refused, written, row, changes, parts):
    message = refused(written(altered(mpii_content(), row, **changes)), 'mpii')
    for part in parts:
        assert part in message


POINTS = np.full((5, JOINTS, 2), 7.0)


def at(value):
    points = POINTS.copy()
    points[3, 4] = value
    return points


@pytest.mark.parametrize(
    ('arrays', 'parts'),
    [
        ({'keypoints': POINTS[:, :14]}, ['(5, 14, 2), not (persons, 17, 2 or 3)', 'coco has 17',
                                         '14 joints have aic, crowdpose, lsp']),
        ({'keypoints': POINTS[0]}, ['has shape (17, 2)']),
        ({'keypoints': POINTS[:0]}, ['is empty']),
        ({'keypoints': at(np.inf)}, ['person 3', 'right_ear is at (inf, inf)']),
        ({'keypoints': at(1e7)}, ['person 3', 'farther than 1e+06 px']),
        ({'keypoints': POINTS.astype(str)}, ["'keypoints' holds <U32", 'save real numbers']),
        ({'keypoints': POINTS + 1j}, ["'keypoints' holds complex128"]),
        ({'keypoints': POINTS, 'scores': np.ones((5, 3))}, ["'scores' has shape (5, 3)",
                                                            'it must be (5, 17)']),
        ({'keypoints': POINTS, 'scores': np.where(at(np.nan)[..., 0] == 7, 1, np.inf)},
         ['person 3', 'the score of right_ear is inf']),
        ({'keypoints': POINTS, 'ids': np.ones(5)}, ["'ids' holds float64", 'save integers']),
        ({'keypoints': POINTS, 'ids': np.ones(4, int)}, ["'ids' has shape (4,)"]),
        ({'keypoints': POINTS, 'visible': np.full((5, JOINTS), 3)}, ["person 0", "'visible' is 3"]),
        ({'keypoints': POINTS, 'keypoint_score': np.ones((5, JOINTS))},
         ["is 'keypoint_scores' meant?"]),
        ({'keypoints': POINTS, 'scores': np.ones((5, JOINTS)),
          'keypoint_scores': np.ones((5, JOINTS))}, ['more than once', 'leave one']),
        ({'keypoints': POINTS, 'base': 2}, ["'base' is 2", 'save 0 or 1']),
        ({'keypoints': np.asfortranarray(POINTS)}, ['Fortran order', 'np.ascontiguousarray']),
        ({'keypoints': np.array([None] * 5)}, ['pickled Python objects']),
    ],
)  # fmt: skip
def test_arrays(refused, written, arrays, parts):
    message = refused(written(arrays, 'in.npz'))
    for part in parts:
        assert part in message


def test_an_archive_without_keypoints(refused, tmp_path):
    np.savez(tmp_path / 'in.npz', joints=POINTS)
    assert "has no 'keypoints': it holds joints" in refused(tmp_path / 'in.npz')


def test_bases_that_disagree(refused, written):
    path = written({'keypoints': POINTS, 'base': 1}, 'in.npz')
    assert "says 'base' is 1, not 0" in refused(path, base=0)


def test_another_skeletons_file_is_refused(refused, written):
    from hpemap_mm.skeletons import get_skeleton

    given = coco_content()
    given['categories'][0]['keypoints'] = list(get_skeleton('posetrack18').joints)
    message = refused(written(given))
    assert "names the joints of 'posetrack18', not those of 'coco'" in message


@pytest.mark.parametrize(
    ('content', 'skeleton'),
    [(coco_content(), 'coco'), (results_content(), 'coco'), (mpii_content(), 'mpii')],
)
@pytest.mark.parametrize('share', [0.02, 0.3, 0.9, 0.999])
def test_a_json_that_is_cut_off(refused, written, content, skeleton, share):
    text = json.dumps(content)
    message = refused(written(text[: int(len(text) * share)]), skeleton)
    assert 'ends too early, at byte' in message


def test_an_archive_that_is_cut_off(refused, written):
    path = written({'keypoints': POINTS}, 'in.npz')
    path.write_bytes(path.read_bytes()[:-40])
    assert 'is a damaged npz file' in refused(path)


@pytest.mark.parametrize('name', ['nowhere.json', 'inn.json'])
def test_a_file_that_is_not_there(refused, written, tmp_path, name):
    written(coco_content())
    assert 'is not there' in refused(tmp_path / name)


def test_an_old_result_survives_a_fault(written, tmp_path):
    out = tmp_path / 'out.npz'
    out.write_bytes(b'mine')
    source = written({'keypoints': at(np.inf)}, 'in.npz')
    for overwrite in (False, True):
        with pytest.raises(DataError):
            translate_file(
                Remap('coco', 'aic'), source, out, origin_names=ORIGINS, overwrite=overwrite
            )
        assert out.read_bytes() == b'mine'
    good = written({'keypoints': POINTS}, 'good.npz')
    translate_file(Remap('coco', 'aic'), good, out, origin_names=ORIGINS, overwrite=True)
    with np.load(out) as arrays:
        assert len(arrays['keypoints']) == 5
    assert sorted(os.listdir(tmp_path)) == ['good.npz', 'in.npz', 'out.npz']


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize('suffix', ['.npz', '.json'])
def test_whatever_stops_it_nothing_is_left(written, tmp_path, error, suffix):
    source = written(coco_content())

    class Stops(Remap):
        def __call__(self, keypoints, scores=None):
            if self.seen:
                raise error
            return super().__call__(keypoints, scores)

    remap = Stops('coco', 'mpii')
    for out in (tmp_path / f'out{suffix}', tmp_path / 'new' / 'er' / f'out{suffix}'):
        remap.seen.clear()
        with pytest.raises(error):
            translate_file(remap, source, out, origin_names=ORIGINS, count=1)
    assert os.listdir(tmp_path) == ['in.json']


MEASURE = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from stream_worlds import ORIGINS, Remap
from hpemap_mm.persons.files.streams import translate_file
for path in sys.argv[2:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for suffix in ('.npz',) if path.endswith('.npz') else ('.npz', '.json'):
        translate_file(Remap('coco', 'aic'), path, path + suffix, origin_names=ORIGINS)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='memory is measured in KiB of Linux')
@pytest.mark.parametrize('kind', ['npz', 'coco', 'results'])
def test_memory_does_not_grow_with_the_file(tmp_path, kind):
    # 5 and 54 MB of keypoints, or 6 and 25 MB of json; what a batch needs the first one pays.
    paths = []
    for persons in (20_000, 200_000) if kind == 'npz' else (3_000, 12_000):
        path = tmp_path / f'{persons}.{kind}'
        if kind == 'npz':
            np.savez(path.with_suffix('.npz'), keypoints=np.ones((persons, JOINTS, 2)))
            path = path.with_suffix('.npz')
        else:
            row = (coco_content()['annotations'] if kind == 'coco' else results_content())[0]
            row['segmentation'] = [[1.25] * 200]
            rows = [row] * persons
            path.write_text(json.dumps({**coco_content(), 'annotations': rows})
                            if kind == 'coco' else json.dumps(rows))  # fmt: skip
        paths.append(str(path))
    done = subprocess.run(
        [sys.executable, '-c', MEASURE, str(Path(__file__).parent), *paths],
        capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[4])},
    )  # fmt: skip
    small, large = map(int, done.stdout.split())
    assert large < 8 * 1024, f'{large} KiB more for the large file ({small} for the small one)'
