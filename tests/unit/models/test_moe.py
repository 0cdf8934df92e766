"""ViTPose++'s experts against their published definition, alone and inside the estimators."""

import copy

import numpy as np
import pytest
import torch
from pose_worlds import CLASSIC, MOE, VIT, images, multi_head, sample, space_model, total, union
from test_vitpose import reference_forward

from hpemap_mm.models import LayerDecayConstructor, ViTPoseMoEBackbone
from hpemap_mm.models.backbones.moe import expert_groups

# The width of ViTPose++'s experts, as published in its configs (S: in its weights).
PUBLISHED = {'S': 96, 'B': 192, 'L': 256, 'H': 320}


def moe(seed=0, **kwargs):
    options = {k: v for k, v in MOE.items() if k != 'type'} | kwargs
    backbone = ViTPoseMoEBackbone(options.pop('arch'), **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return backbone.eval()


def all_experts_forward(weights, x, experts, heads):
    """The published forward: every expert for every token, of which a mask keeps one.

    ViTPose++'s MLP (arXiv 2212.04246, section 3.3): FFN(x) = [shared(x), expert_i(x)].
    """
    outputs = []
    for image, expert in zip(x, experts, strict=True):
        # To the dense reference, an expert is the last rows of the second layer.
        dense = {k: v for k, v in weights.items() if '.experts.' not in k}
        for key in [k for k in dense if '.fc2.' in k]:
            masked = [
                weights[key.replace('fc2', f'experts.{e}')] * float(e == expert)
                for e in range(1 + max(experts.tolist()))
            ]
            dense[key] = torch.cat([dense[key], torch.stack(masked).sum(0)])
        outputs.append(reference_forward(dense, image[None], heads))
    return torch.cat(outputs)


@pytest.mark.parametrize('experts', [[0, 0, 0], [2, 0, 1, 2, 0], [1]])
def test_forward_is_the_published_definition(experts):
    backbone = moe()
    x, experts = images(len(experts)), torch.tensor(experts)
    with torch.no_grad():
        (ours,) = backbone(x, experts)
        expected = all_experts_forward(backbone.state_dict(), x, experts, 2)
    assert ((ours - expected).norm() / expected.norm()).item() < 1e-5


@pytest.mark.parametrize('arch', 'SBLH')
def test_published_geometry(arch):
    with torch.device('meta'):
        backbone = ViTPoseMoEBackbone(arch, experts=list('abcdef'))
    shapes = {key: tuple(value.shape) for key, value in backbone.state_dict().items()}
    width, own = backbone.arch.embed_dim, PUBLISHED[arch]
    for i in range(backbone.arch.depth):
        assert shapes[f'blocks.{i}.mlp.fc2.weight'] == (width - own, 4 * width)
        assert shapes[f'blocks.{i}.mlp.fc2.bias'] == (width - own,)
        experts = [key for key in shapes if key.startswith(f'blocks.{i}.mlp.experts.')]
        assert len(experts) == 12
        for e in range(6):
            assert shapes[f'blocks.{i}.mlp.experts.{e}.weight'] == (own, 4 * width)
            assert shapes[f'blocks.{i}.mlp.experts.{e}.bias'] == (own,)


def test_groups_are_stable():
    order, groups = expert_groups([2, 0, 2, 1, 0])
    assert order == [1, 4, 3, 0, 2]
    assert [tuple(group) for group in groups] == [(0, 0, 2), (1, 2, 3), (2, 3, 5)]


def gradients(backbone, loss):
    backbone.zero_grad()
    loss.backward()
    return {name: p.grad for name, p in backbone.named_parameters()}


def test_gradients_are_those_of_every_expert_with_a_mask():
    backbone = moe().double().train()
    x, experts = images(5).double().requires_grad_(), torch.tensor([2, 0, 2, 2, 0])
    target = torch.randn(5, 16, 4, 3, dtype=torch.float64)
    ours = gradients(backbone, (backbone(x, experts)[0] * target).sum())
    of_input = x.grad
    x.grad = None
    masked = all_experts_forward(dict(backbone.named_parameters()), x, experts, 2)
    expected = gradients(backbone, (masked * target).sum())
    torch.testing.assert_close(of_input, x.grad)
    for name, gradient in ours.items():
        # Expert 1 saw no sample: zeros, not None, so that DDP ranks agree.
        torch.testing.assert_close(gradient, expected[name], msg=name)
    assert not ours['blocks.0.mlp.experts.1.weight'].any()
    assert ours['blocks.0.mlp.experts.2.weight'].any()


def test_the_written_layer_passes_gradcheck():
    from hpemap_mm.models.backbones.moe import ExpertMlp

    torch.manual_seed(0)
    mlp = ExpertMlp(4, 6, experts=3, width=1).double()
    _, groups = expert_groups([0, 0, 2])
    x = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: mlp(x, groups), (x,))


def test_plain_operations_give_the_same():
    backbone = moe()
    experts = [2, 0, 1, 0]
    rows = [0, 0, 1, 2]
    x = images(3)
    with torch.no_grad():
        (by_rows,) = backbone(x, experts, rows)
        (copied,) = backbone(x[rows], experts)
    torch.testing.assert_close(by_rows, copied, rtol=1e-5, atol=1e-6)


def test_one_index_is_for_all_images():
    backbone = moe()
    x = images(3)
    with torch.no_grad():
        assert torch.equal(backbone(x, 2)[0], backbone(x, [2, 2, 2])[0])


def test_checkpointing_gives_identical_gradients():
    results = []
    for with_cp in (False, True):
        backbone = moe(with_cp=with_cp, drop_path_rate=0.5).train()
        torch.manual_seed(0)
        results.append(gradients(backbone, backbone(images(4), [1, 0, 0, 2])[0].square().mean()))
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_bfloat16_autocast_trains_close_to_float32():
    backbone = moe().train()
    x, experts = images(4), [1, 0, 0, 2]
    exact = gradients(backbone, backbone(x, experts)[0].square().mean())
    with torch.autocast('cpu', torch.bfloat16):
        loss = backbone(x, experts)[0].float().square().mean()
    rounded = gradients(backbone, loss)
    for name, gradient in exact.items():
        assert rounded[name].dtype == torch.float32
        assert (rounded[name] - gradient).norm() <= 0.1 * gradient.norm() + 1e-6, name


def test_layer_decay_reaches_the_experts():
    model = multi_head(('coco', 'mpii'), backbone=MOE)
    wrapper = LayerDecayConstructor(
        dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1.0)),
        dict(layer_decay_rate=0.5),
    )(model)
    lrs = {
        name: group['lr']
        for group in wrapper.optimizer.param_groups
        for name in group['param_names']
    }
    assert lrs['backbone.blocks.0.mlp.experts.1.weight'] == 0.5**2
    assert lrs['backbone.blocks.1.mlp.experts.1.weight'] == 0.5
    assert lrs['heads.coco.final_layer.weight'] == 1.0


def test_errors():
    with pytest.raises(ValueError, match='names of their own'):
        moe(experts=['coco', 'coco'])
    with pytest.raises(ValueError, match='expert_width 16'):
        moe(expert_width=16)
    with pytest.raises(KeyError, match='ochuman'):
        moe(serves=dict(ochuman='lsp'))
    with pytest.raises(ValueError, match='must be said'):
        moe()(images(1))
    with pytest.raises(ValueError, match='up to 2'):
        moe()(images(2), [0, 3])
    with pytest.raises(KeyError, match='No expert for .*lsp.*Experts: .*aic'):
        moe().expert_index('lsp', None)
    with pytest.raises(ValueError, match="Head 'lsp': No expert"):
        multi_head(('coco', 'lsp'), backbone=MOE)
    with pytest.raises(ValueError, match="Skeleton 'lsp': No expert"):
        space_model(union('coco', 'lsp'), backbone=MOE)


# --- inside the estimators --------------------------------------------------------------------


def predict(model, x, samples):
    with torch.no_grad():
        return model(x, copy.deepcopy(samples), mode='predict')


def collapsed(model, skeleton):
    """The dense model that one expert is, by the rule of ViTPose's tools."""
    index = model.backbone.expert_index(skeleton)
    weights = {}
    for key, value in model.state_dict().items():
        if '.experts.' in key:
            continue
        if '.mlp.fc2.' in key:
            value = torch.cat([value, model.state_dict()[key.replace('fc2', f'experts.{index}')]])
        weights[key] = value
    return weights


@pytest.mark.parametrize('flip_test', [False, True])
@pytest.mark.parametrize('answer', ['own', 'all', 'mpii'])
def test_each_answer_is_the_collapsed_models(answer, flip_test):
    test_cfg = dict(flip_test=flip_test, flip_mode='heatmap', shift_heatmap=False, answer=answer)
    skeletons = ('coco', 'mpii', 'aic')
    model = multi_head(skeletons, backbone=MOE, head=CLASSIC, test_cfg=test_cfg).double()
    dense = multi_head(skeletons, head=CLASSIC, test_cfg=dict(test_cfg, answer='all')).double()
    x = images(3).double()
    samples = [sample(name) for name in ('mpii', 'coco', 'mpii')]
    answered = predict(model, x, samples)
    for skeleton in skeletons:
        dense.load_state_dict(collapsed(model, skeleton))
        for ours, theirs, given in zip(answered, predict(dense, x, samples), samples, strict=True):
            if answer == 'all':
                found = ours.pred_by_skeleton[skeleton]
            elif skeleton == (given.metainfo['skeleton'] if answer == 'own' else answer):
                found = ours.pred_instances
                assert ours.metainfo['pred_skeleton'] == skeleton
            else:
                continue
            expected = theirs.pred_by_skeleton[skeleton]
            np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)
            np.testing.assert_allclose(found.keypoint_scores, expected.keypoint_scores, rtol=1e-4)


def test_a_union_answers_each_skeleton_by_its_expert():
    space = union('coco', 'mpii')
    model = space_model(space, backbone=MOE, test_cfg=dict(answer='all')).double()
    dense = space_model(space, test_cfg=dict(answer='all')).double()
    x, samples = images(2).double(), [sample('mpii'), sample('coco')]
    answered = predict(model, x, samples)
    for skeleton in ('coco', 'mpii'):
        dense.load_state_dict(collapsed(model, skeleton))
        for ours, theirs in zip(answered, predict(dense, x, samples), strict=True):
            found, expected = ours.pred_by_skeleton[skeleton], theirs.pred_by_skeleton[skeleton]
            np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)
    raw = model(x, None, mode='tensor')
    for skeleton in ('coco', 'mpii'):
        dense.load_state_dict(collapsed(model, skeleton))
        expected = dense(x, None, mode='tensor')[:, space.indices(skeleton).tolist()]
        torch.testing.assert_close(raw[skeleton], expected, rtol=1e-4, atol=1e-4)
    model.answer = 'space'
    assert predict(model, x, samples)[0].pred_instances.keypoints.shape == (1, len(space), 2)


def test_a_sample_passes_once_for_each_expert():
    """Two skeletons of one expert share a pass; the first block is shared by all."""
    backbone = dict(MOE, serves=dict(ochuman='coco'))
    model = multi_head(('coco', 'ochuman', 'mpii'), backbone=backbone, test_cfg=dict(answer='all'))
    rows = {}
    for name in (
        'patch_embed',
        'blocks.0.mlp.fc1',
        'blocks.0.mlp.fc2',
        'blocks.1.attn',
        'last_norm',
    ):
        model.backbone.get_submodule(name).register_forward_hook(
            lambda _, args, __, name=name: rows.setdefault(name, []).append(len(args[0]))
        )
    predict(model, images(3), [sample('coco'), sample('mpii'), sample('coco')])
    assert rows['patch_embed'] == rows['blocks.0.mlp.fc1'] == rows['blocks.0.mlp.fc2'] == [3]
    assert rows['blocks.1.attn'] == rows['last_norm'] == [6]
    rows.clear()
    model.answer = 'own'
    predict(model, images(3), [sample('coco'), sample('mpii'), sample('coco')])
    assert {tuple(counts) for counts in rows.values()} == {(3,)}


@pytest.mark.parametrize(
    'build', [multi_head, lambda names, **kw: space_model(union(*names), **kw)]
)
def test_training_reaches_the_experts_of_the_batch(build):
    model = build(('coco', 'mpii', 'aic'), backbone=MOE).train()
    space = getattr(model, 'space', None)
    batch = [sample(name, seed=i, space=space) for i, name in enumerate(('mpii', 'coco', 'mpii'))]
    total(model(images(3), batch, mode='loss')).backward()
    touched = {
        name: bool(model.backbone.blocks[0].mlp.experts[i].weight.grad.any())
        for i, name in enumerate(model.backbone.experts)
    }
    assert touched == {'aic': False, 'coco': True, 'mpii': True}
    assert all(p.grad is not None for p in model.parameters())


def test_an_expert_may_belong_to_a_dataset():
    backbone = dict(MOE, experts=('gym_train', 'coco', 'mpii'))
    model = multi_head(('coco', 'mpii'), backbone=backbone).train()
    batch = [sample('coco', dataset='gym_train'), sample('mpii')]
    total(model(images(2), batch, mode='loss')).backward()
    grads = [layer.weight.grad.any().item() for layer in model.backbone.blocks[0].mlp.experts]
    assert grads == [True, False, True]
    # A skeleton that is asked for is made by its own expert.
    names = model.expert_names('coco', None)
    assert model.backbone.expert_index(*names) == 1


def test_compiled_form_trains_the_same(monkeypatch):
    """What torch.compile and exporters see: other operations, the same gradients."""
    backbone = moe().double().train()
    x, experts = images(3).double(), [2, 0, 2]
    written = gradients(backbone, backbone(x, experts)[0].square().mean())
    monkeypatch.setattr(torch.compiler, 'is_compiling', lambda: True)
    plain = gradients(backbone, backbone(x, experts)[0].square().mean())
    for name in written:
        torch.testing.assert_close(plain[name], written[name], msg=name)


def test_dense_and_experts_share_their_names():
    dense = {
        k for k in ViTPoseMoEBackbone(VIT['arch'], experts=['a'], img_size=(48, 64)).state_dict()
    }
    assert {k for k in dense if '.experts.' not in k} == set(multi_head().backbone.state_dict())
