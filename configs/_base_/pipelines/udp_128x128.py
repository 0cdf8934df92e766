# Small square crops for a CPU: 128x128, UDP heatmaps of 32x32.
codec = dict(type='UDPHeatmap', input_size=(128, 128), heatmap_size=(32, 32), sigma=1.5)

train_pipeline = [
    dict(type='hpemap_mm.LoadPoseImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(
        type='RandomBBoxTransform',
        scale_factor=(0.8, 1.25),
        rotate_factor=30.0,
        rotate_prob=0.6,
    ),
    dict(type='TopdownAffine', input_size=codec['input_size'], use_udp=True),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='hpemap_mm.PackSample'),
]
val_pipeline = [
    dict(type='hpemap_mm.LoadPoseImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size'], use_udp=True),
    dict(type='hpemap_mm.PackSample'),
]

# What loaders of every dataset have in common; a dataset adds its entries and batch sizes.
train_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='hpemap_mm.MultiSkeletonSampler', shuffle=True),
    dataset=dict(type='hpemap_mm.MultiSkeletonDataset', pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='hpemap_mm.MultiSkeletonDataset', test_mode=True, pipeline=val_pipeline),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='hpemap_mm.MultiSkeletonPCK')
# Every skeleton that the model answers in, on every dataset; of it one figure a cell is logged.
test_evaluator = dict(type='hpemap_mm.CrossEvaluator', keys=['*->*/PCK@0.1_bbox'])
