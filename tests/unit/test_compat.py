"""The stand-ins: present where the real packages are not, absent where they are."""

import json
import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO as OfficialCOCO
from pycocotools.cocoeval import COCOeval as OfficialCOCOeval

from hpemap_mm import compat
from hpemap_mm.compat_xtcocotools import COCO, COCOeval

JOINTS = 17


def run_python(code: str, *, project_root: Path, first_on_path: Path | None = None) -> str:
    """Run code in a fresh interpreter; its standard output. Fails with what it wrote."""
    path = [str(folder) for folder in (first_on_path, project_root) if folder]
    done = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code)],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_package(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


# --- without the real packages -------------------------------------------------------------


def test_importing_the_package_imports_nothing_heavy(project_root):
    loaded = run_python(
        """
        import sys
        before = set(sys.modules)
        import hpemap_mm
        print(*{name.partition('.')[0] for name in set(sys.modules) - before})
        """,
        project_root=project_root,
    ).split()

    heavy = {'torch', 'mmpose', 'mmengine', 'mmcv', 'mmdet', 'cv2', 'numpy', 'xtcocotools'}
    assert 'hpemap_mm' in loaded
    assert heavy.isdisjoint(loaded)


def test_mmpose_imports_and_the_stand_ins_say_what_is_missing(project_root):
    run_python(
        """
        import importlib, sys, warnings
        warnings.filterwarnings('error', message='Fail to import')
        import hpemap_mm
        from hpemap_mm import compat

        for name in ('models', 'datasets', 'evaluation', 'visualization', 'apis'):
            importlib.import_module(f'mmpose.{name}')
        assert compat.stand_ins() == [
            'mmcv.ops', 'mmcv.ops.multi_scale_deform_attn', 'mmdet', 'mmdet.utils',
            'xtcocotools', 'xtcocotools.coco', 'xtcocotools.cocoeval', 'xtcocotools.mask',
        ], compat.stand_ins()

        # What MMPose asks in order to choose its path is answered truthfully.
        from mmengine.utils import is_installed
        assert not is_installed('mmdet') and not is_installed('xtcocotools')
        assert is_installed('mmcv-lite') and is_installed('mmpose')
        from mmpose.apis.inferencers import base_mmpose_inferencer
        from mmpose.models.heads.hybrid_heads import dekr_head
        assert base_mmpose_inferencer.has_mmdet is False
        assert dekr_head.has_mmcv_full is False

        # mmcv-lite's own half is untouched.
        import mmcv
        from mmcv.utils import collect_env
        assert collect_env()['MMCV Compiler'] == 'n/a'
        assert not compat.is_stand_in(mmcv)
        assert mmcv.imresize.__module__ == 'mmcv.image.geometric'

        # MMPose's evaluator uses the adapter.
        from hpemap_mm import compat_xtcocotools
        from mmpose.evaluation.metrics import coco_metric
        assert coco_metric.COCOeval is compat_xtcocotools.COCOeval

        # A network that needs none of it is built and run; one that does says what it needs.
        import torch
        from mmpose.registry import MODELS
        head = MODELS.build(dict(
            type='mmpose.HeatmapHead', in_channels=4, out_channels=2, deconv_out_channels=None,
            loss=dict(type='mmpose.KeypointMSELoss')))
        assert head((torch.zeros(1, 4, 8, 6),)).shape == (1, 2, 8, 6)
        from mmpose.models.heads.transformer_heads.transformers import (
            DeformableDetrTransformerEncoderLayer)
        try:
            DeformableDetrTransformerEncoderLayer()
        except ImportError as error:
            assert 'MultiScaleDeformableAttention' in str(error) and 'full mmcv' in str(error)
        else:
            raise AssertionError('deformable attention was built without mmcv.ops')
        """,
        project_root=project_root,
    )


def test_using_a_stand_in_names_what_to_install():
    from mmcv.ops import MultiScaleDeformableAttention
    from mmdet.utils import ConfigType, reduce_mean

    assert ConfigType  # used in annotations only
    with pytest.raises(ImportError, match='MultiScaleDeformableAttention.*full mmcv'):
        MultiScaleDeformableAttention(embed_dims=256)
    with pytest.raises(ImportError, match='mmdet.utils.reduce_mean.*pip install mmdet'):
        reduce_mean(1.0)
    with pytest.raises(ImportError, match='mmcv.ops.DeformConv2d.*full mmcv'):
        from mmcv.ops import DeformConv2d  # noqa: F401
    with pytest.raises(ImportError, match='mmdet.apis.*pip install mmdet'):
        from mmdet import apis  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match="No module named 'mmdet.apis'"):
        import mmdet.apis.det_inferencer  # noqa: F401


def test_stand_ins_can_be_subclassed_and_compared():
    from mmcv.ops import MultiScaleDeformableAttention

    class Attention(MultiScaleDeformableAttention):
        pass

    assert not isinstance(object(), MultiScaleDeformableAttention)
    assert MultiScaleDeformableAttention.__module__ == 'mmcv.ops'
    with pytest.raises(ImportError, match='full mmcv'):
        Attention()


def test_installing_again_and_reloading_change_nothing(project_root, tmp_path):
    mmcv_lite = write_package(tmp_path, {'mmcv/__init__.py': ''})

    run_python(
        """
        import importlib, sys
        import hpemap_mm
        from hpemap_mm import compat
        import mmcv.ops

        def ours():
            return [type(finder).__name__ for finder in sys.meta_path
                    if type(finder).__module__ == 'hpemap_mm.compat']

        compat.install()
        assert ours() == ['MmcvOpsFinder', 'AbsentPackageFinder'], ours()
        importlib.reload(compat).install()
        assert ours() == ['MmcvOpsFinder', 'AbsentPackageFinder'], ours()
        assert type(sys.meta_path[0]).__name__ == 'MmcvOpsFinder'
        assert type(sys.meta_path[-1]).__name__ == 'AbsentPackageFinder'

        importlib.reload(mmcv.ops)
        assert mmcv.ops.MultiScaleDeformableAttention
        import mmdet
        compat = importlib.reload(compat)
        compat.install()
        import mmdet.utils  # below a package that the module made before its reload
        assert compat.stand_ins() == ['mmcv.ops', 'mmdet', 'mmdet.utils']
        """,
        project_root=project_root,
        first_on_path=mmcv_lite,
    )


# --- with the real packages ----------------------------------------------------------------

REAL_MMDET = {
    'mmdet/__init__.py': "real = 'mmdet'",
    'mmdet/utils.py': "ConfigType = 'real'\ndef reduce_mean(x): return x",
}
REAL_XTCOCOTOOLS = {
    'xtcocotools/__init__.py': '',
    'xtcocotools/coco.py': "COCO = 'real'",
    'xtcocotools/cocoeval.py': "COCOeval = 'real'",
    'xtcocotools/mask.py': "decode = 'real'",
}
FULL_MMCV = {
    'mmcv/__init__.py': '',
    'mmcv/_ext.py': '',
    'mmcv/ops/__init__.py': "MultiScaleDeformableAttention = DeformConv2d = 'real'",
}


def test_steps_aside_where_the_real_packages_are(project_root, tmp_path):
    folder = write_package(tmp_path, {**REAL_MMDET, **REAL_XTCOCOTOOLS, **FULL_MMCV})

    run_python(
        """
        import hpemap_mm
        from hpemap_mm import compat
        from mmcv.ops import DeformConv2d, MultiScaleDeformableAttention
        import mmdet
        from mmdet.utils import ConfigType, reduce_mean
        from xtcocotools.coco import COCO
        from xtcocotools.cocoeval import COCOeval
        from xtcocotools.mask import decode

        assert DeformConv2d == MultiScaleDeformableAttention == 'real'
        assert mmdet.real == 'mmdet' and ConfigType == 'real' and reduce_mean(3) == 3
        assert COCO == COCOeval == decode == 'real'
        assert compat.stand_ins() == []

        # A real package's missing module stays missing: half of it is never ours.
        import importlib.util
        assert importlib.util.find_spec('mmdet.apis') is None
        """,
        project_root=project_root,
        first_on_path=folder,
    )


def test_a_real_package_is_not_completed(project_root, tmp_path):
    folder = write_package(tmp_path, {'mmdet/__init__.py': '', 'xtcocotools/__init__.py': ''})

    run_python(
        """
        import hpemap_mm
        for name in ('mmdet.utils', 'xtcocotools.coco'):
            try:
                __import__(name)
            except ModuleNotFoundError as error:
                assert error.name == name
            else:
                raise AssertionError(f'{name} was made up')
        """,
        project_root=project_root,
        first_on_path=folder,
    )


@pytest.mark.parametrize('has_ext', [True, False])
def test_mmcv_ops_is_stood_in_for_exactly_where_ext_is_absent(project_root, tmp_path, has_ext):
    files = {name: text for name, text in FULL_MMCV.items() if has_ext or '_ext' not in name}
    folder = write_package(tmp_path, files)

    printed = run_python(
        """
        import hpemap_mm
        import mmcv.ops
        print(hpemap_mm.compat.is_stand_in(mmcv.ops), 'torch' in __import__('sys').modules)
        """,
        project_root=project_root,
        first_on_path=folder,
    )

    assert printed.split() == [str(not has_ext), 'False']


def test_without_mmcv_the_error_is_pythons_own(project_root, tmp_path):
    folder = write_package(
        tmp_path,
        {'mmcv/__init__.py': "raise ModuleNotFoundError('No module named mmcv', name='mmcv')"},
    )

    run_python(
        """
        import hpemap_mm
        try:
            import mmcv.ops
        except ModuleNotFoundError as error:
            assert error.name == 'mmcv'
        else:
            raise AssertionError('mmcv.ops without mmcv')
        """,
        project_root=project_root,
        first_on_path=folder,
    )


# --- the adapter over faster-coco-eval, against pycocotools ---------------------------------


def person(rng, image_id, *, size, iscrowd=0, annotated=True):
    """One annotation with a box of about `size` pixels."""
    corner = rng.uniform(0, 300, 2)
    extent = size * rng.uniform(0.7, 1.3, 2)
    keypoints = np.zeros((JOINTS, 3))
    if annotated:
        keypoints[:, :2] = corner + rng.uniform(0, 1, (JOINTS, 2)) * extent
        keypoints[:, 2] = rng.choice([0, 1, 2], JOINTS, p=[0.2, 0.2, 0.6])
        keypoints[0, 2] = 2
        keypoints[keypoints[:, 2] == 0] = 0
    return {
        'image_id': image_id,
        'category_id': 1,
        'bbox': [*corner.tolist(), *extent.tolist()],
        'area': float(extent.prod() * 0.6),
        'keypoints': keypoints.ravel().tolist(),
        'num_keypoints': int((keypoints[:, 2] > 0).sum()),
        'iscrowd': iscrowd,
    }


def world(seed, *, images=40, crowd_index=False):
    """Images with small to large persons, crowds, and persons without any joint."""
    rng = np.random.default_rng(seed)
    annotations = []
    for image_id in range(1, images + 1):
        for _ in range(rng.integers(0, 5)):
            size = rng.choice([20, 60, 250])
            annotations.append(person(rng, image_id, size=size))
        if rng.random() < 0.3:
            annotations.append(person(rng, image_id, size=120, iscrowd=1))
        if rng.random() < 0.3:
            annotations.append(person(rng, image_id, size=120, annotated=False))
    for number, annotation in enumerate(annotations, 1):
        annotation['id'] = number
    records = [{'id': i, 'width': 640, 'height': 480} for i in range(1, images + 1)]
    if crowd_index:
        for record in records:
            record['crowdIndex'] = float(rng.choice([0.1, 0.5, 0.9]))
    categories = [{'id': 1, 'name': 'person', 'keypoints': [str(j) for j in range(JOINTS)]}]
    return {'images': records, 'annotations': annotations, 'categories': categories}


def predict(truth, seed, *, noise, missed=0.1, invented=1, images=40):
    """Predictions `noise` x the person's size off, some missing, some made up."""
    rng = np.random.default_rng(seed)
    found = []
    for annotation in truth['annotations']:
        copies = 0 if rng.random() < missed else rng.integers(1, 3)
        for _ in range(copies):
            keypoints = np.array(annotation['keypoints'], float).reshape(JOINTS, 3)
            size = np.sqrt(annotation['area'])
            keypoints[:, :2] += rng.normal(0, noise * size, (JOINTS, 2))
            keypoints[:, 2] = rng.uniform(0.01, 1, JOINTS)
            found.append((annotation['image_id'], keypoints))
    for image_id in range(1, images + 1):
        for _ in range(rng.integers(0, 25) if image_id % 10 == 0 else invented):
            keypoints = rng.uniform(0, 400, (JOINTS, 3))
            keypoints[:, 2] = rng.uniform(0.01, 1, JOINTS)
            found.append((image_id, keypoints))
    # Two digits: scores tie, and the order of ties matters.
    return [
        {
            'image_id': image_id,
            'category_id': 1,
            'keypoints': keypoints.ravel().tolist(),
            'score': round(float(rng.uniform(0, 1)), 2),
        }
        for image_id, keypoints in found
    ]


def stats(coco_class, eval_class, truth_file, detections, *, after=None, **kwargs):
    truth = coco_class(str(truth_file))
    evaluation = eval_class(truth, truth.loadRes(detections), 'keypoints', **kwargs)
    if after is not None:
        after(evaluation)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats


@pytest.fixture
def truth(tmp_path):
    data = world(0)
    file = tmp_path / 'truth.json'
    file.write_text(json.dumps(data))
    return data, file


@pytest.mark.parametrize('seed', [0, 1])
@pytest.mark.parametrize('noise', [0.0, 0.03, 0.1, 0.4])
def test_ten_numbers_are_those_of_pycocotools(truth, noise, seed, capsys):
    data, file = truth
    detections = predict(data, seed, noise=noise)

    ours = stats(COCO, COCOeval, file, detections)
    theirs = stats(OfficialCOCO, OfficialCOCOeval, file, detections)

    assert len(ours) == 10
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    # The worlds are neither trivially easy nor empty: good predictions are good, bad ones bad.
    assert (ours[0] > 0.3) if noise <= 0.03 else (ours[0] < 0.3)
    assert 'Average Precision' in capsys.readouterr().out


def test_perfect_and_hopeless_predictions(truth):
    data, file = truth
    perfect = predict(data, 0, noise=0.0, missed=0.0, invented=0, images=0)
    for detection in perfect:
        detection['keypoints'][2::3] = [1.0] * JOINTS
    lost = [{**d, 'keypoints': (np.array(d['keypoints']) + 5000).tolist()} for d in perfect]

    assert stats(COCO, COCOeval, file, perfect)[5] == pytest.approx(1.0)  # AR: all are found
    assert stats(COCO, COCOeval, file, lost)[0] == 0.0


def test_use_segm_none_does_not_score_boxes(truth):
    data, file = truth
    detections = predict(data, 3, noise=0.4)

    def mmpose_sets_this(evaluation):
        evaluation.params.useSegm = None

    ours = stats(COCO, COCOeval, file, detections, after=mmpose_sets_this)

    np.testing.assert_allclose(
        ours, stats(OfficialCOCO, OfficialCOCOeval, file, detections), atol=1e-6
    )
    assert len(ours) == 10


def test_use_segm_still_selects_boxes_and_masks():
    evaluation = COCOeval(iouType='keypoints')
    evaluation.params.useSegm = 0
    assert evaluation.params.iouType == 'bbox'
    evaluation.params.useSegm = 1
    assert evaluation.params.iouType == 'segm'


def test_given_sigmas_are_used(truth):
    data, file = truth
    detections = predict(data, 4, noise=0.05)
    sigmas = np.linspace(0.02, 0.2, JOINTS)

    def give(evaluation):
        evaluation.params.kpt_oks_sigmas = sigmas

    ours = stats(COCO, COCOeval, file, detections, sigmas=sigmas)

    np.testing.assert_allclose(
        ours, stats(OfficialCOCO, OfficialCOCOeval, file, detections, after=give), atol=1e-6
    )
    assert abs(ours[0] - stats(COCO, COCOeval, file, detections)[0]) > 0.01


def test_boxes_are_scored_as_by_pycocotools(truth):
    data, file = truth
    boxes = [
        {'image_id': a['image_id'], 'category_id': 1, 'bbox': a['bbox'], 'score': 0.5}
        for a in data['annotations'][::2]
    ]

    def boxed(coco_class, eval_class):
        gt = coco_class(str(file))
        evaluation = eval_class(gt, gt.loadRes(boxes), 'bbox')
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return evaluation.stats[:6]

    np.testing.assert_allclose(
        boxed(COCO, COCOeval), boxed(OfficialCOCO, OfficialCOCOeval), atol=1e-6
    )


def test_real_coco_predictions_agree(shared_data, tmp_path):
    source = shared_data / 'coco_subset' / 'person_keypoints_val2017.json'
    data = json.loads(source.read_text())
    for seed, noise in enumerate((0.02, 0.3)):
        persons = {'annotations': [a for a in data['annotations'] if a['num_keypoints']]}
        detections = predict(persons, seed, noise=noise, images=0)

        ours = stats(COCO, COCOeval, source, detections)
        theirs = stats(OfficialCOCO, OfficialCOCOeval, source, detections)

        np.testing.assert_allclose(ours, theirs, atol=1e-6)


# --- where xtcocotools differs from pycocotools ---------------------------------------------


def without(data, *keys):
    annotations = [{k: v for k, v in a.items() if k not in keys} for a in data['annotations']]
    return {**data, 'annotations': annotations}


def with_box_areas(data):
    """Areas as xtcocotools takes them where there are none: 0.53 x box."""
    annotations = [{**a, 'area': a['bbox'][2] * a['bbox'][3] * 0.53} for a in data['annotations']]
    return {**data, 'annotations': annotations}


def test_annotated_joints_are_counted_where_the_file_does_not(truth, tmp_path):
    # MMPose's CocoMetric writes such a file when it is given no ann_file.
    data, file = truth
    bare = tmp_path / 'bare.json'
    bare.write_text(json.dumps(without(data, 'num_keypoints')))
    detections = predict(data, 5, noise=0.03)

    ours = stats(COCO, COCOeval, bare, detections)

    np.testing.assert_allclose(
        ours, stats(OfficialCOCO, OfficialCOCOeval, file, detections), atol=1e-6
    )


@pytest.mark.parametrize('dropped', [(), ('area',)])
def test_without_areas_the_box_decides_the_size_class_too(truth, tmp_path, dropped):
    data, _ = truth
    bare, reference = tmp_path / 'bare.json', tmp_path / 'reference.json'
    bare.write_text(json.dumps(without(data, *dropped)))
    reference.write_text(json.dumps(with_box_areas(data)))
    detections = predict(data, 6, noise=0.03)

    ours = stats(COCO, COCOeval, bare, detections, use_area=False)

    np.testing.assert_allclose(
        ours, stats(OfficialCOCO, OfficialCOCOeval, reference, detections), atol=1e-6
    )
    assert ours[3] > 0 and ours[4] > 0  # medium and large persons were found at all


def test_detections_without_a_positive_score_are_left_out_with_a_warning(truth):
    data, file = truth
    detections = predict(data, 7, noise=0.03)
    blank = [
        {**d, 'keypoints': (np.array(d['keypoints']) * ([1, 1, 0] * JOINTS)).tolist()}
        for d in detections[::5]
    ]
    rest = [d for i, d in enumerate(detections) if i % 5]

    with pytest.warns(UserWarning, match=f'{len(blank)} of {len(detections)} detections'):
        ours = stats(COCO, COCOeval, file, [*blank, *rest])

    np.testing.assert_array_equal(ours, stats(COCO, COCOeval, file, rest))


def test_the_callers_annotations_are_not_changed(truth):
    data, file = truth
    gt = COCO(str(file))
    before = json.dumps(gt.dataset['annotations'])

    COCOeval(gt, gt.loadRes(predict(data, 0, noise=0.1)), 'keypoints', use_area=False).run()

    assert json.dumps(gt.dataset['annotations']) == before


def test_keypoints_crowd_is_scored_by_crowdedness(tmp_path):
    data = world(1, crowd_index=True)
    file, reference = tmp_path / 'crowd.json', tmp_path / 'reference.json'
    file.write_text(json.dumps(without(data, 'area')))
    reference.write_text(json.dumps(with_box_areas(data)))
    detections = predict(data, 8, noise=0.03)

    gt = COCO(str(file))
    ours = COCOeval(gt, gt.loadRes(detections), 'keypoints_crowd', use_area=False)
    ours.params.useSegm = None
    ours.evaluate()
    ours.accumulate()
    ours.summarize()

    def official(image_ids=None):
        gt = OfficialCOCO(str(reference))
        evaluation = OfficialCOCOeval(gt, gt.loadRes(detections), 'keypoints')
        if image_ids is not None:
            evaluation.params.imgIds = image_ids
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return evaluation

    everything = official().stats
    assert len(ours.stats) == 9
    np.testing.assert_allclose(ours.stats[:6], everything[[0, 1, 2, 5, 6, 7]], atol=1e-6)
    for number, (low, high) in enumerate([(0, 0.2), (0.2, 0.8), (0.8, 1)]):
        ids = [r['id'] for r in data['images'] if low <= r['crowdIndex'] < high]
        expected = official(ids).eval['precision'][:, :, :, 0, :].mean()
        assert ids
        assert ours.stats[6 + number] == pytest.approx(expected, abs=5.1e-5)  # four digits


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize('value', [np.nan, np.inf])
@pytest.mark.parametrize('where', ['keypoints', 'score'])
def test_predictions_that_are_not_finite_are_refused(truth, where, value):
    data, file = truth
    detections = predict(data, 0, noise=0.1)
    if where == 'keypoints':
        detections[3]['keypoints'][4] = value
    else:
        detections[3]['score'] = value
    gt = COCO(str(file))

    with pytest.raises(ValueError, match='Detection 4 of image .* NaN or infinite'):
        COCOeval(gt, gt.loadRes(detections), 'keypoints')


def test_sigmas_of_another_skeleton_are_refused(truth):
    data, file = truth
    gt = COCO(str(file))

    with pytest.raises(ValueError, match='51 keypoint numbers; 14 sigmas ask for 3 x 14'):
        COCOeval(gt, gt.loadRes(predict(data, 0, noise=0.1)), 'keypoints', sigmas=[0.1] * 14)


@pytest.mark.parametrize('iou_type', ['keypoints_wholebody', 'keypoints_face'])
def test_whole_body_scoring_names_the_real_package(iou_type):
    with pytest.raises(ImportError, match=f'{iou_type}.*pip install xtcocotools'):
        COCOeval(iouType=iou_type)


def test_finite_predictions_raise_no_warning(truth):
    data, file = truth
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        stats(COCO, COCOeval, file, predict(data, 0, noise=0.1))


def test_mask_functions_of_bottom_up_training_are_there():
    import xtcocotools.mask as mask

    square = [[2.0, 1.0, 6.0, 1.0, 6.0, 5.0, 2.0, 5.0]]
    decoded = mask.decode(mask.merge(mask.frPyObjects(square, 8, 10)))

    expected = np.zeros((8, 10), np.uint8)
    expected[1:5, 2:6] = 1
    np.testing.assert_array_equal(decoded, expected)


def test_stand_ins_are_listed_and_real_modules_are_not():
    import mmdet.utils
    import xtcocotools.cocoeval  # noqa: F401

    listed = compat.stand_ins()

    assert compat.is_stand_in(mmdet.utils)
    assert {'mmdet', 'mmdet.utils', 'xtcocotools', 'xtcocotools.cocoeval'} <= set(listed)
    assert not compat.is_stand_in(json)
    assert 'numpy' not in listed
