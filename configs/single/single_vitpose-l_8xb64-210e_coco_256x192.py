# ViTPose as published: half the batch and half the rate of the recipe for several datasets.
_base_ = ['../_base_/recipes/vitpose-l.py', '../_base_/datasets/coco-2017.py']

model = dict(
    type='hpemap_mm.MultiHeadPoseEstimator',
    skeletons={{_base_.skeletons}},
    head=dict(decoder={{_base_.codec}}),
)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
auto_scale_lr = dict(base_batch_size=512)
