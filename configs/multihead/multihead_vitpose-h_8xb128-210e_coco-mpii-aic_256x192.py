_base_ = ['../_base_/recipes/vitpose-h.py', '../_base_/datasets/coco-mpii-aic.py']

model = dict(
    type='hpemap_mm.MultiHeadPoseEstimator',
    skeletons={{_base_.skeletons}},
    head=dict(decoder={{_base_.codec}}),
)
