"""Small models of every kind, and what they are exported as."""

from collections import namedtuple

import numpy as np
import onnxruntime
import torch
from mmpose.registry import MODELS
from pose_worlds import (
    CLASSIC,
    MOE,
    SIMCC_HEAD,
    SIMPLE,
    SOFTMAX,
    VIT,
    multi_head,
    randomise,
    space_model,
)

from hpemap_mm.deployment import export_onnx

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
PIXELS = dict(type='mmpose.PoseDataPreprocessor', mean=MEAN, std=STD, bgr_to_rgb=True)
ONE_BLOCK = dict(VIT, arch=dict(embed_dim=16, depth=1, num_heads=2))
#: Wide enough for the simple decoder to reduce its channels before it upsamples.
WIDE = dict(VIT, arch=dict(embed_dim=160, depth=1, num_heads=2))
UNION = dict(kind='union', skeletons=['coco', 'mpii'])
RESNET = dict(type='hpemap_mm.TimmBackbone', model_name='resnet10t', out_stride=16)

#: How a world's model is built, and how it is exported.
WORLDS = {
    'dense': lambda: (multi_head(head=CLASSIC, backbone=ONE_BLOCK), {}),
    'wide': lambda: (
        multi_head(('coco', 'mpii', 'aic'), dict(SIMPLE, in_channels=160), backbone=WIDE),
        dict(skeletons=['mpii']),
    ),
    'moe': lambda: (multi_head(('coco', 'mpii', 'aic'), backbone=MOE), {}),
    'union': lambda: (
        space_model(UNION, head=SOFTMAX, backbone=ONE_BLOCK),
        dict(skeletons=['mpii', 'space']),
    ),
    'moe_union': lambda: (
        space_model(
            UNION, backbone=dict(MOE, arch=ONE_BLOCK['arch']), test_cfg=dict(flip_test=True)
        ),
        dict(flip_test=True, decode='inside'),
    ),
    'timm': lambda: (timm_model(), {}),
    'simcc': lambda: (multi_head(head=SIMCC_HEAD, backbone=ONE_BLOCK), {}),
    'pixels': lambda: (
        multi_head(
            head=CLASSIC,
            backbone=ONE_BLOCK,
            data_preprocessor=PIXELS,
            test_cfg=dict(flip_test=True, shift_heatmap=True, decode='symmetric'),
        ),
        dict(decode='inside', flip_test=True, input_kind='raw'),
    ),
}


def timm_model():
    """A ResNet as timm initialises it: weights as large as those of ViTs here would overflow it."""
    torch.manual_seed(0)
    head = dict(SIMPLE, in_channels=256)
    config = dict(type='hpemap_mm.MultiHeadPoseEstimator', skeletons=['coco', 'mpii'], head=head)
    model = MODELS.build(dict(config, backbone=RESNET))
    randomise(model.heads)
    return model.eval()


Exported = namedtuple('Exported', 'model report path session')


def export(name, path):
    """Build and export a world."""
    model, options = WORLDS[name]()
    report = export_onnx(model, path, rounds=0, **options)
    return Exported(model, report, path, onnxruntime.InferenceSession(str(path)))


def run(session, images):
    """Outputs by name."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {'images': images.numpy()}), strict=True))


def raw(model, images):
    """What the model gives in PyTorch, by head or skeleton."""
    with torch.no_grad():
        return model(images, None, mode='tensor')


def assert_equal(got, expected):
    """Equal to 1e-5 of the largest value; what is asked for is 1e-4."""
    expected = expected.numpy()
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() < 1e-5 * np.abs(expected).max()
