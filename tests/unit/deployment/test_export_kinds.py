"""Joint spaces, timm's backbones and other heads than those of heatmaps."""

import numpy as np
import pytest
import torch
from export_worlds import raw, run
from pose_worlds import images

from hpemap_mm.models import BatchUDPHeatmap
from hpemap_mm.skeletons import get_skeleton


@pytest.mark.parametrize('count', [1, 3, 8])
def test_a_space_gives_its_skeletons_and_itself(exported, count):
    model, report, _, session = exported('union')
    x = images(count, seed=count)
    got, expected = run(session, x), raw(model, x).numpy()
    assert list(got) == ['mpii', 'space']
    size = np.abs(expected).max()
    assert np.abs(got['space'] - expected).max() < 1e-5 * size
    mpii = expected[:, model.space.indices('mpii')]
    assert np.abs(got['mpii'] - mpii).max() < 1e-5 * size
    info = report.metadata.outputs['space']
    assert info.joints == model.space.joints
    assert info.flip_indices == tuple(model.space.flip_indices)


@pytest.mark.parametrize('count', [1, 8])
def test_a_space_of_experts_decodes_each_skeletons_own_heatmaps(exported, count):
    model, report, _, session = exported('moe_union')
    x = images(count, seed=count)
    straight, mirrored = raw(model, x), raw(model, x.flip(-1))
    codec = BatchUDPHeatmap.like(model.head.head.decoder)
    for name, points in run(session, x).items():
        flips = get_skeleton(name).flip_indices.tolist()
        heatmaps = (straight[name] + mirrored[name].flip(-1)[:, flips]) / 2
        decoded, scores = (np.concatenate(part) for part in codec.batch_decode(heatmaps))
        np.testing.assert_allclose(points[..., 2], scores, rtol=1e-4, atol=1e-5)
        assert np.median(np.abs(points[..., :2] - decoded)) < 1e-4
    # Each skeleton has its own expert: shared joints differ.
    assert report.errors['coco'].largest < 1e-5
    wrists = [straight[name][:, get_skeleton(name).index('left_wrist')] for name in straight]
    assert not np.allclose(*wrists, atol=1e-2)


def test_convolutional_backbones(exported):
    model, _, _, session = exported('timm')
    x = images(3)
    expected = raw(model, x)
    for name, heatmaps in run(session, x).items():
        difference = np.abs(heatmaps - expected[name].numpy()).max()
        assert difference < 1e-5 * expected[name].abs().max()


def test_simcc_gives_one_output_for_each_axis(exported):
    model, report, _, session = exported('simcc')
    x = images(3)
    got, expected = run(session, x), raw(model, x)
    assert list(got) == ['coco_simcc_x', 'coco_simcc_y', 'mpii_simcc_x', 'mpii_simcc_y']
    for name, axes in expected.items():
        tensors = report.metadata.outputs[name].tensors
        for tensor, vectors in zip(tensors, axes, strict=True):
            difference = np.abs(got[tensor] - vectors.numpy()).max()
            assert difference < 1e-5 * vectors.abs().max()
    assert torch.is_tensor(expected['coco'][0])
