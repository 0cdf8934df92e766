_base_ = ['../_base_/recipes/moe_vitpose-h.py', '../_base_/datasets/coco-mpii-aic.py']

# Experts go by name. ViTPose++'s come in another order: coco, aic, mpii.
model = dict(
    type='hpemap_mm.MultiHeadPoseEstimator',
    skeletons={{_base_.skeletons}},
    backbone=dict(type='hpemap_mm.ViTPoseMoEBackbone', experts={{_base_.skeletons}}),
    head=dict(decoder={{_base_.codec}}),
)
