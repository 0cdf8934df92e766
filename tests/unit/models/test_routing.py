from types import SimpleNamespace

import pytest
import torch

from hpemap_mm.models import route
from hpemap_mm.models.estimators.routing import take, untouched_loss


def tagged(skeleton=None, dataset=None):
    metainfo = dict(skeleton=skeleton, dataset_name=dataset, img_path='a.jpg')
    return SimpleNamespace(metainfo={k: v for k, v in metainfo.items() if v is not None})


def test_groups_by_skeleton_in_the_heads_order():
    samples = [tagged('mpii'), tagged('coco'), tagged('mpii'), tagged('coco')]
    assert route(samples, heads=['coco', 'mpii', 'aic']) == {'coco': [1, 3], 'mpii': [0, 2]}
    assert list(route(samples, heads=['mpii', 'coco'])) == ['mpii', 'coco']


def test_a_head_of_the_datasets_name_wins():
    samples = [tagged('coco', 'coco_train'), tagged('coco', 'crowd')]
    assert route(samples, heads=['coco', 'crowd']) == {'coco': [0], 'crowd': [1]}


def test_an_unknown_sample_is_named():
    with pytest.raises(KeyError) as error:
        route([tagged('coco'), tagged('lsp', 'lsp_train')], heads=['coco', 'mpii'])
    for part in ('sample 1', 'a.jpg', "'lsp_train'", "'lsp'", "['coco', 'mpii']"):
        assert part in str(error.value)
    with pytest.raises(KeyError, match='dataset None with skeleton None'):
        route([tagged()], heads=['coco'])


def test_take():
    maps = (torch.arange(3)[:, None], torch.arange(3, 6))
    first, second = take(maps, [0, 2], 3)
    assert first.tolist() == [[0], [2]]
    assert second.tolist() == [3, 5]
    assert take(maps, [0, 1, 2], 3) is maps
    nested = take([maps, maps], [1], 3)
    assert isinstance(nested, list)
    assert nested[1][1].tolist() == [4]


def test_untouched_loss_is_exactly_zero():
    layer = torch.nn.Linear(2, 3)
    with torch.no_grad():
        layer.weight[0, 0] = torch.nan
    loss = untouched_loss(layer)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(layer.weight.grad, torch.zeros(3, 2))
    assert torch.equal(layer.bias.grad, torch.zeros(3))


def test_untouched_loss_leaves_frozen_parameters_out():
    layer = torch.nn.Linear(2, 3).requires_grad_(False)
    assert untouched_loss(layer).item() == 0
    assert not untouched_loss(layer).requires_grad
