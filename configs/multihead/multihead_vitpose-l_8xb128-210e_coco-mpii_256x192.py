_base_ = ['../_base_/recipes/vitpose-l.py', '../_base_/datasets/coco-mpii.py']

model = dict(
    type='hpemap_mm.MultiHeadPoseEstimator',
    skeletons={{_base_.skeletons}},
    head=dict(decoder={{_base_.codec}}),
)
