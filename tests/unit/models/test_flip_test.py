"""With the flip test, a mirrored image has the mirrored answer with left and right swapped."""

import numpy as np
import pytest
import torch
from pose_worlds import FAMILIES, images, multi_head, sample, space_model

from hpemap_mm.skeletons import get_skeleton

# Where x goes when the person's 48 pixels are mirrored, in pixels of the image (person of 96
# pixels around x = 148). UDP heatmaps span the person from edge to edge: x + x' = 2 * 148.
# Coordinates in pixels of the input: x_in + x_in' = 47, and a pixel of it is 2 of the image.
MIRROR = {
    'simple': 296,
    'classic': 296,
    'softmax': 296,
    'simcc': 294,
    'rtmcc': 294,
    'rle': 294,
    'regression': 294,
}


def predict(model, x, codec):
    # The first sample is MPII's: its flip indices must not be used for COCO's head.
    samples = [sample('mpii', codec=codec), sample('coco', codec=codec)]
    with torch.no_grad():
        return model(x, samples, mode='predict')


def lift(model):
    """Heatmaps above zero everywhere, so that every joint is found."""
    for module in model.modules():
        if hasattr(module, 'final_layer') and hasattr(module, 'deconv_layers'):
            module.final_layer.bias.data += 100
    return model.double()


@pytest.mark.parametrize('family', FAMILIES)
def test_a_mirrored_image_has_the_mirrored_answer(family):
    head, codec = FAMILIES[family]
    test_cfg = dict(flip_test=True, answer='all', decode='symmetric')
    model = lift(multi_head(head=head, test_cfg=test_cfg))
    x = images(2).double()
    for there, mirrored in zip(
        predict(model, x, codec), predict(model, x.flip(-1), codec), strict=True
    ):
        for name in ('coco', 'mpii'):
            flips = get_skeleton(name).flip_indices
            expected = there.pred_by_skeleton[name].keypoints[:, flips].copy()
            expected[..., 0] = MIRROR[family] - expected[..., 0]
            found = mirrored.pred_by_skeleton[name].keypoints
            np.testing.assert_allclose(found, expected, atol=1e-4)
            # Answers differ between joints and images, or the test would show nothing.
            assert np.ptp(found[0, :, 0]) > 1
            scores = there.pred_by_skeleton[name].keypoint_scores[:, flips]
            np.testing.assert_allclose(
                mirrored.pred_by_skeleton[name].keypoint_scores, scores, rtol=1e-5
            )


def test_a_mirrored_image_has_the_mirrored_answer_in_a_space():
    head, codec = FAMILIES['simple']
    config = dict(kind='union', skeletons=['coco', 'mpii'])
    test_cfg = dict(flip_test=True, answer='space', decode='symmetric')
    model = lift(space_model(config, head=head, test_cfg=test_cfg))
    x = images(2).double()
    flips = model.space.flip_indices
    for there, mirrored in zip(
        predict(model, x, codec), predict(model, x.flip(-1), codec), strict=True
    ):
        expected = there.pred_instances.keypoints[:, flips].copy()
        expected[..., 0] = 296 - expected[..., 0]
        np.testing.assert_allclose(mirrored.pred_instances.keypoints, expected, atol=1e-4)


def test_flipped_heatmaps_are_averaged_by_the_heads_own_flips():
    model = multi_head(test_cfg=dict(flip_test=True, output_heatmaps=True))
    x = images(2)
    answered = predict(model, x, FAMILIES['simple'][1])
    with torch.no_grad():
        straight, mirrored = model(x, None, mode='tensor'), model(x.flip(-1), None, mode='tensor')
    for i, name in enumerate(('mpii', 'coco')):
        flips = get_skeleton(name).flip_indices.tolist()
        expected = (straight[name][i] + mirrored[name][i].flip(-1)[flips]) / 2
        assert torch.allclose(answered[i].pred_fields.heatmaps, expected, atol=1e-5)


def test_samples_keep_their_flip_indices():
    model = multi_head(test_cfg=dict(flip_test=True, answer='coco'))
    answered = predict(model, images(2), FAMILIES['simple'][1])
    assert answered[0].metainfo['flip_indices'] == get_skeleton('mpii').flip_indices.tolist()
