"""What can be made of weights: one skeleton, dense from experts and back, other input sizes."""

import pytest
import torch
import torch.nn.functional as F
from published import THREE, head_state, same, vit_state, vitpose, vitpose_plus

from hpemap_mm.checkpoints import HeadWeights, PoseWeights, load_pose_weights, to_vitpose
from hpemap_mm.errors import DataError
from hpemap_mm.models.backbones.vitpose import ViTPoseArch
from hpemap_mm.skeletons import JointSpace


def loaded(tmp_path, state, **options):
    torch.save({'state_dict': state}, tmp_path / 'x.pth')
    return load_pose_weights(tmp_path / 'x.pth', **options)


def test_a_collapsed_expert_is_the_last_rows(tmp_path):
    state = vitpose_plus(THREE)
    weights = loaded(tmp_path, state).known()
    dense = weights.collapsed('mpii')
    assert dense.experts == () and list(dense.heads) == ['mpii']
    for block in range(2):
        for part in ('weight', 'bias'):
            name = f'blocks.{block}.mlp.fc2.{part}'
            expert = f'backbone.blocks.{block}.mlp.experts.2.{part}'
            expected = torch.cat([state[f'backbone.{name}'], state[expert]])
            assert torch.equal(dense.backbone[name], expected)
    assert same(to_vitpose(weights.only('mpii')), to_vitpose(dense))
    with pytest.raises(KeyError, match=r"'halpe'.*\['coco', 'aic', 'mpii'\]"):
        weights.collapsed('halpe')
    with pytest.raises(KeyError, match="No head for 'halpe'.*coco"):
        weights.only('halpe')


def test_experts_from_dense_are_its_last_rows_and_collapse_to_it(tmp_path):
    state = vitpose()
    weights = loaded(tmp_path, state).known()
    for width in (96, 7):
        mixed = weights.with_experts(['coco', 'mpii'], width)
        fc2 = state['backbone.blocks.1.mlp.fc2.weight']
        assert mixed.expert_width == width
        assert torch.equal(mixed.backbone['blocks.1.mlp.fc2.weight'], fc2[:-width])
        for expert in range(2):
            own = mixed.backbone[f'blocks.1.mlp.experts.{expert}.weight']
            assert torch.equal(own, fc2[-width:])
        assert same(to_vitpose(mixed.collapsed('coco')), state)
    assert weights.with_experts(['coco']).expert_width == 384 // 4
    for names, width in ((['coco'], 384), (['coco'], 0), ([], 96)):
        with pytest.raises(ValueError, match='of width'):
            weights.with_experts(names, width)
    with pytest.raises(ValueError, match='two experts have one name'):
        weights.with_experts(['coco', 'coco'])
    with pytest.raises(ValueError, match="head coco: No expert for 'coco'"):
        weights.with_experts(['mpii', 'lsp'])
    with pytest.raises(ValueError, match='with experts'):
        mixed.with_experts(['aic'])


def test_one_skeleton_out_of_a_joint_space(tmp_path):
    space = JointSpace.preset('seed-23')
    state = vitpose((len(space),), depth=1)
    weights = loaded(tmp_path, state).known()
    assert weights.skeletons == ('coco', 'mpii', 'aic')
    final = state['keypoint_head.final_layer.weight']
    for skeleton in weights.skeletons:
        alone = weights.only(skeleton)
        assert list(alone.heads) == [skeleton]
        rows = space.indices(skeleton).tolist()
        assert torch.equal(alone.heads[skeleton].tensors['final_layer.weight'], final[rows])


def test_a_space_with_experts_gives_each_skeleton_its_own(tmp_path):
    dense = loaded(tmp_path, vitpose((21,), depth=1)).known()
    weights = dense.with_experts(['coco', 'mpii'])
    changed = {k: t + ('experts.1.' in k) for k, t in weights.backbone.items()}
    weights = PoseWeights(
        arch=weights.arch,
        grid=weights.grid,
        backbone=changed,
        heads=weights.heads,
        experts=weights.experts,
    )
    with pytest.raises(ValueError, match="No expert for 'mpii'"):
        dense.with_experts(['coco', 'lsp'])
    coco, mpii = weights.only('coco'), weights.only('mpii')
    name = 'blocks.0.mlp.fc2.bias'
    assert torch.equal(coco.backbone[name], dense.backbone[name])
    assert torch.equal(mpii.backbone[name][-96:], dense.backbone[name][-96:] + 1)
    assert list(weights.collapsed('mpii').heads) == ['mpii']


def test_resizing_is_bicubic_and_keeps_the_first_place(tmp_path):
    state = vitpose(depth=1)
    weights = loaded(tmp_path, state).known()
    assert weights.resized((12, 16)).backbone['pos_embed'] is weights.backbone['pos_embed']
    for width, height in ((18, 24), (14, 14), (6, 8), (16, 12)):
        found = weights.resized((width, height)).backbone['pos_embed']
        pos = state['backbone.pos_embed']
        as_image = pos[:, 1:].reshape(1, 16, 12, 384).permute(0, 3, 1, 2)
        expected = F.interpolate(
            as_image, size=(height, width), mode='bicubic', align_corners=False
        )
        assert torch.equal(found[:, :1], pos[:, :1])
        expected = expected.permute(0, 2, 3, 1).reshape(1, -1, 384)
        assert torch.allclose(found[:, 1:], expected, rtol=0, atol=1e-6)
    half = {k: t.half() if t.is_floating_point() else t for k, t in state.items()}
    assert loaded(tmp_path, half).known().resized((6, 8)).backbone['pos_embed'].dtype is torch.half


@pytest.mark.parametrize('kind', ['mae', 'timm'])
def test_backbones_of_square_images(tmp_path, kind):
    width, state = 768, vit_state(768, 1, 196, prefix='')
    state = {key.replace('last_norm', 'norm'): t for key, t in state.items()}
    extra = {'cls_token': torch.zeros(1, 1, width)}
    if kind == 'mae':
        extra |= {'mask_token': torch.zeros(1), 'decoder_blocks.0.norm1.weight': torch.ones(2)}
        torch.save({'model': {**state, **extra}}, tmp_path / 'x.pth')
    else:
        extra |= {'head.weight': torch.ones(10, width), 'head.bias': torch.ones(10)}
        torch.save({**state, **extra}, tmp_path / 'x.pth')
    done = load_pose_weights(tmp_path / 'x.pth')
    assert done.found.kind == kind and set(done.found.dropped) == set(extra)
    weights = done.known()
    assert (weights.grid, weights.heads, weights.arch.num_heads) == ((14, 14), {}, 12)
    assert any('14 x 14' in note for note in done.notes)
    assert torch.equal(weights.backbone['last_norm.bias'], state['norm.bias'])
    assert torch.equal(weights.backbone['pos_embed'], state['pos_embed'])
    # Without the class token's place, as some of timm's have it: one of zeros is put there.
    state['pos_embed'] = state['pos_embed'][:, 1:]
    torch.save({**state, **extra}, tmp_path / 'x.pth')
    again = load_pose_weights(tmp_path / 'x.pth').known().backbone['pos_embed']
    assert torch.equal(again[:, 1:], state['pos_embed']) and not again[:, 0].any()
    state['blocks.0.ls1.gamma'] = torch.ones(width)
    torch.save(state, tmp_path / 'x.pth')
    with pytest.raises(DataError, match='gamma.*no place'):
        load_pose_weights(tmp_path / 'x.pth')


def test_small_transformers_of_others_have_other_attention(tmp_path):
    state = vit_state(384, 1, 196, prefix='')
    state = {key.replace('last_norm', 'norm'): t for key, t in state.items()}
    torch.save(state, tmp_path / 'x.pth')
    done = load_pose_weights(tmp_path / 'x.pth')
    assert done.known().arch.num_heads == 12
    assert any('have 6' in note for note in done.notes)
    done = load_pose_weights(tmp_path / 'x.pth', num_heads=6)
    assert done.known().arch.num_heads == 6 and not any('have 6' in note for note in done.notes)


def test_grids_that_cannot_be_told_are_asked_for(tmp_path):
    state = vitpose(depth=1, tokens=150)
    with pytest.raises(DataError, match='151 places.*--source-grid'):
        loaded(tmp_path, state)
    assert loaded(tmp_path, state, source_grid=(15, 10)).known().input_size == (240, 160)
    with pytest.raises(DataError, match='do not fit a grid of 3 x 4'):
        loaded(tmp_path, state, source_grid=(3, 4))


def test_weights_that_do_not_fit_together():
    head = head_state('', 16, 17)
    with pytest.raises(ValueError, match='final_layer.weight has shape'):
        HeadWeights(layout='classic', tensors=head, skeleton='mpii')
    for owner in ({}, dict(skeleton='coco', space=JointSpace.preset('seed-21'))):
        with pytest.raises(ValueError, match='a skeleton or a space'):
            HeadWeights(layout='classic', tensors=head, **owner)
    backbone = vit_state(16, 1, 12, prefix='')
    arch = ViTPoseArch(embed_dim=16, depth=1, num_heads=2)
    assert PoseWeights(arch=arch, grid=(3, 4), backbone=backbone).letter is None
    with pytest.raises(ValueError, match='pos_embed has shape'):
        PoseWeights(arch=arch, grid=(4, 4), backbone=backbone)
    del backbone['blocks.0.norm1.bias']
    with pytest.raises(ValueError, match='norm1.bias is missing'):
        PoseWeights(arch=arch, grid=(3, 4), backbone=backbone)
