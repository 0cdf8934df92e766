"""The generated dataset: repeatable, complete, and in each dataset's own format."""

import filecmp
import io
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from hpemap_mm.datasets.mannequin import DATASETS, contact_sheet, generate
from hpemap_mm.datasets.mannequin.__main__ import main
from hpemap_mm.datasets.mannequin.generate import read_manifest, split_of
from hpemap_mm.datasets.mannequin.placement import SKELETON_NAMES
from hpemap_mm.skeletons import get_skeleton

COUNT = 24
SPLITS = ('train', 'val')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp('mannequin') / 'data'
    manifest = generate(folder, images=COUNT, seed=5, progress=False)
    return folder, manifest


@pytest.fixture(scope='module')
def out(made):
    return made[0]


def read(path: Path):
    return json.loads(path.read_text())


def truth(out, split, dataset=None):
    with np.load(out / 'truth' / f'{split}.npz') as archive:
        arrays = dict(archive)
    if dataset is None:
        return arrays
    rows = arrays['dataset'] == dataset
    return {name: values[rows] for name, values in arrays.items()}


def files(folder):
    return sorted(p.relative_to(folder) for p in folder.rglob('*') if p.is_file())


def test_the_layout_is_complete(out):
    names = {str(p) for p in files(out) if p.suffix != '.jpg'}
    per_split = ['coco/{}.json', 'mpii/{}.json', 'mpii/{}_gt.mat', 'aic/{}.json', 'lsp/{}.npz']
    per_split.append('truth/{}.npz')
    assert names == {n.format(s) for n in per_split for s in SPLITS} | {'manifest.json'}
    pictures = [p for p in files(out) if p.suffix == '.jpg']
    assert len(pictures) == COUNT
    assert cv2.imread(str(out / pictures[0])).shape == (240, 320, 3)


def test_the_manifest_counts_what_is_there(made):
    out, manifest = made
    assert manifest.images == {'train': 20, 'val': 4}
    assert read_manifest(out) == manifest
    for split in SPLITS:
        rows = truth(out, split)
        counted = {name: int((rows['dataset'] == name).sum()) for name in DATASETS}
        assert manifest.persons[split] == counted
        assert min(counted.values()) > 0


def test_the_same_arguments_give_the_same_bytes(out, tmp_path):
    generate(tmp_path / 'again', images=COUNT, seed=5, progress=False)
    names = [str(p) for p in files(out)]
    assert names == [str(p) for p in files(tmp_path / 'again')]
    _, differing, failed = filecmp.cmpfiles(out, tmp_path / 'again', names, shallow=False)
    assert (differing, failed) == ([], [])


def test_fewer_images_by_more_workers_are_the_first_of_them(out, tmp_path):
    few = tmp_path / 'few'
    generate(few, images=8, seed=5, progress=False, workers=2)
    for picture in (p for p in files(few) if p.suffix == '.jpg'):
        assert (few / picture).read_bytes() == (out / picture).read_bytes()
    rows = read(out / 'mpii/train.json')
    first = read(few / 'mpii/train.json')
    assert first == rows[: len(first)]


def test_another_seed_gives_other_pictures(out, tmp_path):
    generate(tmp_path / 'other', images=4, seed=6, progress=False)
    name = 'images/train/000001.jpg'
    assert (tmp_path / 'other' / name).read_bytes() != (out / name).read_bytes()


def test_nothing_carries_a_date(out):
    header = (out / 'mpii/train_gt.mat').read_bytes()[:116]
    assert header.rstrip() == b'MATLAB 5.0 MAT-file, written by hpemap_mm'
    zipped = (out / 'lsp/train.npz').read_bytes()
    # zip's local header: DOS time and date at offset 10; 1980-01-01 is day 1, month 1, year 0
    assert zipped[10:14] == bytes([0, 0, 0b00100001, 0])


def test_every_sixth_block_of_four_is_val():
    splits = [split_of(i, 1 / 6) for i in range(600)]
    assert splits[20:24] == ['val'] * 4
    assert splits[:20] == ['train'] * 20
    assert splits.count('val') == 100
    assert [split_of(i, 0.0) for i in range(9)] == ['train'] * 9
    assert [split_of(i, 0.5) for i in (0, 4, 8, 12)] == ['train', 'val', 'train', 'val']


def test_each_image_is_annotated_by_one_dataset_in_turn(out):
    rows = truth(out, 'train')
    for name, dataset in zip(rows['image'], rows['dataset'], strict=True):
        assert dataset == DATASETS[(int(name[:6]) - 1) % 4]
    in_files = {
        'coco': {i['file_name'] for i in read(out / 'coco/train.json')['images']},
        'aic': {i['file_name'] for i in read(out / 'aic/train.json')['images']},
        'mpii': {row['image'] for row in read(out / 'mpii/train.json')},
        'lsp': set(np.load(out / 'lsp/train.npz')['image'].tolist()),
    }
    for dataset in DATASETS:
        assert in_files[dataset] == set(rows['image'][rows['dataset'] == dataset].tolist())


@pytest.mark.parametrize('skeleton', SKELETON_NAMES)
def test_truth_has_every_skeleton_and_flags_what_is_outside(out, skeleton):
    rows = truth(out, 'train')
    joints = rows[skeleton]
    assert joints.shape == (len(rows['image']), len(get_skeleton(skeleton)), 3)
    assert rows[f'{skeleton}_3d'].shape == joints.shape
    assert np.isfinite(joints).all()
    x, y, v = np.moveaxis(joints, -1, 0)
    inside = (x >= 0) & (x <= 319) & (y >= 0) & (y <= 239)
    np.testing.assert_array_equal(v > 0, inside)
    assert set(np.unique(v)) <= {0, 1, 2}
    assert (v == 2).mean() > 0.5


def test_boxes_hold_the_visible_joints(out):
    for split in SPLITS:
        rows = truth(out, split)
        x, y, w, h = rows['bbox'].T
        assert ((x >= 0) & (y >= 0) & (x + w <= 320) & (y + h <= 240)).all()
        for skeleton in SKELETON_NAMES:
            for row, joints in enumerate(rows[skeleton]):
                seen = joints[joints[:, 2] == 2, :2]
                low, high = rows['bbox'][row, :2], rows['bbox'][row, :2] + rows['bbox'][row, 2:]
                assert ((seen >= low) & (seen <= high)).all()


@pytest.mark.parametrize('dataset', ['coco', 'aic'])
def test_coco_style_files_hold_the_truth(out, dataset):
    content = read(out / dataset / 'train.json')
    rows = truth(out, 'train', dataset)
    assert [a['id'] for a in content['annotations']] == rows['annotation_id'].tolist()
    assert [a['image_id'] for a in content['annotations']] == rows['image_id'].tolist()
    face = {get_skeleton('coco').index(n) for n in ('nose', 'left_eye', 'right_eye')}
    face |= {get_skeleton('coco').index(n) for n in ('left_ear', 'right_ear')}
    for annotation, expected in zip(content['annotations'], rows[dataset], strict=True):
        got = np.array(annotation['keypoints'], dtype=float).reshape(-1, 3)
        labelled = got[:, 2] > 0
        assert annotation['num_keypoints'] == labelled.sum() > 0
        np.testing.assert_allclose(got[labelled], expected[labelled], atol=1e-9)
        assert (got[~labelled] == 0).all()
        for k in np.flatnonzero(~labelled & (expected[:, 2] > 0)):
            # in the image and yet not labelled: a face turned away, as in COCO
            assert dataset == 'coco'
            assert k in face
            assert expected[k, 2] == 1


def test_pycocotools_scores_the_truth_as_perfect(out, capsys):
    pycocotools_coco = pytest.importorskip('pycocotools.coco')
    from pycocotools.cocoeval import COCOeval

    coco = pycocotools_coco.COCO(str(out / 'coco/train.json'))
    found = [
        {k: a[k] for k in ('image_id', 'category_id', 'keypoints', 'bbox')} | {'score': 1.0}
        for a in coco.dataset['annotations']
    ]
    for kind in ('keypoints', 'segm'):
        scorer = COCOeval(coco, coco.loadRes([dict(f) for f in found]), kind)
        if kind == 'keypoints':
            scorer.evaluate()
            scorer.accumulate()
            scorer.summarize()
            assert scorer.stats[0] == pytest.approx(1.0)
    masks = [coco.annToMask(a).sum() / a['area'] for a in coco.dataset['annotations']]
    assert np.median(masks) == pytest.approx(1, abs=0.15)
    capsys.readouterr()


def test_mpii_is_one_based_and_marks_what_is_missing(out):
    for split in SPLITS:
        annotated = read(out / f'mpii/{split}.json')
        rows = truth(out, split, 'mpii')
        assert [r['image'] for r in annotated] == rows['image'].tolist()
        for row, expected in zip(annotated, rows['mpii'], strict=True):
            joints, shown = np.array(row['joints']), np.array(row['joints_vis'], bool)
            np.testing.assert_array_equal(shown, expected[:, 2] > 0)
            np.testing.assert_allclose(joints[shown] - 1, expected[shown, :2], atol=1e-9)
            assert (joints[~shown] == -1).all()


def test_mpii_pelvis_and_thorax_are_exact_midpoints_in_the_file(out):
    sk = get_skeleton('mpii')
    checked = 0
    for row in read(out / 'mpii/train.json'):
        joints, shown = np.array(row['joints']), np.array(row['joints_vis'], bool)
        for middle, pair in (('pelvis', 'hip'), ('thorax', 'shoulder')):
            ends = [sk.index(f'left_{pair}'), sk.index(f'right_{pair}')]
            if shown[ends].all():
                expected = joints[ends].mean(0)
                np.testing.assert_allclose(joints[sk.index(middle)], expected, atol=1e-9)
                checked += 1
    assert checked > 10


def test_mpii_center_and_scale_frame_the_person(out):
    """In units of 200 px, the joints' longer side is 0.87 of the scale, as on real MPII."""
    rows = truth(out, 'train', 'mpii')
    every = np.concatenate([rows[name][..., :2] for name in SKELETON_NAMES], axis=1)
    longer = np.ptp(every, axis=1).max(1)
    annotated = read(out / 'mpii/train.json')
    scale = np.array([r['scale'] for r in annotated])
    np.testing.assert_allclose(longer / (200 * scale), 0.87, atol=1e-3)
    centre = np.array([r['center'] for r in annotated])
    assert ((centre >= 1) & (centre <= [320, 240])).all()


def test_mpii_scoring_file_goes_with_the_json(out):
    mat = loadmat(out / 'mpii/val_gt.mat')
    annotated = read(out / 'mpii/val.json')
    missing = np.array([r['joints_vis'] for r in annotated]).T == 0
    np.testing.assert_array_equal(mat['jnt_missing'], missing)
    joints = np.array([r['joints'] for r in annotated]).transpose(1, 2, 0)
    expected = np.where(missing[:, None], 0, joints)
    np.testing.assert_allclose(mat['pos_gt_src'], expected, atol=1e-9)
    names = [name.item() for name in mat['dataset_joints'][0]]
    assert names[:4] + names[6:12] == (
        ['rank', 'rkne', 'rhip', 'lhip', 'pelv', 'thor', 'neck', 'head', 'rwri', 'relb']
    )
    # the head box: its diagonal is 1.25 x upper neck to head top, around their middle
    rows = truth(out, 'val', 'mpii')
    sk = get_skeleton('mpii')
    neck, top = (rows['mpii'][:, sk.index(n), :2] for n in ('upper_neck', 'head_top'))
    low, high = mat['headboxes_src'].transpose(2, 0, 1).transpose(1, 0, 2)
    assert (high > low).all()
    diagonal = np.linalg.norm(high - low, axis=1)
    np.testing.assert_allclose(diagonal, 1.25 * np.linalg.norm(top - neck, axis=1), rtol=1e-6)
    np.testing.assert_allclose((low + high) / 2, (neck + top) / 2 + 1, atol=1e-6)
    size = 0.6 * diagonal
    assert (size > 4).all()
    assert (size < 0.35 * rows['bbox'][:, 2:].max(1)).all()


def test_lsp_labels_what_nothing_else_hides(out):
    with np.load(out / 'lsp/train.npz') as archive:
        image, joints = archive['image'], archive['joints']
    rows = truth(out, 'train', 'lsp')
    np.testing.assert_array_equal(image, rows['image'])
    labelled = joints[..., 2] == 1
    expected = rows['lsp']
    np.testing.assert_allclose(
        joints[labelled][:, :2], expected[labelled][:, :2].astype(np.float32), atol=1e-4
    )
    assert (joints[~labelled] == [-1, -1, 0]).all()
    assert (expected[labelled][:, 2] > 0).all()
    assert labelled[expected[..., 2] == 2].all()


def test_left_is_the_persons_own_left(out):
    """Upright people who face the camera have their left on the picture's right."""
    checked = 0
    for split in SPLITS:
        rows = truth(out, split)
        upright = np.isin(rows['family'], ['standing', 'walking', 'sitting', 'arms_raised'])
        for skeleton in DATASETS:
            sk = get_skeleton(skeleton)
            left, right = sk.index('left_shoulder'), sk.index('right_shoulder')
            gap = rows[skeleton][:, left, 0] - rows[skeleton][:, right, 0]
            towards, away = np.abs(rows['yaw']) < 45, np.abs(rows['yaw']) > 135
            assert (gap[upright & towards] > 0).all()
            assert (gap[upright & away] < 0).all()
            checked += (upright & (towards | away)).sum()
    assert checked > 40


def test_formats_are_those_of_the_real_files(out, shared_data):
    real = loadmat(shared_data / 'mpii/mpii_gt_val.mat')
    made = loadmat(out / 'mpii/val_gt.mat')
    assert {k for k in made if k[0] != '_'} == {k for k in real if k[0] != '_'}
    for name in (k for k in real if k[0] != '_'):
        assert made[name].dtype == real[name].dtype, name
        assert made[name].shape[:2] == real[name].shape[:2] or name == 'jnt_missing'
        assert made[name].ndim == real[name].ndim
    for a, b in zip(made['dataset_joints'][0], real['dataset_joints'][0], strict=True):
        assert a.item() == b.item()

    rows, real_rows = read(out / 'mpii/val.json'), read(shared_data / 'mpii/mpii_val.json')
    assert set(rows[0]) == set(real_rows[0])

    for name in ('coco', 'aic'):
        content = read(out / name / 'train.json')
        example = read(shared_data / f'real/{name}/test_{name}.json')
        assert set(content) == set(example)
        category, real_category = content['categories'][0], example['categories'][0]
        assert category['keypoints'] == real_category['keypoints']
        assert set(category) == set(real_category)
        assert set(example['annotations'][0]) <= set(content['annotations'][0])
        assert {'id', 'file_name', 'width', 'height'} == set(content['images'][0])

    with (
        np.load(out / 'lsp/train.npz') as lsp,
        np.load(shared_data / 'lspet/lspet_val.npz') as example,
    ):
        assert lsp.files == example.files
        for name in lsp.files:
            assert lsp[name].dtype.kind == example[name].dtype.kind
            assert lsp[name].shape[1:] == example[name].shape[1:]


def test_a_finished_dataset_is_left_alone(out):
    stamps = {p: (out / p).stat().st_mtime_ns for p in files(out)}
    again = generate(out, images=COUNT, seed=5, progress=False)
    assert again == read_manifest(out)
    assert {p: (out / p).stat().st_mtime_ns for p in files(out)} == stamps


def test_another_dataset_in_the_way_is_an_error_unless_forced(tmp_path):
    out = tmp_path / 'data'
    generate(out, images=4, seed=0, image_size=(120, 96), progress=False)
    with pytest.raises(FileExistsError, match=r"another dataset.*'seed': 0.*'seed': 1.*--force"):
        generate(out, images=4, seed=1, image_size=(120, 96), progress=False)
    generate(out, images=4, seed=1, image_size=(120, 96), progress=False, force=True)
    manifest = read_manifest(out)
    assert manifest.arguments['seed'] == 1
    assert [p.name for p in tmp_path.iterdir()] == ['data']


@pytest.mark.parametrize('force', [False, True])
def test_a_folder_of_somebody_elses_is_never_replaced(tmp_path, force):
    (tmp_path / 'thesis.txt').write_text('years of work')
    with pytest.raises(FileExistsError, match='not made by this generator'):
        generate(tmp_path, images=4, progress=False, force=force)
    assert (tmp_path / 'thesis.txt').read_text() == 'years of work'


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError('disk full')

    # The package's name `generate` is the function, not the module that it is in.
    module = import_module('hpemap_mm.datasets.mannequin.generate')
    monkeypatch.setattr(module, 'write_truth', fail)
    with pytest.raises(OSError, match='disk full'):
        generate(tmp_path / 'data', images=4, image_size=(120, 96), progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'images': 3}, 'images must be at least 4, one per dataset; got 3'),
        ({'seed': -1}, 'seed must not be negative'),
        ({'val_fraction': 1.0}, 'val_fraction must be in'),
        ({'image_size': (50, 200)}, 'image_size must be'),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        generate(tmp_path / 'data', progress=False, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_a_bar_on_stderr(tmp_path, capsys):
    generate(tmp_path / 'data', images=4, image_size=(120, 96), progress=True)
    printed = capsys.readouterr()
    assert printed.out == ''
    assert printed.err.splitlines()[-1] == f'mannequins [{"#" * 30}] 4/4'


def test_the_command_line(tmp_path, capsys):
    out, sheet = tmp_path / 'data', tmp_path / 'sheet.png'
    arguments = [str(out), '--images', '4', '--quiet', '--contact-sheet', str(sheet)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert 'train: 4 images' in printed
    assert cv2.imread(str(sheet)).shape == (486, 4 * 646, 3)
    assert main([str(out), '--images', '5', '--quiet']) == 1
    assert 'another dataset' in capsys.readouterr().err


def test_a_contact_sheet_shows_the_joints(out, tmp_path):
    for joints in (True, False):
        contact_sheet(out, tmp_path / f'{joints}.png', 4, columns=2, joints=joints)
    drawn, bare = (cv2.imread(str(tmp_path / f'{j}.png')).astype(int) for j in (True, False))
    assert drawn.shape == bare.shape == (2 * 486, 2 * 646, 3)
    assert 0.001 < (np.abs(drawn - bare).max(-1) > 60).mean() < 0.2
    with pytest.raises(FileNotFoundError, match='no manifest.json'):
        contact_sheet(tmp_path, tmp_path / 'no.png')


def test_it_needs_neither_torch_nor_mmpose():
    code = (
        'import sys; import hpemap_mm.datasets.mannequin; '
        'print([m for m in ("torch", "mmpose", "mmengine", "mmcv") if m in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


def test_the_readers_give_zero_based_keypoints(out):
    """Through the library's own dataset classes and MMPose's."""
    pytest.importorskip('torch')
    from mmpose.datasets import AicDataset, CocoDataset

    from hpemap_mm.datasets import LspDataset, MpiiDataset

    images = {'img': str(out / 'images/train') + '/'}
    readers = {
        'coco': (CocoDataset, 'coco/train.json'),
        'aic': (AicDataset, 'aic/train.json'),
        'mpii': (MpiiDataset, 'mpii/train.json'),
        'lsp': (LspDataset, 'lsp/train.npz'),
    }
    for name, (reader, path) in readers.items():
        dataset = reader(ann_file=str(out / path), data_prefix=images)
        rows = truth(out, 'train', name)
        assert len(dataset) == len(rows[name])
        for i in range(len(dataset)):
            info = dataset.get_data_info(i)
            assert Path(info['img_path']).is_file()
            shown = info['keypoints_visible'][0] > 0
            got, expected = info['keypoints'][0][shown], rows[name][i][shown, :2]
            assert shown.sum() >= 5
            np.testing.assert_allclose(got, expected, atol=2e-3)


def test_npz_members_are_plain_arrays(out):
    """No pickles: the file opens with numpy's safe default."""
    data = io.BytesIO((out / 'truth/val.npz').read_bytes())
    with np.load(data, allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)
