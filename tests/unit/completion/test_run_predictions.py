"""Crops, predictions and their averages: as the dataset's own pipeline and the model make them."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

sys.path.insert(0, str(Path(__file__).parent))

from completion_worlds import pipeline, predicted, write_world  # noqa: E402

from hpemap_mm.completion.candidates import Predicted  # noqa: E402
from hpemap_mm.completion.crops import CropDataset, Request, check_pipeline  # noqa: E402
from hpemap_mm.completion.ensemble import Ensemble, averaged  # noqa: E402
from hpemap_mm.completion.index import EntryIndex  # noqa: E402
from hpemap_mm.completion.predicting import predict  # noqa: E402
from hpemap_mm.completion.reading import read_entries  # noqa: E402
from hpemap_mm.datasets import LoadPoseImage, MultiSkeletonDataset  # noqa: E402
from hpemap_mm.errors import DataError  # noqa: E402
from hpemap_mm.registry import MODELS  # noqa: E402
from hpemap_mm.skeletons import get_skeleton  # noqa: E402

SIZES = {'c': 5, 'l': 3}
SKELETON = {'c': 'coco', 'l': 'lsp'}


@pytest.fixture
def world(tmp_path):
    entries = write_world(tmp_path / 'data')
    read_entries(entries, tmp_path / 'index', shard_size=8)
    return tmp_path, entries


def request_of(folder, entry):
    with EntryIndex(folder / 'index', list(SIZES).index(entry)) as index:
        rows = index.shard(0)
    return Request(shard=4, last=True, entry=entry, skeleton=SKELETON[entry], rows=rows)


@pytest.mark.parametrize('entry', SIZES)
def test_crops_are_the_datasets_own(world, entry):
    folder, entries = world
    dataset = MultiSkeletonDataset(entries, pipeline=pipeline(), test_mode=True)
    own = [dataset[i] for i in range(len(dataset)) if dataset.entry_of(i) == entry]
    crops = CropDataset([pipeline()])[request_of(folder, entry)]
    (views,) = crops.views
    assert crops.faults == {} and crops.shard == 4 and crops.last
    assert views.size == (32, 48)
    assert len(own) == len(views.images) == SIZES[entry]
    for place, sample in enumerate(own):
        meta = sample['data_samples'].metainfo
        assert torch.equal(views.images[place], sample['inputs'])
        np.testing.assert_array_equal(views.centers[place], meta['input_center'])
        np.testing.assert_array_equal(views.scales[place], meta['input_scale'])


def test_an_image_is_decoded_once_for_its_persons_and_pipelines(world, monkeypatch):
    folder, _ = world
    read = []
    inner = LoadPoseImage._read
    monkeypatch.setattr(
        LoadPoseImage,
        '_read',
        lambda self, path, entry: read.append(path) or inner(self, path, entry),
    )
    crops = CropDataset([pipeline(), pipeline(16, 16)])[request_of(folder, 'c')]
    assert [Path(path).name for path in read] == ['a.png', 'b.png']
    assert [tuple(views.images.shape) for views in crops.views] == [(5, 3, 48, 32), (5, 3, 16, 16)]


@pytest.mark.parametrize('damage', ['missing', 'cut off'])
def test_bad_images_leave_the_other_crops_as_they_are(world, damage):
    folder, _ = world
    dataset = CropDataset([pipeline()])
    whole = dataset[request_of(folder, 'c')]
    path = folder / 'data' / 'images' / 'a.png'
    if damage == 'missing':
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:200])
    crops = CropDataset([pipeline()])[request_of(folder, 'c')]
    bad = [0, 1, 2]  # the persons of a.png come first
    assert list(crops.faults) == bad and all(damage in fault for fault in crops.faults.values())
    assert not crops.views[0].images[bad].any()
    good = [3, 4]
    assert torch.equal(crops.views[0].images[good], whole.views[0].images[good])


def test_an_image_of_another_size_than_annotated_is_a_fault(world):
    """Its joints are elsewhere: MMPose would crop it without a word."""
    folder, entries = world
    path = folder / 'data' / 'images' / 'a.png'
    image = cv2.imread(str(path))
    cv2.imwrite(str(path), cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE))
    request = request_of(folder, 'c')
    crops = CropDataset([pipeline()])[request]
    on_it = [place for place, name in enumerate(request.rows.paths) if name == str(path)]
    assert sorted(crops.faults) == on_it and len(on_it) == 3
    assert 'the image is 90 x 120, but 120 x 90 in the annotations' in crops.faults[on_it[0]]


def test_a_batch_may_be_all_bad(world):
    folder, _ = world
    for name in ('a.png', 'b.png'):
        (folder / 'data' / 'images' / name).write_bytes(b'')
    (views,) = CropDataset([pipeline()])[request_of(folder, 'c')].views
    assert views.images.shape == (5, 3, 48, 32) and views.images.dtype == torch.uint8
    assert not views.images.any()


def test_a_box_without_extent_is_no_crash(world):
    folder, _ = world
    request = request_of(folder, 'c')
    request.rows.boxes.setflags(write=True)
    request.rows.boxes[1, 2:] = request.rows.boxes[1, :2]
    crops = CropDataset([pipeline()])[request]
    assert crops.faults == {1: 'the box has no extent'}


def test_mpii_crops_by_its_own_centre(world):
    folder, _ = world
    request = request_of(folder, 'c')
    for array, value in ((request.rows.centers, 50.0), (request.rows.scales, 60.0)):
        array.setflags(write=True)
        array[:] = value
    (views,) = CropDataset([pipeline()])[request].views
    np.testing.assert_allclose(views.centers, 50.0)
    # MMPose pads by 1.25, then widens to the aspect of the input.
    assert views.scales[0].max() == pytest.approx(60 * 1.25 * 48 / 32)


@pytest.mark.parametrize('steps', [None, [], [dict(type='GetBBoxCenterScale')]])
def test_a_config_without_a_pipeline_is_told(steps):
    with pytest.raises(DataError, match='pipeline'):
        check_pipeline(steps, where='config.py')


# -- predictions ----------------------------------------------------------------------------


def build(kind='heads', seed=0):
    codec = dict(type='UDPHeatmap', input_size=(32, 48), heatmap_size=(8, 12), sigma=1)
    head = dict(
        type='hpemap_mm.SimpleHeatmapHead',
        in_channels=16,
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    )
    config = dict(
        data_preprocessor=dict(
            type='PoseDataPreprocessor', mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True
        ),
        backbone=dict(
            type='hpemap_mm.ViTPoseBackbone',
            arch=dict(embed_dim=16, depth=1, num_heads=2),
            img_size=(32, 48),
        ),
        head=head,
        test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False),
    )
    if kind == 'heads':
        config.update(type='hpemap_mm.MultiHeadPoseEstimator', skeletons=['coco', 'mpii'])
    else:
        config.update(
            type='hpemap_mm.JointSpacePoseEstimator',
            joint_space=dict(kind='union', skeletons=['coco', 'mpii']),
        )
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope('mmpose'):
        model = MODELS.build(config).eval()
    model.answer = 'all'
    return model


@pytest.mark.parametrize('kind', ['heads', 'space'])
@pytest.mark.parametrize('entry', SIZES)
def test_predictions_are_the_models_own(world, entry, kind):
    """Also for persons who are annotated in a skeleton that the model does not have."""
    folder, entries = world
    model = build(kind)
    dataset = MultiSkeletonDataset(entries, pipeline=pipeline(), test_mode=True)
    own = [dataset[i] for i in range(len(dataset)) if dataset.entry_of(i) == entry]
    with torch.inference_mode():
        expected = model.test_step(pseudo_collate(own))
    crops = CropDataset([pipeline()])[request_of(folder, entry)]
    found = predict(model, crops, crops.views[0])
    assert list(found) == ['coco', 'mpii']
    for name, answer in found.items():
        assert answer.skeleton is get_skeleton(name)
        for place, sample in enumerate(expected):
            instances = sample.pred_by_skeleton[name]
            np.testing.assert_allclose(answer.keypoints[place], instances.keypoints[0], rtol=1e-5)
            np.testing.assert_allclose(answer.scores[place], instances.keypoint_scores[0], 1e-5)


def test_who_has_no_crop_has_no_prediction(world):
    folder, _ = world
    model = build()
    whole = CropDataset([pipeline()])[request_of(folder, 'c')]
    before = predict(model, whole, whole.views[0])['coco']
    (folder / 'data' / 'images' / 'a.png').unlink()
    crops = CropDataset([pipeline()])[request_of(folder, 'c')]
    found = predict(model, crops, crops.views[0])['coco']
    assert np.isnan(found.keypoints[:3]).all() and np.isnan(found.scores[:3]).all()
    # The batch has the size that it had, so the others have the bits that they had.
    np.testing.assert_array_equal(found.keypoints[3:], before.keypoints[3:])


# -- several models -------------------------------------------------------------------------


def calibration_parts(folder, entries, models, spreads=(2.0, 6.0)):
    parts = []
    for number, (name, skeleton) in enumerate(SKELETON.items()):
        with EntryIndex(folder / 'index', number) as index:
            batch = index.shard(0).batch(get_skeleton(skeleton))
        given = [
            {s: predicted(batch, s, seed=m, spread=spreads[m]) for s in ('coco', 'lsp')}
            for m in range(models)
        ]
        assert name in entries
        parts.append((batch, given))
    return parts


def test_one_model_stays_as_it_is(world):
    folder, entries = world
    parts = calibration_parts(folder, entries, 1)
    ensemble = Ensemble.fit(parts)
    (given,) = parts[0][1]
    assert ensemble.members == ()
    assert ensemble.predictions([given]) == given
    again = Ensemble.from_json(ensemble.to_json())
    assert again.to_json() == ensemble.to_json()


def test_the_mean_is_nearer_to_the_surer_model(world):
    folder, entries = world
    parts = calibration_parts(folder, entries, 2)
    ensemble = Ensemble.fit(parts)
    assert len(ensemble.members) == 2
    good, bad = (member.heads['coco'].scales.mean() for member in ensemble.members)
    assert bad > 2 * good
    batch, given = parts[0]
    mean = ensemble.predictions(given)['coco'].keypoints
    seen = batch.labelled
    off = [
        np.linalg.norm(points - batch.keypoints, axis=-1)[seen].mean()
        for points in (mean, *(one['coco'].keypoints for one in given))
    ]
    assert off[0] < off[1] * 1.05 < off[2]
    again = Ensemble.from_json(ensemble.to_json())
    np.testing.assert_array_equal(again.predictions(given)['coco'].keypoints, mean)


def test_weights_are_inverse_variances(world):
    folder, entries = world
    ensemble = Ensemble.fit(calibration_parts(folder, entries, 2))
    coco = get_skeleton('coco')
    one, other = (
        Predicted(
            skeleton=coco,
            keypoints=np.full((1, len(coco), 2), value),
            scores=np.full((1, len(coco)), score),
        )
        for value, score in ((10.0, 0.5), (20.0, 0.7))
    )
    stds = [
        member.heads['coco'].stds(answer.scores)
        for member, answer in zip(ensemble.members, (one, other), strict=True)
    ]
    weights = [1 / s**2 for s in stds]
    expected = (10 * weights[0] + 20 * weights[1]) / sum(weights)
    (found,) = averaged([{'coco': one}, {'coco': other}], ensemble.members).values()
    np.testing.assert_allclose(found.keypoints[0, :, 0], expected[0])


def test_a_skeleton_of_one_model_alone_is_its_own(world):
    folder, entries = world
    parts = calibration_parts(folder, entries, 2)
    only = [(batch, [given[0], {'lsp': given[1]['lsp']}]) for batch, given in parts]
    ensemble = Ensemble.fit(only)
    found = ensemble.predictions(only[0][1])
    np.testing.assert_allclose(found['coco'].keypoints, only[0][1][0]['coco'].keypoints)
    assert 'coco' not in ensemble.members[1].heads
