"""Pixels in, keypoints out; weights in a file of their own; times."""

import numpy as np
import onnxruntime
import torch
from export_worlds import WORLDS, assert_equal, raw, run
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from pose_worlds import INPUT_SIZE, images

from hpemap_mm.deployment import check, export_onnx
from hpemap_mm.deployment.graph import PoseGraph
from hpemap_mm.skeletons import get_skeleton


def predicted(model, pixels_or_images, centre, scale):
    """Keypoints and scores by skeleton, by the model's own test step on the whole input."""
    samples = []
    for _ in pixels_or_images:
        sample = PoseDataSample(
            metainfo=dict(input_center=centre, input_scale=scale, input_size=INPUT_SIZE)
        )
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
        samples.append(sample)
    model.answer = 'all'
    with torch.no_grad():
        return [s.pred_by_skeleton for s in model.predict(pixels_or_images, samples)]


def test_keypoints_out_of_the_graph_are_those_of_the_models_own_prediction(exported):
    model, report, _, session = exported('pixels')
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randint(0, 256, (3, 3, *INPUT_SIZE[::-1]), generator=generator).float()
    size = np.array(INPUT_SIZE, float)
    # BGR pixels, as the pipeline gives them; the crop is the input itself.
    samples = [PoseDataSample() for _ in pixels]
    packed = model.data_preprocessor(dict(inputs=list(pixels), data_samples=samples))
    normalised = packed['inputs']
    expected = predicted(model, normalised, size / 2, size)
    got = run(session, pixels)
    for skeleton, points in got.items():
        assert points.shape == (3, len(get_skeleton(skeleton)), 3)
        for i, person in enumerate(expected):
            scores = person[skeleton].keypoint_scores[0]
            np.testing.assert_allclose(points[i, :, 2], scores, rtol=1e-5, atol=1e-5)
            wanted = person[skeleton].keypoints[0]
            # Random maps have flat places, where the last digits decide: the median tells.
            difference = np.abs(points[i, :, :2] - wanted).max(-1)
            assert np.median(difference) < 1e-4
            assert (difference < 0.05).mean() > 0.9
    for error in report.errors.values():
        assert error.largest < 1e-5
        assert error.pixels < 1e-3


def test_large_weights_lie_beside(tmp_path):
    model, options = WORLDS['dense']()
    target = tmp_path / 'big.onnx'
    report = export_onnx(model, target, rounds=0, max_bytes=1000, skeletons=['coco'], **options)
    data = report.files[1]
    assert {p.name for p in tmp_path.iterdir()} == {'big.onnx', data.name}
    assert data.stat().st_size > 4_000_000 > 300_000 > target.stat().st_size
    again = export_onnx(model, target, rounds=0, max_bytes=1000, skeletons=['coco'], **options)
    assert again.files == report.files
    x = images(2)
    got = run(onnxruntime.InferenceSession(str(target)), x)
    assert_equal(got['coco'], raw(model, x)['coco'])


def test_times_are_medians_of_both(exported):
    model, report, _, session = exported('dense')
    info, outputs = report.metadata.input, report.metadata.outputs
    graph = PoseGraph(model, outputs=outputs, input_info=info, flip_test=False).eval()
    seconds = check.times(graph, session, rounds=2, batches=(1, 2))
    assert list(seconds) == [1, 2]
    for found in seconds.values():
        assert set(found) == {'pytorch', 'onnxruntime'}
        assert min(found.values()) > 0
