"""MMPose 1.x: its names written out, key by key and shape by shape."""

import pytest
import torch
from mmengine.registry import init_default_scope
from published import THREE, head_state, heatmaps, relative_error, same, vitpose, vitpose_plus

from hpemap_mm.checkpoints import (
    load_pose_weights,
    mmpose_config,
    mmpose_meta,
    model_config,
    to_hpemap,
    to_mmpose,
)
from hpemap_mm.errors import DataError
from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import get_skeleton

LAYER = (
    ('ln1', lambda c: (c,)),
    ('attn.qkv', lambda c: (3 * c, c)),
    ('attn.proj', lambda c: (c, c)),
    ('ln2', lambda c: (c,)),
    ('ffn.layers.0.0', lambda c: (4 * c, c)),
    ('ffn.layers.1', lambda c: (c, 4 * c)),
)


def stock(width, depth, joints, layout):
    """Names and shapes of MMPose's td-hm_ViTPose models, as mmpretrain and MMPose make them."""
    shapes = {
        'backbone.pos_embed': (1, 192, width),
        'backbone.patch_embed.projection.weight': (width, 3, 16, 16),
        'backbone.patch_embed.projection.bias': (width,),
        'backbone.ln1.weight': (width,),
        'backbone.ln1.bias': (width,),
    }
    for i in range(depth):
        for name, shape in LAYER:
            shapes[f'backbone.layers.{i}.{name}.weight'] = shape(width)
            shapes[f'backbone.layers.{i}.{name}.bias'] = shape(width)[:1]
    head = head_state('head.', width, joints, layout)
    return shapes | {key: tuple(t.shape) for key, t in head.items()}


def loaded(tmp_path, state, **options):
    torch.save({'state_dict': state}, tmp_path / 'x.pth')
    return load_pose_weights(tmp_path / 'x.pth', **options)


@pytest.mark.parametrize('layout', ['classic', 'simple'])
def test_names_and_shapes_are_the_stock_models(tmp_path, layout):
    weights = loaded(tmp_path, vitpose_plus(depth=12, layout=layout)).known()
    for skeleton in ('coco', 'mpii'):
        found = {key: tuple(t.shape) for key, t in to_mmpose(weights.only(skeleton)).items()}
        assert found == stock(384, 12, len(get_skeleton(skeleton)), layout)


def test_mmpose_and_back(tmp_path):
    state = {
        key: torch.randn(shape) if shape else torch.tensor(3)
        for key, shape in stock(384, 2, 17, 'classic').items()
    }
    found = loaded(tmp_path, state)
    assert found.found.kind == 'mmpose' and found.found.used == len(state)
    assert same(to_mmpose(found.known()), state)
    assert not found.known().backbone['pos_embed'][:, 0].any()


def test_the_same_heatmaps_over_mmpose(tmp_path):
    init_default_scope('mmpose')
    state = vitpose(THREE)
    there = to_mmpose(loaded(tmp_path, state).known().only('mpii'))
    weights = loaded(tmp_path, there).known()
    model = MODELS.build(model_config(weights))
    model.load_state_dict(to_hpemap(weights), strict=True)
    x = torch.randn(1, 3, 256, 192)
    with torch.no_grad():
        expected = heatmaps(state, x, attention_heads=12, head='associate_keypoint_heads.1.')
        ours = model.eval()(x, None, mode='tensor')['mpii']
    assert relative_error(ours, expected) < 1e-5


def test_a_class_token_that_attends_is_refused(tmp_path):
    state = {key: torch.randn(shape) for key, shape in stock(384, 1, 17, 'simple').items()}
    state['backbone.cls_token'] = torch.ones(1, 1, 384)
    with pytest.raises(DataError, match='cls_token.*no place'):
        loaded(tmp_path, state)


def test_what_stock_mmpose_cannot_have(tmp_path):
    weights = loaded(tmp_path, vitpose_plus(depth=1)).known()
    with pytest.raises(DataError, match='one head of one skeleton'):
        to_mmpose(weights)
    with pytest.raises(DataError, match='no experts'):
        to_mmpose(weights.only('coco', keep_experts=True))
    bare = {key: t for key, t in vitpose(depth=1).items() if 'last_norm' not in key}
    with pytest.raises(DataError, match='a norm after the last block'):
        to_mmpose(loaded(tmp_path, bare).known())


@pytest.mark.parametrize('layout', ['classic', 'simple'])
def test_the_stock_config_is_named(tmp_path, layout):
    from pathlib import Path

    import mmpose

    folder = Path(mmpose.__file__).parent / '.mim/configs/body_2d_keypoint/topdown_heatmap/coco'
    weights = loaded(tmp_path, vitpose(THREE, depth=12, layout=layout)).known()
    name, options = mmpose_config(weights.only('coco'))
    assert (folder / name).is_file() and options == {}
    assert ('simple' in name) == (layout == 'simple') and 'small' in name
    name, options = mmpose_config(weights.only('mpii').resized((18, 24)))
    assert options == {
        'model.head.out_channels': 16,
        'model.backbone.img_size': [384, 288],
        'model.head.decoder.input_size': [288, 384],
        'model.head.decoder.heatmap_size': [72, 96],
    }
    assert mmpose_config(loaded(tmp_path, vitpose(depth=1)).known())[0] is None


def test_the_skeleton_goes_with_it_in_plain_lists(tmp_path):
    weights = loaded(tmp_path, vitpose(THREE, depth=1)).known().only('mpii')
    meta = mmpose_meta(weights)
    torch.save({'state_dict': {}, 'meta': meta}, tmp_path / 'y.pth')
    found = torch.load(tmp_path / 'y.pth', weights_only=True)['meta']['dataset_meta']
    assert found['flip_indices'] == get_skeleton('mpii').flip_indices.tolist()
    assert found['num_keypoints'] == 16 and len(found['keypoint_colors']) == 16


def test_stock_mmpose_builds_the_same_tensors(tmp_path):
    pytest.importorskip('mmpretrain')
    import mmpose
    from mmengine.config import Config
    from mmpose.apis import init_model

    weights = loaded(tmp_path, vitpose(depth=12)).known()
    name, _ = mmpose_config(weights)
    root = f'{mmpose.__path__[0]}/.mim/configs/body_2d_keypoint/topdown_heatmap/coco'
    config = Config.fromfile(f'{root}/{name}')
    model = init_model(config, None, device='cpu')
    model.load_state_dict(to_mmpose(weights), strict=True)
