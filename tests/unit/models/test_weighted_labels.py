"""What a label's weight does to the losses."""

import copy

import pytest
import torch
from pose_worlds import SIMPLE, SOFTMAX, images, multi_head, sample, space_model, total, union

SPACE = union('coco', 'mpii')
HEADS = pytest.mark.parametrize('head', [SIMPLE, SOFTMAX], ids=['squared', 'cross-entropy'])


def loss(model, weight, *, joint=3, space=None):
    """The loss of one person, of whom one joint has a weight of its own."""
    person = sample('coco', seed=4, space=space)
    person.gt_instance_labels.keypoint_weights[0, joint] = weight
    return total(model(images(1), [person], mode='loss'))


@HEADS
@pytest.mark.parametrize('space', [None, SPACE], ids=['heads', 'space'])
def test_a_loss_is_linear_in_the_weight(head, space):
    model = multi_head(head=head) if space is None else space_model(space, head=head)
    whole, half, quarter = (loss(model, w, space=space).item() for w in (1.0, 0.5, 0.25))
    assert whole > half > quarter > 0
    assert (whole - half) / 0.5 == pytest.approx((half - quarter) / 0.25, rel=1e-3)


@HEADS
def test_a_gradient_is_proportional_to_the_weight(head):
    """At the output of the joint itself: a quarter of the weight, a quarter of the gradient."""
    model = multi_head(head=head)
    gradients = {}
    for weight in (1.0, 0.25, 0.0):
        model.zero_grad()
        loss(model, weight).backward()
        # The last convolution's bias of the joint sums the gradient over its heatmap; its weights
        # say more.
        gradients[weight] = model.heads['coco'].final_layer.weight.grad[3].clone()
    assert gradients[1.0].abs().sum() > 0
    torch.testing.assert_close(gradients[0.25], gradients[1.0] / 4, rtol=1e-3, atol=1e-7)
    assert not gradients[0.0].any()


@HEADS
def test_a_joint_of_weight_zero_is_never_read(head):
    model = multi_head(head=head)
    person = sample('coco', seed=4, unlabelled=(3,))
    spoilt = copy.deepcopy(person)
    spoilt.gt_fields.heatmaps[3] = torch.nan
    x = images(1)
    clean, found = (model(x, [one], mode='loss')['coco.loss_kpt'] for one in (person, spoilt))
    assert torch.equal(clean, found)


@HEADS
def test_two_weights_by_hand(head):
    """Against losses of the joints alone: a weighted sum of them."""
    model = multi_head(('coco',), head=head)

    def of(weights):
        person = sample('coco', seed=4)
        person.gt_instance_labels.keypoint_weights.zero_()
        for joint, weight in weights.items():
            person.gt_instance_labels.keypoint_weights[0, joint] = weight
        return model(images(1), [person], mode='loss')['coco.loss_kpt'].item()

    # Squared errors are a mean over all joints, the cross-entropy one over the labelled joints.
    labelled = 1 if head is SIMPLE else 2
    expected = (of({2: 1.0}) + 0.25 * of({5: 1.0})) / labelled
    assert of({2: 1.0, 5: 0.25}) == pytest.approx(expected, rel=1e-4)
