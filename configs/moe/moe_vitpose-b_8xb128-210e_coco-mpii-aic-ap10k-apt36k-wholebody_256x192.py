_base_ = [
    '../_base_/recipes/vitpose-b.py',
    '../_base_/datasets/coco-mpii-aic-ap10k-apt36k-wholebody.py',
]

model = dict(
    type='hpemap_mm.MultiHeadPoseEstimator',
    skeletons={{_base_.skeletons}},
    backbone=dict(type='hpemap_mm.ViTPoseMoEBackbone', experts={{_base_.skeletons}}),
    head=dict(decoder={{_base_.codec}}),
)
