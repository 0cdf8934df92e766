_base_ = ['../_base_/recipes/micro_12e.py', '../_base_/datasets/mannequin.py']

model = dict(
    type='hpemap_mm.MultiHeadPoseEstimator',
    skeletons={{_base_.skeletons}},
    head=dict(decoder={{_base_.codec}}),
)
