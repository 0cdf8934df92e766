import numpy as np
import pytest
import torch
from torch import nn
from translator_people import COCO, MPII, people

from hpemap_mm.translators.mlp import MLPTranslator


def test_the_predecessors_seven_layers():
    translator = MLPTranslator(source=COCO, target=MPII)
    linear = [layer for layer in translator.layers if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == [512] * 6 + [2 * len(MPII)]
    assert linear[0].in_features == 2 * len(COCO)
    assert sum(isinstance(layer, nn.Tanh) for layer in translator.layers) == 6
    assert not isinstance(translator.layers[-1], nn.Tanh)


def test_its_loss_is_that_of_its_answers():
    """Squared distances along an axis, in sizes, over annotated joints."""
    translator = MLPTranslator(source=COCO, target=MPII, width=16, depth=3)
    translator.calibration.gains.fill_(1.0)
    translator.calibration.guessed_gains.fill_(1.0)
    points, truth = people(COCO, 8, missing=0.3), people(MPII, 8)
    truth[2, 3] = np.nan
    answer = translator(points)
    # Its scale is the robust size itself.
    off = (answer.keypoints - truth) / answer.sigmas[..., None]
    batch = [torch.tensor(value, dtype=torch.float32) for value in (points, truth)]

    loss = translator(batch[0], target=batch[1], mode='loss')['loss']

    assert float(loss) == pytest.approx(np.nanmean(np.square(off)), rel=1e-3)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in translator.parameters())


def test_it_learns():
    torch.manual_seed(0)
    translator = MLPTranslator(source=COCO, target=MPII, width=32, depth=3)
    points = torch.tensor(people(COCO, 64, noise=1.0), dtype=torch.float32)
    truth = torch.tensor(people(MPII, 64, noise=1.0), dtype=torch.float32)
    optimizer = torch.optim.Adam(translator.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = translator(points, target=truth, mode='loss')['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < 0.05 * losses[0]
