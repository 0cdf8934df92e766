"""Tiny models and samples: 48 x 64 inputs, 12 x 16 heatmaps."""

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import KEYPOINT_CODECS, MODELS
from mmpose.structures import PoseDataSample

import hpemap_mm.models  # noqa: F401  registers
from hpemap_mm.skeletons import JointSpace, get_skeleton

INPUT_SIZE = (48, 64)
HEATMAP_SIZE = (12, 16)
WIDTH = 16
GRID = (3, 4)

UDP = dict(type='UDPHeatmap', input_size=INPUT_SIZE, heatmap_size=HEATMAP_SIZE, sigma=2)
SIMCC = dict(type='SimCCLabel', input_size=INPUT_SIZE, sigma=3.0, simcc_split_ratio=2.0)
REGRESSION = dict(type='RegressionLabel', input_size=INPUT_SIZE)

VIT = dict(
    type='hpemap_mm.ViTPoseBackbone',
    arch=dict(embed_dim=WIDTH, depth=2, num_heads=2),
    img_size=INPUT_SIZE,
)

#: Experts of the first skeletons of most tests, in an order of their own.
MOE = dict(VIT, type='hpemap_mm.ViTPoseMoEBackbone', experts=('aic', 'coco', 'mpii'))

SIMPLE = dict(
    type='hpemap_mm.SimpleHeatmapHead',
    in_channels=WIDTH,
    loss=dict(type='KeypointMSELoss', use_target_weight=True),
    decoder=UDP,
)
CLASSIC = dict(SIMPLE, type='hpemap_mm.ClassicHeatmapHead')
SOFTMAX = dict(type='hpemap_mm.SoftmaxHeatmapHead', in_channels=WIDTH, layout='simple', decoder=UDP)
SIMCC_HEAD = dict(
    type='SimCCHead',
    in_channels=WIDTH,
    input_size=INPUT_SIZE,
    in_featuremap_size=GRID,
    simcc_split_ratio=2.0,
    deconv_out_channels=None,
    loss=dict(type='KLDiscretLoss', use_target_weight=True),
    decoder=SIMCC,
)
RTMCC_HEAD = dict(
    type='RTMCCHead',
    in_channels=WIDTH,
    input_size=INPUT_SIZE,
    in_featuremap_size=GRID,
    simcc_split_ratio=2.0,
    gau_cfg=dict(
        hidden_dims=16,
        s=8,
        expansion_factor=2,
        dropout_rate=0.0,
        drop_path=0.0,
        act_fn='SiLU',
        use_rel_bias=False,
        pos_enc=False,
    ),
    loss=dict(type='KLDiscretLoss', use_target_weight=True, beta=10.0, label_softmax=True),
    decoder=SIMCC,
)
RLE_HEAD = dict(
    type='RLEHead',
    in_channels=WIDTH,
    neck=dict(type='GlobalAveragePooling'),
    loss=dict(type='RLELoss', use_target_weight=True),
    decoder=REGRESSION,
)
REGRESSION_HEAD = dict(
    type='RegressionHead',
    in_channels=WIDTH,
    neck=dict(type='GlobalAveragePooling'),
    loss=dict(type='SmoothL1Loss', use_target_weight=True),
    decoder=REGRESSION,
)
FAMILIES = {
    'simple': (SIMPLE, UDP),
    'classic': (CLASSIC, UDP),
    'softmax': (SOFTMAX, UDP),
    'simcc': (SIMCC_HEAD, SIMCC),
    'rtmcc': (RTMCC_HEAD, SIMCC),
    'rle': (RLE_HEAD, REGRESSION),
    'regression': (REGRESSION_HEAD, REGRESSION),
}


def randomise(model, seed=0, std=0.3):
    """Give every weight a size at which outputs differ between joints and images."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)
    return model


def multi_head(skeletons=('coco', 'mpii'), head=SIMPLE, seed=0, **kwargs):
    """A small multi-head estimator with random weights, in evaluation mode."""
    model = MODELS.build(
        dict(
            type='hpemap_mm.MultiHeadPoseEstimator',
            backbone=kwargs.pop('backbone', VIT),
            skeletons=list(skeletons),
            head=head,
            **kwargs,
        )
    )
    return randomise(model, seed).eval()


def space_model(joint_space, head=SIMPLE, seed=0, **kwargs):
    """A small joint-space estimator with random weights, in evaluation mode."""
    head = dict(head)
    neck = head.pop('neck', None)
    model = MODELS.build(
        dict(
            type='hpemap_mm.JointSpacePoseEstimator',
            backbone=kwargs.pop('backbone', VIT),
            neck=neck,
            head=dict(type='hpemap_mm.JointSpaceHead', joint_space=joint_space, head=head),
            **kwargs,
        )
    )
    return randomise(model, seed).eval()


def images(count, seed=0):
    """(count, 3, 64, 48) normalised images."""
    return torch.randn(count, 3, *INPUT_SIZE[::-1], generator=torch.Generator().manual_seed(seed))


def sample(skeleton='coco', *, dataset=None, codec=UDP, seed=0, unlabelled=(), space=None):
    """A packed sample with random keypoints inside the input, in the skeleton or a space."""
    own = get_skeleton(skeleton)
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(8, np.array(INPUT_SIZE) - 9, (1, len(own), 2)).astype(np.float32)
    visible = np.ones((1, len(own)), np.float32)
    visible[0, list(unlabelled)] = 0
    flips = own.flip_indices
    if space is not None:
        keypoints, _ = space.scatter(skeleton, keypoints)
        visible, _ = space.scatter(skeleton, visible, axis=-1)
        flips = space.flip_indices
    encoded = KEYPOINT_CODECS.build(codec).encode(keypoints, keypoints_visible=visible)

    packed = PoseDataSample()
    packed.gt_instances = InstanceData(
        bboxes=np.array([[100.0, 50.0, 196.0, 178.0]]), bbox_scores=np.ones(1)
    )
    labels = InstanceData()
    for key, value in encoded.items():
        if key == 'heatmaps':
            packed.gt_fields = PixelData(heatmaps=torch.from_numpy(value))
        else:
            labels.set_field(torch.from_numpy(value), key)
    packed.gt_instance_labels = labels
    packed.set_metainfo(
        dict(
            dataset_name=dataset or f'{skeleton}_train',
            skeleton=skeleton,
            flip_indices=flips.tolist(),
            # The input's 48 x 64 pixels are 96 x 128 of the image, around (148, 114).
            input_center=np.array([148.0, 114.0]),
            input_scale=np.array([96.0, 128.0]),
            input_size=INPUT_SIZE,
        )
    )
    return packed


def total(losses):
    """The sum that MMEngine's parse_losses takes the gradient of."""
    return sum(value for key, value in losses.items() if 'loss' in key)


def union(*skeletons):
    """A union space."""
    return JointSpace.union(*skeletons)
