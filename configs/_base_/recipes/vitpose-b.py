# ViTPose-B with the classic decoder. The head is a template: the skeletons give it its width.
_base_ = ['./vitpose_210e.py']

model = dict(
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='hpemap_mm.ViTPoseBackbone', arch='B', img_size=(192, 256)),
    head=dict(
        type='HeatmapHead',
        in_channels=768,
        deconv_out_channels=(256, 256),
        deconv_kernel_sizes=(4, 4),
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False),
)
