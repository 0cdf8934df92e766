import numpy as np
import pytest
import torch
from mmpose.codecs import UDPHeatmap

from hpemap_mm.models import BatchUDPHeatmap

CODEC = UDPHeatmap(input_size=(192, 256), heatmap_size=(48, 64), sigma=2)


def noisy_heatmaps(count=4, joints=17, noise=0.05, margin=0):
    """Heatmaps (count, joints, 64, 48) of keypoints anywhere in the input, borders included."""
    rng = np.random.default_rng(0)
    high = np.array([191.0, 255.0])
    keypoints = rng.uniform(margin, high - margin, (count, 1, joints, 2)).astype(np.float32)
    heatmaps = [CODEC.encode(k, np.ones((1, joints)))['heatmaps'] for k in keypoints]
    heatmaps = np.stack(heatmaps)
    heatmaps = heatmaps + rng.normal(0, noise, heatmaps.shape)
    return torch.tensor(heatmaps, dtype=torch.float32), keypoints


@pytest.mark.parametrize('noise', [0.0, 0.05, 0.2])
def test_agrees_with_mmpose(noise):
    heatmaps, _ = noisy_heatmaps(noise=noise)
    keypoints, scores = BatchUDPHeatmap.like(CODEC).batch_decode(heatmaps)
    for i, heatmap in enumerate(heatmaps.numpy()):
        expected, expected_scores = CODEC.decode(heatmap)
        assert keypoints[i].shape == expected.shape == (1, 17, 2)
        assert keypoints[i].dtype == expected.dtype
        np.testing.assert_allclose(keypoints[i], expected, atol=2e-3)
        np.testing.assert_array_equal(scores[i], expected_scores)


def test_encodes_like_mmpose():
    keypoints = np.array([[[50.0, 60.0], [10.0, 200.0]]], np.float32)
    ours = BatchUDPHeatmap.like(CODEC).encode(keypoints, np.ones((1, 2)))
    theirs = CODEC.encode(keypoints, np.ones((1, 2)))
    np.testing.assert_array_equal(ours['heatmaps'], theirs['heatmaps'])


def test_recovers_the_keypoints():
    heatmaps, truth = noisy_heatmaps(noise=0, margin=30)
    keypoints, _ = BatchUDPHeatmap.like(CODEC, symmetric=True).batch_decode(heatmaps)
    # UDP encodes by (w - 1) / (W - 1) and decodes by w / (W - 1).
    expected = truth / [191, 255] * [192, 256]
    np.testing.assert_allclose(np.stack(keypoints), expected, atol=0.05)


def mirror_error(symmetric):
    """Largest |x + x' - 192| over joints decoded from heatmaps and their mirror images."""
    heatmaps, _ = noisy_heatmaps(noise=0.2)
    codec = BatchUDPHeatmap.like(CODEC, symmetric=symmetric)
    # In float64, so that what is left is the formula's and not the rounding's.
    there, _ = codec.batch_decode(heatmaps.double())
    mirrored, _ = codec.batch_decode(heatmaps.double().flip(-1))
    x, x_mirrored = np.stack(there)[..., 0], np.stack(mirrored)[..., 0]
    return np.abs(x + x_mirrored - 192).max()


def test_only_the_symmetric_derivative_is_mirror_exact():
    assert mirror_error(symmetric=True) < 1e-4
    assert mirror_error(symmetric=False) > 1e-3


def test_empty_heatmaps_are_found_nowhere():
    keypoints, scores = BatchUDPHeatmap.like(CODEC).batch_decode(torch.zeros(1, 2, 64, 48))
    np.testing.assert_allclose(keypoints[0][0], [[-192 / 47, -256 / 63]] * 2, rtol=1e-6)
    np.testing.assert_array_equal(scores[0], [[0, 0]])


def test_half_precision_is_decoded_in_float32():
    heatmaps, _ = noisy_heatmaps(noise=0)
    rounded = heatmaps.bfloat16()
    keypoints, _ = BatchUDPHeatmap.like(CODEC).batch_decode(rounded)
    expected, _ = BatchUDPHeatmap.like(CODEC).batch_decode(rounded.float())
    np.testing.assert_array_equal(np.stack(keypoints), np.stack(expected))


def test_only_gaussian_heatmaps():
    with pytest.raises(ValueError, match="not 'combined'"):
        BatchUDPHeatmap(input_size=(192, 256), heatmap_size=(48, 64), heatmap_type='combined')
