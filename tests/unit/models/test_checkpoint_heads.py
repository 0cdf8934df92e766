import pytest
from mmpose.registry import MODELS
from pose_worlds import RLE_HEAD, SIMCC_HEAD, SIMPLE, VIT, multi_head, space_model

from hpemap_mm.errors import DataError
from hpemap_mm.models import check_checkpoint_heads


def problems(model, state_dict):
    with pytest.raises(DataError) as error:
        check_checkpoint_heads(model, state_dict, where='a.pth')
    assert isinstance(error.value, ValueError)
    return [str(problem) for problem in error.value.problems]


def renamed(model, old, new):
    return {k.replace(f'heads.{old}.', f'heads.{new}.'): v for k, v in model.state_dict().items()}


def test_a_checkpoint_that_fits():
    model = multi_head()
    check_checkpoint_heads(model, model.state_dict())
    wrapped = {f'module.{k}': v for k, v in model.state_dict().items()}
    check_checkpoint_heads(model, dict(state_dict=wrapped, meta={}))


@pytest.mark.parametrize('head', [SIMPLE, SIMCC_HEAD, RLE_HEAD])
def test_another_number_of_joints(head):
    aic = renamed(multi_head(('coco', 'aic'), head=head), 'aic', 'mpii')
    (problem,) = problems(multi_head(head=head), aic)
    assert "a.pth: head 'mpii' expects 16 joints, the checkpoint has 14" in problem


def test_missing_and_extra_heads_are_told_together():
    found = problems(multi_head(('coco', 'mpii')), multi_head(('coco', 'aic')).state_dict())
    assert len(found) == 2
    assert "head 'mpii' is not in the checkpoint, which has ['aic', 'coco']" in found[0]
    assert "the checkpoint has head 'aic', which the model has not (['coco', 'mpii'])" in found[1]


def test_other_shapes_and_missing_tensors():
    state = multi_head(head=dict(SIMPLE, final_layer=dict(kernel_size=1, padding=0))).state_dict()
    del state['heads.coco.final_layer.bias']
    found = problems(multi_head(), state)
    assert len(found) == 3
    assert 'final_layer.weight' in found[0]
    assert '(17, 16, 3, 3), the checkpoint has (17, 16, 1, 1)' in found[0]
    assert "tensor final_layer.bias of head 'coco' is not in the checkpoint" in found[1]
    assert "head 'mpii'" in found[2]


def test_a_single_head_is_not_a_multi_head():
    stock = MODELS.build(
        dict(type='TopdownPoseEstimator', backbone=VIT, head=dict(SIMPLE, out_channels=17))
    )
    missing, extra = problems(multi_head(('coco',)), stock.state_dict())
    assert "head 'coco' is not in the checkpoint, which has ['head']" in missing
    assert "the checkpoint has head 'head'" in extra
    (problem,) = problems(stock, multi_head(('coco',)).state_dict())
    assert "head 'head' is not in the checkpoint, which has ['coco']" in problem
    check_checkpoint_heads(stock, stock.state_dict())


def test_spaces():
    union = space_model(dict(kind='union', skeletons=['coco', 'mpii']))
    concat = space_model(dict(kind='concat', skeletons=['coco', 'mpii']))
    check_checkpoint_heads(union, union.state_dict())
    (problem,) = problems(union, concat.state_dict())
    assert 'expects 21 joints, the checkpoint has 33' in problem
