"""Decoding in an exported graph is BatchUDPHeatmap's, borders and flat maps included."""

import numpy as np
import onnxruntime
import pytest
import torch
from mmpose.codecs import UDPHeatmap

from hpemap_mm.deployment.check import keypoint_error
from hpemap_mm.deployment.graph import UDPDecoder
from hpemap_mm.models import BatchUDPHeatmap

SIZE, INPUT = (24, 32), (96, 128)
CODEC = UDPHeatmap(input_size=INPUT, heatmap_size=SIZE, sigma=2)


def gaussians(centres):
    """Heatmaps (1, K, 32, 24) with a Gaussian of sigma 2 at each (x, y)."""
    x, y = torch.arange(SIZE[0]), torch.arange(SIZE[1])[:, None]
    maps = [torch.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8) for cx, cy in centres]
    return torch.stack(maps)[None]


INSIDE = gaussians([(11.3, 16.8), (8.0, 9.0), (15.49, 20.51)])
#: Peaks in corners, on edges, and beyond them.
BORDERS = gaussians([(0, 0), (23, 31), (0, 15.4), (12.2, 31.3), (23.4, -0.4), (-0.6, 31.8)])
FLAT = torch.stack(
    [torch.zeros(32, 24), torch.ones(32, 24), -torch.ones(32, 24), torch.full((32, 24), 1e-6)]
)[None]


@pytest.fixture(scope='module')
def session(tmp_path_factory):
    """The decoder alone, through the exporter, with joints and images free."""
    path = tmp_path_factory.mktemp('decode') / 'decode.onnx'
    decoder = UDPDecoder(BatchUDPHeatmap.like(CODEC)).eval()
    names = torch.export.Dim('N', min=1), torch.export.Dim('K', min=1)
    torch.onnx.export(
        decoder,
        (torch.rand(2, 3, 32, 24),),
        path,
        dynamo=True,
        opset_version=18,
        input_names=['images'],
        dynamic_shapes=({0: names[0], 1: names[1]},),
        verbose=False,
    )
    return onnxruntime.InferenceSession(str(path))


def by_codec(heatmaps, symmetric=False):
    codec = BatchUDPHeatmap.like(CODEC, symmetric=symmetric)
    keypoints, scores = codec.batch_decode(heatmaps)
    return np.concatenate(keypoints), np.concatenate(scores)


@pytest.mark.parametrize('heatmaps', [INSIDE, BORDERS, FLAT], ids=['inside', 'borders', 'flat'])
def test_is_batch_decodes(session, heatmaps):
    (points,) = session.run(None, {'images': heatmaps.numpy()})
    keypoints, scores = by_codec(heatmaps)
    assert points.dtype == np.float32
    np.testing.assert_allclose(points[..., :2], keypoints, atol=1e-3)
    np.testing.assert_array_equal(points[..., 2], scores)


def test_finds_the_peak_itself(session):
    """Not only what the codec says: UDP decodes x / (w - 1) * W."""
    (points,) = session.run(None, {'images': INSIDE.numpy()})
    expected = np.array([(11.3, 16.8), (8.0, 9.0), (15.49, 20.51)]) / [23, 31] * [96, 128]
    np.testing.assert_allclose(points[0, :, :2], expected, atol=0.05)


def test_maps_without_a_positive_value_are_found_nowhere(session):
    (points,) = session.run(None, {'images': FLAT.numpy()})
    nowhere = [-96 / 23, -128 / 31]
    np.testing.assert_allclose(points[0, [0, 2], :2], [nowhere, nowhere], rtol=1e-6)
    # A flat positive map has its maximum in the first corner, whose blur falls off to the border.
    assert np.abs(points[0, [1, 3], :2]).max() < 96 / 23


def test_noise_is_decoded_to_rounding(session):
    """Thousands of maps without a proper peak: what is not rounding shows here."""
    heatmaps = torch.randn(40, 50, 32, 24, generator=torch.Generator().manual_seed(1))
    (points,) = session.run(None, {'images': heatmaps.numpy()})
    keypoints, _ = by_codec(heatmaps)
    assert np.median(np.abs(points[..., :2] - keypoints)) < 1e-5
    error, pixels = keypoint_error(points, heatmaps.numpy(), BatchUDPHeatmap.like(CODEC))
    assert error < 1e-5
    assert pixels is None or pixels < 1e-2


@pytest.mark.parametrize('symmetric', [False, True])
def test_the_module_in_pytorch_is_the_codec_too(symmetric):
    codec = BatchUDPHeatmap.like(CODEC, symmetric=symmetric)
    heatmaps = torch.cat([INSIDE, INSIDE.flip(-1)], 1).repeat(3, 1, 1, 1)
    heatmaps = heatmaps + 0.05 * torch.rand(heatmaps.shape, generator=torch.Generator())
    keypoints, scores = by_codec(heatmaps, symmetric)
    points = UDPDecoder(codec)(heatmaps).numpy()
    np.testing.assert_allclose(points[..., :2], keypoints, atol=1e-4)
    np.testing.assert_array_equal(points[..., 2], scores)
    other, _ = by_codec(heatmaps, not symmetric)
    assert np.abs(other - keypoints).max() > 1e-3, 'the two derivatives differ here'


def test_an_error_of_the_size_of_a_pixel_is_seen():
    """The measure itself: a shift of one heatmap pixel of a sharp peak is no rounding."""
    keypoints, scores = by_codec(INSIDE)
    points = np.concatenate([keypoints, scores[..., None]], -1)
    codec = BatchUDPHeatmap.like(CODEC)
    error, pixels = keypoint_error(points, INSIDE.numpy(), codec)
    assert error == pixels == 0
    points[0, 1, 0] += 4
    error, pixels = keypoint_error(points, INSIDE.numpy(), codec)
    assert error == pytest.approx(4 / 96, rel=0.2)
    assert pixels == pytest.approx(4)
    points[0, 1, 0] = np.nan
    error, _ = keypoint_error(points, INSIDE.numpy(), codec)
    assert np.isnan(error)
