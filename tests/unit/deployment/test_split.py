"""One skeleton as a checkpoint of plain MMPose: its head, its joints' rows, its expert."""

import pytest
import torch
from pose_worlds import CLASSIC, GRID, MOE, SIMCC_HEAD, SIMPLE, images, multi_head, space_model

from hpemap_mm.deployment import split_skeleton
from hpemap_mm.errors import DataError
from hpemap_mm.skeletons import get_skeleton


def stock_heatmaps(state, x, *, heads=2):
    """What MMPose's TopdownPoseEstimator with these weights gives; written from its layout."""
    functional = torch.nn.functional
    of = {k.removeprefix('backbone.'): v for k, v in state.items() if k.startswith('backbone.')}
    projection = of['patch_embed.projection.weight'], of['patch_embed.projection.bias']
    tokens = functional.conv2d(x, *projection, stride=16, padding=2).flatten(2).transpose(1, 2)
    tokens = tokens + of['pos_embed']
    dim = tokens.shape[-1]

    def norm(y, name):
        return functional.layer_norm(y, (dim,), of[f'{name}.weight'], of[f'{name}.bias'], 1e-6)

    def linear(y, name):
        return functional.linear(y, of[f'{name}.weight'], of[f'{name}.bias'])

    for i in range(2):
        block = f'layers.{i}'
        qkv = linear(norm(tokens, f'{block}.ln1'), f'{block}.attn.qkv')
        q, k, v = qkv.unflatten(-1, (3, heads, dim // heads)).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-2, -1) / (dim // heads) ** 0.5).softmax(-1)
        mixed = (attention @ v).transpose(1, 2).flatten(2)
        tokens = tokens + linear(mixed, f'{block}.attn.proj')
        hidden = linear(norm(tokens, f'{block}.ln2'), f'{block}.ffn.layers.0.0')
        tokens = tokens + linear(functional.gelu(hidden), f'{block}.ffn.layers.1')
    maps = norm(tokens, 'ln1').transpose(1, 2).unflatten(2, GRID[::-1])
    # FeatureMapProcessor, then HeatmapHead's final layer.
    maps = functional.interpolate(maps.relu(), scale_factor=4, mode='bilinear')
    return functional.conv2d(
        maps, state['head.final_layer.weight'], state['head.final_layer.bias'], padding=1
    )


UNION = dict(kind='union', skeletons=['coco', 'mpii'])


@pytest.mark.parametrize(
    'build',
    [
        lambda: multi_head(),
        lambda: multi_head(backbone=MOE),
        lambda: space_model(UNION),
        lambda: space_model(UNION, backbone=MOE),
    ],
    ids=['dense', 'experts', 'union', 'union of experts'],
)
def test_gives_the_skeletons_heatmaps_in_stock_mmpose(tmp_path, build):
    model = build()
    report = split_skeleton(model, 'mpii', tmp_path / 'mpii.pth')
    saved = torch.load(tmp_path / 'mpii.pth', weights_only=True)
    assert saved['meta']['dataset_meta']['num_keypoints'] == len(get_skeleton('mpii'))
    x = images(3)
    with torch.no_grad():
        expected = model(x, None, mode='tensor')
    if not isinstance(expected, dict):
        expected = {'mpii': expected[:, model.space.indices('mpii')]}
    found = stock_heatmaps(saved['state_dict'], x)
    assert (found - expected['mpii']).abs().max() < 1e-5 * expected['mpii'].abs().max()
    assert (report.skeleton, report.joints) == ('mpii', len(get_skeleton('mpii')))
    # MMPose has no config of so small a ViT.
    assert report.config is None


@pytest.mark.parametrize(('head', 'name'), [(CLASSIC, ''), (SIMPLE, '-simple')])
def test_names_mmposes_own_config(tmp_path, head, name):
    head = dict(head, in_channels=384)
    backbone = dict(type='hpemap_mm.ViTPoseBackbone', arch='S', img_size=(192, 256))
    model = multi_head(('coco', 'aic'), head=head, backbone=backbone)
    report = split_skeleton(model, 'aic', tmp_path / 'aic.pth')
    assert report.config == f'td-hm_ViTPose-small{name}_8xb64-210e_coco-256x192.py'
    assert report.options == {'model.head.out_channels': len(get_skeleton('aic'))}
    assert split_skeleton(model, 'coco', tmp_path / 'coco.pth').options == {}


def test_other_models_and_names_are_refused(tmp_path):
    with pytest.raises(DataError, match="no skeleton 'aic'.*coco.*mpii"):
        split_skeleton(multi_head(), 'aic', tmp_path / 'x.pth')
    with pytest.raises(DataError):
        split_skeleton(multi_head(head=SIMCC_HEAD), 'coco', tmp_path / 'x.pth')
    broken = multi_head()
    broken.heads['mpii'].final_layer.bias.data[1] = torch.nan
    with pytest.raises(DataError, match='NaN or infinite weights in head.final_layer.bias'):
        split_skeleton(broken, 'mpii', tmp_path / 'x.pth')
    assert list(tmp_path.iterdir()) == []
