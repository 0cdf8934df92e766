"""Weights for the model of a config: every tensor is filled or named."""

import pytest
import torch
from mmengine.registry import init_default_scope
from published import THREE, heatmaps, relative_error, vit_state, vitpose, vitpose_plus
from test_ours import DENSE, SIMPLE, joint_space, multi_head

from hpemap_mm.checkpoints import (
    VITPOSE_PLUS,
    build_on_meta,
    fit,
    load_pose_weights,
    pose_weights_of,
)
from hpemap_mm.errors import DataError
from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import JointSpace

WIDE = dict(DENSE, arch=dict(embed_dim=384, depth=2, num_heads=12), img_size=(192, 256))
HEAD = dict(
    type='hpemap_mm.ClassicHeatmapHead', in_channels=384, decoder=SIMPLE['decoder'],
    loss=SIMPLE['loss'],
)  # fmt: skip


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpose')


def moe(*experts, **kwargs):
    return dict(WIDE, type='hpemap_mm.ViTPoseMoEBackbone', experts=list(experts), **kwargs)


def weights_of(tmp_path, state, **options):
    torch.save({'state_dict': state}, tmp_path / 'x.pth')
    return load_pose_weights(tmp_path / 'x.pth', **options).known()


def check(fitted, config):
    """Every tensor of the model is filled, or named; nothing else is there."""
    model = build_on_meta(config)
    state = model.state_dict()
    assert set(fitted.tensors) | set(fitted.initial) == set(state)
    assert set(fitted.tensors).isdisjoint(fitted.initial)
    assert all(t.shape == state[name].shape for name, t in fitted.tensors.items())


def outputs(fitted, config, x):
    model = MODELS.build(config)
    model.load_state_dict(fitted.tensors, strict=not fitted.initial)
    with torch.no_grad():
        return model.eval()(x, None, mode='tensor')


def images(width=192, height=256):
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_heads_go_by_skeleton(tmp_path):
    state = vitpose(THREE)
    config = multi_head(WIDE, HEAD, skeletons=['mpii', 'lsp'], heads=dict(k=dict(skeleton='coco')))
    fitted = fit(weights_of(tmp_path, state), build_on_meta(config))
    check(fitted, config)
    assert {name.split('.')[1] for name in fitted.initial} == {'lsp'}
    assert fitted.unused == {'head aic': 'the model has no head for it'}
    found = outputs(fitted, config, images())
    expected = {'mpii': 'associate_keypoint_heads.1.', 'k': 'keypoint_head.'}
    for name, head in expected.items():
        reference = heatmaps(state, images(), attention_heads=12, head=head)
        assert relative_error(found[name], reference) < 1e-5


def test_another_decoder_keeps_its_initial_values(tmp_path):
    config = multi_head(WIDE, dict(SIMPLE, in_channels=384))
    fitted = fit(weights_of(tmp_path, vitpose(THREE)), build_on_meta(config))
    check(fitted, config)
    assert all(name.startswith('heads.') for name in fitted.initial)
    assert fitted.unused['head coco'] == 'its decoder is not simple, as that of head coco is'


def test_dense_weights_into_experts(tmp_path):
    state = vitpose(THREE)
    config = multi_head(moe('coco', 'mpii', 'aic'), HEAD, skeletons=['coco', 'mpii', 'aic'])
    fitted = fit(weights_of(tmp_path, state), build_on_meta(config))
    check(fitted, config)
    assert not fitted.initial and fitted.notes == (
        '3 experts made from the last 96 rows of the MLPs',
    )
    found = outputs(fitted, config, images())
    for name, head in (('coco', 'keypoint_head.'), ('aic', 'associate_keypoint_heads.0.')):
        reference = heatmaps(state, images(), attention_heads=12, head=head)
        assert relative_error(found[name], reference) < 1e-5


def test_experts_go_by_name(tmp_path):
    # ViTPose++'s order is coco, aic, mpii, ...; a config has its own.
    state = vitpose_plus()
    weights = weights_of(tmp_path, state)
    names = ['mpii', 'coco', 'aic']
    config = multi_head(moe(*names), HEAD, skeletons=names)
    fitted = fit(weights, build_on_meta(config))
    check(fitted, config)
    assert not fitted.initial and fitted.unused == {
        **{f'head {name}': 'the model has no head for it' for name in VITPOSE_PLUS[3:]},
        **{f'expert {name}': 'the model has no expert for it' for name in VITPOSE_PLUS[3:]},
    }
    found = outputs(fitted, config, images())
    for name, head, expert in (
        ('coco', 'keypoint_head.', 0),
        ('aic', 'associate_keypoint_heads.0.', 1),
        ('mpii', 'associate_keypoint_heads.1.', 2),
    ):
        reference = heatmaps(state, images(), attention_heads=12, head=head, expert=expert)
        assert relative_error(found[name], reference) < 1e-5
    # Experts that the file lacks begin as one that is named.
    config = multi_head(moe('coco', 'lsp'), HEAD, skeletons=['coco', 'lsp'])
    with pytest.raises(DataError, match='no experts lsp, only coco, aic.*--expert'):
        fit(weights, build_on_meta(config))
    fitted = fit(weights, build_on_meta(config), expert='mpii')
    own = fitted.tensors['backbone.blocks.1.mlp.experts.1.weight']
    assert torch.equal(own, state['backbone.blocks.1.mlp.experts.2.weight'])
    with pytest.raises(DataError, match='experts of width 96, the config has 32'):
        fit(weights, build_on_meta(multi_head(moe('coco', 'mpii', expert_width=32), HEAD)))


def test_heads_that_the_model_has_not_need_no_expert_of_it(tmp_path):
    config = multi_head(moe('mpii', serves={'coco': 'mpii'}), HEAD, skeletons=['coco', 'mpii'])
    for state in (vitpose(THREE), vitpose_plus(THREE)):
        fitted = fit(weights_of(tmp_path, state), build_on_meta(config))
        check(fitted, config)
        assert not fitted.initial and 'head aic' in fitted.unused


def test_one_expert_into_a_dense_model(tmp_path):
    state = vitpose_plus()
    weights = weights_of(tmp_path, state)
    config = multi_head(WIDE, HEAD, skeletons=['mpii'])
    fitted = fit(weights, build_on_meta(config))  # the one skeleton's
    check(fitted, config)
    assert not fitted.initial and fitted.unused['head coco'] == 'it was trained with another expert'
    assert fitted.unused['expert coco'] == 'mpii is the expert that is kept'
    assert len(fitted.unused) == 10
    reference = heatmaps(
        state, images(), attention_heads=12, head='associate_keypoint_heads.1.', expert=2
    )
    assert relative_error(outputs(fitted, config, images())['mpii'], reference) < 1e-5
    two = build_on_meta(multi_head(WIDE, HEAD))
    with pytest.raises(DataError, match='say by --expert'):
        fit(weights, two)
    fitted = fit(weights, two, expert='coco')
    assert {name.split('.')[1] for name in fitted.initial} == {'mpii'}
    with pytest.raises(DataError, match='No expert for .lsp'):
        fit(weights, two, expert='lsp')


def test_a_joint_space_in_another_order(tmp_path):
    # The predecessor's 23 joints into our union: the same joints, in our order.
    state = vitpose((23,))
    weights = weights_of(tmp_path, state)
    space = dict(kind='union', skeletons=['coco', 'mpii', 'aic'])
    config = joint_space(WIDE, HEAD, space)
    fitted = fit(weights, build_on_meta(config))
    check(fitted, config)
    assert not fitted.initial and not fitted.unused
    reference = heatmaps(state, images(), attention_heads=12)
    found = outputs(fitted, config, images())
    ours, theirs = JointSpace.from_config(space), JointSpace.preset('seed-23')
    for skeleton in ('coco', 'mpii', 'aic'):
        a = found[:, ours.indices(skeleton).tolist()]
        b = reference[:, theirs.indices(skeleton).tolist()]
        assert relative_error(a, b) < 1e-5
    # Part of it, and as heads.
    fitted = fit(weights, build_on_meta(multi_head(WIDE, HEAD)))
    assert not fitted.initial
    assert fitted.unused == {'2 joints of head seed-23': 'the model has no head for them'}
    config = joint_space(WIDE, HEAD, dict(kind='union', skeletons=['coco', 'mpii']))
    assert not fit(weights, build_on_meta(config)).initial
    # With joints that it has not, or that are one there and two here, it keeps its own.
    for other in (
        dict(kind='union', skeletons=['coco', 'lsp']),
        dict(space, merge='near'),
    ):
        config = joint_space(WIDE, HEAD, other)
        fitted = fit(weights, build_on_meta(config))
        check(fitted, config)
        assert all(name.startswith('head.head.') for name in fitted.initial)
        assert fitted.unused == {'head seed-23': 'the model has no head for it'}


def test_a_backbone_alone_is_resized_and_the_rest_named(tmp_path):
    state = vit_state(384, 2, 196, prefix='')
    state = {key.replace('last_norm', 'norm'): t for key, t in state.items()}
    state |= {'cls_token': torch.zeros(1, 1, 384)}
    torch.save({'model': state}, tmp_path / 'x.pth')
    weights = load_pose_weights(tmp_path / 'x.pth').known()
    config = multi_head(moe('coco', 'mpii'), HEAD)
    fitted = fit(weights, build_on_meta(config))
    check(fitted, config)
    assert all(name.startswith('heads.') for name in fitted.initial)
    assert fitted.notes[0] == 'position embedding resized from 224 x 224 to 192 x 256 pixels'
    filled = {**{n: torch.zeros(()) for n in fitted.initial}, **fitted.tensors}
    assert filled['backbone.pos_embed'].shape == (1, 193, 384)
    # Without its norm (timm's average pooling has another one), that is named as well.
    weights = weights_of(tmp_path, {k: t for k, t in state.items() if not k.startswith('norm.')})
    fitted = fit(weights, build_on_meta(config))
    check(fitted, config)
    assert {'backbone.last_norm.weight', 'backbone.last_norm.bias'} <= set(fitted.initial)


def test_other_widths_are_refused(tmp_path):
    weights = weights_of(tmp_path, vitpose(THREE, depth=3))
    with pytest.raises(DataError, match='depth is 3, the config has 2'):
        fit(weights, build_on_meta(multi_head(WIDE, HEAD)))
    with pytest.raises(DataError, match='embed_dim is 384, the config has 16'):
        fit(weights, build_on_meta(multi_head(head=SIMPLE)))


def test_a_model_fits_itself():
    for config in (multi_head(WIDE, HEAD), joint_space(moe('coco', 'mpii', 'aic'), HEAD)):
        model = MODELS.build(config)
        fitted = fit(pose_weights_of(model), model)
        state = model.state_dict()
        assert not fitted.initial and not fitted.unused and not fitted.notes
        assert all(torch.equal(fitted.tensors[name], state[name]) for name in state)
