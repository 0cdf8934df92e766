"""The mean teacher: its momentum by hand, what it teaches, and that it can be taken up again."""

import copy

import numpy as np
import pytest
import torch
from pose_worlds import (
    CLASSIC,
    MOE,
    RLE_HEAD,
    SIMPLE,
    SOFTMAX,
    images,
    multi_head,
    sample,
    space_model,
    total,
    union,
)

from hpemap_mm.models.consistency import Teacher
from hpemap_mm.models.consistency.lessons import taught

SPACE = union('coco', 'mpii')
SURE = dict(min_score=1e-6, weight=0.5)  # every peak counts


def one(value):
    """A model of one weight."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, value)
    return model


def test_momentum_by_hand():
    teacher = Teacher(momentum=0.9, ramp=1)
    model = one(0.0)
    values = []
    for value in (0.0, 1.0, 1.0, 1.0):
        torch.nn.init.constant_(model.weight, value)
        teacher.follow(model)
        values.append(teacher.module.weight.item())
    # Step 1 copies. Then at most 1/2, 2/3, 3/4 of the old weights stay.
    np.testing.assert_allclose(values, [0, 1 / 2, 1 / 2 + 1 / 6, 2 / 3 + 1 / 12])
    for _ in range(20):
        teacher.follow(model)
    before = teacher.module.weight.item()
    teacher.follow(model)
    # In the long run the momentum: nine tenths of the distance stay.
    assert 1 - teacher.module.weight.item() == pytest.approx(0.9 * (1 - before), rel=1e-4)
    assert teacher.steps == 25


def test_a_longer_ramp_forgets_faster():
    teacher = Teacher(ramp=10)
    model = one(0.0)
    teacher.follow(model)
    torch.nn.init.constant_(model.weight, 1.0)
    teacher.follow(model)
    assert teacher.module.weight.item() == pytest.approx(10 / 11)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(momentum=1), 'between 0 and 1'),
        (dict(ramp=0), 'from 1'),
        (dict(weight=-1), 'weight must be positive'),
        (dict(min_score=0), 'min_score must be positive'),
        (dict(speed=3), 'speed'),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        space_model(SPACE, teacher=options)


def test_models_that_cannot_be_taught():
    with pytest.raises(ValueError, match='no UDP heatmaps'):
        space_model(SPACE, head=RLE_HEAD, teacher=SURE)
    with pytest.raises(ValueError, match='mixture of experts'):
        multi_head(backbone=MOE, teacher=SURE)
    with pytest.raises(RuntimeError, match='first training step'):
        _ = Teacher().module


def space_batch():
    return images(3), [
        sample(s, seed=i, space=SPACE) for i, s in enumerate(('coco', 'mpii', 'coco'))
    ]


def head_batch():
    return images(3), [sample(s, seed=i) for i, s in enumerate(('coco', 'mpii', 'coco'))]


@pytest.mark.parametrize('head', [SIMPLE, SOFTMAX, CLASSIC], ids=['simple', 'softmax', 'classic'])
@pytest.mark.parametrize('kind', ['heads', 'space'])
def test_other_losses_are_unchanged_and_the_teacher_is_no_part_of_the_model(kind, head):
    if kind == 'space':
        build, (x, samples) = lambda **k: space_model(SPACE, head=head, **k), space_batch()
        added = {'loss_taught'}
    else:
        build, (x, samples) = lambda **k: multi_head(head=head, **k), head_batch()
        added = {'coco.loss_taught', 'mpii.loss_taught'}
    plain = build()
    losses = plain(x, samples, mode='loss')
    model = build(teacher=SURE)
    found = model(x, samples, mode='loss')
    assert set(found) == set(losses) | added
    for key, value in losses.items():
        assert torch.equal(found[key], value)
    assert all(found[key] > 0 for key in added)
    # After it was made, too.
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert len(list(model.parameters())) == len(list(plain.parameters()))
    assert model.teacher.steps == 1
    assert not any(p.requires_grad for p in model.teacher.module.parameters())
    assert not model.teacher.module.training


def test_annotated_joints_are_not_taught():
    """By the gradient at the head's output: zero for joints of the sample's own skeleton."""
    model = space_model(SPACE, teacher=SURE)
    x, samples = images(1), [sample('coco', seed=0, space=SPACE, unlabelled=(0,))]
    outputs = []
    head = model.head.head
    forward = head.forward

    def keep(feats):
        output = forward(feats)
        if output.requires_grad:
            output.retain_grad()
            outputs.append(output)
        return output

    head.forward = keep
    model(x, samples, mode='loss')['loss_taught'].backward()
    gradients = [o.grad for o in outputs if o.grad is not None]
    assert len(gradients) == 1
    touched = set(gradients[0].abs().sum((0, 2, 3)).nonzero()[:, 0].tolist())
    annotated = set(SPACE.indices('coco').tolist()) - {0}
    assert touched and not touched & annotated


def test_the_teacher_has_no_gradient_and_the_student_has():
    model = space_model(SPACE, teacher=SURE).train()
    x, samples = space_batch()
    total(model(x, samples, mode='loss')).backward()
    assert all(p.grad is None for p in model.teacher.module.parameters())
    assert all(p.grad is not None for p in model.parameters())


def test_only_sure_peaks_count():
    maps = torch.zeros(1, 2, 16, 12)
    maps[0, 0, 4, 4], maps[0, 1, 4, 4] = 0.2, 0.7
    lesson = taught(Teacher(min_score=0.5), maps, torch.zeros(1, 2, dtype=torch.bool))
    assert lesson.weights[0].tolist() == [0, pytest.approx(0.7)]
    lesson = taught(Teacher(min_score=0.5), maps, torch.tensor([[False, True]]))
    assert lesson.weights[0].tolist() == [0, 0]


def test_flip_averaging_makes_mirrored_answers_equal():
    model = space_model(SPACE, teacher=dict(SURE, flip=True))
    x, samples = space_batch()
    model(x, samples, mode='loss')
    flips = SPACE.flip_indices.tolist()
    (one_way,) = model.teacher.heatmaps(x, {'space': flips}).values()
    (other,) = model.teacher.heatmaps(x.flip(-1), {'space': flips}).values()
    np.testing.assert_allclose(one_way, other.flip(-1)[:, flips], atol=1e-5)
    model.teacher.flip = False
    (plain,) = model.teacher.heatmaps(x, {'space': flips}).values()
    assert not torch.allclose(plain, one_way, atol=1e-3)


def steps(model, count, seed=0):
    """Train; gives the losses."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    found = []
    for _ in range(count):
        x, samples = space_batch()
        loss = total(model(x, samples, mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize('head', [SIMPLE, CLASSIC], ids=['simple', 'classic'])
def test_taken_up_again_bit_for_bit(head):
    """Running statistics of batch norm are the model's, and need no place in the file."""
    whole = space_model(SPACE, head=head, teacher=SURE).train()
    steps(whole, 3)
    saved = copy.deepcopy((whole.state_dict(), whole.teacher.state_dict()))
    expected = steps(whole, 3)

    again = space_model(SPACE, head=head, teacher=SURE, seed=7).train()
    again.load_state_dict(saved[0])
    again.teacher.load_state_dict(saved[1])
    assert steps(again, 3) == expected
    for key, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    theirs = again.teacher.state_dict()
    assert theirs['steps'] == whole.teacher.steps == 6
    for key, value in whole.teacher.state_dict()['weights'].items():
        assert torch.equal(theirs['weights'][key], value), key
    # Without the teacher it would be another run.
    fresh = space_model(SPACE, head=head, teacher=SURE, seed=7).train()
    fresh.load_state_dict(saved[0])
    assert steps(fresh, 3) != expected


def test_frozen_weights_are_not_saved_twice():
    model = space_model(SPACE, teacher=SURE).train()
    model.backbone.requires_grad_(False)
    steps(model, 1)
    saved = model.teacher.state_dict()['weights']
    assert saved and not any(name.startswith('backbone') for name in saved)


def test_a_teacher_of_another_model_is_refused():
    model = space_model(SPACE, teacher=SURE)
    model.teacher.load_state_dict({'steps': 3, 'weights': {'elsewhere.weight': torch.zeros(1)}})
    x, samples = space_batch()
    with pytest.raises(ValueError, match=r"another model: it has \['elsewhere.weight'\]"):
        model(x, samples, mode='loss')


def test_a_copy_of_the_model_has_a_teacher_of_its_own():
    model = space_model(SPACE, teacher=SURE)
    x, samples = space_batch()
    model(x, samples, mode='loss')
    other = copy.deepcopy(model)
    assert (other.teacher.steps, model.teacher.steps) == (0, 1)
    other(x, samples, mode='loss')
    assert (other.teacher.steps, model.teacher.steps) == (1, 1)


def test_ties_come_first_and_the_teacher_takes_the_rest():
    consistency = dict(type='ontology', weight=0.5)
    x, samples = images(1), [sample('coco', seed=0)]
    alone = multi_head(teacher=SURE)(x, samples, mode='loss')['mpii.loss_taught']
    both = multi_head(teacher=SURE, consistency=consistency)(x, samples, mode='loss')
    # The four joints of the trunk and head are left; of these two are derived.
    assert 0 < both['mpii.loss_taught'] < 0.5 * alone
