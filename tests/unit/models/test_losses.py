import math

import pytest
import torch
from mmpose.registry import MODELS
from torch import nan

from hpemap_mm.models import heatmap_cross_entropy
from hpemap_mm.models.losses import guard_losses, mask_targets, per_sample_factor

# One sample, two joints, two pixels.
LOGITS = torch.tensor([[[[0.0, math.log(3)]], [[0.0, 0.0]]]])  # (1/4, 3/4), (1/2, 1/2)
TARGET = torch.tensor([[[[2.0, 0.0]], [[0.0, 7.0]]]])  # (1, 0), (0, 1) whatever the scale


def test_cross_entropy_by_hand():
    loss = heatmap_cross_entropy(LOGITS, TARGET, torch.ones(1, 2))
    assert loss.item() == pytest.approx((math.log(4) + math.log(2)) / 2)


def test_mean_over_a_samples_labelled_joints():
    loss = heatmap_cross_entropy(LOGITS, TARGET, torch.tensor([[0.0, 1.0]]))
    assert loss.item() == pytest.approx(math.log(2))
    loss = heatmap_cross_entropy(LOGITS, TARGET, torch.tensor([[0.5, 1.0]]))
    assert loss.item() == pytest.approx((math.log(4) / 2 + math.log(2)) / 2)


def test_batches_combine_by_their_shares():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 3, 4, 2, generator=generator)
    target = torch.rand(5, 3, 4, 2, generator=generator)
    weights = torch.tensor([[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 0, 1]]).float()
    whole = heatmap_cross_entropy(logits, target, weights)
    first = heatmap_cross_entropy(logits[:2], target[:2], weights[:2])
    rest = heatmap_cross_entropy(logits[2:], target[2:], weights[2:])
    assert whole.item() == pytest.approx((2 * first + 3 * rest).item() / 5)


def test_an_unlabelled_joint_is_not_read():
    logits = LOGITS.clone().requires_grad_()
    target = TARGET.clone()
    target[0, 0] = nan
    heatmap_cross_entropy(logits, target, torch.tensor([[0.0, 1.0]])).backward()
    assert torch.equal(logits.grad[0, 0], torch.zeros(1, 2))
    assert logits.grad[0, 1].abs().min() > 0


def test_a_sample_without_labels_costs_nothing():
    logits = LOGITS.clone().requires_grad_()
    loss = heatmap_cross_entropy(logits, TARGET * nan, torch.zeros(1, 2))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_the_optimum_is_the_target_distribution():
    target = torch.rand(1, 2, 3, 3, generator=torch.Generator().manual_seed(1)) + 0.1
    logits = (5 * target).log().requires_grad_()
    heatmap_cross_entropy(logits, target, torch.ones(1, 2)).backward()
    assert torch.allclose(logits.grad, torch.zeros_like(logits), atol=1e-7)


def test_half_precision_logits_are_summed_in_float32():
    loss = heatmap_cross_entropy(LOGITS.bfloat16(), TARGET, torch.ones(1, 2))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx((math.log(4) + math.log(2)) / 2, abs=1e-2)


def test_mask_targets():
    weights = torch.tensor([[1.0, 0.0]])
    target = torch.tensor([[[1.0, 2.0], [nan, nan]]])
    expected = torch.tensor([[[1.0, 2.0], [0.0, 0.0]]])
    assert torch.equal(mask_targets(target, weights), expected)
    assert torch.equal(mask_targets(target, weights[..., None]), expected)
    x, y = mask_targets((target, 2 * target), weights)
    assert torch.equal(x, expected)
    assert torch.equal(y, 2 * expected)
    # Three channels per joint, as in UDP's combined target.
    combined = torch.full((1, 6, 1), nan)
    combined[0, :3] = 1
    assert mask_targets(combined, weights).flatten().tolist() == [1, 1, 1, 0, 0, 0]
    assert torch.isnan(target).sum() == 2  # not changed in place


def test_a_loss_that_ignores_weights_is_refused():
    head = torch.nn.Module()
    head.loss_module = MODELS.build(dict(type='KeypointMSELoss', use_target_weight=False))
    with pytest.raises(ValueError, match='KeypointMSELoss .*use_target_weight=True'):
        guard_losses(head)


def test_only_the_summing_loss_is_divided():
    head = torch.nn.Module()
    for loss, factor in (('KLDiscretLoss', 0.25), ('KeypointMSELoss', 1.0), ('RLELoss', 1.0)):
        head.loss_module = MODELS.build(dict(type=loss, use_target_weight=True))
        assert per_sample_factor(head, 4) == factor
