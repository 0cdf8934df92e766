"""tools/convert_dataset.py as a person runs it, on real annotations; and as others read it."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SPLITS = ('train', 'val')
FILE = 'person_keypoints_{}2017.json'


@pytest.fixture
def command(project_root, tmp_path):
    environment = {**os.environ, 'PYTHONPATH': str(project_root), 'COLUMNS': '100'}

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, str(project_root / 'tools/convert_dataset.py'), *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def convert(command):
    def run(*arguments):
        process = command(*arguments)
        out, error = process.communicate(timeout=120)
        return process.returncode, out, error

    return run


@pytest.fixture
def subset(shared_data):
    return shared_data / 'coco_subset'


def persons(path):
    """Keypoints and boxes by image name."""
    value = json.loads(path.read_text())
    names = {image['id']: image['file_name'] for image in value['images']}
    found = {name: [] for name in names.values()}
    for row in value['annotations']:
        found[names[row['image_id']]].append([*row['keypoints'], *row['bbox']])
    return found


def test_coco_to_yolo_and_back(convert, subset, tmp_path):
    code, out, error = convert(
        *(subset, 'yolo', '--from', 'coco', '--to', 'yolo', '--link-images', '--splits'),
        *(f'{split}={FILE.format(split)}' for split in SPLITS),
        '--images',
        *(f'{split}={subset / split}2017' for split in SPLITS),
    )
    assert code == 0, error
    assert out.splitlines() == [
        'coco: COCO json to YOLO labels',
        'train: 125 images, 360 persons, 3693 labelled joints taken',
        'val: 125 images, 367 persons, 3829 labelled joints taken',
        '- lost: YOLO labels has no room for: area, area_is_official, id',
        'written: yolo',
    ]
    code, out, error = convert('yolo', 'coco', '--from', 'yolo', '--to', 'coco')
    assert code == 0, error
    assert sorted(os.listdir(tmp_path / 'coco')) == ['train.json', 'val.json']
    for split in SPLITS:
        known = persons(subset / FILE.format(split))
        back = persons(tmp_path / 'coco' / f'{split}.json')
        assert known.keys() == back.keys()
        for name in known:
            assert np.abs(np.array(known[name]) - np.array(back[name])).max() < 0.01

    # pycocotools, fed with the truth as predictions, finds them perfect.
    truth = COCO(str(tmp_path / 'coco' / 'val.json'))
    rows = [{**row, 'score': 0.9} for row in truth.loadAnns(truth.getAnnIds())]
    keys = ('image_id', 'category_id', 'keypoints', 'score')
    answers = truth.loadRes([{key: row[key] for key in keys} for row in rows])
    evaluation = COCOeval(truth, answers, 'keypoints')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


def test_mmpose_reads_what_came_back(convert, subset, tmp_path):
    source = subset / FILE.format('val')
    images = subset / 'val2017'
    options = ('--splits', 'val', '--images', images)
    assert convert(source, 'yolo', '--from', 'coco', '--to', 'yolo', *options)[0] == 0
    code, _, error = convert('yolo', 'b.json', '--from', 'yolo', '--to', 'coco', *options)
    assert code == 0, error
    from mmpose.datasets import CocoDataset

    def load(path):
        dataset = CocoDataset(
            ann_file=str(path), data_prefix={'img': str(images)}, test_mode=False, lazy_init=False
        )
        return {sample['img_path']: sample['keypoints'] for sample in dataset}

    known, back = load(source), load(tmp_path / 'b.json')
    assert known.keys() == back.keys()
    for path, keypoints in known.items():
        assert np.abs(keypoints - back[path]).max() < 0.01


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('missing.json', 'o', '--from', 'coco', '--to', 'yolo'), 'missing.json: is not there'),
        (('a.json', 'a.json', '--from', 'coco', '--to', 'coco'), 'is the input a.json'),
        (('a.json', 'full', '--from', 'coco', '--to', 'yolo'), 'is there already, with files'),
        (('.', 'o', '--from', 'yolo', '--to', 'coco'), 'has no data.yaml'),
        (('a.json', 'o', '--from', 'coco', '--to', 'yolo', '--skeleton', 'cocco'), 'Did you mean'),
        (('a.json', 'o', '--from', 'coco', '--to', 'yolo'), 'ends too early, at byte'),
    ],
)
def test_mistakes(convert, tmp_path, arguments, message):
    (tmp_path / 'a.json').write_text('{"images": [{"id": 1}], "annotations": [')
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'mine').write_text('')
    before = sorted(tmp_path.rglob('*'))
    code, _, error = convert(*arguments)
    assert code in (1, 2)
    assert message in error
    assert 'Traceback' not in error
    assert sorted(tmp_path.rglob('*')) == before


def test_the_example_of_the_help(convert, subset, tmp_path):
    code, out, _ = convert('--help')
    assert code == 0
    pasted = out.partition('python tools/convert_dataset.py ')[2].replace('\\\n', '')
    example = shlex.split(pasted)
    (tmp_path / 'coco' / 'annotations').mkdir(parents=True)
    for split in SPLITS:
        name = FILE.format(split)
        (tmp_path / 'coco' / 'annotations' / name).symlink_to(subset / name)
        (tmp_path / 'coco' / f'{split}2017').symlink_to(subset / f'{split}2017')
    code, out, error = convert(*example)
    assert code == 0, error
    assert 'train: 125 images, 360 persons' in out
    assert 'val: 125 images, 367 persons' in out
    assert len(list((tmp_path / 'coco-yolo' / 'images' / 'val').iterdir())) == 125


@pytest.mark.parametrize(
    ('target', 'out'), [('coco', 'new/b.json'), ('coco', 'new/jsons'), ('yolo', 'new/yolo')]
)
def test_a_disk_without_room(project_root, subset, tmp_path, target, out):
    resource = pytest.importorskip('resource')  # files of 4 kB stand for a full disk
    tool = project_root / 'tools/convert_dataset.py'
    source = subset / FILE.format('val')
    done = subprocess.run(
        [sys.executable, tool, source, out, '--from', 'coco', '--to', target],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(project_root), 'PYTHONDONTWRITEBYTECODE': '1'},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == 'error: 1 problem found:'
    assert f'{out}: File too large -> allow larger files' in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_the_middle(command, tmp_path, number):
    row = {'id': 1, 'image_id': 1, 'category_id': 1, 'keypoints': [7, 8, 2] * 17}
    image = {'id': 1, 'file_name': 'a.jpg', 'width': 9, 'height': 9}
    (tmp_path / 'a.json').write_text(
        json.dumps({'images': [image], 'annotations': [{**row, 'bbox': [1, 2, 3, 4]}] * 60_000})
    )
    process = command(
        *('a.json', 'new/yolo', '--from', 'coco', '--to', 'yolo', '--skeleton', 'coco')
    )
    label = 'labels/train/a.txt'
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        if any(file.stat().st_size for file in tmp_path.glob(f'new/.yolo.*.partial/{label}')):
            break
        time.sleep(0.01)
    assert process.poll() is None
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert not (tmp_path / 'new' / 'yolo').exists()
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        return
    assert process.returncode == 128 + number
    assert not (tmp_path / 'new').exists()
    assert 'Traceback' not in error
