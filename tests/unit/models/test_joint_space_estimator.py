import copy

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS
from pose_worlds import FAMILIES, SIMPLE, VIT, images, sample, space_model, union

from hpemap_mm.skeletons import JointSpace, get_skeleton

CONFIG = dict(kind='union', skeletons=['coco', 'mpii'])


def predict(model, count, samples):
    with torch.no_grad():
        return model(images(count), copy.deepcopy(samples), mode='predict')


def test_the_spaces_width_is_the_heads():
    for kind, joints in (('union', 21), ('concat', 33)):
        model = space_model(dict(CONFIG, kind=kind))
        assert len(model.space) == joints
        assert model.head.head.final_layer.weight.shape[0] == joints
        assert model(images(2), None, mode='tensor').shape == (2, joints, 16, 12)


@pytest.mark.parametrize('kind', ['union', 'concat'])
def test_answers_are_gathered_from_the_space(kind):
    config = dict(CONFIG, kind=kind)
    model = space_model(config, test_cfg=dict(flip_test=True, answer='space'))
    space = JointSpace.from_config(config)
    batch = [sample('mpii', space=space), sample('coco', space=space)]
    in_space = predict(model, 2, batch)
    assert in_space[0].metainfo['pred_skeleton'] == space.name
    truth = [np.asarray(s.pred_instances.keypoints) for s in in_space]
    assert truth[0].shape == (1, len(space), 2)

    model.answer = 'own'
    for answered, skeleton, all_joints in zip(
        predict(model, 2, batch), ('mpii', 'coco'), truth, strict=True
    ):
        assert answered.metainfo['pred_skeleton'] == skeleton
        instances = answered.pred_instances
        # By name: a joint of the answer is the joint of that name in the space.
        for k, joint in enumerate(get_skeleton(skeleton).joints):
            place = space.index(f'{skeleton}/{joint}')
            np.testing.assert_array_equal(instances.keypoints[0, k], all_joints[0, place])
        assert instances.keypoint_scores.shape == (1, len(get_skeleton(skeleton)))
        assert instances.bboxes.shape == (1, 4)

    model.answer = 'all'
    every = predict(model, 2, batch)[0]
    assert every.metainfo['pred_skeleton'] == 'mpii'
    assert list(every.pred_by_skeleton) == ['coco', 'mpii']
    for name, instances in every.pred_by_skeleton.items():
        expected = truth[0][:, space.indices(name)]
        np.testing.assert_array_equal(instances.keypoints, expected)

    model.answer = 'coco'
    assert [s.metainfo['pred_skeleton'] for s in predict(model, 2, batch)] == ['coco', 'coco']


def test_heatmaps_are_gathered_too():
    space = union('coco', 'mpii')
    model = space_model(space, test_cfg=dict(output_heatmaps=True, answer='space'))
    (whole,) = predict(model, 1, [sample('mpii', space=space)])
    model.answer = 'own'
    (own,) = predict(model, 1, [sample('mpii', space=space)])
    expected = whole.pred_fields.heatmaps[space.indices('mpii').tolist()]
    assert torch.equal(own.pred_fields.heatmaps, expected)


@pytest.mark.parametrize('family', FAMILIES)
def test_the_loss_is_the_mean_over_samples(family):
    head, codec = FAMILIES[family]
    space = union('coco', 'mpii')
    model = space_model(space, head=head)
    batch = [sample(s, codec=codec, seed=i, space=space) for i, s in enumerate(('coco', 'mpii'))]
    whole = model(images(2), batch, mode='loss')
    single = [model(images(2)[[i]], [batch[i]], mode='loss')['loss_kpt'].item() for i in (0, 1)]
    assert set(whole) == {'loss_kpt'}
    assert whole['loss_kpt'].item() == pytest.approx(np.mean(single), rel=1e-4)


def test_the_head_works_in_mmposes_own_estimator():
    model = MODELS.build(
        dict(
            type='TopdownPoseEstimator',
            backbone=VIT,
            head=dict(type='hpemap_mm.JointSpaceHead', joint_space=CONFIG, head=SIMPLE),
            test_cfg=dict(flip_test=True),
        )
    ).eval()
    space = JointSpace.from_config(CONFIG)
    packed = sample('mpii', space=space)
    assert model(images(1), [packed], mode='loss')['loss_kpt'].item() > 0
    # Flip indices are the space's whatever the sample says.
    packed.set_metainfo(dict(flip_indices=list(range(16))))
    (answered,) = predict(model, 1, [packed])
    assert answered.pred_instances.keypoints.shape == (1, 21, 2)
    assert answered.metainfo['flip_indices'] == list(range(16))


def test_the_space_may_be_given_to_the_estimator():
    config = dict(type='hpemap_mm.JointSpacePoseEstimator', backbone=VIT, joint_space=CONFIG)
    model = MODELS.build(dict(config, head=SIMPLE))
    expected = space_model(CONFIG)
    shapes = {k: v.shape for k, v in model.state_dict().items()}
    assert shapes == {k: v.shape for k, v in expected.state_dict().items()}
    with pytest.raises(ValueError, match='not to both'):
        MODELS.build(dict(config, head=dict(SIMPLE, joint_space=CONFIG)))


def test_errors():
    space = union('coco', 'mpii')
    with pytest.raises(ValueError, match=r'target of 17 joints, head .*union.* has 21'):
        space_model(space)(images(1), [sample('coco')], mode='loss')
    with pytest.raises(KeyError, match=r"'aic'.*Available: \['coco', 'mpii'\]"):
        predict(space_model(space), 1, [sample('aic')])
    with pytest.raises(KeyError, match=r"\['own', 'all', 'space', 'coco', 'mpii'\]"):
        space_model(space, test_cfg=dict(answer='aic'))
    with pytest.raises(ValueError, match='JointSpaceHead as its head; got SimpleHeatmapHead'):
        MODELS.build(
            dict(
                type='hpemap_mm.JointSpacePoseEstimator',
                backbone=VIT,
                head=dict(SIMPLE, out_channels=21),
            )
        )
