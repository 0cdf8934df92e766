"""A joint without a label teaches nothing, in every head family."""

import pytest
import torch
from pose_worlds import FAMILIES, images, multi_head, sample, space_model, total, union

UNLABELLED = (0, 5, 16)


def spoil(packed, joints):
    """Put NaN into the targets of some joints."""
    if 'gt_fields' in packed:
        packed.gt_fields.heatmaps[list(joints)] = torch.nan
    for key, value in packed.gt_instance_labels.items():
        if key != 'keypoint_weights':
            value[:, list(joints)] = torch.nan


def output_gradients(model, head, samples):
    """Gradient at a head's raw outputs, one (N, K, ...) tensor for each."""
    caught = []

    def watch(module, args):
        predictions = args[:-2]  # a loss is called as loss(*predictions, target, weights)
        flat = predictions[0] if isinstance(predictions[0], tuple) else predictions
        for tensor in flat:
            tensor.retain_grad()
            caught.append(tensor)

    head.loss_module.register_forward_pre_hook(watch)
    loss = total(model(images(len(samples)), samples, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)
    return [tensor.grad for tensor in caught]


def check_gradients(gradients, unlabelled_of):
    assert gradients
    for gradient in gradients:
        assert torch.isfinite(gradient).all()
        for n, unlabelled in enumerate(unlabelled_of):
            by_joint = gradient[n].flatten(1).abs().sum(-1)
            assert (by_joint[unlabelled] == 0).all()
            labelled = [k for k in range(len(by_joint)) if k not in unlabelled]
            assert (by_joint[labelled] > 0).all()


@pytest.mark.parametrize('family', FAMILIES)
def test_zero_gradient_whatever_the_target_holds(family):
    head, codec = FAMILIES[family]
    model = multi_head(('coco',), head=head).train()
    samples = [sample(codec=codec, seed=1, unlabelled=UNLABELLED), sample(codec=codec, seed=2)]
    spoil(samples[0], UNLABELLED)
    gradients = output_gradients(model, model.heads['coco'], samples)
    check_gradients(gradients, [list(UNLABELLED), []])


@pytest.mark.parametrize('family', FAMILIES)
def test_a_space_trains_only_what_a_skeleton_annotates(family):
    head, codec = FAMILIES[family]
    space = union('coco', 'mpii')
    model = space_model(space, head=head).train()
    samples = [sample(s, codec=codec, seed=1, space=space) for s in ('coco', 'mpii')]
    unlabelled = [
        [j for j in range(len(space)) if j not in space.indices(s)] for s in ('coco', 'mpii')
    ]
    assert [len(joints) for joints in unlabelled] == [21 - 17, 21 - 16]
    for packed, joints in zip(samples, unlabelled, strict=True):
        spoil(packed, joints)
    check_gradients(output_gradients(model, model.head.head, samples), unlabelled)


def test_a_sample_without_any_label_gives_zero_gradients():
    model = multi_head(('coco',)).train()
    packed = sample(unlabelled=range(17))
    spoil(packed, range(17))
    losses = model(images(1), [packed], mode='loss')
    assert losses['coco.loss_kpt'].item() == 0
    losses['coco.loss_kpt'].backward()
    assert all((p.grad == 0).all() for p in model.parameters())
