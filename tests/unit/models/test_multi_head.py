import copy

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS
from pose_worlds import (
    FAMILIES,
    REGRESSION,
    RLE_HEAD,
    SIMCC,
    SIMCC_HEAD,
    SIMPLE,
    SOFTMAX,
    VIT,
    images,
    multi_head,
    sample,
    total,
)

MIXED = ('coco', 'mpii', 'coco', 'mpii', 'mpii')


def mixed_batch(skeletons=MIXED, **kwargs):
    return [sample(skeleton, seed=i, **kwargs) for i, skeleton in enumerate(skeletons)]


def predict(model, x, samples):
    with torch.no_grad():
        return model(x, copy.deepcopy(samples), mode='predict')


def keypoints(instances):
    return np.asarray(instances.keypoints)


def test_heads_have_their_skeletons_widths_and_overrides():
    model = multi_head(('coco', 'mpii', 'aic'), heads=dict(mpii=dict(final_layer=dict(bias=False))))
    widths = {name: head.final_layer.weight.shape[0] for name, head in model.heads.items()}
    assert widths == {'coco': 17, 'mpii': 16, 'aic': 14}
    assert model.heads['mpii'].final_layer.bias is None
    assert model.heads['coco'].final_layer.bias is not None
    # An override is merged: the kernel of the template stays 3.
    assert model.answers == ('coco', 'mpii', 'aic')


def test_heads_of_several_families_in_one_model():
    model = multi_head(
        ('coco', 'mpii', 'aic'),
        heads=dict(mpii=dict(SIMCC_HEAD, _delete_=True), aic=dict(RLE_HEAD, _delete_=True)),
    ).train()
    batch = [sample('coco'), sample('mpii', codec=SIMCC), sample('aic', codec=REGRESSION)]
    losses = model(images(3), batch, mode='loss')
    assert set(losses) == {'coco.loss_kpt', 'mpii.loss_kpt', 'aic.loss_kpt'}
    total(losses).backward()
    assert all(p.grad is not None for p in model.parameters())
    model.eval().answer = 'all'
    (answered,) = predict(model, images(1), batch[:1])
    shapes = {name: p.keypoints.shape for name, p in answered.pred_by_skeleton.items()}
    assert shapes == {'coco': (1, 17, 2), 'mpii': (1, 16, 2), 'aic': (1, 14, 2)}


@pytest.mark.parametrize('family', FAMILIES)
def test_a_mixed_batch_has_the_loss_of_its_parts_by_their_shares(family):
    head, codec = FAMILIES[family]
    model = multi_head(head=head)
    x, batch = images(5), mixed_batch(codec=codec)
    losses = model(x, batch, mode='loss')
    for name, share in (('coco', 2 / 5), ('mpii', 3 / 5)):
        own = [i for i, skeleton in enumerate(MIXED) if skeleton == name]
        alone = model(x[own], [batch[i] for i in own], mode='loss')
        expected = share * alone[f'{name}.loss_kpt'].item()
        assert losses[f'{name}.loss_kpt'].item() == pytest.approx(expected, rel=1e-5)
        # And the part is the mean over its samples.
        single = [model(x[[i]], [batch[i]], mode='loss')[f'{name}.loss_kpt'].item() for i in own]
        assert alone[f'{name}.loss_kpt'].item() == pytest.approx(np.mean(single), rel=1e-4)


def test_the_loss_is_the_stock_estimators():
    model = multi_head(('coco',))
    stock = MODELS.build(
        dict(
            type='TopdownPoseEstimator',
            backbone=VIT,
            head=dict(SIMPLE, out_channels=17),
        )
    ).eval()
    stock.load_state_dict(
        {k.replace('heads.coco.', 'head.'): v for k, v in model.state_dict().items()}
    )
    x, batch = images(2), [sample(seed=1), sample(seed=2, unlabelled=(3,))]
    ours = model(x, batch, mode='loss')['coco.loss_kpt']
    assert torch.equal(ours, stock(x, batch, mode='loss')['loss_kpt'])
    (theirs, _), (answer, _) = predict(stock, x, batch), predict(model, x, batch)
    np.testing.assert_allclose(
        keypoints(answer.pred_instances), keypoints(theirs.pred_instances), atol=1e-3
    )


def test_a_head_without_samples_has_zero_loss_and_gradients():
    model = multi_head(('coco', 'mpii', 'aic')).train()
    losses = model(images(2), mixed_batch(('coco', 'coco')), mode='loss')
    assert losses['mpii.loss_kpt'].item() == losses['aic.loss_kpt'].item() == 0
    assert losses['coco.loss_kpt'].item() > 0
    total(losses).backward()
    for name, parameter in model.named_parameters():
        absent = name.startswith(('heads.mpii', 'heads.aic'))
        assert (parameter.grad == 0).all() == absent, name


def test_loss_weights():
    x, batch = images(5), mixed_batch()
    plain = multi_head()(x, batch, mode='loss')
    halved = multi_head(loss_weights=dict(mpii=0.5))(x, batch, mode='loss')
    assert torch.equal(halved['coco.loss_kpt'], plain['coco.loss_kpt'])
    assert torch.allclose(halved['mpii.loss_kpt'], plain['mpii.loss_kpt'] / 2)


@pytest.mark.parametrize('family', ['simple', 'simcc', 'rle'])
def test_training_accuracy_on_request(family):
    head, codec = FAMILIES[family]
    x, batch = images(5), mixed_batch(codec=codec)
    losses = multi_head(head=head)(x, batch, mode='loss')
    assert set(losses) == {'coco.loss_kpt', 'mpii.loss_kpt'}
    asked = multi_head(head=head, train_cfg=dict(compute_acc=True))(x, batch, mode='loss')
    assert set(asked) == set(losses) | {'coco.acc_pose', 'mpii.acc_pose'}
    for key, value in losses.items():
        assert torch.allclose(asked[key], value)


def test_a_head_for_one_dataset():
    model = multi_head(('coco',), heads=dict(crowd=dict(skeleton='coco')))
    batch = [sample('coco', dataset='coco_train'), sample('coco', dataset='crowd')]
    losses = model(images(2), batch, mode='loss')
    assert set(losses) == {'coco.loss_kpt', 'crowd.loss_kpt'}
    assert all(loss.item() > 0 for loss in losses.values())
    plain, crowd = predict(model, images(2), batch)
    assert plain.metainfo['pred_skeleton'] == crowd.metainfo['pred_skeleton'] == 'coco'
    model.answer = 'coco'
    plain_by_coco, crowd_by_coco = predict(model, images(2), batch)
    difference = keypoints(plain_by_coco.pred_instances) - keypoints(plain.pred_instances)
    assert np.abs(difference).max() < 0.01
    difference = keypoints(crowd_by_coco.pred_instances) - keypoints(crowd.pred_instances)
    assert np.abs(difference).max() > 1


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('flip_test', [False, True])
def test_all_answers_are_the_separate_ones(family, flip_test):
    head, codec = FAMILIES[family]
    # In float64: where a heatmap is flat, decoding magnifies the rounding of a sub-batch.
    model = multi_head(head=head, test_cfg=dict(flip_test=flip_test)).double()
    x, batch = images(3).double(), mixed_batch(('coco', 'mpii', 'mpii'), codec=codec)
    model.answer = 'own'
    own = predict(model, x, batch)
    model.answer = 'all'
    everything = predict(model, x, batch)
    for name in ('coco', 'mpii'):
        model.answer = name
        for named, every in zip(predict(model, x, batch), everything, strict=True):
            assert named.metainfo['pred_skeleton'] == name
            assert 'pred_by_skeleton' not in named
            for key in ('keypoints', 'keypoint_scores'):
                np.testing.assert_allclose(
                    named.pred_instances.get(key),
                    every.pred_by_skeleton[name].get(key),
                    rtol=1e-6,
                )
    for alone, every, skeleton in zip(own, everything, ('coco', 'mpii', 'mpii'), strict=True):
        assert alone.metainfo['pred_skeleton'] == every.metainfo['pred_skeleton'] == skeleton
        expected = every.pred_by_skeleton[skeleton]
        assert np.array_equal(keypoints(every.pred_instances), keypoints(expected))
        np.testing.assert_allclose(keypoints(alone.pred_instances), keypoints(expected), rtol=1e-6)


def test_predictions_are_in_pixels_of_the_original_image():
    """The maximum of the heatmap at cell (9, 4) is 9/11 and 4/15 of the way across the person."""
    model = multi_head(('coco',), test_cfg=dict(decode='batch'))
    heatmaps = torch.zeros(1, 17, 16, 12)
    heatmaps[:, :, 4, 9] = 1
    model.heads['coco'].forward = lambda feats: heatmaps
    (answered,) = predict(model, images(1), [sample()])
    # The sample's person is 96 x 128 pixels around (148, 114).
    expected = [148 - 48 + 96 * 9 / 11, 114 - 64 + 128 * 4 / 15]
    np.testing.assert_allclose(keypoints(answered.pred_instances)[0, 0], expected, atol=1e-3)
    np.testing.assert_array_equal(answered.pred_instances.keypoint_scores, np.ones((1, 17)))


def test_all_for_a_sample_without_a_skeleton_of_the_model():
    model = multi_head(('mpii', 'coco'), test_cfg=dict(answer='all'))
    (foreign,) = predict(model, images(1), [sample('aic')])
    assert foreign.metainfo['pred_skeleton'] == 'mpii'
    assert set(foreign.pred_by_skeleton) == {'mpii', 'coco'}
    model.answer = 'own'
    with pytest.raises(KeyError, match=r"'aic_train'.*'aic'.*\['mpii', 'coco'\]"):
        predict(model, images(1), [sample('aic')])


def test_output_heatmaps():
    model = multi_head(test_cfg=dict(output_heatmaps=True, flip_test=True))
    first, second = predict(model, images(2), [sample('coco'), sample('mpii')])
    assert first.pred_fields.heatmaps.shape == (17, 16, 12)
    assert second.pred_fields.heatmaps.shape == (16, 16, 12)


def test_raw_outputs():
    outputs = multi_head()(images(2), None, mode='tensor')
    assert {name: tuple(o.shape) for name, o in outputs.items()} == {
        'coco': (2, 17, 16, 12),
        'mpii': (2, 16, 16, 12),
    }


@pytest.mark.parametrize('family', FAMILIES)
def test_bfloat16_autocast(family):
    head, codec = FAMILIES[family]
    model = multi_head(head=head, test_cfg=dict(flip_test=True))
    x, batch = images(3), mixed_batch(('coco', 'mpii', 'mpii'), codec=codec)
    exact = total(model(x, batch, mode='loss')).item()
    with torch.autocast('cpu', torch.bfloat16):
        loss = total(model(x, batch, mode='loss'))
        answered = predict(model, x, batch)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert loss.item() == pytest.approx(exact, rel=0.2)
    assert np.isfinite(keypoints(answered[0].pred_instances)).all()


@pytest.mark.parametrize(
    ('batch', 'message'),
    [
        (dict(skeleton='coco', dataset='x'), "dataset 'x' has a target of 17 joints, head 'mpii'"),
        (dict(skeleton='mpii', codec=SIMCC), r'no gt_fields.heatmaps.*\(SimpleHeatmapHead\)'),
    ],
)
def test_targets_that_do_not_fit_are_refused(batch, message):
    packed = sample(**batch)
    packed.set_metainfo(dict(skeleton='mpii'))
    with pytest.raises(ValueError, match=message):
        multi_head()(images(1), [packed], mode='loss')


def test_an_unknown_skeleton_is_refused():
    with pytest.raises(KeyError, match=r"'lsp'.*Heads: \['coco', 'mpii'\]"):
        multi_head()(images(1), [sample('lsp')], mode='loss')


@pytest.mark.parametrize(
    ('kwargs', 'error', 'message'),
    [
        (dict(head=dict(SIMPLE, out_channels=17)), ValueError, r'out_channels=17.*17 joints'),
        (dict(skeletons=('coco', 'coco')), ValueError, 'twice'),
        (dict(skeletons=('cocoo',)), KeyError, 'cocoo'),
        (dict(heads=dict(crowd={})), ValueError, 'must state its skeleton'),
        (dict(heads=dict(coco=dict(skeleton='mpii'))), ValueError, "states 'mpii'"),
        (dict(loss_weights=dict(aic=1)), ValueError, r"'aic'.*Heads: \['coco', 'mpii'\]"),
        (dict(test_cfg=dict(answer='aic')), KeyError, r"\['own', 'all', 'coco', 'mpii'\]"),
        (dict(test_cfg=dict(decode='x')), ValueError, 'batch.*symmetric.*mmpose'),
        (dict(test_cfg=dict(output_keypoint_indices=[0])), ValueError, 'answer'),
        (dict(head=dict(SOFTMAX, type='CIDHead')), ValueError, 'CIDHead'),
        (dict(head=dict(in_channels=4)), ValueError, 'no type'),
    ],
)
def test_wrong_configs_are_refused(kwargs, error, message):
    with pytest.raises(error, match=message):
        multi_head(**kwargs)


def test_sync_norms_in_heads_are_refused_where_they_would_hang(monkeypatch):
    head, codec = FAMILIES['classic']
    model = multi_head(('coco',), head=head)
    torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    monkeypatch.setattr('hpemap_mm.models.estimators.multi_head.get_world_size', lambda: 2)
    with pytest.raises(RuntimeError, match="Head 'coco' has SyncBatchNorm"):
        model(images(1), [sample(codec=codec)], mode='loss')


def test_init_weights_reaches_the_heads():
    model = multi_head()
    model.init_weights()
    # MMPose's heads start from weights of 0.001, ours from 0.3.
    assert model.heads['mpii'].final_layer.weight.std().item() == pytest.approx(1e-3, rel=0.2)
