import math

import pytest
import torch
import torch.nn.functional as F
from mmpose.registry import MODELS
from pose_worlds import HEATMAP_SIZE, SIMPLE, SOFTMAX, WIDTH, randomise, sample

from hpemap_mm.models import SoftmaxHeatmapHead
from hpemap_mm.models.heads.heatmap import upsampled_conv3x3

JOINTS = 17
FEATS = (torch.randn(2, WIDTH, 4, 3, generator=torch.Generator().manual_seed(5)),)


def build(config, **kwargs):
    return randomise(MODELS.build(dict(config, out_channels=JOINTS, **kwargs))).eval()


def test_simple_is_mmposes_neck_and_head():
    ours = build(SIMPLE)
    theirs = build(
        dict(
            type='HeatmapHead',
            in_channels=WIDTH,
            deconv_out_channels=[],
            deconv_kernel_sizes=[],
            final_layer=dict(kernel_size=3, padding=1),
        )
    )
    neck = MODELS.build(dict(type='FeatureMapProcessor', scale_factor=4.0, apply_relu=True))
    theirs.load_state_dict(ours.state_dict())
    assert sorted(ours.state_dict()) == ['final_layer.bias', 'final_layer.weight']
    heatmaps = ours(FEATS)
    assert heatmaps.shape == (2, JOINTS, 16, 12)
    assert torch.equal(heatmaps, theirs(neck(FEATS)))


@pytest.mark.parametrize('bias', [True, False])
def test_reducing_channels_first_is_the_same_function(bias):
    conv = randomise(torch.nn.Conv2d(64, 5, 3, padding=1, bias=bias)).double()
    x = torch.randn(2, 64, 4, 3, dtype=torch.float64, requires_grad=True)
    plain = conv(F.interpolate(x, scale_factor=4.0, mode='bilinear', align_corners=False))
    ours = upsampled_conv3x3(x, conv, 4)
    assert ours.shape == (2, 5, 16, 12)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-12)
    direction = torch.randn_like(plain)
    for inputs in (x, conv.weight):
        (expected,) = torch.autograd.grad(plain, inputs, direction, retain_graph=True)
        (found,) = torch.autograd.grad(ours, inputs, direction, retain_graph=True)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_a_wide_simple_head_reduces_channels_first(monkeypatch):
    wide, narrow = build(dict(SIMPLE, in_channels=160)), build(SIMPLE)
    feats = (torch.randn(2, 160, 4, 3),)
    expected = wide(feats)
    calls = []
    monkeypatch.setattr(
        'hpemap_mm.models.heads.heatmap.upsampled_conv3x3', lambda *args: calls.append(args)
    )
    wide(feats)  # 9 * 17 < 160
    assert len(calls) == 1
    narrow(FEATS)
    assert len(calls) == 1
    monkeypatch.setattr(wide, '_narrows', lambda: False)
    torch.testing.assert_close(wide(feats), expected, rtol=1e-5, atol=1e-4)


def test_classic_is_mmposes_head_with_vitposes_keys():
    ours = build(dict(SIMPLE, type='hpemap_mm.ClassicHeatmapHead'))
    theirs = build(
        dict(
            type='HeatmapHead',
            in_channels=WIDTH,
            deconv_out_channels=(256, 256),
            deconv_kernel_sizes=(4, 4),
        )
    )
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(FEATS), theirs(FEATS))
    shapes = {k: tuple(v.shape) for k, v in ours.state_dict().items()}
    assert shapes['deconv_layers.0.weight'] == (WIDTH, 256, 4, 4)
    assert shapes['deconv_layers.3.weight'] == (256, 256, 4, 4)
    assert shapes['deconv_layers.4.running_mean'] == (256,)
    assert shapes['final_layer.weight'] == (JOINTS, 256, 1, 1)


def test_a_layout_can_be_named():
    by_name = build(dict(SIMPLE, type='hpemap_mm.ViTPoseHead', layout='simple'))
    assert torch.equal(by_name(FEATS), build(SIMPLE)(FEATS))
    with pytest.raises(ValueError, match=r"'plain'. Available: \['classic', 'simple'\]"):
        build(dict(SIMPLE, type='hpemap_mm.ViTPoseHead', layout='plain'))


def test_the_last_of_several_widths_is_read():
    head = build(dict(SIMPLE, in_channels=(8, WIDTH)))
    assert head((torch.zeros(2, 8, 8, 6), *FEATS)).shape == (2, JOINTS, 16, 12)


@pytest.mark.parametrize('layout', ['classic', 'simple'])
def test_softmax_heatmaps_are_scaled_distributions(layout):
    heatmaps = build(dict(SOFTMAX, layout=layout))(FEATS)
    assert heatmaps.shape == (2, JOINTS, *HEATMAP_SIZE[::-1])
    assert heatmaps.min() >= 0
    # sigma 2: 2 pi 4
    assert torch.allclose(heatmaps.sum((-2, -1)), torch.tensor(8 * math.pi), rtol=1e-5)


class FixedLogits(SoftmaxHeatmapHead):
    """A head that has already learnt: its logits are given."""

    def logits(self, feats):
        return feats[-1]


def test_a_perfect_prediction_has_peak_one_and_decodes_to_its_keypoint():
    codec = dict(type='UDPHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
    head = FixedLogits(4, 3, decoder=codec, layout='simple')
    centres = torch.tensor([[20.0, 30.0], [11.5, 40.25], [33.3, 17.8]])
    x, y = torch.arange(48.0), torch.arange(64.0)[:, None]
    logits = torch.stack([-((x - cx) ** 2 + (y - cy) ** 2) / 8 for cx, cy in centres])[None]
    heatmaps = head((logits,))
    # The window of 3 sigma that the codec draws holds 98.9 % of the mass; here nothing is cut.
    assert heatmaps[0, 0, 30, 20].item() == pytest.approx(1, abs=1e-3)
    (prediction,) = head.predict((logits,), [sample()], test_cfg={})
    expected = centres / torch.tensor([47.0, 63.0]) * torch.tensor([192.0, 256.0])
    assert torch.allclose(torch.tensor(prediction.keypoints[0]).float(), expected, atol=0.02)
    assert prediction.keypoint_scores[0, 0] == pytest.approx(1, abs=1e-3)


def test_softmax_head_learns_from_logits():
    head = build(SOFTMAX)
    samples = [sample(seed=1), sample(seed=2)]
    losses = head.loss(FEATS, samples)
    target = torch.stack([s.gt_fields.heatmaps for s in samples]).flatten(2)
    target = target / target.sum(-1, keepdim=True)
    log_probability = torch.log_softmax(head.logits(FEATS).flatten(2), -1)
    assert losses.keys() == {'loss_kpt'}
    assert losses['loss_kpt'].item() == pytest.approx(
        -(target * log_probability).sum(-1).mean().item(), rel=1e-5
    )
    with_accuracy = head.loss(FEATS, samples, train_cfg=dict(compute_acc=True))
    assert 0 <= with_accuracy['acc_pose'] <= 1


def test_softmax_head_needs_a_sigma():
    with pytest.raises(ValueError, match='RegressionLabel has sigma None'):
        build(SOFTMAX, decoder=dict(type='RegressionLabel', input_size=(48, 64)))
