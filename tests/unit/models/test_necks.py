import pytest
import torch
from pose_worlds import randomise

from hpemap_mm.models import TopDownFusion


def test_the_finest_map_sees_the_coarsest():
    neck = randomise(TopDownFusion(in_channels=(4, 6, 8), out_channels=5)).eval()
    feats = [torch.randn(2, c, 16 // 2**i, 12 // 2**i) for i, c in enumerate((4, 6, 8))]
    feats[2].requires_grad_()
    (fused,) = neck(feats)
    assert fused.shape == (2, 5, 16, 12)
    fused.square().sum().backward()
    assert feats[2].grad.abs().min() > 0


def test_one_map_is_only_projected():
    neck = randomise(TopDownFusion(in_channels=(4,), out_channels=5))
    x = torch.randn(1, 4, 3, 2)
    (projected,) = neck([x])
    assert torch.equal(projected, neck.laterals[0](x))


def test_a_wrong_number_of_maps_is_refused():
    with pytest.raises(ValueError, match='has 2 in_channels, got 1 maps'):
        TopDownFusion(in_channels=(4, 6))([torch.zeros(1, 4, 2, 2)])
