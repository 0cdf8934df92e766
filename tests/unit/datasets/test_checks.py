"""Each fault is named, with the file, the entry and what to do."""

import json

import numpy as np
import pytest

from hpemap_mm.datasets import checks
from hpemap_mm.errors import ProblemList


def problems_of(check, *args, **kwargs):
    problems = ProblemList()
    facts = check(*args, problems, path='a.json', entry='e', **kwargs)
    return facts, [f'{p.what} -> {p.fix}' for p in problems]


def coco(content, joints=17, **kwargs):
    return problems_of(checks.check_coco, content, joints=joints, **kwargs)


def mpii(content, joints=16):
    return problems_of(checks.check_mpii, content, joints=joints)


def test_a_sound_coco_file(contents):
    facts, found = coco(contents.coco(17))
    assert found == []
    assert (facts.annotations, facts.persons, facts.images) == (3, 3, ('001.jpg', '002.jpg'))


def test_persons_without_labels_and_crowds_are_not_counted(contents):
    content = contents.coco(17)
    content['annotations'][1]['keypoints'] = [0] * 51
    content['annotations'][2]['iscrowd'] = 1
    facts, found = coco(content)
    assert found == []
    assert (facts.annotations, facts.persons, facts.images) == (3, 1, ('001.jpg',))


@pytest.mark.parametrize(
    ('joints', 'like'),
    [(14, 'like aic, crowdpose, lsp'), (16, 'like mpii'), (19, 'like no known skeleton')],
)
def test_another_number_of_joints(contents, joints, like):
    facts, found = coco(contents.coco(joints))
    assert len(found) == 1
    assert found[0].startswith(f'has {joints} joints {like}, where 17 are expected')
    assert '(annotations 100, 101, 102)' in found[0]
    assert facts.persons == 0


def test_keypoints_that_are_no_triples(contents):
    content = contents.coco(17)
    content['annotations'][1]['keypoints'].pop()
    _, found = coco(content)
    assert found[0].startswith('has keypoints of length 50, not 3 numbers for each joint')


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
@pytest.mark.parametrize('key', ['keypoints', 'bbox'])
def test_coordinates_that_are_no_numbers(contents, key, bad):
    content = contents.coco(17)
    content['annotations'][1][key][1] = bad
    content = json.loads(json.dumps(content))  # json has NaN and Infinity in Python's dialect
    _, found = coco(content)
    (found,) = found
    assert found.startswith(f'{key} of annotations 101 are NaN or infinite -> correct them')
    assert ('0, 0, 0 is a joint that is not labelled' in found) is (key == 'keypoints')


def test_coordinates_that_are_text(contents):
    content = contents.coco(17)
    content['annotations'][2]['keypoints'][0] = 'x'
    _, found = coco(content)
    assert found[0].startswith('keypoints of annotations 102 are not rows of numbers')


@pytest.mark.parametrize(
    ('content', 'says'),
    [
        ([{'image': '1.jpg'}], "a list, as MPII's annotations are"),
        ({'data': []}, 'a dict without "images" and "annotations"'),
        ('text', 'a str without'),
    ],
)
def test_not_cocos_format(content, says):
    _, found = coco(content)
    assert found[0].startswith(f"is not in COCO's format: it holds {says}")


def test_files_of_boxes_only(contents):
    content = contents.coco(17)
    for annotation in content['annotations']:
        del annotation['keypoints']
    _, found = coco(content)
    assert found == [
        "no annotation has keypoints -> use the set's keypoint file (COCO: person_keypoints_*.json)"
    ]


def test_files_of_nobody(contents):
    assert coco({'images': [], 'annotations': []})[1] == [
        'holds no annotations -> give a file with persons'
    ]
    content = contents.coco(17)
    for annotation in content['annotations']:
        annotation['keypoints'] = [0] * 51
    assert coco(content)[1][0].startswith('no person has a labelled joint')
    assert mpii([])[1] == ['holds no persons -> give a file with persons']


def test_ids_that_occur_twice(contents):
    content = contents.coco(17)
    content['annotations'][1]['id'] = 100
    content['images'][1]['id'] = 1
    _, found = coco(content)
    assert found[0].startswith('image ids occur more than once: 1 ->')
    assert found[1].startswith('annotation ids occur more than once: 100 ->')


@pytest.mark.parametrize('value', ['101', 2**70, -(2**63) - 1, None, 1.5, True, [1]])
@pytest.mark.parametrize(
    ('table', 'key'), [('annotations', 'id'), ('annotations', 'image_id'), ('images', 'id')]
)
def test_ids_that_are_no_integers(contents, table, key, value):
    content = contents.coco(17)
    content[table][1][key] = value
    facts, found = coco(content)
    assert found == [
        f'{table} have an {key!r} that is no integer: row 1 ({value!r}) -> '
        'number them with integers of 64 bits'
    ]
    assert facts.persons == 2  # the others are checked all the same
    del content[table][1][key]
    assert f'{table} have an {key!r} that is no integer: row 1 (None)' in coco(content)[1][0]


def test_the_largest_ids(contents):
    content = contents.coco(17)
    content['annotations'][0]['id'], content['annotations'][1]['id'] = 2**63 - 1, -(2**63)
    content['annotations'][2]['id'] = 7.0  # as some tools write them
    assert coco(content)[1] == []


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        *(('width', value) for value in (None, '100', 0, -3, float('nan'), True)),
        ('height', None),
        ('file_name', None),
        ('file_name', ''),
    ],
)
def test_what_an_image_cannot_have(contents, key, value):
    content = contents.coco(17)
    content['images'][1][key] = value
    _, found = coco(content)
    assert len(found) == 1
    assert found[0].startswith(f'images have a {key!r} that is none: 2 ({value!r}) -> write ')


def test_tables_and_rows_of_another_kind(contents):
    content = contents.coco(17)
    content['images'].append('003.jpg')
    content['annotations'].append(['x' * 99])
    _, found = coco(content)
    assert found[0].startswith("images are no objects: row 2 ('003.jpg')")
    assert found[1].startswith("annotations are no objects: row 3 (['xxx")
    _, found = coco({'images': None, 'annotations': {}})
    assert found[0] == "'images' is a NoneType -> write a list of rows"
    assert found[1] == "'annotations' is a dict -> write a list of rows"


def test_numbers_beyond_every_float(contents):
    content = contents.coco(17)
    content['annotations'][2]['keypoints'][0] = 10**400
    content['annotations'][1]['bbox'][0] = 10**400
    _, found = coco(content)
    assert found[0].startswith('keypoints of annotations 102 are not rows of numbers')
    assert found[1].startswith('bbox of annotations 101 are not rows of numbers')


def test_records_that_lack_something(contents):
    content = contents.coco(17)
    del content['images'][0]['width']
    assert coco(content)[1] == ["images 1 have no 'width' -> add it"]


def test_what_a_reader_would_drop_in_silence_is_noted(contents):
    content = contents.coco(17)
    content['annotations'][0]['image_id'] = 99
    del content['annotations'][1]['bbox']
    facts, found = coco(content)
    assert found == []
    assert facts.persons == 1
    assert facts.notes == (
        'annotations without an image record, not read: 100',
        'annotations without a box, not read: 101',
    )


def test_all_problems_of_a_file_are_told(contents):
    content = contents.coco(17)
    content['annotations'][0]['keypoints'] = content['annotations'][0]['keypoints'][:42]
    content['annotations'][1]['keypoints'][0] = float('nan')
    content['annotations'][2]['id'] = 100
    assert len(coco(content)[1]) == 3


def test_wholebody_parts_are_joined(contents):
    content = contents.coco(17)
    sizes = {'foot_kpts': 6, 'face_kpts': 68, 'lefthand_kpts': 21, 'righthand_kpts': 21}
    for annotation in content['annotations']:
        annotation.update({part: [1, 1, 2] * n for part, n in sizes.items()})
    assert coco(content, joints=133, parts=checks.WHOLEBODY_PARTS)[1] == []
    assert coco(content, joints=17)[1] == []


def test_a_sound_mpii_file(contents):
    facts, found = mpii(contents.mpii())
    assert found == []
    assert (facts.annotations, facts.persons, facts.images) == (3, 3, ('001.jpg', '002.jpg'))


@pytest.mark.parametrize(
    ('key', 'value', 'says'),
    [
        ('joints', [[1.0, 2.0]] * 14, 'rows 1 have another number of joints_vis than of joints'),
        ('scale', 0, 'rows 1 have a scale that is not positive'),
        ('center', [float('nan'), 3], 'center of annotations 1 are NaN or infinite'),
        ('joints', [[float('inf'), 2.0]] * 16, 'joints of annotations 1 are NaN or infinite'),
    ],
)
def test_faults_of_mpii_rows(contents, key, value, says):
    content = contents.mpii()
    content[1][key] = value
    assert any(what.startswith(says) for what in mpii(content)[1])


def test_mpii_rows_that_lack_something(contents):
    content = contents.mpii()
    del content[0]['center']
    assert mpii(content)[1] == ["rows 0 have no 'center' -> write it as MMPose's json"]


def test_not_mpiis_format(contents):
    assert mpii(contents.coco(16))[1][0].startswith(
        "is not in MPII's format: it holds a dict, as COCO's annotations are"
    )


def lsp(path, joints=14):
    problems = ProblemList()
    facts = checks.check_lsp(str(path), problems, entry='e', joints=joints)
    return facts, [f'{p.what} -> {p.fix}' for p in problems]


@pytest.mark.parametrize(
    ('arrays', 'says'),
    [
        ({'image': ['a'], 'joints': np.ones((1, 14, 3))}, None),
        ({'image': ['a']}, r"has no ['joints']; it has ['image']"),
        ({'image': ['a'], 'joints': np.ones((1, 16, 3))}, 'has 16 joints like mpii'),
        ({'image': ['a'], 'joints': np.ones((1, 14, 2))}, 'joints of shape (1, 14, 2)'),
        ({'image': ['a', 'b'], 'joints': np.ones((1, 14, 3))}, 'joints of shape'),
        ({'image': ['a'], 'joints': np.full((1, 14, 3), np.nan)}, 'rows 0 have NaN'),
        ({'image': ['a'], 'joints': np.zeros((1, 14, 3))}, 'no person has a labelled joint'),
        ({'image': np.array([], 'U1'), 'joints': np.ones((0, 14, 3))}, 'holds no persons'),
    ],
)
def test_lsp_files(tmp_path, arrays, says):
    np.savez(tmp_path / 'a.npz', **arrays)
    facts, found = lsp(tmp_path / 'a.npz')
    if says is None:
        assert found == []
        assert (facts.persons, facts.images) == (1, ('a',))
    else:
        assert found[0].startswith(says)


def test_lsp_files_of_another_kind(tmp_path):
    (tmp_path / 'a.npz').write_text('not a zip')
    assert lsp(tmp_path / 'a.npz')[1][0].startswith('is not an .npz file of plain arrays')
    np.savez(tmp_path / 'b.npz', image=np.array([{}], dtype=object), joints=np.ones((1, 14, 3)))
    assert lsp(tmp_path / 'b.npz')[1][0].startswith('is not an .npz file of plain arrays')


def test_where_a_file_was_looked_for(tmp_path):
    problems = ProblemList()
    path = str(tmp_path / 'annotations' / 'a.json')
    assert not checks.check_exists(
        path, 'annotation file', problems, entry='e', data_root=str(tmp_path)
    )
    text = str(next(iter(problems)))
    assert f"{path} (entry 'e'): the annotation file is missing" in text
    assert f'data_root={str(tmp_path)!r}' in text
    assert f'the nearest folder that exists is {tmp_path}' in text


def test_files_that_are_none(tmp_path):
    (tmp_path / 'empty.json').touch()
    for path, says in [
        (str(tmp_path / 'empty.json'), 'is empty'),
        (str(tmp_path), 'is a folder'),
        ('', 'no annotation file is given'),
    ]:
        problems = ProblemList()
        assert not checks.check_exists(path, 'annotation file', problems, entry='e', data_root=None)
        assert says in str(next(iter(problems)))


@pytest.mark.parametrize(
    ('data', 'says'),
    [
        (b'{"images": [', 'is not valid json: Expecting value at line 1, column 13'),
        (b'\xff\xd8\xff\xe0', 'is not a json text file'),
        (b'[' + b'9' * 5000 + b']', 'cannot be read as json: Exceeds the limit'),
        (b'[' * 200_000, 'cannot be read as json: '),
    ],
)
def test_files_that_are_no_json(tmp_path, data, says):
    (tmp_path / 'a.json').write_bytes(data)
    problems = ProblemList()
    assert checks.read_json(str(tmp_path / 'a.json'), problems, entry='e') is None
    assert says in str(next(iter(problems)))


def test_missing_images(tmp_path):
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'a.jpg').touch()
    (tmp_path / 'sub' / 'b.jpg').touch()
    names = ['a.jpg', 'sub/b.jpg', 'b.jpg', 'sub/a.jpg', 'none/a.jpg']
    assert sorted(checks.missing_images(str(tmp_path), names)) == [
        'b.jpg',
        'none/a.jpg',
        'sub/a.jpg',
    ]
    problems = ProblemList()
    checks.check_images(str(tmp_path), names, problems, entry='e')
    assert '3 of 5 images are not in the folder: b.jpg' in str(next(iter(problems)))


def test_a_missing_image_folder(tmp_path):
    problems = ProblemList()
    checks.check_images(str(tmp_path / 'none'), ['a.jpg'], problems, entry='e')
    assert 'the image folder is missing; 1 images are needed' in str(next(iter(problems)))


def test_long_lists_are_cut():
    assert checks.some(range(3)) == '0, 1, 2'
    assert checks.some(range(7)) == '0, 1, 2, 3, 4, ... (7 in all)'
