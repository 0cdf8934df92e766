# One dataset alone: what the joint models of coco-subset_lspet are compared with.
_base_ = ['../_base_/recipes/micro_8e.py', '../_base_/datasets/coco-subset.py']

model = dict(
    type='hpemap_mm.MultiHeadPoseEstimator',
    skeletons={{_base_.skeletons}},
    head=dict(decoder={{_base_.codec}}),
)
