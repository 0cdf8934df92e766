import numpy as np
import pytest
import torch
from translator_people import COCO, MPII, mirrored, pairs_of, people, sizes_of

from hpemap_mm.translators.frame import frame_of
from hpemap_mm.translators.losses import FLOOR
from hpemap_mm.translators.remap import RemapTranslator
from hpemap_mm.translators.residual import START, ResidualTranslator

HIPS = [MPII.index('left_hip'), MPII.index('right_hip')]


def made(**options):
    torch.manual_seed(0)
    return ResidualTranslator(source=COCO, target=MPII, **{'width': 24, **options})


def tensor(points):
    return torch.tensor(points, dtype=torch.float32)


def wider_hips(count, seed=0, *, missing=0.0):
    """MPII's hips, here: farther out along the line of COCO's, by a fifth of it each."""
    points = people(COCO, count, seed, noise=2.0)
    truth = RemapTranslator(source=COCO, target=MPII)(points).keypoints
    left, right = points[:, COCO.index('left_hip')], points[:, COCO.index('right_hip')]
    truth[:, HIPS] += 0.2 * np.stack([left - right, right - left], 1)
    points[np.isnan(people(COCO, count, seed + 1, missing=missing))] = np.nan
    return points, truth


def trained(translator, points, truth, *, steps=300, rate=1e-2):
    optimizer = torch.optim.Adam(translator.parameters(), rate)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses = []
    for _ in range(steps):
        loss = translator(tensor(points), target=tensor(truth), mode='loss')['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize('missing', [0.0, 0.3])
def test_it_starts_from_the_remap(missing):
    points = people(COCO, 20, missing=missing)
    translator = made()
    translator.calibration.gains.fill_(1.0)
    translator.calibration.guessed_gains.fill_(1.0)
    found, remap = translator(points), RemapTranslator(source=COCO, target=MPII)(points)
    known = remap.answered
    np.testing.assert_allclose(found.keypoints[known], remap.keypoints[known], rtol=1e-5)
    assert found.answered.all() and (found.origins == 3).all()
    scale = np.sqrt(np.exp(2 * START) + FLOOR**2)
    if not missing:  # or the size is that of filled persons
        ratio = found.sigmas / sizes_of(points)[:, None]
        assert np.median(ratio) == pytest.approx(scale, rel=0.2)


def test_what_the_ontology_does_not_know_starts_at_the_centre():
    points = people(COCO, 20)
    head = made()(points).keypoints[:, MPII.index('head_top')]
    centres, _ = frame_of(torch.tensor(points), torch.ones(20, 17, dtype=torch.bool))
    np.testing.assert_allclose(head, centres, rtol=1e-6)


def test_losses_are_those_of_the_picture_and_of_its_mirror_image():
    translator = made()
    for parameter in translator.network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    points, truth = people(COCO, 30, missing=0.2) - 200, people(MPII, 30, missing=0.2) - 200
    one = translator(tensor(points), target=tensor(truth), mode='loss')['loss']
    flipped = tensor(mirrored(points, COCO)), tensor(mirrored(truth, MPII))
    other = translator(flipped[0], target=flipped[1], mode='loss')['loss']
    assert float(one) == pytest.approx(float(other), rel=1e-5)


def test_both_sides_are_of_one_law():
    translator = made()
    kinds = np.array(translator.kinds)
    np.testing.assert_array_equal(kinds, kinds[MPII.flip_indices])
    assert len(translator.log_freedom) == len(set(translator.kinds)) == 10  # 6 pairs, 4 alone


def test_gradients_are_numbers_whatever_is_missing():
    translator = made()
    for parameter in translator.network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    points, truth = people(COCO, 6, missing=0.5), people(MPII, 6, missing=0.5)
    points[0], truth[1], points[2] = np.nan, np.nan, 5.0  # nobody, no truth, all in one place
    truth[2] = 5.0
    translator(tensor(points), target=tensor(truth), mode='loss')['loss'].backward()
    for name, parameter in translator.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def test_one_step_goes_downhill():
    translator = made()
    losses = trained(translator, *wider_hips(128), steps=12, rate=1e-2)
    assert losses[-1] < losses[0] - 0.05


@pytest.mark.slow
def test_it_learns_another_definition():
    translator = made()
    points, truth = wider_hips(512)
    losses = trained(translator, points, truth)
    assert losses[-1] < losses[0] - 2

    fresh, wanted = wider_hips(200, 10)
    errors = []
    for model in (RemapTranslator(source=COCO, target=MPII), translator.eval()):
        off = np.linalg.norm(model(fresh).keypoints - wanted, axis=-1)[:, HIPS]
        errors.append((off / sizes_of(fresh)[:, None]).mean())
    assert errors[1] < 0.3 * errors[0]

    # And it says how sure it is.
    translator.calibrate(pairs_of(COCO, *(points, MPII, truth)))
    answer = translator(fresh)
    inside = np.linalg.norm(answer.keypoints - wanted, axis=-1) <= answer.radius(0.8)
    known = np.isfinite(wanted).all(-1)
    assert 0.6 < inside[known].mean() < 0.9


def test_it_is_kept_with_the_weights():
    one, other = made(), made()
    for parameter in one.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    other.load_state_dict(one.state_dict())
    points = people(COCO, 10, missing=0.3)
    np.testing.assert_array_equal(other(points).keypoints, one(points).keypoints)
    assert not {'base', 'network.even_in'} & one.state_dict().keys()  # follow from the skeletons
