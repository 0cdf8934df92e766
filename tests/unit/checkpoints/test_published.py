"""Files of ViTPose's and ViTPose++'s layout: every head and expert computes what is published."""

from dataclasses import replace

import pytest
import torch
from mmengine.registry import init_default_scope
from published import SIX, THREE, heatmaps, relative_error, same, vitpose, vitpose_plus

from hpemap_mm.checkpoints import (
    VITPOSE_PLUS,
    VITPOSE_THREE,
    load_pose_weights,
    model_config,
    to_hpemap,
    to_vitpose,
)
from hpemap_mm.errors import DataError
from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import JointSpace, get_skeleton


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpose')


def saved(tmp_path, state, name='x.pth'):
    torch.save({'state_dict': state, 'meta': {'epoch': 210}, 'optimizer': {}}, tmp_path / name)
    return tmp_path / name


def model_of(weights):
    """The model that the converted checkpoint's own config builds, strictly loaded."""
    model = MODELS.build(model_config(weights))
    model.load_state_dict(to_hpemap(weights), strict=True)
    return model.eval()


def images(count=2):
    return torch.randn(count, 3, 256, 192, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('layout', ['classic', 'simple'])
@pytest.mark.parametrize(('joints', 'kind'), [((17,), 'vitpose'), (THREE, 'vitpose-multi')])
def test_dense(tmp_path, joints, kind, layout):
    state = vitpose(joints, layout=layout)
    loaded = load_pose_weights(saved(tmp_path, state))
    assert loaded.found.kind == kind
    assert loaded.found.used == len(state) and not loaded.found.dropped
    assert loaded.found.file.left_out.keys() == {'optimizer'}
    x = images()
    with torch.no_grad():
        ours = model_of(loaded.known())(x, None, mode='tensor')
        assert list(ours) == list(VITPOSE_THREE[: len(joints)])
        for place, found in enumerate(ours.values()):
            head = 'keypoint_head.' if not place else f'associate_keypoint_heads.{place - 1}.'
            expected = heatmaps(state, x, attention_heads=12, head=head)
            assert found.shape == expected.shape == (2, joints[place], 64, 48)
            assert relative_error(found, expected) < 1e-5


@pytest.mark.parametrize('layout', ['classic', 'simple'])
def test_every_expert_of_vitpose_plus_with_its_head(tmp_path, layout):
    state = vitpose_plus(layout=layout)
    loaded = load_pose_weights(saved(tmp_path, state))
    weights = loaded.known()
    assert loaded.found.kind == 'vitpose++' and loaded.found.used == len(state)
    assert (weights.experts, weights.expert_width) == (VITPOSE_PLUS, 96)
    x = images(1)
    with torch.no_grad():
        ours = model_of(weights)(x, None, mode='tensor')
        for place, name in enumerate(VITPOSE_PLUS):
            head = 'keypoint_head.' if not place else f'associate_keypoint_heads.{place - 1}.'
            expected = heatmaps(state, x, attention_heads=12, head=head, expert=place)
            assert ours[name].shape[1] == SIX[place]
            assert relative_error(ours[name], expected) < 1e-5
            if name in ('coco', 'coco_wholebody'):
                # The same skeleton alone, its expert made part of a dense model.
                (alone,) = model_of(weights.only(name))(x, None, mode='tensor').values()
                assert relative_error(alone, expected) < 1e-5


@pytest.mark.parametrize('layout', ['classic', 'simple'])
@pytest.mark.parametrize('build', [vitpose, vitpose_plus])
def test_back_to_vitpose_is_identical(tmp_path, build, layout):
    for joints in (THREE, SIX):
        state = build(joints, layout=layout, width=384, depth=1)
        weights = load_pose_weights(saved(tmp_path, state)).known()
        assert same(to_vitpose(weights), state)


def reference(state, x, place):
    """What ViTPose++'s own code computes: head i with expert i."""
    head = 'keypoint_head.' if not place else f'associate_keypoint_heads.{place - 1}.'
    return heatmaps(state, x, attention_heads=12, head=head, expert=place)


@pytest.mark.parametrize(
    'experts', [('aic', 'coco', 'mpii'), ('mpii', 'aic', 'coco')], ids=' '.join
)
def test_vitpose_gets_each_heads_expert_in_its_place(tmp_path, experts):
    # Experts of ours go by name, whatever their order.
    weights = load_pose_weights(
        saved(tmp_path, vitpose_plus(THREE, layout='simple')), experts=experts
    ).known()
    x = images(1)
    with torch.no_grad():
        ours = model_of(weights)(x, None, mode='tensor')
        written = to_vitpose(weights)
        for place, name in enumerate(weights.heads):
            assert relative_error(reference(written, x, place), ours[name]) < 1e-5
    # And back: the same heads with the same experts.
    again = load_pose_weights(saved(tmp_path, written)).known()
    for name in weights.heads:
        assert same(to_vitpose(again.only(name)), to_vitpose(weights.only(name)))


def test_an_expert_of_two_heads_is_written_for_both(tmp_path):
    state = vitpose_plus(THREE, depth=1, layout='simple')
    weights = load_pose_weights(saved(tmp_path, state)).known()
    two = replace(weights, heads={}).with_these_experts(['mpii', 'coco'], [2, 0])
    shared = replace(two, heads=weights.heads, serves={'aic': 'mpii'})
    written = to_vitpose(shared)
    for place, expert in enumerate((0, 2, 2)):
        key = 'backbone.blocks.0.mlp.experts.{}.weight'
        assert torch.equal(written[key.format(place)], state[key.format(expert)])
    # Further experts follow those of the heads.
    alone = to_vitpose(weights.only('mpii', keep_experts=True))
    for place, expert in enumerate((2, 0, 1)):
        assert torch.equal(alone[key.format(place)], state[key.format(expert)])


def test_a_joint_space_of_several_experts_is_no_vitpose(tmp_path):
    state = vitpose((21,), depth=1, layout='simple')
    weights = load_pose_weights(saved(tmp_path, state)).known()
    with pytest.raises(DataError, match='made by experts coco, mpii.*--skeleton'):
        to_vitpose(weights.with_experts(['coco', 'mpii']))
    two = replace(weights, heads={}).with_experts(['lsp', 'coco'])
    one = replace(two, heads=weights.heads, serves={'mpii': 'coco'})
    assert one.paired().experts == ('coco', 'lsp') and len(to_vitpose(one)) == len(state) + 4


def test_padded_heads_are_sliced_and_said_to_be(tmp_path):
    state = vitpose_plus(padded=133, depth=1)
    loaded = load_pose_weights(saved(tmp_path, state))
    for name, joints in zip(VITPOSE_PLUS, SIX, strict=True):
        head = loaded.known().heads[name]
        assert head.joints == joints == len(head.tensors['final_layer.bias'])
    assert torch.equal(
        loaded.known().heads['mpii'].tensors['final_layer.weight'],
        state['associate_keypoint_heads.1.final_layer.weight'][:16],
    )
    padded = [note for note in loaded.notes if 'padded' in note]
    assert len(padded) == 5  # WholeBody's is full
    assert any('the other 119 are cut off' in note for note in padded)  # AIC


def split(state, expert):
    """What ViTPose's tools/model_split.py makes of a ViTPose++: an expert becomes part of fc2.

    It leaves all experts where they are, and in its first file all heads too.
    """
    state = dict(state)
    for key in [key for key in state if '.mlp.fc2.' in key]:
        state[key] = torch.cat([state[key], state[key.replace('fc2', f'experts.{expert}')]])
    if expert:
        for key in [key for key in state if key.startswith('keypoint_head.')]:
            own = state[key.replace('keypoint_head', f'associate_keypoint_heads.{expert - 1}')]
            state[key] = own[: SIX[expert]] if 'final_layer' in key else own
        state = {key: t for key, t in state.items() if not key.startswith('associate')}
    return state


@pytest.mark.parametrize(('expert', 'name'), [(0, 'coco'), (1, 'aic'), (2, 'mpii')])
def test_files_of_model_split_are_dense(tmp_path, expert, name):
    whole = vitpose_plus(padded=133)
    state = split(whole, expert)
    loaded = load_pose_weights(saved(tmp_path, state))
    weights = loaded.known()
    assert loaded.found.kind == 'vitpose' and weights.experts == ()
    assert list(weights.heads) == [name]
    assert loaded.found.used + len(loaded.found.dropped) == len(state)
    reasons = set(loaded.found.dropped.values())
    assert all(reason.startswith('left over') for reason in reasons)
    assert len(reasons) == (2 if name == 'coco' else 1)
    x = images(1)
    head = 'keypoint_head.' if not expert else f'associate_keypoint_heads.{expert - 1}.'
    with torch.no_grad():
        (ours,) = model_of(weights)(x, None, mode='tensor').values()
        expected = heatmaps(whole, x, attention_heads=12, head=head, expert=expert)
    assert relative_error(ours, expected[:, : len(get_skeleton(name))]) < 1e-5


def test_a_split_animal_is_asked_for(tmp_path):
    # AP-10K and APT-36K have as many joints, and the file does not say which it is of.
    loaded = load_pose_weights(saved(tmp_path, split(vitpose_plus(padded=133, depth=1), 3)))
    assert loaded.weights is None
    assert 'ap10k, apt36k' in str(loaded.question)


def test_a_class_token_is_dropped(tmp_path):
    state = {**vitpose(depth=1), 'backbone.cls_token': torch.zeros(1, 1, 384)}
    loaded = load_pose_weights(saved(tmp_path, state))
    assert loaded.found.dropped == {'backbone.cls_token': 'ViTPose has no class token'}
    assert loaded.found.used == len(state) - 1


@pytest.mark.parametrize('preset', ['seed-21', 'seed-23', 'seed-33', 'bmp-23'])
def test_models_of_a_joint_space_come_with_their_order(tmp_path, preset):
    space = JointSpace.preset(preset)
    state = vitpose((len(space),))
    path = saved(tmp_path, state)
    default = preset != 'bmp-23'  # it has as many joints as seed-23
    loaded = load_pose_weights(path, space=None if default else preset)
    weights = loaded.known()
    x = images(1)
    with torch.no_grad():
        expected = heatmaps(state, x, attention_heads=12)
        assert relative_error(model_of(weights)(x, None, mode='tensor'), expected) < 1e-5
        # Of one skeleton alone: MPII's head top is where the preset has it.
        (mpii,) = model_of(weights.only('mpii'))(x, None, mode='tensor').values()
    place = space.index('mpii/head_top')
    assert place == {'seed-21': 17, 'seed-23': 17, 'seed-33': 23, 'bmp-23': 20}[preset]
    own = get_skeleton('mpii').index('head_top')
    assert relative_error(mpii[:, own], expected[:, place]) < 1e-5


@pytest.mark.parametrize('letter', 'SBLH')
@pytest.mark.parametrize('experts', [False, True])
def test_all_sizes_by_shape(letter, experts):
    from hpemap_mm.checkpoints import CheckpointFile, build_on_meta, pose_weights, recognise

    width, depth, heads = {
        'S': (384, 12, 12),
        'B': (768, 12, 12),
        'L': (1024, 24, 16),
        'H': (1280, 32, 16),
    }[letter]
    state = vitpose_plus_shapes(width, depth) if experts else vitpose_shapes(width, depth)
    found = recognise(CheckpointFile(path='x.pth', tensors=state))
    weights, _ = pose_weights(found)
    assert (weights.letter, found.arch.num_heads) == (letter, heads)
    assert weights.expert_width == ({384: 96, 768: 192, 1024: 256, 1280: 320}[width] * experts)
    model = build_on_meta(model_config(weights))
    built = {key: t.shape for key, t in model.state_dict().items()}
    assert built == {key: t.shape for key, t in to_hpemap(weights).items()}
    assert {b.attn.num_heads for b in model.backbone.blocks} == {heads}


def vitpose_shapes(width, depth, joints=SIX):
    """The layout without its numbers: one block, repeated, on the meta device."""
    state = vitpose(joints, width=16, depth=1)

    def grown(key, shape):
        sizes = {16: width, 48: 3 * width, 64: 4 * width}
        if 'patch_embed' in key:
            return (width, *shape[1:])
        if 'deconv_layers.0' in key:
            return (width, *shape[1:])
        return tuple(sizes.get(side, side) for side in shape) if 'backbone' in key else shape

    meta = {}
    for key, tensor in state.items():
        blocks = range(depth) if '.blocks.0.' in key else [0]
        for i in blocks:
            name = key.replace('.blocks.0.', f'.blocks.{i}.')
            meta[name] = torch.empty(grown(key, tensor.shape), device='meta')
    return meta


def vitpose_plus_shapes(width, depth):
    state = vitpose_shapes(width, depth)
    part = {384: 96, 768: 192, 1024: 256, 1280: 320}[width]
    for key in [key for key in state if '.mlp.fc2.' in key]:
        rest = state[key].shape[1:]
        state[key] = torch.empty(width - part, *rest, device='meta')
        for expert in range(len(SIX)):
            name = key.replace('fc2', f'experts.{expert}')
            state[name] = torch.empty(part, *rest, device='meta')
    return state
