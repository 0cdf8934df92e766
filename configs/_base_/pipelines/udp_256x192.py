# ViTPose's input: 192x256 crops, UDP heatmaps of 48x64.
codec = dict(type='UDPHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2)

train_pipeline = [
    dict(type='hpemap_mm.LoadPoseImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody'),
    dict(type='RandomBBoxTransform'),
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
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='hpemap_mm.MultiSkeletonSampler', shuffle=True),
    dataset=dict(type='hpemap_mm.MultiSkeletonDataset', pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='hpemap_mm.MultiSkeletonDataset', test_mode=True, pipeline=val_pipeline),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='hpemap_mm.MultiSkeletonPCK')
# Every skeleton that the model answers in, on every dataset; of it one figure a cell is logged.
test_evaluator = dict(type='hpemap_mm.CrossEvaluator', keys=['*->*/PCK@0.1_bbox'])
